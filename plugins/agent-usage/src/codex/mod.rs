//! Codex: `sessions/**/rollout-*.jsonl`, one file for each session, which is read from its begin to its end.
//!
//! Usage is in events `token_count`, with what the last request took and what the session took in all. The rules are
//! those of `ccusage` (20.x), so that both say the same:
//!
//! - An event whose sums are those of the one before repeats it, and does not count.
//! - Without the last request's figures they are what the sums have grown by.
//! - Cached input, and input written to a cache, are parts of `input_tokens`.
//! - The model is the one that the last `turn_context` named, or the event itself.
//! - A session that was forked from another one begins with a copy of its events: `replay`.
//! - The same event in two files counts once: [`Event::fingerprint`], and `seen`.
//!
//! Where a log names no model at all, `ccusage` takes `gpt-5`; here the model is unknown, and so is the price.

mod line;
mod replay;

use serde::{Deserialize, Serialize};

pub(crate) use replay::Step;

use crate::usage::{Entry, Volume, fingerprint};
use line::{Counts, Line, TokenCount};
use replay::Replay;

/// How far a file has been read: all that its next line depends on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Session {
    begun: bool,
    id: Option<u64>,
    model: Option<String>,
    fast: bool,
    totals: Option<Counts>,
    replay: Option<Replay>,
}

/// A request that took something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// In milliseconds since 1970; absent where the log has another form.
    at: Option<i64>,
    /// Of the time's text up to the second.
    second: u64,
    counts: Counts,
    model: Option<String>,
    fast: bool,
}

/// What came of a line.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    /// The event as the file has it, whether it counts or not: what a fork of this session begins with.
    pub(crate) step: Option<Step>,
    /// Events that count, by what identifies them over all files.
    pub(crate) entries: Vec<(u64, Entry)>,
    /// It should have counted and could not be read.
    pub(crate) broken: bool,
}

impl Session {
    /// The session's id; absent before the first line, and where that does not say.
    pub(crate) fn id(&self) -> Option<u64> {
        self.id
    }

    /// The session whose events are needed to go on.
    pub(crate) fn parent(&self) -> Option<u64> {
        self.replay.as_ref().and_then(Replay::parent)
    }

    /// Something is held back, see [`Session::flush`].
    pub(crate) fn holds(&self) -> bool {
        self.replay.as_ref().is_some_and(Replay::holds)
    }

    /// Takes the next line; `parent` are the events of [`Session::parent`], as far as they are known.
    pub(crate) fn line(&mut self, line: &[u8], parent: &[Step]) -> Read {
        let is_first = !std::mem::replace(&mut self.begun, true);
        match Line::read(line, is_first) {
            Line::Other => Read::default(),
            Line::Broken => Read { broken: true, ..Read::default() },
            Line::Meta { id, parent, at } => {
                self.id = id.as_deref().map(|id| fingerprint(id.as_bytes()));
                self.replay = parent.map(|id| Replay::new(fingerprint(id.as_bytes()), at));
                Read::default()
            }
            Line::Turn { model } => {
                self.model = model.or(self.model.take());
                Read::default()
            }
            Line::Settings { fast } => {
                self.fast = fast;
                Read::default()
            }
            Line::TokenCount(count) => self.token_count(count, parent),
        }
    }

    /// What was held back because the next line decides on it, when there is none.
    pub(crate) fn flush(&mut self) -> Read {
        let held = self.replay.as_mut().and_then(Replay::release);
        Read { entries: held.into_iter().filter_map(Event::counted).collect(), ..Read::default() }
    }

    fn token_count(&mut self, count: TokenCount, parent: &[Step]) -> Read {
        let mut events = match &mut self.replay {
            Some(replay) => replay.second(count.second),
            None => Vec::new(),
        };
        let mut step = None;
        if let Some(event) = self.event(count) {
            if !event.counts.volume().is_sane() {
                return Read { broken: true, ..Read::default() };
            }
            let this = event.step();
            step = Some(this);
            match &mut self.replay {
                Some(replay) => events.extend(replay.event(event, this, parent)),
                None => events.push(event),
            }
        }
        Read { step, entries: events.into_iter().filter_map(Event::counted).collect(), broken: false }
    }

    fn event(&mut self, count: TokenCount) -> Option<Event> {
        let grown = |total: &Counts| total.since(self.totals.as_ref());
        let repeats = count.total.is_some() && count.total == self.totals;
        let took = count.last.filter(|_| !repeats).or_else(|| count.total.as_ref().map(grown));
        self.totals = count.total.or(self.totals.take());
        let counts = took.filter(|took| !took.are_zero())?;
        if count.model.is_some() {
            self.model = count.model;
        }
        Some(Event { at: count.at, second: count.second, counts, model: self.model.clone(), fast: self.fast })
    }
}

impl Event {
    /// What identifies an event over all files.
    fn fingerprint(&self) -> u64 {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&self.at.unwrap_or_default().to_le_bytes());
        bytes.extend(self.counts.parts().into_iter().flat_map(u64::to_le_bytes));
        bytes.extend_from_slice(self.model.as_deref().unwrap_or_default().as_bytes());
        fingerprint(&bytes)
    }

    fn step(&self) -> Step {
        let bytes: Vec<u8> = self.counts.parts().into_iter().flat_map(u64::to_le_bytes).collect();
        Step::new(fingerprint(&bytes), self.at)
    }

    /// An event whose time cannot be read is none.
    fn counted(self) -> Option<(u64, Entry)> {
        self.at?;
        let reasoning = self.counts.reasoning();
        let entry = Entry {
            volume: self.counts.volume(),
            reasoning,
            fast: self.fast,
            model: self.model.clone(),
            ..Entry::default()
        };
        Some((self.fingerprint(), entry))
    }
}

impl Counts {
    fn volume(&self) -> Volume {
        let [input, cached, written, output, ..] = self.parts();
        let cache_read = cached.min(input);
        let cache_write = written.min(input - cache_read);
        Volume { input: input - cache_read - cache_write, output, cache_read, cache_write, cache_write_1h: 0 }
    }
}

#[cfg(test)]
mod tests;
