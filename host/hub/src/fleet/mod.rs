//! The fleet in memory: what is known of each sandbox, and what a report or the passing of time changes in it.
//!
//! Pure: every time is an argument. Owner is the store, behind one lock; whatever can be worked out before the lock is
//! taken ([`Beat::encode`]) or after it is released ([`Kept::report`]) is.
//!
//! Invariants:
//! - An id is there once, in one place ([`index`]).
//! - `standing` is what was last announced. Only [`Fleet::report`] and [`Fleet::expire`] change it, and
//!   [`Fleet::restore`] sets it, each returning the events that it made; what is read never runs ahead of them. Where a
//!   sandbox's reports make too many events, it changes without one, and is saved as [`Changed`] says.
//! - Counters and the count of the silent hold each sandbox as it is: one [leaves](Fleet::leave) them before anything
//!   of it changes that they depend on, and [enters](Fleet::enter) them after.
//! - A sandbox whose silence can still change something is among the deadlines, or held back by a doubt.
//! - What a report left out, which it names once, is only ever filled in from the report before it, of the same start
//!   of the agent.
//!
//! # Failures
//! A report that is refused or was there already changes nothing. Where reports take more memory than they may, the
//! lists and file systems of the newest are not kept, and it says so; a report of more than 4 KiB is the first to lose
//! them, while a quarter is still free. Nothing here is I/O, so nothing else fails.

mod allowance;
mod beat;
mod codec;
mod health;
mod history;
mod index;
mod kept;
mod milliseconds;
mod paging;
mod query;
mod registration;
mod report;
mod sandbox;
mod saved;
mod spread;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

pub(crate) use self::beat::{Beat, Encoded, Tally};
use self::history::History;
use self::index::Index;
pub(crate) use self::kept::Kept;
pub(crate) use self::milliseconds::Milliseconds;
pub(crate) use self::paging::Paging;
pub(crate) use self::query::{Counts, Failing, Minute, Page, Query, Snapshot, Status, Trouble};
pub(crate) use self::registration::{Described, Previous, Registration, Tokens};
use self::sandbox::{Room, Sandbox};
pub(crate) use self::saved::{Changed, Saved, SavedBeat};
use self::spread::Spread;
pub(crate) use self::watch::Expired;
use crate::config::Config;
use crate::event::Event;
use crate::liveness::chunks::Chunks;
use crate::liveness::clock::Clock;
use crate::liveness::deadlines::Deadlines;
use crate::liveness::silence::Silence;
use crate::liveness::suspicion::{Ended, Suspicion};
use crate::liveness::{Liveness, Rules, Standing};

/// Twenty looks at the clock; less may be a busy machine.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a fleet may be.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub rules: Rules,
    /// The most sandboxes.
    pub max_sandboxes: usize,
    /// What all last reports may take, in bytes of memory, all of each counted. Where they would take more, the base
    /// figures of one are kept in any case, without its file systems.
    pub report_memory: usize,
    /// So many reports a second are expected at most, where they are spread.
    pub max_reports_per_sec: Option<u32>,
    /// Whether what changes is to be saved.
    pub lasts: bool,
    /// A hub that neither looked at the clock nor heard anyone for longer stood still.
    pub longest_pause: Duration,
}

/// In whose name a report comes, as it was found before its body was read.
#[derive(Debug)]
pub(crate) enum Sender {
    /// This registered sandbox.
    Known(Arc<Registration>),
    /// The same, with a token that may have been left out so far, and may not be from now on.
    FirstToken(Arc<Registration>),
    /// An id that nobody knows yet, where such are welcome.
    New,
}

/// What a report did.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is the sandbox's present state.
    Accepted {
        /// What it changed, in order, usually nothing.
        events: Vec<Event>,
        /// As it is kept.
        kept: Arc<Kept>,
        /// Whether the next report may leave out what is as it is in this one.
        keeps: bool,
        /// When to report next, where the hub spreads the fleet.
        next: Option<Duration>,
    },
    /// It, or a later one of the same start, was there already; nothing changed.
    Duplicate {
        /// See [`Outcome::Accepted`].
        keeps: bool,
        /// As in the answer to the report before it.
        next: Option<Duration>,
    },
}

/// Why something cannot be done.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("a sandbox with this id is registered already; delete it first or choose another id")]
    Exists,
    #[error("the hub keeps its limit of {0} sandboxes; delete some, or raise `hub.max_sandboxes`")]
    Full(usize),
    #[error("no sandbox has this id")]
    Unknown,
    #[error("the hub cannot write to its disk, and takes nothing that it could not keep; its log says why")]
    Disk,
}

/// The fleet.
#[derive(Debug)]
pub(crate) struct Fleet {
    rules: Rules,
    max_sandboxes: usize,
    report_memory: usize,
    longest_pause: Duration,
    clock: Clock,
    index: Index<Sandbox>,
    /// By the places of the index.
    histories: Chunks<History>,
    deadlines: Deadlines,
    /// Live sandboxes at their [limit](Ended::is_final) or before, but for those that passed it and were never put off.
    limits: Deadlines,
    silence: Silence,
    suspicion: Suspicion,
    /// Since when it doubts, by the wall clock.
    suspect_since: Option<Timestamp>,
    ended: Ended,
    counters: Counters,
    /// What all last reports take, in bytes.
    size: usize,
    spread: Option<Spread>,
    /// Whether anyone saves it.
    lasts: bool,
    /// Places of what is to be saved, each once.
    changed: VecDeque<u32>,
}

/// How many stand how.
#[derive(Debug, Default)]
struct Counters {
    standing: [usize; 5],
    status: [usize; 3],
    failing: [usize; 3],
}

impl Settings {
    /// What the configuration says.
    pub(crate) fn of(config: &Config) -> Self {
        Settings {
            rules: config.liveness.clone(),
            max_sandboxes: config.max_sandboxes,
            report_memory: config.keep.report_memory,
            max_reports_per_sec: config.max_reports_per_sec,
            lasts: config.data.is_some(),
            longest_pause: LONGEST_PAUSE,
        }
    }
}

impl Fleet {
    /// An empty fleet, made at `now`.
    pub(crate) fn new(settings: Settings, now: Instant) -> Self {
        let Settings { rules, max_sandboxes, report_memory, max_reports_per_sec, lasts, longest_pause } = settings;
        Fleet {
            rules,
            max_sandboxes,
            report_memory,
            longest_pause,
            clock: Clock::new(now),
            index: Index::new(),
            histories: Chunks::default(),
            deadlines: Deadlines::default(),
            limits: Deadlines::default(),
            silence: Silence::default(),
            suspicion: Suspicion::default(),
            suspect_since: None,
            ended: Ended::default(),
            counters: Counters::default(),
            size: 0,
            spread: max_reports_per_sec.map(Spread::new),
            lasts,
            changed: VecDeque::new(),
        }
    }

    /// Adds a sandbox that is waited for from `now` on.
    ///
    /// # Errors
    /// The id is taken, or the fleet is full.
    pub(crate) fn register(&mut self, registration: Arc<Registration>, now: Instant) -> Result<(), Refused> {
        if self.index.find(&registration.id).is_some() {
            return Err(Refused::Exists);
        }
        if self.index.len() >= self.max_sandboxes {
            return Err(Refused::Full(self.max_sandboxes));
        }
        let sandbox = Sandbox::new(registration, self.clock.moment(now), &self.rules);
        let place = self.index.insert(sandbox);
        self.enter(place);
        self.wait_for(place);
        Ok(())
    }

    /// Forgets a sandbox.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn remove(&mut self, id: &str) -> Result<(), Refused> {
        let place = self.index.find(id).ok_or(Refused::Unknown)?;
        self.leave(place);
        self.deadlines.set(place, None);
        self.limits.set(place, None);
        let noted = self.index.remove(id).is_some_and(|(_, sandbox)| sandbox.noted);
        if noted && let Some(at) = self.changed.iter().position(|changed| *changed == place) {
            self.changed.swap_remove_back(at);
        }
        // The place may be another's soon.
        if let Some(history) = self.histories.get_mut(place) {
            *history = History::default();
        }
        Ok(())
    }

    /// Gives a sandbox other tokens.
    ///
    /// # Errors
    /// There is none with this id.
    pub(crate) fn replace(&mut self, registration: Arc<Registration>) -> Result<(), Refused> {
        let place = self.index.find(&registration.id).ok_or(Refused::Unknown)?;
        self.index.get_mut(place).ok_or(Refused::Unknown)?.registration = registration;
        Ok(())
    }

    /// A sandbox's registration.
    pub(crate) fn registration(&self, id: &str) -> Option<Arc<Registration>> {
        Some(Arc::clone(&self.index.get(self.index.find(id)?)?.registration))
    }

    /// A sandbox as it was last announced.
    pub(crate) fn find(&self, id: &str) -> Option<Snapshot> {
        let place = self.index.find(id)?;
        Some(self.snapshot(place, self.index.get(place)?))
    }

    /// The last hour of a sandbox, the oldest minute first; minutes without a report are left out.
    pub(crate) fn history(&self, id: &str, wall: Timestamp) -> Option<Vec<Minute>> {
        let place = self.index.find(id)?;
        Some(self.histories.get(place).map_or_else(Vec::new, |history| history.minutes(wall)))
    }

    /// How many sandboxes stand how. Costs the same whatever their number.
    pub(crate) fn counts(&self) -> Counts {
        let [never_reported, overdue, live, lost, stopped] = self.counters.standing;
        let [processes, collectors, any] = self.counters.failing;
        Counts {
            never_reported: never_reported + overdue,
            overdue,
            live,
            suspect: if self.suspicion.doubts() { self.deadlines.held() } else { 0 },
            lost,
            stopped,
            failing: Failing { processes, collectors, any },
            suspect_since: self.suspect_since,
        }
    }

    /// How many match a query, where that needs no look at each.
    fn known_total(&self, query: &Query) -> Option<usize> {
        let Query { status, liveness, overdue, suspect, failing, metadata, search, .. } = query;
        if search.is_some() || !metadata.is_empty() {
            return None;
        }
        let Counts { never_reported, overdue: late, live, suspect: doubted, lost, stopped, .. } = self.counts();
        Some(match (status, liveness, overdue, suspect, failing) {
            (None, None, None, None, None) => self.index.len(),
            (Some(status), None, None, None, None) => self.counters.status[*status as usize],
            (None, Some(Liveness::NeverReported), None, None, None) => never_reported,
            (None, Some(Liveness::Live), None, None, None) => live,
            (None, Some(Liveness::Lost), None, None, None) => lost,
            (None, Some(Liveness::Stopped), None, None, None) => stopped,
            (None, None, Some(true), None, None) => late,
            (None, None, None, Some(true), None) => doubted,
            (None, None, None, None, Some(trouble)) => self.counters.failing[*trouble as usize],
            _ => return None,
        })
    }

    /// All after an id, in the order of ids, with their places.
    fn after(&self, id: Option<&str>) -> impl Iterator<Item = (u32, &Sandbox)> {
        self.index.after(id)
    }

    fn snapshot(&self, place: u32, sandbox: &Sandbox) -> Snapshot {
        sandbox.snapshot(self.clock.instant(sandbox.from), self.is_suspect(place))
    }

    /// Whether a sandbox's time is over, and it is not called lost because of a doubt.
    fn is_suspect(&self, place: u32) -> bool {
        self.suspicion.doubts() && self.deadlines.holds(place)
    }

    /// Lets a sandbox stand otherwise from now on.
    fn stand(&mut self, place: u32, standing: Standing, wall: Timestamp) {
        self.leave(place);
        if let Some(sandbox) = self.index.get_mut(place) {
            (sandbox.standing, sandbox.since, sandbox.untold) = (standing, wall.into(), false);
        }
        self.enter(place);
        self.note(place);
    }

    /// Takes a sandbox out of all that is counted.
    fn leave(&mut self, place: u32) {
        let Some(sandbox) = self.index.get(place) else { return };
        self.counters.standing[sandbox.standing as usize] -= 1;
        self.counters.status[sandbox.status() as usize] -= 1;
        Trouble::of(sandbox.tally).for_each(|trouble| self.counters.failing[trouble as usize] -= 1);
        self.size -= sandbox.size();
        if sandbox.standing == Standing::Live {
            self.silence.remove(sandbox.silent_from(&self.rules));
        }
    }

    /// Puts it into all that is counted.
    fn enter(&mut self, place: u32) {
        let Some(sandbox) = self.index.get(place) else { return };
        self.counters.standing[sandbox.standing as usize] += 1;
        self.counters.status[sandbox.status() as usize] += 1;
        Trouble::of(sandbox.tally).for_each(|trouble| self.counters.failing[trouble as usize] += 1);
        self.size += sandbox.size();
        if sandbox.standing == Standing::Live {
            self.silence.add(sandbox.silent_from(&self.rules));
        }
    }

    /// Notes that a sandbox is to be saved.
    fn note(&mut self, place: u32) {
        if self.lasts
            && let Some(sandbox) = self.index.get_mut(place).filter(|sandbox| !sandbox.noted)
        {
            sandbox.noted = true;
            self.changed.push_back(place);
        }
    }

    /// It is now `now`. Silence while the hub itself stood still means nothing.
    fn advance(&mut self, now: Instant) {
        if let Some(pause) = self.clock.advance(now, self.longest_pause) {
            let seconds = pause.as_secs();
            tracing::warn!(seconds, "the hub stood still, and waits for everyone for so much longer");
        }
    }

    fn room(&self) -> Room {
        Room { all: self.report_memory, taken: self.size }
    }
}

#[cfg(test)]
mod tests;
