//! The folder in which the agent keeps what outlives it: one for each plugins directory, and for one agent at a time.
//!
//! Each file belongs to one plugin and one kind of thing. It is replaced as a whole (written beside, synced, renamed),
//! and sealed with a version and a checksum, so that after a crash there is the old content or the new one, and what a
//! disk has damaged is not taken for content. Such a file is said once, set aside as `….bad`, and counts as absent.
//!
//! A second agent with the same plugins directory would overwrite what the first one keeps: a lock on the folder, which
//! the system gives back however the agent ends, lets it do without instead. What belongs to plugins and directories
//! that have not been seen for a month is removed.
//!
//! Everything here blocks as the disk does.

use std::collections::BTreeSet;
use std::fs::{DirEntry, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, OFlags, flock};
use sandbeat_status::names;

use crate::digest::digest;
use crate::private::{self, UNFINISHED};
use crate::read::{self, ReadError};
use crate::sealed::{self, HEADER};

/// The lock's file; no plugin's, because their names have no dot.
const LOCK: &str = "lock";
/// How often the lock is tried when its file is removed meanwhile.
const MAX_TRIES: u32 = 10;
/// What is set aside.
const BAD: &str = "bad";
/// What has not been seen for so long is removed.
const FORGOTTEN: Duration = Duration::from_secs(30 * 24 * 3600);
/// What has been seen is noted so often.
const NOTED: Duration = Duration::from_secs(24 * 3600);

/// One kind of file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// How its files' names end.
    pub(crate) end: &'static str,
    /// The form of the content. Another one is not read.
    pub(crate) version: u32,
    /// The largest content, in bytes.
    pub(crate) most: u64,
    /// For people, in the plural.
    pub(crate) what: &'static str,
}

/// The folder, while this agent holds its lock.
#[derive(Debug)]
pub(crate) struct Home {
    dir: PathBuf,
    /// Writing fails; said when it begins and when it is over.
    failing: AtomicBool,
    _lock: File,
}

impl Home {
    /// As [`Home::open`]; without a folder nothing is kept across restarts, which is said.
    pub(crate) fn open_or_say(
        configured: Option<&Path>,
        plugins: &Path,
        present: &BTreeSet<String>,
    ) -> Option<Arc<Self>> {
        match Home::open(configured, plugins, present) {
            Ok(home) => Some(Arc::new(home)),
            Err(reason) => {
                tracing::warn!("collectors' states are kept in memory only and end with the agent: {reason}");
                None
            }
        }
    }

    /// The folder for the plugins directory `plugins`, below the configured one or the first usable one of the usual
    /// places. Removes what belongs to plugins that are not `present` and have not been for a month.
    ///
    /// # Errors
    /// No place can be used, or another agent uses this one; in words for the operator.
    pub(crate) fn open(configured: Option<&Path>, plugins: &Path, present: &BTreeSet<String>) -> Result<Self, String> {
        let above = private::folder(configured, &private::STATE)?;
        let plugins = plugins.canonicalize().or_else(|_| std::path::absolute(plugins)).map_err(|e| e.to_string())?;
        let name = digest(plugins.as_os_str().as_bytes())[..16].to_owned();
        let dir = above.join(&name);
        let lock = lock(&dir)?;
        // What the folder was last used is what its lock tells.
        let _ = lock.set_modified(SystemTime::now());
        sweep_others(&above, &name);
        let home = Home { dir, failing: AtomicBool::new(false), _lock: lock };
        home.sweep(present);
        Ok(home)
    }

    /// The content of a plugin's file, if there is one.
    pub(crate) fn read(&self, name: &str, kind: Kind) -> Option<Vec<u8>> {
        let path = self.path(name, kind)?;
        let problem = match read::bounded(&path, kind.most + HEADER as u64) {
            Ok(bytes) => match sealed::open(bytes, kind.version) {
                Ok(content) => return Some(content),
                Err(problem) => problem,
            },
            Err(ReadError::NotFound) => return None,
            Err(e) => e.of("the file"),
        };
        self.set_aside(name, kind, &problem);
        None
    }

    /// Puts a file that cannot be used out of the way, for a person to look at.
    pub(crate) fn set_aside(&self, name: &str, kind: Kind, problem: &str) {
        let Some(path) = self.path(name, kind) else { return };
        let bad = path.with_extension(format!("{}.{BAD}", kind.end));
        let done = match std::fs::rename(&path, &bad) {
            Ok(()) => format!("it is now {}", bad.display()),
            Err(e) => format!("it stays: {e}"),
        };
        tracing::warn!(plugin = name, "what was kept of {} cannot be used: {problem}; {done}", kind.what);
    }

    /// Replaces a plugin's file; durable once [`Home::sync`] is done too. A failure is said when it begins.
    ///
    /// # Errors
    /// Those of the disk, and a content that is too large.
    pub(crate) fn write(&self, name: &str, kind: Kind, content: &[u8]) -> io::Result<()> {
        let written = self.replace(name, kind, content);
        match &written {
            Err(e) if !self.failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(plugin = name, "{} cannot be written to {}: {e}", kind.what, self.dir.display());
            }
            Ok(()) if self.failing.swap(false, Ordering::Relaxed) => {
                tracing::info!("{} are written again", kind.what);
            }
            _ => {}
        }
        written
    }

    /// Makes the names of what was written durable.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    /// Removes a plugin's file, if there is one.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn remove(&self, name: &str, kind: Kind) -> io::Result<()> {
        let Some(path) = self.path(name, kind) else { return Ok(()) };
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => self.sync(),
        }
    }

    /// The plugins that have a file of this kind.
    pub(crate) fn names(&self, kind: Kind) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| match ours(&entry)? {
            (name, end) if end == kind.end => Some(name),
            _ => None,
        });
        names.collect()
    }

    fn replace(&self, name: &str, kind: Kind, content: &[u8]) -> io::Result<()> {
        let too_large = || io::Error::other(format!("it is larger than {} MiB", kind.most >> 20));
        let path = self.path(name, kind).ok_or_else(|| io::Error::other("it is not a plugin's name"))?;
        if content.len() as u64 > kind.most {
            return Err(too_large());
        }
        let file = sealed::unfinished(&self.dir, kind.version, content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    }

    fn path(&self, name: &str, kind: Kind) -> Option<PathBuf> {
        names::short_name(name).is_ok().then(|| self.dir.join(format!("{name}.{}", kind.end)))
    }

    fn sweep(&self, present: &BTreeSet<String>) {
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let unseen = unseen_for(&entry.path());
            let remove = match ours(&entry) {
                Some((name, end)) if present.contains(&name) && !end.ends_with(BAD) => {
                    if unseen > NOTED {
                        let _ = File::open(entry.path()).and_then(|file| file.set_modified(SystemTime::now()));
                    }
                    false
                }
                Some(_) => unseen > FORGOTTEN,
                // Nobody else writes here: an agent that was killed has left it.
                None => entry.file_name().as_bytes().starts_with(UNFINISHED.as_bytes()),
            };
            if remove {
                // It is tried again at the next start.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// The folder's lock; makes the folder where it is missing.
fn lock(dir: &Path) -> Result<File, String> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    for _ in 0..MAX_TRIES {
        private::make(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
        let file = options.open(dir.join(LOCK)).map_err(|e| format!("{}: {e}", dir.join(LOCK).display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(format!("another agent with the same plugins directory uses {}", dir.display()));
            }
            Err(e) => return Err(format!("{} cannot be locked: {e}", dir.display())),
        }
        // An agent that swept this folder away between the two has locked it before.
        let there = dir.join(LOCK).symlink_metadata().map(|found| (found.dev(), found.ino()));
        if let (Ok(there), Ok(own)) = (there, file.metadata())
            && there == (own.dev(), own.ino())
        {
            return Ok(file);
        }
    }
    Err(format!("{} is removed again and again", dir.display()))
}

/// Removes what was kept for plugins directories that no agent has used for a month.
fn sweep_others(above: &Path, own: &str) {
    for entry in std::fs::read_dir(above).into_iter().flatten().flatten() {
        let (name, dir) = (entry.file_name(), entry.path());
        let is_home = name.len() == 16 && name.as_bytes().iter().all(u8::is_ascii_hexdigit);
        if !is_home || name == own || unseen_for(&dir.join(LOCK)) < FORGOTTEN {
            continue;
        }
        let Ok(_lock) = lock(&dir) else { continue };
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            if ours(&entry).is_some() {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let _ = std::fs::remove_file(dir.join(LOCK));
        // It stays where it holds something of someone else's.
        let _ = std::fs::remove_dir(&dir);
    }
}

/// The plugin and the kind that a file is of.
fn ours(entry: &DirEntry) -> Option<(String, String)> {
    let name = entry.file_name();
    let (name, end) = name.to_str()?.split_once('.')?;
    names::short_name(name).ok()?;
    Some((name.to_owned(), end.to_owned()))
}

/// Since the last modification; nothing where that cannot be told.
fn unseen_for(path: &Path) -> Duration {
    let modified = std::fs::symlink_metadata(path).and_then(|found| found.modified());
    modified.ok().and_then(|modified| modified.elapsed().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { end: "thing", version: 3, most: 1000, what: "things" };

    fn open(dir: &Path, plugins: &str, present: &[&str]) -> Result<Home, String> {
        let present = present.iter().map(|name| (*name).to_owned()).collect();
        Home::open(Some(&dir.join("state")), Path::new(plugins), &present)
    }

    fn month_old(path: &Path) {
        File::open(path).unwrap().set_modified(SystemTime::now() - FORGOTTEN - NOTED).unwrap();
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let home = open(dir.path(), "/plugins", &[]).unwrap();
        assert_eq!(home.read("a", KIND), None);
        home.write("a", KIND, b"one").unwrap();
        home.write("a", KIND, b"two").unwrap();
        home.write("b", KIND, b"").unwrap();
        home.sync().unwrap();
        drop(home);
        let home = open(dir.path(), "/plugins", &[]).unwrap();
        assert_eq!(home.read("a", KIND).as_deref(), Some(&b"two"[..]));
        assert_eq!(home.read("b", KIND).as_deref(), Some(&b""[..]));
        assert_eq!(home.names(KIND).into_iter().collect::<BTreeSet<_>>(), ["a", "b"].map(str::to_owned).into());
        home.remove("a", KIND).unwrap();
        home.remove("a", KIND).unwrap();
        assert_eq!(home.read("a", KIND), None);
        assert!(home.write("../a", KIND, b"").is_err());
        assert!(home.write("a", KIND, &[0; 1001]).is_err());
    }

    #[test]
    fn what_is_damaged_or_of_another_version_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let home = open(dir.path(), "/plugins", &[]).unwrap();
        home.write("a", KIND, b"content").unwrap();
        let path = home.dir.join("a.thing");
        let good = std::fs::read(&path).unwrap();
        let newer = [&good[..8], &4_u32.to_le_bytes(), &good[12..]].concat();
        for bytes in [&good[..good.len() - 1], b"", &newer] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(home.read("a", KIND), None);
            assert!(!path.exists());
            assert_eq!(std::fs::read(home.dir.join("a.thing.bad")).unwrap(), bytes);
        }
        std::fs::write(&path, [0; 2000]).unwrap();
        assert_eq!(home.read("a", KIND), None);
        assert!(!path.exists());
    }

    #[test]
    fn one_agent_at_a_time_keeps_what_belongs_to_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), "/plugins", &[]).unwrap();
        assert!(open(dir.path(), "/plugins", &[]).unwrap_err().contains("another agent"));
        let other = open(dir.path(), "/other", &[]).unwrap();
        first.write("a", KIND, b"first").unwrap();
        assert_eq!(other.read("a", KIND), None);
        drop(first);
        assert!(open(dir.path(), "/plugins", &[]).unwrap().read("a", KIND).is_some());
    }

    #[test]
    fn a_directory_is_the_same_under_any_of_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let plugins = dir.path().join("plugins");
        std::fs::create_dir(&plugins).unwrap();
        std::os::unix::fs::symlink(&plugins, dir.path().join("link")).unwrap();
        let _first = open(dir.path(), plugins.to_str().unwrap(), &[]).unwrap();
        assert!(open(dir.path(), dir.path().join("link").to_str().unwrap(), &[]).is_err());
    }

    #[test]
    fn what_was_not_seen_for_a_month_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let home = open(dir.path(), "/plugins", &[]).unwrap();
        for name in ["here", "gone", "new"] {
            home.write(name, KIND, b"").unwrap();
        }
        std::fs::write(home.dir.join("here.thing.bad"), "").unwrap();
        std::fs::write(home.dir.join(".new-abc"), "").unwrap();
        for name in ["here.thing", "gone.thing", "here.thing.bad", LOCK] {
            month_old(&home.dir.join(name));
        }
        drop(home);
        let home = open(dir.path(), "/plugins", &["here"]).unwrap();
        let mut left: Vec<_> = std::fs::read_dir(&home.dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["here.thing", LOCK, "new.thing"]);
        // It was seen now.
        drop(home);
        let home = open(dir.path(), "/plugins", &[]).unwrap();
        assert!(home.read("here", KIND).is_some());
    }

    #[test]
    fn what_belongs_to_a_directory_that_is_not_used_any_more_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let of = |plugins: &str| {
            let home = open(dir.path(), plugins, &[]).unwrap();
            home.write("a", KIND, b"").unwrap();
            home
        };
        let (unused, in_use) = (of("/unused"), of("/in-use"));
        month_old(&in_use.dir.join(LOCK));
        month_old(&unused.dir.join(LOCK));
        let path = unused.dir.clone();
        drop(unused);
        let _now = open(dir.path(), "/plugins", &[]).unwrap();
        assert!(!path.exists());
        assert!(in_use.read("a", KIND).is_some());
    }

    #[test]
    fn without_a_usable_folder_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        std::fs::write(&state, "").unwrap();
        assert!(Home::open_or_say(Some(&state), Path::new("/plugins"), &BTreeSet::new()).is_none());
        assert!(open(dir.path(), "/plugins", &[]).unwrap_err().contains("plugins.state_dir"));
    }
}
