//! Random valid components that export the collector world: described, collected and judged under limits.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::{Corpus, fuzz_target};
use wasm_smith::{Config, Module};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve, WorldId};

static WORLD: LazyLock<(Resolve, WorldId)> = LazyLock::new(|| {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("collector.wit", include_str!("../../../wit/collector.wit")).expect("good WIT");
    let world = resolve.select_world(&[package], Some("collector")).expect("a world");
    (resolve, world)
});

/// A module with the imports and exports of the world, and nothing in it.
static DUMMY: LazyLock<Vec<u8>> =
    LazyLock::new(|| dummy_module(&WORLD.0, WORLD.1, ManglingAndAbi::Legacy(LiftLowerAbi::Sync)));

fuzz_target!(|bytes: &[u8]| -> Corpus {
    match component(&mut Unstructured::new(bytes)) {
        Some(component) => {
            sandbeat_collectors::fuzzing::component(&component);
            Corpus::Keep
        }
        None => Corpus::Reject,
    }
});

fn component(u: &mut Unstructured<'_>) -> Option<Vec<u8>> {
    let config = Config {
        exports: Some(DUMMY.clone()),
        available_imports: Some(DUMMY.clone()),
        // What the agent's engine has.
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        shared_everything_threads_enabled: false,
        memory64_enabled: false,
        // Small, so that there are many.
        max_funcs: 12,
        max_instructions: 60,
        max_types: 32,
        max_globals: 16,
        max_imports: 16,
        max_memories: 4,
        allow_start_export: true,
        ..Config::default()
    };
    let mut module = Module::new(config, u).ok()?.to_bytes();
    embed_component_metadata(&mut module, &WORLD.0, WORLD.1, StringEncoding::UTF8).ok()?;
    // Not every module can stand behind a world: one may lack a memory, say.
    ComponentEncoder::default().module(&module).ok()?.encode().ok()
}
