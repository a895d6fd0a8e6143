//! Reads a file of the plugins directory: bounded, and never waiting on something that is not a file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags};

/// Why a file was not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    NotFound,
    /// What it is instead of a file.
    NotAFile(&'static str),
    TooLarge(u64),
    /// The operating system's words.
    Io(String),
}

impl ReadError {
    /// The error about `what`, such as "the file".
    pub(crate) fn of(self, what: &str) -> String {
        match self {
            ReadError::NotFound => format!("{what} is not there, or is a link to nothing"),
            ReadError::NotAFile(kind) => format!("{what} is {kind}, not a file"),
            ReadError::TooLarge(most) if most < 1 << 20 => format!("{what} is larger than {} KiB", most >> 10),
            ReadError::TooLarge(most) => format!("{what} is larger than {} MiB", most >> 20),
            ReadError::Io(words) => format!("{what} cannot be read: {words}"),
        }
    }
}

/// The whole content of a regular file of at most `most` bytes. Blocks as the disk does.
pub(crate) fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    content(&mut open(path)?, most)
}

/// A regular file, opened for reading.
pub(crate) fn open(path: &Path) -> Result<File, ReadError> {
    // A pipe without a writer would hold a plain open for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|e| error(&e.into()))?;
    let stat = rustix::fs::fstat(&fd).map_err(|e| error(&e.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(ReadError::NotAFile("a folder")),
        FileType::Fifo => return Err(ReadError::NotAFile("a pipe")),
        FileType::CharacterDevice | FileType::BlockDevice => return Err(ReadError::NotAFile("a device")),
        _ => return Err(ReadError::NotAFile("something else")),
    }
    Ok(File::from(fd))
}

/// The rest of a file, of at most `most` bytes.
pub(crate) fn content(file: &mut File, most: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|e| error(&e))?;
    if bytes.len() as u64 > most { Err(ReadError::TooLarge(most)) } else { Ok(bytes) }
}

fn error(e: &io::Error) -> ReadError {
    match e.kind() {
        io::ErrorKind::NotFound => ReadError::NotFound,
        _ if e.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => ReadError::NotAFile("a socket"),
        _ => ReadError::Io(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_bearable_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "12345").unwrap();
        rustix::fs::mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert_eq!(bounded(&at("file"), 5).unwrap(), b"12345");
        assert_eq!(bounded(&at("file"), 4), Err(ReadError::TooLarge(4)));
        assert_eq!(bounded(&at("link"), 4), Err(ReadError::NotFound));
        assert_eq!(bounded(&at("pipe"), 4), Err(ReadError::NotAFile("a pipe")));
        assert_eq!(bounded(&at("socket"), 4), Err(ReadError::NotAFile("a socket")));
        assert_eq!(bounded(dir.path(), 4), Err(ReadError::NotAFile("a folder")));
    }
}
