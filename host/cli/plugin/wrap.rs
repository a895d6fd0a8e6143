//! `sandbeat plugin wrap`: a component of the collector world from a core module, which is what compilers for C and
//! many other languages make.
//!
//! A module that says itself which world it was made for is taken at its word; all others get this host's. Calls of
//! WASI preview 1, in which C libraries are written, go through wasmtime's adapter, which is added only where there are
//! any. Debugging information, many times the size of the code and full of the paths of one machine, is left out; the
//! names of functions stay, for the backtrace of a trap. The same module always gives the same bytes. What stands in
//! the way is named all at once, by the names that the author's toolchain knows; then nothing is written, and what was
//! there before stays.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use sandbeat_collectors::MAX_COMPONENT;
use sandbeat_status::names;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wasm_encoder::RawSection;
use wasmparser::{Encoding, ExternalKind, Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId, WorldItem, WorldKey};

use crate::args::WrapOptions;
use crate::output::Several;
use crate::{format, output, write};

/// How many imports that nobody has are named.
const MAX_UNKNOWN: usize = 20;
/// How much of a name is shown, in bytes.
const MAX_SHOWN: usize = 128;

const WIT: &str = include_str!("../../../wit/collector.wit");

/// What of a core module decides whether it can be a collector.
#[derive(Default)]
struct Module {
    /// Modules and names, in the module's order.
    imports: Vec<(String, String)>,
    /// Functions.
    exports: BTreeSet<String>,
    /// It says itself which world it was made for.
    has_world: bool,
    /// The module without DWARF.
    lean: wasm_encoder::Module,
}

/// The collector world of this host.
struct World {
    resolve: Resolve,
    id: WorldId,
}

pub(super) fn run(options: &WrapOptions) -> anyhow::Result<()> {
    let (from, to) = (&options.module, &options.output);
    let bytes = read(from).with_context(|| format!("`{}` cannot be read", from.display()))?;
    let component = wrap(&bytes).map_err(|error| match error.downcast::<Several>() {
        Ok(several) => several.into(),
        Err(error) => error.context(format!("`{}`", from.display())),
    })?;
    write::whole(to, &component).with_context(|| format!("`{}` cannot be written", to.display()))?;
    output::line(format_args!("{}: {}", to.display(), format::size(component.len() as u64)))
}

fn read(from: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(from)?.take(MAX_COMPONENT + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= MAX_COMPONENT, "it has more than {} MiB, as no collector may", MAX_COMPONENT >> 20);
    Ok(bytes)
}

/// Makes a component of a core module.
fn wrap(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let module = Module::read(bytes)?;
    let world = World::own()?;
    let problems = module.problems(&world)?;
    ensure!(problems.is_empty(), Several(problems));
    let has_preview1 = module.imports.iter().any(|(from, _)| from == PREVIEW1);
    let mut bytes = module.lean.finish();
    if !module.has_world {
        embed_component_metadata(&mut bytes, &world.resolve, world.id, StringEncoding::UTF8)?;
    }
    let mut encoder = ComponentEncoder::default().validate(true).module(&bytes).context(NOT_A_COLLECTOR)?;
    if has_preview1 {
        encoder = encoder.adapter(PREVIEW1, ADAPTER)?;
    }
    encoder.encode().context(NOT_A_COLLECTOR)
}

const NOT_A_COLLECTOR: &str = "it cannot be made a collector";

impl Module {
    fn read(bytes: &[u8]) -> anyhow::Result<Module> {
        let mut module = Module::default();
        ensure!(bytes.starts_with(b"\0asm"), "it is not WebAssembly; give the core module that the compiler made");
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.context("it is damaged or truncated")?;
            module.keep(&payload, bytes)?;
            match payload {
                Payload::Version { encoding: Encoding::Component, .. } => {
                    bail!("it is a component already; `sandbeat plugin check` says whether it is a collector")
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        module.imports.push((import.module.to_owned(), import.name.to_owned()));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            module.exports.insert(export.name.to_owned());
                        }
                    }
                }
                Payload::CustomSection(section) => module.has_world |= section.name().starts_with("component-type"),
                _ => {}
            }
        }
        Ok(module)
    }

    fn keep(&mut self, payload: &Payload<'_>, bytes: &[u8]) -> anyhow::Result<()> {
        let is_dwarf = matches!(payload, Payload::CustomSection(section) if section.name().starts_with(".debug_"));
        if let (Some((id, range)), false) = (payload.as_section(), is_dwarf) {
            // The parser does not wait for the end of a section of code.
            let data = bytes.get(range).context("it is damaged or truncated")?;
            self.lean.section(&RawSection { id, data });
        }
        Ok(())
    }

    /// Everything that stands in the way and that the encoder would name one by one, and in its own words.
    fn problems(&self, world: &World) -> anyhow::Result<Vec<String>> {
        let mut problems = Vec::new();
        for export in world.exports().difference(&self.exports) {
            problems.push(match self.exports.iter().find(|other| unversioned(other) == unversioned(export)) {
                Some(other) => format!(
                    "it exports `{}`, and this host wants `{export}`; build it against this version of \
                     wit/collector.wit",
                    names::shown(other, MAX_SHOWN)
                ),
                None => format!("it does not export a function with the name `{export}`"),
            });
        }
        if self.exports.contains("_start") {
            problems.push(
                "it exports `_start`, so it is a program and not a library; link it with -mexec-model=reactor"
                    .to_owned(),
            );
        }
        if !self.has_world {
            let known: BTreeSet<_> = world.imports().into_iter().chain(adapter()?).collect();
            let unknown = self.imports.iter().filter(|import| !known.contains(*import));
            let shown = |text: &str| names::shown(text, MAX_SHOWN);
            problems.extend(unknown.clone().take(MAX_UNKNOWN).map(|(from, name)| match from.as_str() {
                "env" => {
                    format!("it imports `{}`, which is defined nowhere; define it, or link what does", shown(name))
                }
                _ => format!(
                    "it imports `{}` from `{}`, which this host does not have; build it without",
                    shown(name),
                    shown(from)
                ),
            }));
            let further = unknown.count().saturating_sub(MAX_UNKNOWN);
            if further > 0 {
                problems.push(format!("it imports {further} more that this host does not have"));
            }
        }
        Ok(problems)
    }
}

impl World {
    fn own() -> anyhow::Result<World> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("wit/collector.wit", WIT)?;
        let id = resolve.select_world(&[package], Some("collector"))?;
        Ok(World { resolve, id })
    }

    /// By the names that functions have in a core module.
    fn imports(&self) -> BTreeSet<(String, String)> {
        self.functions(self.resolve.worlds[self.id].imports.iter())
    }

    fn exports(&self) -> BTreeSet<String> {
        let exports = self.functions(self.resolve.worlds[self.id].exports.iter());
        exports.into_iter().map(|(interface, function)| format!("{interface}#{function}")).collect()
    }

    fn functions<'a>(&self, items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>) -> BTreeSet<(String, String)> {
        let mut functions = BTreeSet::new();
        for (key, item) in items {
            if let WorldItem::Interface { id, .. } = item {
                let interface = self.resolve.name_world_key(key);
                let names = self.resolve.interfaces[*id].functions.keys();
                functions.extend(names.map(|name| (interface.clone(), name.clone())));
            }
        }
        functions
    }
}

/// What the adapter has of preview 1.
fn adapter() -> anyhow::Result<impl Iterator<Item = (String, String)>> {
    let adapter = Module::read(ADAPTER)?;
    Ok(adapter.exports.into_iter().map(|name| (PREVIEW1.to_owned(), name)))
}

/// `a:b/c@0.1.0#d` without its version.
fn unversioned(export: &str) -> Option<(&str, &str)> {
    let (interface, function) = export.split_once('#')?;
    Some((interface.split_once('@')?.0, function))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_known_by_the_names_of_core_modules() {
        let world = World::own().unwrap();
        let exports: Vec<_> = world.exports().into_iter().collect();
        assert_eq!(exports, ["sandbeat:collector/guest@0.1.0#collect", "sandbeat:collector/guest@0.1.0#describe"]);
        let imports = world.imports();
        assert!(imports.contains(&("sandbeat:collector/files@0.1.0".to_owned(), "read-at".to_owned())), "{imports:?}");
        assert!(!imports.iter().any(|(interface, _)| interface.contains("types")), "{imports:?}");
    }

    #[test]
    fn preview_1_is_what_the_adapter_has() {
        let known: BTreeSet<_> = adapter().unwrap().map(|(_, name)| name).collect();
        assert!(known.contains("fd_write") && known.contains("proc_exit"), "{known:?}");
    }

    #[test]
    fn an_export_is_compared_without_its_version() {
        assert_eq!(unversioned("a:b/c@0.1.0#d"), Some(("a:b/c", "d")));
        assert_eq!(unversioned("_start"), None);
    }
}
