//! What follows the end of a process: a restart at once, one after a wait, or none.
//!
//! Pure. The first restart in a row is at once, because most ends are singular and a sandbox is worth little without
//! its process; from the second one on the wait doubles up to a limit, because what ends again and again would
//! otherwise burn the sandbox. One that ran for a stable stretch starts anew. What could not be started at all is
//! not tried again at once: nothing has changed since.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use crate::config::{Backoff, Policy};
use crate::signals;

/// How a run of a process came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It exited with this code.
    Exited(i32),
    /// It was killed by this signal.
    Killed(i32),
    /// It could not be started, for this reason.
    NotStarted(String),
    /// It ended, and how was not to be found out, for this reason.
    Unseen(String),
}

/// The restarts in a row, of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    restarts: u32,
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
}

/// What is to be done after a run that took `ran` and came to `end` by itself. `chance` between 0 and 1 shortens a
/// wait by up to a fifth, so that those that fail together do not come back together.
pub(crate) fn next(
    policy: Policy,
    backoff: &Backoff,
    history: &mut History,
    end: &End,
    ran: Duration,
    chance: f64,
) -> Next {
    let again = match policy {
        Policy::Always => true,
        Policy::OnFailure => !end.is_success(),
        Policy::Never => false,
    };
    if !again {
        *history = History::default();
        return Next::Stay;
    }
    if ran >= backoff.stable {
        *history = History::default();
    }
    if matches!(end, End::NotStarted(_)) {
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
            (None, Some(signal)) => End::Killed(signal),
            // Neither happens for no ended process; the raw status is the most that can be told.
            (None, None) => End::Exited(status.into_raw()),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exited(code) => write!(f, "exited with code {code}"),
            End::Killed(signal) => write!(f, "killed by {}", signals::name(*signal)),
            End::NotStarted(reason) => f.write_str(reason),
            End::Unseen(reason) => write!(f, "ended, and how was not seen: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { initial: Duration::from_millis(500), max: Duration::from_secs(30), stable: Duration::from_secs(60) };
    const CRASH: End = End::Exited(1);
    const SOON: Duration = Duration::from_millis(10);

    fn after_crash(history: &mut History, ran: Duration) -> Next {
        next(Policy::OnFailure, &BACKOFF, history, &CRASH, ran, 0.0)
    }

    #[test]
    fn the_first_restart_is_at_once_and_then_the_wait_doubles_to_a_limit() {
        let mut history = History::default();
        assert_eq!(after_crash(&mut history, SOON), Next::Now);
        for millis in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert_eq!(after_crash(&mut history, SOON), Next::After(Duration::from_millis(millis)));
        }
        history.restarts = u32::MAX;
        assert_eq!(after_crash(&mut history, SOON), Next::After(BACKOFF.max));
    }

    #[test]
    fn a_stable_stretch_starts_anew() {
        let mut history = History { restarts: 9 };
        assert_eq!(after_crash(&mut history, BACKOFF.stable - SOON), Next::After(BACKOFF.max));
        assert_eq!(after_crash(&mut history, BACKOFF.stable), Next::Now);
        assert_eq!(after_crash(&mut history, SOON), Next::After(BACKOFF.initial));
    }

    #[test]
    fn what_cannot_be_started_is_not_tried_again_at_once() {
        let mut history = History::default();
        let end = End::NotStarted("no such file".into());
        let mut again = || next(Policy::Always, &BACKOFF, &mut history, &end, Duration::ZERO, 0.0);
        assert_eq!(again(), Next::After(BACKOFF.initial));
        assert_eq!(again(), Next::After(BACKOFF.initial * 2));
    }

    #[test]
    fn the_policy_decides_which_ends_are_restarted() {
        let (fine, killed) = (End::Exited(0), End::Killed(9));
        let wanted = |policy, end| next(policy, &BACKOFF, &mut History::default(), end, SOON, 0.0) != Next::Stay;
        assert_eq!([&fine, &CRASH, &killed].map(|end| wanted(Policy::Always, end)), [true, true, true]);
        assert_eq!([&fine, &CRASH, &killed].map(|end| wanted(Policy::OnFailure, end)), [false, true, true]);
        assert_eq!([&fine, &CRASH, &killed].map(|end| wanted(Policy::Never, end)), [false, false, false]);
    }

    #[test]
    fn chance_only_shortens_a_wait_and_by_a_fifth_at_most() {
        for (chance, millis) in [(0.0, 500), (0.5, 450), (1.0, 400), (7.0, 400)] {
            let mut history = History { restarts: 1 };
            let next = next(Policy::Always, &BACKOFF, &mut history, &CRASH, SOON, chance);
            assert_eq!(next, Next::After(Duration::from_millis(millis)), "{chance}");
        }
    }

    #[test]
    fn an_end_is_told_in_words() {
        assert_eq!(End::from(ExitStatus::from_raw(3 << 8)).to_string(), "exited with code 3");
        assert_eq!(End::from(ExitStatus::from_raw(9)).to_string(), "killed by SIGKILL");
        assert!(End::from(ExitStatus::from_raw(0)).is_success());
    }
}
