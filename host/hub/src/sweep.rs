//! Notices silence, and says once what changed.
//!
//! The task ends only with the hub; that it ended otherwise is an error of the whole hub, because a hub that no longer
//! notices losses would lie by its silence.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::fleet::Transition;
use crate::liveness::Standing;
use crate::store::Store;

/// A loss is noticed this long after its deadline at most.
const TICK: Duration = Duration::from_millis(250);

/// Notices silence until it is dropped.
pub(crate) async fn run(store: Arc<Store>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            let (transitions, more) = store.expire().await;
            transitions.iter().for_each(announce);
            if !more {
                break;
            }
            // Thousands may be due at once; the reports of the others come first.
            tokio::task::yield_now().await;
        }
    }
}

/// One line per change of state.
pub(crate) fn announce(transition: &Transition) {
    let sandbox = &*transition.id;
    match (transition.from, transition.to) {
        (_, Standing::Lost) => tracing::warn!(sandbox, "lost: no report for too long"),
        (_, Standing::Overdue) => tracing::warn!(sandbox, "registered, but never reported"),
        (_, Standing::Stopped) => tracing::info!(sandbox, "stopped, as it said"),
        (Standing::Lost, Standing::Live) => tracing::info!(sandbox, "recovered: it reports again"),
        (Standing::Stopped, Standing::Live) => tracing::info!(sandbox, "started again"),
        (_, Standing::Live) => tracing::info!(sandbox, "first report"),
        // Only a registration makes a sandbox that never reported, and that is said where it happens.
        (_, Standing::NeverReported) => {}
    }
}
