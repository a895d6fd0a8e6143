//! Measures the CPU that a guest uses, so that waiting for a host function does not count against it, nor waiting for
//! its turn behind other guests against its wall clock.
//!
//! A call is polled on one thread at a time; each poll is measured by that thread's own CPU clock. Asking for that is a
//! system call, which a poll that was short by the wall clock is spared at its end: it counts as the wall clock has it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A poll that took no longer counts by the wall clock. Being wrong by so little per poll does no harm.
const SHORT: Duration = Duration::from_micros(200);

/// The CPU that one call has used. All figures are nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    /// Of polls that have ended.
    used: AtomicU64,
    /// The thread's CPU clock when the current poll began.
    began: AtomicU64,
    /// Of host functions that worked for it on other threads.
    on_host: AtomicU64,
    /// How long the guest could have gone on, and others had their turn.
    waited: AtomicU64,
}

impl CpuMeter {
    /// To be asked from within a measured future, on the thread that polls it.
    pub(crate) fn used_so_far(&self) -> Duration {
        let current = thread_cpu().saturating_sub(self.began.load(Ordering::Relaxed));
        Duration::from_nanos(self.used.load(Ordering::Relaxed) + current)
    }

    /// What all polls that have ended have used.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// The same, and what the host has used on its behalf.
    pub(crate) fn with_host(&self) -> Duration {
        self.used() + Duration::from_nanos(self.on_host.load(Ordering::Relaxed))
    }

    /// Runs a job of the host's on this thread and counts what it uses.
    pub(crate) fn measure_host<T>(&self, job: impl FnOnce() -> T) -> T {
        let began = thread_cpu();
        let done = job();
        self.on_host.fetch_add(thread_cpu().saturating_sub(began), Ordering::Relaxed);
        done
    }

    /// How long the guest has waited for its turn.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited.load(Ordering::Relaxed))
    }

    /// For the next call.
    pub(crate) fn reset(&self) {
        self.used.store(0, Ordering::Relaxed);
        self.on_host.store(0, Ordering::Relaxed);
        self.waited.store(0, Ordering::Relaxed);
    }

    /// Lets others have their turn, and counts how long that takes.
    pub(crate) async fn give_way(self: Arc<Self>) {
        let start = Instant::now();
        tokio::task::yield_now().await;
        self.waited.fetch_add(nanos(start.elapsed()), Ordering::Relaxed);
    }

    /// Runs a future and counts what its polls use.
    pub(crate) async fn measure<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            let (began, start) = (thread_cpu(), Instant::now());
            self.began.store(began, Ordering::Relaxed);
            let poll: Poll<F::Output> = future.as_mut().poll(context);
            let used = match start.elapsed() {
                short if short <= SHORT => nanos(short),
                _ => thread_cpu().saturating_sub(began),
            };
            self.used.fetch_add(used, Ordering::Relaxed);
            poll
        })
        .await
    }
}

fn thread_cpu() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_is_not_counted_and_working_is() {
        let meter = CpuMeter::default();
        meter.measure(tokio::time::sleep(Duration::from_millis(30))).await;
        assert!(meter.used() < Duration::from_millis(20));
        meter
            .measure(async {
                while meter.used_so_far() < Duration::from_millis(25) {
                    std::hint::spin_loop();
                }
            })
            .await;
        assert!(meter.used() >= Duration::from_millis(20));
    }

    #[test]
    fn what_the_host_does_is_counted_apart() {
        let meter = CpuMeter::default();
        let answer = meter.measure_host(|| {
            let began = thread_cpu();
            while thread_cpu() - began < 10_000_000 {
                std::hint::spin_loop();
            }
            7
        });
        assert_eq!((answer, meter.used()), (7, Duration::ZERO));
        assert!(meter.with_host() >= Duration::from_millis(10));
    }

    #[tokio::test]
    async fn the_turns_of_others_are_counted_apart() {
        let meter = Arc::new(CpuMeter::default());
        let other = tokio::spawn(async { std::thread::park_timeout(Duration::from_millis(20)) });
        meter.measure(meter.clone().give_way()).await;
        other.await.unwrap();
        assert!(meter.waited() > Duration::ZERO && meter.used() < Duration::from_millis(20));
        meter.reset();
        assert_eq!((meter.used(), meter.waited()), (Duration::ZERO, Duration::ZERO));
    }
}
