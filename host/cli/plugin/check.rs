//! `sandbeat plugin check`: whether the agent would take a component, and everything that its author should know
//! before it does. What can be looked at in spite of a problem is looked at, and it is called once, unless the user
//! does not want that.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use comfy_table::Table;
use sandbeat_collectors::workbench::{Inspection, Terms, Workbench};
use sandbeat_status::Sample;
use sandbeat_status::names::short_name;

use super::findings::{Findings, Imported, Key, Metric};
use super::{name, sample, shown, start, told};
use crate::args::CheckOptions;
use crate::text::hanging;
use crate::{format, output};

/// How far texts are indented behind their labels.
const LABEL: usize = 9;
/// What a description takes at least beside a metric's name, unit and attributes, in letters.
const READABLE: usize = 20;
/// Between two columns, in letters.
const GAP: usize = 2;

pub(super) fn run(options: &CheckOptions) -> anyhow::Result<()> {
    let (bench, source) = start(&options.subject)?;
    let findings = find(&bench, options, &sample(&source, Instant::now()));
    if options.subject.print.json {
        output::json(&findings)?;
    } else {
        print(&findings)?;
    }
    let bad = findings.problems.len();
    anyhow::ensure!(findings.ok, "{} found", format::count(bad, "problem", "problems"));
    Ok(())
}

fn find(bench: &Workbench, options: &CheckOptions, sample: &Arc<Sample>) -> Findings {
    let wasm = options.subject.wasm.as_path();
    let mut findings = Findings { file: wasm.display().to_string(), ..Findings::default() };
    findings.problems.extend(misnamed(wasm));
    let terms = bench.terms(wasm, options.subject.sidecar.as_deref());
    findings.take_terms(terms.clone());
    match bench.inspect(wasm) {
        Ok(inspection) => {
            if terms.problems.is_empty() {
                findings.warnings.extend(inspection.ungranted(&terms));
            }
            let is_sound = is_sound(&inspection);
            findings.take_inspection(inspection);
            if is_sound {
                call(bench, options, &terms, sample, &mut findings);
            }
        }
        Err(failing) => findings.problems.push(told(&failing)),
    }
    findings.ok = findings.problems.is_empty();
    findings
}

fn is_sound(inspection: &Inspection) -> bool {
    inspection.unusable.is_none() && inspection.problems.is_empty()
}

/// Has it describe itself, and collect. A sidecar that is wrong has been told of, and must not hide what the component
/// says of itself; but without its grants a collect would only fail.
fn call(bench: &Workbench, options: &CheckOptions, terms: &Terms, sample: &Arc<Sample>, findings: &mut Findings) {
    let mut specimen = match bench.load_flawed(&options.subject.wasm, terms) {
        Ok(specimen) => specimen,
        Err(failing) => return findings.problems.push(told(&failing)),
    };
    findings.take_about(specimen.about(), specimen.flaws());
    findings.lacks_folders = !specimen.absent().is_empty();
    findings.warnings.extend(specimen.absent().iter().map(|folder| {
        format!("the granted folder {folder}: here the agent would refuse the collector; it was called without")
    }));
    if options.no_collect {
        return;
    }
    if !terms.problems.is_empty() {
        return findings.warnings.push("it was not called to collect, since its sidecar is wrong".to_owned());
    }
    let collected = specimen.collect(sample);
    findings.take_collect(&collected.map(|measured| {
        let mismatches = specimen.mismatches(&measured.contribution);
        (measured, mismatches)
    }));
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
    rows.extend(findings.collect.as_ref().and_then(|collect| Some(("collect", collect.line()?))));
    for (label, value) in rows {
        output::hanging(&format!("{label:<8} {}", shown(&value)), LABEL)?;
    }
    print_tables(findings)?;
    output::line("")?;
    for warning in &findings.warnings {
        output::hanging(&format!("warning  {warning}"), LABEL)?;
    }
    for problem in &findings.problems {
        output::hanging(&format!("wrong    {problem}"), LABEL)?;
    }
    match findings {
        Findings { ok: false, .. } => Ok(()),
        Findings { lacks_folders: true, .. } => {
            output::line("the agent would take it where the granted folders are there")
        }
        _ => output::line("the agent would take it"),
    }
}

fn print_tables(findings: &Findings) -> anyhow::Result<()> {
    let mut imports = output::table(["IMPORT", "OFFERED", "WHAT FOR"], &[]);
    for Imported { name, offered, note, .. } in &findings.imports {
        imports.add_row([name.as_str(), if *offered { "yes" } else { "no" }, note.as_str()]);
    }
    output::keep_whole(&mut imports, &[0, 1]);
    let mut metadata = output::table(["METADATA", "DESCRIPTION"], &[]);
    for Key { key, description } in &findings.metadata {
        metadata.add_row([key, description].map(|text| shown(text)));
    }
    output::keep_whole(&mut metadata, &[0]);
    print_apart(&imports)?;
    let rows: Vec<[String; 5]> = findings.metrics.iter().map(row).collect();
    match output::terminal_width().map(usize::from) {
        Some(width) if !rows.is_empty() && width < table_width(&rows) => print_list(&rows, width)?,
        _ => print_apart(&metrics_table(&rows))?,
    }
    print_apart(&metadata)
}

/// Below what came before, if it has rows.
fn print_apart(table: &Table) -> anyhow::Result<()> {
    if table.is_empty() {
        return Ok(());
    }
    output::line("")?;
    output::print_table(table)
}

/// Name, kind, unit, attributes and description.
fn row(Metric { name, kind, unit, attributes, description }: &Metric) -> [String; 5] {
    let keys: Vec<&str> = attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    [name, kind, unit, &keys.join(", "), description].map(|text| shown(text))
}

/// What a table of them takes at least where no name is broken.
fn table_width(rows: &[[String; 5]]) -> usize {
    let widest = |of: &dyn Fn(&[String; 5]) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let column = |at: usize| widest(&|row: &[String; 5]| row[at].chars().count());
    column(0) + column(1) + column(2) + widest(&longest_key) + READABLE + 4 * GAP
}

fn longest_key(row: &[String; 5]) -> usize {
    row[3].split(' ').map(|key| key.chars().count()).max().unwrap_or_default()
}

fn metrics_table(rows: &[[String; 5]]) -> Table {
    let mut table = output::table(["METRIC", "KIND", "UNIT", "ATTRIBUTES", "DESCRIPTION"], &[]);
    rows.iter().for_each(|row| {
        table.add_row(row);
    });
    output::keep_whole(&mut table, &[0, 1, 2]);
    let longest = rows.iter().map(longest_key).max().unwrap_or_default();
    output::keep_at_least(&mut table, 3, longest);
    table
}

/// The same without columns, for a narrow terminal: a metric's name, kind and unit, below it the rest.
fn print_list(rows: &[[String; 5]], width: usize) -> anyhow::Result<()> {
    output::line("\nMETRIC")?;
    for [name, kind, unit, keys, description] in rows {
        let by = (!keys.is_empty()).then(|| format!("  by {keys}"));
        for line in [format!("{name}  {kind}, {unit}"), format!("  {description}")].into_iter().chain(by) {
            output::line(hanging(&line, 2, width).join("\n"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_agent_would_not_take_is_told() {
        assert_eq!(misnamed(Path::new("/a/net.wasm")), None);
        for bad in ["/a/my net.wasm", "/a/net.cwasm", "/a/net"] {
            assert!(misnamed(Path::new(bad)).is_some(), "{bad}");
        }
    }
}
