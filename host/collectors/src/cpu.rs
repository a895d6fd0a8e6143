//! Measures the CPU that a guest uses, so that waiting for a host function does not count against it.
//!
//! A call is polled on one thread at a time. Asking the kernel for a thread's CPU costs more than a short call does, so
//! it is only asked once the epoch callback has come by, which it does every [`TICK`] while a guest runs. What came
//! before that within a poll counts as the wall clock has it, and as one tick at most: more it cannot have used, and
//! while the thread was not running at all it must not be blamed.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::engine::TICK;

/// The CPU that one call has used. All figures are nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    /// Of polls that have ended.
    used: AtomicU64,
    /// When the current poll began, by the wall clock.
    began: AtomicU64,
    /// What the current poll had used when it was first asked, and the thread's CPU clock then; 0: not asked yet.
    before: AtomicU64,
    clock: AtomicU64,
}

impl CpuMeter {
    /// To be asked from within a measured future, on the thread that polls it.
    pub(crate) fn used_so_far(&self) -> Duration {
        let now = thread_cpu();
        if self.clock.load(Ordering::Relaxed) == 0 {
            self.before.store(self.at_most_a_tick(), Ordering::Relaxed);
            self.clock.store(now.max(1), Ordering::Relaxed);
        }
        Duration::from_nanos(self.used.load(Ordering::Relaxed) + self.since_asked(now))
    }

    /// What all polls that have ended have used.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// For the next call.
    pub(crate) fn reset(&self) {
        self.used.store(0, Ordering::Relaxed);
    }

    /// Runs a future and counts what its polls use.
    pub(crate) async fn measure<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            self.began.store(wall(), Ordering::Relaxed);
            self.clock.store(0, Ordering::Relaxed);
            let poll: Poll<F::Output> = future.as_mut().poll(context);
            let used = match self.clock.load(Ordering::Relaxed) {
                0 => self.at_most_a_tick(),
                _ => self.since_asked(thread_cpu()),
            };
            self.used.fetch_add(used, Ordering::Relaxed);
            poll
        })
        .await
    }

    fn at_most_a_tick(&self) -> u64 {
        wall().saturating_sub(self.began.load(Ordering::Relaxed)).min(nanos(TICK))
    }

    fn since_asked(&self, now: u64) -> u64 {
        self.before.load(Ordering::Relaxed) + now.saturating_sub(self.clock.load(Ordering::Relaxed))
    }
}

/// Since some moment of this process.
fn wall() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    nanos(START.get_or_init(Instant::now).elapsed())
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

    #[tokio::test]
    async fn a_poll_that_was_never_asked_counts_as_one_tick_at_most() {
        let meter = CpuMeter::default();
        meter.measure(async { std::thread::park_timeout(TICK * 10) }).await;
        assert!(meter.used() <= TICK);
        meter.reset();
        assert_eq!(meter.used(), Duration::ZERO);
    }
}
