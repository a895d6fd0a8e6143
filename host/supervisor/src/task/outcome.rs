//! What a process's task makes of an end and of a verdict: what is published, what is logged, what follows.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::{ProcessPhase as Phase, ProcessState};
use tracing::{info, warn};

use super::{Step, Task};
use crate::config::Backoff;
use crate::details::Exit;
use crate::health::Verdict;
use crate::restart::{self, End, Finished, Next};

/// The agent's exit code for an essential process that could not be started, as a shell has it.
const NOT_STARTED: u8 = 127;
/// The same where there is no better code, so that it is never taken for a success.
pub(super) const FAILED: u8 = 1;

impl Task {
    /// Publishes an end that was not asked for, and says what follows.
    pub(super) fn ended(&mut self, end: End, ran: Duration) -> Step {
        let now = Instant::now();
        let (policy, backoff) = (self.process.restart, &self.process.backoff);
        let finished = Finished { end: &end, ran, at: now };
        let next = restart::next(policy, backoff, &mut self.history, finished, chance());
        let state = if end.is_success() { ProcessState::Stopped } else { ProcessState::Error };
        let until = match next {
            Next::Now => Some(now),
            Next::After(wait) => Some(now + wait),
            Next::Stay | Next::GiveUp => None,
        };
        let (phase, state, message) = match next {
            Next::Now | Next::After(_) => (Phase::BackingOff, state, end.to_string()),
            Next::Stay => (Phase::Exited, state, end.to_string()),
            Next::GiveUp => (Phase::GaveUp, ProcessState::Error, gave_up(backoff, &end)),
        };
        let exit = Exit::of(&end);
        let code = code(&end, exit.as_ref(), state);
        self.publish(|view| {
            view.at_rest(phase, state);
            view.next_start = until;
            view.reached.tried = true;
            view.reached.completed |= end.is_success();
            view.last_exit = exit.or(view.last_exit.take());
            view.exited = Some(Timestamp::now());
            if state == ProcessState::Error {
                view.last_error = Some(message.clone());
            }
        });
        let follows = match next {
            Next::Now => "; starting it again at once".to_owned(),
            Next::After(wait) => format!("; starting it again in {:.1} s", wait.as_secs_f64()),
            Next::Stay => "; leaving it".to_owned(),
            Next::GiveUp => String::new(),
        };
        match state {
            ProcessState::Error => warn!(process = self.id, "{message}{follows}"),
            _ => info!(process = self.id, "{message}{follows}"),
        }
        if phase.is_final() && self.process.essential {
            self.board.essential_ended(&self.id, code);
        }
        match (next, until) {
            (Next::Now, _) => Step::StartAtOnce,
            (_, Some(until)) => Step::BackOff(until),
            (_, None) => Step::Rest,
        }
    }

    /// Publishes what the checks say. The reason is returned where it is to be restarted for it.
    pub(super) fn judged(&self, verdict: Verdict) -> Option<String> {
        match verdict {
            Verdict::Well => {
                info!(process = self.id, "its checks pass");
                self.publish(|view| {
                    view.phase = Phase::Ready;
                    view.state = ProcessState::Running;
                    view.reached.ready = true;
                });
                None
            }
            Verdict::Unwell(reason) => {
                let message = format!("health check failed: {reason}");
                warn!(process = self.id, "{message}");
                self.publish(|view| {
                    view.phase = Phase::Unhealthy;
                    view.state = ProcessState::Error;
                    view.last_error = Some(message);
                });
                self.process.health.as_ref().is_some_and(|health| health.restart).then_some(reason)
            }
        }
    }
}

/// What the agent ends with where this was the end for good of an essential process.
fn code(end: &End, exit: Option<&Exit>, state: ProcessState) -> u8 {
    let code = match (end, exit) {
        (End::NotStarted(_), _) => NOT_STARTED,
        (_, Some(exit)) => u8::try_from(exit.shell_code()).unwrap_or(u8::MAX),
        (_, None) => FAILED,
    };
    if code == 0 && state == ProcessState::Error { FAILED } else { code }
}

fn gave_up(backoff: &Backoff, end: &End) -> String {
    let (limit, window) = (backoff.limit, backoff.window);
    let restarts = if limit == 1 { "restart" } else { "restarts" };
    format!("given up after {limit} {restarts} within {window:?}; at last: {end}")
}

/// A number from 0 to 1, different each time. The keys of a hasher are random, and nothing here needs more.
fn chance() -> f64 {
    let number = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(number >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
