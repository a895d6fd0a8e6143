//! The index, in the versions 2, 3 and 4 of its format (gitformat-index).
//!
//! The whole file is read at once: git replaces it by a rename, so that what was opened is one consistent state. Its
//! entries are then walked in place, which keeps the memory at the size of the file.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::budget::{MAX_INDEX_BYTES, Unknown};
use crate::oid::Oid;

/// A read index.
#[derive(Debug)]
pub(crate) struct Index {
    data: Vec<u8>,
    version: u32,
    count: u32,
    /// When the file was written: an entry that is not older may have changed without a trace.
    pub(crate) written: Time,
    /// The tree that all entries together make, where git noted it.
    pub(crate) tree: Option<Oid>,
}

/// Seconds and nanoseconds as an index has them: modulo 2³², and without the latter where 0 stands for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time {
    pub(crate) seconds: u32,
    pub(crate) nanos: u32,
}

/// What the index says of one path.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// When the file was written, as of the last look.
    pub(crate) modified: Time,
    /// The size of the file modulo 2³², as of the last look; 0 also when git does not trust it.
    pub(crate) size: u32,
    /// Kind and permissions, as in a tree.
    pub(crate) mode: u32,
    /// The content.
    pub(crate) oid: Oid,
    /// One side of a merge that is not resolved.
    pub(crate) unmerged: bool,
    /// Said to be there, without a content yet (`git add -N`).
    pub(crate) intent_to_add: bool,
    /// Not to be compared: the user said so, or it is not checked out.
    pub(crate) skip: bool,
}

/// A walk over the entries, in the order of their paths.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    rest: Reader<'a>,
    version: u32,
    left: u32,
    path: Vec<u8>,
}

impl Index {
    /// Reads an index; one that is not there has no entries.
    pub(crate) fn read(path: &Path) -> Result<Self, Unknown> {
        let wrong = |error: std::io::Error| Unknown::io("the index", &error);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::empty()),
            Err(error) => return Err(wrong(error)),
        };
        let written = Time::of(&file.metadata().map_err(wrong)?);
        let mut data = Vec::new();
        file.take(MAX_INDEX_BYTES + 1).read_to_end(&mut data).map_err(wrong)?;
        if data.len() as u64 > MAX_INDEX_BYTES {
            return Err(Unknown::new(format_args!("the index has more than {} MiB", MAX_INDEX_BYTES >> 20)));
        }
        Self::parse(data, written)
    }

    /// Walks its entries, whose paths the walk keeps.
    pub(crate) fn entries(&self) -> Entries<'_> {
        let rest = Reader { data: &self.data, at: HEADER };
        Entries { rest, version: self.version, left: self.count, path: Vec::new() }
    }

    fn empty() -> Self {
        Self { data: Vec::new(), version: 2, count: 0, written: Time { seconds: 0, nanos: 0 }, tree: None }
    }

    fn parse(mut data: Vec<u8>, written: Time) -> Result<Self, Unknown> {
        let mut header = Reader { data: &data, at: 0 };
        if header.take(4)? != b"DIRC" {
            return Err(damaged());
        }
        let (version, count) = (header.u32()?, header.u32()?);
        if !(2..=4).contains(&version) {
            return Err(Unknown::new(format_args!("the index has the version {version}")));
        }
        // The checksum at the end is not verified: a rename put the file there whole, and git may leave it out.
        data.truncate(data.len().saturating_sub(20));
        let mut index = Self { data, version, count, written, tree: None };
        let mut entries = index.entries();
        while entries.next()?.is_some() {}
        let extensions = entries.rest.at;
        index.tree = index.read_extensions(extensions)?;
        Ok(index)
    }

    /// The tree, if it is noted. An extension that has to be understood has a name in lower case.
    fn read_extensions(&self, at: usize) -> Result<Option<Oid>, Unknown> {
        let mut rest = Reader { data: &self.data, at };
        let mut tree = None;
        while rest.at < self.data.len() {
            let name = rest.take(4)?;
            let size = rest.u32()? as usize;
            let content = rest.take(size)?;
            match name {
                b"TREE" => tree = root_tree(content),
                _ if name[0].is_ascii_uppercase() => {}
                _ => {
                    let name = String::from_utf8_lossy(name);
                    return Err(Unknown::new(format_args!("the index has the extension {name:?}")));
                }
            }
        }
        Ok(tree)
    }
}

impl Entries<'_> {
    /// The next entry; its path is then [`Self::path`].
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Unknown> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let start = self.rest.at;
        self.rest.take(8)?;
        let modified = Time { seconds: self.rest.u32()?, nanos: self.rest.u32()? };
        self.rest.take(8)?;
        let mode = self.rest.u32()?;
        self.rest.take(8)?;
        let size = self.rest.u32()?;
        let oid = Oid(self.rest.array()?);
        let flags = u16::from_be_bytes(self.rest.array()?);
        let more = if flags & 0x4000 == 0 { 0 } else { u16::from_be_bytes(self.rest.array()?) };
        if self.version == 4 {
            let removed = self.rest.offset()?;
            let kept = usize::try_from(removed).ok().and_then(|removed| self.path.len().checked_sub(removed));
            self.path.truncate(kept.ok_or_else(damaged)?);
            self.path.extend_from_slice(self.rest.until_nul()?);
        } else {
            self.path.clear();
            self.path.extend_from_slice(self.rest.until_nul()?);
            // The NUL that was read is the first of one to eight that fill up to a multiple of eight.
            let length = self.rest.at - start;
            self.rest.take(length.next_multiple_of(8) - length)?;
        }
        Ok(Some(Entry {
            modified,
            size,
            mode,
            oid,
            unmerged: flags & 0x3000 != 0,
            intent_to_add: more & 0x2000 != 0,
            skip: flags & 0x8000 != 0 || more & 0x4000 != 0,
        }))
    }

    /// The path of the entry that was returned last.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }
}

impl Time {
    /// When a file was written. A time before 1970 is one that no entry has.
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        let since = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        match since {
            #[expect(clippy::cast_possible_truncation, reason = "the format has the seconds modulo 2³²")]
            Some(since) => Self { seconds: since.as_secs() as u32, nanos: since.subsec_nanos() },
            None => Self { seconds: u32::MAX, nanos: 0 },
        }
    }

    /// Whether this, from the index, is the file's time.
    pub(crate) fn is(self, file: Self) -> bool {
        self.seconds == file.seconds && (self.nanos == 0 || self.nanos == file.nanos)
    }

    /// Whether a file with this time, from the index, may have changed unnoticed since the index was written.
    pub(crate) fn is_racy(self, written: Self) -> bool {
        if self.nanos == 0 || written.nanos == 0 { self.seconds >= written.seconds } else { self >= written }
    }
}

const HEADER: usize = 12;

/// The id of the whole tree from the extension `TREE`, unless an entry changed since it was noted.
fn root_tree(content: &[u8]) -> Option<Oid> {
    let content = content.strip_prefix(b"\0")?;
    let end = content.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = content.split_at(end);
    let (entries, _) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    entries.parse::<u32>().ok()?;
    rest.get(1..21)?.try_into().ok().map(Oid)
}

fn damaged() -> Unknown {
    Unknown::new("the index is damaged")
}

#[derive(Debug)]
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unknown> {
        let end = self.at.checked_add(length).ok_or_else(damaged)?;
        let taken = self.data.get(self.at..end).ok_or_else(damaged)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unknown> {
        self.take(N)?.try_into().map_err(|_| damaged())
    }

    fn u32(&mut self) -> Result<u32, Unknown> {
        self.array().map(u32::from_be_bytes)
    }

    fn until_nul(&mut self) -> Result<&'a [u8], Unknown> {
        let rest = self.data.get(self.at..).ok_or_else(damaged)?;
        let length = rest.iter().position(|byte| *byte == 0).ok_or_else(damaged)?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    /// A number in the encoding of pack offsets.
    fn offset(&mut self) -> Result<u64, Unknown> {
        let mut value = 0_u64;
        loop {
            let [byte] = self.array()?;
            value = value.checked_shl(7).filter(|_| value < 1 << 50).ok_or_else(damaged)? | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            value += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_found_and_never_a_panic() {
        let whole = include_bytes!("../tests/fixtures/project/dot-git/index");
        let time = Time { seconds: 0, nanos: 0 };
        assert!(Index::parse(whole.to_vec(), time).is_ok());
        for length in 0..whole.len() - 20 {
            // Shorter by an extension is an index, too.
            let _ = Index::parse(whole[..length].to_vec(), time);
        }
        assert!(Index::parse(whole[..100].to_vec(), time).is_err());
        for at in 0..whole.len() {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 0xff;
            let _ = Index::parse(flipped, time);
        }
    }

    #[test]
    fn nanoseconds_count_where_there_are_any() {
        let time = |seconds, nanos| Time { seconds, nanos };
        assert!(time(5, 0).is(time(5, 7)) && time(5, 7).is(time(5, 7)));
        assert!(!time(5, 6).is(time(5, 7)) && !time(5, 0).is(time(6, 0)));
        assert!(time(5, 7).is_racy(time(5, 7)) && time(5, 8).is_racy(time(5, 7)) && !time(5, 6).is_racy(time(5, 7)));
        assert!(time(5, 0).is_racy(time(5, 7)) && time(5, 7).is_racy(time(5, 0)) && !time(4, 0).is_racy(time(5, 7)));
    }
}
