//! A hub whose wall clock is set forward and back by hours while it runs.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Hub, more_reports};
use crate::harness::{Api, Sandbox};

/// What a report of this sandbox with this token is answered with.
fn report(hub: &Hub, id: &str, token: &str) -> u16 {
    let report = json!({"sandboxId": id, "status": "running", "uptimeSecs": 3, "hostname": "h", "cpuPercent": 5.0,
                        "intervalSecs": 3600, "timestamp": "2026-11-20T12:00:00Z"});
    let api = Api::tcp(&hub.address.to_string()).with("authorization", &format!("Bearer {token}"));
    api.ask(&format!("POST /api/v1/sandboxes/{id}/status"), &report).0
}

fn times(points: &Value) -> Vec<&str> {
    points.as_array().expect("a list").iter().map(|it| it["at"].as_str().expect("a time")).collect()
}

#[test]
fn a_wall_clock_that_jumps_loses_nobody_and_spoils_no_history() {
    let sandbox = Sandbox::new();
    let (library, clock) = (sandbox.path("clock.so"), sandbox.path("clock"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/blackbox/clock.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status().unwrap();
    assert!(built.success());
    fs::write(&clock, "0").unwrap();
    let sandbox =
        sandbox.env("LD_PRELOAD", library.to_str().unwrap()).env("SANDBEAT_TEST_CLOCK", clock.to_str().unwrap());
    let hub = Hub::start_in(sandbox, "lost_grace = \"1s\"\nsuspect_fraction = 1.0\nnever_reported_after = \"1h\"");

    let api = Api::tcp(&hub.address.to_string());
    let (status, registered) = api.ask("POST /api/v1/sandboxes", &json!({"id": "rotated"}));
    assert_eq!(status, 201, "{registered}");
    let first = registered["token"].as_str().unwrap();
    let (status, rotated) = api.ask("POST /api/v1/sandboxes/rotated/token", &json!({"overlapSecs": 600}));
    assert_eq!(status, 200, "{rotated}");
    let second = rotated["token"].as_str().unwrap();
    assert_eq!((report(&hub, "rotated", first), report(&hub, "rotated", second)), (200, 200));

    let running = hub.play(&hub.load(Duration::from_millis(200)), 30);
    for offset in ["7200", "-7200", "36000", "0"] {
        fs::write(&clock, offset).unwrap();
        // More time than a loss takes.
        more_reports(&running, 0.0, 10);
        assert_eq!((hub.count("live"), hub.events("lost,recovered,overdue,suspect").len()), (31, 0), "{offset}");
        let history = hub.get(&format!("/sandboxes/{}/history", running.fleet().id(0)));
        let times = times(&history["points"]);
        assert!(!times.is_empty() && times.len() <= 60 && times.is_sorted_by(|a, b| a < b), "{offset}: {history}");
        if offset == "7200" {
            assert_eq!(report(&hub, "rotated", first), 401, "by the wall clock its time is over");
        }
        assert_eq!(report(&hub, "rotated", second), 200, "{offset}");
    }
    let numbers: Vec<u64> =
        hub.events("registered,reported,token-rotated").iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b) && numbers.len() == 31 * 2 + 1, "{numbers:?}");
}
