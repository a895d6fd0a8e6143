//! A report as it arrives, and what of it is worked out before the fleet's lock is taken.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::{PluginState, ProcessState, Report, SandboxStatus};
use uuid::Uuid;

use super::codec;
use super::health::Faults;

/// A base longer than this carries long texts of its own, which are left out where memory is short; in bytes.
const LEAN: usize = 1024;

/// A report as it arrived.
#[derive(Debug)]
pub(crate) struct Beat {
    pub report: Report,
    /// When it arrived, by the hub's monotonic clock.
    pub at: Instant,
    /// When it arrived, by the hub's wall clock; for showing only.
    pub received: Timestamp,
    /// Where it came from.
    pub peer: IpAddr,
}

/// A report as the fleet takes it.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(super) sandbox_id: String,
    pub(super) at: Instant,
    pub(super) received: Timestamp,
    pub(super) peer: IpAddr,
    pub(super) boot: Option<Boot>,
    pub(super) seq: Option<u64>,
    pub(super) stopped: bool,
    /// The interval that the agent says it keeps.
    pub(super) interval: Option<Duration>,
    pub(super) cpu_percent: Option<f64>,
    pub(super) memory_mb: Option<u64>,
    /// Of what it carries.
    pub(super) tally: Tally,
    pub(super) faults: Faults,
    /// The parts that it leaves out, as [`codec::bits`].
    pub(super) unchanged: u8,
    /// Base and lists.
    pub(super) bytes: Arc<[u8]>,
    /// How long the base of it is.
    pub(super) base: usize,
    /// The base without file systems and gap, where that makes a difference.
    pub(super) lean: Option<Arc<[u8]>>,
    pub(super) metadata: Option<Arc<[u8]>>,
    pub(super) plugins: Option<Arc<[u8]>>,
}

/// Which start of an agent: its `bootId`, in half the size where it is the UUID that sandbeat's own agents send.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Boot {
    Uuid([u8; 16]),
    Text(Box<str>),
}

/// How many processes and collectors a report names, and how many of them fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub processes: u16,
    /// In `error`.
    pub processes_failed: u16,
    pub collectors: u16,
    /// Failing, quarantined or rejected.
    pub collectors_failed: u16,
}

impl Beat {
    /// Works out all that does not need the fleet.
    pub(crate) fn encode(self) -> Encoded {
        let Beat { mut report, at, received, peer } = self;
        let (bytes, base) = codec::write_report(&report);
        let (tally, faults) = (Tally::of(&report), Faults::of(&report));
        let metadata = codec::write_part(&report.metadata, report.metadata.is_empty());
        let plugins = codec::write_part(&report.plugins, report.plugins.is_empty());
        let lean = (base > LEAN).then(|| {
            report.resources.disks.clear();
            report.gap = None;
            codec::write_base(&report)
        });
        Encoded {
            at,
            received,
            peer,
            boot: report.boot_id.map(Boot::new),
            seq: report.seq,
            stopped: report.status == SandboxStatus::Stopped,
            interval: report.interval_secs.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            cpu_percent: report.cpu_percent,
            memory_mb: report.memory_mb,
            tally,
            faults,
            unchanged: codec::bits(&report.unchanged),
            bytes,
            base,
            lean,
            metadata,
            plugins,
            sandbox_id: report.sandbox_id,
        }
    }
}

impl Encoded {
    /// Whose it is.
    pub(crate) fn sandbox_id(&self) -> &str {
        &self.sandbox_id
    }
}

impl Boot {
    fn new(text: String) -> Self {
        match Uuid::try_parse(&text) {
            // There are other ways to write one.
            Ok(uuid) if *uuid.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *text => {
                Boot::Uuid(uuid.into_bytes())
            }
            _ => Boot::Text(text.into()),
        }
    }

    /// As it was sent.
    pub(super) fn text(&self) -> String {
        match self {
            Boot::Uuid(bytes) => Uuid::from_bytes(*bytes).as_hyphenated().to_string(),
            Boot::Text(text) => text.to_string(),
        }
    }
}

impl Tally {
    fn of(report: &Report) -> Self {
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let failed = report.processes.values().filter(|process| process.status == ProcessState::Error).count();
        Tally {
            processes: count(report.processes.len()),
            processes_failed: count(failed),
            collectors: count(report.plugins.len()),
            collectors_failed: count(report.plugins.iter().filter(|plugin| fails(plugin.state)).count()),
        }
    }
}

/// Whether a collector in this state does not do its work.
pub(super) fn fails(state: PluginState) -> bool {
    matches!(state, PluginState::Failing | PluginState::Quarantined | PluginState::Rejected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_id_is_read_as_it_was_sent() {
        for (text, short) in [
            ("6f1c2b0e-7d55-4b7e-9a39-0f2a53a1c9d4", true),
            ("6F1C2B0E-7D55-4B7E-9A39-0F2A53A1C9D4", false),
            ("6f1c2b0e7d554b7e9a390f2a53a1c9d4", false),
            ("x", false),
            ("", false),
        ] {
            let boot = Boot::new(text.to_owned());
            assert_eq!((boot.text().as_str(), matches!(boot, Boot::Uuid(_))), (text, short));
        }
    }
}
