//! Bodies on their way: counted against the instance's limits, and ended in time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use wasmtime_wasi_http::{Error, WasiBody};

use super::ledger::Ledger;

/// A request's body. Past the limit it fails, and with it the exchange.
pub(super) struct Sent {
    body: WasiBody,
    ledger: Arc<Ledger>,
}

/// A response's body. Past a limit it fails, and the guest's stream with it.
pub(super) struct Received {
    body: Incoming,
    ledger: Arc<Ledger>,
    origin: String,
    /// When the exchange has to be over.
    deadline: Pin<Box<Sleep>>,
    /// How long the guest itself wants to wait for each frame, and until when for this one.
    patience: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Sent {
    pub(super) fn new(body: WasiBody, ledger: Arc<Ledger>) -> Self {
        Sent { body, ledger }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            if self.ledger.send(bytes).is_err() {
                return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(self.ledger.limits().bytes)))));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Received {
    pub(super) fn new(
        body: Incoming,
        ledger: Arc<Ledger>,
        origin: String,
        deadline: Instant,
        patience: Option<Duration>,
    ) -> Self {
        let patience = patience.map(|patience| (patience, Box::pin(sleep_until(later(patience, deadline)))));
        Received { body, ledger, origin, deadline: Box::pin(sleep_until(deadline)), patience }
    }

    fn late(&self) -> Error {
        self.ledger.note_timeout(&self.origin);
        Error::HttpResponseTimeout
    }

    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Error> {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        if self.ledger.receive(bytes).is_err() {
            return Err(Error::HttpResponseBodySize(Some(self.ledger.limits().bytes)));
        }
        if let Some((patience, wait)) = &mut self.patience {
            let next = later(*patience, self.deadline.deadline());
            wait.as_mut().reset(next);
        }
        Ok(frame)
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // First, because a server that always has one more byte is late, too.
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(self.late())));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(self.frame(frame))),
            // The connection ends at the deadline as well, and may have been a little faster.
            Poll::Ready(Some(Err(_))) if Instant::now() >= self.deadline.deadline() => {
                Poll::Ready(Some(Err(self.late())))
            }
            Poll::Ready(Some(Err(e))) => Poll::Ready(Some(Err(broken(&e)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let Some((_, wait)) = &mut self.patience else { return Poll::Pending };
                ready!(wait.as_mut().poll(cx));
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// So long from now, or at the deadline, which needs no arithmetic beyond the clock.
fn later(patience: Duration, deadline: Instant) -> Instant {
    Instant::now().checked_add(patience).map_or(deadline, |at| at.min(deadline))
}

fn broken(error: &hyper::Error) -> Error {
    match error.is_parse() {
        true => Error::HttpProtocolError,
        false => Error::HttpResponseIncomplete,
    }
}
