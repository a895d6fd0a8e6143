//! `GET /v1/processes/{id}/terminal/ws`: a terminal as a websocket. Several can look at one, and type into it.
//!
//! Binary frames carry what the process writes, from the moment of connecting on. Text frames are JSON: `ready`, `exit`
//! and `error` to the client, `input`, `resize` and `close` from it. Output is read from the process's log, so that a
//! slow viewer misses what the ring drops and delays nobody; one that takes nothing at all, or is silent for too long,
//! is dropped. Input is written by one write at a time, and while that waits for the process, no further frame is
//! read. The websocket ends with the process, once all that it wrote was sent, and with the agent.

use std::time::Duration;

use axum::extract::{Request, State as Known};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use sandbeat_supervisor::{Handle, Stdio};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::follow::is_over;
use super::handshake::{self, Socket};
use super::input::{self, Input, TerminalSize, longest_body};
use super::logs::{Cursor, LogStream, written};
use super::shape::code;
use super::{Shared, Trusted, refusal};
use crate::api::extract::Id;
use crate::api::problem::{Problem, ProblemBody};
use crate::api::shared::Closing;

/// A frame must be taken this soon.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Between pings; one that answers none of two is gone.
const PING: Duration = Duration::from_secs(20);
/// What is read and written at once.
const BUFFER: usize = 8 * 1024;

/// From the client.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Asked {
    Input(Input),
    Resize(TerminalSize),
    Close,
}

/// To the client.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
enum Told<'a> {
    Ready { process_id: &'a str },
    Exit { exit_code: Option<i32> },
    Error { message: String },
}

/// A terminal as a websocket. Binary frames are its output. Text frames are JSON; to the client:
/// `{"type":"ready","processId":"proc_1"}`, `{"type":"exit","exitCode":0}`, `{"type":"error","message":"…"}`; from it:
/// `{"type":"input","data":"…"}` (text, or what its `encoding` says), `{"type":"resize","cols":80,"rows":24}`,
/// `{"type":"close"}`.
#[utoipa::path(get, path = "/v1/processes/{id}/terminal/ws", tag = "processes",
    params(
        ("id" = String, Path),
        ("access_token" = Option<String>, Query, description = "The token, for browsers, which can send no header"),
    ),
    responses(
        (status = 101, description = "The connection is a websocket now"),
        (status = 400, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 429, body = ProblemBody),
    ))]
pub(super) async fn terminal(
    Known(shared): Known<Shared>,
    _: Trusted,
    Id(id): Id,
    request: Request,
) -> Result<Response, Problem> {
    let processes = shared.state.sources.processes.clone();
    let details = refusal::find(&processes, &id)?;
    if !matches!(details.stdio, Stdio::Terminal(_)) {
        return Err(refusal::no_terminal(format!("`{id}` has no terminal; create it with `tty`")));
    }
    let log = processes.log(&id).ok_or_else(|| refusal::unknown(&id))?;
    let cursor = Cursor { after: log.last(), log, stream: LogStream::Pty };
    let place = shared.places.terminal()?;
    let most = longest_body(processes.limits().max_input);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(1 << 20)
        .max_message_size(Some(most))
        .max_frame_size(Some(most));
    handshake::agree(request, config, move |socket| {
        Viewer { id, processes, cursor, socket, answered: true, _place: place }.serve(shared.closing)
    })
}

/// One who looks at a terminal.
struct Viewer {
    id: String,
    processes: Handle,
    cursor: Cursor,
    socket: Socket,
    /// Whether anything came since the last ping.
    answered: bool,
    _place: OwnedSemaphorePermit,
}

/// Why a viewer is served no longer.
enum End {
    /// With this frame, after all else.
    Close(Option<CloseFrame>),
    /// It is gone, or as good as that.
    Gone,
}

/// A write that waits for the process.
type Writing = std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

impl Viewer {
    async fn serve(mut self, mut closing: Closing) {
        let end = tokio::select! {
            end = self.show() => end,
            () = closing.closed() => {
                End::Close(Some(CloseFrame { code: CloseCode::Away, reason: "the agent is ending".into() }))
            }
        };
        if let End::Close(frame) = end {
            // Whoever is gone needs no goodbye.
            let _ = timeout(SEND_TIMEOUT, self.part(frame)).await;
        }
    }

    async fn show(&mut self) -> End {
        let id = self.id.clone();
        if self.tell(&Told::Ready { process_id: &id }).await.is_err() {
            return End::Gone;
        }
        let mut changes = self.processes.changes();
        let mut pings = interval_at(Instant::now() + PING, PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut writing: Option<Writing> = None;
        loop {
            changes.borrow_and_update();
            let over = is_over(&self.processes, &self.id, &self.cursor);
            // Where there may be more to show, what the viewer says is looked at and not waited for.
            let more = match self.output().await {
                Ok(false) if over => return self.exit().await,
                Ok(more) => more,
                Err(_) => return End::Gone,
            };
            let (log, after) = (&self.cursor.log, self.cursor.after);
            let step = tokio::select! {
                biased;
                _ = pings.tick() => self.ping().await,
                written = finish(&mut writing) => {
                    writing = None;
                    self.tell_failure(written).await
                }
                frame = self.socket.next(), if writing.is_none() => match frame {
                    Some(Ok(Message::Close(_))) | None => return End::Close(None),
                    Some(Ok(message)) => match self.obey(message).await {
                        Ok(Some(work)) => { writing = work; Ok(()) }
                        Ok(None) => return End::Close(None),
                        Err(e) => Err(e),
                    },
                    Some(Err(e)) => Err(e),
                },
                () = std::future::ready(()), if more => Ok(()),
                () = log.changed(after), if log.is_open() => Ok(()),
                changed = changes.changed() => if changed.is_ok() { Ok(()) } else { return End::Gone },
            };
            if step.is_err() {
                return End::Gone;
            }
        }
    }

    /// Sends what the process has written; whether there was anything.
    async fn output(&mut self) -> Result<bool, Error> {
        let lines = self.cursor.next();
        if lines.is_empty() {
            return Ok(false);
        }
        let bytes: Vec<u8> = lines.into_iter().flat_map(written).collect();
        self.send(Message::Binary(Bytes::from(bytes))).await?;
        Ok(true)
    }

    /// What a frame asks for: a write that is to be waited for, nothing more, or (`None`) the end.
    async fn obey(&mut self, message: Message) -> Result<Option<Option<Writing>>, Error> {
        self.answered = true;
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => {
                self.tell_failure(Err("binary input is not supported; use text frames with JSON".to_owned())).await?;
                return Ok(Some(None));
            }
            _ => return Ok(Some(None)),
        };
        let done = match serde_json::from_str(text.as_str()) {
            Ok(Asked::Input(input)) => match self.write(input) {
                Ok(writing) => return Ok(Some(Some(writing))),
                Err(problem) => Err(problem.detail().to_owned()),
            },
            Ok(Asked::Resize(size)) => size
                .size()
                .map_err(|problem| problem.detail().to_owned())
                .and_then(|size| self.processes.resize(&self.id, size).map_err(|e| e.to_string())),
            Ok(Asked::Close) => return Ok(None),
            Err(e) => Err(format!("invalid terminal frame: {e}")),
        };
        self.tell_failure(done).await?;
        Ok(Some(None))
    }

    fn write(&self, input: Input) -> Result<Writing, Problem> {
        let close = input.close;
        // What is typed is text, unlike in a request of its own.
        let bytes = input.bytes("text")?;
        let most = self.processes.limits().max_input;
        if bytes.len() > most {
            return Err(Problem::invalid(format!("more than maxInputBytesPerRequest, which is {most}, at once")));
        }
        let (processes, id) = (self.processes.clone(), self.id.clone());
        Ok(Box::pin(async move { input::write(&processes, &id, &bytes, close).await.map_err(|e| e.to_string()) }))
    }

    async fn ping(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.answered) {
            return Err(Error::ConnectionClosed);
        }
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn exit(&mut self) -> End {
        let last_exit = self.processes.get(&self.id).and_then(|details| details.last_exit);
        let told = self.tell(&Told::Exit { exit_code: last_exit.as_ref().and_then(code) }).await;
        told.map_or(End::Gone, |()| End::Close(None))
    }

    async fn tell_failure(&mut self, done: Result<(), String>) -> Result<(), Error> {
        match done {
            Ok(()) => Ok(()),
            Err(message) => self.tell(&Told::Error { message }).await,
        }
    }

    async fn tell(&mut self, told: &Told<'_>) -> Result<(), Error> {
        // Words and a number: this cannot fail.
        let json = serde_json::to_string(told).unwrap_or_default();
        self.send(Message::text(json)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Error> {
        timeout(SEND_TIMEOUT, self.socket.send(message)).await.unwrap_or(Err(Error::ConnectionClosed))
    }

    /// Says goodbye and waits for the client's.
    async fn part(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        self.socket.send(Message::Close(frame)).await?;
        while self.socket.next().await.transpose()?.is_some() {}
        Ok(())
    }
}

/// What came of a write, where there is one.
async fn finish(writing: &mut Option<Writing>) -> Result<(), String> {
    match writing {
        Some(writing) => writing.await,
        None => std::future::pending().await,
    }
}
