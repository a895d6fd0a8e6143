//! What the hub keeps of a sandbox's last report, in a form that many of them fit into memory.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::{Part, PluginState, ProcessState, Report, SandboxStatus};

/// An accepted report.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// When it arrived, by the hub's monotonic clock.
    pub at: Instant,
    /// When it arrived, by the hub's wall clock; for showing only.
    pub received: Timestamp,
    /// Where it came from.
    pub peer: IpAddr,
    /// When the next one is expected: what the hub directed, else what the agent says, else the default.
    pub interval: Duration,
    /// The parts that it left out and that are not known.
    pub missing: Vec<Part>,
    /// How many of its parts do well.
    pub tally: Tally,
    report: Report,
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

impl Kept {
    /// Keeps a report.
    pub(crate) fn new(
        report: Report,
        at: Instant,
        received: Timestamp,
        peer: IpAddr,
        interval: Duration,
        missing: Vec<Part>,
    ) -> Self {
        Kept { at, received, peer, interval, missing, tally: Tally::of(&report), report }
    }

    /// Whether it is the last before the agent's exit.
    pub(crate) fn is_last(&self) -> bool {
        self.report.status == SandboxStatus::Stopped
    }

    /// The report without `metadata`, `metrics`, `processes`, `plugins` and `rejected`: what a list shows.
    pub(crate) fn base(&self) -> Report {
        self.report.clone()
    }

    /// The report, with the parts that it left out where they are known.
    pub(crate) fn report(&self) -> Report {
        self.report.clone()
    }
}

impl Tally {
    fn of(report: &Report) -> Self {
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let failed = report.processes.values().filter(|process| process.status == ProcessState::Error).count();
        let fails = |state| matches!(state, PluginState::Failing | PluginState::Quarantined | PluginState::Rejected);
        Tally {
            processes: count(report.processes.len()),
            processes_failed: count(failed),
            collectors: count(report.plugins.len()),
            collectors_failed: count(report.plugins.iter().filter(|plugin| fails(plugin.state)).count()),
        }
    }
}
