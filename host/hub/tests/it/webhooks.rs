//! Webhooks, against a receiver that reacts as receivers do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandbeat_hub::{Config, EventKind, Secret, Webhook};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::harness::{DEADLINE, Hub};
use crate::receiver::{Reaction, Receiver, Request, status};

/// A webhook for what is easily made to happen.
fn hook(url: String) -> Webhook {
    Webhook { url, secret: None, events: vec![EventKind::Registered] }
}

async fn start(webhooks: Vec<Webhook>) -> Hub {
    Hub::start(|config: &mut Config| config.webhooks = webhooks).await
}

/// Waits until a figure of the webhook there is good.
async fn until_figure(hub: &Hub, of: SocketAddr, name: &str, good: impl Fn(f64) -> bool) {
    let name = format!("sandbeat_hub_webhook_{name}{{webhook=\"{of}\"}}");
    let deadline = Instant::now() + DEADLINE;
    loop {
        let figure = hub.figure(&name).await;
        if good(figure) {
            return;
        }
        assert!(Instant::now() < deadline, "{name} stays {figure}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// RFC 2104, from its definition.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let padded = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(pad, byte)| *pad ^= byte);
        block
    };
    let inner = Sha256::digest([&padded(0x36)[..], message].concat());
    Sha256::digest([&padded(0x5c)[..], &inner].concat()).to_vec()
}

#[tokio::test]
async fn an_event_is_posted_as_standard_webhooks_has_it() {
    let (mut encoded, mut plain) = (Receiver::start([]).await, Receiver::start([]).await);
    let key = b"a key of thirty-two bytes, right";
    let secret = format!("whsec_{}", STANDARD.encode(key));
    let text = "any text at all";
    let hub = start(vec![
        Webhook {
            url: encoded.url(),
            secret: Some(Secret::new(secret)),
            events: vec![EventKind::Registered, EventKind::Deleted],
        },
        Webhook { url: plain.url(), secret: Some(Secret::new(text)), events: vec![EventKind::Reported] },
    ])
    .await;
    let token = hub.register("s").await;
    hub.report(&token, &crate::harness::base("s")).await;
    hub.delete("/api/v1/sandboxes/s").send().await;
    let requests = [
        (encoded.next().await, &key[..], "registered"),
        (plain.next().await, text.as_bytes(), "reported"),
        (encoded.next().await, &key[..], "deleted"),
    ];
    let mut stored = hub.get("/api/v1/events").send().await.body["events"].as_array().unwrap().clone();
    stored.reverse();
    for ((request, key, kind), event) in requests.iter().zip(&stored) {
        assert!(request.head.starts_with("POST /hook?key=hush HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!(request.header("content-type"), "application/json");
        assert!(request.header("user-agent").starts_with("sandbeat-hub/"), "{}", request.head);
        let (id, timestamp) = (request.header("webhook-id"), request.header("webhook-timestamp"));
        assert!(id.starts_with(&format!("evt_{}_", event["id"])) && !id.contains('.'), "{id}");
        let signed = [format!("{id}.{timestamp}.").as_bytes(), &request.body].concat();
        let expected = format!("v1,{}", STANDARD.encode(hmac(key, &signed)));
        assert_eq!(request.header("webhook-signature"), expected);
        let body = request.json();
        assert_eq!((&body["type"], &body["timestamp"], &body["data"]), (&Value::from(*kind), &event["at"], event));
    }
    hub.stop().await;
}

#[tokio::test]
async fn what_is_not_taken_is_posted_again_before_anything_newer_of_its_sandbox() {
    let mut gone = Receiver::start([Reaction::Nothing]).await;
    let address = gone.address;
    let events = vec![EventKind::Registered, EventKind::Deleted];
    let hub = start(vec![Webhook { events, ..hook(gone.url()) }]).await;
    hub.register("a").await;
    hub.delete("/api/v1/sandboxes/a").send().await;
    hub.register("a").await;
    let first = gone.next().await;
    // In the middle of a post; and nobody listens when it is tried again.
    drop(gone);
    until_figure(&hub, address, "events_behind", |behind| behind == 3.0).await;
    until_figure(&hub, address, "failures_total", |failures| failures >= 2.0).await;
    until_figure(&hub, address, "oldest_event_age_seconds", |age| age > 1.0).await;
    let mut back = Receiver::on(TcpListener::bind(address).await.unwrap(), []);
    let mut requests = vec![first];
    for _ in 0..3 {
        requests.push(back.next().await);
    }
    let kinds: Vec<_> = requests.iter().map(Request::kind).collect();
    assert_eq!(kinds, ["registered", "registered", "deleted", "registered"]);
    let ids: Vec<_> = requests.iter().map(|request| request.header("webhook-id")).collect();
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    assert!(requests[3].at - requests[1].at < Duration::from_secs(1), "what waited comes at once");
    until_figure(&hub, address, "events_delivered_total", |taken| taken == 3.0).await;
    until_figure(&hub, address, "events_behind", |behind| behind == 0.0).await;
    until_figure(&hub, address, "oldest_event_age_seconds", |age| age == 0.0).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_hub_that_starts_again_goes_on_where_each_webhook_was() {
    let data = TempDir::new().unwrap();
    let start = async |webhooks: Vec<Webhook>| {
        let change = |config: &mut Config| (config.webhooks, config.data) = (webhooks, Some(data.path().to_owned()));
        Hub::start(change).await
    };
    let mut receiver = Receiver::start([]).await;
    let hub = start(vec![hook(receiver.url())]).await;
    hub.register("a").await;
    assert_eq!(receiver.sandboxes(1).await, ["a"]);
    hub.stop().await;

    let hub = start(Vec::new()).await;
    hub.register("b").await;
    hub.register("c").await;
    hub.stop().await;

    let mut new = Receiver::start([]).await;
    let hub = start(vec![hook(new.url()), hook(receiver.url())]).await;
    hub.register("d").await;
    assert_eq!(receiver.sandboxes(3).await, ["b", "c", "d"]);
    assert_eq!(new.sandboxes(1).await, ["d"], "one that is new begins with what happens from then on");
    hub.stop().await;
    assert!(receiver.requests.try_recv().is_err() && new.requests.try_recv().is_err());
}

#[tokio::test]
async fn what_was_not_taken_and_is_not_kept_is_missed_and_the_rest_is_not() {
    let data = TempDir::new().unwrap();
    let start = async |webhooks: Vec<Webhook>| {
        let change = |config: &mut Config| {
            (config.webhooks, config.data, config.keep.events) = (webhooks, Some(data.path().to_owned()), 5);
        };
        Hub::start(change).await
    };
    let mut receiver = Receiver::start([]).await;
    // From here on it is known.
    let hub = start(vec![hook(receiver.url())]).await;
    assert_eq!(hub.get("/health").send().await.status, 200);
    hub.stop().await;
    let hub = start(Vec::new()).await;
    for n in 0..20 {
        hub.register(&format!("s-{n}")).await;
    }
    let kept = async || {
        let page = hub.get("/api/v1/events").send().await.body;
        let events = page["events"].as_array().unwrap().iter().rev();
        events.map(|event| event["sandboxId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let deadline = Instant::now() + DEADLINE;
    while kept().await.len() > 5 {
        assert!(Instant::now() < deadline, "nothing is forgotten");
        sleep(Duration::from_millis(10)).await;
    }
    let mut kept = kept().await;
    kept.sort();
    hub.stop().await;
    let hub = start(vec![hook(receiver.url())]).await;
    assert_eq!(receiver.sandboxes(kept.len()).await, kept);
    hub.stop().await;
}

#[tokio::test]
async fn who_asks_for_a_pause_gets_it() {
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n";
    let mut receiver = Receiver::start([Reaction::Answer(busy.to_owned())]).await;
    let hub = start(vec![hook(receiver.url())]).await;
    hub.register("a").await;
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert!(second.at - first.at >= Duration::from_secs(3), "{:?}", second.at - first.at);
    hub.stop().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut elsewhere = Receiver::start([]).await;
    let found = format!("HTTP/1.1 307 There\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url());
    let mut receiver = Receiver::start([Reaction::Answer(found)]).await;
    let hub = start(vec![hook(receiver.url())]).await;
    hub.register("a").await;
    assert_eq!(receiver.sandboxes(2).await, ["a", "a"]);
    assert!(elsewhere.requests.try_recv().is_err());
    hub.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_left_alone_and_the_others_go_on() {
    let mut gone = Receiver::start([status("200 OK"), status("410 Gone")]).await;
    let mut other = Receiver::start([]).await;
    let hub = start(vec![hook(gone.url()), hook(other.url())]).await;
    hub.register("a").await;
    until_figure(&hub, gone.address, "events_delivered_total", |taken| taken == 1.0).await;
    hub.register("b").await;
    assert_eq!(gone.sandboxes(2).await, ["a", "b"]);
    until_figure(&hub, gone.address, "events_behind", |behind| behind == 0.0).await;
    for id in ["c", "d", "e"] {
        hub.register(id).await;
    }
    assert_eq!(other.sandboxes(5).await, ["a", "b", "c", "d", "e"]);
    hub.stop().await;
    assert!(gone.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_long_answer_is_not_read_and_a_connection_is_kept() {
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", 10 << 20, "x".repeat(1 << 20));
    let mut receiver = Receiver::start([status("200 OK"), status("200 OK"), Reaction::Answer(long)]).await;
    let hub = start(vec![hook(receiver.url())]).await;
    for id in ["a", "b", "c"] {
        hub.register(id).await;
    }
    assert_eq!(receiver.sandboxes(3).await, ["a", "b", "c"]);
    let start = Instant::now();
    hub.register("d").await;
    assert_eq!(receiver.sandboxes(1).await, ["d"]);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    hub.stop().await;
}

#[tokio::test]
async fn a_webhook_that_cannot_be_used_is_in_nobodys_way() {
    let mut receiver = Receiver::start([]).await;
    let hub = start(vec![hook("nonsense".to_owned()), hook(receiver.url())]).await;
    hub.register("a").await;
    assert_eq!(receiver.sandboxes(1).await, ["a"]);
    hub.stop().await;
}

#[tokio::test]
async fn the_end_waits_for_a_post_and_not_for_long() {
    let mut receiver = Receiver::start([Reaction::Nothing]).await;
    let hub = start(vec![hook(receiver.url())]).await;
    hub.register("a").await;
    receiver.next().await;
    let start = Instant::now();
    hub.stop().await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_slow_endpoint_gets_several_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = Duration::from_millis(500);
    let mut receiver = Receiver::reacting(listener, move |_| Some(Reaction::Late(slow)));
    let hub = start(vec![hook(receiver.url())]).await;
    for n in 0..48 {
        hub.register(&format!("s-{n}")).await;
    }
    let mut requests = Vec::new();
    for _ in 0..48 {
        requests.push(receiver.next().await);
    }
    let took = requests[47].at - requests[0].at;
    // One after another, it would be 23 s.
    assert!(took >= 2 * slow && took < 10 * slow, "{took:?}");
    until_figure(&hub, receiver.address, "events_delivered_total", |taken| taken == 48.0).await;
    hub.stop().await;
}

#[tokio::test]
async fn what_is_refused_holds_up_its_own_sandbox_alone_and_is_posted_again_after_a_restart() {
    let data = TempDir::new().unwrap();
    let start = async |url: String| {
        let events = vec![EventKind::Registered, EventKind::Deleted];
        let change = |config: &mut Config| {
            (config.webhooks, config.data) = (vec![Webhook { events, ..hook(url) }], Some(data.path().to_owned()));
        };
        Hub::start(change).await
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let refuses_a = Arc::new(AtomicBool::new(true));
    let refuses = Arc::clone(&refuses_a);
    let refusing = move |id: &str| (id == "a" && refuses.load(Ordering::Relaxed)).then(|| status("500 Not That"));
    let mut receiver = Receiver::reacting(listener, refusing);
    let hub = start(receiver.url()).await;
    hub.register("a").await;
    hub.delete("/api/v1/sandboxes/a").send().await;
    let first = receiver.next().await;
    assert_eq!((first.sandbox(), first.kind()), ("a".into(), "registered".into()));
    for id in ["b", "c", "d"] {
        hub.register(id).await;
    }
    until_figure(&hub, address, "events_delivered_total", |taken| taken == 3.0).await;
    until_figure(&hub, address, "events_behind", |behind| behind == 2.0).await;
    hub.stop().await;
    refuses_a.store(false, Ordering::Relaxed);
    while receiver.requests.try_recv().is_ok() {}

    let hub = start(receiver.url()).await;
    let mut requests = Vec::new();
    for _ in 0..5 {
        requests.push(receiver.next().await);
    }
    assert!(requests.iter().any(|request| request.header("webhook-id") == first.header("webhook-id")));
    let of_a: Vec<_> = requests.iter().filter(|request| request.sandbox() == "a").map(Request::kind).collect();
    assert_eq!(of_a, ["registered", "deleted"]);
    let mut others: Vec<_> = requests.iter().map(Request::sandbox).filter(|id| id != "a").collect();
    others.sort();
    assert_eq!(others, ["b", "c", "d"], "what was taken beyond it comes again");
    hub.stop().await;
}

#[tokio::test]
async fn however_much_waits_is_told() {
    let data = TempDir::new().unwrap();
    let start = async |webhooks: Vec<Webhook>| {
        let change = |config: &mut Config| (config.webhooks, config.data) = (webhooks, Some(data.path().to_owned()));
        Hub::start(change).await
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = Receiver::reacting(listener, |_| Some(Reaction::Nothing));
    // From here on it is known.
    let hub = start(vec![hook(receiver.url())]).await;
    assert_eq!(hub.get("/health").send().await.status, 200);
    hub.stop().await;
    let hub = start(Vec::new()).await;
    for n in 0..1500 {
        hub.register(&format!("s-{n}")).await;
    }
    hub.stop().await;
    let hub = start(vec![hook(receiver.url())]).await;
    until_figure(&hub, receiver.address, "events_behind", |behind| behind == 1500.0).await;
    hub.register("another").await;
    until_figure(&hub, receiver.address, "events_behind", |behind| behind == 1501.0).await;
    until_figure(&hub, receiver.address, "oldest_event_age_seconds", |age| age > 0.0).await;
    hub.stop().await;
}
