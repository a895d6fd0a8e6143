//! Looks through the log of changes (`hub.db-wal`) before SQLite does, for damage that SQLite takes for its end.
//!
//! SQLite reads the log up to the first frame whose checksum is wrong, and the next change overwrites the rest. After a
//! power cut that is right: what was not synced is not there, or not whole. Where the disk has spoilt a frame that was
//! there, it would lose every change after it without a word.
//!
//! The two are told apart by what follows. Frames with the salts of the log's header are of its present generation;
//! those of earlier ones, which are written over, have others. The end is torn where nothing of this generation has
//! been committed after it. A power cut may also keep a later block of the file and not an earlier one: then the bad
//! frame's header, or the next one's, which begins in the block where the bad frame ends, was never written, and what
//! was committed after it is at most what had not been synced. Anything else is damage.
//!
//! Pure but for what it reads from. The format: <https://sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::io::{self, Read};

/// At most so many transactions are in the log that are not synced yet.
pub(super) const UNSYNCED: u64 = 8;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// How many generations back a frame is still taken for one of the same log.
const GENERATIONS: u32 = 1 << 16;

/// What a log turned out to be.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// Nothing was committed after what SQLite will read.
    Whole,
    /// Its end was being written when the power failed; so many transactions in it are left out.
    Torn { commits: u64 },
    /// It is spoilt at this byte, and so many transactions after it would be lost.
    Damaged { at: u64, commits: u64 },
}

/// Reads a log to its end.
///
/// # Errors
/// Those of reading.
pub(super) fn look(mut log: impl Read) -> io::Result<Found> {
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(Found::Whole);
    }
    let header = Header::of(&header);
    let mut frame = vec![0; FRAME_HEADER + header.as_ref().map_or(0, |header| header.page)];
    let Some(header) = header else {
        // It is synced before the first frame is written.
        let more = fill(&mut log, &mut frame)?;
        return Ok(if more { Found::Damaged { at: 0, commits: 0 } } else { Found::Whole });
    };
    let (mut sum, mut at) = (header.sum, HEADER as u64);
    loop {
        if !fill(&mut log, &mut frame)? {
            return Ok(Found::Whole);
        }
        match header.verify(&frame, sum) {
            Some(next) => sum = next,
            None => break,
        }
        at += frame.len() as u64;
    }
    let (mut unwritten, mut commits) = (!header.was_written(&frame), header.commits(&frame));
    let mut first = true;
    while fill(&mut log, &mut frame)? {
        unwritten |= first && !header.was_written(&frame);
        commits += header.commits(&frame);
        first = false;
    }
    Ok(match commits {
        // The bad frame's own commit was the last thing that was written.
        0 => Found::Whole,
        1 if first => Found::Torn { commits },
        1..=UNSYNCED if unwritten => Found::Torn { commits },
        _ => Found::Damaged { at, commits },
    })
}

/// What the log's header says.
struct Header {
    big_endian: bool,
    page: usize,
    salts: [u32; 2],
    sum: [u32; 2],
}

impl Header {
    /// None where its checksum is wrong, or nothing of SQLite's.
    fn of(bytes: &[u8; HEADER]) -> Option<Self> {
        let magic = number(bytes, 0);
        let page = usize::try_from(number(bytes, 8)).ok()?;
        if magic & !1 != 0x377f_0682 || !page.is_power_of_two() || !(512..=65_536).contains(&page) {
            return None;
        }
        let big_endian = magic & 1 == 1;
        let sum = checksum(big_endian, [0, 0], &bytes[..24]);
        let header = Header { big_endian, page, salts: [number(bytes, 16), number(bytes, 20)], sum };
        (sum == [number(bytes, 24), number(bytes, 28)]).then_some(header)
    }

    /// The checksum up to this frame, where it is right for what came before.
    fn verify(&self, frame: &[u8], before: [u32; 2]) -> Option<[u32; 2]> {
        let sum = checksum(self.big_endian, before, &frame[..8]);
        let sum = checksum(self.big_endian, sum, &frame[FRAME_HEADER..]);
        let stored = [number(frame, 16), number(frame, 20)];
        (self.is_own(frame) && number(frame, 0) != 0 && sum == stored).then_some(sum)
    }

    fn is_own(&self, frame: &[u8]) -> bool {
        [number(frame, 8), number(frame, 12)] == self.salts
    }

    /// How many transactions of this generation a frame commits.
    fn commits(&self, frame: &[u8]) -> u64 {
        u64::from(self.is_own(frame) && number(frame, 4) != 0)
    }

    /// Whether a frame's header is anything but what is there before this generation writes to it: nothing, or an
    /// earlier one's. The first salt counts the generations.
    fn was_written(&self, frame: &[u8]) -> bool {
        let nothing = frame[..FRAME_HEADER].iter().all(|byte| *byte == 0);
        let earlier = (1..GENERATIONS).contains(&self.salts[0].wrapping_sub(number(frame, 8)));
        !nothing && !earlier
    }
}

/// SQLite's, over whole pairs of words.
fn checksum(big_endian: bool, [mut first, mut second]: [u32; 2], bytes: &[u8]) -> [u32; 2] {
    let (pairs, _) = bytes.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in pairs {
        let (left, right) = ([a, b, c, d], [e, f, g, h]);
        let read = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        first = first.wrapping_add(read(left)).wrapping_add(second);
        second = second.wrapping_add(read(right)).wrapping_add(first);
    }
    [first, second]
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Whether there was as much as this.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        done => done.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    const FRAME: usize = 4096 + FRAME_HEADER;

    /// A log of so many transactions, each of a page or more, after another generation of `earlier` ones.
    fn log(earlier: usize, transactions: usize) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE t (x)").unwrap();
        let write = |count| {
            for _ in 0..count {
                connection.execute("INSERT INTO t VALUES (?1)", ["x".repeat(5000)]).unwrap();
            }
        };
        let checkpoint = |how| connection.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(())).unwrap();
        write(earlier);
        checkpoint(if earlier == 0 { "TRUNCATE" } else { "RESTART" });
        write(transactions);
        std::fs::read(directory.path().join("x-wal")).unwrap()
    }

    fn frames(log: &[u8]) -> usize {
        (log.len() - HEADER) / FRAME
    }

    fn start(frame: usize) -> usize {
        HEADER + frame * FRAME
    }

    fn found(log: &[u8]) -> Found {
        look(log).unwrap()
    }

    #[test]
    fn what_sqlite_wrote_is_whole() {
        assert_eq!(found(&[]), Found::Whole);
        assert_eq!(found(&log(0, 5)), Found::Whole);
        assert_eq!(found(&log(5, 0)), Found::Whole, "all of it is in the database");
        let behind = log(9, 2);
        assert!(behind.len() > log(0, 2).len(), "frames of the generation before are behind");
        assert_eq!(found(&behind), Found::Whole);
    }

    #[test]
    fn a_torn_end_is_no_damage() {
        let whole = log(0, 5);
        for length in (0..whole.len()).step_by(97) {
            assert_eq!(found(&whole[..length]), Found::Whole, "{length}");
        }
        let mut last = whole.clone();
        last[start(frames(&whole) - 1) + 100] ^= 1;
        assert_eq!(found(&last), Found::Torn { commits: 1 });
    }

    #[test]
    fn a_bit_that_is_wrong_is_damage_unless_it_is_in_the_last_frame() {
        let whole = log(3, 4);
        let last = frames(&log(0, 4)) - 1;
        for bad in 0..last {
            for at in [0, 5, 13, 17, 23, 24, 100, FRAME - 1] {
                let mut damaged = whole.clone();
                damaged[start(bad) + at] ^= 1;
                let Found::Damaged { at: byte, commits } = found(&damaged) else { panic!("{bad} {at}") };
                assert_eq!(byte, start(bad) as u64);
                assert!((1..=5).contains(&commits));
            }
        }
    }

    #[test]
    fn a_header_that_is_wrong_is_damage() {
        for at in 0..HEADER {
            let mut damaged = log(0, 1);
            damaged[at] ^= 1;
            assert_eq!(found(&damaged), Found::Damaged { at: 0, commits: 0 }, "{at}");
            assert_eq!(found(&damaged[..HEADER]), Found::Whole, "a power cut while the log was made");
        }
    }

    #[test]
    fn a_block_that_was_never_written_is_a_power_cut_unless_too_much_was_synced_after_it() {
        let torn = |transactions, block: usize| {
            let mut torn = log(0, transactions);
            torn[block * 4096..(block + 1) * 4096].fill(0);
            found(&torn)
        };
        for block in 1..6 {
            assert!(matches!(torn(4, block), Found::Torn { .. }), "{block}");
        }
        assert!(matches!(torn(30, 2), Found::Damaged { .. }));

        let mut torn = log(0, 4);
        let salt = start(1) + 8;
        let earlier = number(&torn, salt).wrapping_sub(1);
        torn[salt..salt + 4].copy_from_slice(&earlier.to_be_bytes());
        assert!(matches!(found(&torn), Found::Torn { .. }), "what the generation before left there");
    }
}
