//! One report in one line.

use std::collections::BTreeMap;
use std::fmt::Write;

use sandbeat_status::{PluginState, Report, SandboxStatus, names};

/// The longest text of a metadata value in a line, in bytes.
const SHOWN: usize = 24;

/// The lines of one sandbox; what is wrong is told when it begins, and named after that.
#[derive(Default)]
pub(crate) struct Lines {
    told: BTreeMap<String, String>,
}

impl Lines {
    /// Time, CPU, memory, metrics by collector, metadata, processes, and what is wrong.
    pub(crate) fn next(&mut self, report: &Report) -> String {
        let mut line = figures(report);
        let mut told = BTreeMap::new();
        for (plugin, trouble, words) in troubles(report) {
            let is_new = self.told.get(plugin) != Some(&words);
            match is_new && !words.is_empty() {
                true => add(&mut line, format_args!("  [{plugin} {trouble}: {words}]")),
                false => add(&mut line, format_args!("  [{plugin} {trouble}]")),
            }
            told.insert(plugin.to_owned(), words);
        }
        self.told = told;
        line
    }
}

/// Plugin, what it is in a word, and the words.
fn troubles(report: &Report) -> Vec<(&str, String, String)> {
    let mut troubles = Vec::new();
    for plugin in &report.plugins {
        let reason = plugin.reason.as_deref().map(|reason| names::shown(reason, 120)).unwrap_or_default();
        let rejected = report.rejected.iter().filter(|one| one.plugin.as_deref() == Some(&plugin.name));
        let points: u64 = rejected.clone().map(|one| one.count).sum();
        if plugin.state != PluginState::Active || plugin.reason.is_some() {
            troubles.push((plugin.name.as_str(), plugin.state.as_str().to_owned(), reason));
        } else if points > 0 {
            let first = rejected.map(|one| format!("{}: {}", one.name, one.reason)).next().unwrap_or_default();
            troubles.push((plugin.name.as_str(), format!("{points} points rejected"), names::shown(&first, 120)));
        }
    }
    troubles
}

fn figures(report: &Report) -> String {
    let mut line = format!("{:.8}", report.timestamp.strftime("%H:%M:%S").to_string());
    if report.status == SandboxStatus::Stopped {
        line.push_str("  stopped");
    }
    match report.cpu_percent {
        Some(percent) => add(&mut line, format_args!("  cpu {percent:>5.1}%")),
        None => line.push_str("  cpu     –"),
    }
    match report.memory_mb {
        Some(memory) => add(&mut line, format_args!("  memory {memory:>5} MB")),
        None => line.push_str("  memory     –   "),
    }
    add(&mut line, format_args!("  {:>3} metrics{}", report.metrics.len(), by_plugin(report)));
    if !report.metadata.is_empty() {
        let entries: Vec<String> =
            report.metadata.iter().map(|(key, value)| format!("{key}={}", names::shown(value, SHOWN))).collect();
        add(&mut line, format_args!("  {}", entries.join(" ")));
    }
    for (name, process) in &report.processes {
        add(&mut line, format_args!("  {name} {}", process.status.as_str()));
        if process.restart_count > 0 {
            add(&mut line, format_args!(" ({} restarts)", process.restart_count));
        }
    }
    line
}

fn by_plugin(report: &Report) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for metric in &report.metrics {
        *counts.entry(&metric.plugin).or_default() += 1;
    }
    match counts.is_empty() {
        true => String::new(),
        false => {
            let counts: Vec<String> = counts.iter().map(|(plugin, count)| format!("{plugin} {count}")).collect();
            format!(" ({})", counts.join(", "))
        }
    }
}

fn add(line: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = line.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_in_one_line() {
        let report: Report = serde_json::from_value(serde_json::json!({
            "sandboxId": "demo", "status": "running", "uptimeSecs": 4, "hostname": "h",
            "timestamp": "2026-11-20T12:00:04.123Z", "cpuPercent": 3.12, "memoryMB": 512,
            "metadata": {"git.branch": "main"},
            "metrics": [
                {"name": "a", "kind": "gauge", "unit": "1", "value": 1.0, "plugin": "load", "ageMs": 0},
                {"name": "b", "kind": "gauge", "unit": "1", "value": 1.0, "plugin": "net", "ageMs": 0},
                {"name": "c", "kind": "gauge", "unit": "1", "value": 1.0, "plugin": "net", "ageMs": 0}
            ],
            "processes": {"web": {"status": "running", "restartCount": 2}},
            "plugins": [
                {"name": "bad", "state": "rejected", "reason": "it is not WebAssembly"},
                {"name": "net", "state": "active"}
            ]
        }))
        .unwrap();
        assert_eq!(
            Lines::default().next(&report),
            "12:00:04  cpu   3.1%  memory   512 MB    3 metrics (load 1, net 2)  git.branch=main  \
             web running (2 restarts)  [bad rejected: it is not WebAssembly]"
        );
    }

    #[test]
    fn a_reason_is_told_once_and_rejected_points_are_counted() {
        let report: Report = serde_json::from_value(serde_json::json!({
            "sandboxId": "demo", "status": "running", "uptimeSecs": 4, "timestamp": "2026-11-20T12:00:04Z",
            "plugins": [{"name": "bad", "state": "rejected", "reason": "why"}, {"name": "twin", "state": "active"}],
            "rejected": [{"plugin": "twin", "name": "a", "reason": "is there already", "count": 15}]
        }))
        .unwrap();
        let mut lines = Lines::default();
        let first = lines.next(&report);
        assert!(first.ends_with("  [bad rejected: why]  [twin 15 points rejected: a: is there already]"), "{first}");
        let second = lines.next(&report);
        assert!(second.ends_with("  [bad rejected]  [twin 15 points rejected]"), "{second}");
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        let report: Report = serde_json::from_value(serde_json::json!({
            "sandboxId": "demo", "status": "stopped", "uptimeSecs": 4, "timestamp": "2026-11-20T12:00:04Z"
        }))
        .unwrap();
        assert_eq!(Lines::default().next(&report), "12:00:04  stopped  cpu     –  memory     –       0 metrics");
    }
}
