//! Reports: what is taken, what is shown of it, and what is refused without a trace.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::harness::{Hub, answer, base, with};

#[tokio::test]
async fn a_report_of_an_older_agent_is_taken() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("sbox-1").await;
    let report = with("sbox-1", json!({"timestamp": "2026-11-20T13:00:00.123456789+01:00", "memoryMB": 512}));
    let answer = hub.report(&token, &report).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"success": true, "sandboxId": "sbox-1"})));

    let sandbox = hub.sandbox("sbox-1").await;
    assert_eq!((&sandbox["status"], &sandbox["liveness"]), (&json!("running"), &json!("live")));
    let info = &sandbox["agentInfo"];
    assert_eq!(info["metrics"], json!({"memoryMB": 512}), "what was not measured is absent");
    assert_eq!(
        (&info["hostname"], &info["ipAddress"], &info["uptimeSecs"]),
        (&json!("box"), &json!("127.0.0.1"), &json!(3))
    );
    assert_eq!(info["timestamp"], "2026-11-20T12:00:00.123Z");
    assert!(info["lastHeartbeat"].as_str().unwrap().ends_with('Z'));
    assert!(info.get("bootId").is_none() && info.get("seq").is_none());
    hub.stop().await;
}

#[tokio::test]
async fn a_whole_report_is_shown_of_one_sandbox_and_in_brief_in_the_list() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let report = with(
        "s",
        json!({
            "cpuPercent": 12.5, "memoryMB": 512, "sessionCount": 2, "metadata": {"git.branch": "main"},
            "bootId": "b", "seq": 42, "agentVersion": "0.1.0", "intervalSecs": 30.0,
            "resources": {"cpuLimitCores": 2.0, "memoryLimitMB": 2048},
            "metrics": [{"name": "system.network.io", "kind": "counter", "unit": "By", "value": 123.0,
                         "attributes": {"network.interface.name": "eth0"}, "plugin": "net", "ageMs": 12}],
            "processes": {"web": {"status": "running", "baseUrl": "http://127.0.0.1:8000", "uptimeMs": 5000, "restartCount": 0}},
            "plugins": [{"name": "net", "version": "0.1.0", "digest": "sha256:00", "state": "active",
                         "calls": 1, "failures": 0, "pointsRejected": 0}],
        }),
    );
    assert_eq!(hub.report(&token, &report).await.status, 200);

    let sandbox = hub.sandbox("s").await;
    let info = &sandbox["agentInfo"];
    let figures = json!({"cpuPercent": 12.5, "memoryMB": 512, "memoryLimitMB": 2048, "sessionCount": 2});
    assert_eq!(info["metrics"], figures);
    for field in ["bootId", "seq", "agentVersion", "intervalSecs", "metadata"] {
        assert_eq!(info[field], report[field], "{field}");
    }
    for field in ["resources", "metrics", "processes", "plugins"] {
        assert_eq!(sandbox[field], report[field], "{field}");
    }
    let list = hub.get("/api/v1/sandboxes").send().await.body;
    let brief = &list["sandboxes"][0];
    assert_eq!(brief["agentInfo"]["metrics"], info["metrics"]);
    for field in ["resources", "metrics", "processes", "plugins"] {
        assert!(brief.get(field).is_none(), "{field}");
    }
    assert!(brief["agentInfo"].get("metadata").is_none());
    hub.stop().await;
}

#[tokio::test]
async fn who_watches_sees_what_was_accepted_and_nothing_else() {
    let mut hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    hub.report("wrong", &base("s")).await.refused(401, "unauthorized");
    hub.report(&token, &with("s", json!({"memoryMB": -5}))).await.refused(400, "memoryMB");
    for seq in [1, 1, 2] {
        hub.report(&token, &with("s", json!({"bootId": "b", "seq": seq}))).await;
    }
    for seq in [1, 2] {
        let accepted = hub.accepted.try_recv().unwrap();
        assert_eq!((&*accepted.sandbox_id, accepted.report.seq), ("s", Some(seq)));
    }
    assert!(hub.accepted.try_recv().is_err());
    hub.stop().await;
}

#[tokio::test]
async fn a_repeat_is_answered_like_the_first_and_changes_nothing() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let report = |seq: u64, cpu: f64| with("s", json!({"bootId": "b", "seq": seq, "cpuPercent": cpu}));
    assert!(hub.report(&token, &report(7, 1.0)).await.body.get("duplicate").is_none());
    let before = hub.sandbox("s").await;
    for seq in [7, 6] {
        let answer = hub.report(&token, &report(seq, 99.0)).await;
        assert_eq!(
            (answer.status, answer.body),
            (200, json!({"success": true, "sandboxId": "s", "duplicate": true, "accepts": ["delta"]}))
        );
    }
    assert_eq!(hub.sandbox("s").await, before);
    hub.report(&token, &report(8, 2.0)).await;
    assert_eq!(hub.sandbox("s").await["agentInfo"]["metrics"]["cpuPercent"], 2.0);
    hub.stop().await;
}

#[tokio::test]
async fn what_is_not_acceptable_is_named_and_leaves_no_trace() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    hub.report(&token, &with("s", json!({"cpuPercent": 5.0}))).await;
    let before = hub.sandbox("s").await;
    let report = |field: &str, value: Value| with("s", json!({field: value})).to_string();
    for (body, about) in [
        (String::new(), "the body is empty"),
        ("not json".into(), "not a JSON object"),
        ("[]".into(), "not a JSON object"),
        ("\"text\"".into(), "not a JSON object"),
        ("{\"sandboxId\":".into(), "not JSON"),
        ("{}".into(), "missing field `sandboxId`"),
        (base("s").to_string().replace(":3", ":NaN"), "not JSON"),
        (report("memoryMB", json!(-5)), "memoryMB: "),
        (report("cpuPercent", json!("abc")), "cpuPercent: "),
        (report("cpuPercent", json!(1e9)), "cpuPercent: "),
        (report("status", json!("failed")), "status: "),
        (report("sandboxId", json!("other")), "sandboxId: "),
        (report("metadata", json!({"k": ["v"]})), "metadata.k: "),
    ] {
        hub.post("/api/v1/sandboxes/s/status").bearer(&token).text(&body).send().await.refused(400, about);
    }
    assert_eq!(hub.sandbox("s").await, before);
    hub.stop().await;
}

#[tokio::test]
async fn only_json_is_taken_for_json() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let body = base("s").to_string();
    let post = || hub.post("/api/v1/sandboxes/s/status").bearer(&token);
    post().body(body.as_bytes()).send().await.refused(415, "Content-Type");
    post().header("Content-Type", "text/plain").body(body.as_bytes()).send().await.refused(415, "Content-Type");
    let charset = post().header("Content-Type", "application/json; charset=utf-8").body(body.as_bytes());
    assert_eq!(charset.send().await.status, 200);
    assert_eq!(post().chunked(&[&body.as_bytes()[..20], &body.as_bytes()[20..]]).send().await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_body_past_the_limit_is_refused_however_it_comes() {
    let hub = Hub::start(|config| config.limits.body = 10_000).await;
    let token = hub.register("s").await;
    let post = || hub.post("/api/v1/sandboxes/s/status").bearer(&token);
    let long = "x".repeat(3_000_000);
    post().text(&long).send().await.refused(413, "longer than 10000 bytes");
    post().chunked(&[long.as_bytes()]).send().await.refused(413, "longer than 10000 bytes");

    // One who asks first is told before sending anything.
    let mut stream = hub.connect().await;
    let asking = post().header("Content-Type", "application/json").header("Content-Length", "99999999");
    stream.write_all(&asking.header("Expect", "100-continue").bytes()).await.unwrap();
    answer(&mut stream).await.refused(413, "longer than 10000 bytes");
    assert_eq!(hub.sandbox("s").await["status"], "pending");

    let padded = format!("{}{}", base("s"), " ".repeat(9_000));
    assert_eq!(post().text(&padded).send().await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn ids_are_checked_before_anything_else() {
    let hub = Hub::start(|_| {}).await;
    for path in ["", "a_b", "a%2Fb", "a%00", "%ff", "..%2f", "ü", &"x".repeat(129)] {
        let path = format!("/api/v1/sandboxes/{path}/status");
        hub.post(&path).json(&base("s")).send().await.refused(400, "id: ");
    }
    hub.report("none", &base("unknown")).await.refused(404, "no sandbox has this id; register it first");
    for path in ["", "/history", "/events"] {
        let asked = hub.get(&format!("/api/v1/sandboxes/unknown{path}")).send().await;
        asked.refused(404, "no sandbox has this id");
        assert!(!asked.body["message"].as_str().unwrap().contains("register"), "{asked:?}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_report_of_a_mebibyte_with_thousands_of_metrics_is_taken() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let metric = |i: u32| {
        json!({"name": "some.metric", "kind": "gauge", "unit": "1", "value": i, "plugin": "p", "ageMs": 0,
               "attributes": {"i": i.to_string()}})
    };
    let report = with("s", json!({"metrics": (0..9000).map(metric).collect::<Vec<_>>()}));
    assert!(report.to_string().len() > 900_000);
    assert_eq!(hub.report(&token, &report).await.status, 200);
    assert_eq!(hub.sandbox("s").await["metrics"].as_array().unwrap().len(), 9000);
    hub.stop().await;
}
