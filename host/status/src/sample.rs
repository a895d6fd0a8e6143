//! The native sample: what the agent itself measures, once per beat. What could not be measured is absent.

use std::collections::BTreeMap;

use crate::{Disk, Pressure, ProcessStatus, Throttling};

/// The sandbox at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The sandbox's id at the control plane.
    pub sandbox_id: String,
    /// The host name.
    pub hostname: String,
    /// Whole seconds since the agent started, from a monotonic clock.
    pub uptime_secs: u64,
    /// Used CPU in percent (0 to 100) of `cpu_limit_cores`.
    pub cpu_percent: Option<f64>,
    /// Cores that the sandbox may use.
    pub cpu_limit_cores: Option<f64>,
    /// CPU time used, in seconds, since the control group was made or the machine started.
    pub cpu_time_secs: Option<f64>,
    /// How the CPU quota held the sandbox back.
    pub cpu_throttling: Option<Throttling>,
    /// Where the CPU figures come from.
    pub cpu_source: Option<Source>,
    /// The working set (memory in use without inactive file pages), in bytes.
    pub memory_bytes: Option<u64>,
    /// Memory in use with all its file pages, in bytes.
    pub memory_usage_bytes: Option<u64>,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: Option<u64>,
    /// Memory that the sandbox may use, in bytes.
    pub memory_limit_bytes: Option<u64>,
    /// Where the memory figures come from.
    pub memory_source: Option<Source>,
    /// How long its tasks waited for CPU, memory and I/O.
    pub pressure: Pressure,
    /// Tasks of the sandbox.
    pub pids: Option<u64>,
    /// The most that it may have.
    pub pids_limit: Option<u64>,
    /// File descriptors that its processes have open.
    pub open_files: Option<u64>,
    /// File systems, in the order of the configuration.
    pub disks: Vec<Disk>,
    /// Established inbound connections on the configured session ports.
    pub session_count: Option<u32>,
    /// The supervised processes, by name.
    pub processes: BTreeMap<String, ProcessStatus>,
}

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Control groups, version 2.
    Cgroup2,
    /// Control groups, version 1.
    Cgroup1,
    /// The whole machine, because no control group says anything.
    Machine,
}

impl Source {
    /// The word in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Cgroup2 => "cgroup2",
            Source::Cgroup1 => "cgroup1",
            Source::Machine => "machine",
        }
    }
}
