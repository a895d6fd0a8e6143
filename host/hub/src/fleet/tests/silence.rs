//! Silence, and what it means.

use super::*;

#[test]
fn a_sandbox_goes_from_silence_to_live_to_lost_and_back() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    assert_eq!(hub.find("a").standing, Standing::NeverReported);
    assert_eq!(hub.expire(59), []);
    assert_eq!(hub.expire(60), [("a".into(), Kind::Overdue)]);
    assert_eq!(hub.expire(1000), [], "said once");

    assert_eq!(made(hub.beat(&a, "a", 100, none())), [Kind::Reported]);
    assert_eq!(made(hub.beat(&a, "a", 102, none())), []);
    assert_eq!(hub.expire(108), []);
    assert_eq!(hub.expire(109), [("a".into(), Kind::Lost)], "102 + 3 × 2 + 1");
    assert_eq!(hub.find("a").status(), Status::Running, "lost is not stopped");

    assert_eq!(made(hub.beat(&a, "a", 200, none())), [Kind::Recovered]);
    let stopped = serde_json::json!({"status": "stopped"});
    assert_eq!(made(hub.beat(&a, "a", 201, stopped)), [Kind::Stopped]);
    assert_eq!(hub.expire(100_000), [], "who said it stops is never lost");
    assert_eq!(hub.find("a").status(), Status::Stopped);
    assert_eq!(made(hub.beat(&a, "a", 100_001, none())), [Kind::Started]);
}

#[test]
fn what_is_read_is_what_was_announced_and_a_late_report_announces_the_loss_before_it() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    hub.beat(&a, "a", 1, none()).unwrap();
    assert_eq!((hub.find("a").standing, hub.find("a").since), (Standing::Live, wall(1)));
    assert_eq!(hub.expire(8), [("a".into(), Kind::Lost)]);
    assert_eq!((hub.find("a").standing, hub.find("a").since), (Standing::Lost, wall(8)));
    assert_eq!(made(hub.beat(&a, "a", 9, none())), [Kind::Recovered]);
    assert_eq!(hub.find("a").standing, Standing::Live);
    let both = [Kind::Lost, Kind::Recovered];
    assert_eq!(made(hub.beat(&a, "a", 16, none())), both, "whether or not anyone looked in between");
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
        let Expired { events, more } = hub.fleet.expire(hub.start + 60 * SECOND, wall(60), 2);
        (events.len(), more)
    };
    assert_eq!((part(), part()), ((2, true), (1, false)));
}

/// Ten sandboxes that were heard at 0, of which the first so many are heard at 6 as well.
fn ten(heard: usize) -> (Hub, Vec<(String, Sender)>) {
    let rules = Rules { suspect_least: 3, suspect_fraction: 0.2, suspect_hold: 60 * SECOND, ..settings().rules };
    let mut hub = Hub::with(Settings { rules, ..settings() });
    let senders: Vec<_> = (0..10)
        .map(|n| {
            let id = format!("s{n}");
            (id.clone(), hub.register(&id, 0).unwrap())
        })
        .collect();
    for (id, sender) in &senders {
        hub.beat(sender, id, 0, none()).unwrap();
    }
    for (id, sender) in &senders[..heard] {
        hub.beat(sender, id, 6, none()).unwrap();
    }
    (hub, senders)
}

#[test]
fn when_many_are_silent_at_once_the_hub_doubts_its_own_network() {
    let (mut hub, senders) = ten(4);
    assert_eq!(hub.expire(6), []);
    let Expired { events, .. } = hub.fleet.expire(hub.at(7), wall(7), 100);
    assert_eq!((events.len(), events[0].kind, &events[0].sandbox_id), (1, Kind::Suspect, &None));
    assert_eq!(events[0].detail.as_deref(), Some("6 of 10 live sandboxes are silent"));
    let counts = hub.fleet.counts();
    assert_eq!((counts.live, counts.suspect, counts.lost, counts.suspect_since), (10, 6, 0, Some(wall(7))));
    assert!(hub.find("s9").suspect && !hub.find("s0").suspect);
    assert_eq!(hub.find("s9").standing, Standing::Live);

    // All but two are heard again; those two are waited for anew.
    for (id, sender) in &senders[..8] {
        assert_eq!(made(hub.beat(sender, id, 8, none())), [], "who was suspect was never lost");
    }
    assert_eq!(hub.fleet.counts().suspect, 2);
    assert_eq!(hub.expire(8), [("hub".into(), Kind::Trusted)]);
    assert_eq!((hub.fleet.counts().suspect, hub.fleet.counts().suspect_since), (0, None));
    assert!(!hub.find("s9").suspect);
    for (id, sender) in &senders[..8] {
        hub.beat(sender, id, 13, none()).unwrap();
    }
    assert_eq!(hub.expire(14), []);
    let mut lost = hub.expire(15);
    lost.sort();
    assert_eq!(lost, [("s8".into(), Kind::Lost), ("s9".into(), Kind::Lost)], "8 + 3 × 2 + 1");
}

#[test]
fn a_doubt_that_goes_on_is_over_after_a_while() {
    let (mut hub, _) = ten(0);
    assert_eq!(hub.expire(7), [("hub".into(), Kind::Suspect)]);
    assert_eq!(hub.expire(66), []);
    let events = hub.expire(67);
    assert_eq!((events.len(), events[0].1, events[10].1), (11, Kind::Trusted, Kind::Lost));
    assert_eq!((hub.fleet.counts().lost, hub.fleet.counts().suspect), (10, 0));
}

/// A fleet in which 14 fall silent and come back in turn while one has fallen silent for good, and what happens to that
/// one: when it is lost, and how often the hub doubted until then.
fn lost_among_flapping(interval: f64, hold: u32, period: u32) -> (Option<u32>, usize) {
    let rules = Rules { suspect_hold: hold * SECOND, ..settings().rules };
    let mut hub = Hub::with(Settings { rules, ..settings() });
    let ids: Vec<_> = (0..55).map(|n| format!("s{n}")).collect();
    let senders: Vec<_> = ids.iter().map(|id| hub.register(id, 0).unwrap()).collect();
    let victim = serde_json::json!({"intervalSecs": interval});
    hub.beat(&senders[54], &ids[54], 0, victim).unwrap();
    let mut doubts = 0;
    for second in 0..200 {
        for (n, (id, sender)) in ids.iter().zip(&senders).enumerate().take(54) {
            if n < 14 && second % period == 0 {
                hub.beat(sender, id, second, serde_json::json!({"intervalSecs": 0.3})).unwrap();
            } else if n >= 14 {
                hub.beat(sender, id, second, none()).unwrap();
            }
        }
        for (id, kind) in hub.expire(second) {
            match kind {
                Kind::Suspect => doubts += 1,
                Kind::Lost if id == "s54" => {
                    let counts = hub.fleet.counts();
                    assert_eq!(counts.suspect_since.is_some(), counts.suspect > 0);
                    assert_eq!(hub.find(&id).standing, Standing::Lost);
                    return (Some(second), doubts);
                }
                _ => {}
            }
        }
    }
    (None, doubts)
}

#[test]
fn no_coming_and_going_of_others_hides_a_loss() {
    for period in [3, 4, 5, 7] {
        let (lost, doubts) = lost_among_flapping(2.0, 10, period);
        assert!(doubts > 1, "{doubts} doubts, period {period}");
        assert!(lost.is_some_and(|lost| lost <= 17), "3 × 2 + 1 + 10, period {period}: {lost:?}");
    }
}

#[test]
fn one_that_reaches_its_limit_in_a_doubt_is_lost_in_it() {
    // The doubts are at 2..4, 6..8 and so on, every four seconds.
    for hold in [8, 9, 10, 11] {
        let (lost, _) = lost_among_flapping(2.0, hold, 4);
        assert!(lost.is_some_and(|lost| lost <= 7 + hold), "{hold}: {lost:?}");
    }
}

#[test]
fn one_that_is_held_by_a_second_doubt_is_lost_at_its_limit() {
    let (mut hub, senders) = ten(4);
    assert_eq!(hub.expire(7), [("hub".into(), Kind::Suspect)]);
    for (id, sender) in &senders[..9] {
        hub.beat(sender, id, 8, none()).unwrap();
    }
    assert_eq!(hub.expire(8), [("hub".into(), Kind::Trusted)]);
    assert_eq!(hub.expire(15), [("hub".into(), Kind::Suspect)]);
    assert_eq!((hub.fleet.counts().suspect, hub.expire(66)), (10, vec![]));
    assert_eq!(hub.expire(67), [("s9".into(), Kind::Lost)], "3 × 2 + 1 + 60");
    assert_eq!(hub.fleet.counts().suspect, 9);
}

#[test]
fn one_that_is_suspect_can_stop_or_be_deleted() {
    let (mut hub, senders) = ten(4);
    hub.expire(7);
    let (id, sender) = &senders[9];
    assert_eq!(made(hub.beat(sender, id, 8, serde_json::json!({"status": "stopped"}))), [Kind::Stopped]);
    hub.fleet.remove("s8").unwrap();
    let counts = hub.fleet.counts();
    assert_eq!((counts.live, counts.stopped, counts.suspect), (8, 1, 4));
    for (id, sender) in &senders[4..8] {
        hub.beat(sender, id, 8, none()).unwrap();
    }
    assert_eq!(hub.expire(8), [("hub".into(), Kind::Trusted)]);
}

#[test]
fn the_wait_after_a_doubt_comes_in_parts_too() {
    let (mut hub, _) = ten(0);
    hub.expire(7);
    let mut seen = 0;
    for _ in 0..30 {
        let Expired { events, more } = hub.fleet.expire(hub.at(67), wall(67), 1);
        seen += events.iter().filter(|event| event.kind == Kind::Lost).count();
        if !more {
            break;
        }
    }
    assert_eq!(seen, 10);
}

#[test]
fn a_fleet_that_is_spread_is_waited_for_as_it_was_directed() {
    let mut hub = Hub::with(Settings { max_reports_per_sec: Some(1), ..settings() });
    let senders: Vec<_> = (0..20).map(|n| (format!("s{n}"), hub.register(&format!("s{n}"), 0).unwrap())).collect();
    let next = |outcome| match outcome {
        Ok(Outcome::Accepted { next, kept, .. }) => (next, kept.interval),
        _ => panic!("not accepted"),
    };
    for (n, (id, sender)) in (1..).zip(&senders) {
        let (next, interval) = next(hub.beat(sender, id, 0, none()));
        assert_eq!(next, (n > 2).then_some(n * SECOND), "its own interval is 2 s");
        assert_eq!(interval, next.unwrap_or(2 * SECOND));
    }
    let ids = |events: Vec<(String, Kind)>| events.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ids(hub.expire(7)), ["s0", "s1"].map(String::from).into_iter().rev().collect::<Vec<_>>());
    assert_eq!(ids(hub.expire(10)), ["s2"], "3 × 3 + 1");
    // It says what it was directed, which is not what it would do by itself, and is told nothing once all fit.
    let (id, sender) = &senders[19];
    let (next, interval) = next(hub.beat(sender, id, 60, serde_json::json!({"intervalSecs": 20.0})));
    assert_eq!((next, interval), (None, 2 * SECOND));
}

#[test]
fn nobody_is_lost_because_the_hub_itself_stood_still() {
    // Too few to doubt, and enough; who is heard first afterwards, and how many of ten.
    for (least, heard_first, others) in [(100, false, 0), (100, true, 7), (3, false, 7), (3, true, 9)] {
        let rules =
            Rules { suspect_least: least, suspect_fraction: 0.2, suspect_hold: 60 * SECOND, ..settings().rules };
        let mut hub = Hub::with(Settings { rules, longest_pause: 5 * SECOND, ..settings() });
        let ids: Vec<_> = (0..10).map(|n| format!("s{n}")).collect();
        let senders: Vec<_> = ids.iter().map(|id| hub.register(id, 0).unwrap()).collect();
        for (id, sender) in ids.iter().zip(&senders) {
            hub.beat(sender, id, 1, none()).unwrap();
        }
        assert_eq!(hub.expire(2), []);
        // Past patience and `suspect_hold` many times over, and a beat comes before anyone looks at the clock.
        if heard_first {
            assert_eq!(made(hub.beat(&senders[0], &ids[0], 10_002, none())), []);
        }
        assert_eq!(hub.expire(10_002), []);
        for second in [10_004, 10_007] {
            for (id, sender) in ids.iter().zip(&senders).take(others) {
                assert_eq!(made(hub.beat(sender, id, second, none())), []);
            }
            assert_eq!(hub.expire(second), [], "{heard_first} {others}");
            assert_eq!(hub.fleet.counts().suspect, 0);
        }
        // Silent ones are lost in the end: heard at 1, due at 8 of the time that the hub was awake.
        if others == 9 {
            assert_eq!(hub.expire(10_008), [("s9".into(), Kind::Lost)]);
        }
    }
}
