//! The status report: the body of `POST {server_url}/api/v1/sandboxes/{id}/status`.
//!
//! The base fields (`sandboxId` to `metadata`) keep the names and types that existing servers read: strings,
//! integers, and a flat string-to-string map. Everything after them is additive. What was not measured is absent. A
//! word of a later version is absent, or `unknown` where there has to be one, and costs no more than that.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use crate::binary::{
    read_integer, read_number, read_optional_integer, read_optional_number, read_optional_time, read_source, read_time,
    write_integer, write_number, write_optional_integer, write_optional_number, write_optional_time, write_source,
    write_time,
};
use crate::later::{known_metrics, known_parts, known_word};
use crate::{Metric, PluginStatus, ProcessStatus, Rejected};

/// What the sandbox says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SandboxStatus {
    /// The agent beats.
    Running,
    /// This is the last report before the agent's exit.
    Stopped,
}

/// One status report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The sandbox's id at the control plane; [`crate::names::sandbox_id`].
    pub sandbox_id: String,
    /// `running`, and `stopped` in the last report.
    pub status: SandboxStatus,
    /// Used CPU, in percent of what the sandbox may use (0 to 100); absent until there are two samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// The working set (memory in use without inactive file pages), in MiB, rounded.
    #[serde(default, rename = "memoryMB", skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u64>,
    /// Established inbound connections on the configured session ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_count: Option<u32>,
    /// Whole seconds since the agent started, from a monotonic clock.
    pub uptime_secs: u64,
    /// The sandbox's host name.
    #[serde(default)]
    pub hostname: String,
    /// When the report was made, by the sandbox's wall clock; RFC 3339 in UTC with milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// Facts that are not numbers: the operator's, then the collectors'.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,

    /// Random, one per start of the agent; with `seq` it identifies a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// Counts the reports of this `boot_id` from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The version of sandbeat that made the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// Seconds between reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_secs: Option<f64>,
    /// Why the report was made now.
    #[serde(default, deserialize_with = "known_word", skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// The agent has been asked to end and is stopping its processes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopping: bool,
    /// The sandbox stood still, and nothing has been accepted since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Resumed>,
    /// Reports before this one did not arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// What is left out because it is as it was in an earlier report of this `boot_id`, which the server said it keeps.
    #[serde(default, deserialize_with = "known_parts", skip_serializing_if = "Vec::is_empty")]
    pub unchanged: Vec<Part>,
    /// What the sandbox may use, and what of it is in use.
    #[serde(default)]
    pub resources: Resources,
    /// What the collectors measured, by plugin, name and attributes.
    #[serde(default, deserialize_with = "known_metrics")]
    pub metrics: Vec<ReportedMetric>,
    /// The supervised processes, by name.
    #[serde(default)]
    pub processes: BTreeMap<String, ProcessStatus>,
    /// The plugins, by name.
    #[serde(default)]
    pub plugins: Vec<PluginStatus>,
    /// What is missing above because it was not acceptable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
}

/// Why a report was made when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// The agent started.
    Start,
    /// It was due.
    Interval,
    /// Something changed that should not wait: a process failed or recovered, or the agent was asked to end.
    Change,
    /// The sandbox stood still before.
    Resumed,
    /// The agent ends.
    Stop,
}

/// A part of a report that can be left out.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
    ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// [`Report::metadata`]
    Metadata,
    /// [`Report::plugins`]; what changes with every call of a plugin is as old as that earlier report.
    Plugins,
}

/// The sandbox stood still: it was suspended, or its processes were.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resumed {
    /// For how long, as far as its clocks tell, in milliseconds.
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub suspended_ms: u64,
    /// When the agent noticed that it is over, by the wall clock.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    #[borsh(serialize_with = "write_time", deserialize_with = "read_time")]
    pub at: Timestamp,
}

/// Reports that did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// How many reports were made since the last accepted one and will never arrive. One whose answer was lost is
    /// among them, though the server may have it.
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub missed: u64,
    /// When the first attempt failed, by the sandbox's wall clock; absent when none did, because the server was slower
    /// than the reports.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    #[schema(value_type = Option<String>, format = DateTime)]
    #[borsh(serialize_with = "write_optional_time", deserialize_with = "read_optional_time")]
    pub first_failure: Option<Timestamp>,
    /// How the last attempt failed; for a person, at most 300 bytes. Absent with `first_failure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// What the sandbox may use, and what of it is in use. Absent: unknown, or not limited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Where the figures come from: `cgroup2`, `cgroup1` or `machine`, for CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_source", deserialize_with = "read_source")]
    pub cpu_source: Option<String>,
    /// Where the figures come from: `cgroup2`, `cgroup1` or `machine`, for memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_source", deserialize_with = "read_source")]
    pub memory_source: Option<String>,
    /// Cores that the sandbox may use: the least of quota, cpuset and machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_number", deserialize_with = "read_optional_number")]
    pub cpu_limit_cores: Option<f64>,
    /// Memory that the sandbox may use, in MiB: the least of its limits and the machine's memory.
    #[serde(default, rename = "memoryLimitMB", skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub memory_limit_mb: Option<u64>,
    /// CPU time that the sandbox has used, in seconds, since its control group was made or the machine started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_number", deserialize_with = "read_optional_number")]
    pub cpu_time_secs: Option<f64>,
    /// How often and how long the CPU quota held the sandbox back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_throttling: Option<Throttling>,
    /// Memory in use with all its file pages, in bytes; what the limit is held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub memory_usage_bytes: Option<u64>,
    /// Processes of the sandbox that the kernel killed for want of memory, since its control group was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub oom_kills: Option<u64>,
    /// How long tasks of the sandbox waited for CPU, memory and I/O.
    #[serde(default, skip_serializing_if = "Pressure::is_empty")]
    pub pressure: Pressure,
    /// Tasks (processes and their threads) of the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub pids: Option<u64>,
    /// The most tasks that it may have: the least of its limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub pids_limit: Option<u64>,
    /// File descriptors that its processes have open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub open_files: Option<u64>,
    /// File systems, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
}

/// CPU bandwidth control: running totals. Source: `cpu.stat` of the kernel's admin-guide for cgroup v1 and v2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    /// Periods in which something of the sandbox could run.
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub periods: u64,
    /// Those in which its quota was used up.
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub throttled_periods: u64,
    /// How long it was held back, in seconds, summed over CPUs.
    #[borsh(serialize_with = "write_number", deserialize_with = "read_number")]
    pub throttled_secs: f64,
}

/// Pressure stall information. Source: the kernel's `Documentation/accounting/psi.rst`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct Pressure {
    /// Waiting for CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Stalls>,
    /// Waiting for memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Stalls>,
    /// Waiting for I/O.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io: Option<Stalls>,
}

impl Pressure {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Pressure::default()
    }
}

/// The stalls of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stalls {
    /// At least one task waited.
    pub some: Stall,
    /// All tasks waited at once; absent where the kernel does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<Stall>,
}

/// How much of the time it was so.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct Stall {
    /// In percent, over the last 10 s.
    #[borsh(serialize_with = "write_number", deserialize_with = "read_number")]
    pub avg10: f64,
    /// In percent, over the last 60 s.
    #[borsh(serialize_with = "write_number", deserialize_with = "read_number")]
    pub avg60: f64,
    /// In percent, over the last 300 s.
    #[borsh(serialize_with = "write_number", deserialize_with = "read_number")]
    pub avg300: f64,
    /// In all, in seconds.
    #[borsh(serialize_with = "write_number", deserialize_with = "read_number")]
    pub total_secs: f64,
}

/// The file system at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// As configured.
    pub path: String,
    /// Its size, in bytes.
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub size_bytes: u64,
    /// What is in use of it, in bytes.
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub used_bytes: u64,
    /// What the agent's user could still write, in bytes.
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub available_bytes: u64,
    /// How many files it can hold; absent where there is no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub inodes: Option<u64>,
    /// How many it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub inodes_used: Option<u64>,
}

/// A collector's metric in a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportedMetric {
    /// The metric itself.
    #[serde(flatten)]
    pub metric: Metric,
    /// The plugin that measured it.
    pub plugin: String,
    /// Milliseconds between the measurement and the making of the report.
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub age_ms: u64,
}

/// For `#[serde(serialize_with)]`: a time as every answer and report writes it, RFC 3339 in UTC with milliseconds.
///
/// # Errors
/// Those of the serializer.
pub fn milliseconds<S: Serializer>(timestamp: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{timestamp:.3}"))
}

/// The same where there may be none.
///
/// # Errors
/// Those of the serializer.
pub fn optional_milliseconds<S: Serializer>(timestamp: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match timestamp {
        Some(timestamp) => milliseconds(timestamp, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_fields_alone_are_a_report() {
        let json =
            r#"{"sandboxId":"s","status":"running","uptimeSecs":3,"hostname":"h","timestamp":"2026-11-20T12:00:00Z"}"#;
        let report: Report = serde_json::from_str(json).unwrap();
        assert_eq!(report.cpu_percent, None);
        assert_eq!(report.seq, None);
        assert!(report.metrics.is_empty());
    }

    #[test]
    fn what_was_not_measured_is_absent_and_time_has_milliseconds() {
        let json =
            r#"{"sandboxId":"s","status":"stopped","uptimeSecs":3,"hostname":"h","timestamp":"2026-11-20T12:00:00Z"}"#;
        let report: Report = serde_json::from_str(json).unwrap();
        let written = serde_json::to_value(&report).unwrap();
        assert_eq!(written["timestamp"], "2026-11-20T12:00:00.000Z");
        assert_eq!(written["status"], "stopped");
        assert!(written.get("cpuPercent").is_none());
        assert!(written.get("memoryMB").is_none());
    }
}
