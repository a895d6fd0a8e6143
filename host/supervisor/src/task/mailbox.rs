//! Where a process's task is asked for something.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::board::{Asking, Request};
use crate::config::Process;
use crate::spawn::NotStarted;

/// Where the task is asked for something.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) requests: mpsc::Receiver<Asking>,
    /// Changes when the process is configured otherwise and is to be started anew.
    pub(crate) configured: watch::Receiver<Arc<Process>>,
    /// Sent or dropped, it means the end of supervision.
    pub(crate) shutdown: oneshot::Receiver<()>,
    /// Told of the first start of one that was created; when that fails, the task ends.
    pub(crate) created: Option<oneshot::Sender<Result<(), NotStarted>>>,
}

/// What it is asked for.
#[derive(Debug)]
pub(super) enum Asked {
    For(Request),
    Replace,
    Shutdown,
}

impl Mailbox {
    /// The next request; who waits for its end is added. After [`Asked::Shutdown`] there is nothing more to ask for.
    pub(super) async fn asked(&mut self, waiting: &mut Vec<oneshot::Sender<()>>) -> Asked {
        tokio::select! {
            biased;
            _ = &mut self.shutdown => Asked::Shutdown,
            other = self.configured.changed() => other.map_or(Asked::Shutdown, |()| Asked::Replace),
            asking = self.requests.recv() => match asking {
                Some(Asking { request, done }) => {
                    waiting.push(done);
                    Asked::For(request)
                }
                None => Asked::Shutdown,
            },
        }
    }
}
