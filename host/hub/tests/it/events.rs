//! Events as pages: what happened, and what of it can be asked.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Hub, admin_key, base};
use crate::listener::{ALL, Listener, stream_refused};
use crate::schema::faults;

/// A page, which has to be one.
async fn page(hub: &Hub, path: &str) -> Value {
    let answer = hub.get(path).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

fn listed(page: &Value) -> Vec<(&str, &str)> {
    let events = page["events"].as_array().unwrap().iter();
    events.map(|event| (event["type"].as_str().unwrap(), event["sandboxId"].as_str().unwrap_or_default())).collect()
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
async fn a_connection_that_ends_in_a_page_is_as_any_other() {
    let hub = Hub::start(|_| {}).await;
    let call = hub.get(ALL).header("Accept", "application/json, text/event-stream;q=0.5");
    let answer = call.send().await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"events": []})));
    assert!(answer.head.contains("vary: accept"), "{}", answer.head);
    hub.stop().await;
}
