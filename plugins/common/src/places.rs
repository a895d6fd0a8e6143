//! Places for series: who makes ever new ones leaves some to others.
//!
//! The agent takes `limits.series` different pairs of name and attributes within an hour, and refuses what is new beyond,
//! whoever makes it. Here each series has an owner (a process, a file). It takes a place until it has not been reported
//! for an hour, and an owner gets a new place only while he has few of them beside those that are free ([`Share`]), so
//! that one alone never has them all.
//!
//! What is kept in the state is hashes and times. Where it is not as it was written, it begins anew; where `limits.state`
//! has no room for all places, all are given, and the agent's own bound is what is left.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use sandbeat_sdk::limits::Limits;
use sandbeat_sdk::{log, state};

/// How old a note of when a series was reported may be before it is renewed, in minutes: each renewal changes the state.
const RENEWED: u32 = 10;
/// When a place is free again, in minutes: later than the agent's hour, by a note's age and what the agent takes to tidy up.
const REMEMBERED: u32 = 60 + RENEWED + 2;
/// Bytes of a place in the state.
const ENTRY: usize = 16;

/// What is taken, and by whom.
#[derive(Debug)]
pub struct Places {
    key: &'static str,
    /// Minutes, by any clock that survives a reload.
    now: u32,
    /// Nothing where they cannot be kept.
    most: Option<usize>,
    taken: BTreeMap<u64, Place>,
    by_owner: BTreeMap<u32, usize>,
    is_changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    owner: u32,
    seen: u32,
}

/// What a new series may have of the places.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Percent of all places; when so many are taken, by whomever, it gets none.
    pub percent: usize,
    /// How many its owner may have for how many that are free: `(3, 1)` leaves a quarter of all to the others of an owner
    /// who takes what he can get, `(1, 4)` four fifths.
    pub owned_to_free: (usize, usize),
}

impl Places {
    /// As they were kept under a key; `reserved` series beside these are the collector's own. `now` is since any moment,
    /// by a clock that survives a reload.
    pub fn open(key: &'static str, limits: &Limits, reserved: usize, now: Duration) -> Self {
        let now = u32::try_from(now.as_secs() / 60).unwrap_or(u32::MAX);
        let most = usize::try_from(limits.series).unwrap_or(usize::MAX).saturating_sub(reserved);
        // The other half is for what else is kept.
        let is_kept = most.saturating_mul(ENTRY) as u64 <= limits.state / 2;
        let kept = state::get(key).filter(|_| is_kept).and_then(|bytes| parse(&bytes, now));
        let taken = kept.unwrap_or_default();
        let mut by_owner = BTreeMap::new();
        for place in taken.values() {
            *by_owner.entry(place.owner).or_default() += 1;
        }
        Self { key, now, most: is_kept.then_some(most), taken, by_owner, is_changed: false }
    }

    /// Whether a series may be reported: it has a place, or its owner gets one for it.
    pub fn admits(&mut self, series: impl Hash, owner: impl Hash, share: Share) -> bool {
        let Some(most) = self.most else { return true };
        let series = hash(series);
        if let Some(place) = self.taken.get_mut(&series) {
            if self.now - place.seen >= RENEWED {
                place.seen = self.now;
                self.is_changed = true;
            }
            return true;
        }
        let owner = short(owner);
        let free = most.saturating_sub(self.taken.len());
        let owned = self.by_owner.entry(owner).or_default();
        let is_full = self.taken.len() >= most * share.percent / 100;
        if is_full || owned.saturating_mul(share.owned_to_free.1) >= free.saturating_mul(share.owned_to_free.0) {
            return false;
        }
        *owned += 1;
        self.taken.insert(series, Place { owner, seen: self.now });
        self.is_changed = true;
        true
    }

    /// How many an owner has.
    pub fn owned(&self, owner: impl Hash) -> usize {
        self.by_owner.get(&short(owner)).copied().unwrap_or_default()
    }

    /// Puts them into the state.
    pub fn keep(&self) {
        if !self.is_changed {
            return;
        }
        let bytes: Vec<u8> = self.taken.iter().flat_map(|(series, place)| entry(*series, *place)).collect();
        if let Err(error) = state::set(self.key, &bytes) {
            log::debug!("which series there are is not kept: {error}");
        }
    }
}

/// Those whose time is not over; nothing where the bytes are something else, or the clock was set back.
fn parse(bytes: &[u8], now: u32) -> Option<BTreeMap<u64, Place>> {
    let (entries, rest) = bytes.as_chunks::<ENTRY>();
    let place = |entry: &[u8; ENTRY]| {
        let (series, place) = entry.split_first_chunk::<8>()?;
        let (owner, seen) = place.split_first_chunk::<4>()?;
        let place = Place { owner: u32::from_le_bytes(*owner), seen: u32::from_le_bytes(seen.try_into().ok()?) };
        (place.seen <= now).then_some((u64::from_le_bytes(*series), place))
    };
    let places: BTreeMap<u64, Place> = entries.iter().map(place).collect::<Option<_>>().filter(|_| rest.is_empty())?;
    Some(places.into_iter().filter(|(_, place)| now - place.seen < REMEMBERED).collect())
}

fn entry(series: u64, place: Place) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..8].copy_from_slice(&series.to_le_bytes());
    entry[8..12].copy_from_slice(&place.owner.to_le_bytes());
    entry[12..].copy_from_slice(&place.seen.to_le_bytes());
    entry
}

/// Of an owner. Two of the same 32 bits share what one has.
fn short(owner: impl Hash) -> u32 {
    (hash(owner) >> 32) as u32
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use sandbeat_sdk::testing::Sandbox;

    use super::*;

    const HALF: Share = Share { percent: 100, owned_to_free: (1, 1) };
    const HOUR: Duration = Duration::from_secs(REMEMBERED as u64 * 60);

    /// How many of these series of an owner get a place, of 100.
    fn admitted(
        sandbox: &mut Sandbox,
        now: Duration,
        owner: &str,
        series: std::ops::Range<u32>,
        share: Share,
    ) -> usize {
        let limits = Limits { series: 104, ..Limits::default() };
        sandbox.run(|| {
            let mut places = Places::open("places", &limits, 4, now);
            let admitted = series.filter(|one| places.admits((owner, one), owner, share)).count();
            places.keep();
            admitted
        })
    }

    #[test]
    fn one_owner_leaves_some_to_the_next_and_keeps_what_he_has() {
        let (mut sandbox, now) = (Sandbox::new(), Duration::from_secs(1_000_000));
        assert_eq!(admitted(&mut sandbox, now, "a", 0..1000, HALF), 50);
        assert_eq!(admitted(&mut sandbox, now, "b", 0..1000, HALF), 25);
        assert_eq!(admitted(&mut sandbox, now, "a", 0..1000, HALF), 50, "known");
        assert_eq!(admitted(&mut sandbox, now, "c", 0..10, HALF), 10);
        assert_eq!(admitted(&mut sandbox, now, "d", 0..10, Share { percent: 80, ..HALF }), 0);
        assert_eq!(admitted(&mut sandbox, now, "d", 0..10, Share { owned_to_free: (1, 4), ..HALF }), 3);
    }

    #[test]
    fn a_place_is_free_when_its_series_has_not_been_reported_for_long() {
        let (mut sandbox, start) = (Sandbox::new(), Duration::from_secs(1_000_000));
        assert_eq!(admitted(&mut sandbox, start, "a", 0..50, HALF), 50);
        let later = start + HOUR - Duration::from_secs(60);
        assert_eq!(admitted(&mut sandbox, later, "a", 0..1, HALF), 1);
        assert_eq!(admitted(&mut sandbox, later, "a", 50..100, HALF), 0);
        assert_eq!(admitted(&mut sandbox, start + HOUR, "a", 50..150, HALF), 49);
        assert_eq!(admitted(&mut sandbox, Duration::ZERO, "a", 200..300, HALF), 50, "the clock was set back");
    }

    #[test]
    fn what_was_kept_otherwise_is_not_used_and_what_has_no_room_is_not_kept() {
        assert_eq!(parse(b"123", 1), None);
        assert_eq!(parse(b"", 1), Some(BTreeMap::new()));
        let mut sandbox = Sandbox::new();
        let limits = Limits { series: 100_000, ..Limits::default() };
        let admitted = sandbox.run(|| {
            let mut places = Places::open("places", &limits, 0, Duration::ZERO);
            let admitted = (0..5_000).filter(|one| places.admits(one, "a", HALF)).count();
            places.keep();
            assert_eq!(state::get("places"), None);
            admitted
        });
        assert_eq!(admitted, 5_000);
    }
}
