//! The begin of a session that was forked from another one: Codex writes a copy of the parent's events there, with
//! times of their own.
//!
//! The copy is recognised by comparing event by event with the parent's own, as far as the parent had come by the time
//! of the fork. Where not even the first one is the same (the parent's log is gone, or written anew) a burst of events in
//! one second counts as the copy. Whether there is such a burst the first two events decide, so the first one is held
//! back until the second one is there, or none comes.

use serde::{Deserialize, Serialize};

use super::Event;

/// An event of a session, as far as its forks need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    usage: u32,
    at: Option<i64>,
}

/// How far a forked session has been read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Replay {
    parent: u64,
    forked_at: Option<i64>,
    stage: Stage,
    burst: Burst,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Stage {
    /// This many events were the parent's.
    Matching(u32),
    /// The first one was not, and whether it is of a burst is not known yet.
    Holding(Event),
    /// Of a burst in this second.
    Skipping(u64),
    /// What comes is the session's own.
    Own,
}

/// Whether the session begins with two events in one second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Burst {
    Unknown,
    First(u64),
    In(u64),
    None,
}

impl Step {
    pub(super) fn new(usage: u64, at: Option<i64>) -> Step {
        Step { usage: u32::from_le_bytes(first(usage.to_le_bytes())), at }
    }

    /// Ten bytes; times before 1970 and after 9999 count as none.
    pub(crate) fn to_bytes(self) -> [u8; 10] {
        let at = self.at.and_then(|at| u64::try_from(at).ok()).filter(|at| *at < 1 << 48).unwrap_or((1 << 48) - 1);
        let (usage, at) = (self.usage.to_le_bytes(), at.to_le_bytes());
        let mut bytes = [0; 10];
        for (to, from) in bytes.iter_mut().zip(usage.into_iter().chain(at)) {
            *to = from;
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: [u8; 10]) -> Step {
        let [a, b, c, d, time @ ..] = bytes;
        let mut at = [0; 8];
        for (to, from) in at.iter_mut().zip(time) {
            *to = from;
        }
        let at = i64::from_le_bytes(at);
        Step { usage: u32::from_le_bytes([a, b, c, d]), at: (at != (1 << 48) - 1).then_some(at) }
    }
}

impl Replay {
    pub(super) fn new(parent: u64, forked_at: Option<i64>) -> Replay {
        Replay { parent, forked_at, stage: Stage::Matching(0), burst: Burst::Unknown }
    }

    /// The session whose events are needed to go on.
    pub(super) fn parent(&self) -> Option<u64> {
        matches!(self.stage, Stage::Matching(_)).then_some(self.parent)
    }

    /// An event is held back.
    pub(super) fn holds(&self) -> bool {
        matches!(self.stage, Stage::Holding(_))
    }

    /// Notes the second of an event, before the event itself. Returns what was held back until now and counts.
    pub(super) fn second(&mut self, second: u64) -> Vec<Event> {
        self.burst = match self.burst {
            Burst::Unknown => Burst::First(second),
            Burst::First(first) if first == second => Burst::In(second),
            Burst::First(_) => Burst::None,
            known => known,
        };
        match (&self.stage, self.burst) {
            (Stage::Holding(_), Burst::In(second)) => {
                self.stage = Stage::Skipping(second);
                Vec::new()
            }
            (Stage::Holding(_), Burst::None) => self.release().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// An event; returned when it counts.
    pub(super) fn event(&mut self, event: Event, step: Step, parent: &[Step]) -> Option<Event> {
        if let Stage::Matching(matched) = self.stage {
            if self.expected(matched, parent) == Some(step.usage) {
                self.stage = Stage::Matching(matched.saturating_add(1));
                return None;
            }
            self.stage = match self.burst {
                Burst::First(_) if matched == 0 => {
                    self.stage = Stage::Holding(event);
                    return None;
                }
                Burst::In(second) if matched == 0 => Stage::Skipping(second),
                _ => Stage::Own,
            };
        }
        if self.stage == Stage::Skipping(event.second) {
            return None;
        }
        self.stage = Stage::Own;
        Some(event)
    }

    /// Gives out what is held back: it counts.
    pub(super) fn release(&mut self) -> Option<Event> {
        match std::mem::replace(&mut self.stage, Stage::Own) {
            Stage::Holding(event) => Some(event),
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// The parent's event at a place, if it was there when the session was forked.
    fn expected(&self, at: u32, parent: &[Step]) -> Option<u32> {
        let is_later = |step: &Step| matches!((step.at, self.forked_at), (Some(at), Some(fork)) if at > fork);
        let known = parent.iter().position(is_later).unwrap_or(parent.len());
        parent.get(..known)?.get(usize::try_from(at).ok()?).map(|step| step.usage)
    }
}

fn first(bytes: [u8; 8]) -> [u8; 4] {
    let [a, b, c, d, ..] = bytes;
    [a, b, c, d]
}
