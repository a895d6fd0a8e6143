//! Measures the CPU that a guest uses, so that waiting for a host function does not count against it.
//!
//! A call is polled on one thread at a time; each poll is measured by that thread's own CPU clock. From inside a
//! poll the epoch callback can ask what the call has used so far.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The CPU that one call has used.
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    /// Of polls that have ended, in nanoseconds.
    used: AtomicU64,
    /// The thread's CPU clock when the current poll began.
    began: AtomicU64,
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

    /// For the next call.
    pub(crate) fn reset(&self) {
        self.used.store(0, Ordering::Relaxed);
    }

    /// Runs a future and counts what its polls use.
    pub(crate) async fn measure<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            let began = thread_cpu();
            self.began.store(began, Ordering::Relaxed);
            let poll: Poll<F::Output> = future.as_mut().poll(context);
            self.used.fetch_add(thread_cpu().saturating_sub(began), Ordering::Relaxed);
            poll
        })
        .await
    }
}

fn thread_cpu() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_is_not_counted_and_working_is() {
        let meter = CpuMeter::default();
        meter.measure(tokio::time::sleep(Duration::from_millis(30))).await;
        assert!(meter.used.load(Ordering::Relaxed) < 20_000_000);
        let burnt = meter
            .measure(async {
                while meter.used_so_far() < Duration::from_millis(25) {
                    std::hint::spin_loop();
                }
            })
            .await;
        assert_eq!(burnt, ());
        assert!(meter.used.load(Ordering::Relaxed) >= 20_000_000);
    }
}
