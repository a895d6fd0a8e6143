//! A stream whose writes end in an error when the other side does not read, or too slowly.
//!
//! Without it, a client that asks and never reads the answer would keep its connection for ever, and one that reads a
//! little now and then nearly so. The time runs from the first write that has to wait until all is written, whatever
//! comes in between: an answer has it as a whole, a stream of events as long as its client is behind.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A client that reads at least so many bytes in a second is not too slow.
const LEAST: u64 = 4 << 10;

/// The stream.
pub(crate) struct Stall<S> {
    inner: S,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    /// The timer runs: since a write had to wait, not all has been written.
    waiting: bool,
}

impl<S> Stall<S> {
    /// Gives what has to wait `limit`, and what its bytes take at the least rate.
    pub(crate) fn new(inner: S, limit: Duration) -> Self {
        Stall { inner, limit, timer: Box::pin(sleep(limit)), waiting: false }
    }

    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) if self.waiting => {
                let millis = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1000) / LEAST;
                let end = self.timer.deadline() + Duration::from_millis(millis);
                // However much was read before, nobody stands still for longer than this.
                self.timer.as_mut().reset(end.min(Instant::now() + self.limit * 2));
                written
            }
            Poll::Pending => self.poll_late(cx),
            _ => written,
        }
    }

    fn all_written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        if written.is_ready() {
            self.waiting = false;
            return written;
        }
        self.poll_late(cx)
    }

    fn poll_late<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if !self.waiting {
            self.waiting = true;
            self.timer.as_mut().reset(Instant::now() + self.limit);
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read, or too slowly")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stall<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stall<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, data);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, data);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.all_written(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.all_written(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_reads_ends() {
        let (here, _there) = duplex(4);
        let mut stream = Stall::new(here, LIMIT);
        let start = Instant::now();
        let error = stream.write_all(b"too much").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), LIMIT);
    }

    /// How long writing 64 KiB takes with a client that reads so many bytes of them each second.
    async fn takes(each_second: usize) -> io::Result<Duration> {
        let (here, mut there) = duplex(1 << 10);
        let mut stream = Stall::new(here, LIMIT);
        let start = Instant::now();
        let reading = async {
            let mut read = vec![0; each_second];
            loop {
                sleep(Duration::from_secs(1)).await;
                if there.read_exact(&mut read).await.is_err() {
                    return;
                }
            }
        };
        let writing = async {
            stream.write_all(&[0; 64 << 10]).await?;
            stream.flush().await?;
            Ok(start.elapsed())
        };
        tokio::select! {
            written = writing => written,
            () = reading => panic!("the stream has ended"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_fine_and_one_that_drips_is_not() {
        assert!(takes(4 << 10).await.unwrap() > LIMIT);
        for dripping in [1, 100, 2 << 10] {
            assert_eq!(takes(dripping).await.unwrap_err().kind(), io::ErrorKind::TimedOut, "{dripping}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_runs_anew_once_all_was_written() {
        let (here, mut there) = duplex(4);
        let mut stream = Stall::new(here, LIMIT);
        let start = Instant::now();
        for _ in 0..3 {
            let reading = async {
                sleep(LIMIT * 2 / 3).await;
                there.read_exact(&mut [0; 8]).await.unwrap();
            };
            let writing = async {
                stream.write_all(b"8 bytes.").await.unwrap();
                stream.flush().await.unwrap();
            };
            tokio::join!(reading, writing);
        }
        assert_eq!(start.elapsed(), LIMIT * 2);
    }
}
