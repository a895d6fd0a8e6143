//! How far each database has been read.
//!
//! Bound: [`MAX_DATABASES`], with some kilobytes for each at most. There is no room for more, and no need of room for one
//! that is empty.

use std::collections::BTreeMap;

use sandbeat_sdk::state::{self, StateError};

use crate::opencode::database::Known;

const MAX_DATABASES: usize = 256;
const KEY: &str = "databases";

/// All databases, by the fingerprint of their paths.
#[derive(Debug, Default)]
pub(crate) struct Databases {
    known: BTreeMap<u64, Known>,
    changed: bool,
}

impl Databases {
    pub(crate) fn open() -> Databases {
        let kept = state::get(KEY).and_then(|bytes| postcard::from_bytes(&bytes).ok());
        Databases { known: kept.unwrap_or_default(), changed: false }
    }

    pub(crate) fn get(&self, path: u64) -> Known {
        self.known.get(&path).cloned().unwrap_or_default()
    }

    /// Whether a database can be read on where it was left.
    pub(crate) fn has_room(&self, path: u64) -> bool {
        self.known.len() < MAX_DATABASES || self.known.contains_key(&path)
    }

    pub(crate) fn set(&mut self, path: u64, known: Known) {
        if known == Known::default() {
            self.forget(path);
        } else if self.known.get(&path) != Some(&known) && self.has_room(path) {
            self.known.insert(path, known);
            self.changed = true;
        }
    }

    /// Why some of them cannot be read, for the log.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = &String> {
        self.known.values().filter_map(|known| known.trouble.as_ref())
    }

    /// One that is gone.
    pub(crate) fn forget(&mut self, path: u64) {
        self.changed |= self.known.remove(&path).is_some();
    }

    /// Writes what has changed.
    ///
    /// # Errors
    /// The state is full.
    pub(crate) fn keep(&self) -> Result<(), StateError> {
        if !self.changed {
            return Ok(());
        }
        state::set(KEY, &postcard::to_allocvec(&self.known).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_and_empty_ones_need_none() {
        let mut databases = Databases::default();
        for path in 0..2 * MAX_DATABASES as u64 {
            databases.set(path, Known::default());
        }
        assert!(databases.has_room(0) && !databases.changed);
        for path in 0..2 * MAX_DATABASES as u64 {
            databases.set(path, Known::default().with(1, None));
        }
        assert_eq!(
            (databases.known.len(), databases.has_room(0), databases.has_room(300)),
            (MAX_DATABASES, true, false)
        );
        databases.set(0, Known::default());
        assert!(databases.has_room(300));
    }
}
