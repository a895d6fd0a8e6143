//! `sandbeat plugin check`: whether the agent would take a component, and everything that there is to know of it
//! before it is called. What can be looked at in spite of a problem is looked at.

use std::path::Path;

use sandbeat_collectors::workbench::{About, Import, Inspection, KeyAbout, MetricAbout, Setting, Terms, Workbench};
use sandbeat_status::names::short_name;
use serde::Serialize;

use super::{name, start, told};
use crate::args::Subject;
use crate::{format, output};

/// Everything that was found out; also the JSON.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings {
    ok: bool,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    world: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    imports: Vec<Imported>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sidecar: Option<String>,
    grants: Vec<String>,
    settings: Vec<Set>,
    metrics: Vec<Metric>,
    metadata: Vec<Key>,
    /// What it can report beside these.
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<String>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Imported {
    name: String,
    offered: bool,
    note: String,
}

/// A setting that is not the default.
#[derive(Debug, Serialize)]
pub(crate) struct Set {
    key: &'static str,
    value: String,
    default: String,
}

#[derive(Debug, Serialize)]
struct Metric {
    name: String,
    kind: String,
    unit: String,
    attributes: Vec<Key>,
    description: String,
}

#[derive(Debug, Serialize)]
struct Key {
    key: String,
    description: String,
}

pub(super) fn run(subject: &Subject) -> anyhow::Result<()> {
    let (bench, _) = start(subject)?;
    let findings = find(&bench, subject);
    if subject.print.json {
        output::json(&findings)?;
    } else {
        print(&findings)?;
    }
    let bad = findings.problems.len();
    anyhow::ensure!(findings.ok, "{} found", format::count(bad, "problem", "problems"));
    Ok(())
}

fn find(bench: &Workbench, subject: &Subject) -> Findings {
    let (wasm, sidecar) = (subject.wasm.as_path(), subject.sidecar.as_deref());
    let mut findings = Findings { file: wasm.display().to_string(), ..Findings::default() };
    findings.problems.extend(misnamed(wasm));
    let terms = bench.terms(wasm, sidecar);
    let is_bare = !terms.problems.is_empty();
    findings.take_terms(terms);
    match bench.inspect(wasm) {
        Ok(inspection) => {
            let is_usable = inspection.unusable.is_none();
            findings.take_inspection(inspection);
            if is_usable {
                // A sidecar that is wrong has been told of, and must not hide what the component has to say.
                let loaded = if is_bare { bench.load_bare(wasm) } else { bench.load(wasm, sidecar) };
                match loaded {
                    Ok(specimen) => findings.take_about(specimen.about()),
                    Err(failing) => findings.problems.push(told(&failing)),
                }
            }
        }
        Err(failing) => findings.problems.push(told(&failing)),
    }
    findings.add_imports();
    findings.ok = findings.problems.is_empty();
    findings
}

impl Findings {
    fn take_terms(&mut self, terms: Terms) {
        self.sidecar = terms.file.map(|file| file.display().to_string());
        self.grants = terms.grants;
        self.settings = terms.settings.into_iter().map(Set::from).collect();
        self.problems.extend(terms.problems.into_iter().map(|problem| format!("sidecar: {problem}")));
    }

    fn take_inspection(&mut self, inspection: Inspection) {
        let imported = |Import { name, offered, note }| Imported { name, offered, note };
        (self.bytes, self.digest, self.world) = (Some(inspection.bytes), Some(inspection.digest), inspection.world);
        self.imports = inspection.imports.into_iter().map(imported).collect();
        self.problems.extend(inspection.unusable.iter().map(told));
    }

    fn take_about(&mut self, about: About) {
        (self.version, self.summary, self.others) = (Some(about.version), Some(about.summary), about.others);
        self.metrics = about.metrics.into_iter().map(Metric::from).collect();
        self.metadata = about.metadata.into_iter().map(Key::from).collect();
    }

    /// Loading stops at the first import that is not there; the others are problems, too.
    fn add_imports(&mut self) {
        let known = std::mem::take(&mut self.problems);
        let is_told = |import: &&Imported| known.iter().any(|problem| problem.contains(&import.name));
        let missing = self.imports.iter().filter(|import| import.is_missing() && !is_told(import));
        let told =
            |import: &Imported| format!("it imports {}, which this host does not have; build it without", import.name);
        let more: Vec<String> = missing.map(told).collect();
        self.problems = known.into_iter().chain(more).collect();
    }
}

impl Imported {
    /// Sockets are not offered either, but only a call of them fails.
    fn is_missing(&self) -> bool {
        !self.offered && !self.name.starts_with("wasi:sockets/")
    }
}

impl From<MetricAbout> for Metric {
    fn from(MetricAbout { name, unit, kind, description, attributes }: MetricAbout) -> Self {
        Metric { name, kind, unit, attributes: attributes.into_iter().map(Key::from).collect(), description }
    }
}

impl From<KeyAbout> for Key {
    fn from(KeyAbout { key, description }: KeyAbout) -> Self {
        Key { key, description }
    }
}

impl From<Setting> for Set {
    fn from(Setting { key, value, default }: Setting) -> Self {
        Set { key, value, default }
    }
}

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {} (default: {})", self.key, self.value, self.default)
    }
}

/// Why the agent would not take a file of this name for a plugin.
fn misnamed(wasm: &Path) -> Option<String> {
    let extension = wasm.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
    match extension.as_str() {
        "wasm" => short_name(&name(wasm)).err().map(|reason| format!("file name: {reason}; rename the file")),
        "cwasm" => Some("file name: compiled code is never loaded; give the component".to_owned()),
        _ => Some("file name: the agent takes only files whose names end in `.wasm`; rename the file".to_owned()),
    }
}

fn print(findings: &Findings) -> anyhow::Result<()> {
    let size = findings.bytes.map(|bytes| format!(", {}", format::size(bytes))).unwrap_or_default();
    let mut rows = vec![("file", format!("{}{size}", findings.file))];
    let known = [
        ("digest", &findings.digest),
        ("world", &findings.world),
        ("version", &findings.version),
        ("summary", &findings.summary),
        ("others", &findings.others),
    ];
    rows.extend(known.into_iter().filter_map(|(label, value)| Some((label, value.clone()?))));
    rows.push(("sidecar", findings.sidecar.clone().unwrap_or_else(|| "none".to_owned())));
    rows.extend(findings.grants.iter().map(|grant| ("may", grant.clone())));
    rows.extend(findings.settings.iter().map(|setting| ("set", setting.to_string())));
    for (label, value) in rows {
        output::line(format_args!("{label:<8} {value}"))?;
    }
    print_tables(findings)?;
    if !findings.problems.is_empty() || findings.ok {
        output::line("")?;
    }
    for problem in &findings.problems {
        output::line(format_args!("wrong    {problem}"))?;
    }
    if findings.ok { output::line("the agent would take it") } else { Ok(()) }
}

fn print_tables(findings: &Findings) -> anyhow::Result<()> {
    let mut imports = output::table(["IMPORT", "OFFERED", "WHAT FOR"], &[]);
    for Imported { name, offered, note } in &findings.imports {
        imports.add_row([name.as_str(), if *offered { "yes" } else { "no" }, note.as_str()]);
    }
    let mut metrics = output::table(["METRIC", "KIND", "UNIT", "ATTRIBUTES", "DESCRIPTION"], &[]);
    for Metric { name, kind, unit, attributes, description } in &findings.metrics {
        let keys: Vec<&str> = attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        metrics.add_row([name, kind, unit, &keys.join(", "), description]);
    }
    let mut metadata = output::table(["METADATA", "DESCRIPTION"], &[]);
    for Key { key, description } in &findings.metadata {
        metadata.add_row([key, description]);
    }
    for table in [imports, metrics, metadata].iter().filter(|table| !table.is_empty()) {
        output::line("")?;
        output::print_table(table)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(name: &str, offered: bool) -> Imported {
        Imported { name: name.to_owned(), offered, note: String::new() }
    }

    #[test]
    fn every_import_that_is_not_there_is_named_once() {
        let mut findings = Findings {
            imports: vec![
                import("wasi:io/streams@0.2.6", true),
                import("acme:gpu/device@1.0.0", false),
                import("acme:gpu/memory@1.0.0", false),
                import("wasi:sockets/tcp@0.2.6", false),
            ],
            problems: vec!["it imports something: acme:gpu/device@1.0.0".to_owned()],
            ..Findings::default()
        };
        findings.add_imports();
        assert_eq!(findings.problems.len(), 2);
        assert!(findings.problems[1].contains("acme:gpu/memory@1.0.0"), "{:?}", findings.problems);
    }

    #[test]
    fn a_name_that_the_agent_would_not_take_is_told() {
        assert_eq!(misnamed(Path::new("/a/net.wasm")), None);
        for bad in ["/a/my net.wasm", "/a/net.cwasm", "/a/net"] {
            assert!(misnamed(Path::new(bad)).is_some(), "{bad}");
        }
    }
}
