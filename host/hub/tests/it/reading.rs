//! How what is read comes: with a validator, compressed, and kept by nobody who should not.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::Read;

use flate2::read::GzDecoder;
use sandbeat_hub::Enroll;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::harness::{ADMIN_KEY, Answer, Call, DEADLINE, Hub, admin_key, base, with};

/// A header's value; `head` is in lower case.
fn header(head: &str, name: &str) -> Option<String> {
    let start = format!("{name}: ");
    head.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
}

/// Head and body as they came.
async fn raw(hub: &Hub, call: Call) -> (String, Vec<u8>) {
    let mut stream = hub.connect().await;
    stream.write_all(&call.bytes()).await.unwrap();
    let mut bytes = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let body = bytes.split_off(end + 4);
    let body = if header(&head, "transfer-encoding").is_some() { dechunked(&body) } else { body };
    (head, body)
}

fn dechunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 4 + length..];
    }
}

fn inflated(bytes: &[u8]) -> Vec<u8> {
    let mut inflated = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut inflated).unwrap();
    inflated
}

#[tokio::test]
async fn what_an_answer_depends_on_is_one_header() {
    let hub = Hub::start(|config| config.enroll = Enroll::Open).await;
    for index in 0..20 {
        let id = format!("s-{index}");
        assert_eq!(hub.report("", &base(&id)).await.status, 200);
    }
    for (path, names) in [
        ("/api/v1/sandboxes", "authorization, accept-encoding"),
        ("/api/v1/events", "accept, authorization, accept-encoding"),
        ("/metrics", "accept, accept-encoding"),
    ] {
        for coding in ["identity", "gzip"] {
            let (head, _) = raw(&hub, hub.get(path).header("Accept-Encoding", coding)).await;
            let said: Vec<&str> = head.lines().filter(|line| line.starts_with("vary: ")).collect();
            assert_eq!(said, [format!("vary: {names}")], "{path} {coding}: {head}");
        }
    }
    hub.stop().await;
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let asked = async |tag: Option<&str>| -> Answer {
        let call = hub.get("/api/v1/sandboxes/s");
        match tag {
            Some(tag) => call.header("If-None-Match", tag).send().await,
            None => call.send().await,
        }
    };
    let first = asked(None).await;
    let tag = header(&first.head, "etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 34, "{tag}");
    assert_eq!(header(&first.head, "cache-control").unwrap(), "private, no-cache");
    assert_eq!(header(&first.head, "vary").unwrap(), "authorization, accept-encoding");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
        let again = asked(Some(&known)).await;
        assert_eq!((again.status, &again.body), (304, &Value::Null), "{again:?}");
        assert_eq!(header(&again.head, "etag"), Some(tag.clone()));
        assert_eq!(header(&again.head, "cache-control").unwrap(), "private, no-cache");
    }
    hub.report(&token, &base("s")).await;
    let changed = asked(Some(&tag)).await;
    assert_eq!((changed.status, &changed.body["sandbox"]["status"]), (200, &json!("running")));
    assert_ne!(header(&changed.head, "etag"), Some(tag));
    hub.stop().await;
}

#[tokio::test]
async fn a_validator_alone_opens_nothing() {
    let hub = Hub::start(admin_key).await;
    let answer = hub.get("/api/v1/sandboxes").bearer(ADMIN_KEY).send().await;
    let tag = header(&answer.head, "etag").unwrap();
    let again = hub.get("/api/v1/sandboxes").bearer(ADMIN_KEY).header("If-None-Match", &tag).send().await;
    assert_eq!(again.status, 304);
    for tag in [tag.as_str(), "*"] {
        let stranger = hub.get("/api/v1/sandboxes").header("If-None-Match", tag).send().await;
        stranger.refused(401, "admin key");
        assert!(header(&stranger.head, "etag").is_none());
        assert_eq!(header(&stranger.head, "cache-control").unwrap(), "no-store");
    }
    hub.stop().await;
}

#[tokio::test]
async fn errors_and_changes_are_kept_by_nobody() {
    let hub = Hub::start(|_| {}).await;
    hub.register("s").await;
    let token = hub.post("/api/v1/sandboxes/s/token").json(&json!({})).send().await;
    let missing = hub.get("/api/v1/sandboxes/none").header("If-None-Match", "*").send().await;
    missing.refused(404, "no sandbox");
    for answer in [&token, &missing, &hub.get("/health").send().await] {
        assert_eq!(header(&answer.head, "cache-control").unwrap(), "no-store", "{answer:?}");
        assert!(header(&answer.head, "etag").is_none(), "{answer:?}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn long_answers_are_compressed_for_who_accepts_it() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    hub.report(&token, &with("s", json!({"metadata": {"k": "v".repeat(1000)}}))).await;
    let call = || hub.get("/api/v1/sandboxes/s");
    let (plain_head, plain) = raw(&hub, call()).await;
    let (head, body) = raw(&hub, call().header("Accept-Encoding", "br, gzip;q=0.8")).await;
    assert_eq!(header(&head, "content-encoding").unwrap(), "gzip");
    assert!(body.len() < plain.len() / 2, "{} of {}", body.len(), plain.len());
    assert_eq!(inflated(&body), plain);
    // Other bytes, so the validator is weak; it is the same state all the same.
    let (tag, weak) = (header(&plain_head, "etag").unwrap(), header(&head, "etag").unwrap());
    assert_eq!(weak, format!("w/{tag}"));
    let known = raw(&hub, call().header("Accept-Encoding", "gzip").header("If-None-Match", &weak.to_uppercase())).await;
    assert!(known.0.starts_with("http/1.1 200"), "validators are compared as they are");
    let known = weak.replacen('w', "W", 1);
    let (head, body) = raw(&hub, call().header("Accept-Encoding", "gzip").header("If-None-Match", &known)).await;
    assert!(head.starts_with("http/1.1 304") && body.is_empty(), "{head}");
    assert!(header(&head, "content-encoding").is_none(), "{head}");

    for (path, accept) in
        [("/api/v1/sandboxes/s", "identity"), ("/api/v1/sandboxes/s", "gzip;q=0"), ("/api/v1/fleet", "gzip")]
    {
        let (head, body) = raw(&hub, hub.get(path).header("Accept-Encoding", accept)).await;
        assert!(header(&head, "content-encoding").is_none(), "{path} {accept}: {head}");
        assert!(serde_json::from_slice::<Value>(&body).is_ok(), "{path}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_stream_of_events_is_not_held_back() {
    let hub = Hub::start(|_| {}).await;
    let call =
        hub.get("/api/v1/events?after=0").header("Accept", "text/event-stream").header("Accept-Encoding", "gzip");
    let mut stream = hub.connect().await;
    stream.write_all(&call.bytes()).await.unwrap();
    hub.register("s").await;
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("event: registered") {
        assert_ne!(timeout(DEADLINE, stream.read_buf(&mut read)).await.unwrap().unwrap(), 0);
    }
    let head = String::from_utf8(read).unwrap().to_lowercase();
    assert!(header(&head, "content-encoding").is_none() && header(&head, "etag").is_none(), "{head}");
    drop(stream);
    hub.stop().await;
}

#[tokio::test]
async fn who_takes_no_coding_is_told_and_changes_are_carried_out_all_the_same() {
    let hub = Hub::start(|_| {}).await;
    let none = "identity;q=0, *;q=0";
    hub.get("/api/v1/sandboxes").header("Accept-Encoding", none).send().await.refused(406, "Accept-Encoding");
    let registered = hub.post("/api/v1/sandboxes").header("Accept-Encoding", none).json(&json!({"id": "s"}));
    assert_eq!(registered.send().await.status, 201);
    hub.stop().await;
}
