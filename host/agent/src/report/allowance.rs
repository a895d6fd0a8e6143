//! How much a hub may send in one exchange, whatever it is: heads of interim answers without end, TLS records without
//! content, an answer that never stops. Reading it would keep the beat's thread busy.
//!
//! The stream is wrapped below TLS. Past the allowance it fails, and with it the connection; each exchange has a new
//! one.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// In bytes: several times what the largest head, answer and chain of certificates that are read take together.
const ALLOWANCE: usize = 512 * 1024;

/// What is left of an exchange's allowance. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Arc<AtomicUsize>);

/// The hub sent more than it may.
#[derive(Debug)]
pub(super) struct Exceeded;

/// A stream of which no more is read than is allowed.
#[derive(Debug)]
pub(super) struct Limited<S> {
    stream: S,
    allowance: Allowance,
}

impl Allowance {
    /// That of a first exchange.
    pub(super) fn new() -> Self {
        Allowance(Arc::new(AtomicUsize::new(ALLOWANCE)))
    }

    /// Another exchange begins.
    pub(super) fn renew(&self) {
        self.0.store(ALLOWANCE, Ordering::Relaxed);
    }

    pub(super) fn of<S>(&self, stream: S) -> Limited<S> {
        Limited { stream, allowance: self.clone() }
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed).checked_sub(bytes).ok_or_else(|| io::Error::other(Exceeded))?;
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it sends more than {} KiB for one report", ALLOWANCE / 1024)
    }
}

impl std::error::Error for Exceeded {}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(self.allowance.spend(buffer.filled().len() - before)),
            other => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn each_exchange_may_read_as_much_and_no_more() {
        let allowance = Allowance::new();
        let mut stream = allowance.of(tokio::io::repeat(b'x'));
        let mut read = vec![0; ALLOWANCE];
        for _ in 0..2 {
            stream.read_exact(&mut read).await.unwrap();
            allowance.renew();
        }
        stream.read_exact(&mut read).await.unwrap();
        let failed = stream.read_exact(&mut read[..1]).await.unwrap_err();
        assert!(failed.get_ref().is_some_and(|inner| inner.is::<Exceeded>()), "{failed}");
    }
}
