//! A response's body that is written while it is sent.
//!
//! The writer is a future inside of the body and is polled with it: it belongs to its connection's task, goes on only
//! when there is room for what it writes, and ends with the connection. Nothing is buffered but one chunk.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

/// Where a writer leaves its chunks.
#[derive(Clone, Debug)]
pub(super) struct Chunks(mpsc::Sender<Bytes>);

struct Pump {
    writer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    chunks: mpsc::Receiver<Bytes>,
}

/// The body that a writer makes.
pub(super) fn body<F>(writer: impl FnOnce(Chunks) -> F) -> Body
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, chunks) = mpsc::channel(1);
    Body::new(Pump { writer: Some(Box::pin(writer(Chunks(sender)))), chunks })
}

impl Chunks {
    /// Waits until the chunk is taken. A body that is gone takes its writer with it, so that there is nothing to tell.
    pub(super) async fn write(&self, chunk: impl Into<Bytes>) {
        let _ = self.0.send(chunk.into()).await;
    }
}

impl HttpBody for Pump {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(writer) = &mut self.writer
            && writer.as_mut().poll(cx).is_ready()
        {
            self.writer = None;
        }
        self.chunks.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_ends_with_its_writer() {
        let body = body(|chunks| async move {
            for word in ["a", "b", "c"] {
                chunks.write(word).await;
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
    }
}
