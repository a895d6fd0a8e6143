//! The pages of the bundled collectors, `docs/collectors/NAME.md`: what they list is what `describe` says.
//!
//! Between two marks, each page holds tables that are made from `sandbeat plugin check --json` and from the sidecar as
//! it is shipped; the index holds one of all collectors. What differs from them is a failure that names the command
//! which writes it anew. The prose around them is written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use sandbeat_bundled::{Bundled, COLLECTORS};
use serde_json::Value;

use crate::harness::Sandbox;

const BEGIN: &str = "<!-- generated from describe -->\n";
const END: &str = "<!-- end -->";
/// Set, the pages are written instead of compared.
const WRITE: &str = "SANDBEAT_WRITE_DOCS";
const COMMAND: &str = "SANDBEAT_WRITE_DOCS=1 cargo test --test blackbox catalogue::pages";

#[test]
fn each_bundled_collector_has_a_page_that_lists_what_it_describes() {
    let described = COLLECTORS.iter().map(|bundled| (bundled, described(bundled)));
    let described: Vec<(&Bundled, Value)> = described.collect();
    let mut stale: Vec<String> = described
        .iter()
        .filter_map(|(bundled, about)| update(&format!("{}.md", bundled.name), &page(bundled, about)))
        .collect();
    stale.extend(update("README.md", &index(&described)));
    assert!(stale.is_empty(), "{}\nThis writes the tables: {COMMAND}", stale.join("\n"));
}

#[test]
fn a_cell_is_one_whatever_is_in_it() {
    assert_eq!(cell("`a|b` or a < b * c"), r"`a\|b` or a \< b \* c");
    let about = serde_json::json!({"metrics": [
        {"name": "a", "kind": "gauge", "unit": "1", "description": "A.",
         "attributes": [{"key": "k", "description": "One."}]},
        {"name": "b", "kind": "counter", "unit": "By", "description": "B.",
         "attributes": [{"key": "k", "description": "Another."}, {"key": "l", "description": "L."}]},
    ], "metadata": []});
    assert_eq!(
        attributes(&about),
        ["| `k` | One. (of `a`) |", "| `k` | Another. (of `b`) |", "| `l` | L. |"],
        "one key with two meanings says of which metric each is"
    );
}

/// What `plugin check` says of a collector under the sidecar that it is shipped with.
fn described(bundled: &Bundled) -> Value {
    let sandbox = Sandbox::new();
    sandbox.drop_collector(bundled.name, bundled.wasm, bundled.sidecar);
    let file = format!("plugins/{}.wasm", bundled.name);
    let ended = sandbox.start(&["plugin", "check", &file, "--no-collect", "--json"]).ended();
    let about: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"));
    assert_eq!(about["summary"], bundled.summary, "{}, in plugins/bundled: {:#}", bundled.name, about["problems"]);
    about
}

/// Compares what is between the marks of a page, or writes it; what is wrong.
fn update(name: &str, tables: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/collectors").join(name);
    let shown = format!("docs/collectors/{name}");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Some(format!("{shown} is not there; write what the collector does, then the two marks"));
    };
    let Some((before, rest)) = text.split_once(BEGIN) else { return Some(format!("{shown} has no line {BEGIN:?}")) };
    let Some((between, after)) = rest.split_once(END) else { return Some(format!("{shown} has no line {END:?}")) };
    if between == tables {
        return None;
    }
    if std::env::var_os(WRITE).is_none() {
        return Some(format!("{shown} is not what the collector describes, which is:\n{tables}"));
    }
    std::fs::write(&path, format!("{before}{BEGIN}{tables}{END}{after}")).unwrap();
    None
}

/// What is between the marks of a collector's page.
fn page(bundled: &Bundled, about: &Value) -> String {
    let metrics: Vec<String> = items(&about["metrics"]).map(metric).collect();
    let metadata: Vec<String> = items(&about["metadata"]).map(key).collect();
    let mut parts = vec![cell(text(&about["summary"]))];
    parts.extend(table("| metric | kind | unit | attributes | meaning |", &metrics));
    parts.extend(table("| attribute | meaning |", &attributes(about)));
    parts.extend(table("| metadata | meaning |", &metadata));
    parts.extend(about["others"].as_str().map(|others| format!("Beside these: {}", cell(others))));
    parts.push(format!("The sidecar, as it is shipped:\n\n```toml\n{}\n```", bundled.sidecar.trim_end()));
    format!("\n{}\n\n", parts.join("\n\n"))
}

/// What is between the marks of the index.
fn index(described: &[(&Bundled, Value)]) -> String {
    let row = |(bundled, about): &(&Bundled, Value)| {
        let (name, counts) = (bundled.name, ["metrics", "metadata"].map(|of| items(&about[of]).count()));
        let sidecar: toml::Table = bundled.sidecar.parse().unwrap();
        let grants: Vec<String> = sidecar["grant"].as_table().unwrap().keys().map(|key| format!("`{key}`")).collect();
        let [metrics, metadata] = counts;
        let summary = cell(text(&about["summary"]));
        format!("| [{name}]({name}.md) | {summary} | {metrics} | {metadata} | {} |", grants.join(", "))
    };
    let rows: Vec<String> = described.iter().map(row).collect();
    let table = table("| collector | measures | metrics | metadata | granted by its sidecar |", &rows);
    format!("\n{}\n\n", table.unwrap_or_default())
}

fn metric(metric: &Value) -> String {
    let keys: Vec<String> = items(&metric["attributes"]).map(|key| format!("`{}`", text(&key["key"]))).collect();
    let [name, kind, unit, meaning] = ["name", "kind", "unit", "description"].map(|field| text(&metric[field]));
    format!("| `{name}` | {kind} | `{unit}` | {} | {} |", keys.join(", "), cell(meaning))
}

/// Each attribute of any metric, once for each of its meanings.
fn attributes(about: &Value) -> Vec<String> {
    let mut meanings: BTreeMap<&str, Vec<(&str, BTreeSet<&str>)>> = BTreeMap::new();
    for metric in items(&about["metrics"]) {
        for attribute in items(&metric["attributes"]) {
            let of_key = meanings.entry(text(&attribute["key"])).or_default();
            let meaning = text(&attribute["description"]);
            let at = of_key.iter().position(|(known, _)| *known == meaning).unwrap_or_else(|| {
                of_key.push((meaning, BTreeSet::new()));
                of_key.len() - 1
            });
            of_key[at].1.insert(text(&metric["name"]));
        }
    }
    let mut rows = Vec::new();
    for (key, of_key) in meanings {
        for (meaning, metrics) in &of_key {
            let metrics: Vec<String> = metrics.iter().map(|name| format!("`{name}`")).collect();
            let of = if of_key.len() > 1 { format!(" (of {})", metrics.join(", ")) } else { String::new() };
            rows.push(format!("| `{key}` | {}{of} |", cell(meaning)));
        }
    }
    rows
}

fn key(entry: &Value) -> String {
    format!("| `{}` | {} |", text(&entry["key"]), cell(text(&entry["description"])))
}

/// Nothing without rows.
fn table(header: &str, rows: &[String]) -> Option<String> {
    let rule = "|---".repeat(header.matches('|').count() - 1);
    (!rows.is_empty()).then(|| format!("{header}\n{rule}|\n{}", rows.join("\n")))
}

/// A text as Markdown shows it in a table's cell; what stands between backticks is code.
fn cell(text: &str) -> String {
    let mut is_code = false;
    let mut cell = String::new();
    for c in text.chars() {
        is_code ^= c == '`';
        if c == '|' || (!is_code && matches!(c, '<' | '*')) {
            cell.push('\\');
        }
        cell.push(c);
    }
    cell
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}
