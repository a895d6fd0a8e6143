//! Connections: accepted up to a bound, each with its timeouts, and at the end drained for a bounded time.
//!
//! The accept loop owns every connection's task; a panic in one ends that connection and is logged here. At its bound
//! a newcomer takes the place of another ([`crowd`] says whose) or is closed, so the listener's queue always moves on:
//! what one origin sends there holds up no other.

mod answer;
pub(crate) mod bodies;
mod connection;
pub(crate) mod crowd;
mod descriptors;
mod phase;
mod stall;
pub(crate) mod tls;

use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{self, AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::api::Shared;
use crate::closing::Closing;
use crate::server::answer::Service;
use crate::server::crowd::{Crowd, Origin, Room};
use crate::server::phase::Phase;
use crate::server::tls::Tls;

/// How long requests under way may take to end after the shutdown began.
const DRAIN: Duration = Duration::from_secs(5);
/// The wait after an accept failed for want of something (descriptors, memory), which only time gives back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// So many connections that gave way may still be ending.
const ENDING: usize = 64;

/// Whom a request came from, as an extension of it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// In its canonical form.
    pub address: IpAddr,
    phase: Arc<Phase>,
}

impl Peer {
    /// The request has shown a token or a key of ours: its connection is among the last to give way to others.
    pub(crate) fn recognize(&self) {
        self.phase.recognize();
    }
}

/// Serves until `shutdown` completes and the requests under way have ended or had their time. An answer that would go on
/// for as long as its client likes ends by `closing`, which is told by then.
pub(crate) async fn run(
    listener: TcpListener,
    shared: Arc<Shared>,
    router: Router,
    tls: Option<Tls>,
    closing: Closing,
    shutdown: impl Future<Output = ()>,
) {
    let limit = descriptors::fit(shared.limits.connections, shared.measures.webhooks.len());
    let service = Arc::new(Service::new(shared, router, closing));
    let tls = tls.map(Arc::new);
    let mut connections = Connections::new(limit, service, tls.clone());
    let renewal = async {
        match tls {
            Some(tls) => tls.watch().await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = shutdown => {}
        () = connections.accept_all(&listener) => {}
        () = renewal => {}
    }
    drop(listener);
    connections.drain().await;
}

/// All connections and what they are served with.
struct Connections {
    tasks: JoinSet<()>,
    crowd: Crowd<task::Id, AbortHandle>,
    limit: usize,
    service: Arc<Service>,
    tls: Option<Arc<Tls>>,
    /// What the phases' times are counted from.
    epoch: Instant,
    trouble: Trouble,
    throng: Throng,
}

impl Connections {
    fn new(limit: usize, service: Arc<Service>, tls: Option<Arc<Tls>>) -> Self {
        Connections {
            tasks: JoinSet::new(),
            crowd: Crowd::new(limit),
            limit,
            service,
            tls,
            epoch: Instant::now(),
            trouble: Trouble::default(),
            throng: Throng::default(),
        }
    }

    async fn accept_all(&mut self, listener: &TcpListener) {
        loop {
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => {
                    self.look_at(ended);
                    self.throng.note(self.crowd.len(), self.limit);
                }
                accepted = listener.accept(), if self.tasks.len() < self.limit + ENDING => match accepted {
                    Ok((stream, peer)) => {
                        self.trouble.note(None);
                        self.admit(stream, peer);
                    }
                    Err(error) if of_one_connection(&error) => {}
                    Err(error) => {
                        self.trouble.note(Some(&error));
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let origin = Origin::from(peer.ip());
        match self.crowd.make_room(origin, self.epoch.elapsed()) {
            Room::Free => {}
            Room::Instead(other) => other.abort(),
            Room::None => return,
        }
        let phase = Arc::new(Phase::new(self.epoch));
        let (service, tls) = (Arc::clone(&self.service), self.tls.clone());
        let task = self.tasks.spawn(connection::serve(stream, peer, Arc::clone(&phase), service, tls));
        self.crowd.add(task.id(), origin, phase, task);
        self.throng.note(self.crowd.len(), self.limit);
    }

    fn look_at(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        self.crowd.remove(id);
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(%error, "a request ended in a panic of the hub; this is a bug of sandbeat");
        }
    }

    /// Ends what waits at once, and what is under way in its time.
    async fn drain(mut self) {
        let crowd = std::mem::replace(&mut self.crowd, Crowd::new(0));
        crowd.close().for_each(|waiting| waiting.abort());
        let all = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.look_at(ended);
            }
        };
        if timeout(DRAIN, all).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "requests under way did not end in time; cut off");
            self.tasks.shutdown().await;
        }
    }
}

/// A connection that was gone before it was accepted.
fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
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

/// Says when there are as many connections as there may be, and when there is room again; not at each one that comes
/// and goes in between.
#[derive(Default)]
struct Throng(bool);

impl Throng {
    fn note(&mut self, connections: usize, limit: usize) {
        if !self.0 && connections >= limit {
            self.0 = true;
            tracing::warn!(limit, "at the limit of connections; further ones take the place of others");
        } else if self.0 && connections <= limit / 2 {
            self.0 = false;
            tracing::info!(connections, "room for connections again");
        }
    }
}
