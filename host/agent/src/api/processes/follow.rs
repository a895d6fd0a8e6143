//! A log as it comes: server-sent events, one per entry.
//!
//! The stream ends when the process has ended for good and all that it wrote was sent, when it is deleted, and when
//! the agent ends. While nothing comes, a comment now and then keeps what is between awake. A reader that is slower
//! than the process misses what the ring drops, which the ids show.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sandbeat_supervisor::{Handle, Line};
use tokio::time::sleep;

use super::Shared;
use super::logs::{Cursor, Entry};
use crate::api::problem::Problem;
use crate::api::pump::{self, Chunks};
use crate::api::shared::Closing;

/// After this long without an event a comment is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The events of one process from a place in its log on.
///
/// # Errors
/// Too many follow already.
pub(super) fn events(shared: &Shared, id: String, cursor: Cursor) -> Result<Response, Problem> {
    let place = shared.places.follower()?;
    let (processes, closing) = (shared.state.sources.processes.clone(), shared.closing.clone());
    let body = pump::body(|chunks| async move {
        write(chunks, &processes, &id, cursor, closing).await;
        drop(place);
    });
    Ok(([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")], body).into_response())
}

/// The number in `Last-Event-ID`, which says what its sender has seen.
///
/// # Errors
/// It is not a number.
pub(super) fn last_event(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(Some).ok_or_else(|| Problem::invalid("Last-Event-ID is not the id of an event here, which is a number"))
}

async fn write(chunks: Chunks, processes: &Handle, id: &str, mut cursor: Cursor, mut closing: Closing) {
    let mut changes = processes.changes();
    loop {
        changes.borrow_and_update();
        // In this order: whoever has ended writes nothing that the look into the log would miss.
        let over = is_over(processes, id, &cursor);
        let lines = cursor.next();
        if !lines.is_empty() {
            chunks.write(lines.into_iter().map(event).collect::<String>()).await;
            continue;
        }
        if over {
            return;
        }
        tokio::select! {
            () = closing.closed() => return,
            () = cursor.log.changed(cursor.after), if cursor.log.is_open() => {}
            changed = changes.changed() => if changed.is_err() { return },
            () = sleep(KEEP_ALIVE) => chunks.write(": nothing new\n\n").await,
        }
    }
}

/// Whether nothing more can come.
pub(super) fn is_over(processes: &Handle, id: &str, cursor: &Cursor) -> bool {
    processes.get(id).is_none_or(|details| details.phase.is_final() && !cursor.log.is_open())
}

fn event(line: Line) -> String {
    let entry = Entry::from(line);
    // Numbers, words and base64: this cannot fail.
    let json = serde_json::to_string(&entry).unwrap_or_default();
    format!("event: log\nid: {}\ndata: {json}\n\n", entry.sequence)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_was_seen_is_a_number() {
        let last = |value: &'static str| {
            last_event(&HeaderMap::from_iter([("last-event-id".parse().unwrap(), HeaderValue::from_static(value))]))
        };
        assert_eq!(last("7"), Ok(Some(7)));
        assert!(last("seven").is_err() && last("-1").is_err() && last("").is_err());
        assert_eq!(last_event(&HeaderMap::new()), Ok(None));
    }
}
