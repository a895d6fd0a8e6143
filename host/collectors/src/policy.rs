//! When a collector that fails is called again. Pure: the caller brings the clock and the dice.
//!
//! - Each failure is a strike. After it the collector rests: `backoff` at first, twice as long with each further
//!   strike, `backoff_max` at most, a random part of up to a quarter less, so that collectors that failed together do
//!   not come back together.
//! - A strike is also an offence when the collector misbehaved, and not when it said itself that it could not measure
//!   or lacked a grant: a repository may be cloned an hour later. Too many offences are quarantine: it is called no
//!   more until its files change or someone asks for a reload.
//! - So many successes in a row forgive all strikes. One success does not, or a collector that fails every other time
//!   would never be found out.

use std::time::{Duration, Instant};

use sandbeat_status::Failure;

use crate::sidecar::Failing;

/// How much of a rest is left to chance.
const JITTER: f64 = 0.25;

/// What is remembered of one collector's calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    strikes: u32,
    offences: u32,
    /// Successes since the last strike.
    good: u32,
    rests_until: Option<Instant>,
    quarantined: bool,
}

impl Record {
    pub(crate) fn may_call(&self, now: Instant) -> bool {
        !self.quarantined && self.rests_until.is_none_or(|until| until <= now)
    }

    pub(crate) fn is_quarantined(&self) -> bool {
        self.quarantined
    }

    pub(crate) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    pub(crate) fn succeeded(&mut self, rules: &Failing) {
        self.rests_until = None;
        self.good = self.good.saturating_add(1);
        if self.good >= rules.forgive_after {
            *self = Record::default();
        }
    }

    /// It failed for what others did: it rests as after a first failure, and nothing is held against it.
    pub(crate) fn failed_by_others(&mut self, rules: &Failing, now: Instant) {
        self.rests_until = now.checked_add(rules.backoff);
    }

    /// `dice` is between 0 and 1.
    pub(crate) fn failed(&mut self, failure: Failure, rules: &Failing, now: Instant, dice: f64) {
        self.good = 0;
        self.strikes = self.strikes.saturating_add(1);
        if is_offence(failure) {
            self.offences = self.offences.saturating_add(1);
        }
        self.quarantined = rules.quarantine_after > 0 && self.offences >= rules.quarantine_after;
        let doublings = (self.strikes - 1).min(30);
        let rest = rules.backoff.saturating_mul(1 << doublings).min(rules.backoff_max);
        self.rests_until = now.checked_add(rest.mul_f64(1.0 - JITTER * dice.clamp(0.0, 1.0)));
    }
}

/// Whether a load or probe that failed like this may go well with the same files at another time.
pub(crate) fn may_pass(failure: Failure) -> bool {
    !is_offence(failure) || matches!(failure, Failure::CpuTimeout | Failure::WallTimeout)
}

/// How long until a load that failed by no fault of the files is tried again, after so many tries.
pub(crate) fn load_again(tries: u32) -> Duration {
    const FIRST: Duration = Duration::from_secs(10);
    const MOST: Duration = Duration::from_secs(640);
    FIRST.saturating_mul(1 << tries.min(10)).min(MOST)
}

fn is_offence(failure: Failure) -> bool {
    !matches!(failure, Failure::Collector | Failure::Denied)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Failing = Failing {
        backoff: Duration::from_secs(1),
        backoff_max: Duration::from_secs(60),
        quarantine_after: 10,
        forgive_after: 3,
        stale: Duration::ZERO,
    };

    fn rests(record: &Record, now: Instant) -> Duration {
        record.rests_until.map_or(Duration::ZERO, |until| until - now)
    }

    #[test]
    fn rests_double_up_to_the_most() {
        let now = Instant::now();
        let mut record = Record::default();
        for secs in [1, 2, 4, 8, 16, 32, 60, 60] {
            record.failed(Failure::Trap, &RULES, now, 0.0);
            assert_eq!(rests(&record, now), Duration::from_secs(secs));
            assert!(!record.may_call(now) && record.may_call(now + Duration::from_secs(secs)));
        }
    }

    #[test]
    fn chance_takes_a_quarter_at_most() {
        let now = Instant::now();
        for (dice, millis) in [(0.0, 1000), (0.5, 875), (1.0, 750), (7.0, 750)] {
            let mut record = Record::default();
            record.failed(Failure::Trap, &RULES, now, dice);
            assert_eq!(rests(&record, now), Duration::from_millis(millis));
        }
    }

    #[test]
    fn ten_offences_are_quarantine() {
        let now = Instant::now();
        let mut record = Record::default();
        for _ in 0..9 {
            record.failed(Failure::Memory, &RULES, now, 0.0);
        }
        assert!(!record.is_quarantined());
        record.failed(Failure::Memory, &RULES, now, 0.0);
        assert!(record.is_quarantined() && !record.may_call(now + Duration::from_secs(3600)));
        let never = Failing { quarantine_after: 0, ..RULES };
        let mut record = Record::default();
        (0..100).for_each(|_| record.failed(Failure::Memory, &never, now, 0.0));
        assert!(!record.is_quarantined());
    }

    #[test]
    fn one_that_says_itself_that_it_cannot_measure_is_not_quarantined() {
        let now = Instant::now();
        let mut record = Record::default();
        for _ in 0..50 {
            record.failed(Failure::Collector, &RULES, now, 0.0);
            record.failed(Failure::Denied, &RULES, now, 0.0);
        }
        assert!(!record.is_quarantined());
        assert_eq!(rests(&record, now), RULES.backoff_max);
    }

    #[test]
    fn a_healthy_stretch_forgives_and_a_single_success_does_not() {
        let now = Instant::now();
        let mut record = Record::default();
        for _ in 0..9 {
            record.failed(Failure::Trap, &RULES, now, 0.0);
            record.succeeded(&RULES);
            assert!(record.may_call(now));
        }
        record.failed(Failure::Trap, &RULES, now, 0.0);
        assert!(record.is_quarantined());

        let mut record = Record::default();
        record.failed(Failure::Trap, &RULES, now, 0.0);
        (0..3).for_each(|_| record.succeeded(&RULES));
        record.failed(Failure::Trap, &RULES, now, 0.0);
        assert_eq!(rests(&record, now), RULES.backoff);
    }

    #[test]
    fn what_others_did_is_not_held_against_it() {
        let now = Instant::now();
        let mut record = Record::default();
        (0..100).for_each(|_| record.failed_by_others(&RULES, now));
        assert!(!record.is_quarantined());
        assert_eq!(rests(&record, now), RULES.backoff);
    }

    #[test]
    fn a_load_is_tried_again_ever_later() {
        let secs: Vec<u64> = (0..9).map(|tries| load_again(tries).as_secs()).collect();
        assert_eq!(secs, [10, 20, 40, 80, 160, 320, 640, 640, 640]);
    }
}
