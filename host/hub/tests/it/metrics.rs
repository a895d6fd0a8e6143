//! `GET /metrics`, read as strictly as the formats have it.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::time::Duration;

use sandbeat_hub::{EventKind, Webhook};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::harness::{ADMIN_KEY, DEADLINE, Hub, admin_key, base, with};
use crate::openmetrics::{read, value};

const OPEN: &str = "application/openmetrics-text;version=1.0.0";

/// Type and text.
async fn scrape(hub: &Hub, accept: &str) -> (String, String) {
    let mut stream = hub.connect().await;
    // HTTP/1.0: the body ends with the connection, however it is made.
    let request = format!("GET /metrics HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap();
    (kind.to_owned(), body.to_owned())
}

#[tokio::test]
async fn the_hub_tells_of_itself() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    for seq in [1, 1, 2] {
        hub.report(&token, &with("s", json!({"bootId": "b", "seq": seq}))).await;
    }
    hub.report("wrong", &base("s")).await.refused(401, "unauthorized");
    hub.report(&token, &with("s", json!({"memoryMB": -1}))).await.refused(400, "memoryMB");
    let (kind, text) = scrape(&hub, OPEN).await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let families = read(&text).unwrap_or_else(|wrong| panic!("{wrong}"));
    for (family, kind) in [
        ("sandbeat_hub_build", "info"),
        ("sandbeat_hub_report_duration_seconds", "histogram"),
        ("sandbeat_hub_commit_duration_seconds", "histogram"),
        ("sandbeat_hub_snapshot_duration_seconds", "histogram"),
        ("sandbeat_hub_reports_accepted", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_cpu_seconds", "counter"),
    ] {
        assert_eq!(families[family].kind, kind, "{family}");
    }
    for (sample, labels, expected) in [
        ("sandbeat_hub_sandboxes", &[("liveness", "live")][..], 1.0),
        ("sandbeat_hub_sandboxes", &[("liveness", "lost")], 0.0),
        ("sandbeat_hub_sandboxes_limit", &[], 100_000.0),
        ("sandbeat_hub_reports_accepted_total", &[], 2.0),
        ("sandbeat_hub_reports_duplicate_total", &[], 1.0),
        ("sandbeat_hub_reports_refused_total", &[("status", "401")], 1.0),
        ("sandbeat_hub_reports_refused_total", &[("status", "400")], 1.0),
        ("sandbeat_hub_report_duration_seconds_count", &[], 5.0),
        ("sandbeat_hub_store_trouble", &[], 0.0),
    ] {
        assert_eq!(value(&families, sample, labels), Some(expected), "{sample} {labels:?}: {text}");
    }
    assert!(!text.contains("sandbeat_sandbox_"), "not switched on");
    let (kind, text) = scrape(&hub, "*/*").await;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert!(text.contains("# TYPE sandbeat_hub_reports_accepted_total counter\n") && !text.contains("# EOF"), "{text}");
    hub.stop().await;
}

/// An alert on a name that does not exist never fires.
#[tokio::test]
async fn whatever_the_documentation_names_is_there() {
    let hub = Hub::start(|config| {
        let url = "http://127.0.0.1:9/".to_owned();
        config.webhooks = vec![Webhook { url, secret: None, events: vec![EventKind::Lost] }];
    })
    .await;
    let token = hub.register("s").await;
    hub.report(&token, &with("s", json!({"memoryMB": -1}))).await.refused(400, "memoryMB");
    let (_, text) = scrape(&hub, "*/*").await;
    let documentation = [include_str!("../../../../docs/operations.md"), include_str!("../../../../docs/hub.md")];
    let names = documentation.iter().flat_map(|text| text.split('`')).filter(|name| name.starts_with("sandbeat_hub_"));
    let names: Vec<_> = names.map(|name| name.split('{').next().unwrap_or(name)).collect();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}: {text}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_report_counts_once_as_what_its_sender_was_told() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let hub = Hub::start(|config| config.data = Some(data.clone())).await;
    let token = hub.register("s").await;
    // What another program does to the database lets each event fail.
    let database = rusqlite::Connection::open(data.join("hub.db")).unwrap();
    database
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'full'); END")
        .unwrap();
    let report = with("s", json!({"bootId": "b", "seq": 1}));
    for _ in 0..2 {
        hub.report(&token, &report).await.refused(503, "disk");
    }
    let counts = async || {
        let families = read(&scrape(&hub, OPEN).await.1).unwrap();
        let of = |sample: &str, labels: &[(&str, &str)]| value(&families, sample, labels).unwrap_or(0.0);
        let accepted = of("sandbeat_hub_reports_accepted_total", &[]);
        let refused = of("sandbeat_hub_reports_refused_total", &[("status", "503")]);
        (accepted, of("sandbeat_hub_reports_duplicate_total", &[]), refused)
    };
    assert_eq!(counts().await, (0.0, 0.0, 2.0));
    database.execute_batch("DROP TRIGGER full").unwrap();
    let mut refused = 2.0;
    while hub.report(&token, &report).await.status == 503 {
        refused += 1.0;
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(counts().await, (0.0, 1.0, refused), "it was there already, and its sender has now heard so");
    hub.stop().await;
}

#[tokio::test]
async fn sandboxes_are_told_of_where_that_is_switched_on_however_many_there_are() {
    let hub = Hub::start(|config| config.metrics_per_sandbox = true).await;
    let (_, text) = scrape(&hub, OPEN).await;
    read(&text).unwrap_or_else(|wrong| panic!("an empty fleet: {wrong}"));
    let token = hub.register("reports").await;
    let figures = json!({"cpuPercent": 50.0, "memoryMB": 2, "sessionCount": 3, "resources": {"memoryLimitMB": 4},
                         "processes": {"web": {"status": "error", "restartCount": 1}}});
    hub.report(&token, &with("reports", figures)).await;
    // More than two pages of one family.
    for index in 0..2100 {
        hub.register(&format!("s-{index}")).await;
    }
    let (_, text) = scrape(&hub, OPEN).await;
    let families = read(&text).unwrap_or_else(|wrong| panic!("{wrong}"));
    let of = |sample: &str| value(&families, sample, &[("sandbox", "reports")]);
    for (sample, expected) in [
        ("sandbeat_sandbox_up", 1.0),
        ("sandbeat_sandbox_cpu_ratio", 0.5),
        ("sandbeat_sandbox_memory_bytes", 2_097_152.0),
        ("sandbeat_sandbox_memory_limit_bytes", 4_194_304.0),
        ("sandbeat_sandbox_sessions", 3.0),
        ("sandbeat_sandbox_processes_failed", 1.0),
    ] {
        assert_eq!(of(sample), Some(expected), "{sample}");
    }
    assert!(of("sandbeat_sandbox_heartbeat_age_seconds").unwrap() < 60.0);
    assert_eq!(families["sandbeat_sandbox_up"].samples.len(), 2101);
    assert_eq!(value(&families, "sandbeat_sandbox_up", &[("sandbox", "s-2099")]), Some(0.0));
    assert_eq!(families["sandbeat_sandbox_cpu_ratio"].samples.len(), 1, "what is not known has no sample");
    let (_, text) = scrape(&hub, "text/plain").await;
    assert_eq!(text.matches("# TYPE sandbeat_sandbox_up gauge\n").count(), 1);
    hub.stop().await;
}

#[tokio::test]
async fn metrics_want_the_key_where_there_is_one() {
    let hub = Hub::start(admin_key).await;
    hub.get("/metrics").send().await.refused(401, "admin key");
    assert_eq!(hub.get("/metrics").bearer(ADMIN_KEY).send().await.status, 200);
    hub.stop().await;
}
