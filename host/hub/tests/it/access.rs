//! Who may do what.

use sandbeat_hub::Enroll;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{ADMIN_KEY, Hub, admin_key, answer, base};

#[tokio::test]
async fn a_report_needs_the_token_of_its_own_sandbox() {
    let hub = Hub::start(|_| {}).await;
    let (token, others) = (hub.register("s").await, hub.register("other").await);
    let bare = hub.post("/api/v1/sandboxes/s/status").json(&base("s")).send().await;
    bare.refused(401, "reports with the token that its registration answered");
    assert!(bare.head.contains("www-authenticate: bearer"), "{bare:?}");
    for wrong in ["wrong", &token[1..], &others, &token.to_uppercase()] {
        hub.report(wrong, &base("s")).await.refused(401, "this is not the sandbox's token");
    }
    hub.report("", &base("s")).await.refused(401, "unauthorized");
    let basic = hub.post("/api/v1/sandboxes/s/status").header("Authorization", &format!("Basic {token}"));
    basic.json(&base("s")).send().await.refused(401, "unauthorized");
    assert_eq!(hub.sandbox("s").await["status"], "pending");
    assert_eq!(hub.report(&token, &base("s")).await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_token_is_shown_once() {
    let hub = Hub::start(|_| {}).await;
    let answer = hub.post("/api/v1/sandboxes").json(&json!({"id": "s"})).send().await;
    assert!(answer.head.contains("cache-control: no-store"), "{answer:?}");
    let token = answer.body["token"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 64);
    assert!(!answer.body["sandbox"].to_string().contains("oken"));
    hub.report(&token, &base("s")).await;
    for path in ["/api/v1/sandboxes", "/api/v1/sandboxes/s"] {
        let body = hub.get(path).send().await.body.to_string();
        assert!(!body.contains(&token) && !body.contains("oken"), "{body}");
    }
    let again = hub.post("/api/v1/sandboxes").json(&json!({"id": "s"})).send().await;
    again.refused(409, "registered already");
    hub.stop().await;
}

#[tokio::test]
async fn open_enrolment_takes_newcomers_but_not_at_the_cost_of_the_registered() {
    let hub = Hub::start(|config| config.enroll = Enroll::Open).await;
    let newcomer = hub.post("/api/v1/sandboxes/new/status").json(&base("new")).send().await;
    assert_eq!((newcomer.status, newcomer.body), (200, json!({"success": true, "sandboxId": "new"})));
    let sandbox = hub.sandbox("new").await;
    assert_eq!((&sandbox["name"], &sandbox["liveness"]), (&json!("new"), &json!("live")));
    assert_eq!(hub.report("some-token", &base("new")).await.status, 200, "nobody asked for a token");

    let bad = hub.post("/api/v1/sandboxes/bad/status").text("{}").send().await;
    bad.refused(400, "missing field");
    hub.get("/api/v1/sandboxes/bad").send().await.refused(404, "no sandbox");
    hub.stop().await;
}

#[tokio::test]
async fn open_enrolment_takes_the_registered_without_a_token_until_one_with_it_has_come() {
    let hub = Hub::start(|config| config.enroll = Enroll::Open).await;
    let token = hub.register("s").await;
    let bare = || hub.post("/api/v1/sandboxes/s/status").json(&base("s"));
    assert_eq!(bare().send().await.status, 200, "an agent that sends none");
    hub.report("wrong", &base("s")).await.refused(401, "unauthorized");
    let basic = bare().header("Authorization", &format!("Basic {token}"));
    basic.send().await.refused(401, "unauthorized");
    assert_eq!(bare().send().await.status, 200, "a wrong one changes nothing");
    bare().host("rebound.example").send().await.refused(403, "loopback");
    assert_eq!(hub.report(&token, &base("s")).await.status, 200);
    bare().send().await.refused(401, "unauthorized");
    assert_eq!(hub.report(&token, &base("s")).await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_report_without_a_token_whose_body_comes_after_one_with_it_opens_nothing() {
    let hub = Hub::start(|config| config.enroll = Enroll::Open).await;
    let token = hub.register("s").await;
    let bytes = hub.post("/api/v1/sandboxes/s/status").header("Expect", "100-continue").json(&base("s")).bytes();
    let head = bytes.len() - base("s").to_string().len();
    let mut stream = hub.connect().await;
    stream.write_all(&bytes[..head]).await.unwrap();
    // The hub asks for the body: it has looked for a token.
    stream.read_exact(&mut [0; 25]).await.unwrap();
    assert_eq!(hub.report(&token, &base("s")).await.status, 200);
    stream.write_all(&bytes[head..]).await.unwrap();
    answer(&mut stream).await.refused(401, "unauthorized");
    hub.stop().await;
}

#[tokio::test]
async fn one_address_brings_in_so_many_unknown_sandboxes_a_minute() {
    let hub = Hub::start(|config| {
        (config.enroll, config.limits.newcomers_per_min, config.max_sandboxes) = (Enroll::Open, 2, 3);
    })
    .await;
    let bare = |id: &str| hub.post(&format!("/api/v1/sandboxes/{id}/status")).json(&base(id));
    for id in ["a", "b"] {
        assert_eq!(bare(id).send().await.status, 200);
    }
    let refused = bare("c").send().await;
    refused.refused(429, "register them");
    assert!(refused.head.contains("retry-after: 60"), "{refused:?}");
    assert_eq!(bare("a").send().await.status, 200, "who is in is none of them");
    hub.register("c").await;
    assert_eq!(bare("c").send().await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_newcomer_that_finds_no_room_is_not_counted() {
    let hub = Hub::start(|config| {
        (config.enroll, config.limits.newcomers_per_min, config.max_sandboxes) = (Enroll::Open, 2, 1);
    })
    .await;
    let bare = |id: &str| hub.post(&format!("/api/v1/sandboxes/{id}/status")).json(&base(id));
    assert_eq!(bare("a").send().await.status, 200);
    for _ in 0..3 {
        bare("b").send().await.refused(503, "limit of 1");
    }
    assert_eq!(hub.delete("/api/v1/sandboxes/a").send().await.status, 200);
    assert_eq!(bare("b").send().await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_new_token_leaves_reports_without_one_the_overlap() {
    let hub = Hub::start(|config| config.enroll = Enroll::Open).await;
    hub.register("registered").await;
    for id in ["registered", "newcomer"] {
        let bare = || hub.post(&format!("/api/v1/sandboxes/{id}/status")).json(&base(id));
        let rotate = async |seconds: u32| {
            let path = format!("/api/v1/sandboxes/{id}/token");
            let answer = hub.post(&path).json(&json!({"overlapSecs": seconds})).send().await;
            answer.body["token"].as_str().unwrap().to_owned()
        };
        assert_eq!(bare().send().await.status, 200, "{id}");
        rotate(600).await;
        assert_eq!(bare().send().await.status, 200, "{id}: its agent has yet to be told");
        let token = rotate(0).await;
        bare().send().await.refused(401, "unauthorized");
        assert_eq!(hub.report(&token, &base(id)).await.status, 200, "{id}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn with_an_admin_key_managing_and_reading_need_it_and_reporting_does_not() {
    let hub = Hub::start(admin_key).await;
    let register = hub.post("/api/v1/sandboxes").bearer(ADMIN_KEY).json(&json!({"id": "s"})).send().await;
    assert_eq!(register.status, 201, "{register:?}");
    let token = register.body["token"].as_str().unwrap();
    assert_eq!(hub.report(token, &base("s")).await.status, 200);
    hub.report(ADMIN_KEY, &base("s")).await.refused(401, "unauthorized");

    for (method, path) in [
        ("POST", "/api/v1/sandboxes"),
        ("GET", "/api/v1/sandboxes"),
        ("GET", "/api/v1/sandboxes/s"),
        ("GET", "/api/v1/sandboxes/unknown"),
        ("DELETE", "/api/v1/sandboxes/s"),
    ] {
        hub.call(method, path).send().await.refused(401, "needs the hub's admin key as");
        let wrong = hub.call(method, path).bearer(token).json(&json!({})).send().await;
        wrong.refused(401, "this is not the hub's admin key");
    }
    assert_eq!(hub.get("/health").send().await.status, 200);
    let host = hub.get("/api/v1/sandboxes").bearer(ADMIN_KEY).host("hub.example").send().await;
    assert_eq!((host.status, &host.body["total"]), (200, &json!(1)));
    hub.stop().await;
}

#[tokio::test]
async fn without_an_admin_key_a_foreign_name_does_not_lead_here() {
    let hub = Hub::start(|_| {}).await;
    hub.register("s").await;
    for host in ["rebound.example", "rebound.example:8080", "0.0.0.0"] {
        hub.get("/api/v1/sandboxes").host(host).send().await.refused(403, "admin key");
        hub.delete("/api/v1/sandboxes/s").host(host).send().await.refused(403, "admin key");
    }
    assert_eq!(hub.get("/api/v1/sandboxes").host("localhost:8080").send().await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_web_page_cannot_report_without_a_token_through_a_name_of_its_own() {
    let hub = Hub::start(|config| config.enroll = Enroll::Open).await;
    assert_eq!(hub.report("", &base("known")).await.status, 200);
    let token = hub.register("own").await;
    for id in ["new", "known"] {
        for path in [
            format!("/api/v1/sandboxes/{id}/status"),
            format!("/api/v1/sandboxes/%{:x}{}/status", id.as_bytes()[0], &id[1..]),
        ] {
            let post = |path: &str| hub.post(path).json(&base(id));
            post(&path).host("rebound.example").send().await.refused(403, "admin_key_file");
            post(&format!("http://rebound.example{path}")).host("localhost").send().await.refused(403, "loopback");
            post(&path).header("Host", "localhost").send().await.refused(400, "more than one `Host`");
        }
    }
    let own = hub.post("/api/v1/sandboxes/own/status").bearer(&token).host("hub.example").json(&base("own"));
    assert_eq!(own.send().await.status, 200, "nobody else knows its token");
    hub.get("http://rebound.example/api/v1/sandboxes").host("localhost").send().await.refused(403, "loopback");
    assert_eq!(hub.get("/api/v1/sandboxes").send().await.body["total"], 2);
    hub.stop().await;
}

#[tokio::test]
async fn a_web_page_cannot_report_without_a_token_where_there_is_an_admin_key() {
    let hub = Hub::start(|config| {
        admin_key(config);
        config.enroll = Enroll::Open;
    })
    .await;
    let register = hub.post("/api/v1/sandboxes").bearer(ADMIN_KEY).json(&json!({"id": "known"})).send().await;
    let token = register.body["token"].as_str().unwrap();
    let post = |id: &str| hub.post(&format!("/api/v1/sandboxes/{id}/status")).host("rebound.example");
    for (name, value) in [("Origin", "http://rebound.example"), ("Sec-Fetch-Site", "same-origin")] {
        for id in ["known", "new"] {
            post(id).header(name, value).json(&base(id)).send().await.refused(403, "from a browser");
        }
    }
    for id in ["known", "new"] {
        assert_eq!(post(id).json(&base(id)).send().await.status, 200, "an agent");
    }
    let with_token = post("known").header("Origin", "http://rebound.example").bearer(token).json(&base("known"));
    assert_eq!(with_token.send().await.status, 200, "nobody else knows it");
    hub.stop().await;
}

#[tokio::test]
async fn without_an_admin_key_nobody_comes_in_through_a_proxy() {
    let hub = Hub::start(|config| config.enroll = Enroll::Open).await;
    let token = hub.register("s").await;
    for (name, value) in [("X-Forwarded-For", "203.0.113.9"), ("Forwarded", "for=203.0.113.9"), ("X-Real-IP", "::1")] {
        hub.get("/api/v1/sandboxes").header(name, value).send().await.refused(403, "admin_key_file");
        let register = hub.post("/api/v1/sandboxes").header(name, value).json(&json!({"id": "new"}));
        register.send().await.refused(403, "admin_key_file");
        let report = || hub.post("/api/v1/sandboxes/s/status").header(name, value).json(&base("s"));
        report().send().await.refused(403, "admin_key_file");
        assert_eq!(hub.get("/health").header(name, value).send().await.status, 200);
    }
    let report = hub.post("/api/v1/sandboxes/s/status").header("X-Forwarded-For", "203.0.113.9").bearer(&token);
    assert_eq!(report.json(&base("s")).send().await.status, 200, "a token is good from anywhere");
    hub.stop().await;

    let hub = Hub::start(admin_key).await;
    let list = hub.get("/api/v1/sandboxes").header("X-Forwarded-For", "203.0.113.9").bearer(ADMIN_KEY);
    assert_eq!(list.send().await.status, 200);
    hub.stop().await;
}
