//! `sandbeat plugin check`: whether the agent would take a component, and everything that its author should know
//! before it does. What can be looked at in spite of a problem is looked at, and it is called once, unless the user
//! does not want that.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sandbeat_collectors::workbench::{Inspection, Terms, Workbench};
use sandbeat_status::Sample;
use sandbeat_status::names::short_name;

use super::findings::{Findings, Imported, Key, Metric};
use super::{name, sample, shown, start, told};
use crate::args::CheckOptions;
use crate::{format, output};

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
        output::line(format_args!("{label:<8} {}", shown(&value)))?;
    }
    print_tables(findings)?;
    output::line("")?;
    for warning in &findings.warnings {
        output::line(format_args!("warning  {warning}"))?;
    }
    for problem in &findings.problems {
        output::line(format_args!("wrong    {problem}"))?;
    }
    if findings.ok { output::line("the agent would take it") } else { Ok(()) }
}

fn print_tables(findings: &Findings) -> anyhow::Result<()> {
    let mut imports = output::table(["IMPORT", "OFFERED", "WHAT FOR"], &[]);
    for Imported { name, offered, note, .. } in &findings.imports {
        imports.add_row([name.as_str(), if *offered { "yes" } else { "no" }, note.as_str()]);
    }
    let mut metrics = output::table(["METRIC", "KIND", "UNIT", "ATTRIBUTES", "DESCRIPTION"], &[]);
    for Metric { name, kind, unit, attributes, description } in &findings.metrics {
        let keys: Vec<&str> = attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        metrics.add_row([name, kind, unit, &keys.join(", "), description].map(|text| shown(text)));
    }
    let mut metadata = output::table(["METADATA", "DESCRIPTION"], &[]);
    for Key { key, description } in &findings.metadata {
        metadata.add_row([key, description].map(|text| shown(text)));
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

    #[test]
    fn a_name_that_the_agent_would_not_take_is_told() {
        assert_eq!(misnamed(Path::new("/a/net.wasm")), None);
        for bad in ["/a/my net.wasm", "/a/net.cwasm", "/a/net"] {
            assert!(misnamed(Path::new(bad)).is_some(), "{bad}");
        }
    }
}
