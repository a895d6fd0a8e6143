//! Processes over the local API, where the npm client's own test (tests/npm) does not reach: who may do what, streams
//! that are resumed, malformed requests, and many at once.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Api, FakeHub, Process, Sandbox, wait_for};

const TOKEN: &str = "open-sesame-open-sesame";
const SLEEPER: &str = "[processes.web]\ncommand = [\"sleep\", \"1000\"]";

/// Starts an agent with its API on a free TCP port.
fn start(sandbox: Sandbox) -> (Process, Api, Sandbox) {
    let sandbox = sandbox.env("SANDBEAT_API__LISTEN", "127.0.0.1:0");
    let agent = sandbox.start(&["run"]);
    let line = agent.says(&["local API", "127.0.0.1:"]);
    let port: String = line.split("127.0.0.1:").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    (agent, Api::tcp(&format!("127.0.0.1:{port}")), sandbox)
}

/// The same with a token, which the API's handle sends.
fn start_trusted(hub: &FakeHub) -> (Process, Api, Sandbox) {
    let (agent, api, sandbox) = start(Sandbox::reporting_to(hub).env("SANDBEAT_API__TOKEN", TOKEN));
    (agent, api.with("authorization", &format!("Bearer {TOKEN}")), sandbox)
}

fn kind(answer: &Value) -> &str {
    answer["type"].as_str().and_then(|kind| kind.strip_prefix("urn:sandbeat:error:")).unwrap_or_default()
}

fn sh(script: &str) -> Value {
    json!({ "command": "sh", "args": ["-c", script] })
}

/// Creates a process and returns its id.
fn create(api: &Api, request: &Value) -> String {
    let (status, created) = api.ask("POST /v1/processes", request);
    assert_eq!(status, 200, "{created}");
    created["id"].as_str().unwrap().to_owned()
}

fn exited(api: &Api, id: &str) -> Value {
    wait_for("the process's end", || {
        let (_, process) = api.get(&format!("GET /v1/processes/{id}"));
        (process["status"] == "exited").then_some(process)
    })
}

/// Waits until so many entries are in its log.
fn written(api: &Api, id: &str, count: usize) {
    wait_for("its output", || {
        let (_, logs) = api.get(&format!("GET /v1/processes/{id}/logs"));
        (logs["entries"].as_array().unwrap().len() >= count).then_some(())
    });
}

/// What starts programs or feeds them, as a stranger would ask for it.
fn dangerous(id: &str) -> Vec<(String, Value)> {
    vec![
        ("POST /v1/processes".to_owned(), json!({ "command": "true" })),
        ("POST /v1/processes/run".to_owned(), json!({ "command": "true" })),
        ("POST /v1/processes/config".to_owned(), json!({})),
        (format!("POST /v1/processes/{id}/input"), json!({ "data": "" })),
        (format!("POST /v1/processes/{id}/terminal/resize"), json!({ "cols": 1, "rows": 1 })),
        (format!("GET /v1/processes/{id}/terminal/ws"), Value::Null),
    ]
}

#[test]
fn without_a_token_nobody_on_tcp_starts_or_feeds_programs() {
    let hub = FakeHub::start();
    let (agent, api, _sandbox) = start(Sandbox::reporting_to(&hub).config(SLEEPER));
    for (request, body) in dangerous("web") {
        let (status, answer) = api.ask(&request, &body);
        assert_eq!((status, kind(&answer)), (403, "token_required"), "{request}");
        let cure = answer["detail"].as_str().unwrap();
        assert!(cure.contains("api.token_file") && cure.contains("api.processes"), "{cure}");
    }
    // Looking, and restarting what the operator has configured, can be done as before.
    wait_for("the process", || (api.get("GET /v1/processes/web").1["status"] == "running").then_some(()));
    assert_eq!(api.get("GET /v1/processes/web/logs").0, 200);
    assert_eq!(api.get("GET /v1/processes/config").0, 200);
    let (status, stopped) = api.get("POST /v1/processes/web/stop?waitMs=10000");
    assert_eq!((status, &stopped["status"], &stopped["state"]), (200, &"exited".into(), &"stopped".into()));
    assert_eq!(stopped["exitSignal"], "SIGTERM");
    let (status, started) = api.get("POST /v1/processes/web/start?waitMs=10000");
    assert_eq!((status, &started["status"], &started["owner"]), (200, &"running".into(), &"system".into()));
    let (status, restarted) = api.get("POST /v1/processes/web/restart?waitMs=10000");
    assert_eq!((status, &restarted["status"]), (200, &"running".into()));
    assert_ne!(restarted["pid"], started["pid"]);
    // Only what was created can be deleted, and that is no business of whoever has no token.
    assert_eq!(api.get("DELETE /v1/processes/web").0, 403);
    agent.signal(Signal::TERM);
    agent.ended();
}

#[test]
fn the_operator_can_allow_it_to_anyone_and_a_unix_socket_does() {
    let hub = FakeHub::start();
    let allowed = Sandbox::reporting_to(&hub).config("[api]\nprocesses = \"anyone\"");
    let (_agent, api, _sandbox) = start(allowed);
    let id = create(&api, &json!({ "command": "true" }));
    exited(&api, &id);
    assert_eq!(api.get(&format!("POST /v1/processes/{id}/start?waitMs=10000")).0, 200);
    // A browser's page of another site is refused all the same.
    for (name, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
        for (request, body) in dangerous(&id) {
            let (status, answer) = api.with(name, value).ask(&request, &body);
            assert_eq!((status, kind(&answer)), (403, "cross_site"), "{request}");
        }
    }

    let sandbox = Sandbox::reporting_to(&hub);
    let agent = sandbox.start(&["run"]);
    agent.says(&["local API", "api.sock"]);
    let api = Api::unix(&sandbox.path("api.sock"));
    let (status, ran) = api.ask("POST /v1/processes/run", &sh("echo hi"));
    assert_eq!((status, &ran["stdout"]), (200, &"hi\n".into()));
}

#[test]
fn beyond_loopback_there_is_no_api_without_a_token() {
    let hub = FakeHub::start();
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let ended = Sandbox::reporting_to(&hub).env("SANDBEAT_API__LISTEN", listen).start(&["run"]).ended();
        assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("api.token_file"), "{}", ended.stderr);
    }
}

#[test]
fn a_stream_goes_on_where_it_was_left_and_ends_with_the_process() {
    let hub = FakeHub::start();
    let (_agent, api, _sandbox) = start_trusted(&hub);
    let id = create(
        &api,
        &json!({ "command": "sh", "args": ["-c", "echo 1; echo 2; read go; echo 3"], "interactive": true }),
    );
    written(&api, &id, 2);
    let follow = format!("GET /v1/processes/{id}/logs?follow=true");
    let mut first = api.send(&follow, b"");
    assert_eq!((first.status, first.content_type.as_str()), (200, "text/event-stream"));
    assert_eq!(first.line().as_deref(), Some("event: log"));
    assert_eq!(first.line().as_deref(), Some("id: 1"));
    drop(first);
    let mut second = api.with("last-event-id", "1").send(&follow, b"");
    assert_eq!(api.ask(&format!("POST /v1/processes/{id}/input"), &json!({ "data": "Cg==" })).0, 200);
    let mut ids = Vec::new();
    while let Some(line) = second.line() {
        ids.extend(line.strip_prefix("id: ").map(str::to_owned));
    }
    assert_eq!(ids, ["2", "3"], "and then the stream ended");
    assert_eq!(exited(&api, &id)["exitCode"], 0);
    // What was seen of another agent's process is no reason to show nothing of this one's.
    let mut third = api.with("last-event-id", "99999").send(&follow, b"");
    assert_eq!((third.line(), third.line()), (Some("event: log".to_owned()), Some("id: 1".to_owned())));
    let (status, answer) = api.with("last-event-id", "x").get(&follow);
    assert_eq!((status, kind(&answer)), (400, "invalid_request"));
}

#[test]
fn a_stream_ends_with_what_is_deleted_and_does_not_hold_up_the_agents_end() {
    let hub = FakeHub::start();
    let (agent, api, _sandbox) = start_trusted(&hub);
    let id = create(&api, &json!({ "command": "sleep", "args": ["1000"] }));
    let mut follows: Vec<_> =
        (0..8).map(|_| api.send(&format!("GET /v1/processes/{id}/logs?follow=true"), b"")).collect();
    let before = Instant::now();
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().status.code(), Some(0));
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    assert!(follows.iter_mut().all(|follow| follow.line().is_none()));
}

#[test]
fn a_run_returns_at_its_timeout_and_leaves_nothing() {
    let hub = FakeHub::start();
    let (_agent, api, sandbox) = start_trusted(&hub);
    let pid = sandbox.path("pid");
    let script = format!("sleep 1000 & echo $! > {}; echo begun; wait", pid.display());
    let mut request = sh(&script);
    request["timeoutMs"] = 300.into();
    let before = Instant::now();
    let (status, ran) = api.ask("POST /v1/processes/run", &request);
    assert_eq!((status, &ran["timedOut"], &ran["exitCode"]), (200, &true.into(), &Value::Null), "{ran}");
    assert_eq!(ran["stdout"], "begun\n");
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    wait_for("the grandchild's end", || rustix::process::test_kill_process(pid).is_err().then_some(()));
}

#[test]
fn an_input_can_be_closed() {
    let hub = FakeHub::start();
    let (_agent, api, _sandbox) = start_trusted(&hub);
    let id = create(&api, &json!({ "command": "wc", "args": ["-c"], "interactive": true }));
    let input = format!("POST /v1/processes/{id}/input");
    let (status, answer) = api.ask(&input, &json!({ "data": "12345", "encoding": "utf8", "close": true }));
    assert_eq!((status, &answer["bytesWritten"]), (200, &5.into()));
    assert_eq!(exited(&api, &id)["exitCode"], 0);
    let (status, answer) = api.ask(&input, &json!({ "data": "" }));
    assert_eq!((status, kind(&answer)), (409, "process_not_running"));
    written(&api, &id, 1);
    let text = api.get(&format!("GET /v1/processes/{id}/logs")).1["entries"][0]["data"].clone();
    assert_eq!(text, "NQo=", "5 bytes were counted");
}

#[test]
fn what_is_malformed_is_a_problem() {
    let hub = FakeHub::start();
    let (_agent, api, _sandbox) = start_trusted(&hub);
    let id = create(&api, &json!({ "command": "cat", "interactive": true }));
    let typed = api.with("content-type", "application/json");
    let large = format!("{{\"command\":\"true\",\"args\":[\"{}\"]}}", "x".repeat(3 << 20));
    let long = format!("{{\"command\":\"true\",\"args\":[\"{}\"]}}", "x".repeat(200_000));
    let input = format!("{{\"data\":\"{}\",\"encoding\":\"utf8\"}}", "x".repeat(70_000));
    for (request, body, status, name) in [
        ("POST /v1/processes", "", 400, "malformed_json"),
        ("POST /v1/processes", "{\"command\":", 400, "malformed_json"),
        ("POST /v1/processes", "[]", 422, "unexpected_body"),
        ("POST /v1/processes", "{\"command\":[]}", 422, "unexpected_body"),
        ("POST /v1/processes", large.as_str(), 413, "payload_too_large"),
        ("POST /v1/processes", long.as_str(), 400, "invalid_request"),
        ("POST /v1/processes", "{\"command\":\"a\\u0000b\"}", 400, "invalid_request"),
        ("POST /v1/processes/run", "{\"command\":\"true\",\"env\":{\"A=B\":\"\"}}", 400, "invalid_request"),
        ("POST /v1/processes/run", "{\"command\":\"true\",\"timeoutMs\":-1}", 422, "unexpected_body"),
        ("POST /v1/processes/run", "{\"command\":\"/no/such/program\"}", 502, "process_not_started"),
        ("POST /v1/processes/config", "{\"maxConcurrentProcesses\":5}", 422, "unexpected_body"),
        ("POST /v1/processes/ID/input", "{\"data\":\"%\"}", 400, "invalid_request"),
        ("POST /v1/processes/ID/input", "{\"data\":\"\",\"encoding\":\"x\"}", 400, "invalid_request"),
        ("POST /v1/processes/ID/input", input.as_str(), 413, "payload_too_large"),
        ("POST /v1/processes/ID/terminal/resize", "{\"cols\":1,\"rows\":1}", 409, "no_terminal"),
        ("POST /v1/processes/ID/terminal/resize", "{\"cols\":70000,\"rows\":1}", 422, "unexpected_body"),
        ("GET /v1/processes/ID/terminal/ws", "", 409, "no_terminal"),
        ("GET /v1/processes/ID/logs?stream=none", "", 400, "bad_query"),
        ("GET /v1/processes/ID/logs?tail=-1", "", 400, "bad_query"),
        ("POST /v1/processes/ID/stop?waitMs=soon", "", 400, "bad_query"),
        ("GET /v1/processes?owner=me", "", 400, "bad_query"),
        ("DELETE /v1/processes/ID", "", 409, "process_running"),
        ("DELETE /v1/processes/proc_999", "", 404, "process_not_found"),
        ("PUT /v1/processes/ID", "", 405, "method_not_allowed"),
        ("GET /v1/processes/ID/nothing", "", 404, "not_found"),
        ("GET /v1/processes/%ff", "", 400, "bad_path"),
    ] {
        let answer = typed.send(&request.replace("ID", &id), body.as_bytes());
        assert_eq!(answer.content_type, "application/problem+json", "{request}");
        let (told, answer) = answer.json();
        assert_eq!((told, kind(&answer)), (status, name), "{request}: {answer}");
        assert_eq!(answer["status"], status);
    }
    let (status, answer) = api.send("POST /v1/processes", b"{\"command\":\"true\"}").json();
    assert_eq!((status, kind(&answer)), (415, "unsupported_media_type"));
    assert_eq!(api.get(&format!("GET /v1/processes/{id}")).1["status"], "running", "none of it was its end");
}

#[test]
fn followers_are_bounded_and_starve_nobody() {
    let hub = FakeHub::start();
    let (_agent, api, _sandbox) = start_trusted(&hub);
    let id = create(&api, &json!({ "command": "sleep", "args": ["1000"] }));
    let follow = format!("GET /v1/processes/{id}/logs?follow=true");
    let mut follows = Vec::new();
    let refused = loop {
        let answer = api.send(&follow, b"");
        match answer.status {
            200 => follows.push(answer),
            _ => break answer,
        }
        assert!(follows.len() < 1000, "there is an end");
    };
    assert_eq!(refused.status, 429);
    assert_eq!(api.get("GET /v1/health").0, 200);
    assert_eq!(api.ask("POST /v1/processes/run", &json!({ "command": "true" })).0, 200);
    drop(follows);
    wait_for("room for one more", || (api.send(&follow, b"").status == 200).then_some(()));
}

#[test]
fn two_hundred_can_be_created_at_once_and_no_more_than_allowed() {
    const COUNT: usize = 200;
    let hub = FakeHub::start();
    let (_agent, api, _sandbox) = start_trusted(&hub);
    let (_, mut config) = api.get("GET /v1/processes/config");
    config["maxConcurrentProcesses"] = COUNT.into();
    assert_eq!(api.ask("POST /v1/processes/config", &config).0, 200);
    let sleeper = json!({ "command": "sleep", "args": ["1000"] });
    let mut ids: Vec<String> = std::thread::scope(|scope| {
        let creating: Vec<_> = (0..COUNT).map(|_| scope.spawn(|| create(&api, &sleeper))).collect();
        creating.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (status, answer) = api.ask("POST /v1/processes", &sleeper);
    assert_eq!((status, kind(&answer)), (409, "too_many_processes"));
    let (_, list) = api.get("GET /v1/processes?owner=user");
    let listed: Vec<&Value> = list["processes"].as_array().unwrap().iter().collect();
    assert!(listed.iter().all(|process| process["status"] == "running"));
    let listed: Vec<&str> = listed.iter().map(|process| process["id"].as_str().unwrap()).collect();
    ids.sort_by_key(|id| id[5..].parse::<u32>().unwrap());
    assert_eq!(listed, ids, "each once, in the order of creation");
}

#[test]
fn a_token_in_a_query_opens_websockets_alone_and_is_never_logged() {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub).env("SANDBEAT_API__TOKEN", TOKEN).env("SANDBEAT_LOG", "trace");
    let (agent, api, _sandbox) = start(sandbox);
    let trusted = api.with("authorization", &format!("Bearer {TOKEN}"));
    let id = create(&trusted, &json!({ "command": "cat", "tty": true }));
    let path = format!("GET /v1/processes/{id}/terminal/ws?access_token={TOKEN}");
    assert_eq!(api.get(&path).0, 401, "no websocket is asked for");
    let asking = api.with("upgrade", "websocket");
    assert_eq!(asking.get(&path).0, 400, "the token is good, the rest is missing");
    assert_eq!(asking.get(&format!("{path}x")).0, 401);
    assert_eq!(asking.with("origin", "http://evil.example").get(&path).0, 403);
    agent.signal(Signal::TERM);
    let ended = agent.ended();
    assert!(!ended.stderr.contains(TOKEN), "{}", ended.stderr);
}
