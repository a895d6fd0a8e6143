//! The coding agents of the sandbox: which are installed, in which version, and whether one runs here as a shared
//! process.
//!
//! The job: answer in the shapes of the npm package `sandbox-agent` 0.4, from what is true here and now. The list is
//! always the seven agents that its clients know (`known`), then those of `[agents.NAME]` under other names.
//!
//! - *Installed* is an agent whose program is found in `PATH`, or is named by the command of `[agents.ID]` itself. The
//!   reference also wants an adapter for its own protocol to be installed; here there is none to want. `mock` is no
//!   program of anybody's, and whatever `PATH` has of that name is another one: it is installed where `[agents.mock]`
//!   runs it.
//! - An agent under another name is installed where the program of its command is found. That program may be an
//!   interpreter, so that its version would be another's, and it is not asked for one.
//! - *Version* is what the program says to `--version`: the first word that looks like one (`version`). It is asked
//!   through the supervisor, so that nothing of it is left, at most [`version::TIMEOUT`] long, all at once, and once
//!   per installation: again when the file changes, and after a while where there was no answer.
//! - *Credentials* are looked for and never shown (`credentials`).
//! - `serverStatus` is there for those of `[agents.NAME]`, and so is the capability `sharedProcess`.
//!
//! Owner: [`crate::run`], which ends the task with the local API. It keeps what it learned and answers everybody who
//! asked meanwhile at once. Files are looked at on a thread, for [`LOOK_PATIENCE`] at most: a file system that does not
//! answer costs an answer and one thread.

mod credentials;
mod find;
mod known;
mod version;

use std::sync::Arc;
use std::time::Duration;

use sandbeat_status::{ProcessState, ProcessStatus};
use sandbeat_supervisor::{Details, Handle, Kind};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use self::find::{Found, Place};
use self::known::{Capabilities, KNOWN, Known};
use self::version::Versions;

/// How long the files are looked at.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// The most who wait for an answer; more wait for a place.
const MAX_WAITING: usize = 128;

/// Asks about the agents. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Agents {
    asks: mpsc::Sender<Ask>,
}

/// A coding agent, as clients see it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentInfo {
    pub(crate) id: String,
    installed: bool,
    /// Whether what it needs to sign in is there, as far as that can be seen from here.
    credentials_available: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    capabilities: Capabilities,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_status: Option<ServerStatus>,
}

/// The process that an agent's sessions share.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerStatus {
    status: ProcessState,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_ms: Option<u64>,
    restart_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// A question, and who waits for the answer.
#[derive(Debug)]
struct Ask {
    /// Whether versions are asked again that are known.
    anew: bool,
    answer: oneshot::Sender<Option<Arc<[AgentInfo]>>>,
}

/// Keeps what is known of installations.
pub(crate) struct Keeper {
    asks: mpsc::Receiver<Ask>,
    processes: Handle,
    versions: Versions,
    /// A look that did not end in time.
    late: Option<JoinHandle<Vec<Found>>>,
}

impl Agents {
    /// A handle, and what has to run for it to be answered.
    pub(crate) fn new(processes: Handle) -> (Agents, Keeper) {
        let (asks, asked) = mpsc::channel(MAX_WAITING);
        (Agents { asks }, Keeper { asks: asked, processes, versions: Versions::default(), late: None })
    }

    /// All agents; versions that are known are asked again where they are wanted `anew`. `None` when the files cannot
    /// be looked at in time, or the agent is ending.
    pub(crate) async fn list(&self, anew: bool) -> Option<Arc<[AgentInfo]>> {
        let (answer, told) = oneshot::channel();
        self.asks.send(Ask { anew, answer }).await.ok()?;
        told.await.ok()?
    }
}

impl Keeper {
    /// Answers until it is dropped.
    pub(crate) async fn serve(mut self) {
        while let Some(first) = self.asks.recv().await {
            let mut asks = vec![first];
            while let Ok(more) = self.asks.try_recv() {
                asks.push(more);
            }
            let agents = self.agents(asks.iter().any(|ask| ask.anew)).await;
            for ask in asks {
                // One who has stopped waiting needs no answer.
                let _ = ask.answer.send(agents.clone());
            }
        }
    }

    async fn agents(&mut self, anew: bool) -> Option<Arc<[AgentInfo]>> {
        let found = self.find().await?;
        let programs: Vec<_> =
            found.iter().filter(|found| found.speaks).filter_map(|found| found.place.clone()).collect();
        self.versions.learn(&programs, anew, &self.processes).await;
        // Those that are asked for their version take their time: what runs is looked at after that.
        let running = self.configured();
        let info = |found: Found| {
            let running = running.iter().find(|process| process.id == found.id);
            let version = found.place.as_ref().filter(|_| found.speaks).and_then(|place| self.versions.of(place));
            info(found, version, running)
        };
        Some(found.into_iter().map(info).collect())
    }

    /// Looks at the files.
    async fn find(&mut self) -> Option<Vec<Found>> {
        let by = Instant::now() + LOOK_PATIENCE;
        if let Some(late) = &mut self.late {
            // It answers a question of some time ago: only its end matters.
            let _ = timeout_at(by, late).await.ok()?;
            self.late = None;
        }
        let configured = self.configured();
        let mut looking = spawn_blocking(move || find::all(&configured));
        match timeout_at(by, &mut looking).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(failed)) => {
                tracing::error!("looking for coding agents failed; this is a defect of the agent: {failed}");
                None
            }
            Err(_) => {
                tracing::warn!("a directory of PATH or the home directory does not answer within {LOOK_PATIENCE:?}");
                self.late = Some(looking);
                None
            }
        }
    }

    /// The processes of `[agents.NAME]`.
    fn configured(&self) -> Vec<Details> {
        self.processes.list().into_iter().filter(|process| process.kind == Kind::Agent).collect()
    }
}

fn info(found: Found, version: Option<&str>, running: Option<&Details>) -> AgentInfo {
    let known = KNOWN.iter().find(|known| known.id == found.id);
    let capabilities = known.map_or(Capabilities::NONE, |known: &Known| known.capabilities);
    AgentInfo {
        id: found.id,
        installed: found.place.is_some(),
        credentials_available: found.credentials,
        version: version.map(str::to_owned),
        path: found.place.map(|Place { path, .. }| path.to_string_lossy().into_owned()),
        capabilities: Capabilities { shared_process: running.is_some(), ..capabilities },
        server_status: running.map(|process| ServerStatus::of(&process.status)),
    }
}

impl ServerStatus {
    fn of(status: &ProcessStatus) -> Self {
        ServerStatus {
            status: status.status,
            base_url: status.base_url.clone(),
            uptime_ms: status.uptime_ms,
            restart_count: status.restart_count,
            last_error: status.last_error.clone(),
        }
    }
}
