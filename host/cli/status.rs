//! `sandbeat status`: on one screen, how the running agent does and what is wrong.

use serde_json::Value;

use crate::args::Print;
use crate::ps::Process;
use crate::{client, config, output};

/// On one screen: is it beating, when was the last report accepted, what is wrong. As JSON: what `/v1/health` answers,
/// with `plugins` and `processes` beside it.
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
    let reports = &health["reports"];
    let mut rows = vec![
        ("sandbox", text(&health["sandboxId"])),
        ("beating", format!("since {} (every {} s)", text(&health["beatingSince"]), text(&health["intervalSecs"]))),
        ("reports", format!("{} made, {} accepted", text(&reports["made"]), text(&reports["accepted"]))),
        ("accepted", text(&reports["lastAccepted"])),
    ];
    let failing = &reports["failing"];
    if failing.is_object() {
        rows.push(("failing", format!("since {}: {}", text(&failing["since"]), text(&failing["message"]))));
    }
    for missing in health["unavailable"].as_array().into_iter().flatten() {
        rows.push(("missing", format!("{}: {}", text(&missing["figure"]), text(&missing["reason"]))));
    }
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

/// A value as a cell shows it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How many there are, by a field: `3 active, 1 failing`.
fn tally(list: &Value, field: &str) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for entry in list.as_array().into_iter().flatten() {
        *counts.entry(text(&entry[field])).or_insert(0) += 1;
    }
    if counts.is_empty() {
        return "none".to_owned();
    }
    counts.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
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
    use super::*;

    #[test]
    fn a_tally_counts_by_field() {
        let list = serde_json::json!([{"state": "active"}, {"state": "failing"}, {"state": "active"}]);
        assert_eq!(tally(&list, "state"), "2 active, 1 failing");
        assert_eq!(tally(&Value::Null, "state"), "none");
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
