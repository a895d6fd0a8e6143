//! How far each database has been read.
//!
//! Bound: [`MAX_DATABASES`], with about a kilobyte for each at most; of more the others are read from their begin whenever
//! they have changed.

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

    pub(crate) fn set(&mut self, path: u64, known: Known) {
        if self.known.get(&path) != Some(&known) && (self.known.len() < MAX_DATABASES || self.known.contains_key(&path))
        {
            self.known.insert(path, known);
            self.changed = true;
        }
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
