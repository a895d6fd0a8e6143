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
