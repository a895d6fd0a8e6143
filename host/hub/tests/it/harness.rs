//! A hub on a free port, and a client that sends exactly what a test wants sent.

#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

use std::net::SocketAddr;
use std::time::Duration;

use sandbeat_hub::{Accepted, Config, Error, KeyHash, Secret};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Nothing here takes longer unless it is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const ADMIN_KEY: &str = "an-admin-key-for-tests";

/// A hub that serves.
pub(crate) struct Hub {
    pub(crate) address: SocketAddr,
    pub(crate) accepted: broadcast::Receiver<Accepted>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Hub {
    /// Starts one with the default settings but for what is changed.
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Hub {
        let mut config = Config::default();
        change(&mut config);
        let hub = sandbeat_hub::Hub::new(config);
        let accepted = hub.accepted();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(hub.serve(listener, async { drop(stopped.await) }));
        Hub { address, accepted, stop, task }
    }

    /// Tells it to stop and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(DEADLINE, self.task).await.expect("the hub does not stop").unwrap().unwrap();
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The same from one of the addresses of loopback.
    pub(crate) async fn connect_from(&self, source: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// A connection with half of a request.
    pub(crate) async fn half_open(&self, source: [u8; 4]) -> TcpStream {
        let mut stream = self.connect_from(source).await;
        // It may have been closed already, for the next one.
        let _ = stream.write_all(b"POST /api/v1/sandboxes/s/status HTTP/1.1\r\nX-Slow: ").await;
        stream
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }

    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        let head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        Call { address: self.address, head, host: self.address.to_string(), body: Vec::new() }
    }

    /// Registers a sandbox and returns its token.
    pub(crate) async fn register(&self, id: &str) -> String {
        let answer = self.post("/api/v1/sandboxes").json(&json!({"id": id})).send().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["token"].as_str().unwrap().to_owned()
    }

    /// Posts a report for its own id.
    pub(crate) async fn report(&self, token: &str, report: &Value) -> Answer {
        let path = format!("/api/v1/sandboxes/{}/status", report["sandboxId"].as_str().unwrap());
        self.post(&path).bearer(token).json(report).send().await
    }

    /// A sandbox as the hub shows it.
    pub(crate) async fn sandbox(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/v1/sandboxes/{id}")).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["sandbox"].clone()
    }

    /// A figure of its own.
    pub(crate) async fn figure(&self, name: &str) -> f64 {
        let text = self.get("/metrics").send().await.text;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}: {text}")).parse().unwrap()
    }

    /// Waits until the numbers of the fleet are as they should be.
    pub(crate) async fn until_fleet(&self, good: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let fleet = self.get("/api/v1/fleet").send().await.body;
            if good(&fleet) {
                return fleet;
            }
            assert!(Instant::now() < deadline, "it stays {fleet}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a sandbox is as it should be.
    pub(crate) async fn until(&self, id: &str, good: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let sandbox = self.sandbox(id).await;
            if good(&sandbox) {
                return sandbox;
            }
            assert!(Instant::now() < deadline, "it stays {sandbox}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What every agent sends.
pub(crate) fn base(id: &str) -> Value {
    json!({"sandboxId": id, "status": "running", "uptimeSecs": 3, "hostname": "box", "timestamp": "2026-11-20T12:00:00Z"})
}

/// The base report with more fields, or other values of some.
pub(crate) fn with(id: &str, fields: Value) -> Value {
    let mut report = base(id);
    report.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    report
}

/// The settings with an admin key.
pub(crate) fn admin_key(config: &mut Config) {
    config.admin_key = Some(KeyHash::of(&Secret::new(ADMIN_KEY)));
}

/// A request in the making.
pub(crate) struct Call {
    pub(crate) address: SocketAddr,
    head: String,
    host: String,
    body: Vec<u8>,
}

impl Call {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.text(&body.to_string())
    }

    /// A body that claims to be JSON.
    pub(crate) fn text(self, body: &str) -> Self {
        self.header("Content-Type", "application/json").body(body.as_bytes())
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self.header("Content-Length", &body.len().to_string())
    }

    /// A body whose length is not said beforehand.
    pub(crate) fn chunked(mut self, chunks: &[&[u8]]) -> Self {
        for chunk in chunks {
            self.body.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
            self.body.extend([chunk, b"\r\n".as_slice()].concat());
        }
        self.body.extend(b"0\r\n\r\n");
        self.header("Content-Type", "application/json").header("Transfer-Encoding", "chunked")
    }

    /// What goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [format!("{}Host: {}\r\n\r\n", self.head, self.host).as_bytes(), &self.body].concat()
    }

    pub(crate) async fn send(self) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(&self.bytes()).await.unwrap();
        answer(&mut stream).await
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    /// The body as it came.
    pub(crate) text: String,
    /// The same; `null` when it is not JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// Asserts that it is an error in the contract's form, and about what.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, about: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body["code"], status, "{self:?}");
        assert!(self.body["message"].as_str().is_some_and(|message| message.contains(about)), "{about}: {self:?}");
        assert!(self.head.contains("content-type: application/json"), "{self:?}");
    }
}

/// Reads until the connection ends.
pub(crate) async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("no answer in time").unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let json = serde_json::from_str(body).unwrap_or(Value::Null);
    Answer { status, head: head.to_lowercase(), text: body.to_owned(), body: json }
}
