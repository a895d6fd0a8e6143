//! What this collector may use, by its sidecar: for those that do their work in pieces.

use std::time::Duration;

use crate::host;

/// Who passes one of these is ended, or has points rejected. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories and tables together, and what the instance costs the host.
    pub memory: u64,
    /// Wall clock for one call.
    pub timeout: Duration,
    /// CPU for one call.
    pub cpu: Duration,
    /// What it may cost to take one answer out of the guest.
    pub output: u64,
    /// Metrics of one collect.
    pub metrics: u64,
    /// Metadata entries of one collect.
    pub metadata: u64,
    /// Attributes of one metric.
    pub attributes: u64,
    /// Different pairs of name and attributes within an hour.
    pub series: u64,
    /// Keys and values in the state.
    pub state: u64,
    /// Calls of [`crate::files`], [`crate::filesystems`] and [`crate::processes`] in one call.
    pub file_calls: u64,
    /// What [`crate::files`] hands over in one call.
    pub file_bytes: u64,
    /// HTTP requests in one call.
    pub http_requests: u64,
    /// Bodies of all HTTP answers in one call.
    pub http_bytes: u64,
    /// One HTTP exchange.
    pub http_timeout: Duration,
}

/// Those in force for this call.
pub fn current() -> Limits {
    host::limits()
}

/// Those of a sidecar that sets none.
impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 32 << 20,
            timeout: Duration::from_secs(1),
            cpu: Duration::from_millis(200),
            output: 1 << 20,
            metrics: 1_000,
            metadata: 64,
            attributes: 16,
            series: 2_000,
            state: 64 << 10,
            file_calls: 1_000,
            file_bytes: 16 << 20,
            http_requests: 16,
            http_bytes: 4 << 20,
            http_timeout: Duration::from_secs(5),
        }
    }
}
