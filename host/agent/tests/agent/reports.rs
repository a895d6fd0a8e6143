//! What a hub sees of an agent, and what an operator sees of a hub that misbehaves.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::agent::Builder;
use crate::support::eventually;
use crate::support::hub::{Answer, Hub, free_address};
use crate::support::logs;

#[tokio::test(flavor = "multi_thread")]
async fn the_base_fields_are_what_existing_servers_read() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&format!("{}/", hub.url())).start().await;
    let received = hub.wait_count(4).await;
    let first = &received[0];
    assert_eq!(first.message().start, "POST /api/v1/sandboxes/sbox-1/status HTTP/1.1");
    assert_eq!(first.message().header("authorization"), "Bearer s3cret");
    assert_eq!(first.message().header("content-type"), "application/json");
    let report = &first.report;
    assert_eq!(report["sandboxId"], "sbox-1");
    assert_eq!(report["status"], "running");
    assert!(report["uptimeSecs"].is_u64() && report["memoryMB"].is_u64(), "{report}");
    assert!(!report["hostname"].as_str().unwrap().is_empty());
    let timestamp = report["timestamp"].as_str().unwrap();
    assert!(timestamp.len() == 24 && timestamp.ends_with('Z'), "{timestamp}");
    assert_eq!(report["metadata"], json!({"region": "eu-1"}));
    assert_eq!(report["intervalSecs"], 0.1);
    assert!(report.get("cpuPercent").is_none(), "nothing to compare with yet: {report}");
    assert!(report.get("sessionCount").is_none(), "no ports are configured: {report}");

    let seqs: Vec<u64> = received.iter().map(|received| received.seq()).collect();
    assert_eq!(seqs[0], 1);
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    assert!(received.iter().all(|received| received.report["bootId"] == report["bootId"]));
    let with_cpu = hub.wait("a CPU percentage", |all| all.iter().any(|one| one.report["cpuPercent"].is_number())).await;
    let cpu = with_cpu.iter().find_map(|one| one.report["cpuPercent"].as_f64()).unwrap();
    assert!((0.0..=100.0).contains(&cpu), "{cpu}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_report_says_stopped() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).interval(60_000).start().await;
    hub.wait_count(1).await;
    agent.stop().await.unwrap();
    let statuses: Vec<String> = hub.received().iter().map(|one| one.status().to_owned()).collect();
    assert_eq!(statuses, ["running", "stopped"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_comes_late_is_found_and_said_once() {
    let address = free_address().await;
    let url = format!("http://{address}");
    let agent = Builder::new(&url).interval(50).start().await;
    let failing = agent.health("some attempts", |reports| reports["failing"]["attempts"].as_u64() > Some(5)).await;
    assert_eq!(failing["failing"]["kind"], "refused");
    assert_eq!(failing["accepted"], 0);
    assert_eq!(agent.get("/v1/health").await["status"], "ok");

    let hub = Hub::start_on(address, |_, _| Answer::ok()).await;
    let received = hub.wait_count(3).await;
    assert!(received[0].seq() > 1, "the newest, not what waited: {:?}", received[0].report);
    agent.health("recovery", |reports| reports.get("failing").is_none()).await;
    agent.stop().await.unwrap();
    let lines = logs::about(&url);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("connection refused"), "{lines:#?}");
    assert!(lines[1].contains("INFO") && lines[1].contains("accepts reports again, after"), "{lines:#?}");
    assert_eq!(hub.received().last().unwrap().status(), "stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_hubs_own_is_tried_again_before_the_next_report() {
    let hub = Hub::start(|count, _| if count < 2 { Answer::status(500) } else { Answer::ok() }).await;
    let agent = Builder::new(&hub.url()).interval(4_000).start().await;
    let received = hub.wait_count(3).await;
    assert_eq!(received.iter().map(|one| one.seq()).collect::<Vec<_>>(), [1, 1, 1], "one report, three attempts");
    assert!(received[2].at - received[0].at < Duration::from_secs(4));
    agent.health("acceptance", |reports| reports["accepted"] == 1 && reports.get("failing").is_none()).await;
    agent.stop().await.unwrap();
    let lines = logs::about(&hub.url());
    assert!(lines[0].contains("an error of its own (500)"), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_2xx_is_success_whatever_the_body() {
    let bodies = ["", "<html>", "{\"nextReportSecs\":\"x\"}", "[1,2", "null"];
    let hub = Hub::start(move |count, _| match bodies.get(count) {
        Some(body) => Answer::Http(201, "", (*body).to_owned()),
        None => Answer::Endless,
    })
    .await;
    let agent = Builder::new(&hub.url()).start().await;
    let reports = agent.health("acceptance", |reports| reports["accepted"].as_u64() > Some(8)).await;
    assert!(reports.get("failing").is_none(), "{reports}");
    agent.stop().await.unwrap();
    assert_eq!(hub.received().iter().filter(|one| one.status() == "stopped").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_hub_gets_the_newest_report_and_delays_none() {
    let hub = Hub::start(|_, _| Answer::Silence).await;
    let agent = Builder::new(&hub.url()).interval(50).timeout(400).start().await;
    let received = hub.wait_count(4).await;
    assert_eq!(agent.failing().await["kind"], "timeout");
    let gaps: Vec<u64> = received.windows(2).map(|pair| pair[1].seq() - pair[0].seq()).collect();
    assert!(gaps.iter().all(|gap| *gap >= 4), "reports are made while the hub is silent: {gaps:?}");
    let started = Instant::now();
    agent.stop().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    hub.wait("the last report", |all| all.iter().any(|one| one.status() == "stopped")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_must_do_is_said_once_and_tried_ever_more_slowly() {
    const INTERVAL: Duration = Duration::from_millis(100);
    // Kept, so that none has the port of one before it, by which the log is searched.
    let mut hubs = Vec::new();
    for (status, kind, part) in [
        (401, "denied", "check report.token_file or AGENT_TOKEN"),
        (403, "denied", "check sandbox.id"),
        (404, "not-found", "does not know sandbox `sbox-1`"),
        (413, "rejected", "hub.body_limit"),
    ] {
        let body = r#"{"code":"x","message":"says the hub"}"#.to_owned();
        let hub = Hub::start(move |_, _| Answer::Http(status, "", body.clone())).await;
        let agent = Builder::new(&hub.url()).start().await;
        let received = hub.wait_count(4).await;
        let seqs: Vec<u64> = received.iter().map(|one| one.seq()).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "no report is tried twice: {status} {seqs:?}");
        for (doublings, pair) in received.windows(2).enumerate() {
            let waited = pair[1].at - pair[0].at;
            assert!(waited >= INTERVAL * (1 << doublings), "{status}: {doublings} {waited:?}");
        }
        assert!(seqs[3] >= 6, "reports went on being made: {seqs:?}");
        let failing = agent.failing().await;
        assert_eq!(failing["kind"], kind);
        let message = failing["message"].as_str().unwrap();
        assert!(message.contains(part) && message.ends_with("says the hub"), "{message}");
        agent.stop().await.unwrap();
        assert_eq!(hub.received().last().unwrap().status(), "stopped", "{status}: the last one is tried all the same");
        let lines = logs::about(&hub.url());
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains("ever more slowly") && !lines[0].contains("s3cret"), "{lines:#?}");
        hubs.push(hub);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let other = Hub::start(|_, _| Answer::ok()).await;
    let location: &'static str =
        Box::leak(format!("location: {}/api/v1/sandboxes/sbox-1/status\r\n", other.url()).into_boxed_str());
    let hub = Hub::start(move |_, _| Answer::Http(307, location, String::new())).await;
    let agent = Builder::new(&hub.url()).start().await;
    hub.wait_count(2).await;
    let failing = agent.failing().await;
    assert_eq!(failing["kind"], "redirect");
    assert!(failing["message"].as_str().unwrap().contains(&other.url()), "{failing}");
    agent.stop().await.unwrap();
    assert_eq!(other.received().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_answers_are_told_apart() {
    for (answer, kind) in [(Answer::Raw(""), "reset"), (Answer::Raw("220 smtp ready\r\n\r\n"), "protocol")] {
        let hub = Hub::start(move |_, _| answer.clone()).await;
        let agent = Builder::new(&hub.url()).start().await;
        assert_eq!(agent.failing().await["kind"], kind);
        agent.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_cannot_be_one_does_not_resolve() {
    // Too long for a part of a name, so that no name server is asked.
    let url = format!("http://{}.invalid", "a".repeat(64));
    let agent = Builder::new(&url).start().await;
    let failing = agent.failing().await;
    assert_eq!(failing["kind"], "dns", "{failing}");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_obeyed() {
    let hub = Hub::start(|count, _| match count {
        0 => Answer::Http(429, "retry-after: 1\r\n", String::new()),
        _ => Answer::ok(),
    })
    .await;
    let agent = Builder::new(&hub.url()).interval(50).start().await;
    let received = hub.wait_count(2).await;
    let waited = received[1].at - received[0].at;
    assert!(waited >= Duration::from_millis(990), "{waited:?}");
    assert!(received[1].seq() > 10, "reports went on being made: {}", received[1].seq());
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_directs_the_interval() {
    let directing = |count: usize, _: &Value| match count {
        0..5 => Answer::Http(200, "", r#"{"success":true,"nextReportSecs":0.05}"#.to_owned()),
        _ => Answer::ok(),
    };
    let hub = Hub::start(directing).await;
    let agent = Builder::new(&hub.url()).interval(60_000).start().await;
    let received = hub.wait_count(6).await;
    assert_eq!(received[0].report["intervalSecs"], 60.0);
    assert_eq!(received[5].report["intervalSecs"], 0.05);
    assert!(received[5].at - received[0].at < Duration::from_secs(10));
    // The sixth answer says nothing, so the configured interval is back.
    eventually("the configured interval", || async {
        (agent.get("/v1/health").await["intervalSecs"] == 60.0).then_some(())
    })
    .await;
    agent.stop().await.unwrap();
    assert_eq!(hub.received().len(), 7, "and the last one");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_bounded_when_nobody_listens() {
    let agent = Builder::new(&format!("http://{}", free_address().await)).start().await;
    agent.failing().await;
    let started = Instant::now();
    agent.stop().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervised_process_is_in_the_report() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).process("sleeper", &["sleep", "600"]).start().await;
    let running = |one: &Value| one["processes"]["sleeper"]["status"] == "running";
    hub.wait("the process", |all| all.iter().any(|one| running(&one.report))).await;
    agent.stop().await.unwrap();
}
