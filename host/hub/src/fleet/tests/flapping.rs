//! A sandbox that falls silent and comes back all the time, and what is told of it.

use super::*;

/// What is told of one that reports every so many seconds up to `end`, at an interval of next to nothing.
fn told_of_one(every: usize, end: u32) -> (Hub, Sender, Vec<Kind>) {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    let mut told = Vec::new();
    for second in 0..=end {
        if second.is_multiple_of(every as u32) {
            told.extend(made(hub.beat(&a, "a", second, flapping())));
        }
        told.extend(hub.expire(second).into_iter().map(|(_, kind)| kind));
    }
    (hub, a, told)
}

/// Lost after 1.03 s by itself.
fn flapping() -> serde_json::Value {
    serde_json::json!({"intervalSecs": 0.01})
}

fn count(told: &[Kind], kind: Kind) -> usize {
    told.iter().filter(|told| **told == kind).count()
}

#[test]
fn one_that_flaps_is_told_of_no_more_than_another() {
    let (_, _, told) = told_of_one(3, 7200);
    let events = told.len() - count(&told, Kind::Reported) - count(&told, Kind::Suppressed);
    assert!((176..=180).contains(&events), "60, and one more a minute: {events}");
    assert!(count(&told, Kind::Lost) - count(&told, Kind::Recovered) <= 1, "a recovery is told with its loss");
    assert_eq!(count(&told, Kind::Suppressed), 1);
    // It is lost as often, and no sooner would be told of either.
    let (_, _, told) = told_of_one(150, 7200);
    assert_eq!((count(&told, Kind::Lost), count(&told, Kind::Recovered)), (48, 48));
    assert_eq!(count(&told, Kind::Suppressed), 0);
}

#[test]
fn its_last_loss_is_told_after_two_minutes() {
    for last in 90..220 {
        let (mut hub, _, told) = told_of_one(3, last);
        let heard = last / 3 * 3;
        let lost = (last + 1..).find(|second| !hub.expire(*second).is_empty() || *second > last + 300);
        let before = told.last() == Some(&Kind::Lost);
        assert!(before || lost.is_some_and(|lost| lost <= heard + 120), "heard at {heard}, lost at {lost:?}");
        assert_eq!(hub.find("a").standing, Standing::Lost);
    }
}

#[test]
fn an_hour_of_calm_makes_it_like_any_other() {
    let (mut hub, a, _) = told_of_one(3, 300);
    let steady = || serde_json::json!({"intervalSecs": 100});
    for second in (300..3900).step_by(100) {
        hub.beat(&a, "a", second, steady()).unwrap();
        hub.expire(second);
    }
    assert_eq!(made(hub.beat(&a, "a", 3900, flapping())), []);
    assert_eq!(hub.expire(3902), [("a".into(), Kind::Lost)]);
}

#[test]
fn events_of_its_own_put_off_its_loss_as_well() {
    let mut hub = Hub::new(10);
    let a = hub.register("a", 0).unwrap();
    let mut told = Vec::new();
    for seq in 0..70 {
        told.extend(made(hub.beat(&a, "a", 0, boot(&format!("boot-{seq}"), 1, 1.0))));
    }
    assert_eq!(count(&told, Kind::Suppressed), 1);
    assert_eq!(hub.expire(119), []);
    assert_eq!(hub.expire(120), [("a".into(), Kind::Lost)], "7 by itself");
    assert_eq!(made(hub.beat(&a, "a", 121, boot("again", 1, 1.0))), [Kind::Recovered], "its restart has no room");
}
