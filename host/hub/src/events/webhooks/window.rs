//! Which event is posted next: the pure part of a webhook's task.
//!
//! The window holds the events from the oldest that is not taken on. Those of one sandbox make a line, those of the hub
//! as a whole make another; the head of a line alone may be posted, so each line keeps its order, and lines have none
//! among each other. What a line waits for after a failure is its own matter, so long as the endpoint works:
//!
//! - Up to [`IN_FLIGHT`] posts are under way. A head that failed is tried again after its pause.
//! - Since a post failed, and none was taken after it, one at a time is under way; heads that were not tried come first.
//! - Where that was so for two lines, it is the endpoint that fails: its own pauses count, for all. The first post
//!   that is taken ends that, and what failed meanwhile may be tried at once.
//! - What the endpoint asks for in `Retry-After` counts for all, always.
//!
//! The window is bounded, counted from the oldest event that is not taken: no more than [`SPAN`] are ever ahead of it,
//! and where it is full, all wait. An event is given up when it has waited for a day, and for a day posts have failed and
//! nothing was taken: of its line, or of any.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::schedule::{PATIENCE, Schedule, asked_until};
use crate::event::Event;

/// The most posts of one webhook at once.
pub(crate) const IN_FLIGHT: usize = 16;
/// The most events from the oldest that is not taken on; so many at most are posted twice after a restart.
pub(super) const SPAN: u64 = 1024;

/// A sandbox, or none for the hub as a whole.
type Whose = Option<Arc<str>>;

/// The events of one webhook that are neither taken nor given up, as far as they were read.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// By number.
    events: BTreeMap<u64, Entry>,
    lines: HashMap<Whose, Line>,
    /// Heads of lines that work.
    fresh: BTreeSet<u64>,
    /// Heads of lines that fail, by when their pause is over.
    failed: BTreeSet<(Instant, u64)>,
    in_flight: usize,
    /// How many came.
    count: u64,
    endpoint: Endpoint,
}

#[derive(Debug)]
struct Entry {
    event: Arc<Event>,
    /// How many came before it.
    place: u64,
    came: Instant,
    /// While it is posted.
    began: Option<Instant>,
    /// When it may be tried again, while it waits for that.
    due: Option<Instant>,
}

#[derive(Debug, Default)]
struct Line {
    /// Numbers of events.
    ids: VecDeque<u64>,
    /// Failures since one of it was taken.
    schedule: Schedule,
}

/// What is known of the other side.
#[derive(Debug, Default)]
struct Endpoint {
    /// Failures since the last post that was taken.
    schedule: Schedule,
    /// Whose the first of them was.
    failed: Option<Whose>,
    /// Whether another's failed as well.
    is_down: bool,
    /// It wants to be left alone until then.
    asked_until: Option<Instant>,
}

impl Window {
    /// Whether so many more events may come.
    pub(super) fn has_room_for(&self, more: u64) -> bool {
        let oldest = self.events.values().next().map_or(self.count, |entry| entry.place);
        self.count - oldest + more <= SPAN
    }

    /// How many events wait.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The one that has waited longest.
    pub(super) fn oldest(&self) -> Option<&Event> {
        self.events.values().next().map(|entry| &*entry.event)
    }

    /// Whether there is one that failed and still waits.
    pub(super) fn has_failed(&self) -> bool {
        self.lines.values().any(|line| line.schedule.is_failing())
    }

    /// The next event, with a number above that of the one before.
    pub(super) fn add(&mut self, event: Arc<Event>, now: Instant) {
        let id = event.id;
        let line = self.lines.entry(event.sandbox_id.clone()).or_default();
        line.ids.push_back(id);
        if line.ids.len() == 1 {
            self.fresh.insert(id);
        }
        self.events.insert(id, Entry { event, place: self.count, came: now, began: None, due: None });
        self.count += 1;
    }

    /// The event to post now. What comes of it is told to [`Window::taken`] or [`Window::failed`].
    pub(super) fn start(&mut self, now: Instant) -> Option<Arc<Event>> {
        let (_, id) = self.next(now).filter(|(at, _)| *at <= now)?;
        let entry = self.events.get_mut(&id)?;
        entry.began = Some(now);
        self.in_flight += 1;
        self.fresh.remove(&id);
        if let Some(due) = entry.due.take() {
            self.failed.remove(&(due, id));
        }
        Some(Arc::clone(&entry.event))
    }

    /// When there is one to post, if nothing comes of any post before.
    pub(super) fn starts_at(&self, now: Instant) -> Option<Instant> {
        self.next(now).map(|(at, _)| at)
    }

    /// An event was taken.
    pub(super) fn taken(&mut self, id: u64, now: Instant) {
        if let Some(line) = self.events.get(&id).and_then(|entry| self.lines.get_mut(&entry.event.sandbox_id)) {
            line.schedule = Schedule::default();
        }
        let Some(entry) = self.remove(id) else { return };
        self.in_flight -= usize::from(entry.began.is_some());
        let endpoint = &mut self.endpoint;
        let began_after = |at| entry.began.is_some_and(|began| began >= at);
        let was_down = endpoint.is_down && endpoint.schedule.not_before().is_some_and(began_after);
        *endpoint = Endpoint { asked_until: endpoint.asked_until, ..Endpoint::default() };
        if was_down {
            self.retry_at_once(now);
        }
    }

    /// A post failed. `asked` is how long the other side wants to be left alone; `roll` is random, from 0 to 1.
    pub(super) fn failed(&mut self, id: u64, asked: Option<Duration>, now: Instant, roll: f64) {
        let Some(entry) = self.events.get_mut(&id) else { return };
        let whose = &entry.event.sandbox_id;
        let (Some(line), Some(began)) = (self.lines.get_mut(whose), entry.began.take()) else { return };
        self.in_flight -= 1;
        line.schedule.failed(now, roll);
        let due = line.schedule.not_before().unwrap_or(now);
        entry.due = Some(due);
        self.failed.insert((due, id));
        self.endpoint.failed(whose, began, now, roll);
        if let Some(asked) = asked {
            self.endpoint.asked_until = self.endpoint.asked_until.max(Some(asked_until(now, asked)));
        }
    }

    /// Takes out those that have waited for too long; `clock` is the wall's. What is under way is not among them.
    pub(super) fn give_up(&mut self, now: Instant, clock: Timestamp) -> Vec<Arc<Event>> {
        let all = self.endpoint.schedule.is_hopeless(now);
        let hopeless = |whose| all || self.lines.get(whose).is_some_and(|line| line.schedule.is_hopeless(now));
        let over = self.events.iter().filter(|(_, entry)| {
            entry.began.is_none() && entry.waited(now, clock) >= PATIENCE && hopeless(&entry.event.sandbox_id)
        });
        let over: Vec<u64> = over.map(|(id, _)| *id).collect();
        over.into_iter().filter_map(|id| self.remove(id)).map(|entry| entry.event).collect()
    }

    /// The event to post next, and when.
    fn next(&self, now: Instant) -> Option<(Instant, u64)> {
        let is_failing = self.endpoint.schedule.is_failing();
        if self.in_flight >= if is_failing { 1 } else { IN_FLIGHT } {
            return None;
        }
        let fresh = self.fresh.first().map(|id| (now, *id));
        let (at, id) = match (fresh, self.failed.first().copied()) {
            (Some(_), Some(failed)) if failed.0 <= now && !is_failing => failed,
            (Some(fresh), _) => fresh,
            (None, failed) => failed?,
        };
        let at = if self.endpoint.is_down { self.endpoint.schedule.not_before().unwrap_or(now) } else { at };
        Some((self.endpoint.asked_until.map_or(at, |until| until.max(at)), id))
    }

    /// Pauses that were for the endpoint's sake end with its trouble.
    fn retry_at_once(&mut self, now: Instant) {
        for (_, id) in std::mem::take(&mut self.failed) {
            if let Some(entry) = self.events.get_mut(&id) {
                entry.due = Some(now);
                self.failed.insert((now, id));
            }
        }
    }

    /// Takes one out; whoever is the first of its line then may go.
    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.events.remove(&id)?;
        self.fresh.remove(&id);
        if let Some(due) = entry.due {
            self.failed.remove(&(due, id));
        }
        let line = self.lines.get_mut(&entry.event.sandbox_id)?;
        let was_first = line.ids.front() == Some(&id);
        line.ids.retain(|other| *other != id);
        let due = line.schedule.not_before();
        match line.ids.front().copied() {
            None => drop(self.lines.remove(&entry.event.sandbox_id)),
            Some(_) if !was_first => {}
            Some(first) => match (due, self.events.get_mut(&first)) {
                (Some(due), Some(next)) => {
                    next.due = Some(due);
                    self.failed.insert((due, first));
                }
                _ => drop(self.fresh.insert(first)),
            },
        }
        Some(entry)
    }
}

impl Entry {
    fn waited(&self, now: Instant, clock: Timestamp) -> Duration {
        let age = Duration::try_from(clock.duration_since(self.event.at)).unwrap_or_default();
        now.saturating_duration_since(self.came).max(age)
    }
}

impl Endpoint {
    /// A post failed. One that began before the pause was over was under way already, or was another line's
    /// first; it does not make the pause longer.
    fn failed(&mut self, whose: &Whose, began: Instant, now: Instant, roll: f64) {
        if self.schedule.not_before().is_none_or(|at| began >= at) {
            self.schedule.failed(now, roll);
        }
        match &self.failed {
            Some(first) => self.is_down |= first != whose,
            None => self.failed = Some(whose.clone()),
        }
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
