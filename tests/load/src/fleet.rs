//! The fleet that is played: whose ids and tokens there are, and what the hub has acknowledged of each.
//!
//! Invariant: what stands here as acknowledged was answered with a success, so a hub that keeps its word has it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A fleet, each of whose sandboxes has a number from 0 on.
#[derive(Debug)]
pub struct Fleet {
    prefix: String,
    tokens: Option<Vec<Option<Box<str>>>>,
    /// The ids of those that are not called by prefix and number.
    renamed: BTreeMap<u32, Box<str>>,
    acknowledged: Vec<Acknowledged>,
}

/// Of one sandbox; zeros before the first.
#[derive(Debug, Default)]
struct Acknowledged {
    seq: AtomicU64,
    /// Nanoseconds of the load.
    sent: AtomicU64,
}

impl Fleet {
    /// One that a hub with open enrolment takes without being asked.
    pub fn open(prefix: &str, agents: u32) -> Self {
        let acknowledged = (0..agents).map(|_| Acknowledged::default()).collect();
        Fleet { prefix: prefix.to_owned(), tokens: None, renamed: BTreeMap::new(), acknowledged }
    }

    /// One with the tokens that registrations were answered with, and the ids where they are others; a sandbox without a
    /// token was not registered.
    pub(crate) fn registered(prefix: &str, tokens: Vec<Option<Box<str>>>, renamed: BTreeMap<u32, Box<str>>) -> Self {
        let acknowledged = tokens.iter().map(|_| Acknowledged::default()).collect();
        Fleet { prefix: prefix.to_owned(), tokens: Some(tokens), renamed, acknowledged }
    }

    /// How many sandboxes there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.acknowledged.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.acknowledged.is_empty()
    }

    /// A sandbox's id.
    pub fn id(&self, number: u32) -> String {
        self.renamed.get(&number).map_or_else(|| id(&self.prefix, number), |id| id.to_string())
    }

    /// Its token, where it was registered.
    pub fn token(&self, number: u32) -> Option<&str> {
        self.tokens.as_ref()?.get(number as usize)?.as_deref()
    }

    /// Whether it can report: it was registered, or need not be.
    pub(crate) fn may_report(&self, number: u32) -> bool {
        self.tokens.is_none() || self.token(number).is_some()
    }

    /// How many were registered; all of them where that is not needed.
    pub fn known(&self) -> u32 {
        let all = self.len();
        let missing = self.tokens.iter().flatten().filter(|token| token.is_none()).count();
        all.saturating_sub(u32::try_from(missing).unwrap_or(u32::MAX))
    }

    /// The `seq` of its newest report that was answered with a success, and when that was sent, in nanoseconds since
    /// the load began; `None` before the first.
    pub fn acknowledged(&self, number: u32) -> Option<(u64, u64)> {
        let acknowledged = self.acknowledged.get(number as usize)?;
        let seq = acknowledged.seq.load(Relaxed);
        (seq > 0).then(|| (seq, acknowledged.sent.load(Relaxed)))
    }

    /// A report was answered with a success.
    pub(crate) fn acknowledge(&self, number: u32, seq: u64, sent: u64) {
        if let Some(acknowledged) = self.acknowledged.get(number as usize) {
            acknowledged.sent.store(sent, Relaxed);
            acknowledged.seq.store(seq, Relaxed);
        }
    }
}

/// All of one length, so that their order is that of their numbers.
pub(crate) fn id(prefix: &str, number: u32) -> String {
    format!("{prefix}-{number:07}")
}

/// A number of the same width that looks random and is the same each time: the last step of SplitMix64.
pub(crate) fn spread(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_stands_here() {
        let fleet = Fleet::registered("a", vec![Some("x".into()), None], BTreeMap::from([(0, "other".into())]));
        assert_eq!((fleet.len(), fleet.known(), fleet.token(0), fleet.token(1)), (2, 1, Some("x"), None));
        assert_eq!((fleet.id(0).as_str(), fleet.id(1).as_str()), ("other", "a-0000001"));
        assert_eq!(fleet.acknowledged(1), None);
        fleet.acknowledge(1, 5, 17);
        assert_eq!(fleet.acknowledged(1), Some((5, 17)));
        assert_eq!(Fleet::open("b", 3).known(), 3);
    }
}
