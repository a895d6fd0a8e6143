//! The digests of large components whose files have not changed since they were read.
//!
//! An artifact is found by its component's digest, and reading and hashing twenty megabytes takes longer than all the
//! rest of a load. So the digest of a large file is kept beside the artifacts, with what the system says of the file: its
//! inode, size and times. While those are the same, the file is not read again, as git does it with its index. A file
//! that was still young when it was read is not remembered: what is written to it within the clock's grain would leave
//! its times as they are (git's "racy" entries). Nor is one whose times another file may have that comes into its place
//! with another image: where they are in whole seconds, and where the file system is mounted to be read only.
//!
//! Not noticed is what is written through a shared mapping of the file without a further change to it, neither here nor by
//! the scan of the directory; a reload that is asked for reads the file.
//!
//! Owner: the cache, in whose private folder it lies. Several agents may share it: it is replaced as a whole, the last
//! one stays, and what has been lost is only read once more. The same goes for a file that is damaged or cannot be
//! written. Everything here blocks as the disk does.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::read;
use crate::scan::{Stamp, is_settled};
use crate::sealed::{self, HEADER};

/// Its name in the folder of the cache.
const NAME: &str = "components";
/// The form of the content.
const VERSION: u32 = 1;
/// The most files that are remembered.
const MAX_FILES: usize = 64;
/// The largest content, in bytes; an entry takes less than 300.
const MAX_CONTENT: u64 = 32 << 10;
/// Smaller files are read and hashed in about a millisecond, in bytes.
const LARGE: u64 = 1 << 20;
/// Of file systems in use, FAT has the coarsest times.
const GRAIN: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(crate) struct Known {
    dir: PathBuf,
    /// Held from reading the file to replacing it.
    turn: Mutex<()>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    stamp: Stamp,
    digest: String,
}

impl Known {
    /// What is remembered in a private folder.
    pub(crate) fn within(dir: &Path) -> Self {
        Known { dir: dir.to_owned(), turn: Mutex::default() }
    }

    /// The digest of the file that has this stamp.
    pub(crate) fn digest(&self, stamp: &Stamp) -> Option<String> {
        if !is_worth(stamp) {
            return None;
        }
        self.entries().into_iter().find(|entry| entry.stamp == *stamp).map(|entry| entry.digest)
    }

    /// Remembers the digest of a file that had this stamp before and after it was read, which was begun at `since`.
    pub(crate) fn remember(&self, stamp: Stamp, digest: &str, since: SystemTime) {
        if is_worth(&stamp) && is_settled(Some(stamp), GRAIN, since) {
            self.change(|entries| {
                entries.retain(|entry| !entry.stamp.is_same_file(&stamp));
                entries.insert(0, Entry { stamp, digest: digest.to_owned() });
                entries.truncate(MAX_FILES);
            });
        }
    }

    /// A file has turned out to have another digest than this one.
    pub(crate) fn forget(&self, digest: &str) {
        self.change(|entries| entries.retain(|entry| entry.digest != digest));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Entry>)) {
        let _turn = self.turn.lock();
        let mut entries = self.entries();
        change(&mut entries);
        if let Err(e) = self.replace(&entries) {
            tracing::debug!("digests of components cannot be kept: {e}");
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let content = read::bounded(&self.dir.join(NAME), MAX_CONTENT + HEADER as u64).ok();
        let content = content.and_then(|bytes| sealed::open(bytes, VERSION).ok());
        content.and_then(|content| serde_json::from_slice(&content).ok()).unwrap_or_default()
    }

    fn replace(&self, entries: &[Entry]) -> io::Result<()> {
        let content = serde_json::to_vec(entries)?;
        let file = sealed::unfinished(&self.dir, VERSION, &content)?;
        file.persist(self.dir.join(NAME)).map(drop).map_err(|e| e.error)
    }
}

/// Whether a file is large, and its stamp its own.
fn is_worth(stamp: &Stamp) -> bool {
    stamp.size() >= LARGE && stamp.is_fine()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn large(dir: &Path, name: &str) -> (File, Stamp) {
        let file = File::create(dir.join(name)).unwrap();
        file.set_len(LARGE).unwrap();
        let stamp = Stamp::of(&dir.join(name)).unwrap();
        (file, stamp)
    }

    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_large_file_is_known_until_it_changes_or_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let known = Known::within(dir.path());
        let (file, stamp) = large(dir.path(), "a.wasm");
        known.remember(stamp, "one", later());
        assert_eq!(Known::within(dir.path()).digest(&stamp), Some("one".to_owned()));
        // Whatever is done to a file, its time of change cannot be set back.
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let changed = Stamp::of(&dir.path().join("a.wasm")).unwrap();
        assert_eq!(known.digest(&changed), None);
        known.remember(changed, "two", later());
        assert_eq!((known.digest(&stamp), known.digest(&changed)), (None, Some("two".to_owned())));
        known.forget("two");
        assert_eq!(known.digest(&changed), None);
    }

    #[test]
    fn small_and_young_files_are_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let known = Known::within(dir.path());
        let (file, stamp) = large(dir.path(), "a.wasm");
        known.remember(stamp, "young", SystemTime::now());
        file.set_len(LARGE - 1).unwrap();
        known.remember(Stamp::of(&dir.path().join("a.wasm")).unwrap(), "small", later());
        assert!(!dir.path().join(NAME).exists());
    }

    #[test]
    fn files_of_an_image_that_was_built_are_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let known = Known::within(dir.path());
        let (_file, stamp) = large(dir.path(), "a.wasm");
        let mut whole = serde_json::to_value(stamp).unwrap();
        whole["changed"][1] = 0.into();
        known.remember(serde_json::from_value(whole).unwrap(), "one", later());
        assert!(!dir.path().join(NAME).exists());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let known = Known::within(dir.path());
        let stamps: Vec<Stamp> = (0..=MAX_FILES).map(|number| large(dir.path(), &number.to_string()).1).collect();
        for stamp in &stamps {
            known.remember(*stamp, &"d".repeat(64), later());
        }
        assert_eq!(known.digest(&stamps[0]), None);
        assert!(stamps[1..].iter().all(|stamp| known.digest(stamp).is_some()));
        assert!(std::fs::metadata(dir.path().join(NAME)).unwrap().len() < MAX_CONTENT);
    }

    #[test]
    fn a_damaged_file_is_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let known = Known::within(dir.path());
        let (_file, stamp) = large(dir.path(), "a.wasm");
        known.remember(stamp, "one", later());
        let mut bytes = std::fs::read(dir.path().join(NAME)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(dir.path().join(NAME), bytes).unwrap();
        assert_eq!(known.digest(&stamp), None);
        known.remember(stamp, "one", later());
        assert!(known.digest(&stamp).is_some());
    }
}
