//! Whether the database's files are still those that were opened, and as the hub has left them. What is written to one
//! that was deleted, or that another took the place of, is gone when the hub ends; where a backup was copied over the
//! database, its next changes are brought into that, and spoil both. SQLite would not say so, so the writer asks before
//! each transaction, and takes the answer as it takes a disk that is full.
//!
//! The hub alone writes to the database, in runs that the writer knows of, so between two of them its time and size
//! stay. What another writes during a run is taken for the hub's.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::ffi::{SQLITE_CORRUPT, SQLITE_READONLY_DBMOVED};

use super::place::Place;

/// The files as they were opened.
#[derive(Debug)]
pub(super) struct Files {
    /// The database first.
    opened: Vec<(PathBuf, Option<Identity>)>,
    /// The database as the hub left it; none while that is not known.
    left: Option<Stamp>,
    /// Until the hub ends: nobody knows what is in it.
    overwritten: bool,
}

/// Device and inode.
type Identity = (u64, u64);
/// When it was written to, in seconds and nanoseconds, and its size.
type Stamp = (i64, i64, u64);

impl Files {
    /// Those of a database that is open; none where it is in memory.
    pub(super) fn of(place: &Place) -> Self {
        let opened = place.files().into_iter().map(|path| (identity(&path).ok().flatten(), path));
        let opened = opened.map(|(identity, path)| (path, identity)).collect();
        let mut files = Files { opened, left: None, overwritten: false };
        files.have_been_written();
        files
    }

    /// The hub has written to the database, and does not any more.
    pub(super) fn have_been_written(&mut self) {
        self.left = self.stamp();
    }

    /// Looks at them; `writing` while the hub may be writing to the database.
    ///
    /// # Errors
    /// What the hub keeps would not be in them.
    pub(super) fn look(&mut self, writing: bool) -> rusqlite::Result<()> {
        if !writing {
            let found = self.stamp();
            self.overwritten |= self.left.is_some() && found.is_some() && self.left != found;
            self.left = found;
        }
        // What cannot be looked at is not called gone.
        let is_other = |(path, opened): &&(PathBuf, _)| identity(path).is_ok_and(|found| found != *opened);
        if let Some((path, _)) = self.opened.iter().find(is_other) {
            let text = format!("{} was deleted or replaced under the hub", path.display());
            return Err(failure(SQLITE_READONLY_DBMOVED, text));
        }
        if self.overwritten {
            let text = "another program has written to it, and nobody knows what is in it now".to_owned();
            return Err(failure(SQLITE_CORRUPT, text));
        }
        Ok(())
    }

    /// Of the database, while it is the one that was opened.
    fn stamp(&self) -> Option<Stamp> {
        let (path, opened) = self.opened.first()?;
        let file = fs::metadata(path).ok().filter(|file| Some(identity_of(file)) == *opened)?;
        Some((file.mtime(), file.mtime_nsec(), file.len()))
    }
}

/// The error that SQLite has for it.
fn failure(code: i32, text: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(text))
}

/// None where there is no file.
fn identity(path: &Path) -> io::Result<Option<Identity>> {
    match fs::metadata(path) {
        Ok(file) => Ok(Some(identity_of(&file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn identity_of(file: &Metadata) -> Identity {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn another_file_in_the_place_of_one_is_not_that_one() {
        let directory = tempfile::tempdir().unwrap();
        let (place, _lock) = Place::open(Some(directory.path())).unwrap();
        let writer = place.writer().unwrap();
        writer.execute_batch("INSERT INTO events (at, type) VALUES (0, 'lost')").unwrap();
        let mut files = Files::of(&place);
        let mut are_gone = || files.look(false).is_err();
        assert!(!are_gone());
        for name in ["hub.db", "hub.db-wal"] {
            let (path, aside) = (directory.path().join(name), directory.path().join("aside"));
            fs::rename(&path, &aside).unwrap();
            assert!(are_gone(), "{name}");
            fs::copy(&aside, &path).unwrap();
            assert!(are_gone(), "{name}: a copy");
            fs::rename(&aside, &path).unwrap();
            assert!(!are_gone(), "{name}");
        }
        let (memory, _) = Place::open(None).unwrap();
        let mut none = Files::of(&memory);
        assert!(none.look(false).is_ok());
    }

    #[test]
    fn what_another_writes_is_told_from_what_the_hub_does() {
        let directory = tempfile::tempdir().unwrap();
        let (place, _lock) = Place::open(Some(directory.path())).unwrap();
        let mut files = Files::of(&place);
        let write = |size: u64| File::options().write(true).open(place.path()).unwrap().set_len(size).unwrap();
        let mut is_in_trouble = |writing, written| {
            if written {
                files.have_been_written();
            }
            files.look(writing).is_err()
        };
        assert!(!is_in_trouble(false, false));
        write(1 << 20);
        assert!(!is_in_trouble(true, false), "the hub may have");
        assert!(!is_in_trouble(false, true), "it has");
        write(2 << 20);
        assert!(is_in_trouble(false, false));
        assert!(is_in_trouble(false, true), "until the hub ends");
    }
}
