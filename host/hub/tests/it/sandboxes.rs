//! Registering, listing and deleting.

use serde_json::{Value, json};

use crate::harness::{Hub, base, with};

#[tokio::test]
async fn a_registered_sandbox_is_pending_and_shows_what_was_said() {
    let hub = Hub::start(|_| {}).await;
    let body = json!({"id": "sbox-1", "name": "one", "image": "python:3.11", "metadata": {"team": "a"}, "cpu": 2});
    let answer = hub.post("/api/v1/sandboxes").json(&body).send().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let sandbox = &answer.body["sandbox"];
    for (field, value) in [
        ("id", json!("sbox-1")),
        ("name", json!("one")),
        ("image", json!("python:3.11")),
        ("metadata", json!({"team": "a"})),
        ("status", json!("pending")),
        ("liveness", json!("never-reported")),
        ("livenessSince", sandbox["createdAt"].clone()),
    ] {
        assert_eq!(sandbox[field], value, "{field}");
    }
    assert!(sandbox.get("agentInfo").is_none(), "nothing was reported");
    assert_eq!(hub.sandbox("sbox-1").await, *sandbox);

    let bare = hub.post("/api/v1/sandboxes").json(&json!({})).send().await;
    assert_eq!((bare.status, &bare.body["sandbox"]["name"]), (201, &bare.body["sandbox"]["id"]));
    hub.stop().await;
}

#[tokio::test]
async fn a_bad_registration_is_named_and_registers_nothing() {
    let hub = Hub::start(|_| {}).await;
    for (body, about) in [
        (json!({"id": "a/b"}).to_string(), "id: "),
        (json!({"name": 5}).to_string(), "name: "),
        (json!({"metadata": {"k": 5}}).to_string(), "metadata.k: "),
        (String::new(), "the body is empty"),
        ("[]".into(), "not a JSON object"),
    ] {
        hub.post("/api/v1/sandboxes").text(&body).send().await.refused(400, about);
    }
    hub.post("/api/v1/sandboxes").body(b"{}").send().await.refused(415, "Content-Type");
    assert_eq!(hub.get("/api/v1/sandboxes").send().await.body, json!({"sandboxes": [], "total": 0}));
    hub.stop().await;
}

#[tokio::test]
async fn the_list_comes_in_pages_and_can_be_narrowed() {
    let hub = Hub::start(|_| {}).await;
    for id in ["c", "a", "d", "b"] {
        let token = hub.register(id).await;
        match id {
            "a" => {
                let failing =
                    json!({"processes": {"web": {"status": "error"}}, "plugins": [{"name": "p", "state": "active"}]});
                drop(hub.report(&token, &with(id, failing)).await);
            }
            "b" => drop(hub.report(&token, &with(id, json!({"status": "stopped"}))).await),
            _ => {}
        }
    }
    let page = async |query: &str| {
        let body = hub.get(&format!("/api/v1/sandboxes{query}")).send().await.body;
        let ids: Vec<&str> = body["sandboxes"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
        (ids.join(""), body["total"].clone(), body.get("nextCursor").cloned())
    };
    assert_eq!(page("").await, ("abcd".into(), json!(4), None));
    let (ids, total, cursor) = page("?limit=3").await;
    assert_eq!((ids.as_str(), total), ("abc", json!(4)));
    let cursor = cursor.as_ref().and_then(Value::as_str).unwrap().to_owned();
    assert_eq!(page(&format!("?limit=3&cursor={cursor}")).await, ("d".into(), json!(4), None));
    assert_eq!(page("?status=running").await, ("a".into(), json!(1), None));
    assert_eq!(page("?status=pending&limit=4").await, ("cd".into(), json!(2), None));
    assert_eq!(page("?liveness=stopped").await, ("b".into(), json!(1), None));
    assert_eq!(page("?liveness=never-reported&status=running").await, ("".into(), json!(0), None));
    assert_eq!(page("?failing=processes").await, ("a".into(), json!(1), None));
    assert_eq!(page("?failing=any&liveness=live").await, ("a".into(), json!(1), None));
    assert_eq!(page("?failing=collectors").await, ("".into(), json!(0), None));
    assert_eq!(page("?overdue=true").await, ("".into(), json!(0), None));
    assert_eq!(page("?suspect=false&status=stopped").await, ("b".into(), json!(1), None));
    let fleet = hub.get("/api/v1/fleet").send().await.body;
    assert_eq!(fleet["failing"], json!({"processes": 1, "collectors": 0, "any": 1}));

    for (query, about) in [
        ("?status=odd", "status"),
        ("?liveness=odd", "liveness"),
        ("?overdue=yes", "overdue"),
        ("?failing=sessions", "failing"),
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?limit=-1", "limit"),
        ("?cursor=a_b", "cursor"),
        ("?stauts=running", "stauts"),
    ] {
        hub.get(&format!("/api/v1/sandboxes{query}")).send().await.refused(400, about);
    }
    hub.stop().await;
}

#[tokio::test]
async fn the_list_can_be_narrowed_by_metadata_and_searched() {
    let hub = Hub::start(|_| {}).await;
    let registered = async |body: Value| {
        let answer = hub.post("/api/v1/sandboxes").json(&body).send().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["token"].as_str().unwrap_or_default().to_owned()
    };
    let token = registered(json!({"id": "Box-1", "name": "Größe", "metadata": {"team": "a", "url": "x=y"}})).await;
    registered(json!({"id": "box-2", "metadata": {"team": "b", "empty": ""}})).await;
    registered(json!({"id": "c"})).await;
    let report = with("Box-1", json!({"hostname": "Worker-7", "metadata": {"team": "b", "reported": "1"}}));
    hub.report(&token, &report).await;
    let page = async |query: &str| {
        let answer = hub.get(&format!("/api/v1/sandboxes?{query}")).send().await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let ids: Vec<&str> =
            answer.body["sandboxes"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
        assert_eq!(answer.body["total"], ids.len(), "{query}");
        ids.join(" ")
    };
    for (query, expected) in [
        ("metadata=team", "Box-1 box-2"),
        ("metadata=team%3Da", "Box-1"),
        ("metadata=team=b", "box-2"),
        ("metadata=url=x=y", "Box-1"),
        ("metadata=empty=", "box-2"),
        ("metadata=team&metadata=url", "Box-1"),
        ("metadata=team=a&metadata=team=b", ""),
        ("metadata=reported", ""),
        ("search=BOX", "Box-1 box-2"),
        ("search=gr%C3%B6%C3%9Fe", "Box-1"),
        ("search=worker", "Box-1"),
        ("search=box&status=pending", "box-2"),
        ("search=nothing", ""),
        ("search=", "Box-1 box-2 c"),
    ] {
        assert_eq!(page(query).await, expected, "{query}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn the_last_hour_is_told_by_the_minute() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let history = async || hub.get("/api/v1/sandboxes/s/history").send().await.body;
    assert_eq!(history().await, json!({"stepSecs": 60, "points": []}));
    for (seq, cpu) in [(1, 10.0), (2, 12.5), (3, 5.0)] {
        let report = json!({"bootId": "b", "seq": seq, "cpuPercent": cpu, "memoryMB": 512});
        hub.report(&token, &with("s", report)).await;
    }
    let history = history().await;
    // A minute may have ended in between.
    let points = history["points"].as_array().unwrap();
    assert!((1..=2).contains(&points.len()), "{history}");
    let highest = points.iter().filter_map(|point| point["cpuPercent"].as_f64()).fold(0.0, f64::max);
    assert_eq!((highest, points[0]["memoryMB"].as_u64()), (12.5, Some(512)), "{history}");
    let at = points[0]["at"].as_str().unwrap();
    assert!(at.ends_with(":00.000Z"), "the beginning of a minute: {at}");
    hub.get("/api/v1/sandboxes/none/history").send().await.refused(404, "no sandbox");
    hub.stop().await;
}

#[tokio::test]
async fn what_finds_no_room_is_said_to_be_left_out() {
    let hub = Hub::start(|config| config.keep.report_memory = 1000).await;
    let token = hub.register("s").await;
    let report = json!({"cpuPercent": 5.0, "metadata": {"k": "v".repeat(1000)}, "processes": {"web":
        {"status": "error", "restartCount": 1}}});
    hub.report(&token, &with("s", report)).await;
    let sandbox = hub.sandbox("s").await;
    assert_eq!((&sandbox["dropped"], &sandbox["processes"]), (&json!(true), &json!({})));
    assert_eq!(sandbox["agentInfo"]["metrics"]["cpuPercent"], 5.0);
    assert_eq!(sandbox["agentInfo"]["health"]["processesFailed"], 1, "counted before");
    hub.stop().await;
}

#[tokio::test]
async fn what_is_deleted_is_gone_with_its_token() {
    let hub = Hub::start(|_| {}).await;
    let token = hub.register("s").await;
    let answer = hub.delete("/api/v1/sandboxes/s").send().await;
    assert_eq!((answer.status, answer.body), (200, json!({"success": true})));
    hub.delete("/api/v1/sandboxes/s").send().await.refused(404, "no sandbox");
    hub.get("/api/v1/sandboxes/s").send().await.refused(404, "no sandbox");
    hub.report(&token, &base("s")).await.refused(404, "no sandbox");
    let new = hub.register("s").await;
    hub.report(&token, &base("s")).await.refused(401, "unauthorized");
    assert_eq!(hub.report(&new, &base("s")).await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_full_hub_says_so_and_keeps_what_it_has() {
    let hub = Hub::start(|config| {
        config.max_sandboxes = 1;
        config.enroll = sandbeat_hub::Enroll::Open;
    })
    .await;
    let token = hub.register("s").await;
    hub.post("/api/v1/sandboxes").json(&json!({})).send().await.refused(503, "limit of 1 sandboxes");
    hub.report("", &base("new")).await.refused(503, "limit of 1 sandboxes");
    assert_eq!(hub.report(&token, &base("s")).await.status, 200);
    hub.stop().await;
}
