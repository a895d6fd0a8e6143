//! What a report and the local API say of a collector plugin.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a plugin stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginState {
    /// Its file is being made ready.
    Compiling,
    /// Its last collect succeeded, or it has not had one yet.
    Active,
    /// Its last collect failed; it is tried again.
    Failing,
    /// It failed too often and rests until its file or sidecar changes or someone asks for a reload.
    Quarantined,
    /// Its file or sidecar cannot be used; `reason` says why.
    Rejected,
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
        }
    }
}

/// The name of what went wrong in a collect or a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Its file, sidecar or answer is not what a collector's has to be.
    Invalid,
    /// It said itself that it could not measure.
    Collector,
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
            Failure::Invalid => "invalid",
            Failure::Collector => "collector",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A plugin at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginStatus {
    /// The file's name without `.wasm`.
    pub name: String,
    /// The collector's own version, once it has been described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `sha256:` and the file's digest in hexadecimal, once it has been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where it stands.
    pub state: PluginState,
    /// The name of the last failure, while it stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The last failure in words, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Finished calls of `collect`, failed ones included, since the agent started.
    #[serde(default)]
    pub calls: u64,
    /// Calls of `collect` that failed.
    #[serde(default)]
    pub failures: u64,
    /// Metrics and metadata entries that were not accepted from it, since the agent started.
    #[serde(default)]
    pub points_rejected: u64,
}

/// Something that did not make it into a report, and why. Equal ones are counted, not repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    pub count: u64,
}
