//! Bounded reads of the small text files under `/proc` and `/sys`.
//!
//! A file that is missing, unreadable or larger than its bound gives nothing; the figure made from it is then absent.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// More than any control-group file has; `memory.stat` has about 2 KiB.
const MAX_FIGURE: u64 = 64 * 1024;

/// A machine with thousands of mounts stays below this; of one above it, the mounts are not known.
pub(super) const MAX_MOUNTINFO: u64 = 4 * 1024 * 1024;

/// A file with one figure or a short table.
pub(super) fn read(path: &Path) -> Option<String> {
    read_up_to(path, MAX_FIGURE)
}

/// A file of at most `max` bytes.
pub(super) fn read_up_to(path: &Path, max: u64) -> Option<String> {
    try_read_up_to(path, max).ok()
}

/// A file with one figure or a short table, or why there is none.
///
/// # Errors
/// It cannot be read, or is larger than such a file can be.
pub(super) fn try_read(path: &Path) -> io::Result<String> {
    try_read_up_to(path, MAX_FIGURE)
}

/// A file of at most `max` bytes, or why there is none. Invalid UTF-8 is replaced (mount points may have any bytes).
///
/// # Errors
/// It cannot be read, or is larger.
pub(super) fn try_read_up_to(path: &Path, max: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {max} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Why a file cannot be read, for a person.
pub(super) fn unreadable(path: &Path, why: &io::Error) -> String {
    format!("{} cannot be read: {why}", path.display())
}

/// A file that is one whole number.
pub(super) fn number(path: &Path) -> Option<u64> {
    read(path)?.trim().parse().ok()
}

/// The number behind a key in a table of `key number` lines.
pub(super) fn field(table: &str, key: &str) -> Option<u64> {
    table.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_as_a_whole_word() {
        let table = "inactive_file_other 1\ninactive_file 42\n";
        assert_eq!(field(table, "inactive_file"), Some(42));
        assert_eq!(field(table, "inactive"), None);
    }

    #[test]
    fn what_is_too_large_is_not_read_in_part() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "12345").unwrap();
        assert_eq!(read_up_to(file.path(), 5).as_deref(), Some("12345"));
        assert_eq!(read_up_to(file.path(), 4), None);
    }
}
