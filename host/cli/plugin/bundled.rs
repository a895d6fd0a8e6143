//! `sandbeat plugin bundled`: which collectors come with sandbeat, and their components and sidecars in a folder of the
//! operator's.

use std::path::{Component, Path};

use anyhow::{Context, bail, ensure};
use sandbeat_bundled::{Bundled, COLLECTORS};
use serde::Serialize;

use crate::args::BundledOptions;
use crate::bundled::{Fate, Files, GivesWay, Put, put};
use crate::{format, output};

/// One of the list; also the JSON.
#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    summary: &'static str,
    /// The keys under `[grant]` of its sidecar.
    grants: Vec<String>,
    bytes: usize,
}

pub(super) fn run(options: &BundledOptions) -> anyhow::Result<()> {
    match &options.dir {
        None => list(options.json),
        Some(folder) => write(folder, options),
    }
}

fn list(json: bool) -> anyhow::Result<()> {
    let listed: Vec<Listed> = COLLECTORS.iter().map(Listed::of).collect::<anyhow::Result<_>>()?;
    if json {
        return output::json(&listed);
    }
    let mut table = output::table(["COLLECTOR", "MEASURES", "IS GRANTED"], &[]);
    for Listed { name, summary, grants, .. } in &listed {
        table.add_row([*name, summary, &grants.join(", ")]);
    }
    output::keep_whole(&mut table, &[0, 2]);
    output::print_table(&table)
}

fn write(folder: &Path, options: &BundledOptions) -> anyhow::Result<()> {
    is_meant(folder)?;
    // An upgrade brings nothing that was not chosen, or was removed since.
    let is_there = |name: &str| folder.join(format!("{name}.wasm")).exists();
    let is_upgrade = options.force && COLLECTORS.iter().any(|bundled| is_there(bundled.name));
    let is_chosen = |bundled: &&Bundled| match options.names.as_slice() {
        [] => !is_upgrade || is_there(bundled.name),
        names => names.iter().any(|name| name == bundled.name),
    };
    let files = COLLECTORS.iter().filter(is_chosen).map(|Bundled { name, wasm, sidecar, .. }| Files {
        name,
        wasm,
        sidecar: (*sidecar).to_owned(),
    });
    let files: Vec<Files<'_>> = files.collect();
    let done = put(folder, &files, if options.force { GivesWay::Components } else { GivesWay::None })?;
    if options.json {
        output::json(&done)?;
    } else {
        print(&done)?;
    }
    let kept = named(&done, |put| put.sidecar == Fate::Kept && put.component != Fate::Kept, "toml");
    if !kept.is_empty() {
        let kept = kept.join(", ");
        output::note(format_args!("not as shipped, and kept: {kept}; to compare, write the shipped ones elsewhere"));
    }
    let gone = named(&done, |put| put.sidecar == Fate::Absent && put.component != Fate::Kept, "toml");
    if !gone.is_empty() {
        let gone = gone.join(", ");
        output::note(format_args!(
            "deleted, and not written again: {gone}; delete the component as well to have both anew"
        ));
    }
    let others = named(&done, |put| put.component == Fate::Kept, "wasm");
    ensure!(
        others.is_empty(),
        "{} in {} {}: {}; --force replaces components, and keeps every sidecar that was edited",
        format::count(others.len(), "component", "components"),
        folder.display(),
        if others.len() == 1 { "is not the bundled one" } else { "are not the bundled ones" },
        others.join(", ")
    );
    Ok(())
}

/// A folder that does not exist and has the name of a collector is a forgotten folder.
fn is_meant(folder: &Path) -> anyhow::Result<()> {
    // With a slash behind it as well, as a shell completes it.
    let mut parts = folder.components();
    let name = match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) => name,
        _ => return Ok(()),
    };
    let named = COLLECTORS.iter().map(|bundled| bundled.name).find(|bundled| *bundled == name);
    if let Some(name) = named.filter(|_| !folder.exists()) {
        bail!(
            "`{name}` is a collector; say where to write it: `sandbeat plugin bundled DIR {name}`, or `./{name}` if that is the folder"
        );
    }
    Ok(())
}

fn print(done: &[Put<'_>]) -> anyhow::Result<()> {
    let mut table = output::table(["COLLECTOR", "COMPONENT", "SIDECAR"], &[]);
    for Put { name, component, sidecar } in done {
        table.add_row([*name, component.word(), sidecar.word()]);
    }
    output::print_table(&table)
}

/// The files, by name, of those of which something is so.
fn named(done: &[Put<'_>], is_so: impl Fn(&Put<'_>) -> bool, extension: &str) -> Vec<String> {
    done.iter().filter(|put| is_so(put)).map(|put| format!("{}.{extension}", put.name)).collect()
}

impl Listed {
    fn of(bundled: &Bundled) -> anyhow::Result<Listed> {
        let sidecar: toml::Table =
            bundled.sidecar.parse().with_context(|| format!("the sidecar of {}", bundled.name))?;
        let grants = sidecar.get("grant").and_then(toml::Value::as_table);
        let grants = grants.into_iter().flat_map(|grants| grants.keys().cloned()).collect();
        Ok(Listed { name: bundled.name, summary: bundled.summary, grants, bytes: bundled.wasm.len() })
    }
}

impl Fate {
    fn word(self) -> &'static str {
        match self {
            Fate::Written => "written",
            Fate::Replaced => "replaced",
            Fate::Unchanged => "unchanged",
            Fate::Kept => "kept",
            Fate::Absent => "-",
        }
    }
}
