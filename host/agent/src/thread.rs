//! The beat's own OS thread and runtime, so that nothing that the rest of the agent does can starve it.

use std::any::Any;
use std::future::Future;
use std::io;
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{oneshot, watch};

use crate::priority;
use crate::report::MOST_LOOKUPS;

/// What blocks: lookups of names, which are bounded, and one look at the files of token and certificates. None waits
/// for another that hangs.
const MAX_BLOCKING_THREADS: usize = MOST_LOOKUPS + 1;
/// A thread for what blocks does not end before the beat.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// What the beat's owner wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    /// To beat.
    Beat,
    /// To beat on and tell that the agent is stopping.
    TellStopping,
    /// To make the last report, and to end.
    End,
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct BeatThread {
    thread: JoinHandle<()>,
    wish: watch::Sender<Wish>,
    /// Closed when the thread is about to end, in whatever way.
    over: oneshot::Receiver<()>,
}

impl BeatThread {
    /// Starts the work, which is to end soon after it is wished for.
    ///
    /// # Errors
    /// The system gives no thread or no runtime.
    pub(crate) fn start<W, F>(work: W) -> io::Result<Self>
    where
        W: FnOnce(watch::Receiver<Wish>) -> F + Send + 'static,
        F: Future<Output = ()>,
    {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_BLOCKING_THREADS)
            .thread_keep_alive(FOR_EVER)
            .build()?;
        let (wish, wished) = watch::channel(Wish::Beat);
        let (alive, over) = oneshot::channel::<()>();
        let runtime = Abandoned(Some(runtime));
        let thread = std::thread::Builder::new().name("beat".to_owned()).spawn(move || {
            let _alive = alive;
            let abandoned = runtime;
            if let Some(runtime) = &abandoned.0 {
                make_threads(runtime);
                priority::go_first();
                runtime.block_on(work(wished));
            }
        })?;
        Ok(BeatThread { thread, wish, over })
    }

    /// To tell it what is wanted before its end.
    pub(crate) fn wishes(&self) -> watch::Sender<Wish> {
        self.wish.clone()
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
        self.wish.send_replace(Wish::End);
        if !self.over.is_terminated() && tokio::time::timeout(within, &mut self.over).await.is_err() {
            return Err(BeatError::Stuck(within));
        }
        // It is past everything that can wait.
        self.thread.join().map_err(|panic| BeatError::Panicked(words(panic.as_ref())))
    }
}

/// Makes all threads for what blocks, before the beat's priority is raised, which is not for them. They stay: where one
/// is needed and a sandbox has no tasks left, tokio would panic.
fn make_threads(runtime: &runtime::Runtime) {
    let all_there = Arc::new(Barrier::new(MAX_BLOCKING_THREADS));
    for _ in 0..MAX_BLOCKING_THREADS {
        let all_there = Arc::clone(&all_there);
        drop(runtime.spawn_blocking(move || all_there.wait()));
    }
}

/// A runtime whose end nobody waits for, not even after a panic: a name that does not resolve must not hold up the
/// exit.
struct Abandoned(Option<runtime::Runtime>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_reaches_the_owner_at_once() {
        let mut thread = BeatThread::start(|_| async { panic!("out of beat") }).unwrap();
        thread.over().await;
        let error = thread.stop(Duration::from_secs(10)).await.unwrap_err();
        assert!(error.to_string().ends_with("out of beat"), "{error}");
    }

    #[tokio::test]
    async fn a_panic_does_not_wait_for_what_hangs() {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let work = |_| async {
            drop(tokio::task::spawn_blocking(move || held.recv()));
            panic!("out of beat")
        };
        let mut thread = BeatThread::start(work).unwrap();
        thread.over().await;
        let started = std::time::Instant::now();
        assert!(matches!(thread.stop(Duration::from_secs(10)).await, Err(BeatError::Panicked(_))));
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        drop(hold);
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_not_waited_for_without_end() {
        let thread = BeatThread::start(|_| std::future::pending()).unwrap();
        let error = thread.stop(Duration::from_millis(20)).await.unwrap_err();
        assert!(matches!(error, BeatError::Stuck(_)), "{error}");
    }

    #[tokio::test]
    async fn asked_to_stop_it_ends() {
        let work = |mut wish: watch::Receiver<Wish>| async move {
            wish.wait_for(|wish| *wish == Wish::End).await.unwrap();
        };
        BeatThread::start(work).unwrap().stop(Duration::from_secs(10)).await.unwrap();
    }
}
