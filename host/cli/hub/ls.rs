//! `sandbeat hub ls`: the fleet as a table.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::HubLs;
use super::client::{Hub, encoded};
use crate::show::{self, text};
use crate::{format, output};

/// The most sandboxes in one answer.
const PAGE: usize = 1000;

pub(super) fn run(options: &HubLs) -> anyhow::Result<()> {
    let hub = Hub::new(&options.access)?;
    let (sandboxes, total) = read(&hub, options)?;
    if options.access.json {
        return output::json(&json!({"sandboxes": sandboxes, "total": total}));
    }
    if sandboxes.is_empty() {
        let narrowed = options.status.is_some() || options.liveness.is_some() || options.search.is_some();
        output::note(match narrowed || !options.metadata.is_empty() {
            true => "no sandbox is like that",
            false => "no sandboxes; register one with `sandbeat hub add`",
        });
        return Ok(());
    }
    let header = ["ID", "LIVENESS", "SINCE", "HEARD", "CPU", "MEMORY", "SESSIONS", "FAILING", "HOST"];
    let mut table = output::table(header, &[4, 5, 6]);
    let now = Timestamp::now();
    for sandbox in &sandboxes {
        table.add_row(row(sandbox, now));
    }
    output::keep_whole(&mut table, &[1, 2, 3, 4, 5, 6]);
    output::print_painted(&table, "LIVENESS")?;
    output::note(summary(&sandboxes, total));
    if sandboxes.iter().any(is_suspect) {
        output::note(
            "so many are silent at once that the hub doubts its own network; it calls the suspect ones lost later",
        );
    }
    Ok(())
}

/// All pages, or as much of them as is wanted; and how many there are.
fn read(hub: &Hub, options: &HubLs) -> anyhow::Result<(Vec<Value>, u64)> {
    let most = options.limit.unwrap_or(usize::MAX);
    let mut filters = String::new();
    for (name, value) in [("status", &options.status), ("liveness", &options.liveness), ("search", &options.search)] {
        if let Some(value) = value {
            filters.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    for entry in &options.metadata {
        filters.push_str(&format!("&metadata={}", encoded(entry)));
    }
    let mut sandboxes = Vec::new();
    let mut cursor = String::new();
    loop {
        let limit = PAGE.min(most - sandboxes.len());
        let mut page = hub.get(&format!("/api/v1/sandboxes?limit={limit}{filters}{cursor}"))?;
        if let Value::Array(found) = page["sandboxes"].take() {
            sandboxes.extend(found);
        }
        match page["nextCursor"].as_str() {
            Some(next) if sandboxes.len() < most => cursor = format!("&cursor={}", encoded(next)),
            _ => return Ok((sandboxes, page["total"].as_u64().unwrap_or(0))),
        }
    }
}

fn row(sandbox: &Value, now: Timestamp) -> [String; 9] {
    let info = &sandbox["agentInfo"];
    let metrics = &info["metrics"];
    let age = |time: &Value| time.as_str().map_or_else(|| "-".to_owned(), |at| show::ago(at, now));
    let cpu = metrics["cpuPercent"].as_f64().map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1}%"));
    [
        named(sandbox),
        liveness(sandbox),
        age(&sandbox["livenessSince"]),
        age(&info["lastHeartbeat"]),
        cpu,
        memory(metrics),
        text(&metrics["sessionCount"]),
        failing(&info["health"]),
        text(&info["hostname"]),
    ]
}

/// Its id, and its name where that is another.
pub(super) fn named(sandbox: &Value) -> String {
    let id = text(&sandbox["id"]);
    let name = Some(text(&sandbox["name"])).filter(|_| sandbox["name"].is_string());
    name.filter(|name| *name != id).map_or(id.clone(), |name| format!("{id} ({name})"))
}

/// How it stands, and what the hub adds to that.
pub(super) fn liveness(sandbox: &Value) -> String {
    let word = text(&sandbox["liveness"]);
    match (sandbox["overdue"] == true, sandbox["suspect"] == true) {
        (true, _) => format!("{word} (overdue)"),
        (_, true) => format!("{word} (suspect)"),
        _ => word,
    }
}

fn is_suspect(sandbox: &Value) -> bool {
    sandbox["suspect"] == true
}

fn memory(metrics: &Value) -> String {
    match (metrics["memoryMB"].as_u64(), metrics["memoryLimitMB"].as_u64()) {
        (Some(used), Some(limit)) => format!("{} of {}", show::mebibytes(used), show::mebibytes(limit)),
        (Some(used), None) => show::mebibytes(used),
        (None, _) => "-".to_owned(),
    }
}

fn failing(health: &Value) -> String {
    let of = |field: &str, one: &str, more: &str| {
        let count = health[field].as_u64().and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
        count.map(|count| format::count(count, one, more))
    };
    let parts: Vec<String> =
        [of("processesFailed", "process", "processes"), of("collectorsFailed", "collector", "collectors")]
            .into_iter()
            .flatten()
            .collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn summary(sandboxes: &[Value], total: u64) -> String {
    // One that is suspect is live to the hub, and for who looks at the list it is not.
    let word = |sandbox: &Value| match is_suspect(sandbox) {
        true => json!({"liveness": "suspect"}),
        false => json!({"liveness": sandbox["liveness"]}),
    };
    let list = sandboxes.iter().map(word).collect();
    let shown = sandboxes.len();
    let count = format::count(shown, "sandbox", "sandboxes");
    let of = if total > shown as u64 { format!(" of {total}") } else { String::new() };
    format!("{count}{of}: {}", show::tally(&list, "liveness"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_what_is_known() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let bare = json!({"id": "s", "liveness": "never-reported", "overdue": true,
                          "livenessSince": "2026-11-20T11:00:00.000Z"});
        assert_eq!(row(&bare, now), ["s", "never-reported (overdue)", "1h ago", "-", "-", "-", "-", "-", "-"]);
        let full = json!({
            "id": "s", "name": "my\nbox", "suspect": true, "liveness": "live", "livenessSince": "2026-11-20T11:58:00.000Z",
            "agentInfo": {"lastHeartbeat": "2026-11-20T11:59:48.000Z", "hostname": "a\nb",
                "metrics": {"cpuPercent": 12.54, "memoryMB": 512, "memoryLimitMB": 2048, "sessionCount": 2},
                "health": {"processes": 3, "processesFailed": 1, "collectors": 4, "collectorsFailed": 2}},
        });
        let expected = [
            "s (my\\nbox)",
            "live (suspect)",
            "2m ago",
            "12s ago",
            "12.5%",
            "512 MiB of 2.00 GiB",
            "2",
            "1 process, 2 collectors",
            "a\\nb",
        ];
        assert_eq!(row(&full, now), expected);
    }

    #[test]
    fn the_summary_counts_what_is_shown() {
        let sandboxes = ["live", "lost", "live"].map(|word| json!({"liveness": word}));
        assert_eq!(summary(&sandboxes, 3), "3 sandboxes: 2 live, 1 lost");
        assert_eq!(summary(&sandboxes, 10), "3 sandboxes of 10: 2 live, 1 lost");
        let doubted = [json!({"liveness": "live"}), json!({"liveness": "live", "suspect": true})];
        assert_eq!(summary(&doubted, 2), "2 sandboxes: 1 live, 1 suspect");
    }
}
