//! The fleet in memory: what is known of each sandbox, and what a report or the passing of time changes in it.
//!
//! Pure: every time is an argument. Invariants: an id is there once; what a report left out, which it names once, is
//! only ever filled in from the report before it, of the same start of the agent; `standing` is what was last
//! announced, and only [`Fleet::report`] and [`Fleet::expire`] change it, each returning the [`Transition`] that it
//! made; a sandbox whose silence can still change something has a deadline in the queue.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::{Part, Report};

pub(crate) use self::kept::{Kept, Tally};
pub(crate) use self::query::{Counts, Minute, Page, Query, Snapshot, Status};
pub(crate) use self::registration::{Registration, Tokens};
use crate::event::{Event, Kind};
use crate::liveness::deadlines::{Deadlines, Slot};
use crate::liveness::{Heard, Rules, Standing};

mod kept;
mod query;
mod registration;

/// A report as it arrived.
#[derive(Debug)]
pub(crate) struct Beat {
    pub report: Report,
    /// When it arrived, by the hub's monotonic clock.
    pub at: Instant,
    /// When it arrived, by the hub's wall clock; for showing only.
    pub received: Timestamp,
    /// Where it came from.
    pub peer: IpAddr,
}

/// In whose name a report comes, as it was found before its body was read.
#[derive(Debug)]
pub(crate) enum Sender {
    /// This registered sandbox.
    Known(Arc<Registration>),
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
    },
}

/// Why something cannot be done.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("a sandbox with this id is registered already; delete it first or choose another id")]
    Exists,
    #[error("the hub keeps its limit of {0} sandboxes; delete some, or raise `hub.max_sandboxes`")]
    Full(usize),
    #[error("no sandbox has this id; register it first")]
    Unknown,
    #[error("the hub cannot write to its disk, and keeps nothing that would be lost; its log says why")]
    Disk,
}

/// A sandbox as it outlives the hub.
#[derive(Debug)]
pub(crate) struct Saved {
    pub registration: Arc<Registration>,
    pub standing: Standing,
    pub since: Timestamp,
    pub beat: Option<SavedBeat>,
    /// What [`Fleet::history`] is made of, in a form of the fleet's own; anything else is taken as empty.
    pub history: Vec<u8>,
}

/// A report as it outlives the hub.
#[derive(Debug)]
pub(crate) struct SavedBeat {
    pub report: Report,
    pub missing: Vec<Part>,
    pub received: Timestamp,
    pub peer: IpAddr,
    pub interval: Duration,
}

/// A sandbox with more in it than at the last look.
#[derive(Debug)]
pub(crate) struct Changed {
    pub snapshot: Snapshot,
    /// As in [`Saved::history`].
    pub history: Vec<u8>,
}

/// The fleet.
#[derive(Debug)]
pub(crate) struct Fleet {
    rules: Rules,
    limit: usize,
    sandboxes: BTreeMap<Arc<str>, Sandbox>,
    deadlines: Deadlines,
    /// What is to be saved.
    changed: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Sandbox {
    registration: Arc<Registration>,
    registered: Instant,
    beat: Option<Arc<Kept>>,
    standing: Standing,
    since: Timestamp,
    slot: Slot,
    /// In `changed` already.
    noted: bool,
}

impl Fleet {
    /// An empty fleet of at most `limit` sandboxes.
    pub(crate) fn new(rules: Rules, limit: usize) -> Self {
        Fleet { rules, limit, sandboxes: BTreeMap::new(), deadlines: Deadlines::default(), changed: Vec::new() }
    }

    /// Adds a sandbox that is waited for from `now` on.
    ///
    /// # Errors
    /// The id is taken, or the fleet is full.
    pub(crate) fn register(&mut self, registration: Arc<Registration>, now: Instant) -> Result<(), Refused> {
        if self.sandboxes.contains_key(&registration.id) {
            return Err(Refused::Exists);
        }
        if self.sandboxes.len() >= self.limit {
            return Err(Refused::Full(self.limit));
        }
        let mut sandbox = Sandbox {
            registered: now,
            beat: None,
            standing: Standing::NeverReported,
            since: registration.created_at,
            slot: Slot::default(),
            noted: false,
            registration,
        };
        let id = Arc::clone(&sandbox.registration.id);
        self.deadlines.set(&id, &mut sandbox.slot, self.rules.deadline(now, None));
        self.sandboxes.insert(id, sandbox);
        Ok(())
    }

    /// Forgets a sandbox.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn remove(&mut self, id: &str) -> Result<(), Refused> {
        let mut sandbox = self.sandboxes.remove(id).ok_or(Refused::Unknown)?;
        self.deadlines.set(&sandbox.registration.id, &mut sandbox.slot, None);
        Ok(())
    }

    /// Takes a report. One whose `bootId` is the present one and whose `seq` is not higher changes nothing. One that
    /// comes after its deadline makes a loss and a recovery, whether or not anyone looked in between.
    ///
    /// # Errors
    /// The sandbox in whose name it came is not there any more.
    pub(crate) fn report(&mut self, sender: &Sender, beat: Beat) -> Result<Outcome, Refused> {
        let Fleet { rules, sandboxes, deadlines, changed, .. } = self;
        let sandbox =
            sandboxes.get_mut(beat.report.sandbox_id.as_str()).filter(|s| s.is(sender)).ok_or(Refused::Unknown)?;
        if sandbox.has_seen(&beat.report) {
            return Ok(Outcome::Duplicate { keeps: sandbox.beat.as_ref().is_some_and(|beat| is_whole(beat)) });
        }
        let Beat { mut report, at, received, peer } = beat;
        let silence = sandbox.stand(rules, at, received);
        let missing = fill_in(&mut report, sandbox.beat.take());
        let interval = report
            .interval_secs
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or(rules.default_interval);
        let kept = Arc::new(Kept::new(report, at, received, peer, interval, missing));
        sandbox.beat = Some(Arc::clone(&kept));
        if !std::mem::replace(&mut sandbox.noted, true) {
            changed.push(Arc::clone(&sandbox.registration.id));
        }
        let deadline = rules.deadline(sandbox.registered, sandbox.heard());
        deadlines.set(&sandbox.registration.id, &mut sandbox.slot, deadline);
        let events = silence.into_iter().chain(sandbox.stand(rules, at, received)).collect();
        Ok(Outcome::Accepted { events, keeps: is_whole(&kept), kept, next: None })
    }

    /// What silence has changed up to `now`. At most `most` sandboxes are looked at, for the sake of whoever waits
    /// meanwhile; the second value says whether more are due.
    pub(crate) fn expire(&mut self, now: Instant, wall: Timestamp, most: usize) -> (Vec<Event>, bool) {
        let Fleet { rules, sandboxes, deadlines, .. } = self;
        let mut events = Vec::new();
        for _ in 0..most {
            let Some(id) = deadlines.pop_due(now) else { return (events, false) };
            let Some(sandbox) = sandboxes.get_mut(&id) else { continue };
            sandbox.slot.clear();
            events.extend(sandbox.stand(rules, now, wall));
            let next = rules.deadline(sandbox.registered, sandbox.heard()).filter(|next| *next > now);
            deadlines.set(&id, &mut sandbox.slot, next);
        }
        (events, true)
    }

    /// Puts a sandbox back as it was saved. One that was heard is waited for from `now` on, as if it had reported just
    /// then: the hub was not there to hear it.
    pub(crate) fn restore(&mut self, saved: Saved, now: Instant) {
        let Saved { registration, standing, since, beat, history: _ } = saved;
        let id = Arc::clone(&registration.id);
        let beat = beat.map(|SavedBeat { report, missing, received, peer, interval }| {
            Arc::new(Kept::new(report, now, received, peer, interval, missing))
        });
        let mut sandbox =
            Sandbox { registration, registered: now, beat, standing, since, slot: Slot::default(), noted: false };
        let deadline = self.rules.deadline(now, sandbox.heard());
        self.deadlines.set(&id, &mut sandbox.slot, deadline);
        self.sandboxes.insert(id, sandbox);
    }

    /// Gives a sandbox other tokens.
    ///
    /// # Errors
    /// There is none with this id.
    pub(crate) fn replace(&mut self, registration: Arc<Registration>) -> Result<(), Refused> {
        let sandbox = self.sandboxes.get_mut(&registration.id).ok_or(Refused::Unknown)?;
        sandbox.registration = registration;
        Ok(())
    }

    /// Sandboxes that have changed since they were taken here last, `most` of them at most.
    pub(crate) fn take_changed(&mut self, most: usize, now: Instant, wall: Timestamp) -> Vec<Changed> {
        let from = self.changed.len().saturating_sub(most);
        let ids = self.changed.split_off(from);
        let Fleet { rules, sandboxes, .. } = self;
        ids.iter()
            .filter_map(|id| {
                let sandbox = sandboxes.get_mut(id)?;
                sandbox.noted = false;
                Some(Changed { snapshot: sandbox.snapshot(rules, now, wall), history: Vec::new() })
            })
            .collect()
    }

    /// How many sandboxes stand how.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for sandbox in self.sandboxes.values() {
            match sandbox.standing {
                Standing::NeverReported => counts.never_reported += 1,
                Standing::Overdue => {
                    (counts.never_reported, counts.overdue) = (counts.never_reported + 1, counts.overdue + 1)
                }
                Standing::Live => counts.live += 1,
                Standing::Lost => counts.lost += 1,
                Standing::Stopped => counts.stopped += 1,
            }
        }
        counts
    }

    /// The last hour of a sandbox, the oldest minute first; minutes without a report are left out.
    pub(crate) fn history(&self, _id: &str, _wall: Timestamp) -> Option<Vec<Minute>> {
        Some(Vec::new())
    }

    /// A sandbox's registration.
    pub(crate) fn registration(&self, id: &str) -> Option<Arc<Registration>> {
        self.sandboxes.get(id).map(|sandbox| Arc::clone(&sandbox.registration))
    }

    /// A sandbox at `now`.
    pub(crate) fn find(&self, id: &str, now: Instant, wall: Timestamp) -> Option<Snapshot> {
        self.sandboxes.get(id).map(|sandbox| sandbox.snapshot(&self.rules, now, wall))
    }

    /// The sandboxes that a query asks for, as they are at `now`.
    pub(crate) fn page(&self, query: &Query, now: Instant, wall: Timestamp) -> Page {
        let matching = |(_, sandbox): &(&Arc<str>, &Sandbox)| {
            query.status.is_none_or(|status| status == sandbox.status())
                && query.liveness.is_none_or(|liveness| liveness == sandbox.standing_at(&self.rules, now).liveness())
        };
        let total = match query {
            Query { status: None, liveness: None, .. } => self.sandboxes.len(),
            _ => self.sandboxes.iter().filter(matching).count(),
        };
        let after = query.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.sandboxes.range::<str, _>((after, Bound::Unbounded)).filter(matching);
        let sandboxes =
            rest.by_ref().take(query.limit).map(|(_, sandbox)| sandbox.snapshot(&self.rules, now, wall)).collect();
        Page { sandboxes, total, more: rest.next().is_some() }
    }
}

/// Whether all parts of a report are known, and known to belong to this start of the agent.
fn is_whole(kept: &Kept) -> bool {
    kept.missing.is_empty() && kept.base().boot_id.is_some()
}

/// Gives a report what it left out from the one before it, where that is of the same start of the agent. Returns what
/// is not known.
fn fill_in(report: &mut Report, before: Option<Arc<Kept>>) -> Vec<Part> {
    if report.unchanged.is_empty() {
        return Vec::new();
    }
    let same_start = |last: &Report| last.boot_id.is_some() && last.boot_id == report.boot_id;
    let Some((before, last)) = before.map(|before| (before.report(), before)).filter(|(last, _)| same_start(last))
    else {
        return report.unchanged.clone();
    };
    for part in &report.unchanged {
        match part {
            Part::Metadata => report.metadata.clone_from(&before.metadata),
            Part::Plugins => report.plugins.clone_from(&before.plugins),
        }
    }
    report.unchanged.iter().filter(|part| last.missing.contains(part)).copied().collect()
}

impl Sandbox {
    /// Whether it is the one in whose name a report came. Between the look at the token and this one it may have been
    /// deleted and registered again; and a newcomer may meanwhile have been registered with a token.
    fn is(&self, sender: &Sender) -> bool {
        match sender {
            Sender::Known(registration) => registration.serial == self.registration.serial,
            Sender::New => self.registration.tokens.is_none(),
        }
    }

    fn has_seen(&self, report: &Report) -> bool {
        let Some(last) = self.beat.as_ref().map(|beat| beat.base()) else { return false };
        match (&last.boot_id, &report.boot_id, last.seq, report.seq) {
            (Some(last_boot), Some(boot), Some(last_seq), Some(seq)) => last_boot == boot && seq <= last_seq,
            _ => false,
        }
    }

    fn heard(&self) -> Option<Heard> {
        self.beat.as_ref().map(|beat| Heard { at: beat.at, interval: beat.interval, stopped: beat.is_last() })
    }

    fn standing_at(&self, rules: &Rules, now: Instant) -> Standing {
        rules.standing(self.registered, self.heard(), now)
    }

    /// Lets it stand as it does at `now`, and says so where that is new.
    fn stand(&mut self, rules: &Rules, now: Instant, wall: Timestamp) -> Option<Event> {
        let (from, to) = (self.standing, self.standing_at(rules, now));
        if from == to {
            return None;
        }
        self.standing = to;
        self.since = wall;
        let kind = match (from, to) {
            (_, Standing::NeverReported) => return None,
            (_, Standing::Overdue) => Kind::Overdue,
            (_, Standing::Lost) => Kind::Lost,
            (_, Standing::Stopped) => Kind::Stopped,
            (Standing::Lost, Standing::Live) => Kind::Recovered,
            (Standing::Stopped, Standing::Live) => Kind::Started,
            (_, Standing::Live) => Kind::Reported,
        };
        Some(Event::of(&self.registration.id, kind, wall))
    }

    fn status(&self) -> Status {
        Status::of(self.beat.as_deref())
    }

    fn snapshot(&self, rules: &Rules, now: Instant, wall: Timestamp) -> Snapshot {
        let standing = self.standing_at(rules, now);
        Snapshot {
            registration: Arc::clone(&self.registration),
            beat: self.beat.clone(),
            standing,
            suspect: false,
            // What is due is announced a moment later than it is true.
            since: if standing == self.standing { self.since } else { wall },
        }
    }
}

#[cfg(test)]
mod tests;
