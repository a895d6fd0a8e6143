//! Notices silence, and says once what changed; and notices a disk that hangs, for which nothing may wait then.
//!
//! The task ends only with the hub; that it ended otherwise is an error of the whole hub, because a hub that no longer
//! notices losses would lie by its silence.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::store::Store;

/// How often silence is looked for: as finely as it is judged. A look that finds none costs microseconds, whatever the
/// fleet's size.
const TICK: Duration = Duration::from_millis(100);

/// Notices both until it is dropped.
pub(crate) async fn run(store: Arc<Store>) {
    tokio::join!(notice_silence(&store), store.watch());
}

async fn notice_silence(store: &Store) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        while store.expire().await {
            // Thousands may be due at once; the reports of the others come first.
            tokio::task::yield_now().await;
        }
    }
}
