//! From what was measured to one report: pure, and the same for the same input, in whatever order it came.
//!
//! In two steps: what takes long with many metrics, [`gather`], needs nothing of the moment at which the report is due
//! and is done before it; [`merge`] adds that moment's figures, and the ages.
//!
//! Native fields come first, then the operator's `[metadata]`, then the collectors in the order of their names. What
//! is already there wins. What loses, and what would pass one of the limits here, is named in `rejected`; `words` are
//! shortened without being named there.

mod gather;
mod rejections;
mod words;

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::{PluginStatus, Report, ReportedMetric, Resources, Resumed, Sample, SandboxStatus, Trigger};
use serde::Serialize;

use self::gather::Point;
pub(crate) use self::gather::{Gathered, gather};
use self::rejections::Rejections;

/// The most metrics in one report.
pub(crate) const MAX_METRICS: usize = 5_000;
/// The most metadata entries in one report, the operator's included.
pub(crate) const MAX_METADATA: usize = 256;
/// The most bytes of JSON that metadata takes in one report; the operator's own is always taken.
pub(crate) const MAX_METADATA_BYTES: usize = 128 * 1024;
/// How large a report's JSON may become in bytes; the last metrics are left out. What else there is takes less.
pub(crate) const MAX_REPORT_BYTES: usize = 512 * 1024;

/// What may come to a report when it is sent: the word about those that did not arrive. In bytes.
const MAX_SENDING_BYTES: usize = 1024;

/// What one report is made of.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// Which report it is.
    pub(crate) identity: Identity,
    /// What the agent measured.
    pub(crate) sample: Sample,
    /// The operator's own, and what the collectors measured.
    pub(crate) gathered: Gathered,
    /// How the plugins are.
    pub(crate) plugins: Vec<PluginStatus>,
    /// The moment by the monotonic clock, from which metrics' ages count.
    pub(crate) now: Instant,
    /// The same moment by the wall clock.
    pub(crate) timestamp: Timestamp,
}

/// Which report it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Identity {
    /// `running`, or `stopped` for the last one.
    pub(crate) status: SandboxStatus,
    /// One per start of the agent.
    pub(crate) boot_id: String,
    /// Counts this start's reports from 1.
    pub(crate) seq: u64,
    /// Between reports.
    pub(crate) interval: Duration,
    /// Why it is made now.
    pub(crate) trigger: Trigger,
    /// Whether the agent is stopping its processes.
    pub(crate) stopping: bool,
    /// Whether the sandbox stood still since the last accepted report.
    pub(crate) resumed: Option<Resumed>,
}

/// Makes the report.
pub(crate) fn merge(parts: Parts) -> Report {
    let Parts { identity, sample, gathered, mut plugins, now, timestamp } = parts;
    let Gathered { metadata, points, mut rejections } = gathered;
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    let mut report = base(identity, sample, timestamp);
    report.metadata = metadata;
    report.plugins = words::plugins(plugins);
    let room = MAX_REPORT_BYTES.saturating_sub(encoded_len(&report) + rejections::MAX_BYTES + MAX_SENDING_BYTES);
    report.metrics = placed(points, now, room, &mut rejections);
    report.rejected = rejections.into_list();
    report
}

/// The native fields.
fn base(identity: Identity, sample: Sample, timestamp: Timestamp) -> Report {
    Report {
        sandbox_id: sample.sandbox_id,
        status: identity.status,
        cpu_percent: sample.cpu_percent.map(hundredths),
        memory_mb: sample.memory_bytes.map(mebibytes),
        session_count: sample.session_count,
        uptime_secs: sample.uptime_secs,
        hostname: words::hostname(&sample.hostname),
        timestamp,
        metadata: BTreeMap::new(),
        boot_id: Some(identity.boot_id),
        seq: Some(identity.seq),
        agent_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        interval_secs: Some(identity.interval.as_secs_f64()),
        trigger: Some(identity.trigger),
        stopping: identity.stopping,
        resumed: identity.resumed,
        gap: None,
        unchanged: Vec::new(),
        resources: Resources {
            cpu_source: sample.cpu_source.map(|source| source.as_str().to_owned()),
            memory_source: sample.memory_source.map(|source| source.as_str().to_owned()),
            cpu_limit_cores: sample.cpu_limit_cores.map(hundredths),
            memory_limit_mb: sample.memory_limit_bytes.map(mebibytes),
            cpu_time_secs: sample.cpu_time_secs,
            cpu_throttling: sample.cpu_throttling,
            memory_usage_bytes: sample.memory_usage_bytes,
            oom_kills: sample.oom_kills,
            pressure: sample.pressure,
            pids: sample.pids,
            pids_limit: sample.pids_limit,
            open_files: sample.open_files,
            disks: sample.disks,
        },
        metrics: Vec::new(),
        processes: words::processes(sample.processes),
        plugins: Vec::new(),
        rejected: Vec::new(),
    }
}

/// The metrics in order, up to the first that has no place; those after it are left out with it, so that a report
/// that is too large loses the last collectors' metrics and not some of everyone's.
fn placed(points: Vec<Point>, now: Instant, mut room: usize, rejections: &mut Rejections) -> Vec<ReportedMetric> {
    let mut merged = Vec::with_capacity(points.len());
    let mut full = false;
    for Point { mut reported, measured_at, size } in points {
        full |= size > room;
        if full {
            rejections.note(&reported.plugin, &reported.metric.name, &too_large());
            continue;
        }
        room -= size;
        let age = now.saturating_duration_since(measured_at).as_millis();
        reported.age_ms = u64::try_from(age).unwrap_or(u64::MAX);
        merged.push(reported);
    }
    merged
}

/// Why a metric has no place for its size.
fn too_large() -> String {
    format!("the report would be larger than {} KiB", MAX_REPORT_BYTES / 1024)
}

fn mebibytes(bytes: u64) -> u64 {
    const MIB: u64 = 1 << 20;
    bytes / MIB + u64::from(bytes % MIB >= MIB / 2)
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The length of a value's JSON, in bytes.
fn encoded_len(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        // Cannot be written, so it must not be taken.
        Err(_) => usize::MAX / 4,
    }
}

#[cfg(test)]
mod tests;
