//! When the results of checks count.
//!
//! Pure. A process is well after as many passed checks in a row as its configuration says, and unwell after as many
//! failed ones; failures before the end of the start period do not count unless it was well before. Being unwell is
//! told, and only acted upon where the configuration says so: a restart because of a failed check kills a process that
//! may merely be busy, and losing its state is the operator's choice to make.

use std::time::Duration;

use crate::config::Health;

/// While failures do not count and it is not well yet, it is asked this soon after its start, then after twice that,
/// and so on up to [`EAGER`], so that a process is known to be ready soon after it is.
const FIRST: Duration = Duration::from_millis(50);
const EAGER: Duration = Duration::from_secs(1);

/// What the checks of one run say so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tracker {
    asked: u32,
    failures: u32,
    passes: u32,
    passed: bool,
    told: Option<Verdict>,
}

/// What the checks say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The last one passed.
    Well,
    /// Too many in a row failed; the last one for this reason.
    Unwell(String),
}

impl Tracker {
    /// Takes a result in, `age` after the start. The verdict is there when it differs from the one before.
    pub(crate) fn note(&mut self, health: &Health, age: Duration, result: Result<(), String>) -> Option<Verdict> {
        self.asked = self.asked.saturating_add(1);
        let verdict = match result {
            Ok(()) => {
                self.failures = 0;
                self.passes = self.passes.saturating_add(1);
                if self.passes < health.passes {
                    return None;
                }
                self.passed = true;
                Verdict::Well
            }
            Err(_) if !self.passed && age < health.start_period => {
                self.passes = 0;
                return None;
            }
            Err(reason) => {
                self.passes = 0;
                self.failures = self.failures.saturating_add(1);
                if self.failures < health.retries {
                    return None;
                }
                Verdict::Unwell(reason)
            }
        };
        let changed = self.told.as_ref() != Some(&verdict);
        changed.then(|| self.told.insert(verdict).clone())
    }

    /// How long to wait for the next check, `age` after the start.
    pub(crate) fn wait(&self, health: &Health, age: Duration) -> Duration {
        if self.passed || age >= health.start_period {
            return health.interval;
        }
        let eager = FIRST.saturating_mul(2_u32.saturating_pow(self.asked)).min(EAGER);
        health.interval.min(eager)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Check;

    fn health(start_period: u64) -> Health {
        Health {
            check: Check::Tcp("127.0.0.1:1".into()),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            retries: 3,
            passes: 1,
            start_period: Duration::from_secs(start_period),
            restart: false,
        }
    }

    fn failed() -> Result<(), String> {
        Err("refused".into())
    }

    #[test]
    fn failures_in_a_row_count_and_one_passed_check_ends_them() {
        let (health, late) = (health(0), Duration::from_secs(60));
        let mut tracker = Tracker::default();
        assert_eq!(tracker.note(&health, late, Ok(())), Some(Verdict::Well));
        assert_eq!(tracker.note(&health, late, failed()), None);
        assert_eq!(tracker.note(&health, late, failed()), None);
        assert_eq!(tracker.note(&health, late, Ok(())), None);
        assert_eq!(tracker.note(&health, late, failed()), None);
        assert_eq!(tracker.note(&health, late, failed()), None);
        assert_eq!(tracker.note(&health, late, failed()), Some(Verdict::Unwell("refused".into())));
        assert_eq!(tracker.note(&health, late, failed()), None);
        assert_eq!(
            tracker.note(&health, late, Err("answered 500".into())),
            Some(Verdict::Unwell("answered 500".into()))
        );
        assert_eq!(tracker.note(&health, late, Ok(())), Some(Verdict::Well));
    }

    #[test]
    fn failures_in_the_start_period_do_not_count_until_one_has_passed() {
        let (health, early) = (health(30), Duration::from_secs(5));
        let mut tracker = Tracker::default();
        for _ in 0..9 {
            assert_eq!(tracker.note(&health, early, failed()), None);
        }
        let late = Duration::from_secs(30);
        assert_eq!([failed(), failed()].map(|result| tracker.note(&health, late, result)), [None, None]);
        assert!(matches!(tracker.note(&health, late, failed()), Some(Verdict::Unwell(_))));

        let mut tracker = Tracker::default();
        assert_eq!(tracker.note(&health, early, Ok(())), Some(Verdict::Well));
        assert_eq!([failed(), failed()].map(|result| tracker.note(&health, early, result)), [None, None]);
        assert!(matches!(tracker.note(&health, early, failed()), Some(Verdict::Unwell(_))));
    }

    #[test]
    fn passes_in_a_row_count_and_one_failed_check_ends_them() {
        let health = Health { passes: 2, ..health(0) };
        let late = Duration::from_secs(60);
        let mut tracker = Tracker::default();
        assert_eq!(tracker.note(&health, late, Ok(())), None);
        assert_eq!(tracker.note(&health, late, failed()), None);
        assert_eq!(tracker.note(&health, late, Ok(())), None);
        assert_eq!(tracker.note(&health, late, Ok(())), Some(Verdict::Well));
    }

    #[test]
    fn a_starting_process_is_asked_more_often() {
        let (health, early) = (health(30), Duration::from_secs(5));
        let mut tracker = Tracker::default();
        assert_eq!(tracker.wait(&health, early), FIRST);
        assert_eq!(tracker.note(&health, early, failed()), None);
        assert_eq!(tracker.wait(&health, early), FIRST * 2);
        for _ in 0..40 {
            assert_eq!(tracker.note(&health, early, failed()), None);
        }
        assert_eq!(tracker.wait(&health, early), EAGER);
        assert_eq!(tracker.wait(&health, health.start_period), health.interval);
        tracker.note(&health, early, Ok(()));
        assert_eq!(tracker.wait(&health, early), health.interval);
    }
}
