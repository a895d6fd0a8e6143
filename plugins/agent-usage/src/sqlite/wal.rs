//! The write-ahead log: pages in the form that they have since the last checkpoint.
//!
//! It counts up to the last commit whose frames are whole: each carries the log's salts, and a checksum over all before
//! it. What stands behind is of an older round, or is being written.
//!
//! Bound: [`MAX_LOG`] bytes; SQLite begins it anew after some 4 MB, unless one change is larger or a reader holds it up.

use std::collections::BTreeMap;

use super::{File, LOG_HEADER, Storage, Trouble, be32};

const MAX_LOG: u64 = 32 << 20;
/// What is read at once.
const PIECE: usize = 1 << 20;
const FRAME: usize = 24;

/// What a log has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wal {
    /// Where each page's newest form begins.
    pub(super) pages: BTreeMap<u32, u64>,
    /// How many pages the database has with it; 0 where it has no commit.
    pub(super) size: u32,
    /// The log's own, with its salts.
    pub(super) header: Vec<u8>,
}

/// The running checksum.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sum {
    big_endian: bool,
    a: u32,
    b: u32,
}

impl Wal {
    pub(super) fn read(storage: &mut impl Storage, page_size: usize) -> Result<Wal, Trouble> {
        let header = storage.read(File::Log, 0, LOG_HEADER)?;
        let mut wal = Wal { header, ..Wal::default() };
        // One that is not begun properly is none, as SQLite sees it.
        let Some(mut sum) = Sum::of_header(&wal.header) else { return Ok(wal) };
        if be32(&wal.header, 8) != u32::try_from(page_size).ok() {
            return Err(Trouble::Unsupported("its log has pages of another size"));
        }
        let frame_size = FRAME + page_size;
        let piece = (PIECE / frame_size).max(1) * frame_size;
        let mut at = LOG_HEADER as u64;
        let mut uncommitted = Vec::new();
        loop {
            let bytes = storage.read(File::Log, at, piece)?;
            for frame in bytes.chunks_exact(frame_size) {
                let Some((page, size)) = wal.frame(frame, &mut sum) else { return Ok(wal) };
                uncommitted.push((page, at + FRAME as u64));
                at += frame_size as u64;
                if size > 0 {
                    wal.size = size;
                    wal.pages.extend(uncommitted.drain(..));
                }
            }
            if bytes.len() < piece {
                return Ok(wal);
            }
            if at > MAX_LOG {
                return Err(Trouble::Unsupported("its log has more than 32 MiB since it was begun anew"));
            }
        }
    }

    /// The page that a frame is of, and the size that it commits; nothing where it does not follow on those before.
    fn frame(&self, frame: &[u8], sum: &mut Sum) -> Option<(u32, u32)> {
        if frame.get(8..16)? != self.header.get(16..24)? {
            return None;
        }
        sum.add(frame.get(..8)?);
        sum.add(frame.get(FRAME..)?);
        let is_whole = (be32(frame, 16)?, be32(frame, 20)?) == (sum.a, sum.b);
        let page = be32(frame, 0)?;
        (is_whole && page > 0).then_some((page, be32(frame, 4)?))
    }
}

impl Sum {
    fn of_header(header: &[u8]) -> Option<Sum> {
        let big_endian = match be32(header, 0)? {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        let mut sum = Sum { big_endian, a: 0, b: 0 };
        sum.add(header.get(..24)?);
        let is_whole = (be32(header, 24)?, be32(header, 28)?) == (sum.a, sum.b);
        (is_whole && be32(header, 4)? == 3_007_000).then_some(sum)
    }

    fn add(&mut self, bytes: &[u8]) {
        let number = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        for [a0, a1, a2, a3, b0, b1, b2, b3] in bytes.as_chunks::<8>().0 {
            self.a = self.a.wrapping_add(number([*a0, *a1, *a2, *a3])).wrapping_add(self.b);
            self.b = self.b.wrapping_add(number([*b0, *b1, *b2, *b3])).wrapping_add(self.a);
        }
    }
}
