//! The `filesystems` import: how full a file system is.
//!
//! Only sizes are told, and only of paths that the sidecar writes out, so links are followed as the kernel does, and what
//! they lead to is held against the ceiling. A network's file system whose server is gone blocks whoever asks, for ever:
//! [`Asked`] sees to it that each path blocks one thread at most, whoever asks and however often.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags};

use crate::bindings::files::FileError;
use crate::bindings::filesystems::Usage;
use crate::glob::Globs;
use crate::open::{errno, opened_path};

/// The paths that are being asked for, by all collectors; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<Mutex<HashSet<String>>>);

/// The right to ask for a path, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Turn {
    asked: Asked,
    path: String,
}

impl Asked {
    /// The right to ask for a path, unless somebody waits for the answer already.
    pub(crate) fn take(&self, path: &str) -> Option<Turn> {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paths.insert(path.to_owned()).then(|| Turn { asked: self.clone(), path: path.to_owned() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.asked.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

/// The file system on which a path lies, where the ceiling allows what the path leads to. Blocks as the file system does.
pub(crate) fn usage(turn: &Turn, ceiling: Option<&Globs>) -> Result<Usage, FileError> {
    let path = turn.path.as_str();
    let opened = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
    let place = opened_path(&opened);
    if ceiling.is_some_and(|ceiling| !place.is_some_and(|place| ceiling.matches(&place.to_string_lossy()))) {
        return Err(FileError::Denied);
    }
    let stat = rustix::fs::fstatvfs(&opened).map_err(errno)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    // Btrfs and its like say 0 of 0.
    let has_inodes = stat.f_files > 0;
    Ok(Usage {
        size: bytes(stat.f_blocks),
        free: bytes(stat.f_bfree),
        available: bytes(stat.f_bavail),
        inodes: has_inodes.then_some(stat.f_files),
        inodes_free: has_inodes.then_some(stat.f_ffree),
        read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(path: &str) -> Result<Usage, FileError> {
        super::usage(&Asked::default().take(path).unwrap(), None)
    }

    #[test]
    fn a_path_is_asked_for_once_at_a_time() {
        let asked = Asked::default();
        let turn = asked.take("/a").unwrap();
        assert!(asked.clone().take("/a").is_none() && asked.take("/b").is_some());
        drop(turn);
        assert!(asked.take("/a").is_some());
    }

    #[test]
    fn the_ceiling_is_held_against_what_a_path_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::os::unix::fs::symlink("/", root.join("link")).unwrap();
        let (ceiling, _) = Globs::new(&[format!("{}/**", root.display()), root.display().to_string()]);
        let ask = |path: std::path::PathBuf| {
            super::usage(&Asked::default().take(path.to_str().unwrap()).unwrap(), Some(&ceiling))
        };
        assert!(ask(root.clone()).is_ok());
        assert!(matches!(ask(root.join("link")), Err(FileError::Denied)));
    }

    #[test]
    fn a_file_system_is_told_and_what_is_not_there_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let usage = usage(folder.path().to_str().unwrap()).unwrap();
        assert!(usage.size >= usage.free && usage.free >= usage.available && usage.size > 0, "{usage:?}");
        assert!(!usage.read_only);
        assert!(matches!(self::usage("/nowhere/at/all"), Err(FileError::NotFound)));
    }

    #[test]
    fn a_file_system_without_inodes_has_none() {
        let proc = usage("/proc").unwrap();
        assert_eq!((proc.size, proc.inodes, proc.inodes_free), (0, None, None));
    }
}
