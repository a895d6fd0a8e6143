//! The report as it would be posted now, and the same for Prometheus, as those inside the sandbox see them.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::agent::{Agent, Builder};
use crate::support::eventually;
use crate::support::http::Message;
use crate::support::hub::{Answer, Hub, free_address};
use crate::support::openmetrics::{self, read};

const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

async fn scrape(agent: &Agent, accept: &str) -> Message {
    let answer = agent.ask("GET /metrics", &[("accept", accept)]).await;
    assert_eq!(answer.status(), 200, "{}", String::from_utf8_lossy(&answer.body));
    answer
}

/// One sample, by a scrape of its own.
async fn sample(agent: &Agent, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let text = String::from_utf8(scrape(agent, OPEN).await.body).unwrap();
    openmetrics::value(&read(&text).unwrap_or_else(|wrong| panic!("{wrong}")), name, labels)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_the_one_that_would_be_posted_now() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).interval(60_000).process("web", &["sleep", "600"]).start().await;
    let posted = hub.wait_count(1).await[0].report.clone();
    let report = eventually("a process that runs by now", || async {
        let report = agent.get("/v1/report").await;
        (report["processes"]["web"]["status"] == "running" && report["uptimeSecs"].as_u64() >= Some(1))
            .then_some(report)
    })
    .await;
    assert_eq!((&posted["seq"], &report["seq"]), (&json!(1), &json!(2)));
    for same in ["sandboxId", "bootId", "status", "metadata", "hostname", "intervalSecs", "agentVersion"] {
        assert_eq!(report[same], posted[same], "{same}");
    }
    let time = |report: &Value| report["timestamp"].as_str().unwrap().to_owned();
    assert!(time(&report) > time(&posted));
    assert!(report["resources"]["memorySource"].is_string(), "{report}");
    assert_eq!(hub.received().len(), 1, "nothing was sent for it");
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_arrive_is_told() {
    let agent = Builder::new(&format!("http://{}", free_address().await)).start().await;
    agent.health("several failures", |reports| reports["failing"]["missed"].as_u64() >= Some(2)).await;
    let report = agent.get("/v1/report").await;
    let gap = &report["gap"];
    assert!(gap["missed"].as_u64() >= Some(2) && gap["firstFailure"].is_string(), "{report}");
    assert!(gap["lastError"].as_str().unwrap().contains("refused"), "{gap}");
    assert!(sample(&agent, "sandbeat_report_failing", &[]).await >= Some(2.0));
    assert_eq!(sample(&agent, "sandbeat_reports_accepted_total", &[]).await, Some(0.0));
    assert_eq!(sample(&agent, "sandbeat_report_last_accepted_timestamp_seconds", &[]).await, None);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scraper_gets_the_format_that_it_names() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).plugin("junk.wasm", b"no component").process("web", &["sleep", "600"]);
    let agent = agent.start().await;
    hub.wait_count(2).await;
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let answer = scrape(&agent, prometheus).await;
    assert_eq!(answer.header("content-type"), OPEN);
    let families = read(&String::from_utf8(answer.body).unwrap()).unwrap_or_else(|wrong| panic!("{wrong}"));
    for (family, kind) in [
        ("sandbox_memory_limit_bytes", "gauge"),
        ("sandbeat_report_lateness_seconds", "histogram"),
        ("sandbeat_report_exchange_duration_seconds", "histogram"),
        ("sandbeat_reports_made", "counter"),
        ("sandbeat_build", "info"),
        ("process_resident_memory_bytes", "gauge"),
    ] {
        assert_eq!(families[family].kind, kind, "{family}");
    }
    let plain = scrape(&agent, "*/*").await;
    assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(plain.body).unwrap();
    assert!(text.contains("# TYPE sandbeat_reports_made_total counter\n") && !text.contains("# EOF"), "{text}");
    eventually("the process and the plugin", || async {
        let state = [("process", "web"), ("state", "running")];
        let running = sample(&agent, "sandbeat_process_state", &state).await == Some(1.0);
        let state = [("plugin", "junk"), ("state", "rejected")];
        let rejected = sample(&agent, "sandbeat_plugin_state", &state).await == Some(1.0);
        (running && rejected).then_some(())
    })
    .await;
    let made = sample(&agent, "sandbeat_reports_made_total", &[]).await;
    eventually("more reports", || async {
        (sample(&agent, "sandbeat_reports_made_total", &[]).await > made).then_some(())
    })
    .await;
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_at_once_share_a_measurement() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).interval(60_000).start().await;
    hub.wait_count(1).await;
    let began = Instant::now();
    let ask = |_| agent.get("/v1/report");
    let reports = futures_util::future::join_all((0..200).map(ask)).await;
    let mut times: Vec<&str> = reports.iter().map(|report| report["timestamp"].as_str().unwrap()).collect();
    times.sort_unstable();
    times.dedup();
    let most = began.elapsed().as_millis() / 100 + 2;
    assert!(times.len() as u128 <= most, "{} measurements within {:?}", times.len(), began.elapsed());
    agent.stop().await.unwrap();
}
