//! `sandbeat run`: the agent.
//!
//! It ends when it is asked to, or when a process that is essential has ended for good, with that one's code.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use sandbeat_agent::{Listener, Sources};
use sandbeat_collectors::Collectors;
use sandbeat_supervisor::{Guard, Orphans, Supervisor};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::args::ConfigFile;
use crate::config::{Config, Source};
use crate::logging;
use crate::reload::Reloader;
use crate::signals::{self, Terminate};

/// The most requests for a reload that wait.
const MAX_RELOADS: usize = 8;

/// As many as glibc makes without asking for the number of processors.
#[cfg(target_env = "gnu")]
const ARENAS: i32 = 8;

/// How long the last report waits for the end of the processes.
const STOP_BEFORE_LAST_REPORT: Duration = Duration::from_secs(4);

/// How long threads that wait for a file system are waited for, when everything else has ended.
pub(crate) const BLOCKED: Duration = Duration::from_secs(1);

/// A thread for what blocks does not end while the agent runs.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// The processes are being stopped.
    Asked,
    /// Nothing of them is left.
    Stopped,
}

pub(crate) fn run(options: &ConfigFile) -> anyhow::Result<ExitCode> {
    sandbeat_supervisor::spare_agent();
    let guard = guard();
    let _log = logging::never_wait();
    let result = start(options, guard.as_ref());
    // After a panic it is not told, and ends what is left.
    guard.into_iter().for_each(Guard::dismiss);
    result
}

/// Forks the guard, while this thread is the only one.
pub(crate) fn guard() -> Option<Guard> {
    match Guard::start() {
        Ok(guard) => guard,
        Err(failed) => {
            tracing::warn!("no guard ends what is left should the agent be killed: {failed}");
            None
        }
    }
}

fn start(options: &ConfigFile, guard: Option<&Guard>) -> anyhow::Result<ExitCode> {
    bound_arenas();
    sandbeat_supervisor::keep_inherited();
    let source = Source::read(options)?;
    let config = source.agent()?;
    if let Some(file) = &source.file {
        tracing::info!(file = %file.display(), "configuration read");
    }
    // The beat and the collectors have threads of their own: this one is for processes and the local API.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_keep_alive(FOR_EVER).build()?;
    // One thread for what blocks is there from now on: without any, a sandbox that has no tasks left would make it
    // fail.
    drop(runtime.spawn_blocking(|| {}));
    let result = runtime.block_on(async { agent(config, Some((options, source)), guard, Terminate::listen()?).await });
    // A look at a file system that does not answer is not waited for.
    runtime.shutdown_timeout(BLOCKED);
    result
}

/// Gives the allocator a number of arenas. Without one, glibc asks for the number of processors when the ninth thread
/// allocates, and reads that from `/sys` or `/proc/stat`: where such a file hangs, so would that thread, the beat for
/// one. And each further arena would keep what is free in it for itself. The operator's own number stands.
fn bound_arenas() {
    #[cfg(target_env = "gnu")]
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        #[expect(unsafe_code, reason = "there is no safe interface to the allocator's settings")]
        // SAFETY: it sets a number inside the allocator, under the allocator's own lock.
        let set = unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS) };
        if set == 0 {
            tracing::debug!("the allocator takes no number of arenas");
        }
    }
}

/// Runs an agent with its collectors and processes until it is asked to end. What is left of them then is killed. Where
/// it has a source, it reads that again when asked to. To be polled by the main thread, which orphans come to.
///
/// # Errors
/// A part cannot start, or did not end well; the others are ended all the same.
pub(crate) async fn agent(
    config: Config,
    source: Option<(&ConfigFile, Source)>,
    guard: Option<&Guard>,
    terminate: Terminate,
) -> anyhow::Result<ExitCode> {
    let orphans = Orphans::adopt(guard);
    let orphans = orphans.inspect_err(|failed| tracing::warn!("orphans do not come to the agent: {failed}"));
    let Ok(mut orphans) = orphans else { return parts(config, source, terminate).await };
    let result = tokio::select! {
        result = parts(config, source, terminate) => result,
        never = orphans.reap() => match never {},
    };
    orphans.end();
    result
}

async fn parts(
    config: Config,
    source: Option<(&ConfigFile, Source)>,
    terminate: Terminate,
) -> anyhow::Result<ExitCode> {
    let Config { agent, plugins, processes } = config;
    let listener = match &agent.api.listen {
        Some(listen) => Some(Listener::bind(listen).await?),
        None => None,
    };
    let (reload, requests) = mpsc::channel(MAX_RELOADS);
    let reloader = source.map(|(options, source)| Reloader::new(options, source, requests)).transpose()?;
    sandbeat_supervisor::clear_leftovers();
    let collectors = Collectors::start(plugins)?;
    let supervisor = Supervisor::start(processes);
    let processes = supervisor.handle();
    let sources = Sources { collectors: collectors.handle(), processes: processes.clone(), reload };
    let stages = watch::Sender::new(Stage::Running);
    let reloading = async {
        if let Some(reloader) = reloader {
            reloader.serve(processes.clone()).await;
        }
        std::future::pending().await
    };
    let running = async {
        let (asked, last_report) = (reached(stages.subscribe(), Stage::Asked), last_report(stages.subscribe()));
        let over = reached(stages.subscribe(), Stage::Stopped);
        let result = tokio::select! {
            result = sandbeat_agent::run(agent, sources, listener, asked, last_report, over) => result,
            never = signals::forward(processes.clone()) => match never {},
            never = reloading => never,
        };
        // Should it have ended by itself, the rest ends with it.
        stages.send_if_modified(|stage| {
            let early = *stage == Stage::Running;
            *stage = (*stage).max(Stage::Asked);
            early
        });
        result
    };
    let (result, code) = tokio::join!(running, end(supervisor, terminate, &stages));
    let collectors = tokio::task::spawn_blocking(move || collectors.shutdown()).await;
    result?;
    collectors.context("the collectors did not end well")?;
    Ok(ExitCode::from(code))
}

/// Waits until the agent is to end, and stops the processes, beside its last report. The exit code.
async fn end(supervisor: Supervisor, mut terminate: Terminate, stages: &watch::Sender<Stage>) -> u8 {
    let processes = supervisor.handle();
    let code = tokio::select! {
        signal = terminate.received() => {
            tracing::info!(signal, "the agent is asked to stop");
            0
        }
        (id, code) = processes.essential_end() => {
            tracing::info!(process = id, code, "an essential process has ended; the agent ends with it");
            code
        }
        () = reached(stages.subscribe(), Stage::Asked) => 0,
    };
    stages.send_replace(Stage::Asked);
    let mut stopping = std::pin::pin!(supervisor.shutdown());
    tokio::select! {
        () = &mut stopping => {}
        signal = terminate.received() => {
            tracing::warn!(signal, "the agent is asked to stop again; killing what has not stopped yet");
            processes.hurry();
            stopping.await;
        }
    }
    stages.send_replace(Stage::Stopped);
    code
}

/// The last report tells how the processes have ended, unless that takes too long: the report must not come too late
/// for whoever kills the agent some seconds after asking it to end.
async fn last_report(stages: watch::Receiver<Stage>) {
    reached(stages.clone(), Stage::Asked).await;
    // Either way it is time.
    let _ = timeout(STOP_BEFORE_LAST_REPORT, reached(stages, Stage::Stopped)).await;
}

async fn reached(mut stages: watch::Receiver<Stage>, wanted: Stage) {
    // The sender outlives all who wait here.
    let _ = stages.wait_for(|stage| *stage >= wanted).await;
}
