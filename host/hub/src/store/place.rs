//! Where the database is: files in a directory that belongs to this hub alone, or the memory of the process.
//!
//! Invariants: while a [`Lock`] is there, no other hub has its directory; `hub.db` is either absent or complete,
//! because a new one is made under another name; a database that is refused is never written to, so it is looked at
//! through a connection that cannot. Everything in the directory is readable by the hub's user alone.
//!
//! The lock is on the directory itself, which nobody deletes from under the files in it, and on a file in it, because
//! between two machines that share the directory only those of files hold. It is not on `hub.db`: where `flock` is made
//! of the locks that SQLite takes, as on NFS, SQLite would find its database locked for ever.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::Error;
use super::schema::{self, Look};
use super::wal::{self, Found};

/// The database's file in its directory.
const DATABASE: &str = "hub.db";
/// How long a lock that another program holds is waited for.
pub(super) const BUSY: Duration = Duration::from_secs(1);
/// What the log of changes keeps of its file when it begins anew under load, in bytes: all that it grows to, because
/// whoever waits for a commit waits for a file that gets shorter and longer, too.
const KEPT_LOG: i64 = 256 << 20;
/// So many bytes of the log are read at once when it is looked through.
const LOG_BUFFER: usize = 64 << 10;

/// Where the database is.
#[derive(Debug)]
pub(super) enum Place {
    /// On disk.
    Directory {
        /// The database's file.
        path: PathBuf,
        /// The same, to have it written to the disk. Closing it ends the locks that SQLite has on it for the process, so
        /// it is there for as long as any connection.
        file: File,
    },
    /// In the process alone.
    Memory {
        /// Under this name its connections find it.
        uri: String,
    },
}

/// Keeps other hubs out of a directory for as long as it is there; a kill ends it, too.
#[derive(Debug)]
pub(super) struct Lock {
    _files: [File; 2],
}

impl Place {
    /// The place in a directory, which is made where it is missing; without one, in memory. A database is made, or
    /// checked and brought up to this version.
    ///
    /// # Errors
    /// Any of [`Error`] but for the thread's.
    pub(super) fn open(data: Option<&Path>) -> Result<(Self, Option<Lock>), Error> {
        let Some(directory) = data else { return Ok((Self::memory(), None)) };
        let lock = lock(directory)?;
        let failed = |reason| Error::Directory { path: directory.to_owned(), reason };
        let path = directory.join(DATABASE);
        let version = match fs::metadata(&path) {
            // A new one gets its name when it is whole: this is what a full disk or half a copy leaves.
            Ok(file) if file.len() == 0 => return Err(Error::Damaged { path, reason: "it is empty".into() }),
            Ok(_) => {
                check_log(&path)?;
                check(&path)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(directory, &path)?;
                schema::version(schema::STEPS)
            }
            Err(reason) => return Err(failed(reason)),
        };
        let file = File::open(&path).map_err(failed)?;
        let place = Place::Directory { path, file };
        place.upgrade(version, schema::STEPS)?;
        Ok((place, Some(lock)))
    }

    /// A connection that writes. There is one at a time.
    ///
    /// # Errors
    /// SQLite's, or the file system's through it.
    pub(super) fn writer(&self) -> Result<Connection, Error> {
        self.configured_writer().map_err(|source| self.failed(source))
    }

    /// A connection that brings the log into the database, and needs no pages of its own.
    ///
    /// # Errors
    /// SQLite's, or the file system's through it.
    pub(super) fn checkpointer(&self) -> Result<Connection, Error> {
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(self.path(), flags)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "synchronous", "full")?;
            Ok(connection)
        };
        open().map_err(|source| self.failed(source))
    }

    /// A connection that reads, whatever is being written.
    ///
    /// # Errors
    /// SQLite's, or the file system's through it.
    pub(super) fn reader(&self) -> rusqlite::Result<Connection> {
        let connection = match self {
            Place::Directory { path, .. } => Connection::open_with_flags(path, read_only())?,
            Place::Memory { uri } => Connection::open_with_flags(uri, read_only() | OpenFlags::SQLITE_OPEN_URI)?,
        };
        connection.busy_timeout(BUSY)?;
        Ok(connection)
    }

    /// Has the disk take what was written to the database so far. Where it does not, SQLite, which asks for the same
    /// before it counts on it, is told.
    pub(super) fn sync(&self) {
        if let Place::Directory { file, .. } = self {
            let _ = file.sync_data();
        }
    }

    /// Whether it outlives the process.
    pub(super) fn lasts(&self) -> bool {
        matches!(self, Place::Directory { .. })
    }

    /// Its files, once it is open.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        match self {
            Place::Directory { path, .. } => vec![path.clone(), beside(path, "-wal")],
            Place::Memory { .. } => Vec::new(),
        }
    }

    /// What an operator knows it by.
    pub(super) fn path(&self) -> &Path {
        match self {
            Place::Directory { path, .. } => path,
            Place::Memory { .. } => Path::new("the database in memory"),
        }
    }

    /// What went wrong with it, for the operator.
    pub(super) fn failed(&self, source: rusqlite::Error) -> Error {
        Error::database(self.path(), source)
    }

    fn memory() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Place::Memory { uri: format!("file:/sandbeat-{}?vfs=memdb", NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    fn configured_writer(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = match self {
            Place::Directory { path, .. } => Connection::open_with_flags(path, flags)?,
            Place::Memory { uri } => {
                let flags = flags | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI;
                Connection::open_with_flags(uri, flags)?
            }
        };
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // In KiB. A part of a round of beats is a fraction of it, and what it does not hold the system's own cache does.
        connection.pragma_update(None, "cache_size", -4096)?;
        match self {
            Place::Directory { .. } => {
                connection.pragma_update(None, "journal_mode", "wal")?;
                connection.pragma_update(None, "synchronous", "full")?;
                // Another thread does it; see `checkpoint`.
                connection.pragma_update(None, "wal_autocheckpoint", 0)?;
                connection.pragma_update(None, "journal_size_limit", KEPT_LOG)?;
            }
            Place::Memory { .. } => schema::create(&mut connection)?,
        }
        Ok(connection)
    }

    /// Brings the database from a schema up to the last of the steps. What was there is copied first, to a file beside
    /// it that is named after its schema.
    pub(super) fn upgrade(&self, from: i64, steps: &[&str]) -> Result<(), Error> {
        let to = schema::version(steps);
        if from == to {
            return Ok(());
        }
        let copy = beside(self.path(), &format!(".v{from}"));
        let migrate = || {
            let mut connection = self.configured_writer()?;
            tracing::info!(from, to, copy = %copy.display(), "the database is brought up to this version");
            keep_copy(&connection, &copy)?;
            schema::upgrade(&mut connection, from, steps)
        };
        migrate().map_err(|source| Error::Migration {
            path: self.path().to_owned(),
            copy: copy.clone(),
            from,
            to,
            reason: source.into(),
        })
    }
}

/// Makes the directory, and makes it this hub's.
fn lock(directory: &Path) -> Result<Lock, Error> {
    let failed = |reason| Error::Directory { path: directory.to_owned(), reason };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let itself = File::open(directory).map_err(failed)?;
    exclude(&itself, directory)?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(directory.join("hub.lock"))
        .map_err(failed)?;
    exclude(&file, directory)?;
    Ok(Lock { _files: [itself, file] })
}

/// Locks the directory, or a file in it, for as long as this is open.
fn exclude(file: &File, directory: &Path) -> Result<(), Error> {
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        Errno::WOULDBLOCK => Error::Locked(directory.to_owned()),
        error => Error::Directory { path: directory.to_owned(), reason: error.into() },
    })
}

/// Looks whether the log of changes beside a database is as SQLite left it. This comes before SQLite looks at it.
fn check_log(path: &Path) -> Result<(), Error> {
    let log = beside(path, "-wal");
    let found = match File::open(&log) {
        Ok(file) => wal::look(BufReader::with_capacity(LOG_BUFFER, file)),
        Err(error) => absent(Err(error)).map(|()| Found::Whole),
    };
    match found {
        Ok(Found::Whole) => Ok(()),
        Ok(Found::Torn { commits }) => {
            let log = log.display();
            tracing::warn!(commits, "the end of {log} was not written whole, as after a power cut, and is left out");
            Ok(())
        }
        Ok(Found::Damaged { at, commits }) => Err(Error::Log { path: path.to_owned(), log, at, commits }),
        Err(reason) => Err(Error::Directory { path: log, reason }),
    }
}

/// Looks whether a file is a database that this hub can use; returns its schema.
fn check(path: &Path) -> Result<i64, Error> {
    let owned = || path.to_owned();
    let look = || {
        let connection = Connection::open_with_flags(path, read_only())?;
        connection.busy_timeout(BUSY)?;
        // Whatever is in the log stays there.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        schema::look(&connection)
    };
    match look() {
        Ok(Look::Good { version }) => Ok(version),
        Ok(Look::Newer { version }) => {
            Err(Error::Newer { path: owned(), found: version, known: schema::version(schema::STEPS) })
        }
        Ok(Look::Damaged { reason }) => Err(Error::Damaged { path: owned(), reason }),
        Ok(Look::Foreign) => Err(Error::Foreign(owned())),
        Err(source) => Err(match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Error::Foreign(owned()),
            Some(rusqlite::ErrorCode::DatabaseCorrupt) => Error::Damaged { path: owned(), reason: source.to_string() },
            _ => Error::database(path, source),
        }),
    }
}

/// Makes a new database under another name, and gives it its own once it is whole.
fn create(directory: &Path, path: &Path) -> Result<(), Error> {
    // A log without its database would be taken for the new one's.
    let log = beside(path, "-wal");
    if fs::metadata(&log).is_ok_and(|file| file.len() > 0) {
        return Err(Error::Missing { path: path.to_owned(), log });
    }
    let new = beside(path, ".new");
    let failed = |reason| Error::Directory { path: directory.to_owned(), reason };
    for leftover in [new.clone(), beside(&new, "-journal")] {
        absent(fs::remove_file(leftover)).map_err(failed)?;
    }
    private_file(&new).map_err(failed)?;
    let make = || {
        let mut connection = Connection::open_with_flags(&new, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        schema::create(&mut connection)
    };
    make().map_err(|source| Error::database(&new, source))?;
    fs::rename(&new, path).and_then(|()| File::open(directory)?.sync_all()).map_err(failed)
}

/// Copies the database as it is into a file beside it, for who has to go back.
fn keep_copy(connection: &Connection, copy: &Path) -> rusqlite::Result<()> {
    let system = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let partial = beside(copy, ".new");
    absent(fs::remove_file(&partial)).and_then(|()| private_file(&partial)).map_err(system)?;
    connection.execute("VACUUM INTO ?1", [partial.to_string_lossy()])?;
    File::open(&partial).and_then(|file| file.sync_all()).map_err(system)?;
    fs::rename(&partial, copy).map_err(system)
}

/// SQLite gives the files beside a database the mode that the database has.
fn private_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).map(drop)
}

/// That there is no such file is as good as what was to be done with it.
fn absent(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn read_only() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}
