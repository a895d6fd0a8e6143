//! The `state` import: a small store of the collector's own that outlives instances and reloads.
//!
//! Owner: [`crate::states`], and while it is called the plugin's task. A call works on a copy (cheap until it writes)
//! that replaces the original when the call succeeded, so that a trap in the middle leaves no half-written state.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest key, in bytes.
const MAX_KEY: usize = 128;
/// What an entry costs beside its bytes, so that a million empty values are not free.
const ENTRY_COST: u64 = 32;

/// The state of one collector; cloning it is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    entries: Arc<BTreeMap<String, Vec<u8>>>,
    bytes: u64,
}

/// Why nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateError {
    BadKey,
    Full,
}

impl State {
    /// A state of these entries, if their keys are acceptable.
    pub(crate) fn from_entries(entries: BTreeMap<String, Vec<u8>>) -> Option<Self> {
        let bytes = entries.iter().map(|(key, value)| cost(key, value)).sum();
        entries.keys().all(|key| is_key(key)).then(|| State { entries: Arc::new(entries), bytes })
    }

    pub(crate) fn entries(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.entries
    }

    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.entries.get(key).cloned()
    }

    /// Keys and values together, as the limit counts them.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts a value under a key, if all entries together stay within `limit` bytes.
    pub(crate) fn set(&mut self, key: String, value: Vec<u8>, limit: u64) -> Result<(), StateError> {
        if !is_key(&key) {
            return Err(StateError::BadKey);
        }
        let old = self.entries.get(&key).map_or(0, |value| cost(&key, value));
        let bytes = self.bytes - old + cost(&key, &value);
        if bytes > limit {
            return Err(StateError::Full);
        }
        self.bytes = bytes;
        Arc::make_mut(&mut self.entries).insert(key, value);
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: &str) {
        if self.entries.contains_key(key)
            && let Some(value) = Arc::make_mut(&mut self.entries).remove(key)
        {
            self.bytes -= cost(key, &value);
        }
    }
}

fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len())
}

fn cost(key: &str, value: &[u8]) -> u64 {
    key.len() as u64 + value.len() as u64 + ENTRY_COST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_entries_together_are_bounded() {
        let mut state = State::default();
        assert_eq!(state.set("a".into(), vec![0; 60], 200), Ok(()));
        assert_eq!(state.set("b".into(), vec![0; 100], 200), Err(StateError::Full));
        assert_eq!(state.set("a".into(), vec![0; 160], 200), Ok(()));
        state.delete("a");
        assert_eq!(state.set("b".into(), vec![0; 160], 200), Ok(()));
        assert_eq!(state.set(String::new(), vec![], 200), Err(StateError::BadKey));
        assert_eq!(state.set("k".repeat(129), vec![], 2000), Err(StateError::BadKey));
    }

    #[test]
    fn a_copy_that_is_dropped_changes_nothing() {
        let mut state = State::default();
        state.set("a".into(), vec![1], 200).unwrap();
        let mut copy = state.clone();
        copy.set("a".into(), vec![2], 200).unwrap();
        copy.delete("a");
        assert_eq!(state.get("a"), Some(vec![1]));
        assert_eq!(State::from_entries(state.entries().clone()), Some(state.clone()));
        assert_eq!(copy.get("a"), None);
    }
}
