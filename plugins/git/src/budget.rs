//! How much work one collect may do, and the word for what it then does not know.
//!
//! The bounds keep a collect well inside the limits of the sidecar, so that a huge or strange repository ends in an
//! absent `git.dirty`, not in a collect that the agent cuts off.

use std::fmt::{self, Display};
use std::time::{Duration, Instant};

/// The largest index that is read: about 300,000 files.
pub(crate) const MAX_INDEX_BYTES: u64 = 32 << 20;
/// The largest commit object, and the largest step in undoing its deltas.
pub(crate) const MAX_OBJECT_BYTES: u64 = 1 << 20;
/// Contents that are hashed per collect, because a file's time changed and its size did not.
const MAX_HASHED_BYTES: u64 = 64 << 20;
/// Wall-clock time per collect.
const MAX_TIME: Duration = Duration::from_secs(3);

/// Why it is not known whether the working tree is dirty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown(String);

/// What is left.
#[derive(Debug)]
pub(crate) struct Budget {
    deadline: Instant,
    hashed: u64,
}

impl Unknown {
    pub(crate) fn new(reason: impl Display) -> Self {
        Self(reason.to_string())
    }

    pub(crate) fn io(path: impl Display, error: &std::io::Error) -> Self {
        Self(format!("{path}: {error}"))
    }
}

impl Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { deadline: Instant::now() + MAX_TIME, hashed: MAX_HASHED_BYTES }
    }

    /// To be asked before each step that touches the disk.
    pub(crate) fn check_time(&self) -> Result<(), Unknown> {
        if Instant::now() < self.deadline {
            Ok(())
        } else {
            Err(Unknown::new(format_args!("it takes longer than {} s to find out", MAX_TIME.as_secs())))
        }
    }

    /// Takes the cost of hashing a file.
    pub(crate) fn hash(&mut self, bytes: u64) -> Result<(), Unknown> {
        self.check_time()?;
        match self.hashed.checked_sub(bytes) {
            Some(left) => {
                self.hashed = left;
                Ok(())
            }
            None => Err(Unknown::new(format_args!(
                "more than {} MiB of files have a new time, and `git status` was not run since",
                MAX_HASHED_BYTES >> 20
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_gone() {
        let mut budget = Budget::new();
        assert_eq!(budget.hash(MAX_HASHED_BYTES), Ok(()));
        assert!(budget.hash(1).is_err());
        budget.deadline = Instant::now();
        assert!(budget.check_time().is_err());
    }
}
