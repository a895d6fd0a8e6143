//! The status report: the body of `POST {server_url}/api/v1/sandboxes/{id}/status`.
//!
//! The base fields (`sandboxId` to `metadata`) keep the names and types that existing servers read: strings,
//! integers, and a flat string-to-string map. Everything after them is additive. What was not measured is absent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use crate::{Metric, PluginStatus, ProcessStatus, Rejected};

/// What the sandbox says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// Seconds until the next report is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_secs: Option<f64>,
    /// What the sandbox may use, and what of it is in use.
    #[serde(default)]
    pub resources: Resources,
    /// What the collectors measured, by plugin, name and attributes.
    #[serde(default)]
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

/// What the sandbox may use. Absent: unknown, or not limited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Where the figures come from: `cgroup2`, `cgroup1` or `machine`, for CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_source: Option<String>,
    /// Where the figures come from: `cgroup2`, `cgroup1` or `machine`, for memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_source: Option<String>,
    /// Cores that the sandbox may use: the least of quota, cpuset and machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit_cores: Option<f64>,
    /// Memory that the sandbox may use, in MiB: the least of its limits and the machine's memory.
    #[serde(default, rename = "memoryLimitMB", skip_serializing_if = "Option::is_none")]
    pub memory_limit_mb: Option<u64>,
}

/// A collector's metric in a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportedMetric {
    /// The metric itself.
    #[serde(flatten)]
    pub metric: Metric,
    /// The plugin that measured it.
    pub plugin: String,
    /// Milliseconds between the measurement and the making of the report.
    pub age_ms: u64,
}

/// For `#[serde(serialize_with)]`: a time as every answer and report writes it, RFC 3339 in UTC with milliseconds.
///
/// # Errors
/// Those of the serializer.
pub fn milliseconds<S: Serializer>(timestamp: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{timestamp:.3}"))
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
