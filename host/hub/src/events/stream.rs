//! What a client hears: server-sent events, one after another, in the body of an answer that does not end.
//!
//! The body makes each piece when the connection has room for it, so a client that reads slowly costs one piece and
//! what the connection buffers; one that does not read is cut off by the connection's own limit. Owner is the
//! connection: the place that a stream takes is free again when its body is dropped. A stream ends when the hub does,
//! and when the store does not answer; the client then comes back with the number that it heard last.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::beats::{Frame, Listening};
use super::feed::{Batch, Feed, NoBatch};
use crate::closing::Closing;
use crate::event::Event;
use crate::measure::Counted;

/// After this long without anything a comment is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);
/// A client's number is of another database, or what comes after it is not all kept. Without data it would not count.
const RESET: &str = "event: reset\ndata: {}\n\n";

/// A client's stream.
#[derive(Debug)]
pub(super) struct Stream {
    feed: Feed,
    beats: Option<Listening>,
    closing: Closing,
    quiet_since: Instant,
    /// What is sent before anything else.
    first: Option<String>,
    /// What the client knows as the last.
    told: u64,
    _place: Place,
}

/// What a stream holds while it lasts: one place of as many as there may be, and its part of the count.
pub(super) type Place = (OwnedSemaphorePermit, Counted);

impl Stream {
    /// The stream of a feed, and of beats where they are wanted. `reset`: the client has to read the state anew.
    pub(super) fn new((feed, reset): (Feed, bool), beats: Option<Listening>, closing: Closing, place: Place) -> Self {
        // A number alone: nothing is dispatched, but whoever comes back before the first event misses none.
        let at = feed.at();
        let first = format!("{}retry: {}\nid: {at}\n\n", if reset { RESET } else { "" }, RETRY.as_millis());
        Stream { feed, beats, closing, quiet_since: Instant::now(), first: Some(first), told: at, _place: place }
    }

    /// The answer that carries it.
    pub(super) fn into_response(self) -> Response {
        let pieces = unfold(self, |mut stream| async move {
            let piece = stream.piece().await?;
            stream.quiet_since = Instant::now();
            Some((Ok::<_, std::convert::Infallible>(piece), stream))
        });
        let headers = [
            (CONTENT_TYPE, "text/event-stream"),
            (CACHE_CONTROL, "no-store"),
            (VARY, "accept"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // Proxies of a common kind keep back what comes until it is worth sending.
            (HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        (headers, Body::from_stream(pieces)).into_response()
    }

    /// What is sent next; nothing at the end.
    async fn piece(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first.into());
        }
        loop {
            let batch = if self.feed.is_behind() {
                tokio::select! {
                    biased;
                    () = self.closing.wait() => return None,
                    // Nothing else interrupts it, so that it comes to an end however slow the disk is.
                    batch = self.feed.catch_up() => batch.map_err(NoBatch::from),
                }
            } else {
                tokio::select! {
                    biased;
                    () = self.closing.wait() => return None,
                    frame = next_frame(&mut self.beats) => return Some(frame.text.clone()),
                    batch = self.feed.live() => batch,
                    () = sleep_until(self.quiet_since + KEEP_ALIVE) => return Some(self.nothing_new()),
                }
            };
            match batch {
                Ok(batch) if batch.events.is_empty() && !batch.missed => {}
                Ok(batch) => return Some(self.events(&batch)),
                Err(error) => {
                    tracing::debug!(%error, "a stream of events ends");
                    return None;
                }
            }
        }
    }

    fn events(&mut self, batch: &Batch) -> Bytes {
        let mut text = String::new();
        if batch.missed {
            text += RESET;
        }
        for event in &batch.events {
            text += &written(event);
        }
        self.told = batch.events.last().map_or(self.told, |event| event.id);
        text.into()
    }

    /// A comment; and where the client knows an older number than it might, because it does not want what came since,
    /// the newer one, so that it does not ask for what is long forgotten.
    fn nothing_new(&mut self) -> Bytes {
        let at = self.feed.at();
        if std::mem::replace(&mut self.told, at) == at {
            return Bytes::from_static(b": nothing new\n\n");
        }
        format!(": nothing new\nid: {at}\n\n").into()
    }
}

/// An event as it is sent.
fn written(event: &Event) -> String {
    // Numbers, words and texts: this cannot fail. JSON has no line breaks outside of texts, and none inside.
    let json = serde_json::to_string(event).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {json}\n\n", event.id, event.kind.as_str())
}

/// Never for who does not want any.
async fn next_frame(beats: &mut Option<Listening>) -> Arc<Frame> {
    match beats {
        Some(listening) => listening.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::super::feed::Wanted;
    use super::*;
    use crate::config::Config;
    use crate::fleet::Registration;
    use crate::measure::Gauge;
    use crate::store::Store;

    #[tokio::test]
    async fn a_client_knows_its_place_from_the_start_and_while_nothing_comes_that_it_wants() {
        let store = Arc::new(Store::open(&Config::default()).unwrap());
        let register = async |id| store.register(Registration::by_report(id, jiff::Timestamp::now())).await.unwrap();
        register("before").await;
        let wanted = Wanted { sandbox_id: Some("other".into()), ..Wanted::default() };
        let feed = Feed::start(Arc::clone(&store), wanted, None).await.unwrap();
        let place = (Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(), Gauge::default().count());
        let (_open, closing) = Closing::later();
        let mut stream = Stream::new(feed, None, closing, place);
        tokio::time::pause();
        assert_eq!(stream.piece().await.unwrap(), "retry: 2000\nid: 1\n\n");
        assert_eq!(stream.piece().await.unwrap(), ": nothing new\n\n");
        tokio::time::resume();
        register("meanwhile").await;
        assert_eq!(stream.piece().await.unwrap(), ": nothing new\nid: 2\n\n");
        assert_eq!(stream.piece().await.unwrap(), ": nothing new\n\n");
        register("other").await;
        assert!(stream.piece().await.unwrap().starts_with(b"id: 3\nevent: registered\n"));
    }
}
