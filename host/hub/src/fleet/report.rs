//! What a report changes in the fleet.

use std::mem;
use std::time::Duration;

use jiff::Timestamp;

use super::beat::Encoded;
use super::codec;
use super::health::{Failing, Turn};
use super::sandbox::milliseconds;
use super::{Fleet, Outcome, Refused, Sender};
use crate::event::{Event, Kind};
use crate::liveness::Standing;
use crate::liveness::clock::Moment;

impl Fleet {
    /// Takes a report. One that [was there already](super::sandbox::Sandbox::has_seen) changes nothing. One that comes
    /// after its deadline makes a loss and a recovery, whether or not anyone looked in between.
    ///
    /// # Errors
    /// The sandbox in whose name it came is not there any more.
    pub(crate) fn report(&mut self, sender: &Sender, beat: Encoded) -> Result<Outcome, Refused> {
        self.advance(beat.at);
        let place = self.index.find(&beat.sandbox_id).ok_or(Refused::Unknown)?;
        let sandbox = self.index.get(place).filter(|sandbox| sandbox.is(sender)).ok_or(Refused::Unknown)?;
        let at = self.clock.moment(beat.at);
        if sandbox.has_seen(&beat, at, &self.rules) {
            return Ok(Outcome::Duplicate { keeps: sandbox.is_whole(), next: sandbox.next() });
        }
        let (wall, stopped) = (beat.received, beat.stopped);
        let mut events = Vec::new();
        self.silence.advance(at.tick());
        self.look(place, at, wall, &mut events);

        self.leave(place);
        let (mut turns, next) = self.take_over(place, at, beat);
        self.enter(place);
        self.note(place);
        let to = if stopped { Standing::Stopped } else { Standing::Live };
        let standing = self.announce(place, at, to, wall);
        self.wait_from_now(place);
        let sandbox = self.index.get_mut(place).ok_or(Refused::Unknown)?;
        let is_live = sandbox.standing == Standing::Live;
        if is_live && sandbox.allowance.is_empty(at.seconds()) && sandbox.wait().is_long(&self.rules) {
            sandbox.allowance.tell_end(&mut turns);
        }
        let id = &sandbox.registration.id;
        let told = |Turn { kind, name, detail }| Event { name, detail, ..Event::of(id, kind, wall) };
        events.extend(standing.into_iter().chain(turns).map(told));
        let kept = sandbox.kept(self.clock.instant(sandbox.from)).ok_or(Refused::Unknown)?;
        Ok(Outcome::Accepted { events, kept, keeps: sandbox.is_whole(), next })
    }

    /// Lets a sandbox be what its report says. Returns what is to be told of it, and when it is to report next.
    fn take_over(&mut self, place: u32, at: Moment, mut beat: Encoded) -> (Vec<Turn>, Option<Duration>) {
        let room = self.room();
        let Some(sandbox) = self.index.get_mut(place) else { return (Vec::new(), None) };
        let said = beat.interval.map_or(milliseconds(self.rules.default_interval), milliseconds);
        // An agent says what it was directed, and not what it would do by itself.
        if !(sandbox.directed && sandbox.boot == beat.boot && said == sandbox.assigned) {
            sandbox.own = said;
        }
        let own = Duration::from_millis(sandbox.own.into());
        let spread = self.spread.as_mut().filter(|_| !beat.stopped);
        let next = spread.and_then(|spread| spread.next(&mut sandbox.slot, at, own));
        sandbox.directed = next.is_some();
        sandbox.assigned = next.map_or(sandbox.own, milliseconds);
        sandbox.from = sandbox.from.max(at);

        let now = at.seconds();
        let parts = sandbox.parts_for(&mut beat);
        let mut turns = Vec::new();
        let other_start = matches!((&sandbox.boot, &beat.boot), (Some(last), Some(boot)) if last != boot);
        if other_start && !sandbox.stopped {
            sandbox.allowance.tell(Turn::of(Kind::Restarted), now, &mut turns);
        }
        let whole = beat.unchanged & codec::PLUGINS == 0;
        let faults = mem::take(&mut beat.faults);
        self.histories.grow(place).note(beat.received, beat.cpu_percent, beat.memory_mb);
        sandbox.keep(beat, parts, room);
        if !sandbox.dropped {
            turns.extend(Failing::update(&mut sandbox.failing, faults, whole, &mut sandbox.allowance, now));
        }
        (turns, next)
    }

    /// Lets a sandbox stand as its report says, and tells where that is new. What a sandbox can bring about as often as
    /// it likes is told as far as it is allowed; a recovery was allowed with the loss before it.
    fn announce(&mut self, place: u32, at: Moment, to: Standing, wall: Timestamp) -> Vec<Turn> {
        let mut turns = Vec::new();
        let Some(sandbox) = self.index.get_mut(place) else { return turns };
        let kind = match (sandbox.standing, to) {
            (Standing::Live, Standing::Live) | (Standing::Stopped, Standing::Stopped) => return turns,
            (_, Standing::Stopped) => Kind::Stopped,
            (Standing::Lost, _) => Kind::Recovered,
            (Standing::Stopped, _) => Kind::Started,
            _ => Kind::Reported,
        };
        let now = at.seconds();
        let told = if matches!(kind, Kind::Stopped | Kind::Started) {
            sandbox.allowance.tell(Turn::of(kind), now, &mut turns)
        } else {
            turns.push(Turn::of(kind));
            true
        };
        self.stand(place, to, wall);
        if let Some(sandbox) = self.index.get_mut(place) {
            sandbox.untold = !told;
        }
        turns
    }
}
