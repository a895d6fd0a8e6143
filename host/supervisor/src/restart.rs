//! What follows the end of a process: a restart at once, one after a wait, or none.
//!
//! Pure. The first restart in a row is at once, because most ends are singular and a sandbox is worth little without
//! its process; from the second one on the wait doubles up to a limit, because what ends again and again would
//! otherwise burn the sandbox. One that ran for a stable stretch starts anew. What could not be started at all is
//! not tried again at once: nothing has changed since. What was restarted as often as it may within a window of time is
//! given up, so that a process that never works is an error for somebody to look at and not a number that grows.

use std::collections::VecDeque;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::config::{Backoff, Policy};
use crate::details::Exit;
use crate::signals;

/// How a run of a process came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It exited with this code.
    Exited(i32),
    /// It was killed by a signal.
    Killed {
        /// The signal's number.
        signal: i32,
        /// Whether the kernel sent it because memory ran out.
        out_of_memory: bool,
    },
    /// It could not be started, for this reason.
    NotStarted(String),
    /// It was stopped because its health check failed, for this reason.
    Unhealthy {
        /// The reason.
        reason: String,
        /// How it ended then.
        exit: Option<Exit>,
    },
    /// It ended, and how was not to be found out, for this reason.
    Unseen(String),
}

/// The restarts in a row, of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// In a row, since the last stable stretch.
    restarts: u32,
    /// When each within the window of the limit was.
    recent: VecDeque<Instant>,
}

/// What is to be done after an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Start it again now.
    Now,
    /// Start it again after a wait.
    After(Duration),
    /// Leave it.
    Stay,
    /// Leave it, because it was restarted too often.
    GiveUp,
}

/// A run that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished<'a> {
    /// How it ended, by itself.
    pub(crate) end: &'a End,
    /// How long it took.
    pub(crate) ran: Duration,
    /// When that was.
    pub(crate) at: Instant,
}

/// What is to be done after a run has ended by itself. `chance` between 0 and 1 shortens a wait by up to a fifth, so
/// that those that fail together do not come back together.
pub(crate) fn next(policy: Policy, backoff: &Backoff, history: &mut History, run: Finished<'_>, chance: f64) -> Next {
    let again = match policy {
        Policy::Always => true,
        Policy::OnFailure => !run.end.is_success(),
        Policy::Never => false,
    };
    if !again {
        *history = History::default();
        return Next::Stay;
    }
    if history.is_at(backoff, run.at) {
        *history = History::default();
        return Next::GiveUp;
    }
    if run.ran >= backoff.stable {
        history.restarts = 0;
    }
    if matches!(run.end, End::NotStarted(_)) {
        history.restarts = history.restarts.max(1);
    }
    let before = history.restarts;
    history.restarts = before.saturating_add(1);
    match before.checked_sub(1) {
        None => Next::Now,
        Some(doublings) => {
            let factor = 2_u32.saturating_pow(doublings);
            let wait = backoff.initial.saturating_mul(factor).min(backoff.max);
            Next::After(wait.mul_f64(1.0 - 0.2 * chance.clamp(0.0, 1.0)))
        }
    }
}

impl History {
    /// Notes another restart, unless the window holds as many as it may already.
    fn is_at(&mut self, backoff: &Backoff, now: Instant) -> bool {
        if backoff.limit == 0 {
            return false;
        }
        let old = |then: &Instant| now.saturating_duration_since(*then) >= backoff.window;
        while self.recent.front().is_some_and(old) {
            self.recent.pop_front();
        }
        let full = self.recent.len() >= backoff.limit as usize;
        if !full {
            self.recent.push_back(now);
        }
        full
    }
}

impl End {
    /// Whether this is how a process ends that has done what it should.
    pub(crate) fn is_success(&self) -> bool {
        *self == End::Exited(0)
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => End::Exited(code),
            (None, Some(signal)) => End::Killed { signal, out_of_memory: false },
            // Neither happens for no ended process; the raw status is the most that can be told.
            (None, None) => End::Exited(status.into_raw()),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exited(code) => write!(f, "exited with code {code}"),
            End::Killed { out_of_memory: true, .. } => f.write_str("killed by the kernel because memory ran out"),
            End::Killed { signal, .. } => write!(f, "killed by {}", signals::name(*signal)),
            End::Unhealthy { reason, .. } => write!(f, "stopped because its health check failed: {reason}"),
            End::NotStarted(reason) => f.write_str(reason),
            End::Unseen(reason) => write!(f, "ended, and how was not seen: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        initial: Duration::from_millis(500),
        max: Duration::from_secs(30),
        stable: Duration::from_secs(60),
        limit: 0,
        window: Duration::from_secs(600),
    };
    const CRASH: End = End::Exited(1);
    const SOON: Duration = Duration::from_millis(10);

    fn after(history: &mut History, policy: Policy, end: &End, ran: Duration, chance: f64) -> Next {
        next(policy, &BACKOFF, history, Finished { end, ran, at: Instant::now() }, chance)
    }

    fn after_crash(history: &mut History, ran: Duration) -> Next {
        after(history, Policy::OnFailure, &CRASH, ran, 0.0)
    }

    fn with(restarts: u32) -> History {
        History { restarts, ..History::default() }
    }

    #[test]
    fn the_first_restart_is_at_once_and_then_the_wait_doubles_to_a_limit() {
        let mut history = History::default();
        assert_eq!(after_crash(&mut history, SOON), Next::Now);
        for millis in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert_eq!(after_crash(&mut history, SOON), Next::After(Duration::from_millis(millis)));
        }
        assert_eq!(after_crash(&mut with(u32::MAX), SOON), Next::After(BACKOFF.max));
    }

    #[test]
    fn a_stable_stretch_starts_anew() {
        let mut history = with(9);
        assert_eq!(after_crash(&mut history, BACKOFF.stable - SOON), Next::After(BACKOFF.max));
        assert_eq!(after_crash(&mut history, BACKOFF.stable), Next::Now);
        assert_eq!(after_crash(&mut history, SOON), Next::After(BACKOFF.initial));
    }

    #[test]
    fn what_was_restarted_too_often_within_the_window_is_given_up() {
        let backoff = Backoff { limit: 2, window: Duration::from_secs(10), ..BACKOFF };
        let start = Instant::now();
        let mut history = History::default();
        let mut at = |secs| {
            let run = Finished { end: &CRASH, ran: SOON, at: start + Duration::from_secs(secs) };
            next(Policy::Always, &backoff, &mut history, run, 0.0)
        };
        assert_eq!(at(0), Next::Now);
        assert_eq!(at(5), Next::After(backoff.initial));
        // The first one is out of the window by now.
        assert_eq!(at(10), Next::After(backoff.initial * 2));
        assert_eq!(at(11), Next::GiveUp);
        // Whoever starts it by hand gives it as many again.
        assert_eq!(at(12), Next::Now);
    }

    #[test]
    fn what_cannot_be_started_is_not_tried_again_at_once() {
        let mut history = History::default();
        let end = End::NotStarted("no such file".into());
        let mut again = || after(&mut history, Policy::Always, &end, Duration::ZERO, 0.0);
        assert_eq!(again(), Next::After(BACKOFF.initial));
        assert_eq!(again(), Next::After(BACKOFF.initial * 2));
    }

    #[test]
    fn the_policy_decides_which_ends_are_restarted() {
        let (fine, killed) = (End::Exited(0), End::Killed { signal: 9, out_of_memory: false });
        let wanted = |policy, end| after(&mut History::default(), policy, end, SOON, 0.0) != Next::Stay;
        assert_eq!([&fine, &CRASH, &killed].map(|end| wanted(Policy::Always, end)), [true, true, true]);
        assert_eq!([&fine, &CRASH, &killed].map(|end| wanted(Policy::OnFailure, end)), [false, true, true]);
        assert_eq!([&fine, &CRASH, &killed].map(|end| wanted(Policy::Never, end)), [false, false, false]);
    }

    #[test]
    fn chance_only_shortens_a_wait_and_by_a_fifth_at_most() {
        for (chance, millis) in [(0.0, 500), (0.5, 450), (1.0, 400), (7.0, 400)] {
            let next = after(&mut with(1), Policy::Always, &CRASH, SOON, chance);
            assert_eq!(next, Next::After(Duration::from_millis(millis)), "{chance}");
        }
    }

    #[test]
    fn an_end_is_told_in_words() {
        assert_eq!(End::from(ExitStatus::from_raw(3 << 8)).to_string(), "exited with code 3");
        assert_eq!(End::from(ExitStatus::from_raw(9)).to_string(), "killed by SIGKILL");
        let starved = End::Killed { signal: 9, out_of_memory: true };
        assert_eq!(starved.to_string(), "killed by the kernel because memory ran out");
        assert!(End::from(ExitStatus::from_raw(0)).is_success());
    }
}
