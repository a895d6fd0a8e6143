//! How full the file system at a path is. May wait for a server that is gone, so it belongs on a thread of its own
//! (`inquiry`). Source: statvfs(3).

use std::path::Path;

use rustix::fs::StatVfs;
use sandbeat_status::Disk;

use super::bounds::MAX_BYTES;

/// Asks the file system.
///
/// # Errors
/// It cannot be asked, or says what cannot be, as some FUSE file systems do; for a person.
pub(super) fn measure(path: &Path) -> Result<Disk, String> {
    match rustix::fs::statvfs(path) {
        Ok(stat) => disk(path, &stat).ok_or_else(|| {
            format!(
                "the file system at {} says that it has {} blocks of {} bytes, {} of them available, which cannot be",
                path.display(),
                stat.f_blocks,
                stat.f_frsize,
                stat.f_bavail
            )
        }),
        Err(e) => Err(format!("the file system at {} cannot be asked: {e}", path.display())),
    }
}

/// What is reserved for root is neither used nor available, as `df` has it. File systems without a limit of inodes
/// say that they have 0. None where no disk is as large.
fn disk(path: &Path, stat: &StatVfs) -> Option<Disk> {
    let bytes = |blocks: u64| blocks.checked_mul(stat.f_frsize).filter(|bytes| *bytes <= MAX_BYTES);
    let inodes = (stat.f_files > 0).then_some(stat.f_files);
    Some(Disk {
        path: path.to_string_lossy().into_owned(),
        size_bytes: bytes(stat.f_blocks)?,
        used_bytes: bytes(stat.f_blocks.saturating_sub(stat.f_bfree))?,
        available_bytes: bytes(stat.f_bavail)?,
        inodes,
        inodes_used: inodes.map(|inodes| inodes.saturating_sub(stat.f_ffree)),
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_path_that_is_not_there_is_named() {
        let reason = measure(Path::new("/no/such/path")).unwrap_err();
        assert!(reason.contains("/no/such/path") && reason.contains("No such file"), "{reason}");
    }

    /// What is written meanwhile by others is the tolerance.
    #[test]
    fn df_says_the_same() {
        const TOLERANCE: u64 = 512 << 20;
        let output = Command::new("df").args(["-kP", "/"]).output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let said: Vec<u64> =
            output.lines().nth(1).unwrap().split_ascii_whitespace().filter_map(|field| field.parse().ok()).collect();
        let disk = measure(Path::new("/")).unwrap();
        assert_eq!(disk.size_bytes, said[0] * 1024, "{output}");
        assert!(disk.used_bytes.abs_diff(said[1] * 1024) < TOLERANCE, "{disk:?} {output}");
        assert!(disk.available_bytes.abs_diff(said[2] * 1024) < TOLERANCE, "{disk:?} {output}");
        assert!(disk.used_bytes + disk.available_bytes <= disk.size_bytes);
        assert!(disk.inodes_used <= disk.inodes);
    }

    #[test]
    fn impossible_answers_are_none() {
        let mut stat = rustix::fs::statvfs("/").unwrap();
        (stat.f_frsize, stat.f_files) = (4096, 0);
        for (blocks, free, available) in [(u64::MAX, 0, 0), (1 << 48, 0, 0), (u64::MAX, u64::MAX, 0), (9, 9, u64::MAX)]
        {
            (stat.f_blocks, stat.f_bfree, stat.f_bavail) = (blocks, free, available);
            assert_eq!(disk(Path::new("/"), &stat), None, "{blocks} {free} {available}");
        }
        (stat.f_blocks, stat.f_bfree, stat.f_bavail) = ((1 << 48) - 1, 0, 0);
        let full = disk(Path::new("/"), &stat).unwrap();
        assert_eq!((full.size_bytes, full.used_bytes, full.inodes), ((1 << 60) - 4096, (1 << 60) - 4096, None));
        (stat.f_blocks, stat.f_bfree) = (1, 2);
        assert_eq!(disk(Path::new("/"), &stat).unwrap().used_bytes, 0);
    }
}
