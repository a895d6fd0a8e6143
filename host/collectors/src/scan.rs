//! What lies in the plugins directory, and what has changed since the last look.
//!
//! The periodic scan is the truth; notifications only make it prompt, since inotify misses events on overlay
//! filesystems. The comparison is pure.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sandbeat_status::names;
use serde::{Deserialize, Serialize};

use crate::watch::Identity;

/// The most plugins of one directory.
pub(crate) const MAX_PLUGINS: usize = 256;

/// The most files that are named because they are no plugins.
const MAX_MISNAMED: usize = 32;

/// What tells whether a file has been replaced or written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of what is at a path, links followed; `None` when nothing is, or a link to nothing.
    pub(crate) fn of(path: &Path) -> Option<Stamp> {
        Some(Stamp::from(&std::fs::metadata(path).ok()?))
    }

    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether its time of change is finer than a second. Others are those of images that were built, and two of those
    /// may be alike.
    pub(crate) fn is_fine(&self) -> bool {
        self.changed.1 != 0
    }

    /// Whether both are of one inode.
    pub(crate) fn is_same_file(&self, other: &Stamp) -> bool {
        self.inode == other.inode
    }
}

impl From<&Metadata> for Stamp {
    fn from(found: &Metadata) -> Self {
        Stamp {
            inode: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

/// Whether a file has been left alone for a while, by the wall clock. One from the future has not.
pub(crate) fn is_settled(stamp: Option<Stamp>, for_at_least: Duration, now: SystemTime) -> bool {
    let Some(stamp) = stamp else { return true };
    let (secs, nanos) = stamp.modified.max(stamp.changed);
    let (Ok(secs), Ok(nanos)) = (u64::try_from(secs), u32::try_from(nanos)) else { return true };
    let touched = SystemTime::UNIX_EPOCH + Duration::new(secs, nanos);
    now.duration_since(touched).is_ok_and(|age| age >= for_at_least)
}

/// The files of one plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// `None`: a link to nothing.
    pub(crate) wasm: Option<Stamp>,
    pub(crate) sidecar: Option<Stamp>,
}

/// One look at the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// By plugin name, at most [`MAX_PLUGINS`].
    pub(crate) plugins: BTreeMap<String, Found>,
    /// Files whose names cannot be a plugin's, with the reason.
    pub(crate) misnamed: BTreeMap<String, String>,
}

impl Look {
    fn misname(&mut self, name: &str, reason: String) {
        if self.misnamed.len() < MAX_MISNAMED {
            self.misnamed.insert(names::shown(name, 80), reason);
        }
    }
}

/// What a task has to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Appeared(String),
    Changed(String),
    Vanished(String),
}

/// Looks at the directory. Files that are hidden or do not end in `.wasm` are not plugins: editors leave such.
pub(crate) fn look(dir: &Path) -> io::Result<(Look, Identity)> {
    let found = std::fs::metadata(dir)?;
    let mut look = Look::default();
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let file = entry?.file_name();
        let file = file.to_string_lossy();
        if file.ends_with(".cwasm") {
            look.misname(&file, "it is compiled code, which is never loaded; drop in the component".into());
        } else if let Some(name) = file.strip_suffix(".wasm").filter(|_| !file.starts_with('.')) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    for name in names {
        if let Err(reason) = names::short_name(&name) {
            look.misname(&name, format!("{reason}; rename the file"));
        } else if look.plugins.len() == MAX_PLUGINS {
            look.misname(&name, format!("more than {MAX_PLUGINS} plugins in one directory"));
        } else {
            let wasm = Stamp::of(&dir.join(format!("{name}.wasm")));
            let sidecar = Stamp::of(&dir.join(format!("{name}.toml")));
            look.plugins.insert(name, Found { wasm, sidecar });
        }
    }
    Ok((look, (found.dev(), found.ino())))
}

/// What has changed between two looks, in name order.
pub(crate) fn changes(before: &Look, after: &Look) -> Vec<Change> {
    let vanished = before.plugins.keys().filter(|name| !after.plugins.contains_key(*name));
    let mut changes: Vec<Change> = vanished.cloned().map(Change::Vanished).collect();
    for (name, found) in &after.plugins {
        match before.plugins.get(name) {
            None => changes.push(Change::Appeared(name.clone())),
            Some(known) if known != found => changes.push(Change::Changed(name.clone())),
            Some(_) => {}
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(dir: &Path) -> Look {
        look(dir).unwrap().0
    }

    #[test]
    fn only_visible_wasm_files_are_plugins() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["a.wasm", "a.toml", ".hidden.wasm", "b.wasm~", "c.wasm.swp", "readme.md", "bad name.wasm", "d.toml"]
        {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let look = at(dir.path());
        assert_eq!(look.plugins.keys().collect::<Vec<_>>(), ["a"]);
        assert!(look.plugins["a"].sidecar.is_some());
        assert!(look.misnamed["bad name"].contains("' '"));
    }

    #[test]
    fn every_change_is_found_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let empty = at(dir.path());
        std::fs::write(path("a.wasm"), "1").unwrap();
        std::fs::write(path("b.wasm"), "1").unwrap();
        let two = at(dir.path());
        let named = |change: fn(String) -> Change, name: &str| change(name.to_owned());
        assert_eq!(changes(&empty, &two), [named(Change::Appeared, "a"), named(Change::Appeared, "b")]);
        assert_eq!(changes(&two, &at(dir.path())), []);

        std::fs::write(path("a.toml"), "").unwrap();
        let sidecar = at(dir.path());
        assert_eq!(changes(&two, &sidecar), [named(Change::Changed, "a")]);

        std::fs::remove_file(path("b.wasm")).unwrap();
        std::fs::write(path("new"), "1").unwrap();
        std::fs::rename(path("new"), path("a.wasm")).unwrap();
        assert_eq!(changes(&sidecar, &at(dir.path())), [named(Change::Vanished, "b"), named(Change::Changed, "a")]);
    }

    #[test]
    fn a_link_to_nothing_is_a_plugin_without_a_file() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.path().join("a.wasm")).unwrap();
        assert_eq!(at(dir.path()).plugins["a"].wasm, None);
    }
}
