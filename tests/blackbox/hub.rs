//! The hub as a process, with the real agent and with clients that send nonsense.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Process, Sandbox, delete, get, post, wait_for};

struct Running {
    hub: Process,
    url: String,
}

/// Starts a hub on a free port, which its log names.
fn start(sandbox: &Sandbox, arguments: &[&str]) -> Running {
    let mut all = vec!["hub", "--listen", "127.0.0.1:0"];
    all.extend(arguments);
    let hub = sandbox.start(&all);
    let line = hub.says(&["the hub listens", "address="]);
    let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
    Running { url: format!("http://{address}"), hub }
}

fn report(id: &str) -> Value {
    json!({"sandboxId": id, "status": "running", "cpuPercent": 1.5, "memoryMB": 64, "sessionCount": 1,
           "uptimeSecs": 3, "hostname": "h", "timestamp": "2026-11-20T12:00:00Z", "metadata": {"a": "b"}})
}

#[test]
fn an_agent_is_registered_reports_with_its_token_and_stops() {
    let sandbox = Sandbox::new();
    let hub = start(&sandbox, &[]);
    let sandboxes = format!("{}/api/v1/sandboxes", hub.url);
    assert_eq!(get(&format!("{}/health", hub.url)).0, 200);
    let (status, created) = post(&sandboxes, "application/json", br#"{"name":"mine","image":"debian"}"#);
    assert_eq!(status, 201, "{created}");
    let (id, token) = (created["sandbox"]["id"].as_str().unwrap(), created["token"].as_str().unwrap());
    let url = format!("{sandboxes}/{id}");
    assert_eq!(get(&url).1["sandbox"]["liveness"], "never-reported");

    let sandbox = sandbox
        .env("AGENT_SERVER_URL", &format!("{}/", hub.url))
        .env("AGENT_SANDBOX_ID", id)
        .env("AGENT_REPORT_INTERVAL", "100ms");
    let refused = sandbox.start(&["run"]);
    refused.says(&["401", "token"]);
    drop(refused);
    let sandbox = sandbox.env("AGENT_TOKEN", token);
    let agent = sandbox.start(&["run"]);
    let live = wait_for("a live sandbox with CPU", || {
        let (_, body) = get(&url);
        let metrics = &body["sandbox"]["agentInfo"]["metrics"];
        (metrics["cpuPercent"].is_number() && metrics["memoryMB"].is_u64()).then_some(body)
    });
    let info = &live["sandbox"]["agentInfo"];
    assert_eq!((&live["sandbox"]["liveness"], &live["sandbox"]["status"]), (&"live".into(), &"running".into()));
    assert_eq!(info["ipAddress"], "127.0.0.1");
    assert!(info["hostname"].is_string() && info["lastHeartbeat"].is_string(), "{live}");
    let (_, list) = get(&sandboxes);
    assert_eq!((list["total"].clone(), list["sandboxes"][0]["id"].as_str()), (json!(1), Some(id)));
    assert!(!list.to_string().contains(token) && !live.to_string().contains(token));

    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
    assert_eq!(get(&url).1["sandbox"]["liveness"], "stopped");
    assert_eq!(delete(&url).0, 200);
    assert_eq!(get(&url).0, 404);
    hub.hub.signal(Signal::TERM);
    let ended = hub.hub.ended();
    assert_eq!(ended.status.code(), Some(0));
    assert!(!ended.stderr.contains(token), "a token in the log");
}

#[test]
fn nonsense_is_refused_in_json_and_stored_nowhere() {
    let sandbox = Sandbox::new();
    let hub = start(&sandbox, &["--enroll", "open"]);
    let status_of = |id: &str| format!("{}/api/v1/sandboxes/{id}/status", hub.url);
    let json_type = "application/json";
    let with = |key: &str, value: Value| {
        let mut report = report("one");
        report[key] = value;
        report.to_string()
    };
    let mut cases = vec![
        ("one", String::new(), 400),
        ("one", "{".into(), 400),
        ("one", "[]".into(), 400),
        ("one", with("cpuPercent", json!("abc")), 400),
        ("one", with("memoryMB", json!(-5)), 400),
        ("one", with("uptimeSecs", json!(-1)), 400),
        ("one", with("status", json!("dancing")), 400),
        ("one", with("metadata", json!({"a": 1})), 400),
        ("one", with("sandboxId", json!("two")), 400),
        ("no_underscores", report("no_underscores").to_string(), 400),
    ];
    cases.push(("one", with("hostname", json!("x".repeat(2 << 20))), 413));
    for (id, body, expected) in cases {
        let (status, answer) = post(&status_of(id), json_type, body.as_bytes());
        assert_eq!(status, expected, "{answer}: {}", &body[..body.len().min(100)]);
        assert!(answer["message"].is_string() && !answer["code"].is_null(), "{answer}");
    }
    assert_eq!(get(&format!("{}/api/v1/sandboxes", hub.url)).1["total"], 0, "something was stored");

    let (status, answer) = post(&status_of("one"), json_type, report("one").to_string().as_bytes());
    assert_eq!((status, answer["success"].clone(), answer["sandboxId"].clone()), (200, json!(true), json!("one")));
    let before = get(&format!("{}/api/v1/sandboxes/one", hub.url)).1;
    assert_eq!(post(&status_of("one"), json_type, with("memoryMB", json!(-5)).as_bytes()).0, 400);
    assert_eq!(get(&format!("{}/api/v1/sandboxes/one", hub.url)).1, before);
}

#[test]
fn an_unknown_sandbox_is_404_when_enrolment_is_closed() {
    let sandbox = Sandbox::new();
    let hub = start(&sandbox, &[]);
    let url = format!("{}/api/v1/sandboxes/nobody", hub.url);
    for (status, answer) in [
        get(&url),
        delete(&url),
        post(&format!("{url}/status"), "application/json", report("nobody").to_string().as_bytes()),
    ] {
        assert_eq!(status, 404, "{answer}");
        assert!(answer["message"].is_string(), "{answer}");
    }
    assert_eq!(get(&format!("{}/nothing/here", hub.url)).0, 404);
}

#[test]
fn a_hub_that_is_killed_and_back_is_reported_to_again() {
    let sandbox = Sandbox::new();
    let hub = start(&sandbox, &["--enroll", "open"]);
    let address = hub.url.strip_prefix("http://").unwrap().to_owned();
    let sandbox =
        sandbox.env("AGENT_SERVER_URL", &hub.url).env("AGENT_SANDBOX_ID", "box").env("AGENT_REPORT_INTERVAL", "100ms");
    let agent = sandbox.start(&["run"]);
    let url = format!("{}/api/v1/sandboxes/box", hub.url);
    wait_for("the first report", || (get(&url).0 == 200).then_some(()));
    hub.hub.signal(Signal::KILL);
    hub.hub.ended();
    agent.says(&["refused"]);
    let back = sandbox.start(&["hub", "--listen", &address, "--enroll", "open"]);
    back.says(&["the hub listens"]);
    agent.says(&["accepts reports again"]);
    wait_for("the next report", || (get(&url).0 == 200).then_some(()));
}
