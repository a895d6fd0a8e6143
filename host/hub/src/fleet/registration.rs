//! What is known of a sandbox apart from what it reports. Never changed in place, only replaced as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::auth::KeyHash;

/// A sandbox as it was registered.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    /// Its id; [`sandbeat_status::names::sandbox_id`].
    pub id: Arc<str>,
    /// Which registration of this id it is: the store's number, never given twice; 0 until it is stored. A new token
    /// does not change it.
    pub serial: u64,
    /// For a person; the id, and then the same memory, where none was given.
    pub name: Arc<str>,
    /// What it was started from, as its owner calls it.
    pub image: Option<String>,
    /// What its owner wants to know of it.
    pub metadata: BTreeMap<String, String>,
    /// When it was registered, by the hub's wall clock.
    pub created_at: Timestamp,
    /// What is kept of its tokens; none when its first report registered it.
    pub tokens: Option<Tokens>,
}

/// So many replaced tokens go on at once: the one that an agent was promised first, and the last one.
pub(crate) const MOST_PREVIOUS: usize = 2;

/// A sandbox's tokens.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    /// The newest.
    pub current: KeyHash,
    /// Those before it that still open the status route, at most [`MOST_PREVIOUS`], the oldest first.
    pub previous: Box<[Previous]>,
}

/// A token that has been replaced.
#[derive(Clone, Debug)]
pub(crate) struct Previous {
    /// What is kept of it.
    pub hash: KeyHash,
    /// It opens nothing from here on, by the hub's wall clock.
    pub until: Timestamp,
}

impl Registration {
    /// The registration that a first report makes.
    pub(crate) fn by_report(id: &str, created_at: Timestamp) -> Self {
        let id = Arc::from(id);
        Registration {
            name: Arc::clone(&id),
            id,
            serial: 0,
            image: None,
            metadata: BTreeMap::new(),
            created_at,
            tokens: None,
        }
    }
}

impl Tokens {
    /// One token, and none before it.
    pub(crate) fn of(current: KeyHash) -> Self {
        Tokens { current, previous: Box::default() }
    }

    /// Whether a text is one of them at `now`.
    pub(crate) fn matches(&self, given: &str, now: Timestamp) -> bool {
        self.current.matches(given)
            || self.previous.iter().any(|previous| now < previous.until && previous.hash.matches(given))
    }

    /// The tokens after a rotation at `at`: the present one goes on until `until`, and the oldest of those before it
    /// that still go on as long as it was promised. Where `until` is not after `at`, all end at once.
    pub(crate) fn rotated(&self, current: KeyHash, until: Timestamp, at: Timestamp) -> Self {
        if until <= at {
            return Tokens::of(current);
        }
        let promised = self.previous.iter().filter(|previous| at < previous.until).take(MOST_PREVIOUS - 1).cloned();
        let present = Previous { hash: self.current.clone(), until };
        Tokens { current, previous: promised.chain([present]).collect() }
    }

    /// Until when the last one before the present goes on.
    pub(crate) fn previous_until(&self) -> Option<Timestamp> {
        self.previous.last().map(|previous| previous.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Secret;

    #[test]
    fn a_rotated_token_goes_on_for_its_overlap_and_no_longer() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let hash = |text: &str| KeyHash::of(&Secret::new(text));
        let tokens = Tokens::of(hash("first")).rotated(hash("second"), at(100), at(0));
        assert!(tokens.matches("first", at(99)) && tokens.matches("second", at(99)));
        assert!(!tokens.matches("first", at(100)) && tokens.matches("second", at(100)));
        let tokens = tokens.rotated(hash("third"), at(200), at(50));
        assert!(["first", "second", "third"].iter().all(|token| tokens.matches(token, at(99))), "as was promised");
        assert!(!tokens.matches("first", at(100)) && tokens.matches("second", at(199)));
        let fourth = tokens.rotated(hash("fourth"), at(300), at(60));
        assert!(
            fourth.matches("first", at(99)) && !fourth.matches("second", at(60)) && fourth.matches("third", at(299))
        );
        assert_eq!((fourth.previous.len(), fourth.previous_until()), (MOST_PREVIOUS, Some(at(300))));
        let later = tokens.rotated(hash("fourth"), at(300), at(100));
        assert!(
            !later.matches("first", at(100)) && later.matches("second", at(199)) && later.matches("third", at(299))
        );
        let ended = tokens.rotated(hash("fourth"), at(60), at(60));
        assert!(["first", "second", "third"].iter().all(|token| !ended.matches(token, at(60))), "all at once");
    }
}
