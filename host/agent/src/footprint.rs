//! Gives memory back: once what only the start needed, and from time to time what is free.
//!
//! Most of what a small agent has resident is its own code, read in around every page that was ever touched: parsing
//! settings, reading certificates, making engines. Once it beats, it needs little of that. The mappings of the code are
//! dropped once; what is needed comes back, page by page, from the page cache. Nothing is lost on failure.
//!
//! What is free lies between what is not, and at the ends of arenas, where the allocator keeps it: glibc keeps the more
//! the larger the blocks are that are freed, up to 64 MiB in each arena. Lower bounds would make it give back and take at
//! every large report, which costs the beat milliseconds; told from time to time, it costs nothing that is seen.

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

use rustix::mm::{Advice, madvise};

/// Gives the pages of the heap that are free back to the system.
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "there is no safe interface to the allocator")]
    // SAFETY: it touches only what is free, under the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Drops the pages of the own executable's code and constants from this process, as far as the system lets it.
pub(crate) fn drop_start_up_code() {
    for range in unwritten() {
        #[expect(unsafe_code, reason = "there is no safe way to say which pages are not needed")]
        // SAFETY: the range is a private mapping of a file that was never writable, so none of its pages differ from
        // the file's; whatever is touched again is read from there. No reference can see the difference.
        let dropped = unsafe { madvise(range.start as *mut _, range.len(), Advice::LinuxDontNeed) };
        if let Err(e) = dropped {
            tracing::debug!("code that only the start needed stays in memory: {e}");
        }
    }
}

/// The mappings of the own executable that have never been writable.
fn unwritten() -> Vec<Range<usize>> {
    let Ok(inode) = std::fs::metadata("/proc/self/exe").map(|exe| exe.ino()) else { return Vec::new() };
    let Ok(maps) = std::fs::File::open("/proc/self/maps") else { return Vec::new() };
    BufReader::new(maps).lines().map_while(Result::ok).filter_map(|line| unwritten_of(&line, inode)).collect()
}

/// One line of `maps` (proc(5)). Constants that were relocated at the start are a mapping that cannot be written to
/// either, and are not dropped: those lie behind the code, and what lies before it begins with the file.
fn unwritten_of(line: &str, inode: u64) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (range, permissions, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let found = fields.nth(1)?;
    let starts_the_file = u64::from_str_radix(offset, 16).ok()? == 0;
    let is_code = permissions == "r-xp" || permissions == "r--p" && starts_the_file;
    if !is_code || found.parse() != Ok(inode) {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_written_to_is_dropped() {
        for (line, dropped) in [
            ("1000-3000 r--p 00000000 fe:00 42    /usr/bin/sandbeat", true),
            ("3000-9000 r-xp 00002000 fe:00 42    /usr/bin/sandbeat", true),
            ("9000-a000 r--p 00008000 fe:00 42    /usr/bin/sandbeat", false),
            ("a000-b000 rw-p 00009000 fe:00 42    /usr/bin/sandbeat", false),
            ("c000-d000 r-xp 00000000 fe:00 43    /lib/libc.so.6", false),
            ("d000-e000 rw-p 00000000 00:00 0     [heap]", false),
        ] {
            assert_eq!(unwritten_of(line, 42).is_some(), dropped, "{line}");
        }
        assert_eq!(unwritten_of("1000-3000 r--p 00000000 fe:00 42    /x", 42), Some(0x1000..0x3000));
    }

    #[cfg(target_env = "gnu")]
    #[test]
    fn what_is_free_between_what_is_not_is_given_back() {
        let resident = || {
            let all = std::fs::read_to_string("/proc/self/statm").unwrap();
            all.split(' ').nth(1).unwrap().parse::<usize>().unwrap()
        };
        // Small enough to come from the heap; every 17th stays, so that the heap does not end earlier.
        let blocks: Vec<_> = (0..2_000).map(|at| Box::new([at; 1024])).collect();
        let kept: Vec<_> = blocks.into_iter().step_by(17).collect();
        let before = resident();
        trim();
        assert!(resident() + 1_000 < before, "{before} pages before, {} after", resident());
        assert_eq!(kept[1][0], 17);
    }

    #[test]
    fn a_process_goes_on_without_its_start_up_code() {
        assert!(!unwritten().is_empty());
        drop_start_up_code();
        assert!(!unwritten().is_empty());
    }
}
