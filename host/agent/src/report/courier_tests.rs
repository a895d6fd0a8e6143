//! The courier with a real client and a real server: which connection it takes, and what becomes of each report.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::report::{Compression, Proxy, ServerUrl, TlsFiles};

const LONG: Duration = Duration::from_secs(20);

/// Answers on every connection, or on none before the second; says on which connection each request came.
struct Server {
    url: ServerUrl,
    requests: watch::Receiver<Vec<usize>>,
    _serving: JoinSet<()>,
}

impl Server {
    async fn start(first_is_silent: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = ServerUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (sender, requests) = watch::channel(Vec::new());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut open = JoinSet::new();
            for connection in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                let silent = first_is_silent && connection == 1;
                open.spawn(serve(stream, connection, silent, sender.clone()));
            }
        });
        Server { url, requests, _serving: serving }
    }

    async fn wait_count(&self, count: usize) -> Vec<usize> {
        let mut requests = self.requests.clone();
        let waiting = requests.wait_for(|requests| requests.len() >= count);
        tokio::time::timeout(LONG, waiting).await.expect("requests in time").unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, connection: usize, silent: bool, requests: watch::Sender<Vec<usize>>) {
    let mut read = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        read.push(byte);
        // Every report ends so, and nothing before its end.
        if read.ends_with(b"\"plugins\":[]}") {
            read.clear();
            requests.send_modify(|requests| requests.push(connection));
            if !silent {
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        }
    }
}

fn start(server: &Server) -> (Outbox, JoinSet<()>, watch::Receiver<Delivery>) {
    let config = Config {
        server_url: server.url.clone(),
        token: None,
        token_file: None,
        tls: TlsFiles::default(),
        proxy: Proxy::Off,
        compression: Compression::Auto,
        interval: Duration::from_secs(60),
        jitter: 0.0,
        timeout: Duration::from_secs(5),
        directed: Duration::from_secs(1)..=Duration::from_secs(60),
    };
    let (outbox, courier, delivery) = post_office(Client::new(&config, "s").unwrap(), &config);
    let mut running = JoinSet::new();
    running.spawn(courier.run());
    (outbox, running, delivery)
}

fn report(seq: u64, fields: serde_json::Value) -> Arc<Report> {
    let mut json = json!({"sandboxId": "s", "status": "running", "uptimeSecs": 1, "hostname": "h", "bootId": "b",
        "timestamp": "2026-11-20T12:00:00Z", "seq": seq});
    json.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Arc::new(serde_json::from_value(json).unwrap())
}

async fn accepted(delivery: &mut watch::Receiver<Delivery>, seq: u64) {
    let waiting = delivery.wait_for(|delivery| delivery.last_accepted_seq == seq);
    tokio::time::timeout(LONG, waiting).await.expect("acceptance in time").unwrap();
}

#[tokio::test]
async fn after_a_standstill_one_connection_is_made_anew() {
    let server = Server::start(false).await;
    let (outbox, mut running, mut delivery) = start(&server);
    let stood = |at: &str| json!({"resumed": {"suspendedMs": 60_000, "at": at}});
    let (once, again) = (stood("2026-11-20T12:00:00Z"), stood("2026-11-20T13:00:00Z"));
    for (seq, fields) in [(1, json!({})), (2, json!({})), (3, once.clone()), (4, once), (5, again), (6, json!({}))] {
        outbox.put(report(seq, fields));
        accepted(&mut delivery, seq).await;
    }
    assert_eq!(server.wait_count(6).await, [1, 1, 2, 2, 3, 3]);
    outbox.put(report(7, json!({"status": "stopped"})));
    running.join_next().await.unwrap().unwrap();
    let delivery = delivery.borrow();
    assert_eq!((delivery.counts.made, delivery.accepted, delivery.counts.attempts, delivery.waiting()), (7, 7, 7, 0));
}

#[tokio::test]
async fn the_last_report_overtakes_what_is_under_way() {
    let server = Server::start(true).await;
    let (outbox, mut running, delivery) = start(&server);
    outbox.put(report(1, json!({})));
    server.wait_count(1).await;
    outbox.put(report(2, json!({})));
    assert_eq!(delivery.borrow().waiting(), 2, "one under way, one behind it");
    outbox.put(report(3, json!({"status": "stopped"})));
    running.join_next().await.unwrap().unwrap();
    assert_eq!(server.wait_count(2).await, [1, 2]);
    let delivery = delivery.borrow();
    let counts = &delivery.counts;
    assert_eq!((counts.made, delivery.accepted, counts.superseded, delivery.waiting()), (3, 1, 2, 0));
    assert_eq!((counts.attempts, counts.given_up), (2, 0));
}
