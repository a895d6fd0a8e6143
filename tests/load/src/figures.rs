//! What came of the load: counts, and distributions of times.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::engine::Failure;

/// Times beyond this count as this, in microseconds: five minutes.
const LONGEST: u64 = 300_000_000;
const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];

/// What came of some time of load.
#[derive(Clone, Debug)]
pub struct Figures {
    /// How long that was.
    pub elapsed: Duration,
    /// Requests that were sent.
    pub sent: u64,
    /// Reports (or registrations) that were answered with a success.
    pub accepted: u64,
    /// Of those, the ones that the hub had already.
    pub duplicates: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// No connection was to be had.
    pub unreachable: u64,
    /// The connection ended before the answer.
    pub closed: u64,
    /// The answer did not come in time.
    pub too_slow: u64,
    /// What came was not an answer.
    pub garbled: u64,
    /// Reports that were made, or were due, and will never be sent: a newer one took their place.
    pub missed: u64,
    /// All bytes of requests.
    pub bytes: u64,
    latency: Histogram<u64>,
    lateness: Histogram<u64>,
}

impl Default for Figures {
    fn default() -> Self {
        Figures {
            elapsed: Duration::ZERO,
            sent: 0,
            accepted: 0,
            duplicates: 0,
            statuses: BTreeMap::new(),
            unreachable: 0,
            closed: 0,
            too_slow: 0,
            garbled: 0,
            missed: 0,
            bytes: 0,
            latency: times(),
            lateness: times(),
        }
    }
}

impl Figures {
    /// Accepted ones per second.
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        // Exact below 2⁵³.
        if seconds > 0.0 { self.accepted as f64 / seconds } else { 0.0 }
    }

    /// From a request to its answer: the time that the part `quantile` (0 to 1) of them did not exceed.
    pub fn latency(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.latency.value_at_quantile(quantile))
    }

    /// The same of the time from the moment at which a report was due to the one at which it was sent: what the load
    /// generator, or want of a free connection, made it wait.
    pub fn lateness(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.lateness.value_at_quantile(quantile))
    }

    /// How many answers had this status.
    pub fn status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// Requests that were not answered.
    pub fn failed(&self) -> u64 {
        self.unreachable + self.closed + self.too_slow + self.garbled
    }

    pub(crate) fn note_sent(&mut self, bytes: usize, late: Option<Duration>) {
        self.sent += 1;
        self.bytes += bytes as u64;
        if let Some(late) = late {
            record(&mut self.lateness, late);
        }
    }

    pub(crate) fn note_answer(&mut self, status: u16, latency: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        record(&mut self.latency, latency);
    }

    pub(crate) fn note_failure(&mut self, failure: Failure) {
        match failure {
            Failure::Unreachable => self.unreachable += 1,
            Failure::Closed => self.closed += 1,
            Failure::TooSlow => self.too_slow += 1,
            Failure::Garbled => self.garbled += 1,
        }
    }

    /// Adds those of another time.
    pub(crate) fn add(&mut self, other: &Figures) {
        self.elapsed += other.elapsed;
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.unreachable += other.unreachable;
        self.closed += other.closed;
        self.too_slow += other.too_slow;
        self.garbled += other.garbled;
        self.missed += other.missed;
        self.bytes += other.bytes;
        // Both have the same bounds.
        let _ = self.latency.add(&other.latency);
        let _ = self.lateness.add(&other.lateness);
    }
}

/// One line for a person.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}/s accepted", self.rate())?;
        for (status, count) in &self.statuses {
            write!(f, ", {status}: {count}")?;
        }
        for (what, count) in [
            ("duplicates", self.duplicates),
            ("unreachable", self.unreachable),
            ("closed", self.closed),
            ("too slow", self.too_slow),
            ("garbled", self.garbled),
            ("missed", self.missed),
        ] {
            if count > 0 {
                write!(f, ", {what}: {count}")?;
            }
        }
        for (what, times) in [("latency", &self.latency), ("lateness", &self.lateness)] {
            if !times.is_empty() {
                write!(f, "; {what}")?;
                for (name, quantile) in QUANTILES {
                    write!(f, " {name} {:.2}", times.value_at_quantile(quantile) as f64 / 1000.0)?;
                }
                f.write_str(" ms")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let quantiles = |times: &Histogram<u64>| -> BTreeMap<&str, f64> {
            QUANTILES.iter().map(|(name, q)| (*name, times.value_at_quantile(*q) as f64 / 1000.0)).collect()
        };
        let mut out = serializer.serialize_struct("Figures", 14)?;
        out.serialize_field("elapsedSecs", &self.elapsed.as_secs_f64())?;
        out.serialize_field("acceptedPerSec", &self.rate())?;
        out.serialize_field("sent", &self.sent)?;
        out.serialize_field("accepted", &self.accepted)?;
        out.serialize_field("duplicates", &self.duplicates)?;
        out.serialize_field("statuses", &self.statuses)?;
        out.serialize_field("unreachable", &self.unreachable)?;
        out.serialize_field("closed", &self.closed)?;
        out.serialize_field("tooSlow", &self.too_slow)?;
        out.serialize_field("garbled", &self.garbled)?;
        out.serialize_field("missed", &self.missed)?;
        out.serialize_field("bytes", &self.bytes)?;
        out.serialize_field("latencyMs", &quantiles(&self.latency))?;
        out.serialize_field("latenessMs", &quantiles(&self.lateness))?;
        out.end()
    }
}

/// To a thousandth.
#[expect(clippy::expect_used, reason = "whether these constants are good does not depend on anything")]
fn times() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("good bounds")
}

fn record(times: &mut Histogram<u64>, time: Duration) {
    times.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST));
}
