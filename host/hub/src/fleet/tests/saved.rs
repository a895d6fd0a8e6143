//! What outlives the hub.

use sandbeat_status::Part;

use super::*;

/// All of a fleet as it is saved, in a new one that starts at `seconds`.
fn again(hub: &mut Hub, seconds: u32) -> Hub {
    let other = Fleet::new(settings(), hub.at(seconds));
    let mut other = Hub { fleet: other, start: hub.start };
    for Changed { snapshot, history, .. } in hub.fleet.take_changed(usize::MAX) {
        let Snapshot { registration, beat, standing, since, .. } = snapshot;
        let beat = beat.map(|kept| SavedBeat {
            report: kept.report(),
            missing: kept.missing.clone(),
            received: kept.received,
            peer: kept.peer,
            interval: kept.interval,
            dropped: kept.dropped,
        });
        other.fleet.restore(Saved { registration, standing, since, beat, history }, hub.at(seconds));
    }
    other
}

#[test]
fn each_stands_as_it_did_and_who_is_waited_for_is_waited_for_anew() {
    let mut hub = Hub::new(10);
    let stopped = serde_json::json!({"status": "stopped"});
    for (id, second, fields) in [("live", 100, none()), ("lost", 50, none()), ("stopped", 99, stopped)] {
        let sender = hub.register(id, 40).unwrap();
        hub.beat(&sender, id, second, fields).unwrap();
    }
    hub.register("overdue", 10).unwrap();
    hub.expire(100);
    hub.register("new", 60).unwrap();
    let mut hub = again(&mut hub, 1000);
    assert!(hub.fleet.take_changed(10).is_empty(), "all of it is saved");
    let counts = Counts { never_reported: 1, overdue: 1, live: 1, lost: 1, stopped: 1, ..Counts::default() };
    assert_eq!(hub.fleet.counts(), counts, "what was never changed was not to be saved");
    assert_eq!((hub.find("lost").since, hub.find("lost").standing), (wall(100), Standing::Lost));
    assert_eq!(hub.find("live").since, wall(100));
    assert_eq!(hub.expire(1006), []);
    assert_eq!(hub.expire(1007), [("live".into(), Kind::Lost)], "3 × 2 + 1 after the start");
    assert_eq!(hub.expire(100_000), [], "said before");
    for (id, events) in [("lost", [Kind::Recovered]), ("stopped", [Kind::Started]), ("overdue", [Kind::Reported])] {
        let sender = Sender::Known(hub.fleet.registration(id).unwrap());
        assert_eq!(made(hub.beat(&sender, id, 100_001, none())), events, "{id}");
    }
}

#[test]
fn a_report_comes_back_whole_and_the_next_goes_on_from_it() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    hub.beat(&a, "a", 1, whole("x", 1)).unwrap();
    let failing = serde_json::json!({"bootId": "x", "seq": 2, "cpuPercent": 5.0, "unchanged": ["plugins", "metadata"],
        "processes": {"web": {"status": "error"}}});
    hub.beat(&a, "a", 61, failing.clone()).unwrap();
    let before = hub.find("a").beat.unwrap();
    let mut other = again(&mut hub, 100);
    assert!(hub.fleet.take_changed(10).is_empty(), "taken once");
    let after = other.find("a").beat.unwrap();
    assert_eq!((after.report(), &after.missing, after.tally), (before.report(), &vec![], before.tally));
    assert_eq!((after.received, after.peer, after.interval), (before.received, before.peer, before.interval));
    assert_eq!(after.report().metadata["k"], "v");
    assert_eq!(other.fleet.history("a", wall(61)), hub.fleet.history("a", wall(61)));
    assert_eq!(other.fleet.history("a", wall(61)).unwrap().len(), 1);
    assert!(matches!(other.beat(&a, "a", 101, failing), Ok(Outcome::Duplicate { keeps: true, .. })));
    assert_eq!(made(other.beat(&a, "a", 102, delta("x", 3))), [Kind::ProcessRecovered]);
    assert_eq!(other.find("a").beat.unwrap().report().plugins[0].name, "p");
    assert_eq!(other.fleet.take_changed(10).len(), 1);
}

#[test]
fn what_is_missing_stays_so_and_an_unknown_history_is_empty() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    hub.beat(&a, "a", 1, delta("x", 5)).unwrap();
    assert_eq!(again(&mut hub, 10).find("a").beat.unwrap().missing, [Part::Metadata, Part::Plugins]);
    hub.beat(&a, "a", 2, delta("x", 6)).unwrap();
    let Changed { snapshot, .. } = hub.fleet.take_changed(1).remove(0);
    // A transition is saved before the report that made it.
    let saved = Saved {
        registration: snapshot.registration,
        standing: Standing::Live,
        since: wall(2),
        beat: None,
        history: vec![9],
    };
    let mut other = Hub { fleet: Fleet::new(settings(), hub.at(3)), start: hub.start };
    other.fleet.restore(saved, hub.at(3));
    assert_eq!((other.find("a").status(), other.find("a").standing), (Status::Pending, Standing::Live));
    assert_eq!(other.fleet.history("a", wall(3)), Some(vec![]));
    assert_eq!(other.expire(33), []);
    assert_eq!(other.expire(34), [("a".into(), Kind::Lost)], "3 × 10 + 1, by default");
}

#[test]
fn changes_come_in_parts_and_what_was_deleted_is_not_among_them() {
    let mut hub = Hub::new(10);
    for id in ["a", "b", "c"] {
        let sender = hub.register(id, 0).unwrap();
        hub.beat(&sender, id, 1, none()).unwrap();
        hub.beat(&sender, id, 2, none()).unwrap();
    }
    hub.fleet.remove("b").unwrap();
    hub.register("d", 3).unwrap();
    let mut taken = Vec::new();
    for _ in 0..2 {
        taken.extend(hub.fleet.take_changed(1).into_iter().map(|changed| changed.snapshot.registration.id.to_string()));
    }
    assert_eq!(taken, ["a", "c"]);
    hub.expire(9);
    assert_eq!(hub.fleet.take_changed(10).len(), 2, "a loss is a change");
}

#[test]
fn changes_take_no_more_room_than_what_is_there_to_be_saved() {
    let mut hub = Hub::new(10);
    for round in 0..5 {
        let sender = hub.register("a", round).unwrap();
        hub.beat(&sender, "a", round, none()).unwrap();
        hub.fleet.remove("a").unwrap();
    }
    assert_eq!(hub.fleet.changed.len(), 0);
    let mut hub = Hub::with(Settings { lasts: false, ..settings() });
    let sender = hub.register("a", 0).unwrap();
    hub.beat(&sender, "a", 1, none()).unwrap();
    assert_eq!(hub.fleet.changed.len(), 0, "nobody saves it");
}

#[test]
fn who_said_that_it_stops_and_was_not_told_of_has_stopped() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    let stopped = serde_json::json!({"bootId": "x", "seq": 9, "status": "stopped"});
    hub.beat(&a, "a", 1, boot("x", 1, 5.0)).unwrap();
    hub.beat(&a, "a", 20, stopped).unwrap();
    let Snapshot { registration, beat, .. } = hub.find("a");
    let kept = beat.unwrap();
    let back = |standing, since: u32| {
        let mut other = Hub { fleet: Fleet::new(settings(), hub.at(30)), start: hub.start };
        let beat = SavedBeat {
            report: kept.report(),
            missing: Vec::new(),
            received: kept.received,
            peer: kept.peer,
            interval: kept.interval,
            dropped: false,
        };
        let (registration, since) = (Arc::clone(&registration), wall(since));
        let saved = Saved { registration, standing, since, beat: Some(beat), history: Vec::new() };
        (other.fleet.restore(saved, hub.at(30)).map(|event| (event.kind, event.at)), other)
    };
    let (event, mut other) = back(Standing::Live, 1);
    assert_eq!(event, Some((Kind::Stopped, wall(20))));
    let found = other.find("a");
    assert_eq!((found.standing, found.since, found.status()), (Standing::Stopped, wall(20), Status::Stopped));
    assert_eq!(other.expire(100_000), [], "it is not waited for");
    assert_eq!(made(other.beat(&a, "a", 100_001, boot("y", 1, 5.0))), [Kind::Started]);

    let (event, mut other) = back(Standing::Live, 25);
    assert_eq!((event, other.find("a").status()), (None, Status::Running), "it has started since");
    assert_eq!(other.expire(37), [("a".into(), Kind::Lost)]);
    assert_eq!(back(Standing::Stopped, 20).0, None, "told before");
}

#[test]
fn what_was_not_kept_of_a_report_is_not_taken_for_empty_later() {
    let mut hub = Hub::with(Settings { report_memory: 1, ..settings() });
    let a = hub.register("a", 0).unwrap();
    assert!(!kept(hub.beat(&a, "a", 1, whole("x", 1))).1);
    let mut other = again(&mut hub, 10);
    assert!(other.find("a").beat.unwrap().dropped);
    assert!(matches!(other.beat(&a, "a", 11, whole("x", 1)), Ok(Outcome::Duplicate { keeps: false, .. })));
    other.beat(&a, "a", 12, delta("x", 2)).unwrap();
    assert_eq!(other.find("a").beat.unwrap().missing, [Part::Metadata, Part::Plugins]);
}
