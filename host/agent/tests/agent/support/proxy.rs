//! A proxy on loopback: it makes tunnels, and passes requests on to one hub.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::http::{self, Message};

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Message>>>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// Answers with this status, and does as it is asked where that is a 2xx. All ways lead to `hub`.
    pub(crate) async fn start(hub: SocketAddr, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut serving = JoinSet::new();
        let seen = asked.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, hub, answer, seen.clone()));
            }
        });
        Proxy { address, asked, _serving: serving }
    }

    /// What it was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Message> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, hub: SocketAddr, answer: &'static str, asked: Arc<Mutex<Vec<Message>>>) {
    while let Some(request) = http::read(&mut stream).await {
        asked.lock().unwrap().push(request.clone());
        let tunnel = request.start.starts_with("CONNECT ");
        if tunnel || !answer.starts_with('2') {
            let length = if tunnel && answer.starts_with('2') { "" } else { "content-length: 0\r\n" };
            stream.write_all(format!("HTTP/1.1 {answer}\r\n{length}\r\n").as_bytes()).await.unwrap();
        }
        match (tunnel, answer.starts_with('2')) {
            (true, true) => {
                let mut hub = TcpStream::connect(hub).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut hub).await;
                return;
            }
            (false, true) => pass_on(&mut stream, hub, request).await,
            (_, false) => {}
        }
    }
}

/// One request to the hub, and its answer back.
async fn pass_on(stream: &mut TcpStream, hub: SocketAddr, request: Message) {
    let mut hub = TcpStream::connect(hub).await.unwrap();
    let mut text = format!("{}\r\n", request.start);
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    hub.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
    hub.write_all(&request.body).await.unwrap();
    let answer = http::read(&mut hub).await.unwrap();
    let length = answer.body.len();
    stream.write_all(format!("{}\r\ncontent-length: {length}\r\n\r\n", answer.start).as_bytes()).await.unwrap();
    stream.write_all(&answer.body).await.unwrap();
}
