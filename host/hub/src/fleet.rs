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
use sandbeat_status::{Part, Report, SandboxStatus};
use serde::{Deserialize, Serialize};

use crate::auth::KeyHash;
use crate::deadlines::{Deadlines, Slot};
use crate::liveness::{Heard, Liveness, Rules, Standing};

/// A sandbox as it was registered; never changed, only replaced as a whole by deletion and a new registration.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Its id; [`sandbeat_status::names::sandbox_id`].
    pub id: Arc<str>,
    /// For a person; the id where none was given.
    pub name: String,
    /// What it was started from, as its owner calls it.
    pub image: Option<String>,
    /// What its owner wants to know of it.
    pub metadata: BTreeMap<String, String>,
    /// When it was registered, by the hub's wall clock.
    pub created_at: Timestamp,
    /// What is kept of its token; none when its first report registered it.
    pub token: Option<KeyHash>,
}

/// An accepted report with what the hub knows about its arrival.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    /// The report, with the parts that it left out where they are known.
    pub report: Arc<Report>,
    /// The parts that it left out and that are not known.
    pub missing: Vec<Part>,
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
        /// What changed in how the sandbox stands, in order, usually nothing.
        transitions: Vec<Transition>,
        /// As it is kept.
        report: Arc<Report>,
        /// Whether the next report may leave out what is as it is in this one.
        keeps: bool,
    },
    /// It, or a later one of the same start, was there already; nothing changed.
    Duplicate {
        /// See [`Outcome::Accepted`].
        keeps: bool,
    },
}

/// A sandbox stands differently from now on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Transition {
    pub id: Arc<str>,
    pub from: Standing,
    pub to: Standing,
    /// By the hub's wall clock.
    pub at: Timestamp,
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
}

/// A sandbox at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub registration: Arc<Registration>,
    pub beat: Option<Beat>,
    pub standing: Standing,
    /// Since when it stands so, by the hub's wall clock.
    pub since: Timestamp,
}

/// The status that clients see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Pending,
    Running,
    Stopped,
}

/// Which sandboxes are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub status: Option<Status>,
    pub liveness: Option<Liveness>,
    /// Only ids after this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A part of the fleet, in the order of ids.
#[derive(Debug)]
pub(crate) struct Page {
    pub sandboxes: Vec<Snapshot>,
    /// All that match, on whichever page.
    pub total: usize,
    /// Whether more follow.
    pub more: bool,
}

/// The fleet.
#[derive(Debug)]
pub(crate) struct Fleet {
    rules: Rules,
    limit: usize,
    sandboxes: BTreeMap<Arc<str>, Sandbox>,
    deadlines: Deadlines,
}

#[derive(Debug)]
struct Sandbox {
    registration: Arc<Registration>,
    registered: Instant,
    beat: Option<Beat>,
    standing: Standing,
    since: Timestamp,
    slot: Slot,
}

impl Fleet {
    /// An empty fleet of at most `limit` sandboxes.
    pub(crate) fn new(rules: Rules, limit: usize) -> Self {
        Fleet { rules, limit, sandboxes: BTreeMap::new(), deadlines: Deadlines::default() }
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
    /// The sandbox in whose name it came is not there any more, or a new one finds the fleet full.
    pub(crate) fn report(&mut self, sender: &Sender, mut beat: Beat) -> Result<Outcome, Refused> {
        let id = beat.report.sandbox_id.as_str();
        if let Sender::New = sender
            && !self.sandboxes.contains_key(id)
        {
            self.register(Arc::new(Registration::by_report(id, beat.received)), beat.at)?;
        }
        let Fleet { rules, sandboxes, deadlines, .. } = self;
        let sandbox = sandboxes.get_mut(id).filter(|s| s.is(sender)).ok_or(Refused::Unknown)?;
        if sandbox.has_seen(&beat.report) {
            return Ok(Outcome::Duplicate { keeps: sandbox.beat.as_ref().is_some_and(Beat::is_whole) });
        }
        let (now, received) = (beat.at, beat.received);
        let silence = sandbox.stand(rules, now, received);
        beat.fill_in(sandbox.beat.take());
        let (report, keeps) = (Arc::clone(&beat.report), beat.is_whole());
        sandbox.beat = Some(beat);
        let deadline = rules.deadline(sandbox.registered, sandbox.heard(rules));
        deadlines.set(&sandbox.registration.id, &mut sandbox.slot, deadline);
        let transitions = silence.into_iter().chain(sandbox.stand(rules, now, received)).collect();
        Ok(Outcome::Accepted { transitions, report, keeps })
    }

    /// What silence has changed up to `now`. At most `most` sandboxes are looked at, for the sake of whoever waits
    /// meanwhile; the second value says whether more are due.
    pub(crate) fn expire(&mut self, now: Instant, wall: Timestamp, most: usize) -> (Vec<Transition>, bool) {
        let Fleet { rules, sandboxes, deadlines, .. } = self;
        let mut transitions = Vec::new();
        for _ in 0..most {
            let Some(id) = deadlines.pop_due(now) else { return (transitions, false) };
            let Some(sandbox) = sandboxes.get_mut(&id) else { continue };
            sandbox.slot.clear();
            transitions.extend(sandbox.stand(rules, now, wall));
            let next = rules.deadline(sandbox.registered, sandbox.heard(rules)).filter(|next| *next > now);
            deadlines.set(&id, &mut sandbox.slot, next);
        }
        (transitions, true)
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

impl Beat {
    /// Whether all of its parts are known, and known to belong to this start of the agent.
    fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.report.boot_id.is_some()
    }

    /// Takes what the report left out from the one before it, where that is of the same start of the agent.
    fn fill_in(&mut self, before: Option<Beat>) {
        if self.report.unchanged.is_empty() {
            return;
        }
        let report = Arc::make_mut(&mut self.report);
        let same_start = |before: &Beat| before.report.boot_id.is_some() && before.report.boot_id == report.boot_id;
        let Some(mut before) = before.filter(same_start) else {
            self.missing.clone_from(&report.unchanged);
            return;
        };
        self.missing = report.unchanged.iter().filter(|part| before.missing.contains(part)).copied().collect();
        for part in &report.unchanged {
            // Usually nobody else looks at it, and nothing has to be copied.
            match (part, Arc::get_mut(&mut before.report)) {
                (Part::Metadata, Some(before)) => report.metadata = std::mem::take(&mut before.metadata),
                (Part::Metadata, None) => report.metadata.clone_from(&before.report.metadata),
                (Part::Plugins, Some(before)) => report.plugins = std::mem::take(&mut before.plugins),
                (Part::Plugins, None) => report.plugins.clone_from(&before.report.plugins),
            }
        }
    }
}

impl Registration {
    /// The registration that a first report makes.
    fn by_report(id: &str, created_at: Timestamp) -> Self {
        Registration {
            id: Arc::from(id),
            name: id.to_owned(),
            image: None,
            metadata: BTreeMap::new(),
            created_at,
            token: None,
        }
    }
}

impl Snapshot {
    /// The status that clients see.
    pub(crate) fn status(&self) -> Status {
        status(self.beat.as_ref())
    }
}

impl Sandbox {
    /// Whether it is the one in whose name a report came. Between the look at the token and this one it may have been
    /// deleted and registered again; and a newcomer may meanwhile have been registered with a token.
    fn is(&self, sender: &Sender) -> bool {
        match sender {
            Sender::Known(registration) => Arc::ptr_eq(registration, &self.registration),
            Sender::New => self.registration.token.is_none(),
        }
    }

    fn has_seen(&self, report: &Report) -> bool {
        let Some(Beat { report: last, .. }) = &self.beat else { return false };
        match (&last.boot_id, &report.boot_id, last.seq, report.seq) {
            (Some(last_boot), Some(boot), Some(last_seq), Some(seq)) => last_boot == boot && seq <= last_seq,
            _ => false,
        }
    }

    fn heard(&self, rules: &Rules) -> Option<Heard> {
        self.beat.as_ref().map(|beat| Heard {
            at: beat.at,
            interval: beat
                .report
                .interval_secs
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .unwrap_or(rules.default_interval),
            stopped: beat.report.status == SandboxStatus::Stopped,
        })
    }

    fn standing_at(&self, rules: &Rules, now: Instant) -> Standing {
        rules.standing(self.registered, self.heard(rules), now)
    }

    /// Lets it stand as it does at `now`, and says so where that is new.
    fn stand(&mut self, rules: &Rules, now: Instant, wall: Timestamp) -> Option<Transition> {
        let (from, to) = (self.standing, self.standing_at(rules, now));
        if from == to {
            return None;
        }
        self.standing = to;
        self.since = wall;
        Some(Transition { id: Arc::clone(&self.registration.id), from, to, at: wall })
    }

    fn status(&self) -> Status {
        status(self.beat.as_ref())
    }

    fn snapshot(&self, rules: &Rules, now: Instant, wall: Timestamp) -> Snapshot {
        let standing = self.standing_at(rules, now);
        Snapshot {
            registration: Arc::clone(&self.registration),
            beat: self.beat.clone(),
            standing,
            // What is due is announced a moment later than it is true.
            since: if standing == self.standing { self.since } else { wall },
        }
    }
}

fn status(beat: Option<&Beat>) -> Status {
    match beat.map(|beat| beat.report.status) {
        None => Status::Pending,
        Some(SandboxStatus::Running) => Status::Running,
        Some(SandboxStatus::Stopped) => Status::Stopped,
    }
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;
