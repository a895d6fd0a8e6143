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
    /// What silence has changed up to `now`. At most `most` sandboxes are looked at, for the sake of whoever waits
    /// meanwhile.
    pub(crate) fn expire(&mut self, now: Instant, wall: Timestamp, most: usize) -> Expired {
        let now = self.clock.moment(now);
        let mut events = Vec::new();
        self.silence.advance(now.tick());
        self.review(now, wall, &mut events);
        let more = (0..most).all(|_| self.look_at_next(now, wall, &mut events));
        // Those that were lost are not silent any more.
        self.review(now, wall, &mut events);
        Expired { events, more }
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
        let due = sandbox.deadline(&self.rules, self.anew).is_some_and(|deadline| deadline <= now.tick());
        let id = &sandbox.registration.id;
        let to = match sandbox.standing {
            Standing::NeverReported if due => Standing::Overdue,
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
        self.stand(place, to, wall);
    }

    /// Sees to it that a sandbox comes up when silence changes how it stands, unless it is held.
    pub(super) fn wait_for(&mut self, place: u32) {
        let Some(sandbox) = self.index.get(place).filter(|_| !self.deadlines.holds(place)) else { return };
        self.deadlines.set(place, sandbox.deadline(&self.rules, self.anew));
    }

    fn review(&mut self, now: Moment, wall: Timestamp, events: &mut Vec<Event>) {
        let heads = self.heads();
        let Some(change) = self.suspicion.review(&self.rules, heads, now) else { return };
        self.suspect_since = None;
        if change == Change::Recovered {
            self.anew = Some(now);
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
