//! Events as streams: they lose nothing, have a bound, and end with the hub.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::time::Duration;

use sandbeat_hub::Config;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{DEADLINE, Hub, base, with};
use crate::listener::{ALL, Listener, stream_refused, types};

#[tokio::test]
async fn a_stream_tells_what_happens_from_now_on() {
    let hub = Hub::start(|_| {}).await;
    hub.register("before").await;
    let mut all = Listener::open(hub.get(ALL)).await;
    for header in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
        assert!(all.head.contains(header), "{header}: {}", all.head);
    }
    let token = hub.register("a").await;
    let mut of_b = {
        hub.register("b").await;
        Listener::open(hub.get("/api/v1/sandboxes/b/events")).await
    };
    let mut deleted = Listener::open(hub.get(&format!("{ALL}?type=deleted"))).await;
    hub.report(&token, &with("a", json!({"status": "stopped"}))).await;
    for id in ["a", "b"] {
        hub.delete(&format!("/api/v1/sandboxes/{id}")).send().await;
    }
    let events = all.events(5).await;
    assert_eq!(types(&events), ["registered", "registered", "stopped", "deleted", "deleted"]);
    let stored = hub.get(ALL).send().await.body;
    let stored: Vec<_> = stored["events"].as_array().unwrap().iter().rev().skip(1).collect();
    assert_eq!(events.iter().map(|message| &message.data).collect::<Vec<_>>(), stored);
    assert_eq!(of_b.events(1).await[0].data, events[4].data);
    assert_eq!(deleted.events(2).await.iter().map(|m| m.id).collect::<Vec<_>>(), [events[3].id, events[4].id]);
    hub.stop().await;
}

#[tokio::test]
async fn a_client_that_comes_back_misses_nothing_and_hears_nothing_twice() {
    let hub = Hub::start(|_| {}).await;
    let mut known = Vec::new();
    let mut last = None;
    for round in 0..4 {
        let call = hub.get(&format!("{ALL}?after=999999"));
        let call = match last {
            // The place of the first time is still in the address of each further one.
            Some(id) => call.header("Last-Event-ID", &format!("{id}")),
            None => hub.get(ALL),
        };
        let mut listener = Listener::open(call).await;
        if round == 0 {
            // Before its first event, a client knows its place as well.
            assert!(timeout(DEADLINE, listener.read()).await.expect("nothing comes"));
            assert!(listener.dispatch().is_none());
            last = Some(listener.last_id.expect("a place"));
        } else {
            hub.register(&format!("during-{round}")).await;
            known.extend(listener.events(6).await.iter().map(|message| message.data["sandboxId"].clone()));
            last = listener.last_id;
        }
        drop(listener);
        for n in 0..5 {
            hub.register(&format!("s-{round}-{n}")).await;
        }
    }
    let expected: Vec<_> = (0..3)
        .flat_map(|round| (0..5).map(move |n| format!("s-{round}-{n}")).chain([format!("during-{}", round + 1)]))
        .collect();
    assert_eq!(known, expected);

    let mut from_the_first = Listener::open(hub.get(&format!("{ALL}?after=0"))).await;
    assert_eq!(from_the_first.events(23).await.len(), 23);
    hub.stop().await;
}

#[tokio::test]
async fn a_place_of_another_database_is_reset() {
    let hub = Hub::start(|_| {}).await;
    hub.register("a").await;
    let mut listener = Listener::open(hub.get(ALL).header("Last-Event-ID", "4711")).await;
    let reset = listener.any().await;
    assert_eq!((reset.event.as_str(), reset.id), ("reset", None));
    hub.register("b").await;
    assert_eq!(listener.events(1).await[0].data["sandboxId"], "b");
    let again = listener.last_id.unwrap();
    let mut listener = Listener::open(hub.get(&format!("{ALL}?after={again}"))).await;
    hub.register("c").await;
    assert_eq!(listener.any().await.data["sandboxId"], "c", "and no reset");
    hub.stop().await;
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_a_reset_and_what_is_kept_follows() {
    let hub = Hub::start(|config| config.keep.events = 5).await;
    for n in 0..20 {
        hub.register(&format!("s-{n}")).await;
    }
    let deadline = Instant::now() + DEADLINE;
    let kept = loop {
        let kept = hub.get(ALL).send().await.body;
        if kept["events"].as_array().unwrap().len() <= 5 {
            break kept;
        }
        assert!(Instant::now() < deadline, "{kept}");
        sleep(Duration::from_millis(10)).await;
    };
    let mut kept: Vec<_> = kept["events"].as_array().unwrap().iter().collect();
    kept.reverse();
    let mut listener = Listener::open(hub.get(ALL).header("Last-Event-ID", "3")).await;
    assert_eq!(listener.any().await.event, "reset");
    let events = listener.events(kept.len()).await;
    assert_eq!(events.iter().map(|message| &message.data).collect::<Vec<_>>(), kept);
    let oldest = events[0].id.unwrap() - 1;
    let mut listener = Listener::open(hub.get(&format!("{ALL}?after={oldest}"))).await;
    assert_eq!(&listener.any().await.data, kept[0], "nothing is missing after this one");
    hub.stop().await;
}

#[tokio::test]
async fn a_client_that_comes_back_to_another_start_of_the_hub_misses_nothing() {
    let data = TempDir::new().unwrap();
    let start = async || Hub::start(|config| config.data = Some(data.path().to_owned())).await;
    let hub = start().await;
    let mut listener = Listener::open(hub.get(ALL)).await;
    hub.register("a").await;
    listener.events(1).await;
    hub.register("b").await;
    hub.stop().await;
    let hub = start().await;
    hub.register("c").await;
    let mut listener =
        Listener::open(hub.get(ALL).header("Last-Event-ID", &listener.last_id.unwrap().to_string())).await;
    let ids: Vec<_> = listener.events(2).await.iter().map(|message| message.data["sandboxId"].clone()).collect();
    assert_eq!(ids, ["b", "c"]);
    hub.stop().await;
}

#[tokio::test]
async fn streams_have_a_limit_and_give_their_places_back() {
    let hub = Hub::start(|config| config.limits.streams = 2).await;
    let _first = Listener::open(hub.get(ALL)).await;
    let second = Listener::open(hub.get(&format!("{ALL}?beats=true"))).await;
    let refused = stream_refused(hub.get(ALL)).await;
    refused.refused(503, "2 streams of events are open, as many as can be at once; end one, raise `hub.max_streams`");
    assert!(refused.head.contains("retry-after: 10"), "{}", refused.head);
    assert_eq!(hub.get(ALL).send().await.status, 200, "a page is no stream");
    assert_eq!(hub.figure("sandbeat_hub_event_streams").await, 2.0);
    drop(second);
    until_there_is_room(&hub).await;
    hub.stop().await;
}

/// Waits until a stream can be opened.
async fn until_there_is_room(hub: &Hub) {
    let deadline = Instant::now() + DEADLINE;
    let place = async || {
        let mut stream = hub.connect().await;
        stream.write_all(&hub.get(ALL).header("Accept", "text/event-stream").bytes()).await.unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        start.ends_with(b"200")
    };
    while !place().await {
        assert!(Instant::now() < deadline, "the place is not given back");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn whoever_does_not_read_is_cut_off() {
    let hub = Hub::start(|config| {
        config.limits.streams = 1;
        config.limits.request_timeout = Duration::from_millis(500);
    })
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(hub.address).await.unwrap();
    let still = Listener::on(stream, hub.get(&format!("{ALL}?beats=true"))).await;
    // Several MB a second, more than the buffers between take for long.
    let metadata: Value = (0..16).map(|n| (format!("key-{n}"), Value::from("x".repeat(480)))).collect();
    let mut tokens = Vec::new();
    for n in 0..300 {
        let body = json!({"id": format!("s-{n}"), "metadata": metadata});
        let answer = hub.post("/api/v1/sandboxes").json(&body).send().await;
        tokens.push(answer.body["token"].as_str().expect("a token").to_owned());
    }
    let others = async || loop {
        for (n, token) in tokens.iter().enumerate() {
            hub.report(token, &base(&format!("s-{n}"))).await;
        }
    };
    tokio::select! {
        () = others() => {}
        () = until_there_is_room(&hub) => {}
    }
    drop(still);
    hub.stop().await;
}

#[tokio::test]
async fn the_end_of_the_hub_is_the_end_of_each_stream() {
    let hub = Hub::start(|_| {}).await;
    let (one, other) =
        (Listener::open(hub.get(ALL)).await, Listener::open(hub.get(&format!("{ALL}?beats=true"))).await);
    let start = Instant::now();
    hub.stop().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    one.end().await;
    other.end().await;
}

#[tokio::test]
async fn beats_show_who_reported_as_a_list_does() {
    let hub = Hub::start(|_| {}).await;
    let (a, b) = (hub.register("a").await, hub.register("b").await);
    let mut all = Listener::open(hub.get(&format!("{ALL}?beats=true"))).await;
    let mut of_b = Listener::open(hub.get("/api/v1/sandboxes/b/events?beats=true")).await;
    let mut without = Listener::open(hub.get(ALL)).await;
    hub.report(&a, &base("a")).await;
    all.running("a").await;
    // No event comes of this one.
    hub.report(&a, &with("a", json!({"cpuPercent": 12.5}))).await;
    let list = hub.get("/api/v1/sandboxes").send().await.body;
    let beats = all.running("a").await;
    assert!(beats["sandboxes"].as_array().unwrap().contains(&list["sandboxes"][0]), "{beats}");
    hub.report(&b, &base("b")).await;
    let list = hub.get("/api/v1/sandboxes").send().await.body;
    let only_b = json!({"sandboxes": [list["sandboxes"][1]]});
    assert_eq!(all.running("b").await, only_b);
    assert_eq!(of_b.running("b").await, only_b);
    hub.delete("/api/v1/sandboxes/a").send().await;
    assert_eq!(types(&without.events(3).await), ["reported", "reported", "deleted"], "and no beats between");
    hub.stop().await;
}

#[tokio::test]
async fn silence_shows_without_a_report() {
    let quick = |config: &mut Config| {
        config.liveness.grace = Duration::from_millis(50);
        config.liveness.never_reported_after = Duration::from_millis(200);
    };
    let hub = Hub::start(quick).await;
    let token = hub.register("lost").await;
    hub.register("overdue").await;
    let mut listener = Listener::open(hub.get(&format!("{ALL}?beats=true"))).await;
    hub.report(&token, &with("lost", json!({"intervalSecs": 0.2}))).await;
    let mut missing = vec![("lost", "liveness", json!("lost")), ("overdue", "overdue", json!(true))];
    while !missing.is_empty() {
        let beats = listener.beats().await;
        let sandboxes = beats["sandboxes"].as_array().unwrap();
        missing.retain(|(id, field, value)| !sandboxes.iter().any(|s| s["id"] == *id && s[field] == *value));
    }
    hub.stop().await;
}
