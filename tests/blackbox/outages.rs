//! An agent whose hub comes and goes, whose collectors are replaced and whose processes are killed, all at random: each
//! report is accounted for, what a report says of those before it is true, and the agent holds no more in the end.
//!
//! `cargo test` runs half a minute of it; half an hour is
//! `SANDBEAT_SOAK=full cargo test --test blackbox outages -- --nocapture`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Answer, Api, FakeHub, OK, Process, Request, Sandbox, guest, wait_for};
use crate::soak::{Held, is_full, look};

const COLLECTORS: usize = 4;
const PROCESSES: usize = 4;
/// What private memory may have grown by, in bytes.
const SLACK: u64 = 1 << 20;
/// The lowest of so many looks counts.
const LOOKS: usize = 8;

const CONFIG: &str = "report.timeout = \"300ms\"\nplugins.budget.cpu = 64\n";

/// What has been seen of the agent's reports.
#[derive(Debug, Default)]
struct Ledger {
    /// The newest that was accepted.
    accepted_seq: u64,
    accepted: u64,
    /// The numbers of those that have not arrived, as others show.
    missing: BTreeSet<u64>,
    /// Those of them that arrived later: a busy hub came to read them after the agent had given them up.
    late: u64,
    /// Those that came more than once: an answer that was lost.
    repeated: u64,
}

impl Ledger {
    /// Takes what was posted, in order, and judges what each says of those before it.
    #[track_caller]
    fn enter(&mut self, requests: &[Request]) {
        for Request { body, .. } in requests.iter().filter(|request| request.accepted) {
            let seq = body["seq"].as_u64().expect("a number");
            if seq <= self.accepted_seq {
                let of_missing = self.missing.remove(&seq);
                *(if of_missing { &mut self.late } else { &mut self.repeated }) += 1;
                continue;
            }
            let missed = seq - self.accepted_seq - 1;
            assert_eq!(body["gap"]["missed"].as_u64().unwrap_or(0), missed, "{seq}: {}", body["gap"]);
            self.accepted += 1;
            self.missing.extend(self.accepted_seq + 1..seq);
            self.accepted_seq = seq;
        }
    }
}

#[test]
fn every_report_is_accounted_for_and_nothing_grows() {
    let (duration, seed) = (Duration::from_secs(if is_full() { 1800 } else { 30 }), fastrand::u64(..));
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let hub = FakeHub::start();
    let sandbox = sandbox(&hub);
    let agent = sandbox.start(&["run"]);
    // What follows asks the local API, which listens by then.
    hub.reports(1);
    let mut ledger = Ledger::default();
    let start = Instant::now();
    let mut early = None;
    while start.elapsed() < duration {
        misfortune(&mut chance, &hub, &sandbox);
        ledger.enter(&hub.take());
        if early.is_none() && start.elapsed() > duration / 10 {
            early = Some(held(&agent, &hub, &mut ledger));
        }
    }
    let (early, late) = (early.expect("the loop has come past it"), held(&agent, &hub, &mut ledger));
    let counts = counts(&sandbox);
    agent.signal(Signal::TERM);
    let ended = agent.ended();
    ledger.enter(&hub.take());

    let Ledger { accepted, missing, late: tardy, repeated, .. } = ledger;
    println!(
        "{duration:?}: {accepted} accepted, {} missing, {tardy} late, {repeated} repeated; the agent itself: \
         {counts}; held {early:?}, then {late:?}",
        missing.len()
    );
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let count = |name: &str| counts[name].as_u64().unwrap_or_else(|| panic!("no {name} in {counts}"));
    let settled = count("accepted") + count("superseded") + count("givenUp");
    assert!((0..=1).contains(&(count("made") - settled)), "{counts}");
    assert!(!missing.is_empty() && accepted > 0);
    assert_eq!(early.descriptors, late.descriptors);
    assert!(late.private_memory <= early.private_memory + SLACK, "{early:?}, then {late:?}");
}

fn sandbox(hub: &FakeHub) -> Sandbox {
    let mut config = CONFIG.to_owned();
    for number in 0..PROCESSES {
        config.push_str(&format!(
            "[processes.p{number}]\ncommand = [\"sleep\", \"100000\"]\nrestart = \"always\"\nbackoff = {{ initial = \
             \"50ms\", max = \"1s\", stable = \"1s\", limit = 0 }}\n"
        ));
    }
    let sandbox = Sandbox::reporting_to(hub)
        .env("AGENT_REPORT_INTERVAL", "20ms")
        // One heap: what several of them keep of what is free comes and goes by megabytes, and would hide a leak.
        .env("MALLOC_ARENA_MAX", "1")
        .config(&config);
    for number in 0..COLLECTORS {
        sandbox.drop_in(&format!("test-{number}.wasm"), guest("one"));
    }
    sandbox
}

/// Something happens, and some time goes by.
fn misfortune(chance: &mut fastrand::Rng, hub: &FakeHub, sandbox: &Sandbox) {
    match chance.u8(0..10) {
        0 => {
            hub.down();
            pass(chance, 1500);
            hub.up();
        }
        1 => hub.answer(Answer::Status("503 Service Unavailable", "{}")),
        2 => hub.answer(Answer::Raw(b"")),
        3 => hub.answer(Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-le")),
        4 => hub.answer(Answer::Silence),
        5 | 6 => {
            let version = if chance.bool() { "one" } else { "two" };
            sandbox.drop_in(&format!("test-{}.wasm", chance.usize(0..COLLECTORS)), guest(version));
        }
        7 | 8 => kill(sandbox, chance.usize(0..PROCESSES)),
        _ => hub.answer(OK),
    }
    pass(chance, 400);
    if chance.bool() {
        hub.answer(OK);
    }
}

/// Lets up to so many milliseconds go by: it is what this test is about, and nothing is waited for.
fn pass(chance: &mut fastrand::Rng, most: u64) {
    std::thread::park_timeout(Duration::from_millis(chance.u64(0..most)));
}

/// Kills a process of the agent's, where it runs.
fn kill(sandbox: &Sandbox, number: usize) {
    let (_, process) = Api::unix(&sandbox.path("api.sock")).get(&format!("GET /v1/processes/p{number}"));
    let pid = process["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended meanwhile.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Looks when all is well.
fn held(agent: &Process, hub: &FakeHub, ledger: &mut Ledger) -> Held {
    hub.answer(OK);
    let looks: Vec<Held> = (0..LOOKS)
        .map(|_| {
            let goal = ledger.accepted + 50;
            wait_for("more reports", || {
                ledger.enter(&hub.take());
                (ledger.accepted >= goal).then_some(())
            });
            look(agent.id())
        })
        .collect();
    Held {
        descriptors: looks.iter().map(|held| held.descriptors).min().unwrap(),
        private_memory: looks.iter().map(|held| held.private_memory).min().unwrap(),
    }
}

/// What the agent says of its reports.
fn counts(sandbox: &Sandbox) -> Value {
    Api::unix(&sandbox.path("api.sock")).get("GET /v1/health").1["reports"].clone()
}
