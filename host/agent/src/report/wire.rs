//! A report as it is posted: with which of its parts, and whether compressed.
//!
//! A server that says nothing gets everything, always, and so does one after any failure and on a new connection:
//! whoever answers next may be another. Only the answer to a report that was accepted lets the next one leave out what
//! is in both, and at least every [`WHOLE_EVERY`] all is sent again. Of plugins, what changes with every call does not
//! count as a change; the server has those figures from the last report that carried them. Pure but for the pauses that
//! compression makes, so that whoever shares the thread is not held up.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use sandbeat_status::report::milliseconds;
use sandbeat_status::{
    Gap, Part, PluginStatus, ProcessStatus, Rejected, Report, ReportedMetric, Resources, Resumed, SandboxStatus,
    Trigger,
};
use serde::Serialize;
use tokio::time::Instant;

use super::Compression;
use super::client::Payload;
use super::outcome::{Failure, FailureKind};

/// Nothing is left out for longer.
const WHOLE_EVERY: Duration = Duration::from_secs(600);
/// Shorter reports are not compressed: it would save no packet.
const COMPRESS_FROM: usize = 4 * 1024;
/// So much is compressed at once.
const PIECE: usize = 16 * 1024;

/// What is known of the server's abilities, and what it has been sent.
#[derive(Debug)]
pub(super) struct Wire {
    gzip: Gzip,
    kept: Option<Kept>,
}

/// A report, ready to be posted.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// JSON.
    json: Bytes,
    /// Whether it is to be compressed.
    gzip: bool,
    /// What it leaves out.
    left_out: Vec<Part>,
    /// JSON without anything left out, where something is.
    whole: Option<Bytes>,
}

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resend {
    /// The same report, as it is, at once: the failure may have been about its being compressed.
    AsItIs,
    /// Nothing of this file's matter.
    No,
}

/// Whether the server reads gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gzip {
    /// It was not tried.
    Untried,
    /// It has accepted a compressed report.
    Good,
    /// It answered a compressed report so, and is being sent the same one uncompressed.
    Doubted(Unread),
    /// That one failed as well, so nothing is known; it is tried again once a report was accepted.
    Unclear,
    /// It took the same report uncompressed; or nobody wants compression.
    Off,
}

/// How a server answered a report that it may not have been able to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// With this status.
    Status(u16),
    /// Not in HTTP, or with the end of the connection.
    Nothing,
}

/// What the server keeps.
#[derive(Debug)]
struct Kept {
    metadata: BTreeMap<String, String>,
    plugins: Vec<PluginStatus>,
    /// When it was last sent all.
    whole_at: Instant,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Status(status) => status.fmt(f),
            Unread::Nothing => f.write_str("it ends the connection"),
        }
    }
}

impl Wire {
    /// Nothing is known of the server yet.
    pub(super) fn new(compression: Compression) -> Self {
        let gzip = match compression {
            Compression::Auto => Gzip::Untried,
            Compression::Off => Gzip::Off,
        };
        Wire { gzip, kept: None }
    }

    /// The server may be another: the next report is whole.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    /// What to post of a report, with what its predecessors came to.
    pub(super) fn draft(&self, report: &Report, gap: Option<&Gap>, now: Instant) -> Draft {
        let left_out = self.unchanged(report, now);
        // Of these types nothing fails to be written.
        let written = |left_out| Bytes::from(serde_json::to_vec(&Body::of(report, gap, left_out)).unwrap_or_default());
        let json = written(&left_out);
        let whole = (!left_out.is_empty()).then(|| written(&[]));
        let gzip = matches!(self.gzip, Gzip::Untried | Gzip::Good) && json.len() >= COMPRESS_FROM;
        Draft { json, gzip, left_out, whole }
    }

    /// The server accepted a report that was drafted so, and says whether it keeps the parts. Returns what showed that
    /// it does not read gzip, when that is known now.
    pub(super) fn accepted(&mut self, report: &Report, draft: &Draft, keeps: bool, now: Instant) -> Option<Unread> {
        self.keep(report, &draft.left_out, keeps, now);
        match self.gzip {
            Gzip::Doubted(unread) => {
                self.gzip = Gzip::Off;
                return Some(unread);
            }
            Gzip::Unclear => self.gzip = Gzip::Untried,
            Gzip::Untried if draft.gzip => self.gzip = Gzip::Good,
            Gzip::Untried | Gzip::Good | Gzip::Off => {}
        }
        None
    }

    /// An attempt with a report that was drafted so failed. Whoever does not read gzip has several ways to say so (RFC
    /// 9110, 15.5.16; RFC 7694), and some that only look like it.
    pub(super) fn failed(&mut self, failure: &Failure, draft: &Draft) -> Resend {
        self.forget();
        let status = failure.kind.of_report();
        let ended = matches!(failure.kind, FailureKind::Reset | FailureKind::Protocol);
        match (self.gzip, status) {
            (Gzip::Untried, Some(status @ (400 | 415 | 422 | 500 | 501))) if draft.gzip => {
                self.gzip = Gzip::Doubted(Unread::Status(status));
                Resend::AsItIs
            }
            (Gzip::Untried, None) if draft.gzip && ended => {
                self.gzip = Gzip::Doubted(Unread::Nothing);
                Resend::AsItIs
            }
            // It may have been replaced by an older one. An error of its own says nothing, once it has read gzip.
            (Gzip::Good, Some(status @ (400 | 415 | 422))) if draft.gzip => {
                self.gzip = Gzip::Doubted(Unread::Status(status));
                Resend::AsItIs
            }
            (Gzip::Doubted(_), _) => {
                self.gzip = Gzip::Unclear;
                Resend::No
            }
            _ => Resend::No,
        }
    }

    /// What the server has as it is in this report. The last report is always whole.
    fn unchanged(&self, report: &Report, now: Instant) -> Vec<Part> {
        let Some(kept) = &self.kept else { return Vec::new() };
        if report.status == SandboxStatus::Stopped || now.saturating_duration_since(kept.whole_at) >= WHOLE_EVERY {
            return Vec::new();
        }
        let metadata = !report.metadata.is_empty() && report.metadata == kept.metadata;
        let plugins = !report.plugins.is_empty()
            && report.plugins.len() == kept.plugins.len()
            && report.plugins.iter().zip(&kept.plugins).all(|(a, b)| same_but_for_calls(a, b));
        [(Part::Metadata, metadata), (Part::Plugins, plugins)]
            .into_iter()
            .filter_map(|(part, same)| same.then_some(part))
            .collect()
    }

    fn keep(&mut self, report: &Report, left_out: &[Part], keeps: bool, now: Instant) {
        if !keeps {
            self.kept = None;
            return;
        }
        let kept =
            self.kept.get_or_insert_with(|| Kept { metadata: BTreeMap::new(), plugins: Vec::new(), whole_at: now });
        if !left_out.contains(&Part::Metadata) {
            kept.metadata.clone_from(&report.metadata);
        }
        if !left_out.contains(&Part::Plugins) {
            kept.plugins.clone_from(&report.plugins);
        }
        if left_out.is_empty() {
            kept.whole_at = now;
        }
    }
}

impl Draft {
    /// What goes over the wire. Compressing gives way between pieces.
    pub(super) async fn payload(&self) -> Payload {
        if self.gzip
            && let Some(bytes) = compressed(&self.json).await
        {
            return Payload { bytes, gzip: true, whole: self.whole.clone() };
        }
        Payload { bytes: self.json.clone(), gzip: false, whole: self.whole.clone() }
    }
}

/// `None` where it cannot be done, which with memory to write to does not happen.
async fn compressed(json: &[u8]) -> Option<Bytes> {
    // The fastest level: on JSON the others save little more, and this thread has other things to do.
    let mut encoder = GzEncoder::new(Vec::with_capacity(json.len() / 4), flate2::Compression::fast());
    for piece in json.chunks(PIECE) {
        encoder.write_all(piece).ok()?;
        tokio::task::yield_now().await;
    }
    encoder.finish().ok().map(Bytes::from)
}

/// Whether a plugin is as it was, apart from what changes with every call: counts, durations, memory, how far a
/// compilation is, and when a failure that is the same happened last. Every field is named, so that a new one has to be thought of here.
fn same_but_for_calls(a: &PluginStatus, b: &PluginStatus) -> bool {
    let PluginStatus {
        name,
        version,
        digest,
        world,
        state,
        compiling,
        failure,
        reason,
        grants,
        calls: _,
        failures: _,
        failures_by_name: _,
        duration_ms: _,
        peak_memory_bytes: _,
        points_rejected: _,
        rests_for_ms: _,
        last_error,
        last_reload,
    } = a;
    let last_error = last_error.as_ref().map(|error| (error.failure, &error.reason));
    *name == b.name
        && *version == b.version
        && *digest == b.digest
        && *world == b.world
        && *state == b.state
        && compiling.is_some() == b.compiling.is_some()
        && *failure == b.failure
        && *reason == b.reason
        && *grants == b.grants
        && last_error == b.last_error.as_ref().map(|error| (error.failure, &error.reason))
        && *last_reload == b.last_reload
}

/// A [`Report`] as it is written, with what only its sending knows: the same fields in the same order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    sandbox_id: &'a str,
    status: SandboxStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_percent: Option<f64>,
    #[serde(rename = "memoryMB", skip_serializing_if = "Option::is_none")]
    memory_mb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_count: Option<u32>,
    uptime_secs: u64,
    hostname: &'a str,
    #[serde(serialize_with = "milliseconds")]
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_secs: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<Trigger>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stopping: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<Resumed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<&'a Gap>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unchanged: &'a [Part],
    resources: &'a Resources,
    metrics: &'a [ReportedMetric],
    processes: &'a BTreeMap<String, ProcessStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugins: Option<&'a [PluginStatus]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rejected: &'a [Rejected],
}

impl<'a> Body<'a> {
    /// Every field is named, so that none is forgotten.
    fn of(report: &'a Report, gap: Option<&'a Gap>, left_out: &'a [Part]) -> Self {
        let Report {
            sandbox_id,
            status,
            cpu_percent,
            memory_mb,
            session_count,
            uptime_secs,
            hostname,
            timestamp,
            metadata,
            boot_id,
            seq,
            agent_version,
            interval_secs,
            trigger,
            stopping,
            resumed,
            // The loop that makes reports knows neither.
            gap: _,
            unchanged: _,
            resources,
            metrics,
            processes,
            plugins,
            rejected,
        } = report;
        Body {
            sandbox_id,
            status: *status,
            cpu_percent: *cpu_percent,
            memory_mb: *memory_mb,
            session_count: *session_count,
            uptime_secs: *uptime_secs,
            hostname,
            timestamp: *timestamp,
            metadata: (!left_out.contains(&Part::Metadata)).then_some(metadata),
            boot_id: boot_id.as_deref(),
            seq: *seq,
            agent_version: agent_version.as_deref(),
            interval_secs: *interval_secs,
            trigger: *trigger,
            stopping: *stopping,
            resumed: *resumed,
            gap,
            unchanged: left_out,
            resources,
            metrics,
            processes,
            plugins: (!left_out.contains(&Part::Plugins)).then_some(plugins),
            rejected,
        }
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
