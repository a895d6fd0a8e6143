//! Events of a sandbox's own health.

use super::*;

fn health(seq: u64, processes: serde_json::Value, plugins: serde_json::Value) -> serde_json::Value {
    serde_json::json!({"bootId": "x", "seq": seq, "processes": processes, "plugins": plugins})
}

#[test]
fn a_failure_is_told_with_its_name_and_reason_and_repeats_tell_nothing() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    let bad = |seq| {
        let plugins = serde_json::json!([{"name": "p", "state": "quarantined", "reason": "it fails"}]);
        health(seq, serde_json::json!({"web": {"status": "error", "lastError": "it fell"}}), plugins)
    };
    let Ok(Outcome::Accepted { events, .. }) = hub.beat(&a, "a", 1, bad(1)) else { panic!("not accepted") };
    let told: Vec<_> = events.iter().map(|e| (e.kind, e.name.as_deref(), e.detail.as_deref())).collect();
    assert_eq!(
        told,
        [
            (Kind::Reported, None, None),
            (Kind::ProcessFailed, Some("web"), Some("it fell")),
            (Kind::CollectorFailed, Some("p"), Some("it fails")),
        ]
    );
    assert!(matches!(hub.beat(&a, "a", 2, bad(1)), Ok(Outcome::Duplicate { .. })));
    assert_eq!(made(hub.beat(&a, "a", 2, bad(2))), []);
    let delta = serde_json::json!({"bootId": "x", "seq": 3, "unchanged": ["plugins", "metadata"],
        "processes": {"web": {"status": "running"}}});
    assert_eq!(made(hub.beat(&a, "a", 3, delta)), [Kind::ProcessRecovered], "no word about collectors");
    let missing = serde_json::json!({"bootId": "y", "seq": 1, "unchanged": ["plugins"]});
    assert_eq!(made(hub.beat(&a, "a", 4, missing)), [Kind::Restarted], "nor here");
    let good = serde_json::json!({"bootId": "y", "seq": 2, "plugins": [{"name": "p", "state": "active"}]});
    assert_eq!(made(hub.beat(&a, "a", 5, good)), [Kind::CollectorRecovered]);
}

#[test]
fn who_changes_all_the_time_is_told_of_now_and_then() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    let mut told = Vec::new();
    for second in 1..600 {
        told.extend(made(hub.beat(&a, "a", second, boot(&format!("boot-{second}"), 1, 1.0))));
    }
    let restarts = told.iter().filter(|kind| **kind == Kind::Restarted).count();
    assert_eq!(restarts, 60 + 9, "an hour's at once, then one a minute");
    assert_eq!(told.iter().filter(|kind| **kind == Kind::Suppressed).count(), 1);
}

#[test]
fn who_stops_and_starts_all_the_time_stands_right_without_being_told() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    let mut told = Vec::new();
    for seq in 0..1401 {
        let status = if seq % 2 == 0 { "running" } else { "stopped" };
        let fields = serde_json::json!({"bootId": "x", "seq": seq + 1, "status": status});
        told.extend(made(hub.beat(&a, "a", 1, fields)));
        let standing = if seq % 2 == 0 { Standing::Live } else { Standing::Stopped };
        assert_eq!(hub.find("a").standing, standing);
    }
    assert_eq!(told.len(), 62, "its first report, sixty, and that the others are left out");
    assert_eq!(told.last(), Some(&Kind::Suppressed));
    assert!(hub.fleet.take_changed(9)[0].untold, "so that it is saved without an event");
    assert_eq!(hub.expire(120), []);
    assert_eq!(hub.expire(121), [("a".into(), Kind::Lost)], "what time brings about is told, and later");
    assert_eq!(made(hub.beat(&a, "a", 122, boot("x", 2000, 1.0))), [Kind::Recovered]);
    assert!(!hub.fleet.take_changed(9)[0].untold);
}
