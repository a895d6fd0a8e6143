//! What the passing of time changes in the fleet.

use std::time::Instant;

use jiff::Timestamp;

use super::Fleet;
use crate::event::{Event, Kind};
use crate::liveness::Standing;
use crate::liveness::clock::Moment;
use crate::liveness::suspicion::{Change, Heads, Verdict};

/// What silence has changed.
#[derive(Debug, Default)]
pub(crate) struct Expired {
    /// In order.
    pub events: Vec<Event>,
    /// Whether more is due.
    pub more: bool,
}

impl Fleet {
    /// What silence has changed up to `now`. At most `most` deadlines and as many limits are looked at, for the sake of
    /// whoever waits meanwhile. Those at their limit come first: they are lost in any case, and are none of the silent
    /// any more by whom the others are judged.
    pub(crate) fn expire(&mut self, now: Instant, wall: Timestamp, most: usize) -> Expired {
        self.advance(now);
        let now = self.clock.moment(now);
        let mut events = Vec::new();
        self.silence.advance(now.tick());
        self.review(now, wall, &mut events);
        let mut more = (0..most).all(|_| self.end_next(now, wall, &mut events));
        if !more {
            self.review(now, wall, &mut events);
            more = (0..most).all(|_| self.look_at_next(now, wall, &mut events));
        }
        // Those that were lost are not silent any more.
        self.review(now, wall, &mut events);
        Expired { events, more }
    }

    /// Looks at one sandbox that may have reached its limit; returns whether there was one.
    fn end_next(&mut self, now: Moment, wall: Timestamp, events: &mut Vec<Event>) -> bool {
        let Some(place) = self.limits.pop_due(now.tick()) else { return false };
        let Some(sandbox) = self.index.get(place).filter(|sandbox| sandbox.standing == Standing::Live) else {
            return true;
        };
        if self.ended.is_final(&self.rules, sandbox.wait(), now) {
            self.look(place, now, wall, events);
            self.wait_from_now(place);
        } else {
            // One that has never been put off is among the deadlines, or held by its first doubt.
            let limit = sandbox.limit(&self.rules).filter(|limit| *limit > now.tick());
            self.limits.set(place, limit);
        }
        true
    }

    /// Looks at one sandbox that is due, or was held back by a doubt that is over; returns whether there was one.
    fn look_at_next(&mut self, now: Moment, wall: Timestamp, events: &mut Vec<Event>) -> bool {
        if !self.suspicion.doubts()
            && let Some(place) = self.deadlines.release()
        {
            self.wait_for(place);
            return true;
        }
        let Some(place) = self.deadlines.pop_due(now.tick()) else { return false };
        self.look(place, now, wall, events);
        self.wait_for(place);
        true
    }

    /// Lets a sandbox stand as it does at `now`.
    pub(super) fn look(&mut self, place: u32, now: Moment, wall: Timestamp, events: &mut Vec<Event>) {
        let Some(sandbox) = self.index.get(place) else { return };
        let due = sandbox.deadline(&self.rules, self.ended).is_some_and(|deadline| deadline <= now.tick());
        let id = &sandbox.registration.id;
        let to = match sandbox.standing {
            Standing::NeverReported if due => Standing::Overdue,
            Standing::Live if self.ended.is_final(&self.rules, sandbox.wait(), now) => Standing::Lost,
            Standing::Live if due => {
                let heads = self.heads();
                match self.suspicion.judge(&self.rules, heads, now) {
                    Verdict::Lost => Standing::Lost,
                    Verdict::Held => return self.deadlines.hold(place),
                    Verdict::Doubted => {
                        self.suspect_since = Some(wall);
                        events.push(of_hub(Kind::Suspect, wall, heads));
                        return self.deadlines.hold(place);
                    }
                }
            }
            _ => return,
        };
        let kind = if to == Standing::Overdue { Kind::Overdue } else { Kind::Lost };
        events.push(Event::of(id, kind, wall));
        if let Some(sandbox) = self.index.get_mut(place).filter(|_| to == Standing::Lost) {
            sandbox.allowance.lose(now.seconds());
        }
        self.stand(place, to, wall);
    }

    /// Sees to it that a sandbox comes up when silence changes how it stands, unless it is held.
    pub(super) fn wait_for(&mut self, place: u32) {
        if !self.deadlines.holds(place) {
            self.wait_from_now(place);
        }
    }

    /// The same for one that is not to be held any longer.
    pub(super) fn wait_from_now(&mut self, place: u32) {
        let Some(sandbox) = self.index.get(place) else { return };
        self.deadlines.set(place, sandbox.deadline(&self.rules, self.ended));
        self.limits.set(place, sandbox.limit(&self.rules));
    }

    fn review(&mut self, now: Moment, wall: Timestamp, events: &mut Vec<Event>) {
        let heads = self.heads();
        let Some(change) = self.suspicion.review(&self.rules, heads, now) else { return };
        self.suspect_since = None;
        match change {
            Change::Recovered => self.ended.recovered = Some(now),
            Change::Over => self.ended.settled = Some(now),
        }
        events.push(of_hub(Kind::Trusted, wall, heads));
    }

    fn heads(&self) -> Heads {
        Heads { silent: self.silence.silent(), live: self.silence.all() }
    }
}

fn of_hub(kind: Kind, at: Timestamp, Heads { silent, live }: Heads) -> Event {
    let detail = Some(format!("{silent} of {live} live sandboxes are silent"));
    Event { id: 0, at, sandbox_id: None, kind, name: None, detail }
}
