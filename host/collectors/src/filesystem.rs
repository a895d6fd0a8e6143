//! The `filesystems` import: how full a file system is.
//!
//! Only sizes are told, and only of paths that the sidecar writes out, so links are followed as the kernel does. A
//! network's file system whose server is gone can block here; the caller runs this where that is allowed and bounds
//! its time.

use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags};

use crate::bindings::files::FileError;
use crate::bindings::filesystems::Usage;
use crate::open::errno;

/// The file system on which a path lies.
pub(crate) fn usage(path: &str) -> Result<Usage, FileError> {
    let opened = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
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

    #[test]
    fn a_file_system_is_told_and_what_is_not_there_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let usage = usage(folder.path().to_str().unwrap()).unwrap();
        assert!(usage.size >= usage.free && usage.free >= usage.available && usage.size > 0, "{usage:?}");
        assert!(!usage.read_only);
        assert!(matches!(super::usage("/nowhere/at/all"), Err(FileError::NotFound)));
    }

    #[test]
    fn a_file_system_without_inodes_has_none() {
        let proc = usage("/proc").unwrap();
        assert_eq!((proc.size, proc.inodes, proc.inodes_free), (0, None, None));
    }
}
