//! `sandbeat status`: on one screen, how the running agent does and what is wrong.
//!
//! What is read here may come from another version of the agent: a field that is not there is not shown, or is `-`.

use jiff::Timestamp;
use sandbeat_status::names::shown;
use serde_json::Value;

use crate::args::Print;
use crate::ps::Process;
use crate::show::{self, MAX_SHOWN, Row, ago, count, moment, tally, text};
use crate::{client, config, format, output};

/// How many names stand in a line before they are only counted.
const MAX_NAMES: usize = 6;

/// On one screen: is it beating, when was the last report accepted, what is wrong, what is in use. As JSON: what
/// `/v1/health` answers, with `plugins` and `processes` beside it.
pub(crate) fn status(options: &Print) -> anyhow::Result<()> {
    let api = config::api(&options.file)?;
    let mut health = client::get(&api, "/v1/health")?;
    let plugins = client::get(&api, "/v1/plugins")?["plugins"].take();
    let processes = client::get(&api, "/v1/processes")?["processes"].take();
    if options.json {
        health["plugins"] = plugins;
        health["processes"] = processes;
        return output::json(&health);
    }
    // Before its first report the agent has none to show, and everything else is as useful.
    let report = client::get(&api, "/v1/report").unwrap_or_default();
    let mut rows = beat(&health, Timestamp::now());
    rows.extend(show::uses(&report));
    rows.extend(missing(&health["unavailable"]));
    rows.push(("plugins", tally(&plugins, "state") + &refused(&plugins)));
    let processes: Vec<Process> = client::read(&processes)?;
    rows.push(("processes", states(&processes)));
    for (process, trouble) in processes.iter().filter_map(|process| Some((process, process.trouble()?))) {
        rows.push(("", format!("{}: {trouble}", process.name())));
    }
    for (label, value) in rows {
        output::line(format_args!("{label:<10} {value}"))?;
    }
    Ok(())
}

/// Whether it beats, and how its reports fare.
fn beat(health: &Value, now: Timestamp) -> Vec<Row> {
    let reports = &health["reports"];
    let failing = &reports["failing"];
    let server = health["serverUrl"].as_str().map(|url| format!(" at {}", shown(url, MAX_SHOWN)));
    let mut rows = vec![("sandbox", text(&health["sandboxId"]) + &server.unwrap_or_default())];
    rows.push(("beating", beating(health)));
    let accepted = match reports["lastAccepted"].as_str() {
        Some(at) => format!("{} ({})", ago(at, now), moment(&reports["lastAccepted"])),
        None => output::painted_as("no report yet", if failing.is_object() { "failing" } else { "compiling" }),
    };
    rows.push(("accepted", accepted));
    if let Some(trouble) = reports["credentials"].as_str() {
        rows.push(("files", format!("{} {trouble}", output::painted_as("trouble:", "failing"))));
    }
    if failing.is_object() {
        let since = failing["since"].as_str().map_or("-".to_owned(), |at| ago(at, now));
        let last = failing["lastAttempt"].as_str().map_or("-".to_owned(), |at| ago(at, now));
        let attempts = count(&failing["attempts"], "attempt", "attempts");
        let missed = match failing["missed"].as_u64() {
            Some(missed) if missed > 0 => format!(", {} missed", count(&failing["missed"], "report", "reports")),
            _ => String::new(),
        };
        let kind = output::painted_as(&text(&failing["kind"]), "failing");
        let next = failing["nextAttemptMs"].as_u64().map(|next| format!("; tries again within {}", secs(next)));
        let next = next.unwrap_or_default();
        rows.push(("failing", format!("{kind}, began {since}, {attempts}, the last {last}{missed}{next}")));
        rows.push(("", text(&failing["message"])));
    }
    rows.push(("reports", tried(reports)));
    if health["lateness"].is_object() {
        let of = |field: &str| format::millis(health["lateness"][field].as_f64().unwrap_or_default());
        let (p50, p99, max) = (of("p50Ms"), of("p99Ms"), of("maxMs"));
        rows.push(("lateness", format!("half within {p50}, 99% within {p99}, at most {max}")));
    }
    rows
}

fn beating(health: &Value) -> String {
    let uptime = health["uptimeSecs"].as_u64().map_or("-".to_owned(), format::span);
    let every = format!("every {} s", text(&health["intervalSecs"]));
    let since = format!("for {uptime} (since {})", moment(&health["beatingSince"]));
    match (health["overdueMs"].as_u64(), health["nextDueMs"].as_u64()) {
        (Some(late), _) => {
            let overdue = output::painted_as(&format!("no, {} overdue", format::span(late / 1000)), "error");
            format!("{overdue}; {since}, {every}")
        }
        (None, Some(next)) => {
            format!("{} {since}, {every}, next within {}", output::painted_as("yes,", "running"), secs(next))
        }
        (None, None) => format!("{} {since}, {every}", output::painted_as("yes,", "running")),
    }
}

/// What became of the reports, without what did not happen.
fn tried(reports: &Value) -> String {
    let mut parts =
        vec![format!("{} made", text(&reports["made"])), format!("{} accepted", text(&reports["accepted"]))];
    for (field, word) in [("superseded", "superseded"), ("givenUp", "given up")] {
        if reports[field].as_u64() > Some(0) {
            parts.push(format!("{} {word}", reports[field]));
        }
    }
    let failures = reports["failures"].as_object().into_iter().flatten();
    let failures: Vec<String> =
        failures.map(|(kind, count)| format!("{} {}", text(count), shown(kind, MAX_SHOWN))).collect();
    if !failures.is_empty() {
        parts.push(format!("failed attempts: {}", failures.join(", ")));
    }
    parts.join(", ")
}

/// What cannot be measured, a line for each reason.
fn missing(unavailable: &Value) -> Vec<Row> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for missing in unavailable.as_array().into_iter().flatten() {
        let (figure, reason) = (text(&missing["figure"]), text(&missing["reason"]));
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, figures)) => figures.push(figure),
            None => reasons.push((reason, vec![figure])),
        }
    }
    let row = |(at, (reason, figures)): (usize, (String, Vec<String>))| {
        let more = figures.len().saturating_sub(MAX_NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let figures = figures.into_iter().take(MAX_NAMES).collect::<Vec<_>>().join(", ");
        (if at == 0 { "missing" } else { "" }, format!("{figures}{more}: {reason}"))
    };
    reasons.into_iter().enumerate().map(row).collect()
}

/// Whole seconds, rounded up.
fn secs(millis: u64) -> String {
    format::span(millis.div_ceil(1000))
}

/// How many plugins go on with earlier files because their newest are not good: `, 1 with refused files`.
fn refused(plugins: &Value) -> String {
    let plugins = plugins.as_array().into_iter().flatten();
    let refused = |plugin: &&Value| plugin["lastReload"]["result"] == "refused" && plugin["state"] != "rejected";
    match plugins.filter(refused).count() {
        0 => String::new(),
        count => format!(", {count} with refused files"),
    }
}

/// How many processes are in each state, in colour where there is one: `3 running, 1 error`.
fn states(processes: &[Process]) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for process in processes {
        *counts.entry(process.state.as_str()).or_insert(0) += 1;
    }
    if counts.is_empty() {
        return "none".to_owned();
    }
    counts.iter().map(|(word, count)| format!("{count} {}", output::painted(word))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of<'a>(rows: &'a [Row], label: &str) -> &'a str {
        rows.iter().find(|(found, _)| *found == label).map_or("", |(_, value)| value)
    }

    #[test]
    fn what_is_well_takes_few_words() {
        let health = json!({
            "sandboxId": "s", "serverUrl": "http://hub", "beatingSince": "2026-11-20T11:00:00.000Z", "uptimeSecs": 3725,
            "intervalSecs": 30.0, "nextDueMs": 11_400,
            "lateness": {"count": 9, "p50Ms": 0.5, "p99Ms": 2.0, "maxMs": 1.75},
            "reports": {"made": 42, "accepted": 41, "superseded": 0, "givenUp": 0, "attempts": 42, "failures": {},
                        "lastAccepted": "2026-11-20T11:59:48.000Z", "lastAcceptedSeq": 42},
        });
        let rows = beat(&health, "2026-11-20T12:00:00Z".parse().unwrap());
        assert_eq!(of(&rows, "sandbox"), "s at http://hub");
        let beating = "yes, for 1h (since 2026-11-20T11:00:00Z), every 30.0 s, next within 12s";
        assert_eq!(of(&rows, "beating"), beating);
        assert_eq!(of(&rows, "accepted"), "12s ago (2026-11-20T11:59:48Z)");
        assert_eq!(of(&rows, "reports"), "42 made, 41 accepted");
        assert_eq!(of(&rows, "lateness"), "half within 500µs, 99% within 2.00ms, at most 1.75ms");
        assert_eq!(of(&rows, "failing"), "");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_cause() {
        let health = json!({
            "sandboxId": "s", "overdueMs": 61_000, "nextDueMs": 0, "intervalSecs": 1,
            "reports": {"made": 9, "accepted": 0, "superseded": 7, "givenUp": 1, "failures": {"dns": 1, "refused": 8},
                "failing": {"kind": "refused", "message": "nobody\nlistens", "since": "2026-11-20T11:58:00Z",
                            "lastAttempt": "2026-11-20T11:59:59Z", "attempts": 9, "missed": 8,
                            "nextAttemptMs": 400}},
        });
        let rows = beat(&health, "2026-11-20T12:00:00Z".parse().unwrap());
        assert!(of(&rows, "beating").starts_with("no, 1m overdue; "), "{rows:?}");
        assert_eq!(of(&rows, "accepted"), "no report yet");
        let failing = "refused, began 2m ago, 9 attempts, the last 1s ago, 8 reports missed; tries again within 1s";
        assert_eq!(of(&rows, "failing"), failing);
        assert_eq!(of(&rows, ""), "nobody\\nlistens");
        let reports = "9 made, 0 accepted, 7 superseded, 1 given up, failed attempts: 1 dns, 8 refused";
        assert_eq!(of(&rows, "reports"), reports);
    }

    #[test]
    fn figures_that_are_missing_for_one_reason_are_one_line() {
        let missing_for = |figure: &str, reason: &str| json!({"figure": figure, "reason": reason});
        let mut list: Vec<Value> = (0..8).map(|at| missing_for(&format!("f{at}"), "no /sys")).collect();
        list.push(missing_for("resources.disks", "it hangs"));
        let rows = missing(&Value::Array(list));
        assert_eq!(rows[0], ("missing", "f0, f1, f2, f3, f4, f5 and 2 more: no /sys".to_owned()));
        assert_eq!(rows[1], ("", "resources.disks: it hangs".to_owned()));
    }

    #[test]
    fn refused_files_are_counted_beside_what_goes_on() {
        let refused_files = serde_json::json!({"result": "refused"});
        let list = serde_json::json!([
            {"state": "active", "lastReload": refused_files}, {"state": "rejected", "lastReload": refused_files},
            {"state": "active", "lastReload": {"result": "loaded"}}, {"state": "compiling"}
        ]);
        assert_eq!(refused(&list), ", 1 with refused files");
        assert_eq!(refused(&Value::Null), "");
    }
}
