//! The collector world: what a component has to export, what it may import, and what its description may hold.
//!
//! Everything is checked before a single instruction of the component runs. Sockets are in no collector's world; the
//! toolchains of some languages import them all the same, so a component that does is loaded, and a call of one ends
//! the collector's call.

use sandbeat_status::{Failure, names};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker, ResourceType};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::WasiRandom;

use crate::bindings::{self, Collector, CollectorPre, types};
use crate::call::{Breach, Failed};
use crate::engine::Class;
use crate::guest::Host;
use crate::http;

/// The most metrics and metadata keys of a description.
const MAX_DESCRIBED: usize = 4096;
/// The most flaws of a description that are named.
const MAX_FLAWS: usize = 20;
/// The most attributes that a description gives one metric; as many as `limits.attributes` may allow.
const MAX_ATTRIBUTES: usize = 64;

/// What stands for all resources of `wasi:sockets`; there never is one.
struct Socket;

/// What a component asks of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The interface with its version, such as `wasi:filesystem/types@0.2.6`.
    pub name: String,
    /// Whether this host offers it.
    pub offered: bool,
    /// What it is good for, and which grant it would need.
    pub note: String,
    /// The key under `[grant]` without which it gives nothing.
    pub grant: Option<&'static str>,
}

/// What is known of a component before anything of it has run.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The version of the collector world that it was built for, if it is a collector.
    pub(crate) version: Option<String>,
    pub(crate) imports: Vec<Import>,
    /// Why it would not be loaded.
    pub(crate) problems: Vec<String>,
}

/// Everything that is offered to a collector.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(l)?;
    random::insecure::add_to_linker::<Host, WasiRandom>(l, |host| host.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<Host, WasiRandom>(l, |host| host.ctx().ctx.random())?;
    cli::exit::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::environment::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::terminal_input::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::terminal_output::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::terminal_stdin::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::terminal_stdout::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    cli::terminal_stderr::add_to_linker::<Host, WasiCli>(l, Host::cli)?;
    filesystem::types::add_to_linker::<Host, WasiFilesystem>(l, Host::filesystem)?;
    filesystem::preopens::add_to_linker::<Host, WasiFilesystem>(l, Host::filesystem)?;
    http::add_to_linker(l)?;
    Collector::add_to_linker::<_, Host>(l, |host| host)?;
    Ok(linker)
}

/// Checks a component against the world; the answer is ready to be instantiated.
///
/// # Errors
/// Everything that is in its way, for the collector's author.
pub(crate) fn check(class: &Class, component: &Component) -> Result<CollectorPre<Host>, Vec<String>> {
    let problems = problems(&class.engine, component);
    if !problems.is_empty() {
        return Err(problems);
    }
    let ty = component.component_type();
    let pre = match ty.imports(&class.engine).any(|(import, _)| is_sockets(import)) {
        true => without_sockets(class, component),
        false => class.linker.instantiate_pre(component),
    };
    let pre = pre.map_err(|e| vec![not_offered(&names::shown(&format!("{e:#}"), 300))])?;
    CollectorPre::new(pre).map_err(|e| vec![format!("its exports are not those of a collector: {e:#}")])
}

/// What is wrong with a component as far as names tell; types show when it is linked.
fn problems(engine: &Engine, component: &Component) -> Vec<String> {
    let ty = component.component_type();
    let mut problems = Vec::new();
    match version(engine, component) {
        Some(version) if version == bindings::WORLD_VERSION => problems.extend(missing_functions(engine, component)),
        Some(version) => problems.push(other_version(&version)),
        None => problems.push(format!(
            "it is a component of another world: it does not export {}; build it for the world \
             sandbeat:collector/collector",
            bindings::GUEST
        )),
    }
    for (import, _) in ty.imports(engine) {
        let problem = match import.split_once(':') {
            Some(("sandbeat", _)) if !import.ends_with(&format!("@{}", bindings::WORLD_VERSION)) => {
                other_version(import.rsplit_once('@').map_or("another", |(_, version)| version))
            }
            _ if is_offered(import) || is_sockets(import) => continue,
            _ => not_offered(&names::shown(import, 128)),
        };
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems
}

/// The functions of a collector that a component does not have.
fn missing_functions(engine: &Engine, component: &Component) -> Vec<String> {
    let ty = component.component_type();
    let guest = ty.exports(engine).find(|(export, _)| split_version(export, bindings::GUEST).is_some());
    let Some((export, ComponentItem::ComponentInstance(instance))) = guest.map(|(export, item)| (export, item.ty))
    else {
        return vec![format!("its export {} is no interface; build it for the world", bindings::GUEST)];
    };
    let has = |name: &str| {
        let mut exports = instance.exports(engine);
        exports.any(|(export, item)| export == name && matches!(item.ty, ComponentItem::ComponentFunc(_)))
    };
    let missing = bindings::FUNCTIONS.iter().filter(|(name, _)| !has(name));
    missing
        .map(|(name, signature)| format!("its export {export} has no function `{name}`; add `{signature}`"))
        .collect()
}

/// With every function of `wasi:sockets` that the component imports in its place, each of which ends the call.
fn without_sockets(class: &Class, component: &Component) -> wasmtime::Result<InstancePre<Host>> {
    let mut linker = (*class.linker).clone();
    let ty = component.component_type();
    for (import, item) in ty.imports(&class.engine).filter(|(import, _)| is_sockets(import)) {
        let ComponentItem::ComponentInstance(interface) = item.ty else { continue };
        let mut instance = linker.instance(import)?;
        for (name, item) in interface.exports(&class.engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => {
                    let called = format!("{import} {name}");
                    instance.func_new(name, move |_, _, _, _| Err(Breach(never_offered(&called)).into()))?;
                }
                // The others in these interfaces are further names for resources of other ones.
                ComponentItem::Resource(_) if is_home_of(import, name) => {
                    instance.resource(name, ResourceType::host::<Socket>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    linker.instantiate_pre(component)
}

/// Whether a resource is defined in this interface, and not only named.
fn is_home_of(import: &str, resource: &str) -> bool {
    let interface = import.split('@').next().unwrap_or(import);
    matches!(
        (interface, resource),
        ("wasi:sockets/network", "network")
            | ("wasi:sockets/tcp", "tcp-socket")
            | ("wasi:sockets/udp", "udp-socket" | "incoming-datagram-stream" | "outgoing-datagram-stream")
            | ("wasi:sockets/ip-name-lookup", "resolve-address-stream")
    )
}

fn is_sockets(import: &str) -> bool {
    import.starts_with("wasi:sockets/")
}

fn never_offered(called: &str) -> Failed {
    let called = names::shown(called, 128);
    Failed::new(Failure::Denied, format!("it called `{called}`; sockets are never offered, ask for [grant] http"))
}

/// Looks at a component without running anything of it.
pub(crate) fn see(class: &Class, component: &Component) -> Seen {
    let (version, imports) = (version(&class.engine, component), imports(&class.engine, component));
    Seen { version, imports, problems: check(class, component).err().unwrap_or_default() }
}

/// The version of the collector world that a component was built for; `None` when it is no collector.
fn version(engine: &Engine, component: &Component) -> Option<String> {
    let ty = component.component_type();
    ty.exports(engine).find_map(|(export, _)| split_version(export, bindings::GUEST).map(str::to_owned))
}

/// What a component imports, in its own order.
pub(crate) fn imports(engine: &Engine, component: &Component) -> Vec<Import> {
    let ty = component.component_type();
    ty.imports(engine)
        .map(|(name, _)| Import {
            name: names::shown(name, 128),
            offered: is_offered(name),
            note: note(name),
            grant: grant(name),
        })
        .collect()
}

/// By interface, whatever its version: a version that is not compatible shows when it is linked.
fn is_offered(import: &str) -> bool {
    let interface = import.split('@').next().unwrap_or(import);
    match interface.split_once(':') {
        Some(("sandbeat", rest)) => rest.starts_with("collector/"),
        Some(("wasi", "http/types" | "http/outgoing-handler")) => true,
        Some(("wasi", rest)) => {
            let package = rest.split('/').next().unwrap_or(rest);
            matches!(package, "io" | "clocks" | "random" | "filesystem" | "cli")
        }
        _ => false,
    }
}

fn note(import: &str) -> String {
    let interface = import.split('@').next().unwrap_or(import);
    let note = match interface {
        "sandbeat:collector/files" => "reads files; grant them by glob in [grant] read",
        "sandbeat:collector/filesystems" => "how full file systems are; grant them by path in [grant] filesystems",
        "sandbeat:collector/processes" => "who holds sockets; needs [grant] processes = true",
        "wasi:filesystem/types" | "wasi:filesystem/preopens" => "uses folders, if any is granted in [grant] dirs",
        "wasi:cli/environment" => "sees environment variables, those that are granted in [grant] env",
        _ if interface.starts_with("wasi:http/") => "HTTP towards the origins that are granted in [grant] http",
        _ if interface.starts_with("wasi:sockets/") => "never offered; a call of it ends the collect",
        _ if is_offered(import) => "needs no grant",
        _ => "this host does not have it",
    };
    note.to_owned()
}

fn grant(import: &str) -> Option<&'static str> {
    match import.split('@').next().unwrap_or(import) {
        "sandbeat:collector/files" => Some("read"),
        "sandbeat:collector/filesystems" => Some("filesystems"),
        "sandbeat:collector/processes" => Some("processes"),
        "wasi:filesystem/preopens" => Some("dirs"),
        "wasi:http/outgoing-handler" => Some("http"),
        _ => None,
    }
}

fn split_version<'a>(export: &'a str, name: &str) -> Option<&'a str> {
    export.strip_prefix(name)?.strip_prefix('@')
}

fn other_version(version: &str) -> String {
    format!(
        "it was built for version {} of the collector world, and this agent speaks {}; build it against that one",
        names::shown(version, 32),
        bindings::WORLD_VERSION
    )
}

fn not_offered(what: &str) -> String {
    format!("it imports something that the host does not offer: {what}")
}

/// Names what is plainly no component before a compiler sees it.
pub(crate) fn recognise(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [] => Err("the file is empty".into()),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(
            "it is a core WebAssembly module, not a component; build it for wasm32-wasip2, or make a component of it \
                 with `sandbeat plugin wrap`"
                .into(),
        ),
        [0, b'a', b's', b'm', ..] => Err("it is WebAssembly of an unknown or truncated form".into()),
        [0x7f, b'E', b'L', b'F', ..] => Err("it is native code, which is never loaded; drop in the component".into()),
        _ => Err("it is not WebAssembly".into()),
    }
}

/// What of a description breaks the rules: it is bounded, since it is shown to people.
pub(crate) fn flaws(description: &types::Description) -> Vec<String> {
    let mut flaws = Vec::new();
    let mut add = |what: &str, judged: Result<(), String>| {
        if let Err(reason) = judged {
            flaws.push(format!("{what}: {reason}"));
        }
    };
    add("version", names::plain_text(&description.version, 64));
    add("summary", names::plain_text(&description.summary, 1024));
    if let Some(others) = &description.others {
        add("others", names::plain_text(others, 1024));
    }
    if description.metrics.len() + description.metadata.len() > MAX_DESCRIBED {
        add("it", Err(format!("lists more than {MAX_DESCRIBED} metrics and metadata keys")));
        return flaws;
    }
    for metric in &description.metrics {
        let of = format!("metric `{}`", names::shown(&metric.name, 80));
        add(&of, names::metric_name(&metric.name));
        add(&of, names::unit(&metric.unit));
        add(&of, names::plain_text(&metric.description, 1024));
        if metric.attributes.len() > MAX_ATTRIBUTES {
            add(&of, Err(format!("it lists more than {MAX_ATTRIBUTES} attributes")));
            continue;
        }
        for attribute in &metric.attributes {
            let of = format!("{of}: attribute `{}`", names::shown(&attribute.key, 80));
            add(&of, names::metric_name(&attribute.key));
            add(&of, names::plain_text(&attribute.description, 1024));
        }
    }
    for entry in &description.metadata {
        let of = format!("metadata `{}`", names::shown(&entry.key, 80));
        add(&of, names::metric_name(&entry.key));
        add(&of, names::plain_text(&entry.description, 1024));
    }
    let further = flaws.len().saturating_sub(MAX_FLAWS);
    flaws.truncate(MAX_FLAWS);
    if further > 0 {
        flaws.push(format!("and {further} more"));
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_named() {
        for (bytes, part) in [
            (&b""[..], "empty"),
            (b"#!/bin/sh", "not WebAssembly"),
            (b"\0asm\x01\0\0\0", "core WebAssembly module"),
            (b"\0asm", "truncated"),
            (b"\x7fELF\x02", "native code"),
        ] {
            assert!(recognise(bytes).unwrap_err().contains(part), "{bytes:?}");
        }
        assert_eq!(recognise(b"\0asm\x0d\0\x01\0"), Ok(()));
    }

    #[test]
    fn versions_of_the_world_are_told_apart() {
        assert_eq!(split_version("sandbeat:collector/guest@0.1.0", bindings::GUEST), Some("0.1.0"));
        assert_eq!(split_version("sandbeat:collector/guests@0.1.0", bindings::GUEST), None);
    }

    #[test]
    fn what_is_offered_is_known_by_its_interface() {
        for import in ["sandbeat:collector/files@0.1.0", "wasi:io/streams@0.2.6", "wasi:filesystem/types@0.2.0"] {
            assert!(is_offered(import), "{import}");
        }
        for import in ["wasi:sockets/tcp@0.2.6", "wasi:keyvalue/store@0.2.0", "acme:gpu/device@1.0.0", "env"] {
            assert!(!is_offered(import), "{import}");
        }
        assert!(note("wasi:sockets/tcp@0.2.6").contains("never"));
    }
}
