//! Reading one object from a pack (gitformat-pack): its place from the index beside it, then its content, which may be
//! a chain of differences to other objects of the same pack.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::bufread::ZlibDecoder;

use crate::budget::{MAX_OBJECT_BYTES, Unknown};
use crate::oid::Oid;

/// The longest chain of differences; git makes 50 by default.
const MAX_CHAIN: usize = 256;
/// Before the names in an index of version 2: a magic number, the version, 256 running totals by first byte.
const NAMES: u64 = 8 + 256 * 4;

/// The content of an object; nothing when the pack of this index does not have it, or was removed meanwhile.
pub(crate) fn find(index: &Path, id: Oid) -> Result<Option<Vec<u8>>, Unknown> {
    let gone = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    let wrong = |error: io::Error| Unknown::io(index.display(), &error);
    let found = File::open(index).and_then(|file| Index::open(file)?.offset(id));
    let offset = match found {
        Ok(Some(offset)) => offset,
        Ok(None) => return Ok(None),
        Err(error) if gone(&error) => return Ok(None),
        Err(error) => return Err(wrong(error)),
    };
    let content = File::open(index.with_extension("pack")).and_then(|pack| read(pack, index, offset));
    match content {
        Ok(content) => Ok(Some(content)),
        Err(error) if gone(&error) => Ok(None),
        Err(error) => Err(wrong(error)),
    }
}

struct Index {
    file: File,
    totals: Vec<u32>,
}

impl Index {
    fn open(mut file: File) -> io::Result<Self> {
        let mut header = vec![0; usize::try_from(NAMES).unwrap_or_default()];
        file.read_exact(&mut header)?;
        if !header.starts_with(b"\xfftOc\0\0\0\x02") {
            return Err(malformed("not a pack index of version 2"));
        }
        let (words, _) = header[8..].as_chunks::<4>();
        Ok(Self { file, totals: words.iter().map(|word| u32::from_be_bytes(*word)).collect() })
    }

    /// Where an object starts in the pack.
    fn offset(&mut self, id: Oid) -> io::Result<Option<u64>> {
        let first = usize::from(id.0[0]);
        let (mut low, mut high) = (first.checked_sub(1).map_or(0, |before| self.totals[before]), self.totals[first]);
        let count = u64::from(self.totals[255]);
        while low < high {
            let middle = low + (high - low) / 2;
            match Oid(self.at(NAMES + u64::from(middle) * 20)?).cmp(&id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.offset_at(count, u64::from(middle)).map(Some),
            }
        }
        Ok(None)
    }

    /// After the names come a checksum of 4 bytes each, an offset of 4 bytes each, and offsets of 8 bytes for those
    /// whose highest bit is set.
    fn offset_at(&mut self, count: u64, place: u64) -> io::Result<u64> {
        let offsets = NAMES + count * 24;
        let offset = u32::from_be_bytes(self.at(offsets + place * 4)?);
        match offset & 0x8000_0000 {
            0 => Ok(u64::from(offset)),
            _ => self.at(offsets + count * 4 + u64::from(offset & 0x7fff_ffff) * 8).map(u64::from_be_bytes),
        }
    }

    fn at<const N: usize>(&mut self, position: u64) -> io::Result<[u8; N]> {
        self.file.seek(SeekFrom::Start(position))?;
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// Follows the differences down to an object that is whole, then applies them on the way back.
fn read(pack: File, index: &Path, mut offset: u64) -> io::Result<Vec<u8>> {
    const COMMIT: u8 = 1;
    const OFFSET_DELTA: u8 = 6;
    const REFERENCE_DELTA: u8 = 7;
    let mut pack = BufReader::new(pack);
    let mut deltas = Vec::new();
    let mut content = loop {
        if deltas.len() > MAX_CHAIN {
            return Err(malformed("the chain of differences is too long"));
        }
        pack.seek(SeekFrom::Start(offset))?;
        let (kind, size) = object_header(&mut pack)?;
        match kind {
            COMMIT => break inflate(&mut pack, size)?,
            OFFSET_DELTA => {
                let back = base_distance(&mut pack)?;
                deltas.push(inflate(&mut pack, size)?);
                offset = offset.checked_sub(back).ok_or_else(|| malformed("a base lies before the pack"))?;
            }
            REFERENCE_DELTA => {
                let mut id = [0; 20];
                pack.read_exact(&mut id)?;
                deltas.push(inflate(&mut pack, size)?);
                let base = Index::open(File::open(index)?)?.offset(Oid(id))?;
                offset = base.ok_or_else(|| malformed("a base is not in the same pack"))?;
            }
            _ => return Err(malformed("the object is not a commit")),
        }
    };
    while let Some(delta) = deltas.pop() {
        content = apply(&content, &delta).ok_or_else(|| malformed("a difference is damaged"))?;
    }
    Ok(content)
}

/// The kind, and the size of the content when it is inflated.
fn object_header(pack: &mut impl Read) -> io::Result<(u8, u64)> {
    let first = byte(pack)?;
    let mut size = u64::from(first & 0x0f);
    let mut more = first;
    let mut shift = 4;
    while more & 0x80 != 0 {
        more = byte(pack)?;
        size |= u64::from(more & 0x7f).checked_shl(shift).unwrap_or_default();
        shift += 7;
    }
    if size > MAX_OBJECT_BYTES {
        return Err(malformed("the object is too large"));
    }
    Ok((first >> 4 & 7, size))
}

fn base_distance(pack: &mut impl Read) -> io::Result<u64> {
    let mut distance = 0_u64;
    loop {
        let next = byte(pack)?;
        if distance >= 1 << 56 {
            return Err(malformed("a base is too far away"));
        }
        distance = distance << 7 | u64::from(next & 0x7f);
        if next & 0x80 == 0 {
            return Ok(distance);
        }
        distance += 1;
    }
}

fn inflate(pack: &mut impl BufRead, size: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    ZlibDecoder::new(pack).take(size).read_to_end(&mut content)?;
    if content.len() as u64 == size { Ok(content) } else { Err(malformed("an object is shorter than it says")) }
}

/// Makes an object of its base and a difference: instructions to copy from the base or to insert what follows.
fn apply(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut rest = delta;
    if delta_size(&mut rest)? != base.len() as u64 {
        return None;
    }
    let size = delta_size(&mut rest).filter(|size| *size <= MAX_OBJECT_BYTES)?;
    let mut content = Vec::with_capacity(usize::try_from(size).ok()?);
    while let Some((instruction, after)) = rest.split_first() {
        rest = after;
        let part = if instruction & 0x80 == 0 {
            let (inserted, after) = rest.split_at_checked(usize::from(*instruction)).filter(|_| *instruction != 0)?;
            rest = after;
            inserted
        } else {
            let start = number(*instruction, 4, &mut rest)?;
            let length = match number(*instruction >> 4, 3, &mut rest)? {
                0 => 0x10000,
                length => length,
            };
            base.get(start..start.checked_add(length)?)?
        };
        if content.len() + part.len() > content.capacity() {
            return None;
        }
        content.extend_from_slice(part);
    }
    (content.len() as u64 == size).then_some(content)
}

fn delta_size(rest: &mut &[u8]) -> Option<u64> {
    let mut size = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        size |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(size);
        }
    }
    None
}

/// A number of up to `bytes` bytes, of which only those are there whose bit is set.
fn number(present: u8, bytes: u32, rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for place in 0..bytes {
        if present >> place & 1 != 0 {
            let (byte, after) = rest.split_first()?;
            *rest = after;
            value |= usize::from(*byte) << (8 * place);
        }
    }
    Some(value)
}

fn byte(source: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    source.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_copies_and_inserts() {
        // 11 bytes become 9: copy 5 from 0, insert " to", copy 1 from 4.
        let delta = [11, 9, 0x90, 5, 3, b' ', b't', b'o', 0x91, 4, 1];
        assert_eq!(apply(b"hello world", &delta).unwrap(), b"hello too");
    }

    #[test]
    fn a_damaged_difference_is_nothing() {
        let delta = [11, 9, 0x90, 5, 3, b' ', b't', b'o', 0x91, 4, 1];
        for length in 0..delta.len() {
            assert_eq!(apply(b"hello world", &delta[..length]), None, "{length}");
        }
        assert_eq!(apply(b"hello", &delta), None, "another base");
        assert_eq!(apply(b"hello world", &[11, 9, 0x91, 200, 9]), None, "a copy past the end");
        assert_eq!(apply(b"hello world", &[11, 1, 0]), None, "the reserved instruction");
        assert_eq!(apply(b"hello world", &[11, 1, 2, b'a', b'b']), None, "more than it says");
    }
}
