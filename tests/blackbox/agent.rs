//! The agent and a control plane in trouble.

use crate::harness::{Answer, FakeHub, OK, Sandbox, wait_for};

#[test]
fn a_hub_that_comes_later_is_found_and_both_are_said_once() {
    let hub = FakeHub::start();
    let address = hub.address();
    // A port that nobody listens on: the one of a listener that is gone.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    assert_ne!(address, nobody);
    let sandbox = Sandbox::reporting_to(&hub).env("AGENT_SERVER_URL", &format!("http://{nobody}"));
    let mut agent = sandbox.start(&["run"]);
    agent.says(&["refused", &nobody.to_string()]);
    let late = FakeHub::start_on(nobody);
    late.reports(3);
    agent.says(&["accepts reports again"]);
    assert_eq!(agent.said("refused"), 1, "{:#?}", agent.stderr());
    assert!(agent.is_running());
}

#[test]
fn each_kind_of_trouble_is_named_once_and_survived() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[report]\ntimeout = \"200ms\"");
    let agent = sandbox.start(&["run"]);
    hub.reports(1);
    for (answer, parts) in [
        (Answer::Status("500 Internal Server Error", "oops"), &["500"][..]),
        (Answer::Raw(b"this is not HTTP\r\n\r\n"), &["HTTP"]),
        (Answer::Silence, &["did not answer in time"]),
        (Answer::Status("401 Unauthorized", "{}"), &["401", "token"]),
        (Answer::Status("404 Not Found", "{}"), &["404"]),
        (Answer::Status("302 Found", "{}"), &["302"]),
    ] {
        hub.answer(answer.clone());
        let line = agent.says(parts);
        // After final answers the pauses grow: two more take three intervals, and as many again.
        hub.reports(hub.requests().len() + 2);
        assert_eq!(agent.said(&line), 1, "{answer:?}: {:#?}", agent.stderr());
    }
    hub.answer(OK);
    agent.says(&["accepts reports again"]);
    hub.report("a report after all of it", |report| report["status"] == "running");
}

#[test]
fn a_success_with_a_strange_body_is_a_success() {
    let hub = FakeHub::start();
    hub.answer(Answer::Status("204 No Content", ""));
    let sandbox = Sandbox::reporting_to(&hub);
    let agent = sandbox.start(&["run"]);
    hub.reports(3);
    hub.answer(Answer::Status("200 OK", "<html>thanks</html>"));
    hub.reports(6);
    assert_eq!(agent.said("WARN"), 0, "{:#?}", agent.stderr());
}

#[test]
fn the_agent_stops_in_time_when_the_hub_does_not_answer() {
    let hub = FakeHub::start();
    hub.answer(Answer::Silence);
    let sandbox = Sandbox::reporting_to(&hub).config("[report]\ntimeout = \"300ms\"");
    let agent = sandbox.start(&["run"]);
    hub.reports(1);
    let start = std::time::Instant::now();
    agent.signal(rustix::process::Signal::TERM);
    let ended = agent.ended();
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    wait_for("the stopped report", || hub.requests().into_iter().find(|request| request.body["status"] == "stopped"));
}

#[test]
fn without_a_place_for_compiled_collectors_it_beats_and_says_why() {
    use std::os::unix::fs::PermissionsExt;
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub);
    let cache = sandbox.path("cache");
    std::fs::create_dir(&cache).unwrap();
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777)).unwrap();
    let sandbox = sandbox.env("SANDBEAT_PLUGINS__CACHE_DIR", cache.to_str().unwrap());
    sandbox.drop_collector("test", crate::harness::guest("one"), "");
    let _agent = sandbox.start(&["run"]);
    let report = hub.report("the reason", |report| report["plugins"][0]["state"] == "rejected");
    let reason = report["plugins"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("others can write") && reason.contains("plugins.cache_dir"), "{reason}");
}

#[test]
fn a_last_report_that_is_lost_is_said() {
    for answer in [Answer::Status("404 Not Found", "{}"), Answer::Status("500 Internal Server Error", "")] {
        let hub = FakeHub::start();
        hub.answer(answer);
        let sandbox = Sandbox::reporting_to(&hub);
        let agent = sandbox.start(&["run"]);
        hub.reports(1);
        agent.signal(rustix::process::Signal::TERM);
        let ended = agent.ended();
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(ended.stderr.matches("did not arrive").count(), 1, "{}", ended.stderr);
    }
}
