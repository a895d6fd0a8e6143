//! Connections as they are kept and left, with real sockets; only names are what the test says they are.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::*;
use crate::report::{Compression, Proxy, ServerUrl, TlsFiles};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const LONG: Duration = Duration::from_secs(20);

type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Knows one name.
#[derive(Clone, Debug)]
struct Names(watch::Sender<Known>);

#[derive(Clone, Debug)]
enum Known {
    At(Vec<IpAddr>),
    Unknown,
    Hanging,
}

impl Names {
    fn at(address: &str) -> Self {
        Names(watch::Sender::new(Known::At(vec![address.parse().unwrap()])))
    }

    fn set(&self, known: Known) {
        self.0.send_replace(known);
    }
}

impl Resolve for Names {
    fn lookup(&self, name: &str) -> Lookup {
        assert_eq!(name, "hub.invalid");
        let known = self.0.borrow().clone();
        Box::pin(async move {
            match known {
                Known::At(addresses) => Ok(addresses),
                Known::Unknown => Err(io::Error::other("no such name")),
                Known::Hanging => std::future::pending().await,
            }
        })
    }
}

/// What a server does once it has read a request.
#[derive(Clone, Copy, Debug)]
enum Then {
    Answer,
    AnswerAndClose,
    CloseAt(usize),
    /// As soon as the head of this request of a connection is there, the connection is reset.
    ResetAt(usize),
}

struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Server {
    async fn start(address: &str, then: Then) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut serving = JoinSet::new();
        let (accepted, answered) = (connections.clone(), requests.clone());
        serving.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::SeqCst);
                open.spawn(serve(stream, then, answered.clone()));
            }
        });
        Server { address, connections, requests, _serving: serving }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, then: Then, answered: Arc<AtomicUsize>) {
    for count in 1.. {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        match then {
            // Unread bytes make of the close a reset.
            Then::ResetAt(at) if count == at => return stream.set_zero_linger().unwrap(),
            Then::CloseAt(at) if count == at => return,
            _ => {}
        }
        let mut body = [0; 2];
        stream.read_exact(&mut body).await.unwrap();
        answered.fetch_add(1, Ordering::SeqCst);
        stream.write_all(OK).await.unwrap();
        if matches!(then, Then::AnswerAndClose) {
            return;
        }
    }
}

fn client(port: u16, names: &Names, look_up_every: Duration) -> Client {
    let config = Config {
        server_url: ServerUrl::parse(&format!("http://hub.invalid:{port}")).unwrap(),
        token: None,
        token_file: None,
        tls: TlsFiles::default(),
        proxy: Proxy::Off,
        compression: Compression::Off,
        interval: LONG,
        jitter: 0.0,
        timeout: LONG,
        directed: LONG..=LONG,
    };
    Client::with(&config, "sbox-1", None, Arc::new(names.clone()), look_up_every).unwrap()
}

async fn post(client: &Client) -> Outcome {
    client.post(Payload { bytes: Bytes::from_static(b"{}"), gzip: false, whole: None }, LONG).await
}

async fn accepted(client: &Client) {
    let outcome = post(client).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
}

/// Posts until a condition holds; returns how often.
async fn accepted_until(client: &Client, what: &str, holds: impl Fn() -> bool) -> usize {
    let posting = async {
        let mut count = 0;
        while !holds() {
            accepted(client).await;
            count += 1;
        }
        count
    };
    timeout_at(Instant::now() + LONG, posting).await.unwrap_or_else(|_| panic!("posted in vain for {what}"))
}

#[tokio::test]
async fn one_connection_carries_many_reports() {
    let server = Server::start("127.0.0.1:0", Then::Answer).await;
    let names = Names::at("127.0.0.1");
    let client = client(server.address.port(), &names, Duration::ZERO);
    accepted_until(&client, "20 reports", || server.requests() == 20).await;
    assert_eq!(server.connections(), 1);
    client.renew();
    accepted(&client).await;
    assert_eq!(server.connections(), 2, "a new one when asked for");
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_no_failure() {
    for then in [Then::AnswerAndClose, Then::CloseAt(2), Then::ResetAt(2), Then::ResetAt(3)] {
        let server = Server::start("127.0.0.1:0", then).await;
        let client = client(server.address.port(), &Names::at("127.0.0.1"), LONG);
        for _ in 0..20 {
            accepted(&client).await;
        }
        assert_eq!(server.requests(), 20, "{then:?}");
        assert!(server.connections() >= 10, "{then:?}");
    }
}

#[tokio::test]
async fn a_new_connection_that_is_closed_is_a_failure_and_is_not_tried_again() {
    for then in [Then::CloseAt(1), Then::ResetAt(1)] {
        let server = Server::start("127.0.0.1:0", then).await;
        let client = client(server.address.port(), &Names::at("127.0.0.1"), LONG);
        match post(&client).await {
            Outcome::Failed(failure) => assert_eq!(failure.kind, FailureKind::Reset, "{failure:?}"),
            accepted => panic!("{accepted:?}"),
        }
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_followed() {
    let old = Server::start("127.0.0.1:0", Then::Answer).await;
    let new = Server::start(&format!("127.0.0.2:{}", old.address.port()), Then::Answer).await;
    let names = Names::at("127.0.0.1");
    let client = client(old.address.port(), &names, Duration::ZERO);
    accepted_until(&client, "some reports", || old.requests() == 5).await;
    assert_eq!((old.connections(), new.connections()), (1, 0));

    // One more address changes nothing while the present one is among them.
    names.set(Known::At(vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()]));
    accepted_until(&client, "more reports", || old.requests() == 10).await;
    assert_eq!((old.connections(), new.connections()), (1, 0));

    names.set(Known::At(vec!["127.0.0.2".parse().unwrap()]));
    let posts = accepted_until(&client, "the other address", || new.requests() > 0).await;
    assert!(posts < 10, "{posts}");
    accepted(&client).await;
    assert_eq!((old.connections(), new.connections()), (1, 1));
}

#[tokio::test]
async fn a_lookup_that_fails_or_hangs_changes_nothing() {
    for trouble in [Known::Unknown, Known::Hanging, Known::At(Vec::new())] {
        let server = Server::start("127.0.0.1:0", Then::Answer).await;
        let names = Names::at("127.0.0.1");
        let client = client(server.address.port(), &names, Duration::ZERO);
        accepted(&client).await;
        names.set(trouble);
        accepted_until(&client, "reports", || server.requests() == 10).await;
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn a_name_is_not_looked_up_more_often_than_it_is_to_be() {
    let old = Server::start("127.0.0.1:0", Then::Answer).await;
    let names = Names::at("127.0.0.1");
    let client = client(old.address.port(), &names, LONG);
    accepted(&client).await;
    names.set(Known::At(vec!["127.0.0.2".parse().unwrap()]));
    accepted_until(&client, "reports", || old.requests() == 20).await;
    assert_eq!(old.connections(), 1);
}

#[tokio::test]
async fn a_name_that_hangs_is_a_timeout() {
    let names = Names(watch::Sender::new(Known::Hanging));
    let client = client(1, &names, LONG);
    let payload = Payload { bytes: Bytes::new(), gzip: false, whole: None };
    match client.post(payload, Duration::from_millis(50)).await {
        Outcome::Failed(failure) => {
            assert_eq!(failure.kind, FailureKind::Timeout);
            assert!(failure.message.contains("gave no connection in time"), "{failure:?}");
        }
        accepted => panic!("{accepted:?}"),
    }
}
