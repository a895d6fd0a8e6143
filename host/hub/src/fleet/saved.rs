//! What of the fleet outlives the hub, and how it comes back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::{Part, Report};

use super::beat::Beat;
use super::codec;
use super::health::Failing;
use super::history::History;
use super::query::Snapshot;
use super::registration::Registration;
use super::sandbox::{Parts, Sandbox, milliseconds};
use super::{Encoded, Fleet};
use crate::event::{Event, Kind};
use crate::liveness::Standing;

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
    /// As in [`Kept::dropped`](super::Kept::dropped).
    pub dropped: bool,
}

/// A sandbox with more in it than at the last look.
#[derive(Debug)]
pub(crate) struct Changed {
    pub snapshot: Snapshot,
    /// As in [`Saved::history`].
    pub history: Vec<u8>,
    /// No event told how it stands, so it is to be saved with this.
    pub untold: bool,
}

impl Fleet {
    /// Puts a sandbox back as it was saved. It stands as it did, and where it is waited for, it is from `now` on: the
    /// hub was not there to hear it. One whose id is there already is left out. Returns what has yet to be told of it.
    pub(crate) fn restore(&mut self, saved: Saved, now: Instant) -> Option<Event> {
        let Saved { registration, standing, since, beat, history } = saved;
        if self.index.find(&registration.id).is_some() {
            return None;
        }
        let mut sandbox = Sandbox::new(registration, self.clock.moment(now), &self.rules);
        (sandbox.standing, sandbox.since) = (standing, since.into());
        if let Some(beat) = beat {
            self.put_back(&mut sandbox, beat, now);
        }
        let settled = settle(&mut sandbox);
        let place = self.index.insert(sandbox);
        if let Some(history) = History::from_bytes(&history) {
            *self.histories.grow(place) = history;
        }
        self.enter(place);
        self.wait_for(place);
        settled
    }

    /// Sandboxes that have changed since they were taken here last, by a report or because they stand otherwise: `most`
    /// of them, or all where they are fewer.
    pub(crate) fn take_changed(&mut self, most: usize) -> Vec<Changed> {
        let mut changed = Vec::with_capacity(most.min(self.changed.len()));
        while changed.len() < most
            && let Some(place) = self.changed.pop_front()
        {
            let Some(sandbox) = self.index.get_mut(place) else { continue };
            sandbox.noted = false;
            let untold = sandbox.untold;
            let history = self.histories.get(place).map_or_else(Vec::new, History::to_bytes);
            if let Some(sandbox) = self.index.get(place) {
                changed.push(Changed { snapshot: self.snapshot(place, sandbox), history, untold });
            }
        }
        changed
    }

    /// Notes that what was taken of a sandbox was not saved.
    pub(crate) fn note_again(&mut self, id: &str) {
        if let Some(place) = self.index.find(id) {
            self.note(place);
        }
    }

    fn put_back(&self, sandbox: &mut Sandbox, beat: SavedBeat, now: Instant) {
        let SavedBeat { report, missing, received, peer, interval, dropped } = beat;
        let mut beat: Encoded = Beat { report, at: now, received, peer }.encode();
        sandbox.assigned = milliseconds(interval);
        sandbox.own = beat.interval.map_or(sandbox.own, milliseconds);
        let tally = beat.tally;
        let parts = Parts {
            metadata: beat.metadata.take(),
            plugins: beat.plugins.take(),
            collectors: tally.collectors,
            collectors_failed: tally.collectors_failed,
            missing: codec::bits(&missing),
        };
        // Nothing happened that anyone would be told of.
        sandbox.failing = Failing::as_told(&mut beat.faults);
        sandbox.keep(beat, parts, self.room());
        sandbox.dropped |= dropped;
    }
}

/// Lets how a sandbox stands and what its report says of that agree. How it stands is told first and saved with the
/// report, so one is the newer only where the disk had trouble: where that is the report, and it says that the sandbox
/// stops, the event for it was lost, and is told now.
fn settle(sandbox: &mut Sandbox) -> Option<Event> {
    let is_newer = sandbox.received > sandbox.since;
    if sandbox.bytes.is_some() && sandbox.stopped && is_newer && sandbox.standing != Standing::Stopped {
        (sandbox.standing, sandbox.since) = (Standing::Stopped, sandbox.received);
        return Some(Event::of(&sandbox.registration.id, Kind::Stopped, sandbox.received.into()));
    }
    sandbox.stopped = sandbox.standing == Standing::Stopped;
    None
}
