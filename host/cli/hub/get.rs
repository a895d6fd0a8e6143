//! `sandbeat hub get ID`: one sandbox on one screen, as its hub knows it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::HubGet;
use super::client::{Hub, of_sandbox};
use crate::output;
use crate::show::{self, Row, text};

/// So many entries of metadata are shown.
const MAX_ENTRIES: usize = 12;

pub(super) fn run(options: &HubGet) -> anyhow::Result<()> {
    let hub = Hub::new(&options.access)?;
    let answer = hub.get(&format!("/api/v1/sandboxes/{}", options.id));
    let answer = answer.map_err(|error| of_sandbox(&options.id, error))?;
    if options.access.json {
        return output::json(&answer);
    }
    for (label, value) in rows(&answer["sandbox"], Timestamp::now()) {
        output::line(format_args!("{label:<10} {value}"))?;
    }
    Ok(())
}

fn rows(sandbox: &Value, now: Timestamp) -> Vec<Row> {
    let info = &sandbox["agentInfo"];
    let mut rows = vec![("sandbox", name(sandbox)), ("liveness", standing(sandbox, now))];
    if !info.is_object() {
        rows.push(("heard", "never".to_owned()));
        rows.extend(metadata("metadata", &sandbox["metadata"]));
        return rows;
    }
    rows.push(("heard", heard(info, now)));
    rows.push(("agent", agent(info, sandbox)));
    // As the agent itself reports it.
    let metrics = &info["metrics"];
    rows.extend(show::uses(&json!({
        "cpuPercent": metrics["cpuPercent"], "memoryMB": metrics["memoryMB"], "sessionCount": metrics["sessionCount"],
        "resources": sandbox["resources"],
    })));
    rows.extend(metadata("metadata", &sandbox["metadata"]));
    rows.extend(metadata("reported", &info["metadata"]));
    rows.extend(processes(&sandbox["processes"]));
    rows.extend(collectors(&sandbox["plugins"]));
    rows.push(("metrics", measured(sandbox)));
    if let Some(parts) = sandbox["missing"].as_array().filter(|parts| !parts.is_empty()) {
        let parts: Vec<String> = parts.iter().map(text).collect();
        rows.push(("unknown", format!("{} (the agent left it out, and the hub has it no more)", parts.join(", "))));
    }
    if sandbox["dropped"] == true {
        rows.push(("dropped", "the hub has no memory for the rest of the report; raise hub.report_memory".to_owned()));
    }
    rows
}

fn name(sandbox: &Value) -> String {
    let mut name = named(sandbox);
    if sandbox["image"].is_string() {
        name.push_str(&format!(", of {}", text(&sandbox["image"])));
    }
    format!("{name}, registered {}", show::moment(&sandbox["createdAt"]))
}

/// Its id, and its name where that is another.
fn named(sandbox: &Value) -> String {
    let id = text(&sandbox["id"]);
    let name = Some(text(&sandbox["name"])).filter(|_| sandbox["name"].is_string());
    name.filter(|name| *name != id).map_or(id.clone(), |name| format!("{id} ({name})"))
}

/// How it stands, and what the hub adds to that.
fn liveness(sandbox: &Value) -> String {
    let word = text(&sandbox["liveness"]);
    match (sandbox["overdue"] == true, sandbox["suspect"] == true) {
        (true, _) => format!("{word} (overdue)"),
        (_, true) => format!("{word} (suspect)"),
        _ => word,
    }
}

fn standing(sandbox: &Value, now: Timestamp) -> String {
    let word = text(&sandbox["liveness"]);
    let since = sandbox["livenessSince"].as_str().map_or_else(|| "-".to_owned(), |at| show::ago(at, now));
    let shown = output::painted_as(&liveness(sandbox), &word);
    format!("{shown}, since {since} ({})", show::moment(&sandbox["livenessSince"]))
}

fn heard(info: &Value, now: Timestamp) -> String {
    let last = info["lastHeartbeat"].as_str().map_or_else(|| "-".to_owned(), |at| show::ago(at, now));
    let expected = info["expectedSecs"].as_f64().map(|secs| format!(", every {secs} s")).unwrap_or_default();
    format!("{last} from {} (host {}){expected}", text(&info["ipAddress"]), text(&info["hostname"]))
}

fn agent(info: &Value, sandbox: &Value) -> String {
    let mut parts = Vec::new();
    if info["agentVersion"].is_string() {
        parts.push(text(&info["agentVersion"]));
    }
    parts.push(format!("up {}", info["uptimeSecs"].as_u64().map_or_else(|| "-".to_owned(), crate::format::span)));
    if info["seq"].is_u64() {
        parts.push(format!("report {} of its start", info["seq"]));
    }
    if sandbox["stopping"] == true {
        parts.push(output::painted_as("stopping", "stopped"));
    }
    let missed = sandbox["gap"]["missed"].as_u64().filter(|missed| *missed > 0);
    parts.extend(missed.map(|missed| format!("{missed} reports did not arrive before it")));
    parts.join(", ")
}

fn metadata(label: &'static str, entries: &Value) -> Option<Row> {
    let entries = entries.as_object().filter(|entries| !entries.is_empty())?;
    let more = entries.len().saturating_sub(MAX_ENTRIES);
    let shown = entries.iter().take(MAX_ENTRIES);
    let mut shown: Vec<String> =
        shown.map(|(key, value)| format!("{}={}", text(&Value::String(key.clone())), text(value))).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    Some((label, shown.join(", ")))
}

/// How many are in which state, and each that fails in a line.
fn processes(processes: &Value) -> Vec<Row> {
    let processes = processes.as_object().cloned().unwrap_or_default();
    let list = processes.values().cloned().collect();
    let mut rows = vec![("processes", show::tally(&Value::Array(list), "status"))];
    let fails = |(name, process): &(&String, &Value)| (process["status"] == "error").then_some((*name).clone());
    for name in processes.iter().filter_map(|entry| fails(&entry)) {
        let process = &processes[&name];
        let restarts = match process["restartCount"].as_u64() {
            Some(count) if count > 0 => format!(" (restarts: {count})"),
            _ => String::new(),
        };
        let name = output::painted_as(&text(&Value::String(name)), "error");
        rows.push(("", format!("{name}: {}{restarts}", text(&process["lastError"]))));
    }
    rows
}

fn collectors(plugins: &Value) -> Vec<Row> {
    let mut rows = vec![("collectors", show::tally(plugins, "state"))];
    for plugin in plugins.as_array().into_iter().flatten() {
        let state = text(&plugin["state"]);
        if ["failing", "quarantined", "rejected"].contains(&state.as_str()) {
            let state = output::painted(&state);
            rows.push(("", format!("{}: {state}: {}", text(&plugin["name"]), text(&plugin["reason"]))));
        }
    }
    rows
}

/// How many metrics there are, and what was not accepted.
fn measured(sandbox: &Value) -> String {
    let count = sandbox["metrics"].as_array().map_or(0, Vec::len);
    let rejected: u64 = sandbox["rejected"].as_array().into_iter().flatten().filter_map(|r| r["count"].as_u64()).sum();
    let rejected = if rejected > 0 { format!(", {rejected} values not accepted") } else { String::new() };
    format!("{}{rejected}", crate::format::count(count, "series", "series"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(rows: &'a [Row], label: &str) -> Vec<&'a str> {
        rows.iter().filter(|(found, _)| *found == label).map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn one_that_never_reported_takes_few_lines() {
        let sandbox = json!({"id": "s", "name": "mine", "image": "debian", "liveness": "never-reported",
                             "createdAt": "2026-11-20T11:00:00.000Z", "livenessSince": "2026-11-20T11:00:00.000Z",
                             "metadata": {"team": "a"}});
        let rows = rows(&sandbox, "2026-11-20T12:00:00Z".parse().unwrap());
        assert_eq!(of(&rows, "sandbox"), ["s (mine), of debian, registered 2026-11-20T11:00:00Z"]);
        assert_eq!(of(&rows, "liveness"), ["never-reported, since 1h ago (2026-11-20T11:00:00Z)"]);
        assert_eq!((of(&rows, "heard"), of(&rows, "metadata"), rows.len()), (vec!["never"], vec!["team=a"], 4));
    }

    #[test]
    fn what_fails_is_told_with_its_reason() {
        let sandbox = json!({
            "id": "s", "name": "s", "liveness": "live", "livenessSince": "2026-11-20T11:00:00.000Z",
            "agentInfo": {"lastHeartbeat": "2026-11-20T11:59:48.000Z", "ipAddress": "10.0.0.5", "hostname": "h",
                "expectedSecs": 30.0, "agentVersion": "0.1.0", "uptimeSecs": 7200, "seq": 42,
                "metrics": {"cpuPercent": 12.5, "memoryMB": 512}, "metadata": {"git.branch": "main"}},
            "resources": {"memoryLimitMB": 2048}, "missing": ["plugins"], "dropped": true,
            "processes": {"web": {"status": "running", "restartCount": 0},
                          "db": {"status": "error", "restartCount": 3, "lastError": "exited\nwith 1"}},
            "plugins": [{"name": "net", "state": "active"}, {"name": "bad", "state": "failing", "reason": "it trapped"}],
            "metrics": [{}, {}], "rejected": [{"count": 2}], "gap": {"missed": 4},
        });
        let rows = rows(&sandbox, "2026-11-20T12:00:00Z".parse().unwrap());
        assert_eq!(of(&rows, "heard"), ["12s ago from 10.0.0.5 (host h), every 30 s"]);
        let agent = "0.1.0, up 2h, report 42 of its start, 4 reports did not arrive before it";
        assert_eq!(of(&rows, "agent"), [agent]);
        assert_eq!(of(&rows, "uses"), ["cpu 12.5%, memory 512 MiB of 2.00 GiB (25%)"]);
        assert_eq!(of(&rows, "processes"), ["1 error, 1 running"]);
        assert_eq!(of(&rows, ""), ["db: exited\\nwith 1 (restarts: 3)", "bad: failing: it trapped"]);
        assert_eq!(of(&rows, "metrics"), ["2 series, 2 values not accepted"]);
        assert!(of(&rows, "unknown")[0].starts_with("plugins (") && of(&rows, "dropped").len() == 1, "{rows:?}");
    }
}
