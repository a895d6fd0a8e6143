//! Components that take seconds to compile: what is seen of it, and what goes on meanwhile.

use std::time::Duration;

use serde_json::Value;
use wasm_encoder::{
    CodeSection, ComponentSection, ComponentSectionId, Function, FunctionSection, Module, RawSection, TypeSection,
    ValType,
};

use crate::harness::{Api, FakeHub, Sandbox, guest, plugin, wait_for};
use crate::plugins::{state, value};

/// Functions that a component is made larger by.
const FUNCTIONS: u32 = 4000;
/// What each of them does so many times in a row.
const STEPS: u32 = 400;
/// Reports are a tenth of a second apart. What stops them stops them for as long as it takes.
const PUNCTUAL: Duration = Duration::from_secs(2);

/// The component with a module in it that is large and does nothing.
fn enlarged(component: &[u8]) -> Vec<u8> {
    let (mut types, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([ValType::I32], [ValType::I32]);
    for number in 0..FUNCTIONS {
        functions.function(0);
        let mut function = Function::new([]);
        let mut body = function.instructions();
        body.local_get(0);
        for step in 0..STEPS {
            // Each step needs the one before it, so that none can be left out.
            body.i32_const((number * STEPS + step) as i32).i32_add().local_get(0).i32_mul().local_tee(0);
        }
        body.end();
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = component.to_vec();
    let section = RawSection { id: ComponentSectionId::CoreModule.into(), data: &module.finish() };
    component.push(section.id());
    wasm_encoder::Encode::encode(&section, &mut component);
    component
}

/// One with a cache of its own, in which nothing is compiled yet.
fn with_empty_cache(sandbox: Sandbox) -> Sandbox {
    let cache = sandbox.path("cache").display().to_string();
    sandbox.env("SANDBEAT_PLUGINS__CACHE_DIR", &cache)
}

#[test]
fn a_large_component_compiles_beside_the_beat_and_shows_how_far_it_is() {
    let hub = FakeHub::start();
    let sandbox = with_empty_cache(Sandbox::reporting_to(&hub));
    sandbox.drop_collector("test", guest("one"), "");
    let _agent = sandbox.start(&["run"]);
    hub.report("the first version", |report| value(report, "test", "test.value") == Some(1.0));

    hub.take();
    let large = enlarged(guest("two"));
    sandbox.drop_collector("test", &large, "").drop_collector("other", &large, "");
    let api = Api::unix(&sandbox.path("api.sock"));
    let mut listing = None;
    let mut seen: Vec<Value> = Vec::new();
    wait_for("the large version", || {
        let (_, answer) = api.get("GET /v1/plugins");
        let compiling = |name: &str| plugin(&answer, name)["compiling"].clone();
        // The same component is compiled once: for one plugin, while the other one waits.
        let begun = [compiling("test"), compiling("other")].into_iter().find(|one| one["elapsedMs"].is_u64());
        if let Some(far) = begun.filter(|far| far["functions"].is_u64()) {
            listing.get_or_insert_with(|| sandbox.start(&["plugins"]).ended().stdout);
            seen.push(far);
        }
        let versions = ["test", "other"].map(|name| plugin(&answer, name)["lastReload"]["result"] == "loaded");
        (versions == [true; 2] && compiling("test").is_null() && compiling("other").is_null()).then_some(())
    });
    let report = hub
        .report("both", |report| ["test", "other"].iter().all(|name| value(report, name, "test.value") == Some(2.0)));
    assert_eq!((state(&report, "test"), state(&report, "other")), (Some("active"), Some("active")));

    assert!(seen.iter().all(|far| far["functions"].as_u64() > Some(u64::from(FUNCTIONS))), "{:?}", seen.last());
    for figure in ["compiled", "elapsedMs"] {
        let mut figures: Vec<u64> = seen.iter().map(|far| far[figure].as_u64().unwrap()).collect();
        assert!(figures.is_sorted(), "{figure}: {figures:?}");
        figures.dedup();
        assert!(figures.len() > 3, "{figure} hardly rises: {figures:?}");
    }
    let listing = listing.unwrap();
    assert!(listing.contains("compiling") && listing.contains("waits until another one is compiled"), "{listing}");

    let beats = hub.take();
    let seqs: Vec<u64> = beats.iter().map(|beat| beat.body["seq"].as_u64().unwrap()).collect();
    assert!(seqs.len() > 10 && seqs.is_sorted(), "{seqs:?}");
    let longest = beats.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap();
    assert!(longest < PUNCTUAL, "no report for {longest:?}");
    let before = beats.iter().filter(|beat| beat.body["plugins"].to_string().contains("compiling"));
    let before: Vec<_> = before.map(|beat| value(&beat.body, "test", "test.value")).collect();
    assert!(before.contains(&Some(1.0)), "the version before it does not go on: {before:?}");
}

#[test]
fn a_command_that_waits_for_a_large_component_says_how_far_it_is() {
    let sandbox = with_empty_cache(Sandbox::new());
    sandbox.drop_collector("test", &enlarged(guest("one")), "");
    let checked = sandbox.start(&["plugin", "check", "plugins/test.wasm"]).ended();
    assert!(checked.status.success(), "{}", checked.stderr);
    let lines: Vec<&str> = checked.stderr.lines().collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("compiling test: ")), "{lines:?}");
    assert!(lines[0].contains("% (") && lines[0].contains(" functions, "), "{lines:?}");
    // What is compiled already is worth no word.
    let again = sandbox.start(&["plugin", "run", "plugins/test.wasm"]).ended();
    assert_eq!((again.status.success(), again.stderr.as_str()), (true, ""));
}
