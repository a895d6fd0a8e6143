//! Reads the files that the operator names: keys, tokens, certificates.
//!
//! May block for as long as the disk does: for the start, and for blocking threads.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// What is in a file of at most `most` bytes. It is opened by its path each time, so that what a link leads to may
/// change. Only a regular file is read: a pipe might never end.
///
/// # Errors
/// What is wrong with the file, with its path; for the operator.
pub fn read(path: &Path, most: usize) -> Result<Vec<u8>, String> {
    let wrong = |reason: String| format!("{} {reason}", path.display());
    let unreadable = |e: io::Error| wrong(format!("cannot be read: {e}"));
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(wrong("is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > most {
        return Err(wrong(format!("has more than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    #[test]
    fn only_small_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        fs::write(&file, "1234").unwrap();
        assert_eq!(read(&file, 4).unwrap(), b"1234");
        assert!(read(&file, 3).unwrap_err().contains("has more than 3 bytes"));
        assert!(read(dir.path(), 1).unwrap_err().contains("is not a file"));
        let pipe = dir.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(read(&pipe, 1).unwrap_err().contains("is not a file"), "and nobody waits for its other end");
        assert!(read(&dir.path().join("none"), 1).unwrap_err().contains("cannot be read"));
    }
}
