//! A file that is appended to and set aside when it is full: `web.log`, `web.log.1`, `web.log.2`, oldest last.
//!
//! One thread owns an [`Appender`]; everything in here may take as long as the disk does. The crates that do this
//! (`file-rotate`, `rolling-file`) panic where the directory is missing, or drop errors of renaming or print them; a
//! sandbox's disk is full more often than that is bearable, and this is two renames.
//!
//! Invariants: no file is larger than its bound; a line is only cut where it alone is larger than that; whoever
//! renames, truncates or removes the file finds a new one written to from the next append on. After a failure the
//! file is opened anew, and what was cut off by it is ended.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A program's output may hold secrets.
const MODE: u32 = 0o640;

/// Appends to a file.
#[derive(Debug)]
pub(crate) struct Appender {
    path: PathBuf,
    max_size: u64,
    keep: u32,
    open: Option<Open>,
}

/// Why a text was not written whole.
#[derive(Debug)]
pub(crate) struct Failed {
    /// How many bytes of it were.
    pub(crate) written: usize,
    pub(crate) error: io::Error,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    /// The device and the number of the file.
    id: (u64, u64),
}

impl Appender {
    /// Nothing is opened before the first append.
    pub(crate) fn new(path: &Path, max_size: u64, keep: u32) -> Self {
        Appender { path: path.to_owned(), max_size: max_size.max(1), keep, open: None }
    }

    /// Appends lines, setting the file aside as often as it is full.
    ///
    /// # Errors
    /// The file cannot be opened, written, or set aside.
    pub(crate) fn append(&mut self, text: &[u8]) -> Result<(), Failed> {
        let mut written = 0;
        while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
            match self.append_some(rest) {
                Ok(count) => written += count,
                Err(error) => {
                    self.open = None;
                    return Err(Failed { written, error });
                }
            }
        }
        Ok(())
    }

    /// Appends what fits; nothing where the file had to be set aside first.
    fn append_some(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.open.as_ref().is_none_or(|open| !open.is_at(&self.path)) {
            self.open = Some(open(&self.path)?);
        }
        let Some(open) = &mut self.open else { return Ok(0) };
        let fitting = fitting(text, self.max_size.saturating_sub(open.size), open.size == 0);
        if fitting == 0 {
            self.open = None;
            self.set_aside()?;
            return Ok(0);
        }
        let count = open.file.write(text.get(..fitting).unwrap_or_default())?;
        open.size += count as u64;
        if count == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) }
    }

    fn set_aside(&self) -> io::Result<()> {
        if self.keep == 0 {
            return there(fs::remove_file(&self.path));
        }
        for number in (1..self.keep).rev() {
            there(fs::rename(self.numbered(number), self.numbered(number + 1)))?;
        }
        there(fs::rename(&self.path, self.numbered(1)))
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// How much of a text is appended to a file with this much room: the lines that fit; of a line that fits into no
/// file, what does. 0 where a new file is to be begun.
fn fitting(text: &[u8], room: u64, is_empty: bool) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(text.len());
    if room == text.len() {
        return room;
    }
    let lines = text.get(..room).and_then(|text| memchr::memrchr(b'\n', text)).map_or(0, |end| end + 1);
    if lines == 0 && is_empty { room } else { lines }
}

fn open(path: &Path) -> io::Result<Open> {
    // Not to wait for the reader of a named pipe; it is refused below.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut options = OpenOptions::new();
    let opened = options.read(true).append(true).create(true).mode(MODE).custom_flags(flags).open(path);
    let mut file = opened.map_err(|error| match path.parent() {
        Some(parent) if error.kind() == io::ErrorKind::NotFound && !parent.is_dir() => {
            io::Error::new(error.kind(), format!("its directory {} does not exist; create it", parent.display()))
        }
        _ => error,
    })?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file; name another"));
    }
    let mut size = metadata.len();
    let mut last = [b'\n'];
    if size > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
        size += 1;
    }
    Ok(Open { file, size, id: (metadata.dev(), metadata.ino()) })
}

impl Open {
    /// Whether it is still what its path names, and nobody has shortened it.
    fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|named| (named.dev(), named.ino()) == self.id && named.len() >= self.size)
    }
}

/// What is not there needs neither to be renamed nor removed.
fn there(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn what_fits_is_whole_lines() {
        assert_eq!(fitting(b"one\ntwo\n", 8, false), 8);
        assert_eq!(fitting(b"one\ntwo\n", 7, false), 4);
        assert_eq!(fitting(b"one\ntwo\n", 3, false), 0, "a new file is begun");
        assert_eq!(fitting(b"one\ntwo\n", 3, true), 3, "a line that fits into no file is cut");
        assert_eq!(fitting(b"begun", 9, false), 5);
    }

    #[test]
    fn full_files_are_set_aside_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.log");
        let mut appender = Appender::new(&path, 8, 2);
        appender.append(b"1111111\n222\n333\n4444444\n5\n6\n").unwrap();
        assert_eq!(read(&path), "5\n6\n");
        assert_eq!(read(&path.with_extension("log.1")), "4444444\n");
        assert_eq!(read(&path.with_extension("log.2")), "222\n333\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777 & !0o640, 0);
        Appender::new(&path, 8, 0).append(b"77777\n").unwrap();
        assert_eq!(read(&path), "77777\n");
    }

    #[test]
    fn a_file_that_somebody_took_away_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.log");
        fs::write(&path, "cut off").unwrap();
        let mut appender = Appender::new(&path, 1000, 1);
        appender.append(b"one\n").unwrap();
        assert_eq!(read(&path), "cut off\none\n");
        fs::rename(&path, dir.path().join("moved")).unwrap();
        appender.append(b"two\n").unwrap();
        assert_eq!(read(&path), "two\n");
    }

    #[test]
    fn what_cannot_be_written_to_says_why_and_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/web.log");
        let mut appender = Appender::new(&path, 1000, 1);
        let failed = appender.append(b"one\n").unwrap_err();
        assert_eq!(failed.written, 0);
        assert_eq!(
            failed.error.to_string(),
            format!("its directory {} does not exist; create it", dir.path().join("logs").display())
        );
        fs::create_dir(dir.path().join("logs")).unwrap();
        appender.append(b"two\n").unwrap();
        assert_eq!(read(&path), "two\n");
        let full = Appender::new(Path::new("/dev/full"), 1000, 1).append(b"x\n").unwrap_err();
        assert_eq!(full.error.to_string(), "it is not a regular file; name another");
    }
}
