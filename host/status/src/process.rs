//! What a report and the local API say of a supervised process.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::binary::{read_optional_integer, write_optional_integer};
use crate::later::known_word;

/// Whether a process does its work. The three words are those of existing clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProcessState {
    /// It runs, and its health check, where it has one, does not say otherwise.
    Running,
    /// It does not run, and that is as it should be: asked to stop, ended with code 0, or not started yet.
    Stopped,
    /// It ended otherwise, could not be started, or runs and fails its health check.
    Error,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ProcessState {
    /// The word that clients see.
    pub fn as_str(self) -> &'static str {
        match self {
            ProcessState::Running => "running",
            ProcessState::Stopped => "stopped",
            ProcessState::Error => "error",
            ProcessState::Unknown => "unknown",
        }
    }
}

/// Where in its life a process is. `docs/supervision.md` says which state goes with each.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessPhase {
    /// Not started yet: something that it comes after is not as far, or its own start is under way.
    #[default]
    Waiting,
    /// Started; its checks have not passed yet.
    Starting,
    /// Started; its checks pass, or it has none.
    Ready,
    /// Runs, and its checks fail.
    Unhealthy,
    /// Asked to stop; something of it is still there.
    Stopping,
    /// Ended; will be started again.
    BackingOff,
    /// Ended; will not be started again unless asked.
    Exited,
    /// Ended too often; will not be started again unless asked.
    GaveUp,
}

/// A supervised process at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, ToSchema)]
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
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub uptime_ms: Option<u64>,
    /// Starts after the first one.
    #[serde(default)]
    pub restart_count: u32,
    /// Why it is, or last was, in `error`; for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Where in its life it is.
    #[serde(default, deserialize_with = "known_word", skip_serializing_if = "Option::is_none")]
    pub phase: Option<ProcessPhase>,
    /// The exit code of its last run that has ended, where it ended with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended its last run, such as `SIGKILL`, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_signal: Option<String>,
    /// Whether the kernel sent that signal because memory ran out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    /// Milliseconds until it is started again, while it is `backing-off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[borsh(serialize_with = "write_optional_integer", deserialize_with = "read_optional_integer")]
    pub next_restart_ms: Option<u64>,
}

impl ProcessPhase {
    /// The word that clients see.
    pub fn as_str(self) -> &'static str {
        match self {
            ProcessPhase::Waiting => "waiting",
            ProcessPhase::Starting => "starting",
            ProcessPhase::Ready => "ready",
            ProcessPhase::Unhealthy => "unhealthy",
            ProcessPhase::Stopping => "stopping",
            ProcessPhase::BackingOff => "backing-off",
            ProcessPhase::Exited => "exited",
            ProcessPhase::GaveUp => "gave-up",
        }
    }

    /// Whether nothing more happens unless something is asked for.
    pub fn is_final(self) -> bool {
        matches!(self, ProcessPhase::Exited | ProcessPhase::GaveUp)
    }

    /// Whether the process exists.
    pub fn is_running(self) -> bool {
        matches!(self, ProcessPhase::Starting | ProcessPhase::Ready | ProcessPhase::Unhealthy | ProcessPhase::Stopping)
    }
}
