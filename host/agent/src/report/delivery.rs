//! How delivery stands, what became of each report, and when that is worth a line in the log: pure.
//!
//! Invariant: each report that was made is counted once, as accepted, superseded, given up, or waiting. Two can wait:
//! one that is being sent, and the newest.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::Gap;
use sandbeat_status::names::shown;

use super::outcome::{Failure, FailureKind};
use crate::distribution::Distribution;

/// Upper bounds of the buckets for how long an exchange takes, in seconds.
const EXCHANGES: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The most bytes of the last error in a report's `gap`, without the mark that something is cut.
const MAX_GAP_ERROR: usize = 300 - '…'.len_utf8();
/// The most kinds of failure that are told before reports are accepted again.
const MOST_TOLD: usize = 16;

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
    /// What is wrong with the files of token and certificates.
    pub(crate) credentials: Option<String>,
    /// The report that is dealt with, and the one behind it.
    open: Open,
}

/// What became of the reports since the agent started. Each that was made is accepted, superseded, given up, or one of
/// those that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Reports that were made.
    pub(crate) made: u64,
    /// Attempts to deliver one. Each is accepted, failed, under way, or was broken off for the last report.
    pub(crate) attempts: u64,
    /// Replaced by a newer one before they were accepted.
    pub(crate) superseded: u64,
    /// Not tried again, because the answer was final or because the agent ended.
    pub(crate) given_up: u64,
    /// Failed attempts, by the word for the kind of failure.
    pub(crate) failures: BTreeMap<&'static str, u64>,
}

/// The reports of which it is not settled what becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Open {
    /// The one that is tried.
    current: Option<Current>,
    /// A newer one waits until that attempt is over.
    behind: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Current {
    under_way: bool,
    /// The answer was final.
    refused: bool,
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
    /// When the next one is made at the latest, unless one is under way.
    pub(crate) next: Option<Instant>,
    /// The kinds that the operator has been told of.
    told: Vec<FailureKind>,
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
    Failing {
        /// In words.
        why: String,
        /// Whether it may be over by itself.
        transient: bool,
    },
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
            credentials: None,
            open: Open::default(),
        }
    }
}

impl Delivery {
    /// Reports that are not settled: being sent, or to be sent.
    pub(crate) fn waiting(&self) -> u64 {
        u64::from(self.open.current.is_some()) + u64::from(self.open.behind)
    }

    /// What a report with this `seq` says of those before it: how many were made since the last accepted one and will
    /// never arrive, and why where an attempt failed. `None` when there are none.
    pub(crate) fn gap(&self, seq: u64) -> Option<Gap> {
        let missed = self.missed_before(seq);
        let failing = self.failing.as_ref();
        (missed > 0).then(|| Gap {
            missed,
            first_failure: failing.map(|failing| failing.since),
            last_error: failing.map(|failing| shown(&failing.message, MAX_GAP_ERROR)),
        })
    }

    /// Notes that a report was made; nothing older is sent from now on.
    pub(super) fn note_made(&mut self) {
        self.counts.made += 1;
        match self.open.current {
            Some(Current { under_way: true, .. }) => {
                self.counts.superseded += u64::from(self.open.behind);
                self.open.behind = true;
            }
            Some(_) => {
                self.drop_current();
                self.open.current = Some(Current::default());
            }
            None => self.open.current = Some(Current::default()),
        }
    }

    /// Notes that an attempt begins.
    pub(super) fn note_attempt(&mut self) {
        self.counts.attempts += 1;
        if let Some(current) = &mut self.open.current {
            *current = Current { under_way: true, refused: false };
        }
    }

    /// Notes how long an attempt took.
    pub(super) fn note_exchange(&mut self, took: Duration) {
        self.exchanges.note(took);
    }

    /// Notes that an attempt failed in a way that says nothing of the next one, which follows at once.
    pub(super) fn note_false_start(&mut self, kind: FailureKind) {
        *self.counts.failures.entry(kind.as_str()).or_default() += 1;
    }

    /// Notes that the hub accepted a report.
    pub(super) fn note_accepted(&mut self, seq: u64, directed: Option<Duration>, now: Timestamp) -> Option<Change> {
        let missed = self.missed_before(seq);
        let first = self.accepted == 0;
        let failing = self.failing.take();
        self.accepted += 1;
        self.last_accepted = Some(now);
        self.last_accepted_seq = seq;
        self.directed = directed;
        self.open.current = None;
        self.move_up();
        match failing {
            Some(_) => Some(Change::Recovered { missed }),
            None if first => Some(Change::First),
            None => None,
        }
    }

    /// Notes that an attempt failed.
    pub(super) fn note_failed(&mut self, failure: &Failure, now: Timestamp) -> Option<Change> {
        self.note_false_start(failure.kind);
        if let Some(current) = &mut self.open.current {
            *current = Current { under_way: false, refused: !failure.kind.is_transient() };
        }
        if self.open.behind {
            self.drop_current();
            self.move_up();
        }
        let failing = self.failing.get_or_insert_with(|| Failing {
            kind: failure.kind,
            message: String::new(),
            since: now,
            last: now,
            attempts: 0,
            next: None,
            told: Vec::new(),
        });
        failing.kind = failure.kind;
        failing.message.clone_from(&failure.message);
        failing.last = now;
        failing.attempts = failing.attempts.saturating_add(1);
        let told = failing.told.contains(&failure.kind) || failing.told.len() >= MOST_TOLD;
        (!told).then(|| {
            failing.told.push(failure.kind);
            Change::Failing { why: failure.message.clone(), transient: failure.kind.is_transient() }
        })
    }

    /// Notes when the next attempt is made.
    pub(super) fn note_next(&mut self, next: Option<Instant>) {
        if let Some(failing) = &mut self.failing {
            failing.next = next;
        }
    }

    /// Notes that the attempt under way is broken off for the newest report.
    pub(super) fn note_broken_off(&mut self) {
        if self.open.behind {
            self.counts.superseded += 1;
            self.open.current = None;
            self.move_up();
        }
    }

    /// Notes that nothing more is sent.
    pub(super) fn note_end(&mut self) {
        self.counts.given_up += self.waiting();
        self.open = Open::default();
    }

    fn missed_before(&self, seq: u64) -> u64 {
        seq.saturating_sub(self.last_accepted_seq).saturating_sub(1)
    }

    /// The current one will not be sent any more.
    fn drop_current(&mut self) {
        match self.open.current.take() {
            Some(Current { refused: true, .. }) => self.counts.given_up += 1,
            Some(_) => self.counts.superseded += 1,
            None => {}
        }
    }

    /// The one behind is the current one.
    fn move_up(&mut self) {
        if std::mem::take(&mut self.open.behind) {
            self.open.current = Some(Current::default());
        }
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
