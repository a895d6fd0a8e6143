//! Supervised processes, as the report tells of them.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{FakeHub, Sandbox, wait_for};

fn process<'a>(report: &'a Value, name: &str) -> &'a Value {
    &report["processes"][name]
}

#[test]
fn a_killed_process_is_restarted_and_counted() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub)
        .config("[processes.web]\ncommand = [\"sleep\", \"1000\"]\nbase_url = \"http://127.0.0.1:1\"");
    let agent = sandbox.start(&["run"]);
    let report = hub.report("running", |report| process(report, "web")["status"] == "running");
    let web = process(&report, "web");
    assert_eq!((&web["baseUrl"], &web["restartCount"]), (&"http://127.0.0.1:1".into(), &0.into()));
    assert!(web["uptimeMs"].is_u64(), "{web}");
    let pid = Pid::from_raw(web["pid"].as_i64().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let report = hub.report("restarted", |report| process(report, "web")["restartCount"] == 1);
    let last = process(&report, "web")["pid"].clone();
    assert_eq!(process(&report, "web")["status"], "running");

    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
    let gone = Path::new("/proc").join(last.to_string());
    wait_for("the end of the process", || (!gone.exists()).then_some(()));
}

#[test]
fn a_process_that_cannot_start_is_an_error_and_the_reports_go_on() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub)
        .config("[processes.bad]\ncommand = [\"/no/such/program\"]\n[processes.done]\ncommand = [\"true\"]");
    let _agent = sandbox.start(&["run"]);
    let report = hub.report("both ends", |report| {
        process(report, "bad")["status"] == "error" && process(report, "done")["status"] == "stopped"
    });
    let error = process(&report, "bad")["lastError"].as_str().unwrap();
    assert!(error.contains("/no/such/program"), "{error}");
}

#[test]
fn the_token_does_not_reach_the_processes() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).env("AGENT_TOKEN", "very-secret").env("HARMLESS", "yes");
    let seen = sandbox.path("environment");
    let sandbox = sandbox.config(&format!(
        "[processes.spy]\ncommand = [\"sh\", \"-c\", \"env > {0}.new; mv {0}.new {0}\"]\nrestart = \"never\"",
        seen.display()
    ));
    let _agent = sandbox.start(&["run"]);
    let environment = wait_for("its environment", || std::fs::read_to_string(&seen).ok());
    assert!(environment.contains("HARMLESS=yes"), "{environment}");
    assert!(!environment.contains("very-secret"), "{environment}");
}
