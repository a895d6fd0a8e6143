//! Whether the database's files are still those that were opened. What is written to one that was deleted, or that
//! another took the place of, is gone when the hub ends, and nothing else would say so.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::place::Place;

/// The files as they were opened.
#[derive(Debug)]
pub(super) struct Files {
    opened: Vec<(PathBuf, Option<Identity>)>,
    gone: bool,
}

/// Device and inode.
type Identity = (u64, u64);

impl Files {
    /// Those of a database that is open; none where it is in memory.
    pub(super) fn of(place: &Place) -> Self {
        let opened = place.files().into_iter().map(|path| (identity(&path).ok().flatten(), path));
        Files { opened: opened.map(|(identity, path)| (path, identity)).collect(), gone: false }
    }

    /// Whether one of them was not there when they were last looked at.
    pub(super) fn are_gone(&self) -> bool {
        self.gone
    }

    /// Looks at them.
    pub(super) fn look(&mut self) {
        // What cannot be looked at is not called gone.
        let is_other = |(path, opened): &&(PathBuf, _)| identity(path).is_ok_and(|found| found != *opened);
        let gone = self.opened.iter().find(is_other);
        match gone {
            Some((path, _)) if !self.gone => tracing::error!(
                "{} was deleted or replaced under the hub, and what the hub keeps from now on is lost when it ends; \
                 put the file back, or stop the hub, restore a backup and start it",
                path.display()
            ),
            None if self.gone => tracing::info!("the files of the database are those of the hub again"),
            _ => {}
        }
        self.gone = gone.is_some();
    }
}

/// None where there is no file.
fn identity(path: &PathBuf) -> io::Result<Option<Identity>> {
    match fs::metadata(path) {
        Ok(file) => Ok(Some((file.dev(), file.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_in_the_place_of_one_is_not_that_one() {
        let directory = tempfile::tempdir().unwrap();
        let (place, _lock) = Place::open(Some(directory.path())).unwrap();
        let writer = place.writer().unwrap();
        writer.execute_batch("INSERT INTO events (at, type) VALUES (0, 'lost')").unwrap();
        let mut files = Files::of(&place);
        let mut are_gone = || {
            files.look();
            files.are_gone()
        };
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
        none.look();
        assert!(!none.are_gone());
    }
}
