//! Where the host does what guests ask of it: on threads that may block, on few of them as long as none does.
//!
//! A thread stays once it was needed, with its stack and with what the allocator sets aside for it, some 70 KiB in all:
//! guests that measure at the same moment would leave one for each of them. So jobs wait for one of a few places. One
//! that takes longer gives its place to others and keeps its thread, so that nobody waits for a file that hangs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;

/// Jobs that run at the same time, beside those that take long.
const LANES: usize = 2;
/// What takes longer is not waited for. Reading what the kernel makes up takes less.
const PATIENCE: Duration = Duration::from_millis(20);

/// The places of all collectors; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Lanes(Arc<Semaphore>);

impl Default for Lanes {
    fn default() -> Self {
        Lanes(Arc::new(Semaphore::new(LANES)))
    }
}

impl Lanes {
    /// Runs a job that may block. Once it runs it goes on to its end, also where nobody waits for that any more.
    ///
    /// # Errors
    /// The job has panicked, or the runtime ends.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let place = self.0.acquire().await.ok();
        let mut job = spawn_blocking(job);
        match timeout(PATIENCE, &mut job).await {
            Ok(ended) => ended,
            Err(_) => {
                drop(place);
                job.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn many_at_once_take_turns_on_few_threads() {
        let lanes = Lanes::default();
        let names = || {
            thread::sleep(Duration::from_millis(1));
            thread::current().id()
        };
        let jobs: Vec<_> = (0..100)
            .map(|_| {
                tokio::spawn({
                    let lanes = lanes.clone();
                    async move { lanes.run(names).await.unwrap() }
                })
            })
            .collect();
        let mut threads = HashSet::new();
        for job in jobs {
            threads.insert(job.await.unwrap());
        }
        // It would be a hundred. One that has just ended may not wait for its next job yet, and a busy machine makes
        // some of them take long.
        assert!(threads.len() < 50, "{}", threads.len());
    }

    #[tokio::test]
    async fn those_that_hang_hold_up_nobody() {
        let lanes = Lanes::default();
        let mut holds = Vec::new();
        let hang = |_| {
            let (hold, held) = channel::<()>();
            holds.push(hold);
            let lanes = lanes.clone();
            tokio::spawn(async move { lanes.run(move || held.recv().is_err()).await })
        };
        let hung: Vec<_> = (0..5 * LANES).map(hang).collect();
        assert_eq!(lanes.run(|| 7).await.unwrap(), 7);
        assert!(hung.iter().all(|hung| !hung.is_finished()));
        drop(holds);
        for hung in hung {
            assert!(hung.await.unwrap().unwrap());
        }
    }

    #[tokio::test]
    async fn one_that_panics_or_is_given_up_leaves_its_place() {
        let lanes = Lanes::default();
        for _ in 0..LANES {
            assert!(lanes.run(|| panic!("told to")).await.unwrap_err().is_panic());
            let (hold, held) = channel::<()>();
            timeout(Duration::from_millis(1), lanes.run(move || held.recv())).await.unwrap_err();
            drop(hold);
        }
        assert_eq!(lanes.0.available_permits(), LANES);
    }
}
