//! What the kernel shows of processes only to who may look into them; granted by `[grant] processes = true`.

use std::fmt;

use crate::host;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// Its name, as in `/proc/PID/comm`.
    pub name: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessError {
    /// The sidecar does not grant it.
    Denied,
    /// More inodes were asked for than this many.
    TooMany(u64),
    /// The operating system's own words.
    Io(String),
}

/// Who holds each of these sockets, given by inode as `/proc/net/tcp` shows them, in the same order; 4,096 at most.
/// Nothing where no process that the agent may look into holds it.
///
/// # Errors
/// See [`ProcessError`].
pub fn socket_owners(inodes: &[u64]) -> Result<Vec<Option<Owner>>, ProcessError> {
    host::socket_owners(inodes)
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => {
                f.write_str("processes are not granted; add `processes = true` to `[grant]` in the sidecar")
            }
            Self::TooMany(limit) => write!(f, "more than {limit} inodes were asked for at once"),
            Self::Io(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for ProcessError {}
