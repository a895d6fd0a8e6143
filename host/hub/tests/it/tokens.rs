//! Rotating a token, and the hub in numbers.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use serde_json::{Value, json};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Hub, answer, base, with};

async fn rotate(hub: &Hub, body: &Value) -> (String, Option<String>) {
    let answer = hub.post("/api/v1/sandboxes/s/token").json(body).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("cache-control: no-store"), "{answer:?}");
    let text = |field: &str| answer.body[field].as_str().map(str::to_owned);
    (text("token").unwrap(), text("previousUntil"))
}

#[tokio::test]
async fn a_new_token_works_beside_the_one_before_it_for_a_while() {
    let hub = Hub::start(|_| {}).await;
    let first = hub.register("s").await;
    let before = jiff::Timestamp::now();
    let (second, until) = rotate(&hub, &json!({"overlapSecs": 600})).await;
    let left = until.unwrap().parse::<jiff::Timestamp>().unwrap().duration_since(before).as_secs();
    assert!((599..=660).contains(&left), "{left}");
    assert!(first != second && second.len() == 64);
    for token in [&first, &second] {
        assert_eq!(hub.report(token, &base("s")).await.status, 200);
    }
    let (third, _) = rotate(&hub, &json!({})).await;
    assert_eq!(hub.report(&first, &base("s")).await.status, 200, "its time was promised");
    assert_eq!(hub.report(&second, &base("s")).await.status, 200);
    let (fourth, _) = rotate(&hub, &json!({"overlapSecs": 0})).await;
    for ended in [&first, &second, &third] {
        hub.report(ended, &base("s")).await.refused(401, "unauthorized");
    }
    assert_eq!(hub.report(&fourth, &base("s")).await.status, 200);
    let listed = hub.get("/api/v1/sandboxes/s").send().await.body.to_string();
    assert!(!listed.contains("oken") && !listed.contains(&fourth), "{listed}");
    let told = hub.get("/api/v1/sandboxes/s/events?type=token-rotated").send().await.body;
    assert_eq!(told["events"].as_array().map(Vec::len), Some(3), "{told}");
    hub.stop().await;
}

#[tokio::test]
async fn a_bad_rotation_is_named_and_changes_nothing() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    for (body, about) in [
        (r#"{"overlapSecs": -1}"#, "overlapSecs: "),
        (r#"{"overlapSecs": 2592001}"#, "overlapSecs: "),
        (r#"{"overlapSecs": "1h"}"#, "overlapSecs: "),
        (r#"{"overlap": 1}"#, "overlap: "),
        ("[]", "not a JSON object"),
    ] {
        hub.post("/api/v1/sandboxes/s/token").text(body).send().await.refused(400, about);
    }
    // What a web page can send without asking.
    hub.post("/api/v1/sandboxes/s/token").send().await.refused(415, "Content-Type");
    hub.post("/api/v1/sandboxes/none/token").json(&json!({})).send().await.refused(404, "no sandbox");
    assert_eq!(hub.report(&token, &base("s")).await.status, 200);
    hub.post("/api/v1/sandboxes/s/token").text("").send().await;
    assert_eq!(hub.report(&token, &base("s")).await.status, 200, "the usual overlap");
    hub.stop().await;
}

#[tokio::test]
async fn the_fleet_is_counted() {
    let hub = Hub::start(|_| {}).await;
    let mut tokens = Vec::new();
    for id in ["a", "b", "c"] {
        tokens.push(hub.register(id).await);
    }
    hub.report(&tokens[0], &base("a")).await;
    hub.report(&tokens[1], &with("b", json!({"status": "stopped"}))).await;
    let fleet = hub.get("/api/v1/fleet").send().await.body;
    assert_eq!(fleet["total"], 3);
    assert_eq!(fleet["liveness"], json!({"neverReported": 1, "live": 1, "lost": 0, "stopped": 1}));
    assert_eq!((&fleet["overdue"], &fleet["suspect"]), (&json!(0), &json!(0)));
    hub.until_fleet(|fleet| fleet["reportsPerSec"].as_f64() > Some(0.0)).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_token_that_ends_while_the_body_arrives_opens_nothing() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let call = hub.post("/api/v1/sandboxes/s/status").bearer(&token).header("Expect", "100-continue");
    let bytes = call.json(&base("s")).bytes();
    let head = bytes.len() - base("s").to_string().len();
    let mut stream = hub.connect().await;
    stream.write_all(&bytes[..head]).await.unwrap();
    // The hub asks for the body: it has looked at the token.
    stream.read_exact(&mut [0; 25]).await.unwrap();
    let rotation = hub.post("/api/v1/sandboxes/s/token").json(&json!({"overlapSecs": 0})).send().await;
    assert_eq!(rotation.status, 200, "{rotation:?}");
    stream.write_all(&bytes[head..]).await.unwrap();
    answer(&mut stream).await.refused(401, "unauthorized");
    hub.stop().await;
}
