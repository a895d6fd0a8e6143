//! The form of a file that the agent writes for itself: eight bytes that name it, the version of its content, a
//! checksum, the content. It tells what a disk has damaged and what another version wrote from what can be read; it
//! does not guard against someone who may write to the agent's own folder.
//!
//! Pure, but for [`unfinished`], which blocks as the disk does.

use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;
use xxhash_rust::xxh3::xxh3_64;

use crate::private::UNFINISHED;

/// How many bytes come before the content.
pub(crate) const HEADER: usize = 8 + 4 + 8;
/// How a file begins.
const MAGIC: [u8; 8] = *b"sandbeat";

/// A file of a content in a folder, not yet in its place and not synced. Left alone, it is removed.
///
/// # Errors
/// Those of the disk.
pub(crate) fn unfinished(dir: &Path, version: u32, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(dir)?;
    file.write_all(&header(version, content))?;
    file.write_all(content)?;
    Ok(file)
}

/// What comes before a content; `version` says which form the content has.
fn header(version: u32, content: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&version.to_le_bytes());
    header[12..].copy_from_slice(&xxh3_64(content).to_le_bytes());
    header
}

/// The content of a file of this version.
///
/// # Errors
/// Why it cannot be used, in words.
pub(crate) fn open(mut bytes: Vec<u8>, version: u32) -> Result<Vec<u8>, String> {
    if bytes.len() < HEADER || bytes[..8] != MAGIC {
        return Err("it is damaged: it does not begin as it should".into());
    }
    let content = bytes.split_off(HEADER);
    // The version first: the rest is only known for this one.
    if bytes[8..12] != version.to_le_bytes() {
        return Err("it was written by another version of the agent".into());
    }
    if bytes != header(version, &content) {
        return Err("it is damaged: its checksum is not that of its content".into());
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_it_was_written_is_told_why() {
        let sealed = |content: &[u8]| [&header(3, content)[..], content].concat();
        let good = sealed(b"content");
        assert_eq!(open(good.clone(), 3), Ok(b"content".to_vec()));
        assert_eq!(open(sealed(b""), 3), Ok(vec![]));
        let mut flipped = good.clone();
        flipped[HEADER] ^= 1;
        for (bytes, part) in [
            (&good[..good.len() - 1], "checksum"),
            (&flipped, "checksum"),
            (&good[..HEADER - 1], "does not begin"),
            (b"", "does not begin"),
            (&[0; 100], "does not begin"),
        ] {
            assert!(open(bytes.to_vec(), 3).unwrap_err().contains(part), "{bytes:?}");
        }
        assert!(open(good, 4).unwrap_err().contains("another version"));
    }
}
