//! Reports that are shorter than what they say: without what the hub keeps, and compressed where it reads that.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::agent::Builder;
use crate::support::hub::{Answer, Hub, Received};
use crate::support::logs;

fn keeps() -> Answer {
    Answer::Http(200, "", r#"{"success":true,"accepts":["delta"]}"#.to_owned())
}

fn is_whole(one: &Received) -> bool {
    let whole = one.report["metadata"] == json!({"region": "eu-1"}) && one.report["plugins"].is_array();
    assert_eq!(whole, one.report.get("unchanged").is_none(), "{}", one.report);
    whole
}

/// Which of the reports are whole, as far as they have come.
fn whole(received: &[Received], count: usize) -> Vec<bool> {
    received[..count].iter().map(is_whole).collect()
}

/// Metadata that is worth compressing.
fn large() -> BTreeMap<String, String> {
    (0..60).map(|n| (format!("key{n}"), "some words that are like others ".repeat(4))).collect()
}

fn is_compressed(one: &Received) -> bool {
    one.message().header("content-encoding") == "gzip"
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hub_keeps_is_sent_once() {
    let hub = Hub::start(|_, _| keeps()).await;
    let agent = Builder::new(&hub.url()).start().await;
    let received = hub.wait_count(4).await;
    assert_eq!(whole(&received, 4), [true, false, false, false]);
    assert_eq!(received[1].report["unchanged"], json!(["metadata"]), "there are no plugins to leave out");
    assert!(received[1].report.get("metadata").is_none());
    for field in ["resources", "metrics", "processes", "plugins", "hostname", "bootId"] {
        assert!(received[1].report.get(field).is_some(), "{field}");
    }
    agent.stop().await.unwrap();
    let last = hub.received().pop().unwrap();
    assert_eq!((last.status(), is_whole(&last)), ("stopped", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_stops_saying_so_or_fails_is_sent_everything() {
    let hub = Hub::start(|count, _| match count {
        2 => Answer::ok(),
        5 => Answer::status(500),
        _ => keeps(),
    })
    .await;
    let agent = Builder::new(&hub.url()).start().await;
    let received = hub.wait_count(9).await;
    assert_eq!(whole(&received, 9), [true, false, false, true, false, false, true, false, false]);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_says_something_else_gets_everything() {
    let answers = ["", r#"{"accepts":"delta"}"#, r#"{"accepts":{"delta":1}}"#, r#"{"accepts":[1,null]}"#, "[1]"];
    let hub = Hub::start(move |count, _| Answer::Http(200, "", answers[count % answers.len()].to_owned())).await;
    let agent = Builder::new(&hub.url()).start().await;
    assert_eq!(whole(&hub.wait_count(6).await, 6), [true; 6]);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_report_is_compressed() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).with(|sections| sections.metadata = large()).start().await;
    let received = hub.wait_count(3).await;
    assert!(received.iter().all(is_compressed));
    assert_eq!(received[0].report["metadata"], json!(large()));
    assert!(received[0].message().body.len() * 3 < received[0].report.to_string().len());
    agent.stop().await.unwrap();

    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).start().await;
    assert!(!hub.wait_count(2).await.iter().any(is_compressed), "a small one is not");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_does_not_read_gzip_is_sent_the_same_report_as_it_is() {
    // Kept, so that none has the port of one before it, by which the log is searched.
    let mut hubs = Vec::new();
    for status in [400, 415, 422, 500, 501] {
        let hub = Hub::start_by_request(move |_, request, _: &Value| match request.header("content-encoding") {
            "" => Answer::ok(),
            _ => Answer::status(status),
        })
        .await;
        let agent = Builder::new(&hub.url()).with(|sections| sections.metadata = large()).start().await;
        let received = hub.wait_count(4).await;
        let forms: Vec<(u64, bool)> = received[..4].iter().map(|one| (one.seq(), is_compressed(one))).collect();
        assert_eq!(forms, [(1, true), (1, false), (2, false), (3, false)], "{status}");
        assert!(received[1].report.get("gap").is_none());
        let reports = agent.health("acceptance", |reports| reports["accepted"].as_u64() > Some(2)).await;
        assert!(reports.get("failing").is_none(), "{reports}");
        agent.stop().await.unwrap();
        let lines = logs::about(&hub.url());
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[0].contains("INFO") && lines[0].contains("does not read compressed reports"), "{lines:#?}");
        assert!(lines[1].contains("accepted the first report"), "{lines:#?}");
        hubs.push(hub);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_compression_off_nothing_is_compressed() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let plain = |sections: &mut sandbeat_agent::Sections| {
        sections.metadata = large();
        sections.report.compression = sandbeat_agent::report::Compression::Off;
    };
    let agent = Builder::new(&hub.url()).with(plain).start().await;
    assert!(!hub.wait_count(3).await.iter().any(is_compressed));
    agent.stop().await.unwrap();
}
