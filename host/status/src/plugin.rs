//! What a report and the local API say of a collector plugin.

use std::collections::BTreeMap;
use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::binary::{
    read_integer, read_number, read_optional_integer, read_time, write_integer, write_number, write_optional_integer,
    write_time,
};
use crate::later::counts;
use crate::report::milliseconds;

/// Where a plugin stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PluginState {
    /// Its file is being made ready.
    Compiling,
    /// Its last collect succeeded, or it has not had one yet.
    Active,
    /// Its last collect failed; it is tried again, the later the more often that happened.
    Failing,
    /// It failed too often and rests until its file or sidecar changes or someone asks for a reload.
    Quarantined,
    /// Its file or sidecar cannot be used; `reason` says why.
    Rejected,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

impl PluginState {
    /// The word that clients see.
    pub fn as_str(self) -> &'static str {
        match self {
            PluginState::Compiling => "compiling",
            PluginState::Active => "active",
            PluginState::Failing => "failing",
            PluginState::Quarantined => "quarantined",
            PluginState::Rejected => "rejected",
            PluginState::Unknown => "unknown",
        }
    }
}

/// The name of what went wrong in a collect or a load.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
    ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// It used more CPU in one call than `limits.cpu`.
    CpuTimeout,
    /// One call took longer than `limits.timeout`.
    WallTimeout,
    /// It wanted more memory than `limits.memory`.
    Memory,
    /// Its calls nested too deeply.
    Stack,
    /// It returned more than the host takes.
    Output,
    /// It ended itself: a panic, an abort, an unreachable instruction.
    Trap,
    /// It wanted something that its sidecar does not grant.
    Denied,
    /// It read more, or more often, through `files` than its limits allow.
    Files,
    /// It asked more of `wasi:http` than its limits allow.
    Http,
    /// Its file, sidecar or answer is not what a collector's has to be.
    Invalid,
    /// It said itself that it could not measure.
    Collector,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Failure {
    /// The word that clients see.
    pub fn as_str(self) -> &'static str {
        match self {
            Failure::CpuTimeout => "cpu-timeout",
            Failure::WallTimeout => "wall-timeout",
            Failure::Memory => "memory",
            Failure::Stack => "stack",
            Failure::Output => "output",
            Failure::Trap => "trap",
            Failure::Denied => "denied",
            Failure::Files => "files",
            Failure::Http => "http",
            Failure::Invalid => "invalid",
            Failure::Collector => "collector",
            Failure::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long the calls of a collector took, in milliseconds: waiting included, the time until its turn not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Durations {
    /// The last call.
    #[borsh(serialize_with = "write_number", deserialize_with = "read_number")]
    pub last: f64,
    /// The median of the last calls, 256 at most.
    #[borsh(serialize_with = "write_number", deserialize_with = "read_number")]
    pub p50: f64,
    /// Of the same calls, what 99 of 100 did not exceed.
    #[borsh(serialize_with = "write_number", deserialize_with = "read_number")]
    pub p99: f64,
}

/// A failure, kept after it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// Its name.
    pub failure: Failure,
    /// In words, for a person.
    pub reason: String,
    /// When, by the sandbox's wall clock.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    #[borsh(serialize_with = "write_time", deserialize_with = "read_time")]
    pub at: Timestamp,
}

/// What came of a file or sidecar that was new, changed, or asked to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReloadResult {
    /// It is in force.
    Loaded,
    /// Nothing in it is different.
    Unchanged,
    /// It is not used, and `reason` beside the plugin says why.
    Refused,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The last time that a plugin's files were read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastReload {
    /// What came of it.
    pub result: ReloadResult,
    /// When, by the sandbox's wall clock.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    #[borsh(serialize_with = "write_time", deserialize_with = "read_time")]
    pub at: Timestamp,
}

/// How far the compilation of a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Compiling {
    /// Functions that are compiled.
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub compiled: u64,
    /// All of its functions, once they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub functions: Option<u64>,
    /// Milliseconds since its turn came; absent while it waits for another one to be compiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub elapsed_ms: Option<u64>,
}

/// A plugin at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginStatus {
    /// The file's name without `.wasm`.
    pub name: String,
    /// The collector's own version, once it has been described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `sha256:` and the digest in hexadecimal of the component at work, or of the file where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The version of the collector world that it was built for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// Where it stands.
    pub state: PluginState,
    /// While its component, or the one that is to replace it, is compiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiling: Option<Compiling>,
    /// The name of the last failure, while it stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The last failure in words, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The grants in force, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// Finished calls of `collect`, failed ones included, since the agent started.
    #[serde(default)]
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub calls: u64,
    /// Calls of `collect` that failed.
    #[serde(default)]
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub failures: u64,
    /// The same by name.
    #[serde(default, deserialize_with = "counts", skip_serializing_if = "BTreeMap::is_empty")]
    pub failures_by_name: BTreeMap<Failure, u64>,
    /// How long its calls took, once there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<Durations>,
    /// The most memory that one of its instances has had, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub peak_memory_bytes: Option<u64>,
    /// Metrics and metadata entries that were not accepted from it, since the agent started.
    #[serde(default)]
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub points_rejected: u64,
    /// Milliseconds until it is called again at the earliest, while it rests after failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub rests_for_ms: Option<u64>,
    /// The last failure, kept after it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// The last time that its files were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reload: Option<LastReload>,
}

impl PluginStatus {
    /// A plugin of which nothing is known but that it is there.
    pub fn found(name: impl Into<String>) -> Self {
        PluginStatus {
            name: name.into(),
            version: None,
            digest: None,
            world: None,
            state: PluginState::Compiling,
            compiling: None,
            failure: None,
            reason: None,
            grants: Vec::new(),
            calls: 0,
            failures: 0,
            failures_by_name: BTreeMap::new(),
            duration_ms: None,
            peak_memory_bytes: None,
            points_rejected: 0,
            rests_for_ms: None,
            last_error: None,
            last_reload: None,
        }
    }
}

/// Something that did not make it into a report, and why. Equal ones are counted, not repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// The plugin that it came from; absent for the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The metric's or metadata entry's name, shortened and escaped where it is itself the fault.
    pub name: String,
    /// What is wrong with it, for a person.
    pub reason: String,
    /// How many in this report.
    #[borsh(serialize_with = "write_integer", deserialize_with = "read_integer")]
    pub count: u64,
}
