//! Who is told of events, once they are stored: the log, clients that listen, and webhooks.
//!
//! `routes` is what clients ask; `stream` is what they hear, of events through a `feed` and of reports through `beats`;
//! `webhooks` posts. Owner of the tasks is [`Telling`]. None of it holds up what happens: whoever is slow reads
//! from the store later, and whoever does not read at all is cut off.

mod accept;
mod beats;
mod feed;
mod routes;
mod stream;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(crate) use self::beats::Beats;
pub(crate) use self::routes::routes;
pub(crate) use self::webhooks::IN_FLIGHT;
use self::webhooks::{Client, Surroundings};
use crate::closing::Closing;
use crate::config::{Config, Webhook};
use crate::event::{Event, Kind};
use crate::measure::Measures;
use crate::store::Store;

/// What posts may still take when the hub ends.
const END: Duration = Duration::from_secs(3);

/// Everyone who is told.
#[derive(Debug)]
pub(crate) struct Audience {
    /// Who wants to know of reports.
    pub(crate) beats: Arc<Beats>,
    /// One for each stream.
    places: Arc<Semaphore>,
    /// How many streams there may be.
    streams: usize,
    webhooks: Vec<Webhook>,
}

/// The tasks of whoever is told.
#[derive(Debug)]
pub(crate) struct Telling {
    tasks: JoinSet<()>,
    closing: Closing,
}

impl Audience {
    /// Those that the configuration allows and names.
    pub(crate) fn new(config: &Config) -> Self {
        let streams = config.limits.streams;
        Audience {
            beats: Arc::default(),
            places: Arc::new(Semaphore::new(streams.min(Semaphore::MAX_PERMITS))),
            streams,
            webhooks: config.webhooks.clone(),
        }
    }

    /// Begins to collect beats and to post to webhooks, until the hub is `closing`. No event from here on is missed.
    pub(crate) async fn start(&self, store: &Arc<Store>, measures: &Arc<Measures>, closing: Closing) -> Telling {
        let mut tasks = JoinSet::new();
        tasks.spawn(beats::run(Arc::clone(&self.beats), Arc::clone(store), closing.clone()));
        if !self.webhooks.is_empty() {
            match Client::new().await {
                Ok(client) => {
                    let surroundings = Surroundings { client, store, measures, closing: &closing };
                    for (index, webhook) in self.webhooks.iter().enumerate() {
                        if let Some(poster) = surroundings.poster(index, webhook).await {
                            tasks.spawn(poster.run());
                        }
                    }
                }
                Err(error) => tracing::error!(%error, "TLS cannot be set up, so no webhook works"),
            }
        }
        Telling { tasks, closing }
    }
}

impl Telling {
    /// Goes on until the hub ends; a post that is under way then has 3 s. A panic in one of the tasks is logged, and
    /// ends that task alone.
    pub(crate) async fn run(mut self) {
        tokio::select! {
            () = self.closing.wait() => {}
            () = all_ended(&mut self.tasks) => {}
        }
        if timeout(END, all_ended(&mut self.tasks)).await.is_err() {
            tracing::warn!("posts to webhooks did not end in time; they are repeated at the next start");
        }
        self.tasks.shutdown().await;
    }
}

async fn all_ended(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a task that tells of events ended in a panic; this is a bug of sandbeat");
        }
    }
}

/// One line per change of state. That a sandbox is there, which of a whole fleet's first start would be two lines for
/// each, is for who looks closer; the events say it to everyone.
pub(crate) fn announce(event: &Event) {
    let sandbox = event.sandbox_id.as_deref();
    let (name, detail) = (event.name.as_deref(), event.detail.as_deref());
    match event.kind {
        Kind::Registered => tracing::debug!(sandbox, "registered"),
        Kind::Deleted => tracing::info!(sandbox, "deleted"),
        Kind::TokenRotated => tracing::info!(sandbox, "has a new token"),
        Kind::Reported => tracing::debug!(sandbox, "first report"),
        Kind::Overdue => tracing::warn!(sandbox, "registered, but it has not reported in time"),
        Kind::Lost => tracing::warn!(sandbox, "lost: no report for too long"),
        Kind::Recovered => tracing::info!(sandbox, "recovered: it reports again"),
        Kind::Stopped => tracing::info!(sandbox, "stopped, as it said"),
        Kind::Started => tracing::info!(sandbox, "started again"),
        Kind::Restarted => tracing::info!(sandbox, "restarted without having said that it stops"),
        Kind::ProcessFailed => tracing::warn!(sandbox, process = name, detail, "a process fails"),
        Kind::ProcessRecovered => tracing::info!(sandbox, process = name, detail, "a process does not fail any more"),
        Kind::CollectorFailed => tracing::warn!(sandbox, collector = name, detail, "a collector fails"),
        Kind::CollectorRecovered => tracing::info!(sandbox, collector = name, detail, "a collector works again"),
        Kind::Suppressed => tracing::warn!(sandbox, detail, "too many events; the next ones of it are left out"),
        Kind::Suspect => tracing::warn!(
            detail,
            "so many sandboxes are silent at once that none is called lost; check the hub's own network"
        ),
        Kind::Trusted => tracing::info!(detail, "silent sandboxes are called lost again"),
    }
}
