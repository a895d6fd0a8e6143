//! Another configuration while the agent runs, and processes with which it ends.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{FakeHub, Process, Sandbox, post};

const BEFORE: &str =
    "[processes.kept]\ncommand = [\"sleep\", \"1000\"]\n[processes.old]\ncommand = [\"sleep\", \"1000\"]\n";
const AFTER: &str =
    "[processes.kept]\ncommand = [\"sleep\", \"1000\"]\n[processes.new]\ncommand = [\"sleep\", \"1000\"]\n";

fn pid(report: &Value, name: &str) -> Option<u64> {
    report["processes"][name]["pid"].as_u64()
}

/// Starts an agent with the configuration before, and waits until all of it runs; with the pid of what is kept.
fn start(hub: &FakeHub, sandbox: &Sandbox) -> (Process, u64) {
    let agent = sandbox.start(&["run"]);
    let report = hub.report("both", |report| pid(report, "kept").is_some() && pid(report, "old").is_some());
    (agent, pid(&report, "kept").unwrap())
}

fn taken(hub: &FakeHub, kept: u64) {
    let report = hub.report("the other configuration", |report| {
        pid(report, "new").is_some() && report["processes"].get("old").is_none()
    });
    assert_eq!(pid(&report, "kept"), Some(kept), "what has not changed is not touched");
}

#[test]
fn sighup_takes_what_has_changed_and_refuses_what_is_wrong_whole() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config(BEFORE);
    let (agent, kept) = start(&hub, &sandbox);

    let wrong = format!("{AFTER}[processes.bad]\ncommand = []\nafter = [\"nobody\"]\n");
    fs::write(sandbox.path("sandbeat.toml"), wrong).unwrap();
    agent.signal(Signal::HUP);
    agent.says(&["refused", "processes.bad.command"]);
    agent.says(&["refused", "processes.bad.after.0"]);
    let report = hub.report("still the one before", |_| true);
    assert_eq!((pid(&report, "kept"), pid(&report, "old").is_some()), (Some(kept), true));

    fs::write(sandbox.path("sandbeat.toml"), AFTER).unwrap();
    agent.signal(Signal::HUP);
    taken(&hub, kept);
}

#[test]
fn the_api_says_what_a_reload_changed() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).env("SANDBEAT_API__LISTEN", "127.0.0.1:0").config(BEFORE);
    let (agent, kept) = start(&hub, &sandbox);
    let line = agent.says(&["local API", "127.0.0.1:"]);
    let port: String = line.split("127.0.0.1:").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    let url = format!("http://127.0.0.1:{port}/v1/reload");

    fs::write(sandbox.path("sandbeat.toml"), "[processes.bad]\ncommand = \"x\"\nnonsense = 1\n").unwrap();
    let (status, problem) = post(&url, "text/plain", b"");
    assert_eq!((status, problem["problems"].as_array().map(Vec::len)), (422, Some(2)), "{problem}");

    fs::write(sandbox.path("sandbeat.toml"), format!("{AFTER}[metadata]\nregion = \"eu-1\"\n")).unwrap();
    let (status, changes) = post(&url, "text/plain", b"");
    let expected = serde_json::json!({
        "added": ["new"], "removed": ["old"], "restarted": [], "unchanged": ["kept"], "needsRestart": ["metadata"],
    });
    assert_eq!((status, changes), (200, expected));
    taken(&hub, kept);
}

#[test]
fn a_changed_file_is_taken_where_it_is_watched() {
    let hub = FakeHub::start();
    let watch = "[reload]\nwatch = true\n";
    let sandbox = Sandbox::reporting_to(&hub).config(BEFORE).config(watch);
    let (_agent, kept) = start(&hub, &sandbox);
    fs::write(sandbox.path("sandbeat.toml"), format!("{AFTER}{watch}")).unwrap();
    taken(&hub, kept);
}

#[test]
fn the_agent_ends_with_the_code_of_an_essential_process_and_says_stopped() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137)] {
        let hub = FakeHub::start();
        let table = format!("[processes.main]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nessential = true");
        let sandbox = Sandbox::reporting_to(&hub)
            .config(&format!("{table}\nrestart = \"never\"\n[processes.other]\ncommand = [\"sleep\", \"1000\"]"));
        let ended = sandbox.start(&["run"]).ended();
        assert_eq!(ended.status.code(), Some(code), "{ended:?}");
        assert!(hub.requests().iter().any(|request| request.body["status"] == "stopped"));
    }
}
