//! The configuration, read again while the agent runs.
//!
//! The job: on SIGHUP, when asked over the local API, and, where `[reload] watch` says so, when the file has changed,
//! read file and environment again and have the supervisor take what is under `[processes]` and `[agents]`. A
//! configuration with any problem is refused whole: what runs stays, and the problems are told to whoever asked and in
//! the log. Other sections take effect when the agent is started again; those that differ are named. One reload at a
//! time; files are read off the main thread, so that a file system that does not answer holds up nothing else.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sandbeat_agent::{ReloadRequest, Reloaded};
use sandbeat_supervisor::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{interval, sleep};

use crate::args::ConfigFile;
use crate::config::{Config, Source};
use crate::output::Problems;

/// How often the file is looked at where it is watched.
const LOOK: Duration = Duration::from_secs(1);
/// How long a changed file is left to be written to its end.
const SETTLE: Duration = Duration::from_millis(100);

/// What reads the configuration again.
pub(crate) struct Reloader {
    options: ConfigFile,
    /// What the agent was started with, or has taken since.
    taken: Source,
    /// What all sections but those of the processes still run on.
    started: Source,
    requests: mpsc::Receiver<ReloadRequest>,
    hangup: Signal,
}

enum Cause {
    Hangup,
    Request(ReloadRequest),
    Changed,
}

impl Reloader {
    /// Listens for SIGHUP from now on.
    ///
    /// # Errors
    /// The process cannot handle signals.
    pub(crate) fn new(
        options: &ConfigFile,
        source: Source,
        requests: mpsc::Receiver<ReloadRequest>,
    ) -> anyhow::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        Ok(Reloader { options: options.clone(), started: source.clone(), taken: source, requests, hangup })
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(mut self, processes: Handle) {
        let mut seen = modified(self.taken.file.as_deref()).await;
        loop {
            let watched = self.taken.file.clone().filter(|_| self.taken.watched());
            let cause = tokio::select! {
                Some(()) = self.hangup.recv() => Cause::Hangup,
                Some(request) = self.requests.recv() => Cause::Request(request),
                () = changed(watched.as_deref(), &mut seen) => Cause::Changed,
            };
            // From before it is read, so that a change meanwhile is seen afterwards.
            let stamp = modified(self.taken.file.as_deref()).await;
            let result = self.reload(&processes).await;
            seen = stamp.or(seen);
            for problem in result.as_ref().err().into_iter().flatten() {
                tracing::error!("the configuration is refused, and the one before goes on: {problem}");
            }
            match cause {
                Cause::Hangup | Cause::Changed => {}
                // One who has stopped waiting reads the log.
                Cause::Request(request) => drop(request.answer.send(result)),
            }
        }
    }

    async fn reload(&mut self, processes: &Handle) -> Result<Reloaded, Vec<String>> {
        let options = self.options.clone();
        let read = spawn_blocking(move || read(&options)).await.map_err(|failed| vec![failed.to_string()])?;
        let (source, config) = read?;
        let changes = processes.reload(config.processes).await.map_err(|error| vec![error.to_string()])?;
        let mut needs_restart = source.differing(&self.started);
        // The hub is another program's, and the others have just been taken.
        needs_restart.retain(|section| !matches!(section.as_str(), "processes" | "agents" | "reload" | "hub"));
        if !needs_restart.is_empty() {
            tracing::warn!("changes of {} take effect when the agent is started again", needs_restart.join(", "));
        }
        self.taken = source;
        Ok(Reloaded {
            added: changes.added,
            removed: changes.removed,
            restarted: changes.restarted,
            unchanged: changes.unchanged,
            needs_restart,
        })
    }
}

fn read(options: &ConfigFile) -> Result<(Source, Config), Vec<String>> {
    let source = Source::read(options).map_err(|error| vec![format!("{error:#}")])?;
    let config =
        source.agent().map_err(|Problems(problems)| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok((source, config))
}

/// Waits until a file has another time or size than was seen last, and has settled. Without a file, for ever.
async fn changed(file: Option<&Path>, seen: &mut Option<(SystemTime, u64)>) {
    let Some(file) = file else { return std::future::pending().await };
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        // A file that is just not there is being replaced, or is missed at the next reload.
        let Some(now) = modified(Some(file)).await.filter(|now| Some(*now) != *seen) else { continue };
        *seen = Some(now);
        sleep(SETTLE).await;
        return;
    }
}

async fn modified(file: Option<&Path>) -> Option<(SystemTime, u64)> {
    let file: PathBuf = file?.to_owned();
    let looked = spawn_blocking(move || {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    });
    looked.await.ok().flatten()
}
