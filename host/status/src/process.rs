//! What a report and the local API say of a supervised process.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a process does its work. The three words are those of existing clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProcessState {
    /// It runs, and its health check, where it has one, does not say otherwise.
    Running,
    /// It does not run, and that is as it should be: asked to stop, ended with code 0, or not started yet.
    Stopped,
    /// It ended otherwise, could not be started, or runs and fails its health check.
    Error,
}

impl ProcessState {
    /// The word that clients see.
    pub fn as_str(self) -> &'static str {
        match self {
            ProcessState::Running => "running",
            ProcessState::Stopped => "stopped",
            ProcessState::Error => "error",
        }
    }
}

/// A supervised process at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessStatus {
    /// Whether it does its work.
    pub status: ProcessState,
    /// Where it serves, as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Its process id while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Milliseconds since its last start, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_ms: Option<u64>,
    /// Starts after the first one.
    #[serde(default)]
    pub restart_count: u32,
    /// Why it is, or last was, in `error`; for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}
