//! Who gives way when there are as many connections as there may be: a pure decision.
//!
//! Connections are counted by where they come from ([`Origin`]), without a fixed share: a whole fleet may come from one
//! address. At the limit a newcomer takes the place of a connection that no request has come from for a while since it
//! was made: of the origin that holds the most, else the oldest of any. So neither one address nor very many with a few
//! connections each keep others out by connections that they do not use.
//!
//! Where there is none, the newcomer takes a place from the origin that holds the most: of one whose next request stays
//! half, else of the one that waits for its next request the longest, else of a newcomer like this one. One in the middle
//! of a request goes only where its origin still holds no less than the newcomer's then; without that, slow clients from
//! one address would keep all others out. A newcomer of the origin that holds the most can only displace what waits;
//! where nothing does, it is not let in.
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
/// Nor a handshake and a head, since the connection was made, on one that loses a packet. Until then a connection gives
/// way only for what its own origin holds, so that a flood displaces no slow client of another.
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
    /// When they came, the first one first. Those that have brought a request or ended are only taken out at the front.
    strangers: VecDeque<(Duration, K)>,
}

#[derive(Debug)]
struct Member<K, H> {
    key: K,
    phase: Arc<Phase>,
    handle: H,
}

/// Why one gives way; the first ones before the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It has never brought a request, and had the time for it.
    Stranger,
    /// Its next request stays half.
    HalfOpen,
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
        let (origins, by_count, places) = Default::default();
        Crowd { limit, origins, by_count, places, strangers: VecDeque::new() }
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
        // A connection that goes on while it is looked at is not a good choice any more.
        for _ in 0..LOOK {
            let choice = match self.victim(from, may_be_busy, now) {
                Some((Rank::Stranger, key, seen)) => Some((key, seen)),
                other => self.stranger(now).or(other.map(|(_, key, seen)| (key, seen))),
            };
            let Some((key, seen)) = choice else { return Room::None };
            if self.phase(key).is_some_and(|phase| phase.claim(seen)) {
                return self.remove(key).map_or(Room::None, Room::Instead);
            }
        }
        Room::None
    }

    /// Who of an origin's connections goes first.
    fn victim(&self, from: Origin, may_be_busy: bool, now: Duration) -> Option<(Rank, K, State)> {
        let members = self.origins.get(&from)?;
        let (early, late) = members.split_at(fastrand::usize(..members.len().max(1)));
        let states = late.iter().chain(early).take(LOOK).map(|member| (member.key, member.phase.state()));
        let ranked = states.filter_map(|(key, state)| Some((rank(state, may_be_busy, now)?, key, state)));
        ranked.min_by_key(|(rank, _, state)| (*rank, state.since))
    }

    /// The oldest connection of any origin that has never brought a request, when it has had its time.
    fn stranger(&mut self, now: Duration) -> Option<(K, State)> {
        while let Some((came, key)) = self.strangers.front().copied() {
            let seen = self.phase(key).map(|phase| phase.state());
            match seen.filter(|seen| !seen.served && seen.stage.waits()) {
                Some(seen) => return (came + SLOW <= now).then_some((key, seen)),
                None => drop(self.strangers.pop_front()),
            }
        }
        None
    }

    fn phase(&self, key: K) -> Option<&Phase> {
        let (origin, place) = self.places.get(&key)?;
        Some(&self.origins.get(origin)?.get(*place)?.phase)
    }

    /// Adds one that has just come and for which there is room.
    pub(super) fn add(&mut self, key: K, origin: Origin, phase: Arc<Phase>, handle: H) {
        if self.strangers.len() >= 2 * self.places.len().max(LOOK) {
            let places = &self.places;
            self.strangers.retain(|(_, key)| places.contains_key(key));
        }
        self.strangers.push_back((phase.state().since, key));
        let members = self.origins.entry(origin).or_default();
        self.by_count.remove(&(members.len(), origin));
        self.places.insert(key, (origin, members.len()));
        members.push(Member { key, phase, handle });
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

fn rank(State { stage, since, served }: State, may_be_busy: bool, now: Duration) -> Option<Rank> {
    match stage {
        Stage::Opening | Stage::Head if since + YOUNG > now => Some(Rank::Young),
        Stage::Opening | Stage::Head => Some(if served { Rank::HalfOpen } else { Rank::Stranger }),
        Stage::Idle => Some(Rank::Idle),
        Stage::Busy | Stage::Answered => may_be_busy.then_some(Rank::Busy),
        Stage::Gone => None,
    }
}

#[cfg(test)]
#[path = "crowd_tests.rs"]
mod tests;
