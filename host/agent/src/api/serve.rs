//! Accepting connections: bounded in number, each a task of its own, all ended with the server.
//!
//! A connection that has become a websocket is served on by the same task. When the server ends, everything that lasts
//! is told and ends by itself; the rest is finished.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};

use super::guard::Guard;
use super::listen::{Listener, Socket};
use super::preview::Preview;
use super::processes::Afterlives;
use super::routes::router;
use super::shared::{Closing, MAX_LASTING, Places, Shared};
use super::{Config, Permission, State};

/// For requests that do not last, beside those that do. More connections wait in the kernel.
const MAX_SHORT: usize = 64;
/// What was sent must be received this soon, in milliseconds.
const RECEIPT_TIMEOUT: u32 = 60_000;
/// A request's head must be there this soon, also on a connection that was idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest head of a request.
const MAX_HEAD: usize = 32 * 1024;
/// A pause when the system has no descriptor for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is sent or dropped, then finishes what is under way. The caller bounds that by aborting.
pub(crate) async fn serve(listener: Listener, state: State, config: Config, stop: oneshot::Receiver<()>) {
    tracing::info!("the local API listens on {}", listener.bound());
    let tcp = matches!(listener.socket, Socket::Tcp(_));
    let closing = watch::Sender::new(false);
    let (preview, keeper) = Preview::new(state.clone());
    let shared = Shared {
        state,
        trusted: !tcp || config.token.is_some() || config.processes == Permission::Anyone,
        places: Places::new(),
        closing: Closing(closing.subscribe()),
        preview,
    };
    let mut server = Server {
        router: router(shared, Guard { token: config.token, tcp }),
        places: Arc::new(Semaphore::new(MAX_LASTING + MAX_SHORT)),
        closing,
        connections: JoinSet::new(),
    };
    server.connections.spawn(keeper.run(Closing(server.closing.subscribe())));
    tokio::select! {
        // Sent or dropped, it is the end.
        _ = stop => {}
        () = server.accept_on(&listener.socket) => {}
    }
    drop(listener);
    server.closing.send_replace(true);
    while let Some(ended) = server.connections.join_next().await {
        note_end(ended);
    }
}

struct Server {
    router: Router,
    places: Arc<Semaphore>,
    closing: watch::Sender<bool>,
    connections: JoinSet<()>,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Server {
    /// Never returns.
    async fn accept_on(&mut self, socket: &Socket) {
        let mut failing = false;
        loop {
            tokio::select! {
                Some(ended) = self.connections.join_next() => note_end(ended),
                accepted = accept(socket, self.places.clone()) => match accepted {
                    Ok((stream, place)) => {
                        failing = false;
                        self.spawn(stream, place);
                    }
                    Err(e) => {
                        if !std::mem::replace(&mut failing, true) {
                            tracing::warn!("the local API cannot accept connections: {e}; trying on");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn spawn(&mut self, stream: Stream, place: OwnedSemaphorePermit) {
        let (router, closing) = (self.router.clone(), self.closing.subscribe());
        match stream {
            Stream::Tcp(stream) => self.connections.spawn(serve_one(TokioIo::new(stream), router, closing, place)),
            Stream::Unix(stream) => self.connections.spawn(serve_one(TokioIo::new(stream), router, closing, place)),
        };
    }
}

async fn accept(socket: &Socket, places: Arc<Semaphore>) -> io::Result<(Stream, OwnedSemaphorePermit)> {
    let place = places.acquire_owned().await.map_err(io::Error::other)?;
    let stream = match socket {
        Socket::Tcp(listener) => {
            let stream = listener.accept().await?.0;
            // A reader that takes nothing any more does not keep its place for ever. Best effort.
            let _ = set_tcp_user_timeout(&stream, RECEIPT_TIMEOUT);
            Stream::Tcp(stream)
        }
        Socket::Unix(listener) => Stream::Unix(listener.accept().await?.0),
    };
    Ok((stream, place))
}

async fn serve_one<I>(io: I, router: Router, closing: watch::Receiver<bool>, _place: OwnedSemaphorePermit)
where
    I: Read + Write + Unpin + Send + 'static,
{
    let mut closing = Closing(closing);
    let (leave, mut left) = mpsc::channel(1);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Afterlives(leave.clone()));
        router.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD);
    let mut connection = pin!(http.serve_connection(io, service).with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.closed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    match ended {
        Err(e) => tracing::debug!("a connection to the local API ended early: {e}"),
        Ok(()) => {
            if let Ok(afterlife) = left.try_recv() {
                afterlife.await;
            }
        }
    }
}

/// A handler that panics ends its connection only.
fn note_end(ended: Result<(), JoinError>) {
    if let Err(failed) = ended {
        tracing::error!("a request to the local API failed inside the agent; this is a defect of it: {failed}");
    }
}
