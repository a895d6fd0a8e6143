//! What the collector can report.
//!
//! Names and units are OpenTelemetry's for containers as far as it has any (`container.cpu.time`,
//! `container.memory.usage`, `.working_set` and `.paging.faults`); the others are formed like them.

use sandbeat_sdk::{Counter, Gauge, Key, Metadata};

pub(crate) const CPU_TIME: Counter =
    Counter::new("container.cpu.time", "s", "CPU time that the group has used.").with_keys(&[CPU_MODE]);
pub(crate) const CPU_MODE: Key = Key::new("cpu.mode", "`user` or `system`.");
pub(crate) const CPU_LIMIT: Gauge = Gauge::new(
    "container.cpu.limit",
    "{cpu}",
    "CPUs that the least quota here or above amounts to; absent where there is none.",
);
pub(crate) const PERIODS: Counter =
    Counter::new("container.cpu.throttling.periods", "{period}", "Periods in which the quota was looked at.");
pub(crate) const THROTTLED_PERIODS: Counter = Counter::new(
    "container.cpu.throttling.throttled_periods",
    "{period}",
    "Periods in which the quota was used up and tasks had to wait.",
);
pub(crate) const THROTTLED_TIME: Counter = Counter::new(
    "container.cpu.throttling.time",
    "s",
    "Time for which CPUs were held back by the quota, summed over CPUs.",
);

pub(crate) const MEMORY_USAGE: Gauge =
    Gauge::new("container.memory.usage", "By", "Memory that the group uses, file pages included.");
pub(crate) const WORKING_SET: Gauge = Gauge::new(
    "container.memory.working_set",
    "By",
    "Memory that the group uses, without file pages that were not used for a while.",
);
pub(crate) const MEMORY_PEAK: Gauge =
    Gauge::new("container.memory.peak", "By", "The most memory that the group has used.");
pub(crate) const MEMORY_LIMIT: Gauge =
    Gauge::new("container.memory.limit", "By", "The least limit of memory here or above; absent where there is none.");
pub(crate) const SWAP_USAGE: Gauge = Gauge::new("container.memory.swap.usage", "By", "Swap that the group uses.");
pub(crate) const MEMORY_KIND: Key = Key::new(
    "container.memory.kind",
    "`anon` (of processes), `file` (pages of files), `shmem` (shared, also in `file`), `kernel`, or `slab` and `sock`, \
     also in `kernel`.",
);
pub(crate) const MEMORY_STAT: Gauge =
    Gauge::new("container.memory.stat", "By", "What the memory is used for.").with_keys(&[MEMORY_KIND]);
pub(crate) const FAULT_TYPE: Key =
    Key::new("system.paging.fault.type", "`major`, which had to wait for a disk, or `minor`.");
pub(crate) const FAULTS: Counter =
    Counter::new("container.paging.faults", "{fault}", "Page faults of the group's processes.")
        .with_keys(&[FAULT_TYPE]);
pub(crate) const MEMORY_EVENT: Key = Key::new(
    "container.memory.event",
    "`low`, `high`, `max`, `oom`, `oom_kill` or `oom_group_kill`, as the kernel names them in `memory.events`.",
);
pub(crate) const MEMORY_EVENTS: Counter = Counter::new(
    "container.memory.events",
    "{event}",
    "How often the group met a bound of memory: was slowed down (high), stood at its limit (max), ran out of memory \
     (oom), had a process killed for it (oom_kill).",
)
.with_keys(&[MEMORY_EVENT]);

pub(crate) const PIDS: Gauge =
    Gauge::new("container.pids.count", "{thread}", "Processes and threads of the group, which its limit counts alike.");
pub(crate) const PIDS_LIMIT: Gauge = Gauge::new(
    "container.pids.limit",
    "{thread}",
    "The least limit of processes and threads here or above; absent where there is none.",
);
pub(crate) const PIDS_REFUSED: Counter =
    Counter::new("container.pids.refused", "{event}", "How often a process or thread was not started for the limit.");

pub(crate) const RESOURCE: Key = Key::new("container.pressure.resource", "`cpu`, `memory` or `io`.");
pub(crate) const PRESSURE_KIND: Key =
    Key::new("container.pressure.kind", "Who waited: `some` or all (`full`) of the group's tasks.");
pub(crate) const PRESSURE: Gauge = Gauge::new(
    "container.pressure.average.10s",
    "1",
    "Share of the last 10 seconds in which some or all tasks of the group waited for a resource.",
)
.with_keys(&[RESOURCE, PRESSURE_KIND]);
pub(crate) const PRESSURE_TIME: Counter = Counter::new(
    "container.pressure.time",
    "s",
    "Time since the group was made in which some or all of its tasks waited for a resource.",
)
.with_keys(&[RESOURCE, PRESSURE_KIND]);

pub(crate) const VERSION: Metadata =
    Metadata::new("cgroup.version", "Which version of control groups has figures: `1`, `2` or `1+2`.");
pub(crate) const PATH: Metadata = Metadata::new(
    "cgroup.path",
    "The group's directory; that of the memory controller, where each controller of version 1 has its own.",
);
