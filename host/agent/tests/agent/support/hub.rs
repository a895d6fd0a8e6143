//! A hub on loopback that answers as it is told.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::http::{self, Message};
use super::logs;
use super::{DEADLINE, http::Message as Request};

/// How to answer one request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status, further header lines, and a body.
    Http(u16, &'static str, String),
    /// These bytes, and the end of the connection.
    Raw(&'static str),
    /// Nothing, until the other side has had enough.
    Silence,
    /// 200, and a body that never ends.
    Endless,
    /// 200 after so long.
    Slow(Duration),
    /// These bytes, and a reset of the connection.
    Reset(&'static str),
    /// The first bytes, and then the others again and again, after a pause each.
    Forever(&'static str, &'static str, Duration),
}

/// What the hub decides by: how many requests came before, and this one's body.
type Script = dyn Fn(usize, &Request, &Value) -> Answer + Send + Sync;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) request: Request,
    pub(crate) report: Value,
    pub(crate) at: Instant,
}

pub(crate) struct Hub {
    pub(crate) address: SocketAddr,
    received: watch::Receiver<Vec<Received>>,
    _serving: JoinSet<()>,
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Answer::Http(200, "", r#"{"success":true,"sandboxId":"sbox-1"}"#.to_owned())
    }

    pub(crate) fn status(status: u16) -> Self {
        Answer::Http(status, "", String::new())
    }
}

impl Hub {
    /// On any free port.
    pub(crate) async fn start(script: impl Fn(usize, &Value) -> Answer + Send + Sync + 'static) -> Self {
        Hub::start_on("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(crate) async fn start_on(
        address: SocketAddr,
        script: impl Fn(usize, &Value) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Hub::serve_on(address, move |count, _, report| script(count, report)).await
    }

    /// On any free port, and also by what a request says of itself.
    pub(crate) async fn start_by_request(
        script: impl Fn(usize, &Request, &Value) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Hub::serve_on("127.0.0.1:0".parse().unwrap(), script).await
    }

    async fn serve_on(
        address: SocketAddr,
        script: impl Fn(usize, &Request, &Value) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        if address.port() == 0 {
            logs::forget(listener.local_addr().unwrap());
        }
        let (sender, received) = watch::channel(Vec::new());
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::new(script), Arc::new(Mutex::new(0)), sender));
        Hub { address, received, _serving: serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.borrow().clone()
    }

    /// Waits until what arrived is as wanted.
    pub(crate) async fn wait(&self, what: &str, mut wanted: impl FnMut(&[Received]) -> bool) -> Vec<Received> {
        let mut received = self.received.clone();
        let waiting = received.wait_for(|received| wanted(received));
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        waited.unwrap_or_else(|_| panic!("waited in vain for {what}")).unwrap().clone()
    }

    pub(crate) async fn wait_count(&self, count: usize) -> Vec<Received> {
        self.wait(&format!("{count} requests"), |received| received.len() >= count).await
    }
}

/// An address to which nobody listens; nobody else gets it soon.
pub(crate) async fn free_address() -> SocketAddr {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    logs::forget(address);
    address
}

async fn serve(
    listener: TcpListener,
    script: Arc<Script>,
    count: Arc<Mutex<usize>>,
    sender: watch::Sender<Vec<Received>>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(connection(stream, script.clone(), count.clone(), sender.clone()));
    }
}

async fn connection(
    mut stream: TcpStream,
    script: Arc<Script>,
    count: Arc<Mutex<usize>>,
    sender: watch::Sender<Vec<Received>>,
) {
    while let Some(request) = http::read(&mut stream).await {
        let at = Instant::now();
        let report: Value = serde_json::from_slice(&plain(&request)).unwrap();
        let before = {
            let mut count = count.lock().unwrap();
            *count += 1;
            *count - 1
        };
        let answer = script(before, &request, &report);
        sender.send_modify(|received| received.push(Received { request, report, at }));
        if !answer_with(&mut stream, answer).await {
            return;
        }
    }
}

/// The body as it was before it was compressed.
fn plain(request: &Request) -> Vec<u8> {
    if request.header("content-encoding").is_empty() {
        return request.body.clone();
    }
    let mut plain = Vec::new();
    GzDecoder::new(&request.body[..]).read_to_end(&mut plain).unwrap();
    plain
}

/// Whether the connection goes on.
async fn answer_with(stream: &mut TcpStream, answer: Answer) -> bool {
    match answer {
        Answer::Http(status, headers, body) => {
            let length = body.len();
            let text = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await.is_ok()
        }
        Answer::Raw(bytes) => {
            let _ = stream.write_all(bytes.as_bytes()).await;
            false
        }
        Answer::Silence => {
            let _ = stream.read(&mut [0]).await;
            false
        }
        Answer::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await;
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
            false
        }
        Answer::Slow(wait) => {
            tokio::time::sleep(wait).await;
            stream.write_all(b"HTTP/1.1 204 X\r\n\r\n").await.is_ok()
        }
        Answer::Reset(bytes) => {
            let _ = stream.write_all(bytes.as_bytes()).await;
            stream.set_zero_linger().unwrap();
            false
        }
        Answer::Forever(first, again, pause) => {
            let _ = stream.write_all(first.as_bytes()).await;
            while stream.write_all(again.as_bytes()).await.is_ok() {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            false
        }
    }
}

impl Received {
    pub(crate) fn status(&self) -> &str {
        self.report["status"].as_str().unwrap()
    }

    pub(crate) fn seq(&self) -> u64 {
        self.report["seq"].as_u64().unwrap()
    }

    pub(crate) fn message(&self) -> &Message {
        &self.request
    }
}
