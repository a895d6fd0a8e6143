//! What leaves the agent, as a server sees it that knows only the base fields.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{FakeHub, Sandbox, bundled};

#[test]
fn the_base_fields_are_those_that_existing_servers_read() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).env("AGENT_TOKEN", "sesame").config("[metadata]\nregion = \"eu-1\"");
    let _agent = sandbox.start(&["run"]);
    // The first ones are too close together for a percentage.
    let request = &hub.reports(6)[5];
    assert_eq!(request.path, "/api/v1/sandboxes/test/status");
    let header = |name: &str| request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(header("authorization"), Some("Bearer sesame"));
    assert_eq!(header("content-type"), Some("application/json"));

    let report = &request.body;
    assert_eq!(report["sandboxId"], "test");
    assert_eq!(report["status"], "running");
    assert!(report["cpuPercent"].as_f64().is_some_and(|percent| (0.0..=100.0).contains(&percent)), "{report}");
    assert!(report["memoryMB"].as_u64().is_some_and(|memory| memory > 0), "{report}");
    assert!(report["uptimeSecs"].as_u64().is_some_and(|uptime| uptime < 60), "{report}");
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(report["hostname"], hostname.trim());
    let timestamp = report["timestamp"].as_str().unwrap();
    assert!(timestamp.ends_with('Z') && timestamp.len() == "2026-11-20T12:00:00.000Z".len(), "{timestamp}");
    let metadata = report["metadata"].as_object().unwrap();
    assert!(metadata.values().all(Value::is_string), "{report}");
    assert_eq!(metadata["region"], "eu-1");
}

#[test]
fn reports_are_identified_and_follow_the_interval() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).env("AGENT_REPORT_INTERVAL", "200ms");
    let _agent = sandbox.start(&["run"]);
    let requests = hub.reports(6);
    let sequence: Vec<u64> = requests.iter().filter_map(|request| request.body["seq"].as_u64()).collect();
    assert_eq!(sequence[..6], [1, 2, 3, 4, 5, 6]);
    assert!(requests.iter().all(|request| request.body["bootId"] == requests[0].body["bootId"]));
    assert_eq!(requests[0].body["intervalSecs"], 0.2);
    let spread = requests[5].at.duration_since(requests[0].at);
    assert!(spread >= Duration::from_millis(800), "six reports within {spread:?}");
}

#[test]
fn the_first_report_does_not_wait_for_an_interval_and_invents_no_cpu() {
    let hub = FakeHub::start();
    let start = Instant::now();
    let sandbox = Sandbox::reporting_to(&hub).env("AGENT_REPORT_INTERVAL", "1h");
    let _agent = sandbox.start(&["run"]);
    let first = &hub.reports(1)[0];
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(first.body.get("cpuPercent"), None, "{}", first.body);
}

#[test]
fn the_last_report_says_stopped() {
    for signal in [Signal::TERM, Signal::INT] {
        let hub = FakeHub::start();
        let sandbox = Sandbox::reporting_to(&hub).env("AGENT_REPORT_INTERVAL", "1h");
        let agent = sandbox.start(&["run"]);
        hub.reports(1);
        agent.signal(signal);
        let ended = agent.ended();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        let requests = hub.requests();
        assert_eq!(requests.len(), 2, "{signal:?}");
        assert_eq!(requests[1].body["status"], "stopped");
    }
}

#[test]
fn established_connections_on_the_session_ports_are_sessions() {
    let hub = FakeHub::start();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sandbox = Sandbox::reporting_to(&hub).config(&format!("[sessions]\nports = [{port}]"));
    let _agent = sandbox.start(&["run"]);
    hub.report("no session", |report| report["sessionCount"] == 0);
    let first = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let second = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let accepted = [listener.accept().unwrap(), listener.accept().unwrap()];
    hub.report("two sessions", |report| report["sessionCount"] == 2);
    drop((first, second, accepted));
    hub.report("no session again", |report| report["sessionCount"] == 0);
}

#[test]
fn what_two_want_to_say_is_said_by_the_operator_and_the_rest_is_counted() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).config("[metadata]\n\"git.branch\" = \"mine\"");
    // A repository by hand: a machine may lack git.
    let repository = sandbox.path("workspace");
    let commit = "0123456789abcdef0123456789abcdef01234567";
    std::fs::create_dir_all(repository.join(".git/objects")).unwrap();
    std::fs::create_dir_all(repository.join(".git/refs/heads")).unwrap();
    std::fs::write(repository.join(".git/HEAD"), "ref: refs/heads/trunk\n").unwrap();
    std::fs::write(repository.join(".git/refs/heads/trunk"), format!("{commit}\n")).unwrap();
    let path = repository.display();
    let sidecar = format!("[config]\npath = \"{path}\"\n[grant]\ndirs = [\"{path}\"]\n");
    sandbox.drop_collector("git", bundled("git"), &sidecar);
    let _agent = sandbox.start(&["run"]);
    let report = hub.report("the commit", |report| report["metadata"]["git.commit"].is_string());
    assert_eq!(report["metadata"]["git.commit"], commit);
    assert_eq!(report["metadata"]["git.branch"], "mine");
    assert_eq!(report["metadata"].get("git.dirty"), None, "it cannot be known without the commit");
    let rejected = report["rejected"].as_array().unwrap();
    assert!(rejected.iter().any(|one| one["plugin"] == "git" && one["name"] == "git.branch"), "{report}");
}
