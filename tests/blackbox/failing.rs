//! What becomes of collectors that fail: how long they rest, what is still reported of them, and when they are called
//! no more.

use serde_json::Value;

use crate::harness::{FakeHub, Sandbox, guest, metric, plugin};
use crate::plugins::{state, value};

/// A collector that fails in the way that its file says.
struct Moody {
    hub: FakeHub,
    sandbox: Sandbox,
}

impl Moody {
    fn new(failure: &str) -> Moody {
        let hub = FakeHub::start();
        let sandbox = Sandbox::reporting_to(&hub);
        let file = sandbox.path("mood").display().to_string();
        let sidecar = format!("[config]\nfile = \"{file}\"\n[grant]\nread = [\"{file}\"]\n[failure]\n{failure}\n");
        sandbox.drop_collector("moody", guest("moody"), &sidecar).drop_collector("good", guest("one"), "");
        Moody { hub, sandbox }
    }

    fn feels(&self, mood: &str) {
        std::fs::write(self.sandbox.path("mood"), mood).unwrap();
    }
}

fn moody(report: &Value) -> &Value {
    plugin(report, "moody")
}

fn age(report: &Value) -> Option<u64> {
    metric(report, "moody", "test.calls")?["ageMs"].as_u64()
}

#[test]
fn a_failing_collector_rests_ever_longer_and_a_success_ends_that() {
    let test = Moody::new("backoff = \"50ms\"\nbackoff_max = \"1h\"\nquarantine_after = 0");
    test.feels("trap");
    let agent = test.sandbox.start(&["run"]);
    let report = test.hub.report("a rest of a second or more", |report| {
        moody(report)["restsForMs"].as_u64() > Some(1000) && moody(report)["failures"].as_u64() > Some(3)
    });
    assert_eq!(state(&report, "moody"), Some("failing"));
    assert_eq!(moody(&report)["failuresByName"], serde_json::json!({ "trap": moody(&report)["failures"] }));
    assert_eq!(moody(&report)["lastError"]["failure"], "trap");
    assert_eq!(agent.said("collect failed"), 1, "a failure that only comes again is not said again");
    agent.says(&["collect failed", "; in ", "abort"]);
    test.feels("");
    let report = test.hub.report("its recovery", |report| state(report, "moody") == Some("active"));
    assert_eq!(moody(&report).get("restsForMs"), None);
    assert_eq!(moody(&report)["lastError"]["failure"], "trap", "what was wrong last is kept");
    agent.says(&["collector recovered"]);
    assert!(value(&report, "good", "test.calls") > Some(5.0));
}

#[test]
fn too_many_misbehaviours_are_quarantine_until_something_changes() {
    let test = Moody::new("backoff = \"1ms\"\nbackoff_max = \"1ms\"\nquarantine_after = 5");
    test.feels("trap");
    let agent = test.sandbox.start(&["run"]);
    let report = test.hub.report("quarantine", |report| state(report, "moody") == Some("quarantined"));
    assert_eq!(moody(&report)["failures"], 5);
    agent.says(&["quarantined", "reload it"]);
    test.feels("");
    let good = value(&report, "good", "test.calls").unwrap();
    let report = test.hub.report("further reports", |report| value(report, "good", "test.calls") > Some(good + 3.0));
    assert_eq!((state(&report, "moody"), &moody(&report)["failures"]), (Some("quarantined"), &5.into()));
    // A comment is a change as well.
    let sidecar = std::fs::read_to_string(test.sandbox.plugin("moody.toml")).unwrap();
    test.sandbox.drop_in("moody.toml", format!("{sidecar}# try again\n"));
    test.hub.report("its return", |report| state(report, "moody") == Some("active"));
}

#[test]
fn one_that_only_cannot_measure_is_never_quarantined() {
    let test = Moody::new("backoff = \"1ms\"\nbackoff_max = \"1ms\"\nquarantine_after = 3");
    test.feels("error");
    let _agent = test.sandbox.start(&["run"]);
    let report = test.hub.report("many failures", |report| moody(report)["failures"].as_u64() > Some(10));
    assert_eq!(state(&report, "moody"), Some("failing"));
    assert!(moody(&report)["reason"].as_str().unwrap().contains("not in the mood"));
    test.feels("");
    test.hub.report("its values", |report| age(report).is_some());
}

#[test]
fn the_last_good_values_are_reported_with_their_age_until_they_are_stale() {
    let test = Moody::new("backoff = \"1h\"\nbackoff_max = \"1h\"\nstale = \"2s\"");
    let _agent = test.sandbox.start(&["run"]);
    test.hub.report("values", |report| age(report).is_some());
    test.feels("trap");
    let mut oldest = 0;
    test.hub.report("failing without values", |report| {
        oldest = oldest.max(age(report).unwrap_or(0));
        state(report, "moody") == Some("failing") && age(report).is_none()
    });
    assert!((500..3000).contains(&oldest), "{oldest} ms");
}

#[test]
fn without_staleness_a_failure_takes_the_values_at_once() {
    let test = Moody::new("stale = \"0s\"");
    let _agent = test.sandbox.start(&["run"]);
    test.hub.report("values", |report| age(report).is_some());
    test.feels("trap");
    let report = test.hub.report("its failure", |report| state(report, "moody") == Some("failing"));
    assert_eq!(age(&report), None);
}
