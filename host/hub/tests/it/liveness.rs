//! Silence, as clients see it.

use std::time::Duration;

use sandbeat_hub::{Config, Rules};
use serde_json::json;

use crate::harness::{Hub, base, with};

fn quick(config: &mut Config) {
    config.liveness = Rules {
        intervals: 3,
        grace: Duration::from_millis(50),
        default_interval: Duration::from_secs(1000),
        never_reported_after: Duration::from_millis(200),
        ..Rules::default()
    };
}

#[tokio::test]
async fn a_silent_sandbox_is_lost_and_live_again_at_its_next_report() {
    let hub = Hub::start(quick).await;
    let token = hub.register("s").await;
    let report = with("s", json!({"intervalSecs": 0.1}));
    hub.report(&token, &report).await;
    let lost = hub.until("s", |s| s["liveness"] == "lost").await;
    assert_eq!(lost["status"], "running", "what it said last; lost is the hub's word");
    assert_ne!(lost["livenessSince"], lost["createdAt"]);
    let listed = hub.get("/api/v1/sandboxes?liveness=lost").send().await.body;
    assert_eq!(listed["total"], 1);
    hub.report(&token, &with("s", json!({"intervalSecs": 1000}))).await;
    assert_eq!(hub.sandbox("s").await["liveness"], "live");
    hub.stop().await;
}

#[tokio::test]
async fn a_clean_stop_is_not_a_loss_and_a_missing_start_is_noticed() {
    let hub = Hub::start(quick).await;
    let token = hub.register("stopped").await;
    hub.register("silent").await;
    hub.report(&token, &with("stopped", json!({"status": "stopped", "intervalSecs": 0.01}))).await;
    let silent = hub.until("silent", |s| s["overdue"] == true).await;
    assert_eq!((&silent["status"], &silent["liveness"]), (&json!("pending"), &json!("never-reported")));
    let stopped = hub.sandbox("stopped").await;
    assert_eq!((&stopped["status"], &stopped["liveness"]), (&json!("stopped"), &json!("stopped")));
    hub.stop().await;
}

#[tokio::test]
async fn who_says_no_interval_is_given_the_default() {
    let hub = Hub::start(|config| {
        quick(config);
        config.liveness.default_interval = Duration::from_millis(50);
    })
    .await;
    let (slow, plain) = (hub.register("slow").await, hub.register("plain").await);
    hub.report(&slow, &with("slow", json!({"intervalSecs": 1000}))).await;
    hub.report(&plain, &base("plain")).await;
    hub.until("plain", |s| s["liveness"] == "lost").await;
    assert_eq!(hub.sandbox("slow").await["liveness"], "live");
    hub.stop().await;
}
