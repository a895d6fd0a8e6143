//! This side of a pipe or of a terminal, read and written without waiting in the kernel.
//!
//! The one place that knows how such a descriptor says that it has come to its end. Dropping it closes this side.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, retry_on_intr, write};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The most bytes that are read at once: what a pipe holds, where nobody has made it larger.
pub(crate) const MAX_READ: usize = 64 << 10;

/// A descriptor that the current runtime watches.
#[derive(Debug)]
pub(crate) struct Descriptor {
    fd: AsyncFd<OwnedFd>,
}

impl Descriptor {
    /// Takes one over. Must be called within the runtime that is to watch it.
    ///
    /// # Errors
    /// The runtime cannot watch it: it is none of a pipe or terminal, or the system's limit is reached.
    pub(crate) fn new(fd: OwnedFd, interest: Interest) -> io::Result<Self> {
        fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        Ok(Descriptor { fd: watched(fd, interest)? })
    }

    /// Waits until there is something to read, and hands it over, at most [`MAX_READ`] bytes. Returns how many bytes
    /// these were, 0 at the end. Nothing is lost when the future is dropped.
    pub(crate) async fn read(&self, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        loop {
            let mut ready = self.fd.readable().await?;
            if let Ok(count) = ready.try_io(|fd| read_now(fd.as_fd(), &mut take)) {
                return count;
            }
        }
    }

    /// The same without waiting: what there is to read at this moment.
    ///
    /// # Errors
    /// Of the kind [`io::ErrorKind::WouldBlock`] where there is nothing.
    pub(crate) fn read_now(&self, take: impl FnMut(&[u8])) -> io::Result<usize> {
        read_now(self.fd.get_ref().as_fd(), take)
    }

    /// Waits until something can be written, and writes it. Returns how many bytes these were.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.fd.writable().await?;
            if let Ok(count) = ready.try_io(|fd| Ok(retry_on_intr(|| write(fd, bytes))?)) {
                return count;
            }
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.get_ref().as_fd()
    }
}

/// One read, through a buffer that does not outlive it: an idle process costs none.
fn read_now(fd: BorrowedFd<'_>, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
    let mut buffer = [const { MaybeUninit::uninit() }; MAX_READ];
    loop {
        return match read(fd, &mut buffer) {
            Ok((bytes, _)) => {
                take(bytes);
                Ok(bytes.len())
            }
            Err(Errno::INTR) => continue,
            // So a terminal says that nobody has its other side open any more.
            Err(Errno::IO) => Ok(0),
            Err(error) => Err(error.into()),
        };
    }
}

#[expect(unsafe_code, reason = "tokio has no safe way to watch a descriptor that may be a terminal's")]
fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned, so it stays open and the same until the returned value is dropped.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Size;
    use crate::terminal;

    #[tokio::test]
    async fn a_terminal_that_nobody_has_open_has_ended() {
        let (ours, theirs) = terminal::make(Size::default()).unwrap();
        let ours = Descriptor::new(ours, Interest::READABLE | Interest::WRITABLE).unwrap();
        write(&theirs, b"bye").unwrap();
        drop(theirs);
        let mut text = Vec::new();
        assert_eq!(ours.read(|bytes| text.extend_from_slice(bytes)).await.unwrap(), 3);
        assert_eq!(ours.read(|bytes| text.extend_from_slice(bytes)).await.unwrap(), 0);
        assert_eq!(text, b"bye");
    }

    #[tokio::test]
    async fn a_pipe_is_empty_and_then_at_its_end() {
        let (ours, theirs) = std::io::pipe().unwrap();
        let ours = Descriptor::new(ours.into(), Interest::READABLE).unwrap();
        let empty = ours.read_now(|_| ()).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        drop(theirs);
        assert_eq!(ours.read(|_| ()).await.unwrap(), 0);
    }
}
