//! `GET /openapi.json` against what the hub really does.

use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Answer, Hub, admin_key, base, with};
use crate::schema::faults;

async fn document(hub: &Hub) -> Value {
    let answer = hub.get("/openapi.json").send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Asserts that an answer is one that the document describes.
#[track_caller]
fn described(document: &Value, method: &str, path: &str, answer: &Answer) {
    let status = answer.status.to_string();
    let response = &document["paths"][path][method]["responses"][&status];
    assert!(response.is_object(), "{method} {path} is not said to answer {status}: {answer:?}");
    let schema = &response["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{method} {path} {status} has no schema");
    assert_eq!(faults(document, schema, &answer.body), Vec::<String>::new(), "{method} {path} {status}: {answer:?}");
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let hub = Hub::start(|_| {}).await;
    let document = document(&hub).await;
    let mut known = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let real = path.replace("{id}", "none");
        for method in ["get", "post", "put", "patch", "delete"] {
            let answer = hub.call(&method.to_uppercase(), &real).send().await;
            let described = item.get(method).is_some();
            assert_eq!(described, answer.status != 405, "{method} {path}: {answer:?}");
            assert!(!answer.body["message"].as_str().unwrap_or_default().contains("no route"), "{method} {path}");
            if described {
                known.push(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    // What the contract lists and this document must have.
    for route in [
        "GET /health",
        "POST /api/v1/sandboxes",
        "GET /api/v1/sandboxes",
        "GET /api/v1/sandboxes/{id}",
        "DELETE /api/v1/sandboxes/{id}",
        "POST /api/v1/sandboxes/{id}/token",
        "GET /api/v1/sandboxes/{id}/history",
        "GET /api/v1/sandboxes/{id}/events",
        "GET /api/v1/events",
        "GET /api/v1/fleet",
        "POST /api/v1/sandboxes/{id}/status",
        "GET /metrics",
        "GET /openapi.json",
    ] {
        assert!(known.iter().any(|known| known == route), "{route} is not in {known:?}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    let hub = Hub::start(|_| {}).await;
    let document = document(&hub).await;
    let said = |method, path, answer: &Answer| described(&document, method, path, answer);
    let (all, one) = ("/api/v1/sandboxes", "/api/v1/sandboxes/{id}");
    let full = json!({"id": "s", "name": "one", "image": "i", "metadata": {"team": "a"}});
    let registered = hub.post(all).json(&full).send().await;
    said("post", all, &registered);
    said("post", all, &hub.post(all).json(&full).send().await);
    said("post", all, &hub.post(all).json(&json!({"id": "a_b"})).send().await);
    said("post", all, &hub.post(all).body(b"{}").send().await);
    said("get", one, &hub.get("/api/v1/sandboxes/s").send().await);

    let token = registered.body["token"].as_str().unwrap();
    let status = "/api/v1/sandboxes/{id}/status";
    said("post", status, &hub.report(token, &everything()).await);
    said("post", status, &hub.report(token, &everything()).await);
    said("post", status, &hub.report("wrong", &base("s")).await);
    said("post", status, &hub.report(token, &with("s", json!({"memoryMB": -1}))).await);
    said("post", status, &hub.report(token, &base("other")).await);

    let sandbox = hub.get("/api/v1/sandboxes/s").send().await;
    for part in ["trigger", "stopping", "gap", "resumed", "resources", "metrics", "processes", "plugins", "rejected"] {
        assert!(sandbox.body["sandbox"].get(part).is_some(), "{part}");
    }
    said("get", one, &sandbox);
    said("get", one, &hub.get("/api/v1/sandboxes/other").send().await);
    said("get", all, &hub.get("/api/v1/sandboxes?limit=1").send().await);
    said("get", all, &hub.get("/api/v1/sandboxes?limit=0").send().await);
    said("get", "/api/v1/events", &hub.get("/api/v1/events").send().await);
    said("get", "/api/v1/events", &hub.get("/api/v1/events?type=odd").send().await);
    said("get", "/api/v1/sandboxes/{id}/events", &hub.get("/api/v1/sandboxes/s/events?limit=1").send().await);
    said("get", "/api/v1/fleet", &hub.get("/api/v1/fleet").send().await);
    said("get", "/health", &hub.get("/health").send().await);
    let history = "/api/v1/sandboxes/{id}/history";
    said("get", history, &hub.get("/api/v1/sandboxes/s/history").send().await);
    let rotate = "/api/v1/sandboxes/{id}/token";
    said("post", rotate, &hub.post("/api/v1/sandboxes/s/token").json(&json!({})).send().await);
    said("post", rotate, &hub.post("/api/v1/sandboxes/s/token").json(&json!({"overlapSecs": -1})).send().await);
    said("delete", one, &hub.delete("/api/v1/sandboxes/s").send().await);
    said("delete", one, &hub.delete("/api/v1/sandboxes/s").send().await);
    hub.stop().await;
}

#[tokio::test]
async fn the_description_needs_no_key_and_says_what_does() {
    let hub = Hub::start(admin_key).await;
    let document = document(&hub).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let real = path.replace("{id}", "none");
            let bare = hub.call(&method.to_uppercase(), &real).send().await;
            let wants_key = operation["security"][0].get("adminKey").is_some();
            assert_eq!(wants_key, bare.status == 401, "{method} {path}: {bare:?}");
            if wants_key {
                described(&document, method, path, &bare);
                let with_key = hub.call(&method.to_uppercase(), &real).bearer(ADMIN_KEY).send().await;
                assert_ne!(with_key.status, 401, "{method} {path}");
            }
        }
    }
    hub.stop().await;
}

/// A report with something in each of its fields.
fn everything() -> Value {
    let stall = json!({"avg10": 1.0, "avg60": 0.5, "avg300": 0.1, "totalSecs": 2.5});
    with(
        "s",
        json!({
            "cpuPercent": 12.5, "memoryMB": 512, "sessionCount": 2, "metadata": {"git.branch": "main"},
            "bootId": "b", "seq": 42, "agentVersion": "0.1.0", "intervalSecs": 30.0, "trigger": "change",
            "stopping": true, "resumed": {"suspendedMs": 5000, "at": "2026-11-20T12:00:00Z"},
            "gap": {"missed": 2, "firstFailure": "2026-11-20T11:59:00Z", "lastError": "refused"},
            "resources": {
                "cpuLimitCores": 2.0, "memoryLimitMB": 2048, "cpuSource": "cgroup2", "memorySource": "cgroup2",
                "cpuTimeSecs": 3.5, "cpuThrottling": {"periods": 10, "throttledPeriods": 1, "throttledSecs": 0.5},
                "memoryUsageBytes": 600_000_000, "oomKills": 1, "pids": 12, "pidsLimit": 100, "openFiles": 50,
                "pressure": {"cpu": {"some": stall}, "memory": {"some": stall, "full": stall}},
                "disks": [{"path": "/", "sizeBytes": 100, "usedBytes": 40, "availableBytes": 60}],
            },
            "metrics": [
                {"name": "a.counter", "kind": "counter", "unit": "By", "value": 123.0, "plugin": "net", "ageMs": 12,
                 "attributes": {"network.interface.name": "eth0"}},
                {"name": "a.gauge", "kind": "gauge", "unit": "1", "value": -0.5, "plugin": "net", "ageMs": 0},
                {"name": "a.histogram", "kind": "histogram", "unit": "s", "plugin": "net", "ageMs": 0,
                 "value": {"bounds": [0.5], "counts": [1, 2], "sum": 3.5}},
            ],
            "processes": {
                "web": {"status": "running", "baseUrl": "http://127.0.0.1:8000", "uptimeMs": 5000, "restartCount": 0},
                "db": {"status": "error", "restartCount": 3, "lastError": "exited with code 1", "exitCode": 1},
            },
            "plugins": [
                {"name": "net", "version": "0.1.0", "digest": "sha256:00", "state": "active", "calls": 1,
                 "failures": 0, "pointsRejected": 0, "durationMs": {"last": 1.0, "p50": 1.0, "p99": 2.0}},
                {"name": "bad", "state": "quarantined", "failure": "trap", "reason": "it trapped", "calls": 5,
                 "failures": 5, "failuresByName": {"trap": 5}, "pointsRejected": 1, "restsForMs": 100,
                 "lastError": {"failure": "trap", "reason": "it trapped", "at": "2026-11-20T12:00:00Z"},
                 "lastReload": {"result": "loaded", "at": "2026-11-20T12:00:00Z"}, "grants": ["read /proc/net/dev"]},
            ],
            "rejected": [{"plugin": "bad", "name": "x", "reason": "no unit", "count": 2}],
        }),
    )
}
