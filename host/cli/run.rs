//! `sandbeat run`: the agent.

use std::future::Future;

use anyhow::Context;
use sandbeat_agent::{Listener, Sources};
use sandbeat_collectors::Collectors;
use sandbeat_supervisor::Supervisor;

use crate::args::ConfigFile;
use crate::config::{Config, Source};
use crate::signals::Terminate;

pub(crate) fn run(options: &ConfigFile) -> anyhow::Result<()> {
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
        agent(config, shutdown).await
    })
}

/// Runs an agent with its collectors and processes until `shutdown`, and ends them after the last report.
///
/// # Errors
/// A part cannot start, or did not end well; the others are ended all the same.
pub(crate) async fn agent(config: Config, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let Config { agent, plugins, processes } = config;
    let listener = match &agent.api.listen {
        Some(listen) => Some(Listener::bind(listen).await?),
        None => None,
    };
    let collectors = Collectors::start(plugins)?;
    let supervisor = Supervisor::start(processes);
    let sources = Sources { collectors: collectors.handle(), processes: supervisor.handle() };
    let result = sandbeat_agent::run(agent, sources, listener, shutdown).await;
    supervisor.shutdown().await;
    let collectors = tokio::task::spawn_blocking(move || collectors.shutdown()).await;
    result?;
    collectors.context("the collectors did not end well")
}
