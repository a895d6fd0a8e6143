//! An agent that has done a lot holds no more than one that has done a little.
//!
//! `cargo test` runs a tenth of it; the whole, in a few minutes, is
//! `SANDBEAT_SOAK=full cargo test --test blackbox soak -- --nocapture`.

use std::time::Instant;

use serde_json::Value;

use crate::harness::{FakeHub, Process, Sandbox, guest, wait_for};

/// All of them are replaced in each round and called for each report.
const COLLECTORS: usize = 10;
/// What private memory may have grown by in the end, in bytes.
const SLACK: u64 = 1 << 20;
/// The lowest of so many looks counts, with a reload before each: instances come and go, and the allocator gives back
/// what is free at the end of its heaps alone.
const LOOKS: usize = 8;

/// How much is done.
struct Amount {
    reloads: usize,
    collects: u64,
}

/// What an agent holds.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) descriptors: usize,
    /// What it has written to, in bytes. Pages of its files come and go as the kernel likes.
    pub(crate) private_memory: u64,
}

#[test]
fn what_the_agent_holds_does_not_grow_with_what_it_has_done() {
    let tenth = Amount { reloads: 100, collects: 10_000 };
    let whole = Amount { reloads: 1_000, collects: 100_000 };
    let all = if is_full() { whole } else { tenth };
    let hub = FakeHub::start();
    // One heap: what several of them keep of what is free comes and goes by megabytes, and would hide a leak.
    let sandbox = Sandbox::reporting_to(&hub)
        .env("AGENT_REPORT_INTERVAL", "10ms")
        .env("MALLOC_ARENA_MAX", "1")
        .config("[plugins.budget]\ncpu = 64");
    let agent = sandbox.start(&["run"]);
    let started = Instant::now();

    let warm_up = Amount { reloads: all.reloads / 10, collects: all.collects / 10 };
    work(&sandbox, &hub, 0, &warm_up);
    let early = held(&agent, &sandbox, &hub);
    work(&sandbox, &hub, warm_up.reloads, &all);
    let late = held(&agent, &sandbox, &hub);

    println!(
        "{} reloads and {} collects in {:?}: {early:?}, then {late:?}",
        all.reloads,
        all.collects,
        started.elapsed()
    );
    assert_eq!(early.descriptors, late.descriptors);
    assert!(late.private_memory <= early.private_memory + SLACK, "{early:?}, then {late:?}");
    assert_eq!(agent.said("WARN") + agent.said("ERROR"), 0, "{:#?}", agent.stderr());
}

/// Whether the whole is asked for.
pub(crate) fn is_full() -> bool {
    std::env::var("SANDBEAT_SOAK").is_ok_and(|wanted| wanted == "full")
}

/// Replaces all collectors again and again until there have been so many reloads and collects, `reloads` of them
/// before this call.
fn work(sandbox: &Sandbox, hub: &FakeHub, mut reloads: usize, until: &Amount) {
    while reloads < until.reloads {
        replace_twice(sandbox, hub);
        reloads += 2 * COLLECTORS;
    }
    // In steps, each of which has the whole patience.
    for goal in (0..=until.collects).step_by(1_000) {
        newest(hub, "more collects", |report| calls(report) >= goal);
    }
}

/// Replaces all collectors by the one version and then by the other.
fn replace_twice(sandbox: &Sandbox, hub: &FakeHub) {
    for (version, wasm) in [("1.0.0", guest("one")), ("2.0.0", guest("two"))] {
        for at in 0..COLLECTORS {
            sandbox.drop_in(&format!("test-{at}.wasm"), wasm);
        }
        newest(hub, "all replaced", |report| {
            versions(report).filter(|at_work| *at_work == version).count() == COLLECTORS
        });
    }
}

/// Looks when the agent does nothing but measure and report.
fn held(agent: &Process, sandbox: &Sandbox, hub: &FakeHub) -> Held {
    let looks: Vec<Held> = (0..LOOKS)
        .map(|_| {
            replace_twice(sandbox, hub);
            newest(hub, "one more report", |_| true);
            look(agent.id())
        })
        .collect();
    Held {
        descriptors: looks.iter().map(|held| held.descriptors).min().unwrap(),
        private_memory: looks.iter().map(|held| held.private_memory).min().unwrap(),
    }
}

/// What a process holds now.
pub(crate) fn look(process: u32) -> Held {
    let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    // Not `Private_Dirty`: pages of a binary that was just built count there until the disk has them.
    let private = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    let kilobytes: u64 = private.trim().trim_end_matches(" kB").parse().unwrap();
    Held { descriptors, private_memory: kilobytes << 10 }
}

/// Waits until the newest report is as wanted. What has been posted is forgotten, or this process would grow.
#[track_caller]
fn newest(hub: &FakeHub, what: &str, is_it: impl Fn(&Value) -> bool) {
    wait_for(what, || hub.take().pop().filter(|request| is_it(&request.body)));
}

fn versions(report: &Value) -> impl Iterator<Item = &str> {
    report["plugins"].as_array().into_iter().flatten().filter_map(|plugin| plugin["version"].as_str())
}

fn calls(report: &Value) -> u64 {
    report["plugins"].as_array().into_iter().flatten().filter_map(|plugin| plugin["calls"].as_u64()).sum()
}
