//! What the agent itself measured for the report that is being made.

use crate::host;

/// The sandbox at one moment. What could not be measured is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The sandbox's id at the control plane.
    pub sandbox_id: String,
    /// The host name.
    pub hostname: String,
    /// Seconds since the agent started, from a monotonic clock.
    pub uptime_secs: u64,
    /// Used CPU, in percent of what the sandbox may use.
    pub cpu_percent: Option<f64>,
    /// How many cores the sandbox may use.
    pub cpu_limit_cores: Option<f64>,
    /// The working set: memory in use without inactive file pages, in bytes.
    pub memory_bytes: Option<u64>,
    /// How much memory the sandbox may use, in bytes.
    pub memory_limit_bytes: Option<u64>,
    /// Established inbound connections on the configured session ports.
    pub session_count: Option<u32>,
    /// All supervised processes, by name.
    pub processes: Vec<Process>,
}

/// A process that the agent supervises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its name in the configuration.
    pub name: String,
    /// `running`, `stopped` or `error`.
    pub status: String,
    /// Its process id while it runs.
    pub pid: Option<u32>,
    /// Starts after the first one.
    pub restart_count: u32,
}

/// The newest sample.
pub fn current() -> Sample {
    host::current()
}
