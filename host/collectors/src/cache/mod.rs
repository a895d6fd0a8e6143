//! Compiled artifacts on disk, so that a component is compiled once per machine.
//!
//! An artifact is native code: whoever can write here can run code as the agent. The folder is therefore private to
//! the agent's user (see [`private`]), and so is each artifact that is used. A file is written beside its place, synced
//! and renamed, and never changed afterwards, because a running agent has it mapped (wasmtime#10283). It is named by
//! its component's digest and by the key of everything else that it depends on (see [`crate::key`]). Beside it lies a
//! small file with its length, its checksum and the component's shape: an artifact that the disk has damaged, or whose
//! small file is not as it should be, counts as absent, and the next one that is kept takes its place.
//!
//! In the same folder the digests of large components are remembered (see [`known`]); that file is no artifact and
//! small. The folder is bounded: what was used longest ago goes first, as told by the time of modification, which each
//! use sets. Several agents may share a folder: files are replaced and unlinked as a whole, and one that has gone is
//! compiled again.

mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::cache::known::Known;
use crate::private::{self, UNFINISHED};
use crate::read;
use crate::shape::Shape;

/// How much of an artifact is read at once.
const CHUNK: usize = 256 << 10;
/// Of smaller artifacts one thread reads all, in bytes.
const LARGE: u64 = 8 << 20;
/// The largest file beside an artifact, in bytes.
const MAX_BESIDE: u64 = 4096;
/// No compilation takes this long.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);
/// What belongs to one artifact, by the ends of the names; `sha256` is what earlier versions put beside it. The
/// artifact comes last, so that one whose removal was cut short is not found.
const PARTS: [&str; 3] = ["json", "sha256", "cwasm"];

/// The folder of artifacts.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    key: String,
    max_bytes: u64,
    known: Arc<Known>,
    /// What may not be removed is more than the bound; said when it begins.
    crowded: Arc<AtomicBool>,
}

/// An artifact that is as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) shape: Shape,
}

/// What lies beside an artifact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Beside {
    /// In bytes.
    length: u64,
    /// XXH3 of the XXH3 of both halves. The folder is private, so it need only notice what a disk does.
    checksum: u64,
    shape: Shape,
}

/// What one artifact takes in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Usage {
    bytes: u64,
    used: SystemTime,
}

impl Cache {
    /// Opens the configured folder, or the first usable one of the usual places. Artifacts that do not depend on
    /// `key` are not seen, but they count: all of them together take at most `max_bytes` bytes (see [`Cache::trim`]).
    ///
    /// # Errors
    /// In words for the operator, with the key to change.
    pub(crate) fn open(configured: Option<&Path>, key: &str, max_bytes: u64) -> Result<Self, String> {
        let dir = private::folder(configured, &private::CACHE)?;
        sweep(&dir);
        let known = Arc::new(Known::within(&dir));
        Ok(Cache { dir, key: key.to_owned(), max_bytes, known, crowded: Arc::default() })
    }

    /// The digests of large components' files.
    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    /// The artifact of a component, if it is there and as it was written. Reads all of it, and notes that it is used.
    pub(crate) fn find(&self, digest: &str) -> Option<Found> {
        let (path, beside) = self.places(digest);
        let beside = read::bounded(&beside, MAX_BESIDE).ok()?;
        let beside: Beside = serde_json::from_slice(&beside).ok()?;
        let file = File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        // Of the file that is open, whatever the folder was when it was checked.
        if !metadata.is_file() || !private::is_own(&metadata) || metadata.len() != beside.length {
            return None;
        }
        if checksum(&file).ok()? != (beside.length, beside.checksum) {
            return None;
        }
        note_use(&file);
        Some(Found { path, shape: beside.shape })
    }

    /// A new file beside the artifacts, to be filled and then [`Cache::keep`]ed.
    pub(crate) fn begin(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.dir)
    }

    /// Puts a filled file in its place, and makes room by removing what was used longest ago; never what belongs to
    /// this digest or a pinned one.
    pub(crate) fn keep(
        &self,
        file: NamedTempFile,
        digest: &str,
        shape: Shape,
        pinned: &BTreeSet<String>,
    ) -> io::Result<PathBuf> {
        file.as_file().sync_all()?;
        let (length, checksum) = checksum(file.as_file())?;
        let mut new = self.begin()?;
        new.write_all(&serde_json::to_vec(&Beside { length, checksum, shape })?)?;
        new.as_file().sync_all()?;
        let (path, beside) = self.places(digest);
        // Of two agents that write the same, each pair fits: one that does not counts as damaged.
        new.persist(beside).map_err(|e| e.error)?;
        file.persist(&path).map_err(|e| e.error)?;
        File::open(&self.dir)?.sync_all()?;
        let mut pinned = pinned.clone();
        pinned.insert(digest.to_owned());
        self.trim(&pinned);
        Ok(path)
    }

    /// Removes what was used longest ago until the rest is within the bound. What is pinned (digests of components
    /// that run, or that may be gone back to) stays even when it is beyond the bound by itself, which is then said.
    pub(crate) fn trim(&self, pinned: &BTreeSet<String>) {
        let all = usage(&self.dir);
        let pinned: BTreeSet<String> = pinned.iter().map(|digest| self.stem(digest)).collect();
        let (surplus, rest) = surplus(&all, &pinned, self.max_bytes);
        for stem in surplus {
            for part in PARTS {
                // Not there, or another agent was quicker; what cannot be removed is tried again the next time.
                let _ = std::fs::remove_file(self.dir.join(format!("{stem}.{part}")));
            }
        }
        let crowded = rest > self.max_bytes;
        if crowded && !self.crowded.swap(crowded, Ordering::Relaxed) {
            tracing::warn!(
                "the compiled collectors in use take {} MiB and are kept, although plugins.cache_size is {} MiB; raise it",
                rest.div_ceil(1 << 20),
                self.max_bytes >> 20
            );
        }
        self.crowded.store(crowded, Ordering::Relaxed);
    }

    /// Where the artifact and the file beside it lie.
    fn places(&self, digest: &str) -> (PathBuf, PathBuf) {
        let stem = self.stem(digest);
        (self.dir.join(format!("{stem}.cwasm")), self.dir.join(format!("{stem}.json")))
    }

    fn stem(&self, digest: &str) -> String {
        format!("{digest}-{}", self.key)
    }
}

/// Which artifacts are to go, and how many bytes the others take.
fn surplus<'a>(all: &'a BTreeMap<String, Usage>, pinned: &BTreeSet<String>, max_bytes: u64) -> (Vec<&'a str>, u64) {
    let mut rest: u64 = all.values().map(|usage| usage.bytes).sum();
    let mut by_use: Vec<(&String, &Usage)> = all.iter().filter(|(stem, _)| !pinned.contains(*stem)).collect();
    by_use.sort_by_key(|(_, usage)| usage.used);
    let mut go = Vec::new();
    for (stem, usage) in by_use {
        if rest <= max_bytes {
            break;
        }
        rest -= usage.bytes;
        go.push(stem.as_str());
    }
    (go, rest)
}

/// What lies in the folder, by the part of the names that the files of one artifact share.
fn usage(dir: &Path) -> BTreeMap<String, Usage> {
    let mut all: BTreeMap<String, Usage> = BTreeMap::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(stem) = name.to_str().and_then(stem_of) else { continue };
        // It may have gone in between.
        let Ok(found) = entry.metadata() else { continue };
        let used = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let usage = all.entry(stem.to_owned()).or_insert(Usage { bytes: 0, used });
        usage.bytes += found.len();
        usage.used = usage.used.max(used);
    }
    all
}

/// The name without its end, if it is one of ours: of a folder that someone else uses as well, nothing else is
/// touched. `DIGEST` alone is the form of earlier versions.
fn stem_of(name: &str) -> Option<&str> {
    let (stem, end) = name.rsplit_once('.')?;
    let (digest, key) = stem.split_once('-').map_or((stem, None), |(digest, key)| (digest, Some(key)));
    let hexadecimal = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    let ours = PARTS.contains(&end) && hexadecimal(digest, 64) && key.is_none_or(|key| hexadecimal(key, 16));
    ours.then_some(stem)
}

/// A file's length and checksum, without holding all of it: the two halves of a large one are read by two threads.
fn checksum(file: &File) -> io::Result<(u64, u64)> {
    let length = file.metadata()?.len();
    let half = length / 2;
    let first = move || checksum_of(file, 0..half);
    let second = move || checksum_of(file, half..length);
    let both = if length < LARGE {
        [first()?, second()?]
    } else {
        thread::scope(|scope| match thread::Builder::new().name("checksum".into()).spawn_scoped(scope, first) {
            Ok(beside) => {
                let second = second();
                Ok([beside.join().map_err(|_| io::Error::other("a thread has ended"))??, second?])
            }
            // The sandbox may have no more threads.
            Err(_) => Ok::<_, io::Error>([first()?, second()?]),
        })?
    };
    let both = both.map(u64::to_le_bytes);
    Ok((length, xxh3_64(both.as_flattened())))
}

fn checksum_of(file: &File, mut part: Range<u64>) -> io::Result<u64> {
    let mut hasher = Xxh3::new();
    let mut chunk = vec![0; CHUNK];
    while !part.is_empty() {
        let most = usize::try_from(part.end - part.start).map_or(CHUNK, |rest| rest.min(CHUNK));
        match file.read_at(&mut chunk[..most], part.start) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                hasher.update(&chunk[..read]);
                part.start += read as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(hasher.digest())
}

/// Best effort: on a disk that is only read, the order of removal has no meaning.
fn note_use(file: &File) {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let _ = rustix::fs::futimens(file, &Timestamps { last_access: omit, last_modification: now });
}

/// Removes what an agent that was killed left half-written.
fn sweep(dir: &Path) {
    let is_old = |entry: &std::fs::DirEntry| {
        let modified = entry.metadata().and_then(|found| found.modified());
        modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > LEFT_BEHIND))
    };
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && is_old(&entry) {
            // It is tried again at the next start.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
