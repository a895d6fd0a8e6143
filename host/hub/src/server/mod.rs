//! Connections: accepted up to a bound, each with its timeouts, and at the end drained for a bounded time.
//!
//! The accept loop owns every connection's task; a panic in one ends that connection and is logged here. At its bound
//! the hub accepts nothing more until a connection ends, so a flood waits in the listener's queue; since idle, slow and
//! stalled connections all end by timeouts, that wait is bounded, too.

mod stall;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use crate::api::reply::Problem;
use crate::config::Limits;
use crate::server::stall::Stall;

/// How long requests under way may take to end after the shutdown began.
const DRAIN: Duration = Duration::from_secs(5);
/// The wait after an accept failed for want of something (descriptors, memory), which only time gives back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A request's head, in bytes; and how much of a body is read at once.
const MAX_HEAD: usize = 32 << 10;
const MAX_HEADERS: usize = 64;

/// Whom a request came from, as an extension of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub IpAddr);

/// Whether the hub is about to stop, as an extension of each request. An answer that would go on for as long as its
/// client likes ends when it is; else the end would have to wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Returns once the hub is about to stop; at once when it already is.
    pub(crate) async fn wait(&mut self) {
        // The sender goes with the server itself.
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}

/// Serves until `shutdown` completes and the requests under way have ended or had their time.
pub(crate) async fn run(listener: TcpListener, router: Router, limits: Limits, shutdown: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let (close, closing) = watch::channel(false);
    let mut connections = JoinSet::new();
    let (mut trouble, mut crowd) = (Trouble::default(), Crowd::default());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => {
                look_at(ended);
                crowd.note(connections.len(), limits.connections);
            }
            accepted = listener.accept(), if connections.len() < limits.connections => match accepted {
                Ok((stream, peer)) => {
                    trouble.note(None);
                    connections.spawn(connection(
                        stream, peer, router.clone(), limits.clone(), Closing(closing.clone()), graceful.watcher(),
                    ));
                    crowd.note(connections.len(), limits.connections);
                }
                Err(error) if of_one_connection(&error) => {}
                Err(error) => {
                    trouble.note(Some(&error));
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let _ = close.send(true);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests under way did not end in time; cut off");
        connections.abort_all();
    }
    while let Some(ended) = connections.join_next().await {
        look_at(ended);
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    closing: Closing,
    watcher: Watcher,
) {
    // Answers are small and written at once; without this the last segment of one could wait for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "no TCP_NODELAY");
    }
    let service = service_fn(|request| answer(request, peer, router.clone(), closing.clone(), limits.request_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(Stall::new(stream, limits.request_timeout)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    router: Router,
    closing: Closing,
    limit: Duration,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer.ip().to_canonical()));
    request.extensions_mut().insert(closing);
    match timeout(limit, TowerToHyperService::new(router).call(request)).await {
        Ok(answer) => answer,
        Err(_) => Ok(Problem::too_slow().into_response()),
    }
}

/// A connection that was gone before it was accepted.
fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn look_at(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request ended in a panic of the hub; this is a bug of sandbeat");
    }
}

/// Says when accepting begins to fail, and when it works again.
#[derive(Default)]
struct Trouble(bool);

impl Trouble {
    fn note(&mut self, error: Option<&io::Error>) {
        match (self.0, error) {
            (false, Some(error)) => tracing::error!(%error, "cannot accept connections; trying on"),
            (true, None) => tracing::info!("accepts connections again"),
            _ => {}
        }
        self.0 = error.is_some();
    }
}

/// Says when connections have to wait, and when there is room again; not at each one that comes and goes in between.
#[derive(Default)]
struct Crowd(bool);

impl Crowd {
    fn note(&mut self, connections: usize, limit: usize) {
        if !self.0 && connections >= limit {
            self.0 = true;
            tracing::warn!(limit, "at the limit of connections; further ones wait");
        } else if self.0 && connections <= limit / 2 {
            self.0 = false;
            tracing::info!(connections, "room for connections again");
        }
    }
}
