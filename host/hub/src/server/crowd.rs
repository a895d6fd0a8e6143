//! Who gives way when there are as many connections as there may be: a pure decision.
//!
//! A connection that has shown neither a token nor a key of ours is a stranger, whatever it does, and gives way before
//! those that have: at the limit a newcomer takes the place of one that had time to show something, of the origin that
//! holds the most, else of the oldest of any. Only where strangers hold more than half of the places does one go that
//! has just come, the oldest again; so a flood of them, from however many addresses, is among itself there, and each of
//! them, and whoever comes with a token, has a while in which to show it.
//!
//! Connections are counted by where they come from ([`Origin`]), without a fixed share: a whole fleet may come from one
//! address. Where no stranger gives way, the newcomer takes a place from the origin that holds the most: of one whose
//! client lets it wait (for the rest of a request, or with an answer that it does not take), else of the one that waits
//! for its next request the longest, else of a newcomer like this one. One in the middle of a request goes only where
//! its origin still holds no less than the newcomer's then; without that, slow clients from one address would keep all
//! others out. A newcomer of the origin that holds the most can only displace what waits; where nothing does, it is not
//! let in.
//!
//! Of an origin with very many connections some are looked at, not all, for the sake of whoever waits meanwhile.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::server::phase::{Phase, Stage, State};

/// So many of an origin's connections are looked at.
const LOOK: usize = 256;
/// A head takes no longer on a network that works.
const YOUNG: Duration = Duration::from_secs(1);
/// Nor a handshake and a head on one that loses a packet, nor does an answer lie there. Until then a stranger gives way
/// only for what its own origin holds, so that a few fast clients displace no slow one of another.
const SLOW: Duration = Duration::from_secs(3);

/// Where a connection comes from, as far as it may count as one client: an IPv4 address, or an IPv6 network of 56 bits.
/// That is what providers give a customer at least (RIPE-690, 4.2); with the usual 64 of one subnet, each of them would
/// be 256 origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Origin {
    V4(Ipv4Addr),
    V6([u8; 7]),
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Origin::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, ..] = address.octets();
                Origin::V6([a, b, c, d, e, f, g])
            }
        }
    }
}

/// The connections there are; each has a key `K`, and something that ends it, `H`.
#[derive(Debug)]
pub(super) struct Crowd<K, H> {
    limit: usize,
    origins: HashMap<Origin, Vec<Member<K, H>>>,
    /// The last one holds the most.
    by_count: BTreeSet<(usize, Origin)>,
    /// In which origin, and where there.
    places: HashMap<K, (Origin, usize)>,
    /// When they came, the first one first. Those that are known by now or have ended are taken out at the front, and
    /// the others every now and then.
    strangers: VecDeque<(Duration, K)>,
    /// At so many of them the next time.
    tidy_at: usize,
}

#[derive(Debug)]
struct Member<K, H> {
    key: K,
    came: Duration,
    phase: Arc<Phase>,
    handle: H,
}

/// Why one gives way; the first ones before the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It has shown nothing, and had the time for it.
    Stranger,
    /// Its next request stays half, or its answer lies there.
    Stuck,
    Idle,
    /// A head may be on its way.
    Young,
    Busy,
}

/// Whether a newcomer is let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room<H> {
    /// There is room.
    Free,
    /// In the place of this one, which is out already and only has to be ended.
    Instead(H),
    /// It is not.
    None,
}

impl<K: Copy + Eq + Hash, H> Crowd<K, H> {
    /// Room for `limit` connections.
    pub(super) fn new(limit: usize) -> Self {
        let (origins, by_count, places, strangers) = Default::default();
        Crowd { limit, origins, by_count, places, strangers, tidy_at: 0 }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are as many as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    /// Makes room for one more from there, at a time after the epoch of the phases.
    pub(super) fn make_room(&mut self, origin: Origin, now: Duration) -> Room<H> {
        if !self.is_full() {
            return Room::Free;
        }
        let Some((most, heaviest)) = self.by_count.last().copied() else { return Room::None };
        let own = self.origins.get(&origin).map_or(0, Vec::len);
        let from = if most > own { heaviest } else { origin };
        // Where the one in the middle of a request would only change places with the newcomer, it stays.
        let may_be_busy = most > own + 1;
        let crowded = self.is_crowded();
        let young_too = crowded && most > self.limit / 4 && self.are_strangers(from);
        // A connection that goes on while it is looked at is not a good choice any more.
        for _ in 0..LOOK {
            let choice = match self.victim(from, |seen| rank(seen, may_be_busy, young_too, now)) {
                Some((Rank::Stranger, key, seen)) if most > 1 => Some((key, seen)),
                other => {
                    let oldest = self.oldest_stranger().filter(|(came, ..)| crowded || *came + SLOW <= now);
                    oldest.map(|(_, key, seen)| (key, seen)).or(other.map(|(_, key, seen)| (key, seen)))
                }
            };
            let Some((key, seen)) = choice else { return Room::None };
            if self.phase(key).is_some_and(|phase| phase.claim(seen)) {
                return self.remove(key).map_or(Room::None, Room::Instead);
            }
        }
        Room::None
    }

    /// Who of an origin's connections goes first.
    fn victim(&self, from: Origin, rank: impl Fn(State) -> Option<Rank>) -> Option<(Rank, K, State)> {
        let ranked = self.some_of(from).filter_map(|member| {
            let seen = member.phase.state();
            // What a stranger does makes it no younger.
            let since = if seen.known { seen.since } else { member.came };
            Some(((rank(State { since, ..seen })?, since), member.key, seen))
        });
        ranked.min_by_key(|(order, ..)| *order).map(|((rank, _), key, seen)| (rank, key, seen))
    }

    /// Whether most of an origin's connections are strangers.
    fn are_strangers(&self, origin: Origin) -> bool {
        let (mut strangers, mut all) = (0, 0);
        for member in self.some_of(origin) {
            strangers += usize::from(!member.phase.state().known);
            all += 1;
        }
        strangers * 2 > all
    }

    /// An origin's connections, or some where there are very many.
    fn some_of(&self, origin: Origin) -> impl Iterator<Item = &Member<K, H>> {
        let members = self.origins.get(&origin).map_or(&[][..], Vec::as_slice);
        let (early, late) = members.split_at(fastrand::usize(..members.len().max(1)));
        late.iter().chain(early).take(LOOK)
    }

    /// Of any origin, and when it came.
    fn oldest_stranger(&mut self) -> Option<(Duration, K, State)> {
        while let Some((came, key)) = self.strangers.front().copied() {
            match self.phase(key).map(Phase::state).filter(|seen| !seen.known) {
                Some(seen) => return Some((came, key, seen)),
                None => drop(self.strangers.pop_front()),
            }
        }
        None
    }

    /// Whether strangers hold more than half of the places, or nearly so.
    fn is_crowded(&mut self) -> bool {
        self.oldest_stranger().is_some() && self.strangers.len() > self.limit / 2
    }

    /// Takes out who is none any more; not at each newcomer, so that it costs each of them little.
    fn tidy_strangers(&mut self) {
        let mut strangers = std::mem::take(&mut self.strangers);
        strangers.retain(|(_, key)| self.phase(*key).is_some_and(|phase| !phase.state().known));
        self.tidy_at = strangers.len() + (self.limit / 8).max(1);
        self.strangers = strangers;
    }

    fn phase(&self, key: K) -> Option<&Phase> {
        let (origin, place) = self.places.get(&key)?;
        Some(&self.origins.get(origin)?.get(*place)?.phase)
    }

    /// Adds one that has just come and for which there is room.
    pub(super) fn add(&mut self, key: K, origin: Origin, phase: Arc<Phase>, handle: H) {
        if self.strangers.len() >= self.tidy_at {
            self.tidy_strangers();
        }
        let came = phase.state().since;
        self.strangers.push_back((came, key));
        let members = self.origins.entry(origin).or_default();
        self.by_count.remove(&(members.len(), origin));
        self.places.insert(key, (origin, members.len()));
        members.push(Member { key, came, phase, handle });
        self.by_count.insert((members.len(), origin));
    }

    /// Takes out one that has ended, if it is there still.
    pub(super) fn remove(&mut self, key: K) -> Option<H> {
        let (origin, place) = self.places.remove(&key)?;
        let members = self.origins.get_mut(&origin)?;
        self.by_count.remove(&(members.len(), origin));
        let gone = members.swap_remove(place);
        if let Some(moved) = members.get(place) {
            self.places.insert(moved.key, (origin, place));
        }
        match members.len() {
            0 => drop(self.origins.remove(&origin)),
            left => drop(self.by_count.insert((left, origin))),
        }
        Some(gone.handle)
    }

    /// Lets all of them end; returns what ends those that wait.
    pub(super) fn close(self) -> impl Iterator<Item = H> {
        let members = self.origins.into_values().flatten();
        members.filter(|member| member.phase.close()).map(|member| member.handle)
    }
}

/// `young_too`: a stranger gives way also when it has just come.
fn rank(State { stage, since, known }: State, may_be_busy: bool, young_too: bool, now: Duration) -> Option<Rank> {
    match stage {
        Stage::Gone => None,
        _ if !known => Some(if young_too || since + YOUNG <= now { Rank::Stranger } else { Rank::Young }),
        Stage::Opening | Stage::Head if since + YOUNG > now => Some(Rank::Young),
        Stage::Opening | Stage::Head => Some(Rank::Stuck),
        Stage::Answered if since + SLOW <= now => Some(Rank::Stuck),
        Stage::Idle => Some(Rank::Idle),
        Stage::Busy | Stage::Answered => may_be_busy.then_some(Rank::Busy),
    }
}

#[cfg(test)]
#[path = "crowd_tests.rs"]
mod tests;
