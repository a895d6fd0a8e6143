//! `sandbeat run`: the agent.

use std::future::Future;

use anyhow::Context;
use sandbeat_agent::{Listener, Sources};
use sandbeat_collectors::Collectors;
use sandbeat_supervisor::{Guard, Orphans, Supervisor};

use crate::args::ConfigFile;
use crate::config::{Config, Source};
use crate::signals::{self, Terminate};

pub(crate) fn run(options: &ConfigFile) -> anyhow::Result<()> {
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

fn start(options: &ConfigFile, guard: Option<&Guard>) -> anyhow::Result<()> {
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
        agent(config, guard, shutdown).await
    })
}

/// Runs an agent with its collectors and processes until `shutdown`, and ends them after the last report. What is left
/// of them then is killed. To be polled by the main thread, which orphans come to.
///
/// # Errors
/// A part cannot start, or did not end well; the others are ended all the same.
pub(crate) async fn agent(
    config: Config,
    guard: Option<&Guard>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let orphans = Orphans::adopt(guard);
    let orphans = orphans.inspect_err(|failed| tracing::warn!("orphans do not come to the agent: {failed}"));
    let Ok(mut orphans) = orphans else { return parts(config, shutdown).await };
    let result = tokio::select! {
        result = parts(config, shutdown) => result,
        never = orphans.reap() => match never {},
    };
    orphans.end();
    result
}

async fn parts(config: Config, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let Config { agent, plugins, processes } = config;
    let listener = match &agent.api.listen {
        Some(listen) => Some(Listener::bind(listen).await?),
        None => None,
    };
    sandbeat_supervisor::clear_leftovers();
    let collectors = Collectors::start(plugins)?;
    let supervisor = Supervisor::start(processes);
    let sources = Sources { collectors: collectors.handle(), processes: supervisor.handle() };
    let result = tokio::select! {
        result = sandbeat_agent::run(agent, sources, listener, shutdown) => result,
        never = signals::forward(supervisor.handle()) => match never {},
    };
    supervisor.shutdown().await;
    let collectors = tokio::task::spawn_blocking(move || collectors.shutdown()).await;
    result?;
    collectors.context("the collectors did not end well")
}
