//! `sandbeat plugins` and `plugins reload`: the collectors of the running agent.

use anyhow::{Context, bail};
use hyper::StatusCode;
use jiff::Timestamp;
use sandbeat_status::names::{short_name, shown};
use sandbeat_status::{PluginState, PluginStatus, ReloadResult};
use serde_json::Value;

use crate::args::{PluginsCommand, PluginsOptions, Print};
use crate::{client, config, format, output};

/// How much of a reason is shown, in bytes.
const MAX_REASON: usize = 1024;
/// How much of a name is in one line on a terminal, in letters.
const MAX_NAME: u16 = 32;
/// How far the rest of a reason is indented on a terminal.
const INDENT: usize = 2;

pub(crate) fn run(options: &PluginsOptions) -> anyhow::Result<()> {
    match &options.command {
        None => list(&options.print),
        Some(PluginsCommand::Reload { name, print }) => reload(name, print),
    }
}

/// All of them, and below the table what is compiled and what is wrong.
fn list(options: &Print) -> anyhow::Result<()> {
    let api = config::api(&options.file)?;
    let answer = client::get(&api, "/v1/plugins")?;
    if options.json {
        return output::json(&answer);
    }
    let plugins: Vec<PluginStatus> = read(answer["plugins"].clone())?;
    if plugins.is_empty() {
        return output::line("no plugins; drop a NAME.wasm into plugins.dir");
    }
    let now = Timestamp::now();
    let header = ["NAME", "VERSION", "STATE", "CALLS", "FAILURES", "P50", "P99", "PEAK", "RELOAD"];
    let mut table = output::table(header, &[3, 5, 6, 7]);
    for plugin in &plugins {
        table.add_row(row(plugin, now));
    }
    output::keep_whole(&mut table, &[1, 2, 3, 4, 5, 6, 7]);
    output::keep_within(&mut table, 0, MAX_NAME);
    output::make_room(&mut table, &[7, 5, 3, 1, 6, 8]);
    output::print_table(&table)?;
    for line in plugins.iter().filter_map(compiling).chain(plugins.iter().filter_map(trouble)) {
        output::hanging(&line, INDENT)?;
    }
    Ok(())
}

/// Asks for a reload and says what came of it.
fn reload(name: &str, options: &Print) -> anyhow::Result<()> {
    short_name(name).map_err(|reason| anyhow::anyhow!("no plugin has such a name: {reason}"))?;
    let api = config::api(&options.file)?;
    let (status, answer) = client::post(&api, &format!("/v1/plugins/{name}/reload"))?;
    if options.json {
        output::json(&answer)?;
    }
    let plugin: PluginStatus = read(answer)?;
    let said = outcome(&plugin, status == StatusCode::ACCEPTED)?;
    if options.json { Ok(()) } else { output::line(said) }
}

fn read<T: serde::de::DeserializeOwned>(answer: Value) -> anyhow::Result<T> {
    serde_json::from_value(answer).context("the answer is not what this version understands; is the agent another one?")
}

fn row(plugin: &PluginStatus, now: Timestamp) -> [String; 9] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let durations = plugin.duration_ms;
    [
        shown(&plugin.name, MAX_REASON),
        or_dash(plugin.version.clone()),
        plugin.state.as_str().to_owned(),
        plugin.calls.to_string(),
        failures(plugin),
        or_dash(durations.map(|durations| format::millis(durations.p50))),
        or_dash(durations.map(|durations| format::millis(durations.p99))),
        or_dash(plugin.peak_memory_bytes.filter(|bytes| *bytes > 0).map(format::size)),
        or_dash(plugin.last_reload.map(|reload| {
            let secs = now.duration_since(reload.at).as_secs();
            format!("{} {} ago", word(reload.result), format::span(secs.try_into().unwrap_or(0)))
        })),
    ]
}

/// Each name on a line of its own, so that the column stays narrow.
fn failures(plugin: &PluginStatus) -> String {
    let names = plugin.failures_by_name.iter().map(|(failure, count)| format!("{count} {failure}"));
    let names: Vec<String> = names.collect();
    if names.is_empty() { plugin.failures.to_string() } else { names.join("\n") }
}

/// How far it is, where a component is compiled for a plugin, in one line.
fn compiling(plugin: &PluginStatus) -> Option<String> {
    let far = format::compiling(plugin.compiling.as_ref()?);
    let name = shown(&plugin.name, MAX_REASON);
    Some(match plugin.state {
        PluginState::Compiling => format!("{name}: compiling {far}"),
        _ => format!("{name}: compiling its changed file {far}; the version before it goes on"),
    })
}

/// What is wrong with a plugin, in one line.
fn trouble(plugin: &PluginStatus) -> Option<String> {
    let points = plugin.points_rejected;
    let rejected = || {
        (points > 0).then(|| {
            let points = format::count(usize::try_from(points).unwrap_or(usize::MAX), "point", "points");
            format!("{points} rejected so far; `rejected` in GET /v1/report says which and why")
        })
    };
    wrong(plugin).or_else(rejected).map(|words| format!("{}: {words}", shown(&plugin.name, MAX_REASON)))
}

/// What stands in its way, without its name.
fn wrong(plugin: &PluginStatus) -> Option<String> {
    let reason = shown(plugin.reason.as_deref()?, MAX_REASON);
    let reason = plugin.failure.map_or_else(|| reason.clone(), |failure| format!("{failure}: {reason}"));
    Some(match (plugin.state, plugin.rests_for_ms) {
        (PluginState::Quarantined, _) => {
            let name = shown(&plugin.name, MAX_REASON);
            format!("quarantined after {reason}; change its files, or `sandbeat plugins reload {name}`")
        }
        (_, Some(rest)) if rest > 0 => format!("rests {} after {reason}", format::span(rest.div_ceil(1000))),
        _ => reason,
    })
}

/// What came of a reload; an error when the files are not used.
fn outcome(plugin: &PluginStatus, goes_on: bool) -> anyhow::Result<String> {
    let name = &plugin.name;
    if goes_on {
        return Ok(format!("{name}: still being loaded; `sandbeat plugins` shows what becomes of it"));
    }
    let result = plugin.last_reload.context("the agent does not say what came of it")?.result;
    let version = plugin.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    match result {
        ReloadResult::Loaded => {
            let state = wrong(plugin).unwrap_or_else(|| plugin.state.as_str().to_owned());
            Ok(format!("{name}: loaded{version}; {state}"))
        }
        ReloadResult::Unchanged => Ok(format!("{name}: unchanged{version}")),
        ReloadResult::Unknown => {
            bail!("{name}: the agent says what came of it in a word of another version; see `sandbeat plugins`")
        }
        ReloadResult::Refused => bail!("{name}: {}", wrong(plugin).unwrap_or_else(|| "refused".to_owned())),
    }
}

fn word(result: ReloadResult) -> &'static str {
    match result {
        ReloadResult::Loaded => "loaded",
        ReloadResult::Unchanged => "unchanged",
        ReloadResult::Refused => "refused",
        ReloadResult::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plugin(more: Value) -> PluginStatus {
        let mut plugin = json!({"name": "net", "version": "1.2.0", "state": "active"});
        plugin.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(plugin).unwrap()
    }

    fn reloaded(result: &str, more: Value) -> PluginStatus {
        let last_reload =
            Some(serde_json::from_value(json!({"result": result, "at": "2026-11-20T12:00:00Z"})).unwrap());
        PluginStatus { last_reload, ..plugin(more) }
    }

    #[test]
    fn a_row_shows_figures_where_there_are_any() {
        let now = "2026-11-20T12:05:10Z".parse().unwrap();
        assert_eq!(row(&plugin(json!({})), now), ["net", "1.2.0", "active", "0", "0", "-", "-", "-", "-"]);
        let busy = reloaded(
            "loaded",
            json!({"calls": 9, "failures": 3, "failuresByName": {"trap": 1, "memory": 2}, "peakMemoryBytes": 1_153_434,
                   "durationMs": {"last": 1, "p50": 0.0713, "p99": 12.5}}),
        );
        let row = row(&busy, now);
        assert_eq!(row[3..], ["9", "2 memory\n1 trap", "71.3µs", "12.5ms", "1.10 MiB", "loaded 5m ago"]);
    }

    #[test]
    fn what_is_compiled_is_one_line() {
        assert_eq!(compiling(&plugin(json!({}))), None);
        let far = json!({"compiled": 3210, "functions": 7800, "elapsedMs": 12_900});
        let said = |state: &str| compiling(&plugin(json!({"state": state, "compiling": far}))).unwrap();
        assert_eq!(said("compiling"), "net: compiling 41% (3,210 of 7,800 functions, 12s)");
        assert!(said("active").ends_with("functions, 12s); the version before it goes on"), "{}", said("active"));
    }

    #[test]
    fn what_is_wrong_is_one_line() {
        assert_eq!(trouble(&plugin(json!({}))), None);
        let failing = json!({"state": "failing", "failure": "trap", "reason": "a\nb", "restsForMs": 11_200});
        assert_eq!(trouble(&plugin(failing)).unwrap(), "net: rests 12s after trap: a\\nb");
        let given_up = json!({"state": "quarantined", "failure": "trap", "reason": "x", "restsForMs": 11_200});
        assert!(trouble(&plugin(given_up)).unwrap().contains("`sandbeat plugins reload net`"));
        assert!(trouble(&plugin(json!({"pointsRejected": 7}))).unwrap().starts_with("net: 7 points rejected"));
    }

    #[test]
    fn a_reload_that_is_refused_is_an_error() {
        let said = |plugin: &PluginStatus| outcome(plugin, false).map_err(|e| e.to_string());
        assert_eq!(said(&reloaded("loaded", json!({}))), Ok("net: loaded 1.2.0; active".to_owned()));
        let failing = json!({"state": "failing", "failure": "trap", "reason": "x"});
        assert_eq!(said(&reloaded("loaded", failing)), Ok("net: loaded 1.2.0; trap: x".to_owned()));
        let refused = reloaded("refused", json!({"failure": "invalid", "reason": "it is not WebAssembly"}));
        assert_eq!(said(&refused), Err("net: invalid: it is not WebAssembly".to_owned()));
        assert!(outcome(&refused, true).unwrap().contains("still being loaded"));
    }
}
