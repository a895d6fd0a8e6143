//! One sandbox as the fleet holds it. Its fields are as small as they can be, because there may be a million of them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Sender;
use super::allowance::Allowance;
use super::beat::{Boot, Encoded, Tally};
use super::codec;
use super::health::Failing;
use super::index::Identified;
use super::kept::{Extra, Kept};
use super::milliseconds::Milliseconds;
use super::query::{Snapshot, Status};
use super::registration::Registration;
use super::spread::Slot;
use crate::liveness::clock::{Moment, Tick};
use crate::liveness::suspicion::{Ended, Wait};
use crate::liveness::{Rules, Standing};

/// A sandbox. Until its first report, everything from `bytes` on is as good as absent.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub registration: Arc<Registration>,
    /// What was last announced, or would have been.
    pub standing: Standing,
    pub since: Milliseconds,
    /// It stands otherwise than its last event said, because that was left out.
    pub untold: bool,
    /// From when on it is waited for: its registration, its last report, or the hub's start.
    pub from: Moment,
    /// In the fleet's list of changed ones already.
    pub noted: bool,

    /// Base and lists of its report, as [`codec`] has them.
    pub bytes: Option<Arc<[u8]>>,
    pub extra: Option<Arc<Extra>>,
    pub dropped: bool,
    pub stopped: bool,
    /// As [`codec::bits`].
    pub missing: u8,
    pub received: Milliseconds,
    pub peer: IpAddr,
    pub tally: Tally,
    pub boot: Option<Boot>,
    /// 0 where `numbered` is not set.
    seq: u64,
    numbered: bool,
    /// The start before the present one, as [`mark`]; 0 where there was none.
    earlier: u32,
    /// The interval that the agent keeps by itself, in milliseconds.
    pub own: u32,
    /// The one that it is expected to keep.
    pub assigned: u32,
    /// Whether the hub directed it.
    pub directed: bool,
    pub slot: Slot,
    pub failing: Option<Box<Failing>>,
    pub allowance: Allowance,
}

/// The parts of a report that it may have left out.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub metadata: Option<Arc<[u8]>>,
    pub plugins: Option<Arc<[u8]>>,
    pub collectors: u16,
    pub collectors_failed: u16,
    /// What was left out and is not known, as [`codec::bits`].
    pub missing: u8,
}

/// What reports may take, in bytes of memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub all: usize,
    /// By the last reports of the others.
    pub taken: usize,
}

impl Room {
    /// A larger report than this has to leave a quarter of all to those that are not, so that a few large ones do not
    /// take it from everyone.
    const MODEST: usize = 4096;

    /// Whether there is room for a report of so many bytes.
    fn takes(self, size: usize) -> bool {
        let kept_free = if size > Room::MODEST { self.all / 4 } else { 0 };
        self.taken.saturating_add(size) <= self.all.saturating_sub(kept_free)
    }
}

impl Identified for Sandbox {
    fn id(&self) -> &Arc<str> {
        &self.registration.id
    }
}

impl Sandbox {
    /// One that is waited for from a moment on.
    pub(super) fn new(registration: Arc<Registration>, from: Moment, rules: &Rules) -> Self {
        let interval = milliseconds(rules.default_interval);
        Sandbox {
            standing: Standing::NeverReported,
            since: registration.created_at,
            untold: false,
            registration,
            from,
            noted: false,
            bytes: None,
            extra: None,
            dropped: false,
            stopped: false,
            missing: 0,
            received: Milliseconds::EPOCH,
            peer: Ipv4Addr::UNSPECIFIED.into(),
            tally: Tally::default(),
            boot: None,
            seq: 0,
            numbered: false,
            earlier: 0,
            own: interval,
            assigned: interval,
            directed: false,
            slot: Slot::default(),
            failing: None,
            allowance: Allowance::default(),
        }
    }

    /// Whether it is the one in whose name a report came. Between the look at the token and this one it may have been
    /// deleted and registered again; and a newcomer may meanwhile have been registered with a token.
    pub(super) fn is(&self, sender: &Sender) -> bool {
        match sender {
            Sender::Known(registration) | Sender::FirstToken(registration) => {
                registration.serial == self.registration.serial
            }
            Sender::New => self.registration.tokens.is_none(),
        }
    }

    /// Whether a report changes nothing: it, or a later one of the same start, was there already, or it is one of the
    /// start before that was under way for long. Where the present start has been silent for too long, an earlier one
    /// may be back, as of a machine that was set back to a snapshot.
    pub(super) fn has_seen(&self, beat: &Encoded, at: Moment, rules: &Rules) -> bool {
        let (Some(last), Some(boot)) = (&self.boot, &beat.boot) else { return false };
        if last != boot {
            return self.earlier == mark(boot) && at < self.from.after(rules.patience(self.assigned()));
        }
        self.seq().zip(beat.seq).is_some_and(|(last, seq)| seq <= last)
    }

    /// Whether all parts of the last report are known, and known to belong to this start of the agent.
    pub(super) fn is_whole(&self) -> bool {
        self.missing == 0 && self.is_carried_over()
    }

    /// The interval that it is expected to keep.
    pub(super) fn assigned(&self) -> Duration {
        Duration::from_millis(self.assigned.into())
    }

    /// When it is to report next, where the hub directed that.
    pub(super) fn next(&self) -> Option<Duration> {
        self.directed.then(|| self.assigned())
    }

    /// From when on it counts as silent.
    pub(super) fn silent_from(&self, rules: &Rules) -> Option<Tick> {
        self.wait().silent_from(rules)
    }

    /// When silence changes how it stands; `None` where it never does.
    pub(super) fn deadline(&self, rules: &Rules, ended: Ended) -> Option<Tick> {
        match self.standing {
            Standing::NeverReported => self.from.after(rules.never_reported_after).due(),
            Standing::Live => ended.deadline(rules, self.wait()),
            Standing::Overdue | Standing::Lost | Standing::Stopped => None,
        }
    }

    /// Past when no doubt keeps it from being lost that follows another one; `None` where it is not live.
    pub(super) fn limit(&self, rules: &Rules) -> Option<Tick> {
        if self.standing == Standing::Live { self.wait().limit(rules).due() } else { None }
    }

    /// Its silence, where it is live.
    pub(super) fn wait(&self) -> Wait {
        let earliest = Moment::default().after(Duration::from_secs(self.allowance.loss_from().into()));
        Wait { from: self.from, interval: self.assigned(), earliest }
    }

    /// Takes over a report with what it left out. Where it would take more than there is room for, its lists and the
    /// long texts of its base are not kept.
    pub(super) fn keep(&mut self, beat: Encoded, parts: Parts, room: Room) {
        let Encoded { received, peer, boot, seq, stopped, tally, bytes, base, lean, .. } = beat;
        let Parts { metadata, plugins, collectors, collectors_failed, missing } = parts;
        let extra = Extra::of(metadata, plugins);
        let lists = bytes.len() - base;
        let size =
            lists + extra.as_ref().map_or(0, |extra| extra.size()) + self.failing.as_ref().map_or(0, |f| f.size());
        let dropped = (size > 0 || lean.is_some()) && !room.takes(base + size);
        if dropped {
            self.failing = None;
        }
        self.bytes = Some(match lean {
            Some(lean) if dropped => lean,
            None if dropped && lists > 0 => bytes[..base].into(),
            _ => bytes,
        });
        self.extra = extra.filter(|_| !dropped);
        (self.dropped, self.stopped, self.missing) = (dropped, stopped, missing);
        (self.received, self.peer) = (received.into(), peer);
        (self.numbered, self.seq) = (seq.is_some(), seq.unwrap_or(0));
        self.tally = Tally { collectors, collectors_failed, ..tally };
        if self.boot != boot {
            self.earlier = self.boot.as_ref().map_or(0, mark);
            self.boot = boot;
        }
    }

    /// What a report carries, and what of the report before it stands for what it left out.
    pub(super) fn parts_for(&self, beat: &mut Encoded) -> Parts {
        let known = self.is_carried_over() && self.boot == beat.boot;
        let (metadata, plugins) = (beat.metadata.take(), beat.plugins.take());
        let Tally { collectors, collectors_failed, .. } = beat.tally;
        let mut parts = Parts { metadata, plugins, collectors, collectors_failed, missing: 0 };
        if beat.unchanged == 0 {
            return parts;
        }
        parts.missing = if known { beat.unchanged & self.missing } else { beat.unchanged };
        let carried = beat.unchanged & !parts.missing;
        let before = self.extra.as_deref();
        if carried & codec::METADATA != 0 {
            parts.metadata = before.and_then(|before| before.metadata.clone());
        }
        if carried & codec::PLUGINS != 0 {
            parts.plugins = before.and_then(|before| before.plugins.clone());
            (parts.collectors, parts.collectors_failed) = (self.tally.collectors, self.tally.collectors_failed);
        }
        parts
    }

    /// What its report takes, in bytes of memory.
    pub(super) fn size(&self) -> usize {
        self.bytes.as_ref().map_or(0, |bytes| bytes.len())
            + self.extra.as_ref().map_or(0, |extra| extra.size())
            + self.failing.as_ref().map_or(0, |failing| failing.size())
    }

    /// The status that clients see.
    pub(super) fn status(&self) -> Status {
        match &self.bytes {
            None => Status::Pending,
            Some(_) if self.stopped => Status::Stopped,
            Some(_) => Status::Running,
        }
    }

    /// Its last report, that was heard at `at`.
    pub(super) fn kept(&self, at: Instant) -> Option<Arc<Kept>> {
        let bytes = Arc::clone(self.bytes.as_ref()?);
        Some(Arc::new(Kept {
            at,
            received: self.received.into(),
            peer: self.peer,
            interval: self.assigned(),
            missing: codec::parts(self.missing),
            tally: self.tally,
            dropped: self.dropped,
            sandbox_id: Arc::clone(&self.registration.id),
            stopped: self.stopped,
            boot: self.boot.clone(),
            seq: self.seq(),
            bytes,
            extra: self.extra.clone(),
        }))
    }

    /// As it is shown.
    pub(super) fn snapshot(&self, at: Instant, suspect: bool) -> Snapshot {
        Snapshot {
            registration: Arc::clone(&self.registration),
            beat: self.kept(at),
            standing: self.standing,
            suspect,
            since: self.since.into(),
        }
    }

    fn seq(&self) -> Option<u64> {
        self.numbered.then_some(self.seq)
    }

    /// Whether what is known of the last report stands for what the next one of the same start leaves out.
    fn is_carried_over(&self) -> bool {
        !self.dropped && self.boot.is_some()
    }
}

/// An interval in whole milliseconds, rounded up; 49 days at most.
pub(super) fn milliseconds(interval: Duration) -> u32 {
    u32::try_from(interval.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

/// What is remembered of a start that is over; not 0.
fn mark(boot: &Boot) -> u32 {
    let mut hasher = DefaultHasher::new();
    boot.hash(&mut hasher);
    // Half of it is enough to tell two apart.
    (hasher.finish() as u32).max(1)
}
