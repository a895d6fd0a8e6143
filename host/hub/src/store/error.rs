//! Why the store cannot be opened, and what an operator can do about a disk that fails later.
//!
//! A store that is refused is left exactly as it is: every cure is the operator's to choose. What the system says is in
//! each text, and so not a source of its own, which would be printed once more.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{error, io};

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_READONLY_DBMOVED;

/// Why a store cannot be opened; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory, or a file in it, cannot be made, opened or written.
    #[error(
        "{} cannot be used for what the hub keeps: {reason}; make it a directory that the hub's user may write to, or \
         name another one in `data` (`--data`)",
        path.display()
    )]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// Two hubs would overwrite each other.
    #[error(
        "{} belongs to another hub that is running; stop that one, or give this one a directory of its own in `data` \
         (`--data`)",
        .0.display()
    )]
    Locked(PathBuf),
    /// The file is something else.
    #[error(
        "{} is not a database of a hub, and is left as it is; move it away, or name another directory in `data` \
         (`--data`)",
        .0.display()
    )]
    Foreign(PathBuf),
    /// The file comes from a later version.
    #[error(
        "{} was written by a newer sandbeat (its schema is {found}, this one knows up to {known}), and is left as it \
         is; run that version or a later one, restore a backup from before the upgrade, or name another directory in \
         `data` (`--data`)",
        path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The last one that is known here.
        known: i64,
    },
    /// Some of its pages do not fit together.
    #[error(
        "{} is damaged ({reason}), and is left as it is; restore a backup of it (with the hub stopped, and without the \
         `-wal` and `-shm` files beside it), or name another directory in `data` (`--data`)",
        path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// The first thing that is wrong.
        reason: String,
    },
    /// The log of changes is spoilt, and more was committed after that.
    #[error(
        "{} is damaged at byte {at}, and {commits} changes in it that come after that would be lost; it is left as it \
         is, and so is {}: restore a backup of the database (with the hub stopped, and without the `-wal` and `-shm` \
         files beside it), or move {} away to start with the fleet as it was when the log was last brought into the \
         database, which may be minutes earlier",
        log.display(), path.display(), log.display()
    )]
    Log {
        /// The database.
        path: PathBuf,
        /// Its log.
        log: PathBuf,
        /// The first byte of what is spoilt.
        at: u64,
        /// So many transactions come after it; 0 where nobody can say.
        commits: u64,
    },
    /// There is a log of changes, but not the database that they belong to.
    #[error(
        "{} is missing while the log of its last changes, {}, is there; put it back, or move the log away to start \
         with an empty fleet",
        path.display(), log.display()
    )]
    Missing {
        /// The database.
        path: PathBuf,
        /// Its log.
        log: PathBuf,
    },
    /// The database could not be brought up to this version.
    #[error(
        "{} could not be brought from schema {from} to {to}: {reason}; it is left as it was, and a copy is in {}",
        path.display(), copy.display()
    )]
    Migration {
        /// Which.
        path: PathBuf,
        /// The copy that was made before.
        copy: PathBuf,
        /// Its schema.
        from: i64,
        /// The schema of this version.
        to: i64,
        /// What SQLite says.
        reason: Box<dyn error::Error + Send + Sync>,
    },
    /// SQLite cannot read or write it.
    #[error("{} cannot be used: {reason}; {cure}", path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// What SQLite says.
        reason: Box<dyn error::Error + Send + Sync>,
        /// What helps.
        cure: &'static str,
    },
    /// The system gives no thread.
    #[error("the thread that writes what the hub keeps cannot be started: {0}")]
    Thread(io::Error),
    /// The disk hung when the hub was to end.
    #[error(
        "{} did not take the last changes within {} s, so the hub ends without; what was answered or told of as done is \
         in it or in the `-wal` file beside it, and the last reports of some sandboxes are not. Look at its disk, its \
         file system or the server of that",
        path.display(), patience.as_secs()
    )]
    Hangs {
        /// The database.
        path: PathBuf,
        /// How long it was waited for.
        patience: Duration,
    },
    /// This is a bug.
    #[error("the thread that writes what the hub keeps ended; this is a bug, and standard error says where")]
    Ended,
}

impl Error {
    pub(super) fn database(path: &Path, source: rusqlite::Error) -> Self {
        Error::Database { path: path.to_owned(), cure: cure(&source), reason: source.into() }
    }
}

/// What helps when the database cannot be read or written.
pub(super) fn cure(error: &rusqlite::Error) -> &'static str {
    if error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_READONLY_DBMOVED) {
        return "put it back, or stop the hub, restore a backup and start it";
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "free some space on its disk",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "let the hub's user write to it and to its directory"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            "end the other program that has it open for writing"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "stop the hub and restore a backup",
        Some(ErrorCode::SystemIoFailure) => "look for errors of the disk or its file system in the system's log",
        _ => "look at its disk and its directory",
    }
}
