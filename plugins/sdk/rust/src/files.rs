//! Files of the sandbox that the sidecar's `[grant] read` names, by glob. Everything else is denied.
//!
//! Each error carries the path, and `?` makes a [`crate::Error`] of it that says who must act.

use std::fmt;
use std::time::Duration;

use crate::host;

/// What a folder contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The last part of its path.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What a folder's entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link, not followed.
    Symlink,
    /// A device, a pipe or a socket.
    Other,
}

/// What is known of a file or folder without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// `File` or `Directory`; nothing else is served.
    pub kind: EntryKind,
    /// Its length in bytes; of no meaning for a folder and for files that the kernel makes up, such as those of `/proc`.
    pub size: u64,
    /// When its content last changed, since 1970-01-01T00:00:00Z; absent where that was before.
    pub modified: Option<Duration>,
}

/// Why a file or folder could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The path that was asked for.
    pub path: String,
    /// What is wrong with it.
    pub reason: Reason,
    /// The key under `[grant]` that it would take.
    pub(crate) grant: &'static str,
}

/// What is wrong with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No glob under `[grant] read` matches.
    Denied,
    /// One matches, and nothing is there.
    NotFound,
    /// It is a folder, a device, a pipe or a socket where a file was asked for, or a file where a folder was.
    WrongType,
    /// The answer would be larger than this many bytes or entries.
    TooLarge(u64),
    /// The content is not UTF-8.
    NotText,
    /// The operating system's own words.
    Io(String),
}

/// Of a folder, it is what lies below that is granted.
const BELOW: &str = "read below";

/// A whole file, 1 MiB at most.
///
/// # Errors
/// See [`Reason`].
pub fn read(path: &str) -> Result<Vec<u8>, FileError> {
    host::read(path).map_err(|reason| reason.of(path))
}

/// A whole file of text, 1 MiB at most.
///
/// # Errors
/// See [`Reason`].
pub fn read_to_string(path: &str) -> Result<String, FileError> {
    String::from_utf8(read(path)?).map_err(|_| Reason::NotText.of(path))
}

/// A part of a file, from `offset` on, `length` bytes or fewer (1 MiB at most); empty at or past its end.
///
/// # Errors
/// See [`Reason`].
pub fn read_at(path: &str, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
    host::read_at(path, offset, length).map_err(|reason| reason.of(path))
}

/// The entries of a folder by name, as far as they are granted or lead to something that may be.
///
/// # Errors
/// See [`Reason`].
pub fn list(directory: &str) -> Result<Vec<Entry>, FileError> {
    host::list(directory).map_err(|reason| FileError { grant: BELOW, ..reason.of(directory) })
}

/// What is known of a file or folder. A folder is granted where something in it may be.
///
/// # Errors
/// See [`Reason`].
pub fn stat(path: &str) -> Result<Info, FileError> {
    host::stat(path).map_err(|reason| reason.of(path))
}

impl Reason {
    fn of(self, path: &str) -> FileError {
        FileError { path: path.to_owned(), reason: self, grant: "read" }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, grant) = (&self.path, self.grant);
        match &self.reason {
            Reason::Denied if grant == BELOW => write!(
                f,
                "`{path}` is not granted; add a glob such as `{path}/**` to `read` under `[grant]` in the sidecar"
            ),
            Reason::Denied => write!(f, "`{path}` is not granted; add it to `{grant}` under `[grant]` in the sidecar"),
            Reason::NotFound => write!(f, "`{path}` is not there"),
            Reason::WrongType => write!(f, "`{path}` is not the kind of file that it should be"),
            Reason::TooLarge(limit) => write!(f, "`{path}` has more than {limit} bytes or entries"),
            Reason::NotText => write!(f, "`{path}` is not text in UTF-8"),
            Reason::Io(error) => write!(f, "`{path}`: {error}"),
        }
    }
}

impl std::error::Error for FileError {}
