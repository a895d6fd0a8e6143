//! A client that listens to events, as one does that follows the specification of server-sent events.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what fails here fails the test")]

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Answer, Call, DEADLINE};

pub(crate) const ALL: &str = "/api/v1/events";

/// A client that listens.
pub(crate) struct Listener {
    stream: TcpStream,
    pub(crate) head: String,
    /// What came and was not looked at.
    raw: Vec<u8>,
    text: String,
    ended: bool,
    /// As a client knows it that follows the specification.
    pub(crate) last_id: Option<u64>,
}

/// What was dispatched.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: Option<u64>,
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl Listener {
    pub(crate) async fn open(call: Call) -> Listener {
        let stream = TcpStream::connect(call.address).await.unwrap();
        Listener::on(stream, call).await
    }

    pub(crate) async fn on(mut stream: TcpStream, call: Call) -> Listener {
        stream.write_all(&call.header("Accept", "text/event-stream").bytes()).await.unwrap();
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            assert_ne!(timeout(DEADLINE, stream.read_buf(&mut raw)).await.expect("no head").unwrap(), 0, "{raw:?}");
        };
        let head = String::from_utf8(raw.drain(..end).collect()).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}{}", String::from_utf8_lossy(&raw));
        Listener { stream, head, raw, text: String::new(), ended: false, last_id: None }
    }

    /// The next message, of whatever type.
    pub(crate) async fn any(&mut self) -> Message {
        timeout(DEADLINE, async {
            loop {
                if let Some(message) = self.dispatch() {
                    return message;
                }
                assert!(self.read().await, "the stream has ended");
            }
        })
        .await
        .expect("no event in time")
    }

    /// The next events.
    pub(crate) async fn events(&mut self, count: usize) -> Vec<Message> {
        let mut events = Vec::new();
        while events.len() < count {
            let message = self.any().await;
            assert_eq!(message.id, message.data["id"].as_u64(), "{message:?}");
            assert_eq!(message.event, message.data["type"], "{message:?}");
            events.push(message);
        }
        events
    }

    /// The next frame of beats.
    pub(crate) async fn beats(&mut self) -> Value {
        loop {
            let message = self.any().await;
            if message.event == "beats" {
                return message.data;
            }
        }
    }

    /// The next frame of beats that shows a sandbox as running; there is one more after it was registered.
    pub(crate) async fn running(&mut self, id: &str) -> Value {
        loop {
            let beats = self.beats().await;
            let sandboxes = beats["sandboxes"].as_array().unwrap();
            if sandboxes.iter().any(|sandbox| sandbox["id"] == id && sandbox["status"] == "running") {
                return beats;
            }
        }
    }

    /// Reads to the end of the answer, and not merely of the connection.
    pub(crate) async fn end(mut self) {
        let ending = async { while self.read().await {} };
        timeout(DEADLINE, ending).await.expect("the stream does not end");
        assert!(self.ended, "cut off");
    }

    /// The next block that means something; ids alone are noted (HTML, 9.2.6).
    pub(crate) fn dispatch(&mut self) -> Option<Message> {
        while let Some(end) = self.text.find("\n\n") {
            let block: String = self.text.drain(..end + 2).collect();
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            let id = field("id").map(|id| id.parse().unwrap());
            self.last_id = id.or(self.last_id);
            if let Some(data) = field("data") {
                let event = field("event").unwrap().to_owned();
                return Some(Message { id, event, data: serde_json::from_str(data).unwrap() });
            }
        }
        None
    }

    /// Reads more; false at the end.
    pub(crate) async fn read(&mut self) -> bool {
        loop {
            let Some(line) = self.raw.windows(2).position(|window| window == b"\r\n") else {
                if self.stream.read_buf(&mut self.raw).await.unwrap_or(0) == 0 {
                    return false;
                }
                continue;
            };
            let length = usize::from_str_radix(std::str::from_utf8(&self.raw[..line]).unwrap(), 16).unwrap();
            if self.raw.len() < line + 2 + length + 2 {
                if self.stream.read_buf(&mut self.raw).await.unwrap_or(0) == 0 {
                    return false;
                }
                continue;
            }
            let chunk: Vec<u8> = self.raw.drain(..line + 2 + length + 2).collect();
            self.text += std::str::from_utf8(&chunk[line + 2..line + 2 + length]).unwrap();
            self.ended = length == 0;
            return !self.ended;
        }
    }
}

/// Of what types they are.
pub(crate) fn types(events: &[Message]) -> Vec<&str> {
    events.iter().map(|message| message.event.as_str()).collect()
}

/// What is answered where a stream is asked for and there is none.
pub(crate) async fn stream_refused(call: Call) -> Answer {
    call.header("Accept", "text/event-stream").send().await
}
