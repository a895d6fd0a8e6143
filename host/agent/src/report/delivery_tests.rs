//! What is told and counted of deliveries, as arithmetic.

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn refused() -> Failure {
    Failure::new(FailureKind::Refused, "connection refused")
}

fn denied() -> Failure {
    Failure::new(FailureKind::Denied(401), "401")
}

fn failing(why: &str, transient: bool) -> Option<Change> {
    Some(Change::Failing { why: why.into(), transient })
}

#[test]
fn a_failure_is_told_once_and_again_when_it_changes_or_is_over() {
    let mut delivery = Delivery::default();
    assert_eq!(delivery.note_accepted(1, None, NOW), Some(Change::First));
    assert_eq!(delivery.note_accepted(2, None, NOW), None);
    assert_eq!(delivery.note_failed(&refused(), NOW), failing("connection refused", true));
    assert_eq!(delivery.note_failed(&refused(), NOW), None);
    let server = Failure::new(FailureKind::Server(500), "500");
    assert_eq!(delivery.note_failed(&server, NOW), failing("500", true));
    assert_eq!(delivery.note_failed(&refused(), NOW), None, "to and fro is not told each time");
    assert_eq!(delivery.note_failed(&denied(), NOW), failing("401", false));
    let standing = delivery.failing.clone().unwrap();
    assert_eq!((standing.attempts, standing.kind), (5, FailureKind::Denied(401)));
    assert_eq!(delivery.note_accepted(7, None, NOW), Some(Change::Recovered { missed: 4 }));
    assert_eq!(delivery.note_accepted(8, None, NOW), None);
    assert_eq!((delivery.accepted, delivery.last_accepted_seq), (4, 8));
    assert_eq!(delivery.note_failed(&refused(), NOW), failing("connection refused", true), "a new outage");
}

#[test]
fn a_retry_that_succeeds_missed_nothing() {
    let mut delivery = Delivery::default();
    delivery.note_failed(&refused(), NOW);
    assert_eq!(delivery.gap(1), None);
    let change = delivery.note_accepted(1, None, NOW);
    assert_eq!(change, Some(Change::Recovered { missed: 0 }));
}

#[test]
fn each_answer_replaces_what_the_hub_directed() {
    let mut delivery = Delivery::default();
    delivery.note_accepted(1, Some(Duration::from_secs(5)), NOW);
    delivery.note_failed(&refused(), NOW);
    assert_eq!(delivery.directed, Some(Duration::from_secs(5)));
    delivery.note_accepted(2, None, NOW);
    assert_eq!(delivery.directed, None);
}

#[test]
fn a_gap_says_how_many_since_when_and_why() {
    let mut delivery = Delivery::default();
    delivery.note_accepted(3, None, NOW);
    assert_eq!(delivery.gap(4), None);
    let slow = Gap { missed: 5, first_failure: None, last_error: None };
    assert_eq!(delivery.gap(9), Some(slow), "a slow hub is no failure");
    let later = NOW + Duration::from_secs(60);
    delivery.note_failed(&refused(), NOW);
    delivery.note_failed(&Failure::new(FailureKind::Reset, format!("\u{1b}[2J{}", "é".repeat(500))), later);
    let gap = delivery.gap(5).unwrap();
    assert_eq!((gap.missed, gap.first_failure), (1, Some(NOW)));
    let error = gap.last_error.unwrap();
    assert!(error.len() <= 300 && error.starts_with("\\u{1b}[2Jé") && error.ends_with('…'), "{error}");
    delivery.note_accepted(5, None, later);
    assert_eq!(delivery.gap(6), None);
}

/// What a report can be. The model beside which the counting is held: one entry for each report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Accepted,
    Superseded,
    GivenUp,
}

/// The post office in the most simple words: all reports, and which one is being sent.
#[derive(Default)]
struct Model {
    fates: Vec<Fate>,
    under_way: Option<usize>,
    refused: Option<usize>,
    /// What the gaps of all accepted reports add up to.
    missed: u64,
}

impl Model {
    /// All that are open and not the newest or under way will not be sent.
    fn tidy(&mut self) {
        let newest = self.fates.len().saturating_sub(1);
        for (index, fate) in self.fates.iter_mut().enumerate() {
            if *fate == Fate::Open && index != newest && self.under_way != Some(index) {
                *fate = if self.refused == Some(index) { Fate::GivenUp } else { Fate::Superseded };
            }
        }
    }

    fn count(&self, fate: Fate) -> u64 {
        self.fates.iter().filter(|is| **is == fate).count() as u64
    }
}

#[test]
fn each_report_is_counted_once_whatever_happens() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut delivery = Delivery::default();
        let mut model = Model::default();
        for _ in 0..200 {
            step(&mut random, &mut delivery, &mut model);
            model.tidy();
            let counts = &delivery.counts;
            let is = [counts.made, delivery.accepted, counts.superseded, counts.given_up, delivery.waiting()];
            let should = [
                model.fates.len() as u64,
                model.count(Fate::Accepted),
                model.count(Fate::Superseded),
                model.count(Fate::GivenUp),
                model.count(Fate::Open),
            ];
            assert_eq!(is, should, "seed {seed}: {delivery:?}");
            assert_eq!(is[0], is[1..].iter().sum::<u64>(), "seed {seed}");
            let failed: u64 = counts.failures.values().sum();
            let under_way = u64::from(model.under_way.is_some());
            assert_eq!(counts.attempts, delivery.accepted + failed + under_way, "seed {seed}");
        }
        delivery.note_broken_off();
        delivery.note_end();
        let settled = delivery.accepted + delivery.counts.superseded + delivery.counts.given_up;
        assert_eq!((settled, delivery.waiting()), (delivery.counts.made, 0), "seed {seed}");
    }
}

/// One event that can happen, in both.
fn step(random: &mut fastrand::Rng, delivery: &mut Delivery, model: &mut Model) {
    let Some(sending) = model.under_way else {
        let newest = model.fates.len().checked_sub(1).filter(|newest| model.fates[*newest] == Fate::Open);
        match newest.filter(|_| random.bool()) {
            Some(newest) => {
                delivery.note_attempt();
                model.under_way = Some(newest);
                model.refused = None;
            }
            None => {
                delivery.note_made();
                model.fates.push(Fate::Open);
            }
        }
        return;
    };
    match random.u32(0..5) {
        0 | 1 => {
            delivery.note_made();
            model.fates.push(Fate::Open);
        }
        2 => {
            let seq = sending as u64 + 1;
            model.missed += delivery.gap(seq).map_or(0, |gap| gap.missed);
            delivery.note_accepted(seq, None, NOW);
            model.fates[sending] = Fate::Accepted;
            model.under_way = None;
            assert_eq!(model.missed, seq - model.count(Fate::Accepted), "all before it that were not accepted");
        }
        3 => {
            delivery.note_failed(&refused(), NOW);
            model.under_way = None;
        }
        _ => {
            delivery.note_failed(&denied(), NOW);
            (model.under_way, model.refused) = (None, Some(sending));
        }
    }
}
