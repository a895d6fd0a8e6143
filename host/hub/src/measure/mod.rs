//! The hub's own figures, noted where they arise and read by `/metrics` and `/api/v1/fleet`.
//!
//! Counters, gauges and fixed buckets of atomics: to note one costs a few nanoseconds, takes no lock and cannot fail.
//! Figures that are read together may be of slightly different moments. There is one [`Measures`] per hub, shared by
//! whoever has something to note; whatever can be asked of the state itself is not noted here.

mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::Histogram;

pub(crate) use self::webhook::WebhookMeasures;
use crate::event::Kind;

/// From the arrival of a report's head to its answer, in seconds.
const HANDLING: &[f64] =
    &[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// One commit, in seconds.
const COMMITS: &[f64] = &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// With what a report can be refused.
const REFUSALS: [u16; 9] = [400, 401, 404, 408, 413, 415, 500, 503, 0];

/// What the hub notes of itself.
#[derive(Debug)]
pub(crate) struct Measures {
    /// When the hub started, by its wall clock.
    pub(crate) since: Timestamp,
    /// Reports that were taken.
    pub(crate) accepted: Counter,
    /// The same over the last seconds.
    rate: Rate,
    /// Repeated and older reports.
    pub(crate) duplicate: Counter,
    /// By [`REFUSALS`]; the last is for any other status.
    refused: [Counter; REFUSALS.len()],
    /// How long reports took, whatever came of them.
    pub(crate) handling: Durations,
    /// By [`Kind::ALL`].
    events: [Counter; Kind::ALL.len()],
    /// The number of the newest event that was seen.
    newest_event: AtomicU64,
    /// Clients that listen to events.
    pub(crate) streams: Gauge,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// In the order of the configuration.
    pub(crate) webhooks: Vec<WebhookMeasures>,
    /// What goes to disk.
    pub(crate) disk: DiskMeasures,
}

/// What is noted of the store's disk.
#[derive(Debug)]
pub(crate) struct DiskMeasures {
    /// How long commits took.
    pub(crate) commits: Durations,
    /// How long snapshots of beats took, in all, and how many there were.
    pub(crate) snapshots: Durations,
    /// Sandboxes in the last snapshot.
    pub(crate) snapshot_sandboxes: Gauge,
    /// Changes that wait to be written.
    pub(crate) backlog: Gauge,
    /// Events that there was no room for while the disk did not take them.
    pub(crate) events_lost: Counter,
    /// Times that one was left out of what was asked for, because it could not be read.
    pub(crate) events_unreadable: Counter,
    trouble: AtomicBool,
}

/// What only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

/// What goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicI64>);

/// One of what a [`Gauge`] counts, for as long as it is there.
#[derive(Debug)]
#[must_use]
pub(crate) struct Counted(Arc<AtomicI64>);

/// Durations by bucket.
#[derive(Debug)]
pub(crate) struct Durations {
    /// The upper limits of the buckets in seconds, inclusive and increasing; above the last is one more bucket.
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
    nanos: AtomicU64,
}

/// How many there were in each of the last seconds.
#[derive(Debug)]
struct Rate {
    since: Instant,
    /// At the second's number modulo their count: the second's number in the upper half, how many in the lower one.
    seconds: [AtomicU64; 16],
}

/// So many whole seconds make the rate.
const WINDOW: u64 = 10;

impl Measures {
    /// Nothing noted yet; `webhooks` are the names of those that are configured.
    pub(crate) fn new(webhooks: Vec<String>) -> Self {
        Measures {
            since: Timestamp::now(),
            accepted: Counter::default(),
            rate: Rate { since: Instant::now(), seconds: Default::default() },
            duplicate: Counter::default(),
            refused: Default::default(),
            handling: Durations::new(HANDLING),
            events: Default::default(),
            newest_event: AtomicU64::new(0),
            streams: Gauge::default(),
            connections: Gauge::default(),
            webhooks: webhooks.into_iter().map(WebhookMeasures::new).collect(),
            disk: DiskMeasures {
                commits: Durations::new(COMMITS),
                snapshots: Durations::new(COMMITS),
                snapshot_sandboxes: Gauge::default(),
                backlog: Gauge::default(),
                events_lost: Counter::default(),
                events_unreadable: Counter::default(),
                trouble: AtomicBool::new(false),
            },
        }
    }

    /// A report was taken.
    pub(crate) fn report_accepted(&self, at: Instant) {
        self.accepted.add(1);
        self.rate.note(at);
    }

    /// A report was answered with an error of this status.
    pub(crate) fn report_refused(&self, status: u16) {
        let at = REFUSALS.iter().position(|known| *known == status).unwrap_or(REFUSALS.len() - 1);
        if let Some(counter) = self.refused.get(at) {
            counter.add(1);
        }
    }

    /// How many reports were refused, by status; `0` is for any other.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (u16, u64)> {
        REFUSALS.into_iter().zip(self.refused.iter().map(Counter::get))
    }

    /// Reports that were taken per second, over the last ten whole seconds.
    pub(crate) fn reports_per_sec(&self, now: Instant) -> f64 {
        self.rate.per_sec(now)
    }

    /// An event was stored.
    pub(crate) fn event(&self, kind: Kind, id: u64) {
        self.event_exists(id);
        if let Some(at) = Kind::ALL.iter().position(|known| *known == kind)
            && let Some(counter) = self.events.get(at)
        {
            counter.add(1);
        }
    }

    /// There is an event of this number.
    pub(crate) fn event_exists(&self, id: u64) {
        self.newest_event.fetch_max(id, Ordering::Relaxed);
    }

    /// The number of the newest event, once somebody has seen one.
    pub(crate) fn newest_event(&self) -> u64 {
        self.newest_event.load(Ordering::Relaxed)
    }

    /// How many events of each kind were stored.
    pub(crate) fn events(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.into_iter().zip(self.events.iter().map(Counter::get))
    }
}

impl DiskMeasures {
    /// Whether there is something that the disk does not take.
    pub(crate) fn set_trouble(&self, trouble: bool) {
        self.trouble.store(trouble, Ordering::Relaxed);
    }

    /// Whether there is.
    pub(crate) fn trouble(&self) -> bool {
        self.trouble.load(Ordering::Relaxed)
    }
}

impl Counter {
    /// Returns what it was before.
    pub(crate) fn add(&self, more: u64) -> u64 {
        self.0.fetch_add(more, Ordering::Relaxed)
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    pub(crate) fn set(&self, value: usize) {
        self.0.store(i64::try_from(value).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more until what is returned is dropped.
    pub(crate) fn count(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(&self.0))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Durations {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = std::iter::repeat_with(AtomicU64::default).take(bounds.len() + 1).collect();
        Durations { bounds, counts, nanos: AtomicU64::new(0) }
    }

    /// Notes one.
    pub(crate) fn note(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// As a metric's value, in seconds.
    pub(crate) fn histogram(&self) -> Histogram {
        Histogram {
            bounds: self.bounds.to_vec(),
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

impl Rate {
    fn note(&self, at: Instant) {
        let second = self.second(at);
        let Some(slot) = self.slot(second) else { return };
        let add = |held: u64| Some(if held >> 32 == second { held + 1 } else { second << 32 | 1 });
        // It takes what it is given.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    fn per_sec(&self, now: Instant) -> f64 {
        let second = self.second(now);
        let from = second.saturating_sub(WINDOW);
        let held = self.seconds.iter().map(|slot| slot.load(Ordering::Relaxed));
        let count: u64 =
            held.filter(|held| (from..second).contains(&(held >> 32))).map(|held| held & u64::from(u32::MAX)).sum();
        if second == from { 0.0 } else { count as f64 / (second - from) as f64 }
    }

    fn second(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.since).as_secs() & u64::from(u32::MAX)
    }

    fn slot(&self, second: u64) -> Option<&AtomicU64> {
        self.seconds.get(usize::try_from(second % self.seconds.len() as u64).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_whole_seconds() {
        let measures = Measures::new(Vec::new());
        let at = |millis| measures.rate.since + Duration::from_millis(millis);
        assert_eq!(measures.reports_per_sec(at(500)), 0.0, "no second has ended");
        for _ in 0..30 {
            measures.report_accepted(at(700));
        }
        assert_eq!(measures.reports_per_sec(at(999)), 0.0);
        assert_eq!(measures.reports_per_sec(at(1000)), 30.0);
        for _ in 0..20 {
            measures.report_accepted(at(2500));
        }
        assert_eq!(measures.reports_per_sec(at(3000)), 50.0 / 3.0);
        assert_eq!(measures.reports_per_sec(at(10_999)), 5.0);
        assert_eq!(measures.reports_per_sec(at(11_000)), 2.0, "the first second is too old");
        measures.report_accepted(at(18_000));
        assert_eq!(measures.reports_per_sec(at(19_000)), 0.1, "the place of another second is taken over");
        assert_eq!(measures.accepted.get(), 51);
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_above_all_to_the_last() {
        let durations = Durations::new(&[0.001, 0.5]);
        for millis in [1, 2, 500, 501] {
            durations.note(Duration::from_millis(millis));
        }
        let Histogram { bounds, counts, sum } = durations.histogram();
        assert_eq!((bounds, counts), (vec![0.001, 0.5], vec![1, 2, 1]));
        assert!((sum - 1.004).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn what_is_counted_is_counted_while_it_is_there() {
        let measures = Measures::new(vec!["a".into(), "b".into()]);
        let (one, other) = (measures.streams.count(), measures.streams.count());
        assert_eq!(measures.streams.get(), 2);
        drop(one);
        assert_eq!(measures.streams.get(), 1);
        drop(other);
        assert_eq!((measures.streams.get(), measures.webhooks.len()), (0, 2));
    }

    #[test]
    fn refusals_and_events_are_told_apart() {
        let measures = Measures::new(Vec::new());
        for status in [400, 401, 400, 418] {
            measures.report_refused(status);
        }
        let refused: Vec<_> = measures.refused().filter(|(_, count)| *count > 0).collect();
        assert_eq!(refused, [(400, 2), (401, 1), (0, 1)]);
        measures.event(Kind::Lost, 7);
        let events: Vec<_> = measures.events().filter(|(_, count)| *count > 0).collect();
        assert_eq!((events, measures.newest_event()), (vec![(Kind::Lost, 1)], 7));
    }
}
