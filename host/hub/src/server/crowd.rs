//! Who gives way when there are as many connections as there may be: a pure decision.
//!
//! Connections are counted by where they come from ([`Origin`]), without a fixed share: a whole fleet may come from one
//! address. At the limit a newcomer takes the place of a connection of the origin that holds the most, so that a flood
//! from one origin only ever displaces itself. Of that origin's connections first one goes that has not brought a
//! whole request for a while, then the one that waits for its next request the longest, then a newcomer like this one,
//! and one that is in the middle of a request only where its origin still holds no less than the newcomer's then. A
//! newcomer of the origin that holds the most can only displace what waits; where nothing does, it is not let in.
//!
//! Of an origin with very many connections some are looked at, not all, for the sake of whoever waits meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::server::phase::{Phase, Stage, State};

/// So many of an origin's connections are looked at.
const LOOK: usize = 256;
/// A head takes no longer on a network that works.
const YOUNG: Duration = Duration::from_secs(1);

/// Where a connection comes from, as far as it may count as one client: an IPv4 address, or an IPv6 network of 64 bits,
/// which is what one customer or one machine has at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Origin {
    V4(Ipv4Addr),
    V6([u8; 8]),
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Origin::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Origin::V6([a, b, c, d, e, f, g, h])
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
}

#[derive(Debug)]
struct Member<K, H> {
    key: K,
    phase: Arc<Phase>,
    handle: H,
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
        Crowd { limit, origins: HashMap::new(), by_count: BTreeSet::new(), places: HashMap::new() }
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
            let members = self.origins.get(&from).map(Vec::as_slice).unwrap_or_default();
            let start = fastrand::usize(..members.len().max(1));
            let (late, early) = (&members[start.min(members.len())..], &members[..start.min(members.len())]);
            let states = late.iter().chain(early).take(LOOK).map(|member| (member, member.phase.state()));
            let Some((member, seen)) = victim(states, may_be_busy, now) else { return Room::None };
            if member.phase.claim(seen) {
                let key = member.key;
                return self.remove(key).map_or(Room::None, Room::Instead);
            }
        }
        Room::None
    }

    /// Adds one for which there is room.
    pub(super) fn add(&mut self, key: K, origin: Origin, phase: Arc<Phase>, handle: H) {
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

/// Who of these goes first.
fn victim<M>(members: impl Iterator<Item = (M, State)>, may_be_busy: bool, now: Duration) -> Option<(M, State)> {
    let rank = |State { stage, since }: State| match stage {
        Stage::Opening | Stage::Head if since + YOUNG <= now => Some(0),
        Stage::Idle => Some(1),
        Stage::Opening | Stage::Head => Some(2),
        Stage::Busy | Stage::Answered => may_be_busy.then_some(3),
        Stage::Gone => None,
    };
    let ranked = members.filter_map(|(member, state)| Some((rank(state)?, state.since, member, state)));
    ranked.min_by_key(|(rank, since, ..)| (*rank, *since)).map(|(.., member, state)| (member, state))
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, advance};

    use super::*;

    const fn v4(last: u8) -> Origin {
        Origin::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    /// A crowd whose connections are called by numbers, on a clock that stands still.
    struct Test {
        crowd: Crowd<u32, u32>,
        phases: HashMap<u32, Arc<Phase>>,
        epoch: Instant,
    }

    impl Test {
        fn new(limit: usize) -> Self {
            Test { crowd: Crowd::new(limit), phases: HashMap::new(), epoch: Instant::now() }
        }

        /// A connection that has come to this stage now.
        fn add(&mut self, key: u32, origin: Origin, stage: Stage) {
            let phase = Arc::new(Phase::new(self.epoch));
            phase.enter(stage).unwrap();
            self.crowd.add(key, origin, Arc::clone(&phase), key);
            self.phases.insert(key, phase);
        }

        fn room(&mut self, origin: Origin) -> Room<u32> {
            self.crowd.make_room(origin, self.epoch.elapsed())
        }
    }

    async fn second() {
        advance(Duration::from_secs(1)).await;
    }

    #[test]
    fn an_origin_is_an_address_or_a_network() {
        let origin = |text: &str| Origin::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(origin("10.0.0.1"), origin("::ffff:10.0.0.1"));
        assert_ne!(origin("10.0.0.1"), origin("10.0.0.2"));
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:0:0:1"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
    }

    #[tokio::test(start_paused = true)]
    async fn below_the_limit_nobody_gives_way() {
        let mut test = Test::new(2);
        test.add(1, v4(1), Stage::Opening);
        assert_eq!(test.room(v4(1)), Room::Free);
        test.add(2, v4(1), Stage::Opening);
        assert!(test.crowd.is_full());
        assert_eq!(test.crowd.remove(1), Some(1));
        assert_eq!((test.room(v4(1)), test.crowd.remove(1)), (Room::Free, None));
    }

    #[tokio::test(start_paused = true)]
    async fn the_origin_that_holds_the_most_gives_way_and_half_open_ones_go_first() {
        let mut test = Test::new(7);
        test.add(1, v4(1), Stage::Idle);
        test.add(2, v4(1), Stage::Idle);
        second().await;
        test.add(3, v4(2), Stage::Busy);
        second().await;
        test.add(4, v4(2), Stage::Idle);
        second().await;
        test.add(5, v4(2), Stage::Idle);
        test.add(6, v4(2), Stage::Opening);
        second().await;
        test.add(7, v4(2), Stage::Head);
        for expected in [6, 4, 5] {
            assert_eq!(test.room(v4(3)), Room::Instead(expected), "though the idle ones of the other are older");
            test.add(expected + 100, v4(expected as u8 + 100), Stage::Busy);
        }
        // Two each: the one that came last is asked last.
        assert_eq!(test.room(v4(3)), Room::Instead(7), "of the same count, the highest address");
    }

    #[tokio::test(start_paused = true)]
    async fn one_in_the_middle_of_a_request_goes_only_for_a_fairer_share() {
        let mut test = Test::new(3);
        for key in 1..=3 {
            test.add(key, v4(1), Stage::Busy);
            second().await;
        }
        assert_eq!(test.room(v4(1)), Room::None, "not for one of its own");
        assert_eq!(test.room(v4(2)), Room::Instead(1));
        test.add(4, v4(2), Stage::Busy);
        assert_eq!(test.room(v4(2)), Room::None, "two and one would only become one and two");
        test.phases[&3].enter(Stage::Answered).unwrap();
        assert_eq!(test.room(v4(2)), Room::None, "its answer is not sent yet");
        test.phases[&3].enter(Stage::Idle).unwrap();
        assert_eq!(test.room(v4(2)), Room::Instead(3), "what waits is for who holds less");
    }

    #[tokio::test(start_paused = true)]
    async fn the_origin_that_holds_the_most_displaces_its_own() {
        let mut test = Test::new(3);
        test.add(1, v4(2), Stage::Idle);
        second().await;
        test.add(2, v4(1), Stage::Busy);
        test.add(3, v4(1), Stage::Idle);
        assert_eq!(test.room(v4(1)), Room::Instead(3));
        test.add(4, v4(1), Stage::Opening);
        assert_eq!(test.room(v4(1)), Room::Instead(4));
        test.add(5, v4(1), Stage::Busy);
        assert_eq!(test.room(v4(1)), Room::None, "not the idle one of who holds less");
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_has_its_time_where_others_wait() {
        let mut test = Test::new(2);
        test.add(1, v4(1), Stage::Idle);
        test.add(2, v4(1), Stage::Opening);
        assert_eq!(test.room(v4(1)), Room::Instead(1), "the other has only just come");
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_claimed_does_nothing_more() {
        let mut test = Test::new(1);
        test.add(1, v4(1), Stage::Idle);
        assert_eq!(test.room(v4(2)), Room::Instead(1));
        assert!(test.phases[&1].enter(Stage::Head).is_err());
        assert_eq!(test.crowd.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_takes_who_waits_and_lets_the_others_finish() {
        let mut test = Test::new(9);
        for (key, stage) in [(1, Stage::Opening), (2, Stage::Head), (3, Stage::Idle), (4, Stage::Busy)] {
            test.add(key, v4(1), stage);
        }
        let mut waiting: Vec<u32> = test.crowd.close().collect();
        waiting.sort_unstable();
        assert_eq!(waiting, [1, 2, 3]);
        assert!(test.phases[&4].is_closing());
        test.phases[&4].enter(Stage::Answered).unwrap();
        assert!(test.phases[&4].is_closing(), "it is still known after the request");
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_kept_right_through_any_order() {
        let mut test = Test::new(1000);
        for key in 0..1000 {
            test.add(key, v4((key % 7) as u8), Stage::Idle);
        }
        for key in (0..1000).step_by(3) {
            assert_eq!(test.crowd.remove(key), Some(key));
        }
        for key in 0..1000 {
            let gone = test.crowd.remove(key);
            assert_eq!(gone, (key % 3 != 0).then_some(key));
        }
        assert!(test.crowd.origins.is_empty() && test.crowd.by_count.is_empty());
    }
}
