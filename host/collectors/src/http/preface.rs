//! Bounds what a server may send before its answer: interim responses (RFC 9110, section 15.2) without end would keep
//! the thread that all collectors share busy, and reach no limit, since hyper drops each of them.
//!
//! Owner: the connection. [`Preface::is_over`] is said once the answer is there; what follows is counted elsewhere.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most before an answer and of its head, in bytes.
const MAX_PREFACE: usize = 256 << 10;

/// Says that the answer is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Preface(Arc<AtomicBool>);

/// A stream of which so much is read until then.
pub(super) struct Bounded<S> {
    stream: S,
    preface: Preface,
    read: usize,
}

impl Preface {
    pub(super) fn is_over(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn bound<S>(&self, stream: S) -> Bounded<S> {
        Bounded { stream, preface: self.clone(), read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if !self.preface.0.load(Ordering::Relaxed) {
            self.read += buffer.filled().len() - before;
            if self.read > MAX_PREFACE {
                let words = format!("it sent more than {MAX_PREFACE} bytes before its answer");
                return Poll::Ready(Err(io::Error::other(words)));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
