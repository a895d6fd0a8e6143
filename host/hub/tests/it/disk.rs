//! What clients are told while the hub's disk takes no changes.

use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::harness::{DEADLINE, Hub, base, with};

#[tokio::test]
async fn what_does_not_survive_is_refused_for_now_and_beats_are_taken() {
    let data = TempDir::new().unwrap();
    let hub = Hub::start(|config| config.data = Some(data.path().to_owned())).await;
    let (stops, stays) = (hub.register("stops").await, hub.register("stays").await);
    for (id, token) in [("stops", &stops), ("stays", &stays)] {
        assert_eq!(hub.report(token, &base(id)).await.status, 200);
    }
    let other = Connection::open(data.path().join("hub.db")).unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ROLLBACK, 'a test says so'); END";
    other.execute_batch(full).unwrap();

    let stopped = with("stops", json!({"status": "stopped"}));
    for call in [
        hub.post("/api/v1/sandboxes/stops/status").bearer(&stops).json(&stopped),
        hub.post("/api/v1/sandboxes/stops/status").bearer(&stops).json(&stopped),
        hub.post("/api/v1/sandboxes").json(&json!({"id": "new"})),
        hub.post("/api/v1/sandboxes/stays/token").json(&json!({})),
        hub.delete("/api/v1/sandboxes/stays"),
    ] {
        let refused = call.send().await;
        refused.refused(503, "cannot write to its disk");
        assert!(refused.head.contains("retry-after: 5"), "{refused:?}");
    }
    assert_eq!(hub.report(&stays, &base("stays")).await.status, 200, "it brings no event");
    until_trouble(&hub, 1.0).await;

    other.execute_batch("DROP TRIGGER full").unwrap();
    until_trouble(&hub, 0.0).await;
    assert_eq!(hub.report(&stops, &stopped).await.status, 200);
    assert_eq!(hub.sandbox("stops").await["liveness"], "stopped");
    hub.get("/api/v1/sandboxes/new").send().await.refused(404, "no sandbox");
    hub.stop().await;
}

async fn until_trouble(hub: &Hub, trouble: f64) {
    let deadline = Instant::now() + DEADLINE;
    while hub.figure("sandbeat_hub_store_trouble").await != trouble {
        assert!(Instant::now() < deadline, "it does not become {trouble}");
        sleep(std::time::Duration::from_millis(10)).await;
    }
}
