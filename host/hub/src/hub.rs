//! The hub as a whole: made from a [`Config`], served on a listener until told to stop.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;

use sandbeat_status::Report;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::{JoinError, JoinSet};

use crate::api::newcomers::Newcomers;
use crate::api::{Shared, router};
use crate::closing::Closing;
use crate::config::{Config, exposed};
use crate::events::Audience;
use crate::server::tls::{Renewal, Tls, Wrong};
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

/// A hub that does not serve yet, for a caller that wants to watch it or to ask something of it.
#[derive(Debug)]
pub struct Hub {
    config: Config,
    accepted: broadcast::Sender<Accepted>,
    renewal: Renewal,
}

impl Hub {
    /// A hub that has read nothing yet.
    pub fn new(config: Config) -> Self {
        Hub { config, accepted: broadcast::Sender::new(BEHIND), renewal: Renewal::default() }
    }

    /// Every report that is accepted from now on. It never holds the hub up: a receiver that is more than 1,024
    /// reports behind is told how many it missed.
    pub fn accepted(&self) -> broadcast::Receiver<Accepted> {
        self.accepted.subscribe()
    }

    /// What has its certificate and key looked at before their time, while it serves.
    pub fn renewal(&self) -> Renewal {
        self.renewal.clone()
    }

    /// Serves; see [`serve`]. Told to stop while its state is read, it does not wait for that.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let Hub { config, accepted, renewal } = self;
        let address = listener.local_addr().map_err(Error::Listener)?;
        if config.exposed_on(address) {
            return Err(Error::Exposed(address));
        }
        let tls = config.tls.as_ref().map(|files| Tls::read(files, renewal)).transpose()?;
        let mut shutdown = pin!(shutdown);
        let (config, store) = tokio::select! {
            opened = open(config) => opened?,
            () = &mut shutdown => {
                tracing::info!("the hub has stopped before its state was read");
                return Ok(());
            }
        };
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
        let (close, closing) = Closing::later();
        let telling = shared.audience.start(&store, &shared.measures, closing.clone()).await;
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
        let serving = server::run(listener, shared, routes, tls, closing, shutdown);
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

/// Opens the store where nobody else waits for that: a large one takes seconds.
async fn open(config: Config) -> Result<(Config, Arc<Store>), Error> {
    let opening = tokio::task::spawn_blocking(move || Store::open(&config).map(|store| (config, Arc::new(store))));
    match opening.await {
        Ok(opened) => Ok(opened?),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime ends, and this with it.
            Err(_) => pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::OpenOptionsExt;
    use std::time::Duration;

    use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
    use tokio::sync::oneshot;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_end_does_not_wait_for_what_is_still_read() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { data: Some(directory.path().to_owned()), ..Config::default() };
        Store::open(&config).unwrap().close().await.unwrap();
        // Reading this takes until whoever writes has ended.
        let log = directory.path().join("hub.db-wal");
        mkfifoat(CWD, &log, Mode::RUSR | Mode::WUSR).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut serving = tokio::spawn(serve(listener, config, async { drop(stopped.await) }));
        // Nobody can write before somebody reads.
        let (nonblocking, deadline) = (OFlags::NONBLOCK.bits().cast_signed(), Instant::now() + Duration::from_secs(20));
        let writer = loop {
            if let Ok(writer) = OpenOptions::new().write(true).custom_flags(nonblocking).open(&log) {
                break writer;
            }
            assert!(Instant::now() < deadline, "the store does not read its log");
            sleep(Duration::from_millis(1)).await;
        };
        stop.send(()).unwrap();
        let ended = timeout(Duration::from_secs(5), &mut serving).await;
        drop(writer);
        ended.expect("the hub does not stop").unwrap().unwrap();
    }
}
