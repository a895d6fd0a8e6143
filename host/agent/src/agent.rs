//! The agent as a whole: the beat on its thread, the local API beside it, and their end.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_collectors::Handle as Collectors;
use sandbeat_supervisor::Handle as Processes;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Config;
use crate::agents::Agents;
use crate::api::{self, Listener};
use crate::beat::Beat;
use crate::report::{self, Client, ClientError, FINAL_BOUND};
use crate::thread::{BeatError, BeatThread, Wish};

/// How much longer than its own bound the beat's end is waited for.
const BEAT_GRACE: Duration = Duration::from_secs(2);
/// How long requests to the local API have to end.
const API_GRACE: Duration = Duration::from_secs(1);

/// What the agent reports on besides itself. The caller owns both and ends them after the agent.
#[derive(Clone)]
pub struct Sources {
    /// The running collectors.
    pub collectors: Collectors,
    /// The supervised processes.
    pub processes: Processes,
    /// Whoever reads the configuration again; closed where nobody does.
    pub reload: mpsc::Sender<ReloadRequest>,
}

/// A request to read the configuration again.
#[derive(Debug)]
pub struct ReloadRequest {
    /// What came of it, or every problem of a configuration that was refused whole.
    pub answer: oneshot::Sender<Result<Reloaded, Vec<String>>>,
}

/// What a reload of the configuration changed; names in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// New processes.
    pub added: Vec<String>,
    /// Processes that were stopped because they are not configured any more.
    pub removed: Vec<String>,
    /// Processes whose configuration is another.
    pub restarted: Vec<String>,
    /// Processes that were not touched.
    pub unchanged: Vec<String>,
    /// Sections that differ and take effect when the agent is started again.
    pub needs_restart: Vec<String>,
}

/// Why the agent could not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no way to speak to the hub. For the operator.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The system gives no thread. For the operator.
    #[error("a thread for the beat cannot be started: {0}")]
    Thread(#[source] std::io::Error),
    /// The beat failed. For us.
    #[error(transparent)]
    Beat(#[from] BeatError),
}

/// Runs the agent. From `asked` on its reports say that it is stopping; at `last_report` it reports `stopped`, within
/// [`FINAL_BOUND`]; and it returns about a second after `over`.
///
/// The local API is served on `listener` where there is one (see [`Listener::bind`]); it answers until `over`, so that
/// one can see what an end waits for. When it fails, that is logged, and the beat goes on. When the beat fails, all
/// ends at once.
///
/// # Errors
/// See [`Error`]. A hub that cannot be reached is none: the agent tries on.
pub async fn run(
    config: Config,
    sources: Sources,
    listener: Option<Listener>,
    asked: impl Future<Output = ()>,
    last_report: impl Future<Output = ()>,
    over: impl Future<Output = ()>,
) -> Result<(), Error> {
    let started = Instant::now();
    let boot_id = Uuid::new_v4().to_string();
    let client = Client::new(&config.report, &config.sample.sandbox_id)?;
    let (outbox, courier, delivery) = report::post_office(client, &config.report);
    let (beat, seen, observer) =
        Beat::new(&config, sources.clone(), boot_id.clone(), started, (outbox, delivery.clone()));
    let mut thread = BeatThread::start(|wish| async {
        tokio::join!(beat.run(wish), courier.run());
    })
    .map_err(Error::Thread)?;
    let wishes = thread.wishes();

    let (agents, keeper) = Agents::new(sources.processes.clone());
    let state =
        api::State { about: Arc::new(about(&config, boot_id, started)), seen, observer, delivery, sources, agents };
    let mut serving = JoinSet::new();
    let (stop_api, api_stopped) = oneshot::channel();
    if let Some(listener) = listener {
        serving.spawn(api::serve(listener, state, config.api, api_stopped));
        // It ends when nobody is left who could ask.
        serving.spawn(keeper.serve());
    }

    tokio::select! {
        () = last_report => {}
        () = stopping(asked, wishes) => {}
        () = thread.over() => {}
        () = api_failed(&mut serving) => {}
    }
    let beat = thread.stop(FINAL_BOUND + BEAT_GRACE).await;
    if beat.is_ok() {
        over.await;
    }
    drop(stop_api);
    if tokio::time::timeout(API_GRACE, api_ended(&mut serving)).await.is_err() {
        serving.shutdown().await;
    }
    Ok(beat?)
}

fn about(config: &Config, boot_id: String, started: Instant) -> api::About {
    api::About {
        sandbox_id: config.sample.sandbox_id.clone(),
        boot_id,
        since: Timestamp::now(),
        started,
        interval: config.report.interval,
        server_url: config.report.server_url.to_string(),
        metadata: config.metadata.clone(),
    }
}

/// Has the beat tell that the agent is stopping, when it is asked to; never returns.
async fn stopping(asked: impl Future<Output = ()>, wishes: watch::Sender<Wish>) {
    asked.await;
    wishes.send_if_modified(|wish| {
        let news = *wish < Wish::TellStopping;
        *wish = (*wish).max(Wish::TellStopping);
        news
    });
    std::future::pending().await
}

/// Tells of the API's end before its time; never returns, because the beat goes on without it.
async fn api_failed(serving: &mut JoinSet<()>) {
    api_ended(serving).await;
    std::future::pending().await
}

async fn api_ended(serving: &mut JoinSet<()>) {
    while let Some(ended) = serving.join_next().await {
        if let Err(failed) = ended {
            tracing::error!("the local API failed inside the agent; this is a defect of it: {failed}");
        }
    }
}
