//! A small store of the collector's own that survives the end of an instance and the reload of its file.
//!
//! What a `collect` wrote is kept when that call returns without a trap, and dropped otherwise. What cannot be read,
//! because another version of the collector wrote it, counts as none.
//!
//! ```
//! use sandbeat_sdk::prelude::*;
//! use sandbeat_sdk::testing::Sandbox;
//!
//! const LOOKS: Counter = Counter::new("queue.observations", "{observation}", "How often the queue was looked at.");
//!
//! fn collect() -> Result<Contribution, Error> {
//!     let is_first = state::load("seen") != Some(true);
//!     state::save("seen", &true)?;
//!     if is_first {
//!         log::info!("the first look");
//!     }
//!     // A total that is kept: one more.
//!     Ok(Contribution::new().with(LOOKS.count("looks", 1)?))
//! }
//!
//! let mut sandbox = Sandbox::new();
//! sandbox.run(collect).unwrap();
//! assert_eq!(sandbox.run(collect).unwrap().points, [LOOKS.value(2)]);
//! assert_eq!(sandbox.lines().len(), 1);
//! ```

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

/// What can be kept: booleans, numbers and text as they are, and whatever says itself how.
pub trait Keep: Sized {
    /// The form in which it is kept.
    fn to_bytes(&self) -> Vec<u8>;

    /// What [`Keep::to_bytes`] wrote; nothing when the bytes are something else, such as what an older version kept.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// What is kept under a key; nothing when nothing is, or something of another form.
pub fn load<T: Keep>(key: &str) -> Option<T> {
    T::from_bytes(&get(key)?)
}

/// Keeps a value under a key.
///
/// # Errors
/// As [`set`].
pub fn save<T: Keep>(key: &str, value: &T) -> Result<(), StateError> {
    set(key, &value.to_bytes())
}

/// The bytes under a key.
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::state_get(key)
}

/// Puts bytes under a key.
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

impl Keep for bool {
    fn to_bytes(&self) -> Vec<u8> {
        vec![u8::from(*self)]
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl Keep for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

macro_rules! keep {
    ($($type:ty),*) => {
        $(impl Keep for $type {
            fn to_bytes(&self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }

            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_le_bytes)
            }
        })*
    };
}

keep!(f32, f64, i8, i16, i32, i64, u8, u16, u32, u64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Sandbox;

    #[test]
    fn a_value_is_read_as_what_it_was_kept_as() {
        Sandbox::new().run(|| {
            save("flag", &true).unwrap();
            save("size", &7_u32).unwrap();
            save("name", &"é".to_owned()).unwrap();
            assert_eq!((load("flag"), load("size")), (Some(true), Some(7_u32)));
            assert_eq!(load("name"), Some("é".to_owned()));
            assert_eq!((load::<u64>("size"), load::<bool>("size"), load::<f64>("none")), (None, None, None));
            set("flag", &[2]).unwrap();
            set("name", &[0xff]).unwrap();
            assert_eq!((load::<bool>("flag"), load::<String>("name")), (None, None));
        });
    }
}
