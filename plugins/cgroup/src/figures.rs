//! The figures of each controller, in either version.
//!
//! What is counted is the group's own; limits are the least of those here and above, since all of them hold. The quota
//! that is the least is also the one whose throttling is told, because it holds the group back wherever it is written.
//! A file that is not there (a controller that is not handed down to the group, an older kernel) leaves its figures out.

use std::time::Duration;

use sandbeat_sdk::Point;

use crate::group::{Group, Groups, Source, text_of};
use crate::metrics::{
    CPU_LIMIT, CPU_MODE, CPU_TIME, FAULT_TYPE, FAULTS, MEMORY_EVENT, MEMORY_EVENTS, MEMORY_KIND, MEMORY_LIMIT,
    MEMORY_PEAK, MEMORY_STAT, MEMORY_USAGE, PERIODS, PIDS, PIDS_LIMIT, PIDS_REFUSED, PRESSURE, PRESSURE_KIND,
    PRESSURE_TIME, RESOURCE, SWAP_USAGE, THROTTLED_PERIODS, THROTTLED_TIME, WORKING_SET,
};
use crate::text::{self, field};

/// All that can be measured.
pub(crate) fn points(groups: &Groups) -> Vec<Point> {
    let mut points = Vec::new();
    if let Some(source) = groups.with("cpuacct") {
        points.extend(cpu_time(source));
    }
    if let Some(source) = groups.with("cpu") {
        points.extend(throttling(source));
    }
    match groups.with("memory") {
        Some(Source::V1(group)) => points.extend(memory_v1(group)),
        Some(Source::V2(group)) => points.extend(memory_v2(group)),
        None => {}
    }
    if let Some(Source::V1(group) | Source::V2(group)) = groups.with("pids") {
        points.extend(pids(group));
    }
    // Pressure needs no controller: version 2 has it also where version 1 has them all.
    if let Some(group) = &groups.v2 {
        points.extend(["cpu", "memory", "io"].into_iter().flat_map(|resource| pressure(group, resource)));
    }
    points
}

fn cpu_time(source: Source<'_>) -> Vec<Point> {
    let (user, system) = match source {
        Source::V1(group) => {
            let time = |name: &str| group.number(name).map(Duration::from_nanos);
            (time("cpuacct.usage_user"), time("cpuacct.usage_sys"))
        }
        Source::V2(group) => {
            let stat = group.text("cpu.stat").unwrap_or_default();
            let time = |key: &str| field(&stat, key).map(Duration::from_micros);
            (time("user_usec"), time("system_usec"))
        }
    };
    let point = |mode: &str, time: Option<Duration>| time.map(|time| CPU_TIME.value(time).attribute(CPU_MODE, mode));
    point("user", user).into_iter().chain(point("system", system)).collect()
}

fn throttling(source: Source<'_>) -> Vec<Point> {
    let (group, least, throttled) = match source {
        Source::V1(group) => {
            let quota = |dir: &str| text::cpus(&text_of(dir, "cpu.cfs_quota_us")?, &text_of(dir, "cpu.cfs_period_us")?);
            (group, group.least(quota), "throttled_time")
        }
        Source::V2(group) => (group, group.least(|dir| text::cpu_max(&text_of(dir, "cpu.max")?)), "throttled_usec"),
    };
    let stat = text_of(least.map_or(group.dir(), |(_, dir)| dir), "cpu.stat").unwrap_or_default();
    let time = field(&stat, throttled).map(match source {
        Source::V1(_) => Duration::from_nanos,
        Source::V2(_) => Duration::from_micros,
    });
    [
        least.map(|(cpus, _)| CPU_LIMIT.value(cpus)),
        field(&stat, "nr_periods").map(|periods| PERIODS.value(periods)),
        field(&stat, "nr_throttled").map(|periods| THROTTLED_PERIODS.value(periods)),
        time.map(|time| THROTTLED_TIME.value(time)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn memory_v1(group: &Group) -> Vec<Point> {
    let stat = group.text("memory.stat").unwrap_or_default();
    let usage = group.number("memory.usage_in_bytes");
    let least = group.least(|dir| text::limit(&text_of(dir, "memory.limit_in_bytes")?)).map(|(limit, _)| limit);
    // Those above that cannot be seen are in this one.
    let hierarchy = field(&stat, "hierarchical_memory_limit").and_then(|limit| text::limit(&limit.to_string()));
    let oom_kills = field(&group.text("memory.oom_control").unwrap_or_default(), "oom_kill");
    let mut points = Vec::new();
    points.extend(used(usage, field(&stat, "total_inactive_file")));
    points.extend(group.number("memory.max_usage_in_bytes").map(|peak| MEMORY_PEAK.value(peak)));
    points.extend(least.into_iter().chain(hierarchy).min().map(|limit| MEMORY_LIMIT.value(limit)));
    points.extend(field(&stat, "total_swap").map(|swap| SWAP_USAGE.value(swap)));
    points.extend(kinds(&stat, &[("anon", "total_rss"), ("file", "total_cache"), ("shmem", "total_shmem")]));
    points.extend(faults(field(&stat, "total_pgfault"), field(&stat, "total_pgmajfault")));
    points.extend(group.number("memory.failcnt").map(|count| event("max", count)));
    points.extend(oom_kills.map(|count| event("oom_kill", count)));
    points
}

fn memory_v2(group: &Group) -> Vec<Point> {
    let stat = group.text("memory.stat").unwrap_or_default();
    let events = group.text("memory.events").unwrap_or_default();
    let least = group.least(|dir| text::limit(&text_of(dir, "memory.max")?)).map(|(limit, _)| limit);
    let mut points = Vec::new();
    points.extend(used(group.number("memory.current"), field(&stat, "inactive_file")));
    points.extend(group.number("memory.peak").map(|peak| MEMORY_PEAK.value(peak)));
    points.extend(least.map(|limit| MEMORY_LIMIT.value(limit)));
    points.extend(group.number("memory.swap.current").map(|swap| SWAP_USAGE.value(swap)));
    points.extend(kinds(&stat, &["anon", "file", "shmem", "kernel", "slab", "sock"].map(|kind| (kind, kind))));
    points.extend(faults(field(&stat, "pgfault"), field(&stat, "pgmajfault")));
    let names = ["low", "high", "max", "oom", "oom_kill", "oom_group_kill"];
    points.extend(names.into_iter().filter_map(|name| Some(event(name, field(&events, name)?))));
    points
}

/// Use and the working set, which is what orchestrators compare with the limit.
fn used(usage: Option<u64>, inactive_file: Option<u64>) -> impl Iterator<Item = Point> {
    let working_set = usage.zip(inactive_file).map(|(usage, inactive)| usage.saturating_sub(inactive));
    let working_set = working_set.map(|bytes| WORKING_SET.value(bytes));
    usage.map(|bytes| MEMORY_USAGE.value(bytes)).into_iter().chain(working_set)
}

fn kinds(stat: &str, keys: &[(&str, &str)]) -> Vec<Point> {
    let point = |(kind, key): &(&str, &str)| Some(MEMORY_STAT.value(field(stat, key)?).attribute(MEMORY_KIND, kind));
    keys.iter().filter_map(point).collect()
}

/// The kernel counts major ones among all.
fn faults(all: Option<u64>, major: Option<u64>) -> Vec<Point> {
    let Some((all, major)) = all.zip(major) else { return Vec::new() };
    let point = |kind: &str, count: u64| FAULTS.value(count).attribute(FAULT_TYPE, kind);
    vec![point("minor", all.saturating_sub(major)), point("major", major)]
}

fn event(name: &str, count: u64) -> Point {
    MEMORY_EVENTS.value(count).attribute(MEMORY_EVENT, name)
}

fn pids(group: &Group) -> impl Iterator<Item = Point> {
    let limit = group.least(|dir| text::limit(&text_of(dir, "pids.max")?));
    let refused = group.text("pids.events").and_then(|events| field(&events, "max"));
    [
        group.number("pids.current").map(|count| PIDS.value(count)),
        limit.map(|(limit, _)| PIDS_LIMIT.value(limit)),
        refused.map(|count| PIDS_REFUSED.value(count)),
    ]
    .into_iter()
    .flatten()
}

fn pressure(group: &Group, resource: &'static str) -> Vec<Point> {
    let text = group.text(&format!("{resource}.pressure")).unwrap_or_default();
    let points = |pressure: &text::Pressure| {
        [PRESSURE.value(pressure.average_10s), PRESSURE_TIME.value(pressure.total)]
            .map(|point| point.attribute(RESOURCE, resource).attribute(PRESSURE_KIND, pressure.kind))
    };
    text::pressures(&text).iter().flat_map(points).collect()
}
