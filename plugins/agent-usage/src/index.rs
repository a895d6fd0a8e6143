//! How far each file has been read.
//!
//! A file is known by the fingerprint of its path. Bound: [`MAX_FILES`]; more are not read, and the log says so. A file
//! that is gone is forgotten after a whole round in which it was not found.

use std::collections::{BTreeMap, BTreeSet};

use sandbeat_sdk::state::{self, StateError};
use serde::{Deserialize, Serialize};

/// At 27 bytes each, and 8 more while a round is under way, 1.6 MiB.
pub(crate) const MAX_FILES: usize = 50_000;

const FILES: &str = "files";
/// Only while a round takes more than one collect.
const FOUND: &str = "found";

/// All files.
#[derive(Debug, Default)]
pub(crate) struct Index {
    files: BTreeMap<u64, Mark>,
    changed: bool,
    /// In the round that is under way.
    found: BTreeSet<u64>,
}

/// How far a file has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Up to here: the end of a line.
    pub(crate) offset: u64,
    /// Bytes from there on that were looked at: a line that is not finished.
    pub(crate) ahead: u64,
    /// Of what stands before `offset`, to notice that the file is another one.
    pub(crate) print: [u8; 4],
    /// When it was changed, as of the last look: in milliseconds since 1970.
    pub(crate) modified: u64,
    /// In the middle of a line that is too long and is passed over.
    pub(crate) skipping: bool,
    /// Will not change any more.
    pub(crate) done: bool,
    /// A database that cannot be read, or could not be for some collects, as of the last look.
    pub(crate) broken: bool,
}

impl Index {
    pub(crate) fn open() -> Index {
        let kept: Option<Vec<([u8; 8], Mark)>> = state::get(FILES).and_then(|bytes| postcard::from_bytes(&bytes).ok());
        let files = kept.unwrap_or_default().into_iter().map(|(path, mark)| (u64::from_le_bytes(path), mark)).collect();
        let found = state::get(FOUND).unwrap_or_default();
        let found = found.as_chunks::<8>().0.iter().map(|path| u64::from_le_bytes(*path)).collect();
        Index { files, changed: false, found }
    }

    /// Writes what has changed.
    ///
    /// # Errors
    /// The state is full.
    pub(crate) fn keep(&self) -> Result<(), StateError> {
        if self.changed {
            let files: Vec<([u8; 8], &Mark)> =
                self.files.iter().map(|(path, mark)| (path.to_le_bytes(), mark)).collect();
            state::set(FILES, &postcard::to_allocvec(&files).unwrap_or_default())?;
        }
        if self.found.is_empty() {
            state::delete(FOUND);
            return Ok(());
        }
        let found: Vec<u8> = self.found.iter().flat_map(|path| path.to_le_bytes()).collect();
        state::set(FOUND, &found)
    }

    pub(crate) fn get(&self, path: u64) -> Option<&Mark> {
        self.files.get(&path)
    }

    /// Notes that a file is there; false when there is no room for it.
    pub(crate) fn find(&mut self, path: u64) -> bool {
        let room = self.found.len() < MAX_FILES && (self.files.len() < MAX_FILES || self.files.contains_key(&path));
        if room {
            self.found.insert(path);
        }
        room
    }

    pub(crate) fn set(&mut self, path: u64, mark: Mark) {
        self.changed |= self.files.get(&path) != Some(&mark);
        self.files.insert(path, mark);
    }

    /// Ends a round: returns the files that were not found in it and forgets them.
    pub(crate) fn end_round(&mut self) -> Vec<u64> {
        let found = std::mem::take(&mut self.found);
        let gone: Vec<u64> = self.files.keys().filter(|path| !found.contains(path)).copied().collect();
        self.changed |= !gone.is_empty();
        for path in &gone {
            self.files.remove(path);
        }
        gone
    }
}

impl Mark {
    /// Whether there may be something to read.
    pub(crate) fn is_behind(&self, size: u64, modified: u64) -> bool {
        !self.done && (self.offset + self.ahead != size || self.modified != modified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::testing::Sandbox;

    #[test]
    fn a_mark_is_kept_and_one_of_a_file_that_is_gone_is_not() {
        let mut sandbox = Sandbox::new();
        let mark = Mark { offset: 70, ahead: 7, print: [1, 2, 3, 4], modified: 9, ..Mark::default() };
        sandbox.run(|| {
            let mut index = Index::open();
            assert!(index.find(1) && index.find(2));
            index.set(1, mark.clone());
            index.set(2, Mark::default());
            assert!(index.end_round().is_empty());
            index.keep().unwrap();
        });
        sandbox.run(|| {
            let mut index = Index::open();
            assert_eq!(index.get(1), Some(&mark));
            assert!(index.find(1));
            index.keep().unwrap();
        });
        sandbox.run(|| {
            let mut index = Index::open();
            assert_eq!(index.end_round(), [2], "the round went on from one collect to the next");
            assert_eq!((index.get(1), index.get(2)), (Some(&mark), None));
        });
    }

    #[test]
    fn nothing_is_written_where_nothing_has_changed() {
        let mut sandbox = Sandbox::new();
        sandbox.run(|| {
            let mut index = Index::open();
            index.set(1, Mark::default());
            index.keep().unwrap();
        });
        sandbox.run(|| {
            let mut index = Index::open();
            index.find(1);
            index.set(1, Mark::default());
            index.end_round();
            state::delete(FILES);
            index.keep().unwrap();
            assert_eq!(Index::open().get(1), None);
        });
    }

    #[test]
    fn a_file_is_behind_when_it_has_changed() {
        let mark = Mark { offset: 70, ahead: 7, modified: 9, ..Mark::default() };
        assert!(!mark.is_behind(77, 9));
        assert!(mark.is_behind(78, 9) && mark.is_behind(10, 9) && mark.is_behind(77, 10));
        assert!(!Mark { done: true, ..mark }.is_behind(78, 10));
    }
}
