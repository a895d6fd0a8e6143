//! Who is posted the events of a webhook, and reacts as receivers do.

#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::harness::DEADLINE;

/// What the receiver does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reaction {
    /// Answers with a status line and headers.
    Answer(String),
    /// Answers with 204, after a while.
    Late(Duration),
    /// Nothing, for ever.
    Nothing,
}

/// Who gets the events.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) requests: mpsc::UnboundedReceiver<Request>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Receiver {
    /// Reacts in this order, and with 204 from then on, whoever it is.
    pub(crate) async fn start(reactions: impl IntoIterator<Item = Reaction>) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Receiver::on(listener, reactions)
    }

    pub(crate) fn on(listener: TcpListener, reactions: impl IntoIterator<Item = Reaction>) -> Receiver {
        let reactions = Mutex::new(reactions.into_iter().collect::<VecDeque<_>>());
        Receiver::reacting(listener, move |_| reactions.lock().unwrap().pop_front())
    }

    /// Reacts to each sandbox's events as it is told, and with 204 where it is not.
    pub(crate) fn reacting(
        listener: TcpListener,
        react: impl Fn(&str) -> Option<Reaction> + Send + Sync + 'static,
    ) -> Receiver {
        let react = Arc::new(react);
        let (sender, requests) = mpsc::unbounded_channel();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (sender, react) = (sender.clone(), Arc::clone(&react));
                connections.spawn(async move {
                    while let Some(request) = Request::read(&mut stream).await {
                        let reaction = react(&request.sandbox());
                        // The test may not want to know any more.
                        let _ = sender.send(request);
                        let answer = match reaction.unwrap_or_else(|| status("204 No Content")) {
                            Reaction::Answer(answer) => answer,
                            Reaction::Late(after) => {
                                sleep(after).await;
                                "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
                            }
                            Reaction::Nothing => {
                                // Until the other side gives up.
                                let _ = stream.read(&mut [0]).await;
                                break;
                            }
                        };
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Receiver { address, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?key=hush", self.address)
    }

    pub(crate) async fn next(&mut self) -> Request {
        timeout(DEADLINE, self.requests.recv()).await.expect("nothing is posted").unwrap()
    }

    /// Of whom the next requests are, by name: different sandboxes' have no order.
    pub(crate) async fn sandboxes(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.next().await.sandbox());
        }
        ids.sort();
        ids
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Request {
    /// One request; none at the end of the connection.
    async fn read(stream: &mut TcpStream) -> Option<Request> {
        let mut bytes = Vec::new();
        let (head, length) = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                break (head, length.unwrap());
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return None;
            }
        };
        while bytes.len() < length {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
        }
        Some(Request { at: Instant::now(), head, body: bytes })
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("no {name}: {}", self.head))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    pub(crate) fn sandbox(&self) -> String {
        self.json()["data"]["sandboxId"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn status(line: &str) -> Reaction {
    Reaction::Answer(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"))
}
