//! Where a process's task is asked for something.

use tokio::sync::{mpsc, oneshot};

use crate::board::{Asking, Request};
use crate::spawn::NotStarted;

/// Where the task is asked for something.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) requests: mpsc::Receiver<Asking>,
    /// Sent or dropped, it means the end of supervision.
    pub(crate) shutdown: oneshot::Receiver<()>,
    /// Told of the first start of one that was created; when that fails, the task ends.
    pub(crate) created: Option<oneshot::Sender<Result<(), NotStarted>>>,
}

/// What it is asked for.
#[derive(Debug)]
pub(super) enum Asked {
    For(Request),
    Shutdown,
}

impl Mailbox {
    /// The next request; who waits for its end is added. After [`Asked::Shutdown`] there is nothing more to ask for.
    pub(super) async fn asked(&mut self, waiting: &mut Vec<oneshot::Sender<()>>) -> Asked {
        tokio::select! {
            biased;
            _ = &mut self.shutdown => Asked::Shutdown,
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
