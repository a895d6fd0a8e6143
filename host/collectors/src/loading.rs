//! A load that goes on beside the running collector.
//!
//! Owner: the plugin's task. It ends with its owner, and with it the compiler that it waits for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::load::{Job, Loader, Outcome, Refused};
use crate::progress::Told;

/// See the module.
pub(crate) struct Loading {
    task: JoinHandle<LoadResult>,
    phase: Phase,
    told: watch::Receiver<Told>,
}

pub(crate) type LoadResult = Result<Outcome, Refused>;

/// How far a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is put off.
    Delayed,
    /// So quick that a report may wait for it.
    Quick,
    /// A component is compiled for it, which is too long for a report to wait, and not to be thrown away.
    Compiling,
}

/// What happens to a load.
pub(crate) enum Step {
    Compiling,
    Ended(Box<Result<LoadResult, JoinError>>),
}

impl Loading {
    pub(crate) fn start(loader: Arc<Loader>, job: Job, delay: Duration) -> Self {
        let (tell, told) = watch::channel(None);
        let task = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            loader.load(&job, &tell).await
        });
        let phase = if delay.is_zero() { Phase::Quick } else { Phase::Delayed };
        Loading { task, phase, told }
    }

    pub(crate) fn phase(&self) -> Phase {
        if self.told.borrow().is_some() { Phase::Compiling } else { self.phase }
    }

    /// Where it is told how far the compilation is.
    pub(crate) fn told(&self) -> watch::Receiver<Told> {
        self.told.clone()
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits for the next thing to happen to a load, without end where there is none.
pub(crate) async fn next_step(loading: &mut Option<Loading>) -> Step {
    let Some(Loading { task, told, .. }) = loading else { return std::future::pending().await };
    tokio::select! {
        ended = task => Step::Ended(Box::new(ended)),
        // The sender lives as long as the load; when it is gone, the other branch is ready.
        Ok(()) = told.changed() => Step::Compiling,
    }
}
