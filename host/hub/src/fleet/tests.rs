//! The fleet's arithmetic: reports in and out of order, silence, and pages.

use super::*;
use crate::auth::KeyHash;
use crate::liveness::Liveness;

const SECOND: Duration = Duration::from_secs(1);

/// A fleet with a clock of its own, that starts at zero and only moves when told to.
struct Hub {
    fleet: Fleet,
    start: Instant,
}

impl Hub {
    fn new(limit: usize) -> Self {
        let rules = Rules {
            intervals: 3,
            grace: SECOND,
            default_interval: 10 * SECOND,
            never_reported_after: 60 * SECOND,
            ..Rules::default()
        };
        Hub { fleet: Fleet::new(rules, limit), start: Instant::now() }
    }

    fn at(&self, seconds: u32) -> Instant {
        self.start + seconds * SECOND
    }

    fn register(&mut self, id: &str, seconds: u32) -> Result<Sender, Refused> {
        let registration = Registration {
            serial: u64::from(seconds) + 1,
            tokens: Some(Tokens::of(KeyHash::of(&crate::auth::Secret::new("token")))),
            ..Registration::by_report(id, wall(seconds))
        };
        let registration = Arc::new(registration);
        self.fleet.register(Arc::clone(&registration), self.at(seconds)).map(|()| Sender::Known(registration))
    }

    fn beat(&mut self, sender: &Sender, id: &str, seconds: u32, fields: serde_json::Value) -> Result<Outcome, Refused> {
        let mut json = serde_json::json!({"sandboxId": id, "status": "running", "uptimeSecs": 1,
            "hostname": "h", "timestamp": "2026-11-20T12:00:00Z", "intervalSecs": 2.0});
        json.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let report = serde_json::from_value(json).unwrap();
        let beat = Beat { report, at: self.at(seconds), received: wall(seconds), peer: [127, 0, 0, 1].into() };
        self.fleet.report(sender, beat)
    }

    fn expire(&mut self, seconds: u32) -> Vec<(String, Kind)> {
        let (events, _) = self.fleet.expire(self.at(seconds), wall(seconds), 100);
        events.iter().map(|e| (e.sandbox_id.as_deref().unwrap().to_owned(), e.kind)).collect()
    }

    fn find(&self, id: &str, seconds: u32) -> Snapshot {
        self.fleet.find(id, self.at(seconds), wall(seconds)).unwrap()
    }

    fn page(&self, query: Query, seconds: u32) -> (Vec<String>, usize, bool) {
        let page = self.fleet.page(&query, self.at(seconds), wall(seconds));
        (page.sandboxes.iter().map(|s| s.registration.id.to_string()).collect(), page.total, page.more)
    }
}

fn wall(seconds: u32) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + i64::from(seconds)).unwrap()
}

fn none() -> serde_json::Value {
    serde_json::json!({})
}

fn boot(boot: &str, seq: u64, cpu: f64) -> serde_json::Value {
    serde_json::json!({"bootId": boot, "seq": seq, "cpuPercent": cpu})
}

/// The events that a report made.
fn made(outcome: Result<Outcome, Refused>) -> Vec<Kind> {
    match outcome.unwrap() {
        Outcome::Accepted { events, .. } => events.iter().map(|event| event.kind).collect(),
        Outcome::Duplicate { .. } => panic!("a duplicate"),
    }
}

#[test]
fn a_sandbox_goes_from_silence_to_live_to_lost_and_back() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    assert_eq!(hub.find("a", 59).standing, Standing::NeverReported);
    assert_eq!(hub.expire(59), []);
    assert_eq!(hub.expire(60), [("a".into(), Kind::Overdue)]);
    assert_eq!(hub.expire(1000), [], "said once");

    assert_eq!(made(hub.beat(&a, "a", 100, none())), [Kind::Reported]);
    assert_eq!(made(hub.beat(&a, "a", 102, none())), []);
    assert_eq!(hub.expire(108), []);
    assert_eq!(hub.expire(109), [("a".into(), Kind::Lost)], "102 + 3 × 2 + 1");
    assert_eq!(hub.find("a", 109).status(), Status::Running, "lost is not stopped");

    assert_eq!(made(hub.beat(&a, "a", 200, none())), [Kind::Recovered]);
    let stopped = serde_json::json!({"status": "stopped"});
    assert_eq!(made(hub.beat(&a, "a", 201, stopped)), [Kind::Stopped]);
    assert_eq!(hub.expire(100_000), [], "who said it stops is never lost");
    assert_eq!(hub.find("a", 100_000).status(), Status::Stopped);
    assert_eq!(made(hub.beat(&a, "a", 100_001, none())), [Kind::Started]);
}

#[test]
fn reading_and_a_late_report_see_what_is_due_before_anyone_looked() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    hub.beat(&a, "a", 1, none()).unwrap();
    assert_eq!((hub.find("a", 7).standing, hub.find("a", 7).since), (Standing::Live, wall(1)));
    assert_eq!((hub.find("a", 8).standing, hub.find("a", 8).since), (Standing::Lost, wall(8)));
    let both = [Kind::Lost, Kind::Recovered];
    assert_eq!(made(hub.beat(&a, "a", 9, none())), both, "whatever was read is announced, too");
}

#[test]
fn each_keeps_its_own_interval_and_who_says_none_gets_the_default() {
    let mut hub = Hub::new(10);
    for (id, fields) in [("a", none()), ("b", serde_json::json!({"intervalSecs": null}))] {
        let sender = hub.register(id, 0).unwrap();
        hub.beat(&sender, id, 0, fields).unwrap();
    }
    assert_eq!(hub.expire(7), [("a".into(), Kind::Lost)]);
    assert_eq!(hub.expire(30), []);
    assert_eq!(hub.expire(31), [("b".into(), Kind::Lost)], "3 × 10 + 1");
}

#[test]
fn an_interval_that_gets_shorter_is_noticed_in_time() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    hub.beat(&a, "a", 0, serde_json::json!({"intervalSecs": 1000})).unwrap();
    hub.beat(&a, "a", 1, none()).unwrap();
    assert_eq!(hub.expire(8), [("a".into(), Kind::Lost)]);
}

#[test]
fn repeats_and_late_ones_change_nothing() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    assert!(matches!(hub.beat(&a, "a", 1, boot("x", 2, 20.0)), Ok(Outcome::Accepted { .. })));
    for (second, seq) in [(2, 2), (3, 1)] {
        assert!(matches!(hub.beat(&a, "a", second, boot("x", seq, 99.0)), Ok(Outcome::Duplicate { .. })));
    }
    let beat = hub.find("a", 3).beat.unwrap();
    assert_eq!((beat.report().cpu_percent, beat.at), (Some(20.0), hub.at(1)));
    assert_eq!(hub.expire(8), [("a".into(), Kind::Lost)], "a repeat is no sign of life");

    assert!(matches!(hub.beat(&a, "a", 9, boot("y", 1, 1.0)), Ok(Outcome::Accepted { .. })), "a new start counts anew");
    assert!(matches!(hub.beat(&a, "a", 10, none()), Ok(Outcome::Accepted { .. })), "no identity, no repeat");
    assert!(matches!(hub.beat(&a, "a", 11, none()), Ok(Outcome::Accepted { .. })));
}

/// What is kept of a report, and whether the next may leave out parts.
fn kept(outcome: Result<Outcome, Refused>) -> (Report, bool) {
    match outcome.unwrap() {
        Outcome::Accepted { kept, keeps, .. } => (kept.report(), keeps),
        Outcome::Duplicate { .. } => panic!("a duplicate"),
    }
}

fn whole(boot: &str, seq: u64) -> serde_json::Value {
    serde_json::json!({"bootId": boot, "seq": seq, "metadata": {"k": "v"}, "plugins": [{"name": "p", "state": "active"}]})
}

fn delta(boot: &str, seq: u64) -> serde_json::Value {
    serde_json::json!({"bootId": boot, "seq": seq, "unchanged": ["metadata", "plugins"]})
}

#[test]
fn what_a_report_leaves_out_is_what_was_in_the_one_before_it() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    let (first, keeps) = kept(hub.beat(&a, "a", 1, whole("x", 1)));
    assert!(keeps);
    // Someone still looks at the one before, the first time; nobody the second time.
    for seq in [2, 3] {
        let (report, keeps) = kept(hub.beat(&a, "a", 2, delta("x", seq)));
        assert!(keeps);
        assert_eq!((&report.metadata, &report.plugins), (&first.metadata, &first.plugins), "{seq}");
        assert_eq!(report.seq, Some(seq));
    }
    assert_eq!(first.metadata["k"], "v", "what is looked at stays as it is");
    let part = serde_json::json!({"bootId": "x", "seq": 4, "metadata": {"k": "w"}, "unchanged": ["plugins"]});
    let (report, keeps) = kept(hub.beat(&a, "a", 3, part));
    assert_eq!((report.metadata["k"].as_str(), report.plugins[0].name.as_str(), keeps), ("w", "p", true));
    assert!(matches!(hub.beat(&a, "a", 4, delta("x", 4)), Ok(Outcome::Duplicate { keeps: true })));
    assert_eq!(hub.find("a", 4).beat.unwrap().missing, []);
}

#[test]
fn what_is_not_known_is_missing_until_a_whole_report_comes() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    let (report, keeps) = kept(hub.beat(&a, "a", 1, delta("x", 7)));
    assert!(!keeps && report.metadata.is_empty(), "nothing came before");
    assert_eq!(hub.find("a", 1).beat.unwrap().missing, [Part::Metadata, Part::Plugins]);
    assert!(matches!(hub.beat(&a, "a", 2, delta("x", 7)), Ok(Outcome::Duplicate { keeps: false })));
    assert!(!kept(hub.beat(&a, "a", 3, delta("x", 8))).1, "what is missing in one is missing in the next");
    assert!(kept(hub.beat(&a, "a", 4, whole("x", 9))).1);
    assert!(kept(hub.beat(&a, "a", 5, delta("x", 10))).1);

    let (report, keeps) = kept(hub.beat(&a, "a", 6, delta("y", 1)));
    assert!(!keeps && report.metadata.is_empty(), "of another start nothing is taken over");
    let (_, keeps) = kept(hub.beat(&a, "a", 7, serde_json::json!({"metadata": {"k": "v"}})));
    assert!(!keeps, "who does not say which start it is cannot leave out anything");
    let (report, keeps) = kept(hub.beat(&a, "a", 8, serde_json::json!({"unchanged": ["metadata"]})));
    assert!(!keeps && report.metadata.is_empty());
}

#[test]
fn a_report_does_not_outlive_the_registration_that_let_it_in() {
    let mut hub = Hub::new(10);
    let first = hub.register("a", 0).unwrap();
    hub.fleet.remove("a").unwrap();
    assert_eq!(hub.fleet.remove("a"), Err(Refused::Unknown));
    assert_eq!(hub.beat(&first, "a", 1, none()).unwrap_err(), Refused::Unknown);
    let second = hub.register("a", 2).unwrap();
    assert_eq!(hub.beat(&first, "a", 3, none()).unwrap_err(), Refused::Unknown);
    assert_eq!(hub.beat(&Sender::New, "a", 3, none()).unwrap_err(), Refused::Unknown, "it has a token by now");
    assert!(hub.beat(&second, "a", 3, none()).is_ok());
}

#[test]
fn what_was_deleted_is_not_waited_for() {
    let mut hub = Hub::new(10);
    hub.register("a", 0).unwrap();
    hub.fleet.remove("a").unwrap();
    assert_eq!(hub.expire(1000), []);
}

#[test]
fn many_that_are_due_come_in_parts() {
    let mut hub = Hub::new(10);
    for id in ["a", "b", "c"] {
        hub.register(id, 0).unwrap();
    }
    let mut part = || {
        let (events, more) = hub.fleet.expire(hub.start + 60 * SECOND, wall(60), 2);
        (events.len(), more)
    };
    assert_eq!((part(), part()), ((2, true), (1, false)));
}

#[test]
fn pages_follow_each_other_and_filters_count_what_matches() {
    let mut hub = Hub::new(10);
    for id in ["e", "c", "a", "d", "b"] {
        hub.register(id, 0).unwrap();
    }
    for id in ["b", "d"] {
        let sender = Sender::Known(hub.fleet.registration(id).unwrap());
        hub.beat(&sender, id, 0, none()).unwrap();
    }
    let all = Query { limit: 2, ..Query::default() };
    assert_eq!(hub.page(all.clone(), 1), (vec!["a".into(), "b".into()], 5, true));
    let next = Query { after: Some("b".into()), ..all.clone() };
    assert_eq!(hub.page(next, 1), (vec!["c".into(), "d".into()], 5, true));
    let last = Query { after: Some("d".into()), ..all.clone() };
    assert_eq!(hub.page(last, 1), (vec!["e".into()], 5, false));

    let running = Query { status: Some(Status::Running), ..all.clone() };
    assert_eq!(hub.page(running, 1), (vec!["b".into(), "d".into()], 2, false));
    let lost = Query { liveness: Some(Liveness::Lost), ..all.clone() };
    assert_eq!(hub.page(lost.clone(), 6), (vec![], 0, false));
    assert_eq!(hub.page(lost, 7), (vec!["b".into(), "d".into()], 2, false));
    let silent = Query { liveness: Some(Liveness::NeverReported), limit: 1, ..all };
    assert_eq!(hub.page(silent, 7), (vec!["a".into()], 3, true));
}
