//! What all collectors together may use: `[plugins.budget]`. Each one's own limits are in its sidecar.
//!
//! - Memory: the linear memories, tables and instances of all that run or are kept. A growth past it is refused to the
//!   one that asks.
//! - CPU: a share of cores over time. Nothing fails for want of it: calls wait until there is some again, and their
//!   wall clocks with them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sandbeat_status::settings::{self, Problem};
use serde::Deserialize;

/// So many seconds' worth of CPU may be used at once after a rest.
const BURST_SECS: f64 = 10.0;

/// `[plugins.budget]`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// Memory of all collectors together, in bytes.
    #[serde(deserialize_with = "settings::size")]
    pub memory: u64,
    /// CPU of all collectors together, in cores.
    pub cpu: f64,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        BudgetConfig { memory: 256 << 20, cpu: 0.5 }
    }
}

impl BudgetConfig {
    /// What is out of range; keys are relative to the table.
    pub(crate) fn wrong(&self) -> Vec<Problem> {
        let mut wrong = Vec::new();
        if self.memory < 1 << 20 {
            wrong.push(Problem::new("memory", "has to be 1MiB or more"));
        }
        if !(0.01..=64.0).contains(&self.cpu) {
            wrong.push(Problem::new("cpu", "has to be between 0.01 and 64 cores"));
        }
        wrong
    }
}

/// Shared by all calls; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    memory: usize,
    memory_used: AtomicUsize,
    cores: f64,
    cpu: Mutex<Bucket>,
}

/// CPU time that may be used, in seconds; negative when more was used than there was.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    seconds: f64,
    at: Instant,
}

impl Budget {
    pub(crate) fn new(config: &BudgetConfig) -> Self {
        let full = Bucket { seconds: config.cpu * BURST_SECS, at: Instant::now() };
        Budget(Arc::new(Shared {
            memory: usize::try_from(config.memory).unwrap_or(usize::MAX),
            memory_used: AtomicUsize::new(0),
            cores: config.cpu,
            cpu: Mutex::new(full),
        }))
    }

    /// Whether so many bytes more are left; they are taken then.
    pub(crate) fn take_memory(&self, bytes: usize) -> bool {
        let take = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.0.memory);
        self.0.memory_used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    pub(crate) fn give_memory(&self, bytes: usize) {
        self.0.memory_used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What all together may have, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.0.memory
    }

    /// Waits until there is CPU to use.
    pub(crate) async fn admit(&self) {
        loop {
            let wait = self.bucket(|bucket, cores| bucket.refill(cores, Instant::now()));
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return,
            }
        }
    }

    pub(crate) fn spend(&self, used: Duration) {
        self.bucket(|bucket, _| bucket.seconds -= used.as_secs_f64());
    }

    fn bucket<T>(&self, job: impl FnOnce(&mut Bucket, f64) -> T) -> T {
        job(&mut self.0.cpu.lock().unwrap_or_else(PoisonError::into_inner), self.0.cores)
    }
}

impl Bucket {
    /// Adds what has come since; how long to wait for something to be there, where nothing is.
    fn refill(&mut self, cores: f64, now: Instant) -> Option<Duration> {
        let came = now.saturating_duration_since(self.at).as_secs_f64() * cores;
        self.seconds = (self.seconds + came).min(cores * BURST_SECS);
        self.at = now;
        (self.seconds <= 0.0).then(|| Duration::from_secs_f64((-self.seconds / cores).clamp(0.001, 60.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_one_sum() {
        let budget = Budget::new(&BudgetConfig { memory: 100, cpu: 1.0 });
        let other = budget.clone();
        assert!(budget.take_memory(60) && other.take_memory(40) && !budget.take_memory(1));
        other.give_memory(40);
        assert!(budget.take_memory(40) && !budget.take_memory(usize::MAX));
    }

    #[test]
    fn what_was_used_too_much_is_waited_for() {
        let start = Instant::now();
        let mut bucket = Bucket { seconds: 1.0, at: start };
        assert_eq!(bucket.refill(0.5, start), None);
        bucket.seconds -= 3.0;
        assert_eq!(bucket.refill(0.5, start), Some(Duration::from_secs(4)));
        assert_eq!(bucket.refill(0.5, start + Duration::from_secs(2)), Some(Duration::from_secs(2)));
        assert_eq!(bucket.refill(0.5, start + Duration::from_secs(5)), None);
        assert_eq!(bucket.refill(0.5, start + Duration::from_secs(1000)), None);
        assert_eq!(bucket.seconds, 5.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_that_is_spent_holds_up_and_lets_go_again() {
        let budget = Budget::new(&BudgetConfig { memory: 1, cpu: 64.0 });
        budget.admit().await;
        budget.spend(Duration::from_secs(640));
        let start = tokio::time::Instant::now();
        budget.spend(Duration::from_millis(640));
        budget.admit().await;
        assert!(start.elapsed() >= Duration::from_millis(1));
    }
}
