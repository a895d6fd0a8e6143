//! The beat's own OS thread and runtime, so that nothing that the rest of the agent does can starve it.

use std::any::Any;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{oneshot, watch};

use crate::beat::Beat;
use crate::report::Courier;

/// Name resolution is the only thing that blocks; one may hang while the next is tried.
const MAX_BLOCKING_THREADS: usize = 2;

/// The running thread.
#[derive(Debug)]
pub(crate) struct BeatThread {
    thread: JoinHandle<()>,
    stop: watch::Sender<bool>,
    /// Closed when the thread is about to end, in whatever way.
    over: oneshot::Receiver<()>,
}

impl BeatThread {
    /// Starts to beat.
    ///
    /// # Errors
    /// The system gives no thread or no runtime.
    pub(crate) fn start(beat: Beat, courier: Courier) -> io::Result<Self> {
        let runtime =
            runtime::Builder::new_current_thread().enable_all().max_blocking_threads(MAX_BLOCKING_THREADS).build()?;
        let (stop, stopped) = watch::channel(false);
        let (alive, over) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("beat".to_owned()).spawn(move || {
            let _alive = alive;
            runtime.block_on(async { tokio::join!(beat.run(stopped), courier.run()) });
            // A name that does not resolve must not hold up the exit.
            runtime.shutdown_background();
        })?;
        Ok(BeatThread { thread, stop, over })
    }

    /// Waits until the thread has ended by itself, which it only does by a defect.
    pub(crate) async fn over(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.over).await;
    }

    /// Has the last report sent and waits for the thread's end, at most `within`.
    ///
    /// # Errors
    /// See [`BeatError`].
    pub(crate) async fn stop(mut self, within: Duration) -> Result<(), BeatError> {
        self.stop.send_replace(true);
        if !self.over.is_terminated() && tokio::time::timeout(within, &mut self.over).await.is_err() {
            return Err(BeatError::Stuck(within));
        }
        // It is past everything that can wait.
        self.thread.join().map_err(|panic| BeatError::Panicked(words(panic.as_ref())))
    }
}

/// How the beat can fail. Both are defects of the agent.
#[derive(Debug, thiserror::Error)]
pub enum BeatError {
    /// Its thread panicked.
    #[error("the beat failed inside the agent; this is a defect of it: {0}")]
    Panicked(String),
    /// Its thread did not end.
    #[error("the beat did not end within {0:?}; this is a defect of the agent")]
    Stuck(Duration),
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words").to_owned()
}
