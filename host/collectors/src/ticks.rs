//! When a collector with an interval of its own is due.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

/// The ticks of a collector with an interval of its own.
/// Owner: the plugin's task.
#[derive(Default)]
pub(crate) struct Ticks(Option<Interval>);

impl Ticks {
    /// Ticks each interval from now on, or never.
    pub(crate) fn follow(&mut self, interval: Option<Duration>) {
        if self.0.as_ref().map(Interval::period) == interval {
            return;
        }
        self.0 = interval.map(|period| {
            let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
    }

    /// Whether there is an interval.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) async fn next(&mut self) {
        match &mut self.0 {
            Some(ticks) => {
                ticks.tick().await;
            }
            None => std::future::pending().await,
        }
    }
}
