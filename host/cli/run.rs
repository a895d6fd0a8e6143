//! `sandbeat run`: the agent.
//!
//! It ends when it is asked to, or when a process that is essential has ended for good, with that one's code.

use std::future::Future;
use std::process::ExitCode;

use anyhow::Context;
use sandbeat_agent::{Listener, Sources};
use sandbeat_collectors::Collectors;
use sandbeat_supervisor::{Guard, Orphans, Supervisor};
use tokio::sync::mpsc;

use crate::args::ConfigFile;
use crate::config::{Config, Source};
use crate::reload::Reloader;
use crate::signals::{self, Terminate};

/// The most requests for a reload that wait.
const MAX_RELOADS: usize = 8;

pub(crate) fn run(options: &ConfigFile) -> anyhow::Result<ExitCode> {
    let guard = guard();
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
    let source = Source::read(options)?;
    let config = source.agent()?;
    if let Some(file) = &source.file {
        tracing::info!(file = %file.display(), "configuration read");
    }
    // The beat and the collectors have threads of their own: this one is for processes and the local API.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = Terminate::listen()?;
        let shutdown = async move {
            let signal = terminate.received().await;
            tracing::info!(signal, "the agent is asked to stop");
        };
        agent(config, Some((options, source)), guard, shutdown).await
    })
}

/// Runs an agent with its collectors and processes until `shutdown`, and ends them after the last report. What is left
/// of them then is killed. Where it has a source, it reads that again when asked to. To be polled by the main thread,
/// which orphans come to.
///
/// # Errors
/// A part cannot start, or did not end well; the others are ended all the same.
pub(crate) async fn agent(
    config: Config,
    source: Option<(&ConfigFile, Source)>,
    guard: Option<&Guard>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<ExitCode> {
    let orphans = Orphans::adopt(guard);
    let orphans = orphans.inspect_err(|failed| tracing::warn!("orphans do not come to the agent: {failed}"));
    let Ok(mut orphans) = orphans else { return parts(config, source, shutdown).await };
    let result = tokio::select! {
        result = parts(config, source, shutdown) => result,
        never = orphans.reap() => match never {},
    };
    orphans.end();
    result
}

async fn parts(
    config: Config,
    source: Option<(&ConfigFile, Source)>,
    shutdown: impl Future<Output = ()>,
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
    let reloading = async {
        if let Some(reloader) = reloader {
            reloader.serve(processes.clone()).await;
        }
        std::future::pending().await
    };
    let mut code = 0;
    let shutdown = async {
        tokio::select! {
            () = shutdown => {}
            (id, its) = processes.essential_end() => {
                tracing::info!(process = id, code = its, "an essential process has ended; the agent ends with it");
                code = its;
            }
        }
    };
    let sources = Sources { collectors: collectors.handle(), processes: processes.clone(), reload };
    let result = tokio::select! {
        result = sandbeat_agent::run(agent, sources, listener, shutdown) => result,
        never = reloading => never,
        never = signals::forward(processes.clone()) => match never {},
    };
    supervisor.shutdown().await;
    let collectors = tokio::task::spawn_blocking(move || collectors.shutdown()).await;
    result?;
    collectors.context("the collectors did not end well")?;
    Ok(ExitCode::from(code))
}
