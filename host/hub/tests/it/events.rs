//! Events as clients ask for them: pages, and streams that lose nothing.

#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

use std::time::Duration;

use sandbeat_hub::Config;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{ADMIN_KEY, Answer, Call, DEADLINE, Hub, admin_key, answer, base, with};
use crate::schema::faults;

const ALL: &str = "/api/v1/events";

/// A client that listens.
struct Listener {
    stream: TcpStream,
    head: String,
    /// What came and was not looked at.
    raw: Vec<u8>,
    text: String,
    ended: bool,
    /// As a client knows it that follows the specification.
    last_id: Option<u64>,
}

/// What was dispatched.
#[derive(Clone, Debug)]
struct Message {
    id: Option<u64>,
    event: String,
    data: Value,
}

impl Listener {
    async fn open(call: Call) -> Listener {
        let stream = TcpStream::connect(call.address).await.unwrap();
        Listener::on(stream, call).await
    }

    async fn on(mut stream: TcpStream, call: Call) -> Listener {
        stream.write_all(&call.header("Accept", "text/event-stream").bytes()).await.unwrap();
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            assert_ne!(timeout(DEADLINE, stream.read_buf(&mut raw)).await.expect("no head").unwrap(), 0, "{raw:?}");
        };
        let head = String::from_utf8(raw.drain(..end).collect()).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}{}", String::from_utf8_lossy(&raw));
        Listener { stream, head, raw, text: String::new(), ended: false, last_id: None }
    }

    /// The next message, of whatever type.
    async fn any(&mut self) -> Message {
        timeout(DEADLINE, async {
            loop {
                if let Some(message) = self.dispatch() {
                    return message;
                }
                assert!(self.read().await, "the stream has ended");
            }
        })
        .await
        .expect("no event in time")
    }

    /// The next events.
    async fn events(&mut self, count: usize) -> Vec<Message> {
        let mut events = Vec::new();
        while events.len() < count {
            let message = self.any().await;
            assert_eq!(message.id, message.data["id"].as_u64(), "{message:?}");
            assert_eq!(message.event, message.data["type"], "{message:?}");
            events.push(message);
        }
        events
    }

    /// The next frame of beats.
    async fn beats(&mut self) -> Value {
        loop {
            let message = self.any().await;
            if message.event == "beats" {
                return message.data;
            }
        }
    }

    /// The next frame of beats that shows a sandbox as running; there is one more after it was registered.
    async fn running(&mut self, id: &str) -> Value {
        loop {
            let beats = self.beats().await;
            let sandboxes = beats["sandboxes"].as_array().unwrap();
            if sandboxes.iter().any(|sandbox| sandbox["id"] == id && sandbox["status"] == "running") {
                return beats;
            }
        }
    }

    /// Reads to the end of the answer, and not merely of the connection.
    async fn end(mut self) {
        let ending = async { while self.read().await {} };
        timeout(DEADLINE, ending).await.expect("the stream does not end");
        assert!(self.ended, "cut off");
    }

    /// The next block that means something; ids alone are noted (HTML, 9.2.6).
    fn dispatch(&mut self) -> Option<Message> {
        while let Some(end) = self.text.find("\n\n") {
            let block: String = self.text.drain(..end + 2).collect();
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            let id = field("id").map(|id| id.parse().unwrap());
            self.last_id = id.or(self.last_id);
            if let Some(data) = field("data") {
                let event = field("event").unwrap().to_owned();
                return Some(Message { id, event, data: serde_json::from_str(data).unwrap() });
            }
        }
        None
    }

    /// Reads more; false at the end.
    async fn read(&mut self) -> bool {
        loop {
            let Some(line) = self.raw.windows(2).position(|window| window == b"\r\n") else {
                if self.stream.read_buf(&mut self.raw).await.unwrap_or(0) == 0 {
                    return false;
                }
                continue;
            };
            let length = usize::from_str_radix(std::str::from_utf8(&self.raw[..line]).unwrap(), 16).unwrap();
            if self.raw.len() < line + 2 + length + 2 {
                if self.stream.read_buf(&mut self.raw).await.unwrap_or(0) == 0 {
                    return false;
                }
                continue;
            }
            let chunk: Vec<u8> = self.raw.drain(..line + 2 + length + 2).collect();
            self.text += std::str::from_utf8(&chunk[line + 2..line + 2 + length]).unwrap();
            self.ended = length == 0;
            return !self.ended;
        }
    }
}

/// A page, which has to be one.
async fn page(hub: &Hub, path: &str) -> Value {
    let answer = hub.get(path).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

fn types(events: &[Message]) -> Vec<&str> {
    events.iter().map(|message| message.event.as_str()).collect()
}

fn listed(page: &Value) -> Vec<(&str, &str)> {
    let text = |event: &'_ Value, field: &str| event[field].as_str().map(|text| text.to_owned().leak() as &str);
    let events = page["events"].as_array().unwrap().iter();
    events.map(|event| (text(event, "type").unwrap(), text(event, "sandboxId").unwrap_or_default())).collect()
}

async fn stream_refused(call: Call) -> Answer {
    call.header("Accept", "text/event-stream").send().await
}

#[tokio::test]
async fn a_page_has_the_newest_first_and_the_next_one_goes_on() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("a").await;
    hub.report(&token, &base("a")).await;
    hub.register("b").await;
    hub.delete("/api/v1/sandboxes/b").send().await;
    let all = page(&hub, ALL).await;
    assert_eq!(listed(&all), [("deleted", "b"), ("registered", "b"), ("reported", "a"), ("registered", "a")]);
    assert!(all.get("nextCursor").is_none());
    let at = all["events"][0]["at"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z'), "{at}");

    let first = page(&hub, "/api/v1/events?limit=3").await;
    assert_eq!(listed(&first), listed(&all)[..3]);
    let rest = page(&hub, &format!("/api/v1/events?limit=3&cursor={}", first["nextCursor"].as_str().unwrap())).await;
    assert_eq!(listed(&rest), listed(&all)[3..]);
    assert!(rest.get("nextCursor").is_none());

    assert_eq!(
        listed(&page(&hub, "/api/v1/events?type=deleted,reported").await),
        [("deleted", "b"), ("reported", "a")]
    );
    assert_eq!(listed(&page(&hub, "/api/v1/sandboxes/a/events").await), [("reported", "a"), ("registered", "a")]);
    assert_eq!(listed(&page(&hub, "/api/v1/sandboxes/b/events?limit=1").await), [("deleted", "b")], "still known");
    hub.stop().await;
}

#[tokio::test]
async fn pages_and_refusals_are_as_they_are_described() {
    let hub = Hub::start(|config| config.limits.streams = 0).await;
    let document = hub.get("/openapi.json").send().await.body;
    let token = hub.register("a").await;
    hub.report(&token, &base("a")).await;
    let of_one = "/api/v1/sandboxes/{id}/events";
    for (path, answer) in [
        (ALL, hub.get(&format!("{ALL}?limit=1")).send().await),
        (ALL, hub.get(&format!("{ALL}?limit=0")).send().await),
        (ALL, stream_refused(hub.get(ALL)).await),
        (of_one, hub.get("/api/v1/sandboxes/a/events").send().await),
        (of_one, hub.get("/api/v1/sandboxes/b/events").send().await),
    ] {
        let response = &document["paths"][path]["get"]["responses"][answer.status.to_string()];
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path} {answer:?}: {response}");
        assert_eq!(faults(&document, schema, &answer.body), Vec::<String>::new(), "{answer:?}");
    }
    let asked = document["paths"][ALL]["get"]["parameters"].as_array().unwrap();
    for name in ["type", "limit", "cursor", "after", "beats", "Last-Event-ID"] {
        assert!(asked.iter().any(|parameter| parameter["name"] == name), "{name}");
    }
    assert!(document["paths"][ALL]["get"]["responses"]["200"]["content"].get("text/event-stream").is_some());
    hub.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_named() {
    let hub = Hub::start(|_| {}).await;
    hub.register("a").await;
    for (query, part) in [
        ("type=lots", "type: `lots` is none of registered, deleted"),
        ("type=", "type: "),
        ("limit=0", "limit: 0 is not from 1 to 1000"),
        ("limit=1001", "limit: 1001"),
        ("limit=many", "limit"),
        ("cursor=x", "cursor: this is not a `nextCursor`"),
        ("cursor=0", "cursor: this is not a `nextCursor`"),
        ("kind=lost", "unknown field `kind`"),
        ("after=1", "after: only a stream has this"),
        ("beats=true", "beats: only a stream has this"),
    ] {
        hub.get(&format!("{ALL}?{query}")).send().await.refused(400, part);
    }
    for (query, part) in [
        ("limit=5", "limit: only a page has this"),
        ("cursor=5", "cursor: only a page has this"),
        ("after=x", "after"),
        ("beats=maybe", "beats"),
        ("type=lost,nothing", "`nothing`"),
    ] {
        stream_refused(hub.get(&format!("{ALL}?{query}"))).await.refused(400, part);
    }
    stream_refused(hub.get(ALL).header("Last-Event-ID", "x")).await.refused(400, "Last-Event-ID: ");
    hub.get("/api/v1/sandboxes/nobody/events").send().await.refused(404, "no sandbox");
    stream_refused(hub.get("/api/v1/sandboxes/nobody/events")).await.refused(404, "no sandbox");
    hub.get("/api/v1/sandboxes/no.body/events").send().await.refused(400, "id");
    hub.stop().await;
}

#[tokio::test]
async fn events_are_for_who_may_manage() {
    let hub = Hub::start(admin_key).await;
    for path in [ALL, "/api/v1/sandboxes/a/events"] {
        hub.get(path).send().await.refused(401, "admin key");
        stream_refused(hub.get(path)).await.refused(401, "admin key");
    }
    Listener::open(hub.get(ALL).bearer(ADMIN_KEY)).await;
    hub.stop().await;
}

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
    let stored = page(&hub, ALL).await;
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
        let kept = page(&hub, ALL).await;
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
    assert_eq!(figure(&hub, "sandbeat_hub_event_streams").await, 2.0);
    drop(second);
    until_there_is_room(&hub).await;
    hub.stop().await;
}

/// A figure of the hub's own.
pub(crate) async fn figure(hub: &Hub, name: &str) -> f64 {
    let mut stream = hub.connect().await;
    stream.write_all(&hub.get("/metrics").bytes()).await.unwrap();
    let mut text = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).parse().unwrap()
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

#[tokio::test]
async fn a_connection_that_ends_in_a_page_is_as_any_other() {
    let hub = Hub::start(|_| {}).await;
    let mut stream = hub.connect().await;
    let call = hub.get(ALL).header("Accept", "application/json, text/event-stream;q=0.5");
    stream.write_all(&call.bytes()).await.unwrap();
    let answer = answer(&mut stream).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"events": []})));
    assert!(answer.head.contains("vary: accept"), "{}", answer.head);
    hub.stop().await;
}
