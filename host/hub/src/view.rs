//! How a sandbox looks to clients. The names are the contract's; there is no field for a token.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;

use jiff::Timestamp;
use sandbeat_status::{Gap, Part, PluginStatus, ProcessStatus, Rejected, ReportedMetric, Resources, Resumed, Trigger};
use serde::{Serialize, Serializer};

use crate::fleet::{Beat, Snapshot, Status};
use crate::liveness::{Liveness, Standing};

/// A sandbox in a list; with `report` a sandbox alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sandbox<'a> {
    id: &'a str,
    name: &'a str,
    /// `pending` before the first report, then what the last one said.
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(serialize_with = "time")]
    created_at: Timestamp,
    metadata: &'a BTreeMap<String, String>,
    liveness: Liveness,
    #[serde(serialize_with = "time")]
    liveness_since: Timestamp,
    /// It should have reported by now; only ever together with `never-reported`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    overdue: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_info: Option<AgentInfo<'a>>,
    #[serde(flatten)]
    report: Option<LastReport<'a>>,
}

/// What the agent said last.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AgentInfo<'a> {
    /// When it was heard, by the hub's clock.
    #[serde(serialize_with = "time")]
    last_heartbeat: Timestamp,
    /// Where from, as the hub saw it.
    ip_address: IpAddr,
    hostname: &'a str,
    metrics: Metrics,
    uptime_secs: u64,
    /// When it made the report, by its own clock.
    #[serde(serialize_with = "time")]
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_secs: Option<f64>,
    /// What it reported, where `metadata` of the sandbox is what was registered; not in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a BTreeMap<String, String>>,
}

/// The base figures; what was not measured is absent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_percent: Option<f64>,
    #[serde(rename = "memoryMB", skip_serializing_if = "Option::is_none")]
    memory_mb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_count: Option<u32>,
}

/// The parts of the last report that are too long for a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LastReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<Trigger>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stopping: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<Resumed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<&'a Gap>,
    /// What it left out, so that it is shown from an earlier one.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unchanged: &'a [Part],
    /// What of that is not known, so that it is shown empty.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    missing: &'a [Part],
    resources: &'a Resources,
    metrics: &'a [ReportedMetric],
    processes: &'a BTreeMap<String, ProcessStatus>,
    plugins: &'a [PluginStatus],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rejected: &'a [Rejected],
}

impl<'a> Sandbox<'a> {
    /// As it stands in a list.
    pub(crate) fn brief(snapshot: &'a Snapshot) -> Self {
        let registration = &*snapshot.registration;
        Sandbox {
            id: &registration.id,
            name: &registration.name,
            status: snapshot.status(),
            image: registration.image.as_deref(),
            created_at: registration.created_at,
            metadata: &registration.metadata,
            liveness: snapshot.standing.liveness(),
            liveness_since: snapshot.since,
            overdue: snapshot.standing == Standing::Overdue,
            agent_info: snapshot.beat.as_ref().map(AgentInfo::of),
            report: None,
        }
    }

    /// With everything that its last report said.
    pub(crate) fn whole(snapshot: &'a Snapshot) -> Self {
        let mut sandbox = Sandbox::brief(snapshot);
        if let Some((beat, info)) = snapshot.beat.as_ref().zip(sandbox.agent_info.as_mut()) {
            info.metadata = Some(&beat.report.metadata);
            sandbox.report = Some(LastReport::of(beat));
        }
        sandbox
    }
}

impl<'a> AgentInfo<'a> {
    fn of(beat: &'a Beat) -> Self {
        let report = &*beat.report;
        AgentInfo {
            last_heartbeat: beat.received,
            ip_address: beat.peer,
            hostname: &report.hostname,
            metrics: Metrics {
                cpu_percent: report.cpu_percent,
                memory_mb: report.memory_mb,
                session_count: report.session_count,
            },
            uptime_secs: report.uptime_secs,
            timestamp: report.timestamp,
            agent_version: report.agent_version.as_deref(),
            boot_id: report.boot_id.as_deref(),
            seq: report.seq,
            interval_secs: report.interval_secs,
            metadata: None,
        }
    }
}

impl<'a> LastReport<'a> {
    fn of(beat: &'a Beat) -> Self {
        let report = &*beat.report;
        LastReport {
            trigger: report.trigger,
            stopping: report.stopping,
            resumed: report.resumed,
            gap: report.gap.as_ref(),
            unchanged: &report.unchanged,
            missing: &beat.missing,
            resources: &report.resources,
            metrics: &report.metrics,
            processes: &report.processes,
            plugins: &report.plugins,
            rejected: &report.rejected,
        }
    }
}

/// A time as every answer writes it: RFC 3339 in UTC with milliseconds.
pub(crate) fn written(time: Timestamp) -> impl Display {
    struct Milliseconds(Timestamp);
    impl Display for Milliseconds {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{:.3}", self.0)
        }
    }
    Milliseconds(time)
}

fn time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&written(*time))
}
