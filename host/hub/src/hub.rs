//! The hub as a whole: made from a [`Config`], served on a listener until told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use sandbeat_status::Report;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::{JoinError, JoinSet};

use crate::api::newcomers::Newcomers;
use crate::api::{Shared, router};
use crate::config::{Config, exposed};
use crate::events::Audience;
use crate::server::tls::{Tls, Wrong};
use crate::store::{self, Store};
use crate::{server, sweep};

/// So many accepted reports wait for a listener that is behind; after that it misses the oldest.
const BEHIND: usize = 1024;

/// A report that the hub took.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Whose it is.
    pub sandbox_id: Arc<str>,
    /// What it says.
    pub report: Arc<Report>,
}

/// Why a hub does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Strangers could manage the fleet; for the operator.
    #[error("{}", exposed(*.0))]
    Exposed(SocketAddr),
    /// The listener does not know its own address.
    #[error("the listener is not usable: {0}")]
    Listener(io::Error),
    /// Its certificate or key cannot be used; for the operator.
    #[error("hub.{0}")]
    Tls(#[from] Wrong),
    /// Its state cannot be read, or not be written at the end.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The task that notices silence ended; this is a bug.
    #[error("the task that notices silent sandboxes ended: {0}")]
    Sweep(JoinError),
}

/// Serves a hub on a listener until `shutdown` completes; requests under way then have 5 s to end.
///
/// # Errors
/// See [`Error`].
pub async fn serve(listener: TcpListener, config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    Hub::new(config).serve(listener, shutdown).await
}

/// A hub that does not serve yet, for a caller that wants to watch it.
#[derive(Debug)]
pub struct Hub {
    config: Config,
    accepted: broadcast::Sender<Accepted>,
}

impl Hub {
    /// A hub that has read nothing yet.
    pub fn new(config: Config) -> Self {
        Hub { config, accepted: broadcast::Sender::new(BEHIND) }
    }

    /// Every report that is accepted from now on. It never holds the hub up: a receiver that is more than 1,024
    /// reports behind is told how many it missed.
    pub fn accepted(&self) -> broadcast::Receiver<Accepted> {
        self.accepted.subscribe()
    }

    /// Serves; see [`serve`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let Hub { config, accepted } = self;
        let address = listener.local_addr().map_err(Error::Listener)?;
        if config.exposed_on(address) {
            return Err(Error::Exposed(address));
        }
        let tls = config.tls.as_ref().map(Tls::read).transpose()?;
        let store = Arc::new(Store::open(&config)?);
        let shared = Arc::new(Shared {
            store: Arc::clone(&store),
            audience: Audience::new(&config),
            accepted,
            enroll: config.enroll,
            newcomers: Newcomers::new(config.limits.newcomers_per_min),
            max_sandboxes: config.max_sandboxes,
            admin_key: config.admin_key,
            limits: config.limits,
            token_overlap: config.token_overlap,
            measures: Arc::clone(store.measures()),
            metrics_per_sandbox: config.metrics_per_sandbox,
        });
        let (close, closing) = watch::channel(false);
        let telling = shared.audience.start(&store, &shared.measures, closing).await;
        let mut tasks = JoinSet::new();
        tasks.spawn(sweep::run(Arc::clone(&store)));
        let shutdown = async {
            shutdown.await;
            close.send_replace(true);
        };
        let routes = router(Arc::clone(&shared));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let page = format!("{scheme}://{address}/");
        tracing::info!(%address, enroll = %config.enroll, page, "the hub listens");
        let serving = server::run(listener, shared, routes, tls, shutdown);
        let result = tokio::select! {
            _ = async { tokio::join!(serving, telling.run()) } => Ok(()),
            Some(Err(error)) = tasks.join_next() => Err(Error::Sweep(error)),
            error = store.ended() => Err(Error::Store(error)),
        };
        tasks.shutdown().await;
        let closed = store.close().await;
        tracing::info!("the hub has stopped");
        result.and(closed.map_err(Error::Store))
    }
}
