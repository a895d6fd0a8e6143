//! How a sandbox looks to clients. The names are the contract's; there is no field for a token.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use sandbeat_status::report::milliseconds;
use sandbeat_status::{
    Gap, Part, PluginStatus, ProcessStatus, Rejected, Report, ReportedMetric, Resources, Resumed, Trigger,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::fleet::{Kept, Snapshot, Status, Tally};
use crate::liveness::{Liveness, Standing};

/// A sandbox as it stands in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sandbox {
    /// Letters, digits and `-`.
    id: String,
    /// For a person; the id where none was given.
    name: String,
    /// `pending` before the first report, then what the last one said.
    status: Status,
    /// What it was started from, as its owner calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// When it was registered, by the hub's clock; RFC 3339 in UTC with milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// What was registered with it.
    metadata: BTreeMap<String, String>,
    /// Whether it is heard, judged by the hub's clock alone.
    liveness: Liveness,
    /// Since when.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    liveness_since: Timestamp,
    /// It should have reported by now; only ever together with `never-reported`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    overdue: bool,
    /// It has been silent for too long, but so have so many others that the hub doubts its own network; only ever
    /// together with `live`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    suspect: bool,
    /// Absent before the first report.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_info: Option<AgentInfo>,
}

/// A sandbox alone, with everything that its last report said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SandboxDetails)]
pub(crate) struct Whole {
    #[serde(flatten)]
    sandbox: Sandbox,
    #[serde(flatten)]
    report: LastReport,
}

/// What the agent said last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AgentInfo {
    /// When it was heard, by the hub's clock.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    last_heartbeat: Timestamp,
    /// Where from, as the hub saw it.
    #[schema(value_type = String)]
    ip_address: IpAddr,
    hostname: String,
    metrics: Metrics,
    /// The agent's, in seconds.
    uptime_secs: u64,
    /// When it made the report, by its own clock.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    /// What the agent says that it keeps, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_secs: Option<f64>,
    /// When the next report is expected after the last one, in seconds: what the hub directed, or what the agent keeps.
    expected_secs: f64,
    health: Health,
    /// What it reported, where `metadata` of the sandbox is what was registered; not in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<String, String>>,
}

/// The base figures; what was not measured is absent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SandboxMetrics)]
struct Metrics {
    /// Of what the sandbox may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_percent: Option<f64>,
    /// The working set, in MiB.
    #[serde(rename = "memoryMB", skip_serializing_if = "Option::is_none")]
    memory_mb: Option<u64>,
    /// What it may use, in MiB.
    #[serde(rename = "memoryLimitMB", skip_serializing_if = "Option::is_none")]
    memory_limit_mb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_count: Option<u32>,
}

/// How many processes and collectors there are, and how many of them fail.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SandboxHealth)]
struct Health {
    processes: u16,
    /// In `error`.
    processes_failed: u16,
    collectors: u16,
    /// `failing`, `quarantined` or `rejected`.
    collectors_failed: u16,
}

/// The parts of the last report that are too long for a list; none of them before the first report.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LastReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<Trigger>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    stopping: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<Resumed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
    /// The hub keeps no more than its base, because all reports together would take too much memory (`report_memory`);
    /// the rest is shown empty.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    dropped: bool,
    /// What it left out, so that it is shown from an earlier one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    unchanged: Vec<Part>,
    /// What of that is not known, so that it is shown empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    missing: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Resources>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Vec<ReportedMetric>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<BTreeMap<String, ProcessStatus>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugins: Option<Vec<PluginStatus>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    rejected: Vec<Rejected>,
}

impl Sandbox {
    /// As it stands in a list.
    pub(crate) fn brief(snapshot: &Snapshot) -> Self {
        Sandbox::of(snapshot, snapshot.beat.as_deref().map(|kept| AgentInfo::of(kept, &kept.base())))
    }

    fn of(snapshot: &Snapshot, agent_info: Option<AgentInfo>) -> Self {
        let registration = &*snapshot.registration;
        Sandbox {
            id: registration.id.to_string(),
            name: registration.name().to_owned(),
            status: snapshot.status(),
            image: registration.image().map(str::to_owned),
            created_at: registration.created_at.into(),
            metadata: registration.metadata().clone(),
            liveness: snapshot.standing.liveness(),
            liveness_since: snapshot.since,
            overdue: snapshot.standing == Standing::Overdue,
            suspect: snapshot.suspect,
            agent_info,
        }
    }
}

impl Whole {
    /// A sandbox and its last report.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let Some(kept) = snapshot.beat.as_deref() else {
            return Whole { sandbox: Sandbox::of(snapshot, None), report: LastReport::default() };
        };
        let mut report = kept.report();
        let mut info = AgentInfo::of(kept, &report);
        info.metadata = Some(std::mem::take(&mut report.metadata));
        Whole { sandbox: Sandbox::of(snapshot, Some(info)), report: LastReport::of(kept, report) }
    }
}

impl AgentInfo {
    fn of(kept: &Kept, report: &Report) -> Self {
        let Tally { processes, processes_failed, collectors, collectors_failed } = kept.tally;
        AgentInfo {
            last_heartbeat: kept.received,
            ip_address: kept.peer,
            hostname: report.hostname.clone(),
            metrics: Metrics {
                cpu_percent: report.cpu_percent,
                memory_mb: report.memory_mb,
                memory_limit_mb: report.resources.memory_limit_mb,
                session_count: report.session_count,
            },
            uptime_secs: report.uptime_secs,
            timestamp: report.timestamp,
            agent_version: report.agent_version.clone(),
            boot_id: report.boot_id.clone(),
            seq: report.seq,
            interval_secs: report.interval_secs,
            expected_secs: kept.interval.as_secs_f64(),
            health: Health { processes, processes_failed, collectors, collectors_failed },
            metadata: None,
        }
    }
}

impl LastReport {
    fn of(kept: &Kept, report: Report) -> Self {
        LastReport {
            trigger: report.trigger,
            stopping: report.stopping,
            resumed: report.resumed,
            gap: report.gap,
            unchanged: report.unchanged,
            dropped: kept.dropped,
            missing: kept.missing.clone(),
            resources: Some(report.resources),
            metrics: Some(report.metrics),
            processes: Some(report.processes),
            plugins: Some(report.plugins),
            rejected: report.rejected,
        }
    }
}
