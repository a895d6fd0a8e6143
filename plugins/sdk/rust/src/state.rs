//! A small store of the collector's own that survives the end of an instance and the reload of its file.
//!
//! What a `collect` wrote is kept when that call returns without a trap, and dropped otherwise.

use std::fmt;

use crate::host;

/// Why nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// The key is empty or longer than 128 bytes.
    BadKey,
    /// All keys and values together would pass this many bytes (64 KiB by default).
    Full(u64),
}

/// The value under a key.
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::state_get(key)
}

/// Puts a value under a key.
///
/// # Errors
/// The key is not usable, or the store is full; what was there stays.
pub fn set(key: &str, value: &[u8]) -> Result<(), StateError> {
    host::state_set(key, value)
}

/// Forgets a key; nothing happens when it is absent.
pub fn delete(key: &str) {
    host::state_delete(key);
}

/// All keys, in the order of their bytes.
pub fn keys() -> Vec<String> {
    host::state_keys()
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadKey => f.write_str("a key of the state is empty or longer than 128 bytes"),
            Self::Full(limit) => write!(f, "the state would pass {limit} bytes"),
        }
    }
}

impl std::error::Error for StateError {}
