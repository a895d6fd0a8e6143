//! How full file systems are: those on which the paths under `[grant] filesystems` lie.

use crate::files::FileError;
use crate::host;

/// A file system, as statvfs(3) sees it. Sizes are in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All of it.
    pub size: u64,
    /// What is not used.
    pub free: u64,
    /// What of that others than root may use.
    pub available: u64,
    /// All inodes; absent where the file system makes them as it needs them.
    pub inodes: Option<u64>,
    /// Inodes that are not used; absent where `inodes` is.
    pub inodes_free: Option<u64>,
    /// Nothing can be written.
    pub read_only: bool,
}

/// The granted paths, as the sidecar names them.
pub fn granted() -> Vec<String> {
    host::granted_filesystems()
}

/// The file system on which a granted path lies.
///
/// # Errors
/// See [`crate::files::Reason`].
pub fn stat(path: &str) -> Result<Usage, FileError> {
    host::stat_filesystem(path).map_err(|reason| FileError { path: path.to_owned(), reason, grant: "filesystems" })
}
