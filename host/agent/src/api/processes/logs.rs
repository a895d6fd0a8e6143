//! `GET /v1/processes/{id}/logs`: what a process has written, at once or as it comes.
//!
//! An entry is a line, or a piece of one that is long or was not ended; its data is what was written, byte for byte,
//! with the line's end where there was one. What is there is read in small batches while it is sent, so that a large
//! log costs no memory and a slow reader holds up nobody; what the ring drops meanwhile is missing, and the sequence
//! numbers show it.

use axum::extract::State as Known;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandbeat_supervisor::{Details, Line, Log, Stdio, Stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Shared, follow, refusal};
use crate::api::extract::{Id, Query};
use crate::api::problem::{Problem, ProblemBody};
use crate::api::pump::{self, Chunks};

/// Lines that are copied out of the ring at once.
const BATCH: usize = 64;
/// The most that `tail` means.
const LONGEST_TAIL: usize = 100_000;

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Reading {
    /// Only what was written there; `pty` of a process with a terminal and `combined`, which is everything, of
    /// others where it is absent.
    #[param(inline)]
    stream: Option<LogStream>,
    /// Only the last so many of them; 100000 at most.
    tail: Option<u64>,
    /// Only those with a greater sequence number.
    since: Option<u64>,
    /// As server-sent events, until the process has ended for good and all that it wrote was sent.
    follow: Option<bool>,
}

/// A process's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogStream {
    Stdout,
    Stderr,
    Combined,
    Pty,
}

/// What a process has written.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Logs {
    process_id: String,
    stream: LogStream,
    entries: Vec<Entry>,
}

/// A line, or a piece of one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// Counts a process's entries of all streams from 1, over all its runs.
    pub(super) sequence: u64,
    stream: LogStream,
    /// When it was read, by the wall clock; milliseconds since 1970.
    timestamp_ms: i64,
    /// The bytes as they were written, in base64.
    data: String,
    encoding: Base64,
}

/// How `data` is to be understood.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Base64 {
    Base64,
}

/// A place in a process's log, which only moves forward.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) log: Log,
    pub(super) stream: LogStream,
    pub(super) after: u64,
}

/// What a process has written: JSON, or with `follow` server-sent events `log`, whose ids are sequence numbers and
/// which `Last-Event-ID` continues.
#[utoipa::path(get, path = "/v1/processes/{id}/logs", tag = "processes",
    params(("id" = String, Path), Reading, ("Last-Event-ID" = Option<u64>, Header, description = "With `follow`")),
    responses(
        (status = 200, content((Logs = "application/json"), (String = "text/event-stream"))),
        (status = 400, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 429, description = "Too many follow", body = ProblemBody),
    ))]
pub(super) async fn logs(
    Known(shared): Known<Shared>,
    Id(id): Id,
    Query(query): Query<Reading>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let processes = &shared.state.sources.processes;
    let details = refusal::find(processes, &id)?;
    let log = processes.log(&id).ok_or_else(|| refusal::unknown(&id))?;
    let stream = query.stream.unwrap_or_else(|| LogStream::usual(&details));
    let mut cursor = Cursor { log, stream, after: query.since.unwrap_or(0) };
    let follows = query.follow.unwrap_or(false);
    if follows && let Some(last) = follow::last_event(&headers)? {
        // One that is beyond all that there is, is another agent's: all here is new.
        cursor.after = if last > cursor.log.last() { 0 } else { last };
    }
    if let Some(tail) = query.tail {
        cursor.skip_to_last(usize::try_from(tail).unwrap_or(usize::MAX).min(LONGEST_TAIL));
    }
    if follows {
        return follow::events(&shared, id, cursor);
    }
    let body = pump::body(|chunks| write(chunks, id, cursor));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

impl LogStream {
    fn usual(details: &Details) -> Self {
        match details.stdio {
            Stdio::Terminal(_) => LogStream::Pty,
            _ => LogStream::Combined,
        }
    }

    /// The one stream that is wanted; `None` for all.
    fn only(self) -> Option<Stream> {
        match self {
            LogStream::Stdout => Some(Stream::Stdout),
            LogStream::Stderr => Some(Stream::Stderr),
            LogStream::Pty => Some(Stream::Pty),
            LogStream::Combined => None,
        }
    }

    fn takes(self, stream: Stream) -> bool {
        self == LogStream::Combined || self == stream.into()
    }
}

impl From<Stream> for LogStream {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Stdout => LogStream::Stdout,
            Stream::Stderr => LogStream::Stderr,
            Stream::Pty => LogStream::Pty,
        }
    }
}

impl From<Line> for Entry {
    fn from(line: Line) -> Self {
        Entry {
            sequence: line.sequence,
            stream: line.stream.into(),
            timestamp_ms: line.at.as_millisecond(),
            data: STANDARD.encode(written(line)),
            encoding: Base64::Base64,
        }
    }
}

impl Cursor {
    /// The next few wanted lines; none where the end is reached.
    pub(super) fn next(&mut self) -> Vec<Line> {
        loop {
            let mut batch = self.log.after(self.after, BATCH);
            let Some(last) = batch.last() else { return batch };
            self.after = last.sequence;
            batch.retain(|line| self.stream.takes(line.stream));
            if !batch.is_empty() {
                return batch;
            }
        }
    }

    /// Passes over all but the last so many wanted lines.
    fn skip_to_last(&mut self, count: usize) {
        self.after = self.after.max(self.log.before_newest(self.stream.only(), count));
    }
}

/// The bytes as they were written.
pub(super) fn written(line: Line) -> Vec<u8> {
    let mut bytes = line.bytes;
    if !line.partial {
        bytes.push(b'\n');
    }
    bytes
}

/// Writes [`Logs`] as JSON, up to what is there now.
async fn write(chunks: Chunks, id: String, mut cursor: Cursor) {
    let until = cursor.log.last();
    let mut json = serde_json::to_vec(&Logs { process_id: id, stream: cursor.stream, entries: Vec::new() });
    // The entries go between the last two brackets.
    if let Ok(json) = &mut json {
        json.truncate(json.len() - 2);
    }
    let mut json = json.unwrap_or_default();
    let mut first = true;
    while cursor.after < until {
        let lines = cursor.next();
        if lines.is_empty() {
            break;
        }
        for line in lines.into_iter().filter(|line| line.sequence <= until) {
            if !std::mem::take(&mut first) {
                json.push(b',');
            }
            // Numbers, words and base64: this cannot fail.
            json.extend(serde_json::to_vec(&Entry::from(line)).unwrap_or_default());
        }
        chunks.write(std::mem::take(&mut json)).await;
    }
    json.extend(b"]}");
    chunks.write(json).await;
}
