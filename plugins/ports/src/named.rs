//! Which points have carried which names lately, so that processes with ever new names do not use up `limits.series`.
//!
//! Each pair of port and name is a series of its own, of which the agent takes 2,000 within an hour. After
//! [`MAX_NAMED`] new ones within an hour, a pair that is new is reported without its name: as the port alone, which stays
//! the same series whatever its owner calls itself. What is kept in the state is no more than hashes; where it is not as
//! it was written, or cannot be kept, an hour begins.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use sandbeat_sdk::prelude::*;

/// Pairs within an hour: more than a collect has, and in two hours that follow each other few enough to leave room.
const MAX_NAMED: usize = 700;
/// In seconds.
const HOUR: u64 = 3600;
const KEY: &str = "named";

/// The pairs of the hour that is under way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// When it began, in seconds.
    since: u64,
    pairs: BTreeSet<u64>,
    is_changed: bool,
}

impl Named {
    /// As it was kept; `now` in seconds, by any clock that survives a reload.
    pub(crate) fn open(now: u64) -> Self {
        let kept = state::get(KEY).and_then(|bytes| Self::parse(&bytes));
        kept.filter(|kept| now.checked_sub(kept.since).is_some_and(|age| age < HOUR)).unwrap_or(Self {
            since: now,
            pairs: BTreeSet::new(),
            is_changed: false,
        })
    }

    /// Whether the pair may be reported with its name.
    pub(crate) fn admits(&mut self, pair: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        pair.hash(&mut hasher);
        let pair = hasher.finish();
        let is_new = !self.pairs.contains(&pair);
        if is_new && self.pairs.len() < MAX_NAMED {
            self.pairs.insert(pair);
            self.is_changed = true;
            return true;
        }
        !is_new
    }

    pub(crate) fn keep(&self) {
        if !self.is_changed {
            return;
        }
        let bytes: Vec<u8> = [self.since].iter().chain(&self.pairs).flat_map(|word| word.to_le_bytes()).collect();
        if let Err(error) = state::set(KEY, &bytes) {
            log::debug!("the names of ports are not kept: {error}");
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        let since = words.next().filter(|_| rest.is_empty())?;
        Some(Self { since, pairs: words.take(MAX_NAMED).collect(), is_changed: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::testing::Sandbox;

    /// How many of these pairs may be reported with their names.
    fn admitted(sandbox: &mut Sandbox, now: u64, pairs: std::ops::Range<u32>) -> usize {
        sandbox.run(|| {
            let mut named = Named::open(now);
            let admitted = pairs.filter(|pair| named.admits((pair, "x"))).count();
            named.keep();
            admitted
        })
    }

    #[test]
    fn within_an_hour_there_are_so_many_names() {
        let mut sandbox = Sandbox::new();
        assert_eq!(admitted(&mut sandbox, 1000, 0..500), 500);
        assert_eq!(admitted(&mut sandbox, 1001, 0..500), 500, "known");
        assert_eq!(admitted(&mut sandbox, 1002, 500..1000), MAX_NAMED - 500);
        assert_eq!(admitted(&mut sandbox, 1000 + HOUR - 1, 1000..1001), 0);
        assert_eq!(admitted(&mut sandbox, 1000 + HOUR - 1, 0..500), 500, "the first ones keep theirs");
        assert_eq!(admitted(&mut sandbox, 1000 + HOUR, 1000..1001), 1);
        assert_eq!(admitted(&mut sandbox, 10, 2000..2500), 500, "the clock was set back");
    }

    #[test]
    fn what_was_kept_otherwise_is_not_used() {
        assert_eq!(Named::parse(b""), None);
        assert_eq!(Named::parse(b"123456789"), None);
        assert_eq!(Named::parse(&[0; 16]).map(|named| named.pairs.len()), Some(1));
    }
}
