//! The sandbox's own figures as families. What could not be measured is absent here, and named in
//! `sandbox_figure_unavailable`.

use std::collections::BTreeMap;

use sandbeat_status::exposition::{Form, Labels, labels};
use sandbeat_status::{Disk, Pressure, Stalls};

use super::family::{Families, Sample, whole};
use crate::api::preview::Snapshot;
use crate::sample::Unavailable;

pub(super) fn add(families: &mut Families, snapshot: &Snapshot) {
    about(families, snapshot);
    cpu(families, snapshot);
    memory(families, snapshot);
    tasks(families, snapshot);
    disks(families, &snapshot.sample.disks);
}

fn about(families: &mut Families, snapshot: &Snapshot) {
    let sandbox = &snapshot.sample;
    let source = |source: Option<sandbeat_status::Source>| source.map_or("", |source| source.as_str());
    let of = labels([
        ("id", &sandbox.sandbox_id),
        ("hostname", &sandbox.hostname),
        ("boot_id", &snapshot.about.boot_id),
        ("cpu_source", source(sandbox.cpu_source)),
        ("memory_source", source(sandbox.memory_source)),
    ]);
    let info = vec![(of, sandbeat_status::Value::Gauge(1.0))];
    families.own("sandbox", "", Form::Info, "Which sandbox this is, and where its figures come from.", info);
    families.gauges(
        "sandbox.figure.unavailable",
        "{figure}",
        "How many figures of the sandbox cannot be measured here: of disks one for each path.",
        unavailable(&snapshot.unavailable),
    );
}

/// One figure may be named more than once: each disk that cannot be asked is.
fn unavailable(missing: &[Unavailable]) -> Vec<Sample> {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for missing in missing {
        *counts.entry(missing.figure).or_default() += 1.0;
    }
    counts.into_iter().map(|(figure, count)| (labels([("figure", figure)]), count)).collect()
}

fn cpu(families: &mut Families, snapshot: &Snapshot) {
    let sandbox = &snapshot.sample;
    let utilization = sandbox.cpu_percent.map(|percent| percent / 100.0);
    families.gauges("sandbox.cpu.utilization", "1", "CPU in use, of what the sandbox may use.", whole(utilization));
    families.gauges("sandbox.cpu.limit", "{cpu}", "CPUs that the sandbox may use.", whole(sandbox.cpu_limit_cores));
    families.counters("sandbox.cpu.time", "s", "CPU time that the sandbox has used.", whole(sandbox.cpu_time_secs));
    let throttling = sandbox.cpu_throttling;
    families.counters(
        "sandbox.cpu.periods",
        "{period}",
        "Periods of the CPU quota in which something of the sandbox could run.",
        whole(throttling.map(|throttling| throttling.periods as f64)),
    );
    families.counters(
        "sandbox.cpu.throttled.periods",
        "{period}",
        "Periods in which the CPU quota was used up.",
        whole(throttling.map(|throttling| throttling.throttled_periods as f64)),
    );
    families.counters(
        "sandbox.cpu.throttled.time",
        "s",
        "How long the CPU quota held the sandbox back, summed over CPUs.",
        whole(throttling.map(|throttling| throttling.throttled_secs)),
    );
    families.counters(
        "sandbox.pressure.stalled",
        "s",
        "How long some or all tasks of the sandbox waited for a resource.",
        pressure(&sandbox.pressure),
    );
}

fn pressure(pressure: &Pressure) -> Vec<Sample> {
    let resources = [("cpu", pressure.cpu), ("memory", pressure.memory), ("io", pressure.io)];
    let told = |(resource, stalls): (&str, Option<Stalls>)| {
        let stalls = stalls?;
        let sample = |of: &str, secs: f64| (labels([("resource", resource), ("tasks", of)]), secs);
        let full = stalls.full.map(|full| sample("all", full.total_secs));
        Some([Some(sample("some", stalls.some.total_secs)), full].into_iter().flatten())
    };
    resources.into_iter().filter_map(told).flatten().collect()
}

fn memory(families: &mut Families, snapshot: &Snapshot) {
    let sandbox = &snapshot.sample;
    for (name, help, bytes) in [
        ("sandbox.memory.working_set", "Memory in use without inactive file pages.", sandbox.memory_bytes),
        ("sandbox.memory.usage", "Memory in use with all file pages.", sandbox.memory_usage_bytes),
        ("sandbox.memory.limit", "Memory that the sandbox may use.", sandbox.memory_limit_bytes),
    ] {
        families.gauges(name, "By", help, whole(bytes.map(|bytes| bytes as f64)));
    }
    families.counters(
        "sandbox.oom_kills",
        "{process}",
        "Processes that the kernel killed for want of memory.",
        whole(sandbox.oom_kills.map(|kills| kills as f64)),
    );
}

fn tasks(families: &mut Families, snapshot: &Snapshot) {
    let sandbox = &snapshot.sample;
    for (name, unit, help, count) in [
        ("sandbox.pids", "{task}", "Tasks (processes and their threads) of the sandbox.", sandbox.pids),
        ("sandbox.pids.limit", "{task}", "The most tasks that it may have.", sandbox.pids_limit),
        ("sandbox.open_files", "{file}", "File descriptors that its processes have open.", sandbox.open_files),
        (
            "sandbox.sessions",
            "{session}",
            "Established inbound connections on the session ports.",
            sandbox.session_count.map(u64::from),
        ),
    ] {
        families.gauges(name, unit, help, whole(count.map(|count| count as f64)));
    }
}

fn disks(families: &mut Families, disks: &[Disk]) {
    let of = |disk: &Disk| -> Labels { labels([("path", &disk.path)]) };
    type Figure = fn(&Disk) -> Option<u64>;
    let figures: [(&str, &str, &str, Figure); 5] = [
        ("sandbox.disk.size", "By", "Size of the file system at a path.", |disk| Some(disk.size_bytes)),
        ("sandbox.disk.used", "By", "What is in use of it.", |disk| Some(disk.used_bytes)),
        ("sandbox.disk.available", "By", "What the agent's user could still write.", |disk| Some(disk.available_bytes)),
        ("sandbox.disk.inodes", "{inode}", "How many files it can hold.", |disk| disk.inodes),
        ("sandbox.disk.inodes.used", "{inode}", "How many files it holds.", |disk| disk.inodes_used),
    ];
    for (name, unit, help, figure) in figures {
        let samples = disks.iter().filter_map(|disk| Some((of(disk), figure(disk)? as f64)));
        families.gauges(name, unit, help, samples);
    }
}
