//! Which reports are acceptable: the first thing that is wrong is named with its field, and nothing is stored.
//!
//! Types are serde's matter; here are the bounds. Numbers are bounded by what a machine can be, texts and counts by
//! what the agent itself would send, and everything together by the body's limit. Names of metrics and units follow
//! the shared rules. Texts that are for a person (reasons, errors) are bounded in length only: a report that is
//! otherwise good is not refused for a line break, and whoever shows them escapes them. Names that are perhaps
//! themselves what is wrong, of a collector's file or of a rejected metric, are escaped and shortened here, so that
//! they can stand in lists, events and logs.
//!
//! A report is a sign of life first: a figure of `resources` that no machine has is taken as one that was not
//! measured, and costs nothing else. Some kernels and file systems say such things for as long as they run.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use sandbeat_status::{
    Disk, Gap, Histogram, Part, PluginStatus, Pressure, ProcessStatus, Rejected, Report, ReportedMetric, Resources,
    Stall, Throttling, Value, names,
};

use crate::api::reply::Problem;
use crate::api::request;

/// A thousand cores, for agents that count each core as 100.
const MAX_CPU_PERCENT: f64 = 100_000.0;
/// A pebibyte.
const MAX_MEMORY_MB: u64 = 1 << 30;
/// A century.
const MAX_UPTIME_SECS: u64 = 100 * 366 * 24 * 60 * 60;
/// An exbibyte.
const MAX_BYTES: u64 = 1 << 60;
/// A century of a thousand cores.
const MAX_CPU_SECS: f64 = MAX_UPTIME_SECS as f64 * 1000.0;
/// Tasks and file descriptors: the most that a kernel can count.
const MAX_KERNEL_COUNT: u64 = 1 << 32;
/// A day; in seconds.
const INTERVAL_SECS: RangeInclusive<f64> = 0.01..=86_400.0;
/// Ten collectors with as many metrics as each may return.
const MAX_METRICS: usize = 10_000;
/// What a sidecar may raise it to.
const MAX_ATTRIBUTES: usize = 64;
const MAX_BUCKETS: usize = 256;
const MAX_METADATA: usize = 1024;
const MAX_PROCESSES: usize = 1024;
const MAX_PLUGINS: usize = 1024;
const MAX_REJECTED: usize = 10_000;
const MAX_DISKS: usize = 16;
const MAX_GRANTS: usize = 1024;
/// More than there are parts.
const MAX_UNCHANGED: usize = 8;
/// Names that are not metrics' or sandboxes': host, boot, process, plugin, version, digest; in bytes.
const MAX_WORD: usize = 255;
const MAX_URL: usize = 2048;
/// Linux's own bound.
const MAX_PATH: usize = 4096;
/// What is for a person to read; in bytes.
const MAX_PROSE: usize = 8192;
/// Of a name that is escaped, in bytes; a mark that it was longer makes it [`MAX_WORD`].
const MAX_SHOWN: usize = MAX_WORD - '…'.len_utf8();

/// Reads the report that was posted for a sandbox.
///
/// # Errors
/// 400 that names the field.
pub(crate) fn read(id: &str, body: &[u8]) -> Result<Report, Problem> {
    let mut report: Report = request::parse(body)?;
    if report.sandbox_id != id {
        return Err(Problem::field("sandboxId", format!("the path says `{id}`, the body another id")));
    }
    check(&report)?;
    settle_unchanged(&mut report);
    escape_names(&mut report);
    keep_plausible(&mut report.resources);
    Ok(report)
}

/// Each part is named once, and one that is carried as well counts as carried.
fn settle_unchanged(report: &mut Report) {
    let Report { unchanged, metadata, plugins, .. } = report;
    let named = std::mem::take(unchanged);
    let carried = |part: Part| match part {
        Part::Metadata => !metadata.is_empty(),
        Part::Plugins => !plugins.is_empty(),
    };
    for part in named {
        if !carried(part) && !unchanged.contains(&part) {
            unchanged.push(part);
        }
    }
}

fn escape_names(Report { plugins, rejected, .. }: &mut Report) {
    let plugins = plugins.iter_mut().map(|plugin| &mut plugin.name);
    let rejected = rejected.iter_mut().flat_map(|rejected| rejected.plugin.iter_mut().chain([&mut rejected.name]));
    for name in plugins.chain(rejected) {
        *name = names::shown(name, MAX_SHOWN);
    }
}

fn keep_plausible(resources: &mut Resources) {
    keep(&mut resources.cpu_limit_cores, 0.0..=MAX_CPU_PERCENT);
    keep(&mut resources.memory_limit_mb, 0..=MAX_MEMORY_MB);
    keep(&mut resources.cpu_time_secs, 0.0..=MAX_CPU_SECS);
    keep(&mut resources.memory_usage_bytes, 0..=MAX_BYTES);
    keep(&mut resources.pids, 0..=MAX_KERNEL_COUNT);
    keep(&mut resources.pids_limit, 0..=MAX_KERNEL_COUNT);
    keep(&mut resources.open_files, 0..=MAX_KERNEL_COUNT);
    let throttling = &mut resources.cpu_throttling;
    throttling.take_if(|Throttling { throttled_secs, .. }| !(0.0..=MAX_CPU_SECS).contains(throttled_secs));
    let Pressure { cpu, memory, io } = &mut resources.pressure;
    for stalls in [cpu, memory, io] {
        stalls.take_if(|stalls| !is_plausible(&stalls.some) || stalls.full.is_some_and(|full| !is_plausible(&full)));
    }
    let plausible = |bytes: u64| bytes <= MAX_BYTES;
    resources.disks.retain(|disk| [disk.size_bytes, disk.used_bytes, disk.available_bytes].into_iter().all(plausible));
}

fn is_plausible(stall: &Stall) -> bool {
    let Stall { avg10, avg60, avg300, total_secs } = stall;
    [avg10, avg60, avg300].into_iter().all(|percent| (0.0..=100.0).contains(percent))
        && (0.0..=MAX_CPU_SECS).contains(total_secs)
}

fn keep<N: PartialOrd>(figure: &mut Option<N>, plausible: RangeInclusive<N>) {
    figure.take_if(|figure| !plausible.contains(figure));
}

fn check(report: &Report) -> Result<(), Problem> {
    within("cpuPercent", report.cpu_percent, 0.0..=MAX_CPU_PERCENT)?;
    within("memoryMB", report.memory_mb, 0..=MAX_MEMORY_MB)?;
    within("uptimeSecs", Some(report.uptime_secs), 0..=MAX_UPTIME_SECS)?;
    within("intervalSecs", report.interval_secs, INTERVAL_SECS)?;
    word("hostname", &report.hostname)?;
    optional_word("bootId", report.boot_id.as_deref())?;
    optional_word("agentVersion", report.agent_version.as_deref())?;
    gap(report.gap.as_ref())?;
    count("unchanged", report.unchanged.len(), MAX_UNCHANGED)?;
    metadata(&report.metadata)?;
    resources(&report.resources)?;
    count("metrics", report.metrics.len(), MAX_METRICS)?;
    for (index, metric) in report.metrics.iter().enumerate() {
        reported_metric(metric)
            .map_err(|(field, reason)| Problem::field(&format!("metrics[{index}].{field}"), reason))?;
    }
    processes(&report.processes)?;
    plugins(&report.plugins)?;
    rejected(&report.rejected)
}

fn gap(gap: Option<&Gap>) -> Result<(), Problem> {
    let error = gap.and_then(|gap| gap.last_error.as_deref());
    prose("gap.lastError", error)
}

fn metadata(metadata: &BTreeMap<String, String>) -> Result<(), Problem> {
    count("metadata", metadata.len(), MAX_METADATA)?;
    for (key, value) in metadata {
        // More generous than the agent's own rule for keys, for agents that have none.
        text("metadata", key, names::MAX_NAME)?;
        text(format_args!("metadata.{key}"), value, names::MAX_METADATA_VALUE)?;
    }
    Ok(())
}

fn resources(resources: &Resources) -> Result<(), Problem> {
    optional_word("resources.cpuSource", resources.cpu_source.as_deref())?;
    optional_word("resources.memorySource", resources.memory_source.as_deref())?;
    disks(&resources.disks)
}

fn disks(disks: &[Disk]) -> Result<(), Problem> {
    count("resources.disks", disks.len(), MAX_DISKS)?;
    for (index, disk) in disks.iter().enumerate() {
        text(format_args!("resources.disks[{index}].path"), &disk.path, MAX_PATH)?;
    }
    Ok(())
}

/// Borrowed names of fields, since a report may have thousands of metrics and nearly all are good.
fn reported_metric(reported: &ReportedMetric) -> Result<(), (&'static str, String)> {
    let metric = &reported.metric;
    names::metric_name(&metric.name).map_err(|reason| ("name", reason))?;
    names::unit(&metric.unit).map_err(|reason| ("unit", reason))?;
    names::text(&reported.plugin, MAX_WORD).map_err(|reason| ("plugin", reason))?;
    if metric.attributes.len() > MAX_ATTRIBUTES {
        let reason = format!("there are {} attributes; {MAX_ATTRIBUTES} are the most", metric.attributes.len());
        return Err(("attributes", reason));
    }
    for (key, value) in &metric.attributes {
        names::metric_name(key).map_err(|reason| ("attributes", reason))?;
        names::text(value, names::MAX_ATTRIBUTE_VALUE).map_err(|reason| ("attributes", reason))?;
    }
    match &metric.value {
        Value::Gauge(value) if !value.is_finite() => Err(("value", "the value is not finite".into())),
        Value::Counter(value) if !(value.is_finite() && *value >= 0.0) => {
            Err(("value", "a counter is finite and not negative".into()))
        }
        Value::Gauge(_) | Value::Counter(_) => Ok(()),
        Value::Histogram(histogram) => self::histogram(histogram).map_err(|reason| ("value", reason.to_owned())),
    }
}

fn histogram(histogram: &Histogram) -> Result<(), &'static str> {
    let Histogram { bounds, counts, sum } = histogram;
    if counts.len() > MAX_BUCKETS {
        Err("a histogram has at most 256 buckets")
    } else if counts.len() != bounds.len() + 1 {
        Err("a histogram has one count more than bounds")
    } else if !sum.is_finite() || !bounds.iter().all(|bound| bound.is_finite()) {
        Err("a histogram's numbers are finite")
    } else if !bounds.is_sorted_by(|a, b| a < b) {
        Err("a histogram's bounds are strictly increasing")
    } else {
        Ok(())
    }
}

fn processes(processes: &BTreeMap<String, ProcessStatus>) -> Result<(), Problem> {
    count("processes", processes.len(), MAX_PROCESSES)?;
    for (name, process) in processes {
        word("processes", name)?;
        let url = process.base_url.as_deref().unwrap_or_default();
        text(format_args!("processes.{name}.baseUrl"), url, MAX_URL)?;
        prose(format_args!("processes.{name}.lastError"), process.last_error.as_deref())?;
        text(
            format_args!("processes.{name}.exitSignal"),
            process.exit_signal.as_deref().unwrap_or_default(),
            MAX_WORD,
        )?;
    }
    Ok(())
}

fn plugins(plugins: &[PluginStatus]) -> Result<(), Problem> {
    count("plugins", plugins.len(), MAX_PLUGINS)?;
    for (index, plugin) in plugins.iter().enumerate() {
        prose(format_args!("plugins[{index}].name"), Some(&plugin.name))?;
        optional_word(format_args!("plugins[{index}].version"), plugin.version.as_deref())?;
        optional_word(format_args!("plugins[{index}].digest"), plugin.digest.as_deref())?;
        optional_word(format_args!("plugins[{index}].world"), plugin.world.as_deref())?;
        prose(format_args!("plugins[{index}].reason"), plugin.reason.as_deref())?;
        count(format_args!("plugins[{index}].grants"), plugin.grants.len(), MAX_GRANTS)?;
        for grant in &plugin.grants {
            prose(format_args!("plugins[{index}].grants"), Some(grant))?;
        }
        let last_error = plugin.last_error.as_ref().map(|error| error.reason.as_str());
        prose(format_args!("plugins[{index}].lastError.reason"), last_error)?;
    }
    Ok(())
}

fn rejected(rejected: &[Rejected]) -> Result<(), Problem> {
    count("rejected", rejected.len(), MAX_REJECTED)?;
    for (index, entry) in rejected.iter().enumerate() {
        prose(format_args!("rejected[{index}].plugin"), entry.plugin.as_deref())?;
        prose(format_args!("rejected[{index}].name"), Some(&entry.name))?;
        prose(format_args!("rejected[{index}].reason"), Some(&entry.reason))?;
    }
    Ok(())
}

fn within<N: PartialOrd + Display>(
    field: impl Display,
    value: Option<N>,
    good: RangeInclusive<N>,
) -> Result<(), Problem> {
    match value {
        Some(value) if !good.contains(&value) => {
            Err(Problem::field(&field.to_string(), format!("{value} is not from {} to {}", good.start(), good.end())))
        }
        _ => Ok(()),
    }
}

fn count(field: impl Display, count: usize, most: usize) -> Result<(), Problem> {
    if count > most {
        Err(Problem::field(&field.to_string(), format!("there are {count}; {most} are the most")))
    } else {
        Ok(())
    }
}

fn text(field: impl Display, text: &str, most: usize) -> Result<(), Problem> {
    names::text(text, most).map_err(|reason| Problem::field(&field.to_string(), reason))
}

fn word(field: impl Display, word: &str) -> Result<(), Problem> {
    text(field, word, MAX_WORD)
}

fn optional_word(field: impl Display, word: Option<&str>) -> Result<(), Problem> {
    word.map_or(Ok(()), |word| self::word(field, word))
}

fn prose(field: impl Display, text: Option<&str>) -> Result<(), Problem> {
    match text {
        Some(text) if text.len() > MAX_PROSE => Err(Problem::field(
            &field.to_string(),
            format!("the text has {} bytes; {MAX_PROSE} are the most", text.len()),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
