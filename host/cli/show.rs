//! How the answers of an agent or a hub look to a person. Pure but for the time and the colours that it is given.
//!
//! What is read may come from another version: a field that is not there is not shown, or is `-`. Every text is escaped.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use sandbeat_status::names::shown;
use serde_json::Value;

use crate::{format, output};

/// How much of a text is shown, in bytes.
pub(crate) const MAX_SHOWN: usize = 512;

/// A label and what it is about.
pub(crate) type Row = (&'static str, String);

/// What a sandbox uses, in two lines; of a report, or of what has its fields.
pub(crate) fn uses(report: &Value) -> Vec<Row> {
    let resources = &report["resources"];
    let of = |limit: &Value| limit.as_u64().map(|limit| format!(" of {limit}")).unwrap_or_default();
    let mut uses = Vec::new();
    if let Some(percent) = report["cpuPercent"].as_f64() {
        let cores = resources["cpuLimitCores"].as_f64().map(|cores| format!(" of {cores} CPU")).unwrap_or_default();
        uses.push(format!("cpu {percent:.1}%{cores}"));
    }
    if let Some(used) = report["memoryMB"].as_u64() {
        let limit = resources["memoryLimitMB"].as_u64();
        let limit = limit.map(|limit| format!(" of {} ({})", mebibytes(limit), percent(used, limit)));
        uses.push(format!("memory {}{}", mebibytes(used), limit.unwrap_or_default()));
    }
    if let Some(pids) = resources["pids"].as_u64() {
        uses.push(format!("{pids}{} pids", of(&resources["pidsLimit"])));
    }
    if let Some(files) = resources["openFiles"].as_u64() {
        uses.push(format!("{files} open files"));
    }
    if report["sessionCount"].is_u64() {
        uses.push(count(&report["sessionCount"], "session", "sessions"));
    }
    if resources["oomKills"].as_u64() > Some(0) {
        uses.push(output::painted_as(&count(&resources["oomKills"], "OOM kill", "OOM kills"), "error"));
    }
    let disks = resources["disks"].as_array().into_iter().flatten();
    let disk = |disk: &Value| {
        let (used, size) = (disk["usedBytes"].as_u64()?, disk["sizeBytes"].as_u64()?);
        let path = shown(disk["path"].as_str()?, MAX_SHOWN);
        Some(format!("{path} {} of {} ({})", format::size(used), format::size(size), percent(used, size)))
    };
    let disks: Vec<String> = disks.filter_map(disk).collect();
    let rows = [("uses", uses), ("disks", disks)];
    rows.into_iter().filter(|(_, parts)| !parts.is_empty()).map(|(label, parts)| (label, parts.join(", "))).collect()
}

/// How many there are, by a field: `3 active, 1 failing`.
pub(crate) fn tally(list: &Value, field: &str) -> String {
    let mut counts = BTreeMap::new();
    for entry in list.as_array().into_iter().flatten() {
        *counts.entry(text(&entry[field])).or_insert(0) += 1;
    }
    if counts.is_empty() { "none".to_owned() } else { counted(&counts) }
}

/// Counts of words: `1 failing, 3 active`.
pub(crate) fn counted(counts: &BTreeMap<String, usize>) -> String {
    counts.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

/// A value as a cell shows it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => shown(text, MAX_SHOWN),
        other => other.to_string(),
    }
}

/// A time to the second.
pub(crate) fn moment(value: &Value) -> String {
    let at = value.as_str().and_then(|at| at.parse::<Timestamp>().ok());
    at.map_or_else(|| text(value), |at| format!("{at:.0}"))
}

/// How long ago something was, by the wall clock: `12s ago`.
pub(crate) fn ago(at: &str, now: Timestamp) -> String {
    match at.parse::<Timestamp>().map(|at| Duration::try_from(now.duration_since(at))) {
        Ok(Ok(since)) => format!("{} ago", format::span(since.as_secs())),
        // The clock was set back.
        Ok(Err(_)) => "just now".to_owned(),
        Err(_) => shown(at, MAX_SHOWN),
    }
}

/// The same for a column: `12s`.
pub(crate) fn age(at: &Value, now: Timestamp) -> String {
    let since = at.as_str().and_then(|at| at.parse::<Timestamp>().ok()).map(|at| now.duration_since(at));
    since.map_or_else(|| text(at), |since| format::span(since.as_secs().try_into().unwrap_or(0)))
}

/// A count with its noun.
pub(crate) fn count(number: &Value, one: &str, more: &str) -> String {
    format::count(number.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0), one, more)
}

/// Mebibytes as a person reads them.
pub(crate) fn mebibytes(mebibytes: u64) -> String {
    format::size(mebibytes.saturating_mul(1 << 20))
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.0}%", 100.0 * part as f64 / whole as f64) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of<'a>(rows: &'a [Row], label: &str) -> &'a str {
        rows.iter().find(|(found, _)| *found == label).map_or("", |(_, value)| value)
    }

    #[test]
    fn what_is_used_stands_in_two_lines() {
        let report = json!({
            "cpuPercent": 12.54, "memoryMB": 512, "sessionCount": 1,
            "resources": {"cpuLimitCores": 1.5, "memoryLimitMB": 2048, "pids": 7, "pidsLimit": 100, "openFiles": 30,
                "oomKills": 2, "disks": [{"path": "/", "sizeBytes": 40_u64 << 30, "usedBytes": 10_u64 << 30}]},
        });
        let rows = uses(&report);
        let expected = "cpu 12.5% of 1.5 CPU, memory 512 MiB of 2.00 GiB (25%), 7 of 100 pids, 30 open files, 1 session, \
                    2 OOM kills";
        assert_eq!(of(&rows, "uses"), expected);
        assert_eq!(of(&rows, "disks"), "/ 10.0 GiB of 40.0 GiB (25%)");
        assert_eq!(uses(&Value::Null), []);
    }

    #[test]
    fn a_tally_counts_by_field() {
        let list = serde_json::json!([{"state": "active"}, {"state": "failing"}, {"state": "active"}]);
        assert_eq!(tally(&list, "state"), "2 active, 1 failing");
        assert_eq!(tally(&Value::Null, "state"), "none");
    }
}
