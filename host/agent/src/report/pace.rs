//! When the next attempt to deliver a report may be made: arithmetic on moments that are given.
//!
//! Three things hold an attempt back, and the last of them decides. After a failure that may be over by itself, the
//! same report waits a random, growing pause; a newer report does not wait for it. After an answer that is final until
//! someone does something (a refused token, an unknown sandbox), nothing is sent for a pause that doubles, and then
//! only a newer report; other credentials end that at once. And the hub may ask to be left alone.

use std::time::Duration;

use tokio::time::Instant;

use super::outcome::{Failure, FailureKind};
use super::schedule::pause;

/// The longest pause between attempts whose answers are final, unless the interval is longer.
pub(super) const SLOWEST: Duration = Duration::from_secs(300);

/// When the next attempt may be made. One is made for each exchange that ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// When the report that waits may be tried; `None` when a newer one or other credentials have to come first.
    retry_at: Option<Instant>,
    /// Nothing is sent before, because the hub asked for it.
    hold_until: Option<Instant>,
    /// Nothing is sent before, because the answers are final.
    slow_until: Option<Instant>,
    /// Failures in a row that may be over by themselves.
    failures: u32,
    /// Final answers in a row.
    refusals: u32,
}

impl Pace {
    /// A newer report waits.
    pub(super) fn newer(&mut self, now: Instant) {
        self.retry_at = Some(now);
    }

    /// A report was accepted; none waits.
    pub(super) fn accepted(&mut self) {
        *self = Pace::default();
    }

    /// An attempt failed. `hold` is how long the hub wants to be left alone, within what is obeyed; `roll` is random,
    /// from 0 to 1.
    pub(super) fn failed(
        &mut self,
        failure: &Failure,
        hold: Option<Duration>,
        interval: Duration,
        now: Instant,
        roll: f64,
    ) {
        self.hold_until = hold.map(|hold| now + hold);
        if !failure.kind.is_transient() {
            self.failures = 0;
            self.refusals = self.refusals.saturating_add(1);
            self.slow_until = Some(now + slow_pause(self.refusals, interval));
            self.retry_at = None;
            return;
        }
        self.refusals = 0;
        self.slow_until = None;
        self.failures = self.failures.saturating_add(1);
        let retry_at = now + pause(self.failures, interval, roll);
        self.retry_at = Some(retry_at);
        if failure.kind == FailureKind::Throttled && hold.is_none() {
            // It asks for fewer reports, not for newer ones.
            self.hold_until = Some(retry_at);
        }
    }

    /// The credentials are others, so final answers may have been about the old ones.
    pub(super) fn credentials_changed(&mut self, now: Instant) {
        self.refusals = 0;
        self.slow_until = None;
        self.retry_at = Some(now);
    }

    /// Whether the last answer was final, so that other credentials make a difference.
    pub(super) fn is_refused(&self) -> bool {
        self.refusals > 0
    }

    /// Before when nothing is tried after a failure. A newer report may come sooner where nothing holds it back.
    pub(super) fn next_try(&self) -> Option<Instant> {
        [self.retry_at, self.hold_until, self.slow_until].into_iter().flatten().max()
    }

    /// When the report that waits may be sent; `None` when it may not.
    pub(super) fn due(&self) -> Option<Instant> {
        self.retry_at?;
        self.next_try()
    }
}

/// How long to pause after so many final answers in a row: one interval, and twice as long after each further one, at
/// most [`SLOWEST`] or one interval.
pub(super) fn slow_pause(refusals: u32, interval: Duration) -> Duration {
    let doublings = refusals.saturating_sub(1).min(31);
    interval.saturating_mul(1 << doublings).min(SLOWEST.max(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn failure(kind: FailureKind) -> Failure {
        Failure::new(kind, "")
    }

    /// How long after `now` the report that waits may be sent.
    fn wait(pace: &Pace, now: Instant) -> Option<Duration> {
        pace.due().map(|due| due.saturating_duration_since(now))
    }

    #[test]
    fn final_answers_are_asked_for_ever_more_slowly() {
        let pauses: Vec<u64> = (1..=6).map(|n| slow_pause(n, INTERVAL).as_secs()).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 300, 300]);
        assert_eq!(slow_pause(1, secs(600)), secs(600));
        assert_eq!(slow_pause(9, secs(600)), secs(600), "never longer than an interval that is longer");
        assert_eq!(slow_pause(u32::MAX, Duration::from_millis(10)), SLOWEST);
        assert_eq!(slow_pause(u32::MAX, secs(86_400)), secs(86_400));
    }

    #[test]
    fn after_a_final_answer_only_a_newer_report_is_tried_and_not_before_the_pause_is_over() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.newer(now);
        assert_eq!(wait(&pace, now), Some(Duration::ZERO));
        pace.failed(&failure(FailureKind::Denied(401)), None, INTERVAL, now, 1.0);
        assert_eq!(wait(&pace, now), None);
        assert!(pace.is_refused());
        pace.newer(now + secs(1));
        assert_eq!(wait(&pace, now), Some(secs(30)));
        pace.failed(&failure(FailureKind::NotFound), None, INTERVAL, now, 1.0);
        pace.newer(now + secs(1));
        assert_eq!(wait(&pace, now), Some(secs(60)), "two in a row");
        pace.failed(&failure(FailureKind::Refused), None, INTERVAL, now, 1.0);
        pace.failed(&failure(FailureKind::Redirect(301)), None, INTERVAL, now, 1.0);
        pace.newer(now);
        assert_eq!(wait(&pace, now), Some(secs(30)), "not in a row");
    }

    #[test]
    fn other_credentials_end_the_pause_but_not_what_the_hub_asked_for() {
        let now = Instant::now();
        let mut pace = Pace::default();
        for _ in 0..9 {
            pace.failed(&failure(FailureKind::Denied(403)), None, INTERVAL, now, 1.0);
        }
        pace.credentials_changed(now);
        assert_eq!(wait(&pace, now), Some(Duration::ZERO), "the same report, too");
        assert!(!pace.is_refused());
        pace.failed(&failure(FailureKind::Denied(401)), Some(secs(7)), INTERVAL, now, 1.0);
        pace.credentials_changed(now);
        assert_eq!(wait(&pace, now), Some(secs(7)));
    }

    #[test]
    fn a_newer_report_does_not_wait_for_the_pause_before_the_same_one() {
        let now = Instant::now();
        let mut pace = Pace::default();
        let pauses: Vec<Option<Duration>> = (0..7)
            .map(|_| {
                pace.failed(&failure(FailureKind::Timeout), None, INTERVAL, now, 1.0);
                wait(&pace, now)
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30].map(|s| Some(secs(s))));
        pace.newer(now + secs(1));
        assert_eq!(wait(&pace, now), Some(secs(1)));
        pace.accepted();
        assert_eq!(wait(&pace, now), None, "nothing waits");
        pace.failed(&failure(FailureKind::Timeout), None, INTERVAL, now, 1.0);
        assert_eq!(wait(&pace, now), Some(secs(1)), "from the start again");
    }

    #[test]
    fn a_hub_that_asks_to_be_left_alone_is_left_alone_by_newer_reports_as_well() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.failed(&failure(FailureKind::Server(503)), Some(secs(50)), INTERVAL, now, 0.5);
        pace.newer(now);
        assert_eq!(wait(&pace, now), Some(secs(50)));
        pace.failed(&failure(FailureKind::Throttled), None, INTERVAL, now, 1.0);
        pace.newer(now);
        assert_eq!(wait(&pace, now), Some(secs(2)), "the second failure in a row");
        pace.accepted();
        pace.newer(now);
        assert_eq!(wait(&pace, now), Some(Duration::ZERO));
    }
}
