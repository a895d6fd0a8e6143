//! One report in one line; where there are many collectors, with further lines on what is new since the one before it.

use std::collections::BTreeMap;
use std::fmt::Write;

use sandbeat_status::{PluginState, Report, SandboxStatus, names};

use crate::format;

use super::changes::{changed, wrapped};

/// The longest text of a metadata value in a line, in bytes.
const SHOWN: usize = 24;
/// The same where it is shown once.
const SHOWN_ONCE: usize = 48;
/// As many collectors as have room in one line.
const FEW: usize = 4;
/// How far the further lines are indented.
pub(super) const INDENT: usize = 10;

/// The lines of one sandbox; what is wrong is told when it begins, and named after that.
pub(crate) struct Lines {
    /// Letters of a line.
    width: usize,
    told: BTreeMap<String, String>,
    /// Metrics by collector.
    counts: BTreeMap<String, usize>,
    metadata: BTreeMap<String, String>,
}

impl Lines {
    /// For a terminal of so many columns.
    pub(crate) fn new(width: usize) -> Self {
        Lines { width, told: BTreeMap::new(), counts: BTreeMap::new(), metadata: BTreeMap::new() }
    }

    /// Time, CPU, memory, metrics by collector, metadata, processes, and what is wrong.
    pub(crate) fn next(&mut self, report: &Report) -> Vec<String> {
        let troubles = troubles(report);
        let told = troubles.iter().map(|(plugin, _, words)| ((*plugin).to_owned(), words.clone())).collect();
        let before = std::mem::replace(&mut self.told, told);
        let is_new = |plugin: &str, words: &String| !words.is_empty() && before.get(plugin) != Some(words);
        if report.plugins.len() <= FEW {
            let in_words = troubles.iter().map(|(plugin, state, words)| match is_new(plugin, words) {
                true => format!("  [{plugin} {state}: {words}]"),
                false => format!("  [{plugin} {state}]"),
            });
            return vec![one_line(report) + &in_words.collect::<String>()];
        }
        let mut lines = vec![brief_line(report) + &by_state(&troubles)];
        lines.extend(self.news(report));
        let words = troubles.iter().filter(|(plugin, _, words)| is_new(plugin, words));
        lines.extend(words.map(|(plugin, _, words)| format!("{:INDENT$}{plugin}: {words}", "")));
        lines
    }

    /// What is other than in the report before: metrics by collector, and metadata.
    fn news(&mut self, report: &Report) -> Vec<String> {
        let mut counts: BTreeMap<String, usize> =
            report.plugins.iter().map(|plugin| (plugin.name.clone(), 0)).collect();
        for metric in &report.metrics {
            *counts.entry(metric.plugin.clone()).or_default() += 1;
        }
        let count = |plugin: &str, now: &usize, before: Option<&usize>| match before {
            Some(before) => format!("{plugin} {now} (was {before})"),
            None => format!("{plugin} {now}"),
        };
        let entry = |key: &str, now: &String, _: Option<&String>| format!("{key}={}", names::shown(now, SHOWN_ONCE));
        let counted = changed(&self.counts, &counts, count);
        let entries = changed(&self.metadata, &report.metadata, entry);
        (self.counts, self.metadata) = (counts, report.metadata.clone());
        let width = self.width.saturating_sub(INDENT);
        let lines = [wrapped(&counted, ", ", width), wrapped(&entries, "  ", width)].concat();
        lines.into_iter().map(|line| format!("{:INDENT$}{line}", "")).collect()
    }
}

/// Who is in each state that is a trouble.
fn by_state(troubles: &[(&str, String, String)]) -> String {
    let mut states: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (plugin, state, _) in troubles {
        states.entry(state).or_default().push(plugin);
    }
    states.iter().map(|(state, plugins)| format!("  [{} {state}]", plugins.join(", "))).collect()
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
            troubles.push((
                plugin.name.as_str(),
                format!("{} rejected", format::count(usize::try_from(points).unwrap_or(usize::MAX), "point", "points")),
                names::shown(&first, 120),
            ));
        }
    }
    troubles
}

fn one_line(report: &Report) -> String {
    let mut line = figures(report);
    add(&mut line, format_args!("  {:>3} metrics{}", report.metrics.len(), by_plugin(report)));
    if !report.metadata.is_empty() {
        let entries: Vec<String> =
            report.metadata.iter().map(|(key, value)| format!("{key}={}", names::shown(value, SHOWN))).collect();
        add(&mut line, format_args!("  {}", entries.join(" ")));
    }
    line + &processes(report)
}

fn brief_line(report: &Report) -> String {
    let (collectors, metrics) = (report.plugins.len(), report.metrics.len());
    format!("{}  {collectors} collectors, {metrics} metrics{}", figures(report), processes(report))
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
    line
}

fn processes(report: &Report) -> String {
    let mut text = String::new();
    for (name, process) in &report.processes {
        add(&mut text, format_args!("  {name} {}", process.status.as_str()));
        if process.restart_count > 0 {
            add(&mut text, format_args!(" ({} restarts)", process.restart_count));
        }
    }
    text
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
            Lines::new(120).next(&report)[0],
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
        let mut lines = Lines::new(120);
        let first = lines.next(&report).concat();
        assert!(first.ends_with("  [bad rejected: why]  [twin 15 points rejected: a: is there already]"), "{first}");
        let second = lines.next(&report).concat();
        assert!(second.ends_with("  [bad rejected]  [twin 15 points rejected]"), "{second}");
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        let report: Report = serde_json::from_value(serde_json::json!({
            "sandboxId": "demo", "status": "stopped", "uptimeSecs": 4, "timestamp": "2026-11-20T12:00:04Z"
        }))
        .unwrap();
        assert_eq!(Lines::new(80).next(&report), ["12:00:04  stopped  cpu     –  memory     –       0 metrics"]);
    }
    #[test]
    fn of_many_collectors_only_what_is_new_is_told() {
        let report = |commit: &str, load: usize| -> Report {
            let metric = serde_json::json!(
                {"name": "a", "kind": "gauge", "unit": "1", "value": 1.0, "plugin": "load", "ageMs": 0}
            );
            let plugins: Vec<_> = ["disk", "load", "net", "ports", "top"]
                .map(|name| match name {
                    "top" => serde_json::json!({"name": name, "state": "failing", "reason": "why"}),
                    _ => serde_json::json!({"name": name, "state": "active"}),
                })
                .into();
            serde_json::from_value(serde_json::json!({
                "sandboxId": "demo", "status": "running", "uptimeSecs": 4, "timestamp": "2026-11-20T12:00:04Z",
                "metrics": vec![metric; load], "plugins": plugins,
                "metadata": {"git.branch": "main", "git.commit": commit},
            }))
            .unwrap()
        };
        let mut lines = Lines::new(42);
        let line = |metrics: u32| {
            format!("12:00:04  cpu     –  memory     –     5 collectors, {metrics} metrics  [top failing]")
        };
        assert_eq!(
            lines.next(&report("abc", 3)),
            [
                line(3).as_str(),
                "          disk 0, load 3, net 0, ports 0",
                "          top 0",
                "          git.branch=main  git.commit=abc",
                "          top: why",
            ]
        );
        assert_eq!(lines.next(&report("abc", 3)), [line(3)]);
        assert_eq!(
            lines.next(&report("def", 2)),
            [line(2).as_str(), "          load 2 (was 3)", "          git.commit=def"]
        );
    }
}
