//! Bounded reads of the small text files under `/proc` and `/sys`.
//!
//! A file that is missing, unreadable or larger than its bound gives nothing; the figure made from it is then absent.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// More than any control-group file has; `memory.stat` has about 2 KiB.
const MAX_FIGURE: u64 = 64 * 1024;

/// A file with one figure or a short table.
pub(super) fn read(path: &Path) -> Option<String> {
    read_up_to(path, MAX_FIGURE)
}

/// A file of at most `max` bytes, whose invalid UTF-8 is replaced (mount points may have any bytes).
pub(super) fn read_up_to(path: &Path, max: u64) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(max + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= max).then(|| String::from_utf8_lossy(&bytes).into_owned())
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
