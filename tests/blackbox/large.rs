//! Components that take seconds to compile: what is seen of it, and what goes on meanwhile.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wasm_encoder::{
    CodeSection, ComponentSection, ComponentSectionId, Function, FunctionSection, Module, RawSection, TypeSection,
    ValType,
};

use crate::harness::{Api, FakeHub, Process, Request, Sandbox, guest, plugin, wait_for};
use crate::plugins::{state, value};

/// Functions that a component is made larger by.
const FUNCTIONS: u32 = 1500;
/// What each of them does so many times in a row.
const STEPS: u32 = 60;

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

/// Waits until a process's compiler has counted what it compiles, and has it stand still.
fn stop_compiler(of: &Process) -> Pid {
    let compiler = wait_for("the compiler", || {
        let tasks = fs::read_dir(format!("/proc/{}/task", of.id())).unwrap().flatten();
        let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let children: Vec<i32> =
            children.flat_map(|all| all.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect();
        // It has threads once it has counted.
        let compiles = |id: &i32| {
            let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let threads = fs::read_dir(format!("/proc/{id}/task")).map_or(0, Iterator::count);
            command.windows(17).any(|word| word == b"compile-component") && threads > 1
        };
        children.into_iter().find(compiles)
    });
    let compiler = Pid::from_raw(compiler).unwrap();
    kill_process(compiler, Signal::STOP).unwrap();
    compiler
}

#[test]
fn a_large_component_compiles_beside_the_beat_and_shows_how_far_it_is() {
    let hub = FakeHub::start();
    let sandbox = with_empty_cache(Sandbox::reporting_to(&hub));
    sandbox.drop_collector("test", guest("one"), "");
    let agent = sandbox.start(&["run"]);
    hub.report("the first version", |report| value(report, "test", "test.value") == Some(1.0));

    let large = enlarged(guest("two"));
    sandbox.drop_collector("test", &large, "").drop_collector("other", &large, "");
    let compiler = stop_compiler(&agent);
    hub.take();
    let beats = hub.reports(10);
    let seqs: Vec<u64> = beats.iter().map(|beat| beat.body["seq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] > pair[0]), "{seqs:?}");
    for Request { body, .. } in &beats {
        let goes_on = (state(body, "test"), value(body, "test", "test.value"));
        assert_eq!(goes_on, (Some("active"), Some(1.0)), "{body}");
    }
    // The same component is compiled once: for one plugin, while the other one waits.
    let listing = sandbox.start(&["plugins"]).ended().stdout;
    assert!(listing.contains(" functions, ") && listing.contains("waits until another one is compiled"), "{listing}");
    kill_process(compiler, Signal::CONT).unwrap();

    let api = Api::unix(&sandbox.path("api.sock"));
    let mut seen: Vec<Value> = Vec::new();
    wait_for("the end of it", || {
        let (_, answer) = api.get("GET /v1/plugins");
        let both = ["test", "other"].map(|name| plugin(&answer, name)["compiling"].clone());
        seen.extend(both.iter().find(|one| one["elapsedMs"].is_u64()).cloned());
        both.iter().all(Value::is_null).then_some(())
    });
    hub.report("the large version twice", |report| {
        let is_active = |name: &str| state(report, name) == Some("active");
        let is_new = |name: &str| plugin(report, name)["version"] == "2.0.0";
        ["test", "other"].into_iter().all(|name| is_active(name) && is_new(name))
    });
    assert!(seen.iter().all(|far| far["functions"].as_u64() > Some(u64::from(FUNCTIONS))), "{:?}", seen.last());
    for figure in ["compiled", "elapsedMs"] {
        let mut figures: Vec<u64> = seen.iter().map(|far| far[figure].as_u64().unwrap()).collect();
        assert!(figures.is_sorted(), "{figure}: {figures:?}");
        figures.dedup();
        assert!(figures.len() > 1, "{figure} does not rise: {figures:?}");
    }
}

#[test]
fn a_command_that_waits_for_a_large_component_says_how_far_it_is() {
    let sandbox = with_empty_cache(Sandbox::new());
    sandbox.drop_collector("test", &enlarged(guest("one")), "");
    let check = sandbox.start(&["plugin", "check", "plugins/test.wasm"]);
    let compiler = stop_compiler(&check);
    let line = check.says(&["compiling test: ", "% (", " functions, "]);
    kill_process(compiler, Signal::CONT).unwrap();
    let checked = check.ended();
    assert!(checked.status.success(), "{}", checked.stderr);
    assert!(checked.stderr.lines().all(|line| line.starts_with("compiling test: ")), "{line}: {}", checked.stderr);
    // What is compiled already is worth no word.
    let again = sandbox.start(&["plugin", "run", "plugins/test.wasm"]).ended();
    assert_eq!((again.status.success(), again.stderr.as_str()), (true, ""));
}
