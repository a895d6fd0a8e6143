//! What is known of a sandbox apart from what it reports. Never changed in place, only replaced as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::milliseconds::Milliseconds;
use crate::auth::KeyHash;

/// A sandbox as it was registered.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    /// Its id; [`sandbeat_status::names::sandbox_id`].
    pub id: Arc<str>,
    /// Which registration of this id it is: the store's number, never given twice; 0 until it is stored. A new token
    /// does not change it.
    pub serial: u64,
    /// What its owner says of it.
    pub described: Option<Box<Described>>,
    /// When it was registered, by the hub's wall clock.
    pub created_at: Milliseconds,
    /// What is kept of its tokens; none when its first report registered it.
    pub tokens: Option<Tokens>,
}

/// What an owner may say of a sandbox; many say nothing of most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Described {
    /// For a person.
    pub name: Option<Box<str>>,
    /// What it was started from, as its owner calls it.
    pub image: Option<Box<str>>,
    /// What its owner wants to know of it.
    pub metadata: BTreeMap<String, String>,
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
    /// Until when a report without any may come, by the hub's wall clock, where such are welcome; none from the first
    /// report with one on.
    pub tokenless_until: Option<Milliseconds>,
}

/// A token that has been replaced.
#[derive(Clone, Debug)]
pub(crate) struct Previous {
    /// What is kept of it.
    pub hash: KeyHash,
    /// It opens nothing from here on, by the hub's wall clock.
    pub until: Timestamp,
}

impl Described {
    /// What it takes, in bytes of memory; about.
    pub(crate) fn bytes(&self) -> usize {
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let metadata: usize = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        size_of::<Self>() + length(&self.name) + length(&self.image) + metadata
    }
}

impl Registration {
    /// The registration that a first report makes.
    pub(crate) fn by_report(id: &str, created_at: Timestamp) -> Self {
        let created_at = created_at.into();
        Registration { id: Arc::from(id), serial: 0, described: None, created_at, tokens: None }
    }

    /// What it is called; its id where its owner said nothing.
    pub(crate) fn name(&self) -> &str {
        self.described.as_deref().and_then(|described| described.name.as_deref()).unwrap_or(&self.id)
    }

    /// What it was started from.
    pub(crate) fn image(&self) -> Option<&str> {
        self.described.as_deref()?.image.as_deref()
    }

    /// What its owner wants to know of it.
    pub(crate) fn metadata(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.described.as_deref().map_or(&NONE, |described| &described.metadata)
    }
}

impl Described {
    /// To be kept; none where nothing is said.
    pub(crate) fn kept(self) -> Option<Box<Self>> {
        let Described { name, image, metadata } = &self;
        (name.is_some() || image.is_some() || !metadata.is_empty()).then(|| Box::new(self))
    }
}

impl Tokens {
    /// A new sandbox's token, which nobody has shown yet.
    pub(crate) fn of(current: KeyHash) -> Self {
        Tokens { current, previous: Box::default(), tokenless_until: Some(Milliseconds::FOREVER) }
    }

    /// The tokens of a sandbox that has had `present`, after a rotation at `at`. What opens the status route now goes on
    /// until `until`: the present token, and reports without any where they have been welcome. The oldest token of
    /// those before goes on as long as it was promised. Where `until` is not after `at`, all end at once.
    pub(crate) fn rotated(present: Option<&Self>, current: KeyHash, until: Timestamp, at: Timestamp) -> Self {
        let tokenless = present.map_or(Some(Milliseconds::FOREVER), |present| present.tokenless_until);
        let mut tokens = Tokens { current, previous: Box::default(), tokenless_until: None };
        if until <= at {
            return tokens;
        }
        tokens.tokenless_until = tokenless.map(|tokenless| tokenless.min(until.into()));
        if let Some(Tokens { current, previous, .. }) = present {
            let promised = previous.iter().filter(|previous| at < previous.until).take(MOST_PREVIOUS - 1).cloned();
            tokens.previous = promised.chain([Previous { hash: current.clone(), until }]).collect();
        }
        tokens
    }

    /// Whether a text is one of them at `now`.
    pub(crate) fn matches(&self, given: &str, now: Timestamp) -> bool {
        self.current.matches(given)
            || self.previous.iter().any(|previous| now < previous.until && previous.hash.matches(given))
    }

    /// Whether a report without any may come at `now`, where such are welcome.
    pub(crate) fn may_be_left_out(&self, now: Timestamp) -> bool {
        self.tokenless_until.is_some_and(|until| Milliseconds::from(now) < until)
    }

    /// Whether what opens the status route changes by itself: as time goes on, or by the next report.
    pub(crate) fn may_change(&self) -> bool {
        !self.previous.is_empty() || self.tokenless_until.is_some()
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
        let tokens = Tokens::rotated(Some(&Tokens::of(hash("first"))), hash("second"), at(100), at(0));
        assert!(tokens.matches("first", at(99)) && tokens.matches("second", at(99)));
        assert!(!tokens.matches("first", at(100)) && tokens.matches("second", at(100)));
        let tokens = Tokens::rotated(Some(&tokens), hash("third"), at(200), at(50));
        assert!(["first", "second", "third"].iter().all(|token| tokens.matches(token, at(99))), "as was promised");
        assert!(!tokens.matches("first", at(100)) && tokens.matches("second", at(199)));
        let fourth = Tokens::rotated(Some(&tokens), hash("fourth"), at(300), at(60));
        assert!(
            fourth.matches("first", at(99)) && !fourth.matches("second", at(60)) && fourth.matches("third", at(299))
        );
        assert_eq!((fourth.previous.len(), fourth.previous_until()), (MOST_PREVIOUS, Some(at(300))));
        let later = Tokens::rotated(Some(&tokens), hash("fourth"), at(300), at(100));
        assert!(
            !later.matches("first", at(100)) && later.matches("second", at(199)) && later.matches("third", at(299))
        );
        let ended = Tokens::rotated(Some(&tokens), hash("fourth"), at(60), at(60));
        assert!(["first", "second", "third"].iter().all(|token| !ended.matches(token, at(60))), "all at once");
    }
    #[test]
    fn a_token_may_be_left_out_until_it_was_shown_or_replaced() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let hash = |text: &str| KeyHash::of(&Secret::new(text));
        let new = Tokens::of(hash("first"));
        assert!(new.may_be_left_out(at(1_000_000_000)));
        let shown = Tokens { tokenless_until: None, ..new.clone() };
        for (present, left_out) in [(None, true), (Some(&new), true), (Some(&shown), false)] {
            let once = Tokens::rotated(present, hash("second"), at(100), at(0));
            assert!(once.may_change() && present.is_none_or(|present| present.may_change() == left_out));
            assert_eq!((once.may_be_left_out(at(99)), once.may_be_left_out(at(100))), (left_out, false));
            let twice = Tokens::rotated(Some(&once), hash("third"), at(200), at(50));
            assert_eq!((twice.may_be_left_out(at(99)), twice.may_be_left_out(at(100))), (left_out, false));
            assert!(!Tokens::rotated(present, hash("second"), at(0), at(0)).may_be_left_out(at(0)));
        }
    }
}
