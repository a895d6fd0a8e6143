//! Reports that are shorter than what they say: compressed, and without what has not changed.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::harness::{Answer, Hub, base, with};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn encoded(hub: &Hub, token: &str, coding: &str, bytes: &[u8]) -> Answer {
    let post = hub.post("/api/v1/sandboxes/s/status").bearer(token).header("Content-Type", "application/json");
    post.header("Content-Encoding", coding).body(bytes).send().await
}

#[tokio::test]
async fn a_compressed_report_is_read() {
    let hub = Hub::start(|config| config.limits.body = 100_000).await;
    let token = hub.register("s").await;
    let report = with("s", json!({"cpuPercent": 12.5, "metadata": {"k": "v".repeat(1000)}})).to_string();
    assert_eq!(encoded(&hub, &token, "gzip", &gzip(report.as_bytes())).await.status, 200);
    assert_eq!(hub.sandbox("s").await["agentInfo"]["metrics"]["cpuPercent"], 12.5);
    assert_eq!(encoded(&hub, &token, "identity", report.as_bytes()).await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn what_inflates_past_the_limit_is_refused() {
    let hub = Hub::start(|config| config.limits.body = 100_000).await;
    let token = hub.register("s").await;
    let bomb = gzip(&vec![b' '; 50_000_000]);
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    encoded(&hub, &token, "gzip", &bomb).await.refused(413, "longer than 100000 bytes");
    let mut padded = base("s").to_string();
    padded.push_str(&" ".repeat(100_001 - padded.len()));
    encoded(&hub, &token, "gzip", &gzip(padded.as_bytes())).await.refused(413, "longer than 100000 bytes");
    assert_eq!(encoded(&hub, &token, "gzip", &gzip(&padded.as_bytes()[..100_000])).await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn what_is_not_encoded_as_it_says_is_refused() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let report = base("s").to_string();
    encoded(&hub, &token, "gzip", report.as_bytes()).await.refused(400, "Content-Encoding: gzip");
    let whole = gzip(report.as_bytes());
    encoded(&hub, &token, "gzip", &whole[..whole.len() - 9]).await.refused(400, "Content-Encoding: gzip");
    for coding in ["br", "zstd", "gzip, gzip"] {
        let answer = encoded(&hub, &token, coding, &whole).await;
        answer.refused(415, "Content-Encoding: gzip");
        assert!(answer.head.contains("accept-encoding: gzip, identity"), "{answer:?}");
    }
    assert_eq!(hub.sandbox("s").await["status"], "pending");
    hub.stop().await;
}

#[tokio::test]
async fn what_has_not_changed_need_not_be_sent_again() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let plugins = json!([{"name": "net", "state": "active", "calls": 1, "failures": 0, "pointsRejected": 0}]);
    let whole = json!({"bootId": "b", "seq": 1, "metadata": {"git.branch": "main"}, "plugins": plugins});
    assert_eq!(hub.report(&token, &with("s", whole)).await.body["accepts"], json!(["delta"]));
    let delta = json!({"bootId": "b", "seq": 2, "cpuPercent": 5.0, "unchanged": ["metadata", "plugins"]});
    assert_eq!(hub.report(&token, &with("s", delta)).await.body["accepts"], json!(["delta"]));
    let sandbox = hub.sandbox("s").await;
    assert_eq!(sandbox["agentInfo"]["metadata"], json!({"git.branch": "main"}));
    assert_eq!((&sandbox["plugins"], &sandbox["unchanged"]), (&plugins, &json!(["metadata", "plugins"])));
    assert!(sandbox.get("missing").is_none());
    assert_eq!(sandbox["agentInfo"]["metrics"]["cpuPercent"], 5.0);

    let twice = json!({"bootId": "b", "seq": 3, "plugins": [], "unchanged": ["metadata", "metadata", "plugins"]});
    assert_eq!(hub.report(&token, &with("s", twice)).await.body["accepts"], json!(["delta"]));
    let sandbox = hub.sandbox("s").await;
    assert_eq!(sandbox["agentInfo"]["metadata"], json!({"git.branch": "main"}), "named twice, it is still there");
    assert_eq!((&sandbox["plugins"], &sandbox["unchanged"]), (&plugins, &json!(["metadata", "plugins"])));
    let carried = json!({"bootId": "b", "seq": 4, "metadata": {"git.branch": "next"}, "unchanged": ["metadata"]});
    assert_eq!(hub.report(&token, &with("s", carried)).await.body["accepts"], json!(["delta"]));
    assert_eq!(
        hub.sandbox("s").await["agentInfo"]["metadata"],
        json!({"git.branch": "next"}),
        "what is carried counts"
    );

    let answer = hub.report(&token, &with("s", json!({"bootId": "c", "seq": 1, "unchanged": ["metadata"]}))).await;
    assert_eq!(
        (answer.status, answer.body),
        (200, json!({"success": true, "sandboxId": "s"})),
        "nothing is kept of it"
    );
    let sandbox = hub.sandbox("s").await;
    assert_eq!((&sandbox["agentInfo"]["metadata"], &sandbox["missing"]), (&json!({}), &json!(["metadata"])));
    hub.stop().await;
}

#[tokio::test]
async fn trouble_that_a_report_tells_of_is_shown() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let resources = json!({"oomKills": 1, "pids": 7, "disks": [{"path": "/", "sizeBytes": 10, "usedBytes": 1, "availableBytes": 9}],
        "pressure": {"cpu": {"some": {"avg10": 1.5, "avg60": 0.0, "avg300": 0.0, "totalSecs": 2.0}}}});
    let fields = json!({"trigger": "change", "stopping": true, "resumed": {"suspendedMs": 5000, "at": "2026-11-20T12:00:00.000Z"},
        "gap": {"missed": 3, "firstFailure": "2026-11-20T12:00:00.000Z", "lastError": "connection refused"},
        "resources": resources});
    assert_eq!(hub.report(&token, &with("s", fields.clone())).await.status, 200);
    let sandbox = hub.sandbox("s").await;
    for field in ["trigger", "stopping", "resumed", "gap", "resources"] {
        assert_eq!(sandbox[field], fields[field], "{field}");
    }
    assert_eq!(hub.report(&token, &base("s")).await.status, 200);
    let sandbox = hub.sandbox("s").await;
    for field in ["trigger", "stopping", "resumed", "gap", "unchanged", "missing"] {
        assert_eq!(sandbox.get(field), None::<&Value>, "{field}");
    }
    hub.stop().await;
}
