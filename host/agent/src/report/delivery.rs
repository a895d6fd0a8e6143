//! How delivery stands, and when that is worth a line in the log: pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::outcome::{Failure, FailureKind};
use crate::distribution::Distribution;

/// Upper bounds of the buckets for how long an exchange takes, in seconds.
const EXCHANGES: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How delivery stands; what the local API shows of it.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// Reports that the hub accepted since the agent started.
    pub(crate) accepted: u64,
    /// When it accepted the last one, by the sandbox's wall clock.
    pub(crate) last_accepted: Option<Timestamp>,
    /// Which one that was; 0 before the first.
    pub(crate) last_accepted_seq: u64,
    /// What stands in the way since then.
    pub(crate) failing: Option<Failing>,
    /// The interval that the hub directed in its last answer.
    pub(crate) directed: Option<Duration>,
    /// What became of the reports.
    pub(crate) counts: Counts,
    /// How long exchanges with the hub took, well or not.
    pub(crate) exchanges: Distribution,
}

/// What became of the reports since the agent started. Each that was made is accepted, superseded, given up, or the one
/// that is waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Attempts to deliver one.
    pub(crate) attempts: u64,
    /// Replaced by a newer one before they were accepted.
    pub(crate) superseded: u64,
    /// Not tried again, because the answer was final or because the agent ended.
    pub(crate) given_up: u64,
    /// Failed attempts, by the word for the kind of failure.
    pub(crate) failures: BTreeMap<&'static str, u64>,
}

impl Default for Delivery {
    fn default() -> Self {
        Delivery {
            accepted: 0,
            last_accepted: None,
            last_accepted_seq: 0,
            failing: None,
            directed: None,
            counts: Counts::default(),
            exchanges: Distribution::new(EXCHANGES),
        }
    }
}

/// What stands in the way of reports.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failing {
    /// The last failure's kind.
    pub(crate) kind: FailureKind,
    /// The last failure in the operator's words.
    pub(crate) message: String,
    /// When the first attempt failed, by the sandbox's wall clock.
    pub(crate) since: Timestamp,
    /// When the last attempt failed.
    pub(crate) last: Timestamp,
    /// Failed attempts in a row.
    pub(crate) attempts: u32,
}

/// A change that the operator wants to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The first report of this start was accepted.
    First,
    /// Reports are accepted again.
    Recovered {
        /// How many reports were made since the last accepted one and will never arrive.
        missed: u64,
    },
    /// Reports do not arrive, for a reason that was not told yet.
    Failing(String),
}

impl Delivery {
    /// Notes that the hub accepted a report.
    pub(super) fn note_accepted(&mut self, seq: u64, directed: Option<Duration>, now: Timestamp) -> Option<Change> {
        let missed = seq.saturating_sub(self.last_accepted_seq).saturating_sub(1);
        let first = self.accepted == 0;
        let failing = self.failing.take();
        self.accepted += 1;
        self.last_accepted = Some(now);
        self.last_accepted_seq = seq;
        self.directed = directed;
        match failing {
            Some(_) => Some(Change::Recovered { missed }),
            None if first => Some(Change::First),
            None => None,
        }
    }

    /// Notes that an attempt failed.
    pub(super) fn note_failed(&mut self, failure: &Failure, now: Timestamp) -> Option<Change> {
        let message = failure.message.clone();
        match &mut self.failing {
            Some(failing) => {
                let changed = failing.kind != failure.kind;
                failing.kind = failure.kind;
                failing.message.clone_from(&message);
                failing.last = now;
                failing.attempts = failing.attempts.saturating_add(1);
                changed.then_some(Change::Failing(message))
            }
            None => {
                let failing =
                    Failing { kind: failure.kind, message: message.clone(), since: now, last: now, attempts: 1 };
                self.failing = Some(failing);
                Some(Change::Failing(message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Failure {
        Failure::new(FailureKind::Refused, "connection refused")
    }

    #[test]
    fn a_failure_is_told_once_and_again_when_it_changes_or_is_over() {
        let now = Timestamp::UNIX_EPOCH;
        let mut delivery = Delivery::default();
        assert_eq!(delivery.note_accepted(1, None, now), Some(Change::First));
        assert_eq!(delivery.note_accepted(2, None, now), None);
        assert_eq!(delivery.note_failed(&refused(), now), Some(Change::Failing("connection refused".into())));
        assert_eq!(delivery.note_failed(&refused(), now), None);
        let server = Failure::new(FailureKind::Server(500), "500");
        assert_eq!(delivery.note_failed(&server, now), Some(Change::Failing("500".into())));
        assert_eq!(delivery.failing.as_ref().unwrap().attempts, 3);
        assert_eq!(delivery.note_accepted(7, None, now), Some(Change::Recovered { missed: 4 }));
        assert_eq!(delivery.note_accepted(8, None, now), None);
        assert_eq!((delivery.accepted, delivery.last_accepted_seq), (4, 8));
    }

    #[test]
    fn a_retry_that_succeeds_missed_nothing() {
        let mut delivery = Delivery::default();
        delivery.note_failed(&refused(), Timestamp::UNIX_EPOCH);
        let change = delivery.note_accepted(1, None, Timestamp::UNIX_EPOCH);
        assert_eq!(change, Some(Change::Recovered { missed: 0 }));
    }

    #[test]
    fn each_answer_replaces_what_the_hub_directed() {
        let mut delivery = Delivery::default();
        delivery.note_accepted(1, Some(Duration::from_secs(5)), Timestamp::UNIX_EPOCH);
        delivery.note_failed(&refused(), Timestamp::UNIX_EPOCH);
        assert_eq!(delivery.directed, Some(Duration::from_secs(5)));
        delivery.note_accepted(2, None, Timestamp::UNIX_EPOCH);
        assert_eq!(delivery.directed, None);
    }
}
