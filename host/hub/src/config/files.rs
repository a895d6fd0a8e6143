//! Reads the files that the operator names: keys, secrets, certificates.
//!
//! May block for as long as the disk does: for the start, and for blocking threads.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::auth::Secret;

/// The most bytes of a file with a secret.
const MAX_SECRET_FILE: usize = 4 << 10;

/// What is in a file of at most `most` bytes. It is opened by its path each time, so that what a link leads to may
/// change. Only a regular file is read: a pipe might never end.
///
/// # Errors
/// What is wrong with the file, with its path; for the operator.
pub(crate) fn read(path: &Path, most: usize) -> Result<Vec<u8>, String> {
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

/// The first line of a file, without white space around it.
///
/// # Errors
/// What is wrong with the file, never with what is in it; for the operator.
pub(super) fn read_secret(path: &Path) -> Result<Secret, String> {
    let bytes = read(path, MAX_SECRET_FILE)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{} is not text", path.display()))?;
    Ok(Secret::new(text.lines().next().unwrap_or_default().trim()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_small_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        fs::write(&file, "  a secret \nmore\n").unwrap();
        assert_eq!(read_secret(&file).unwrap().reveal(), "a secret");
        fs::write(&file, vec![b'x'; MAX_SECRET_FILE + 1]).unwrap();
        assert!(read_secret(&file).unwrap_err().contains("has more than 4096 bytes"));
        fs::write(&file, [0xff]).unwrap();
        assert!(read_secret(&file).unwrap_err().contains("is not text"));
        assert!(read(dir.path(), 1).unwrap_err().contains("is not a file"));
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(read(&pipe, 1).unwrap_err().contains("is not a file"), "and nobody waits for its other end");
        assert!(read(&dir.path().join("none"), 1).unwrap_err().contains("cannot be read"));
    }
}
