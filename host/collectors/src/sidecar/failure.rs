//! `[failure]`: what becomes of a collector that fails again and again, and of the values it had.

use std::time::Duration;

use sandbeat_status::settings;
use serde::Deserialize;

use super::Wrong;

/// See [`crate::policy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Failing {
    /// How long it rests after a failure; twice as long after each further one.
    #[serde(deserialize_with = "settings::duration")]
    pub(crate) backoff: Duration,
    /// The longest rest.
    #[serde(deserialize_with = "settings::duration")]
    pub(crate) backoff_max: Duration,
    /// So many misbehaviours in a row, and it is called no more; 0: never.
    pub(crate) quarantine_after: u32,
    /// So many calls without a failure, and the failures before are forgotten.
    pub(crate) forgive_after: u32,
    /// How long past their time its last good values are reported while it fails.
    #[serde(deserialize_with = "settings::duration_or_zero")]
    pub(crate) stale: Duration,
}

impl Default for Failing {
    fn default() -> Self {
        Failing {
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(600),
            quarantine_after: 10,
            forgive_after: 3,
            stale: Duration::from_secs(90),
        }
    }
}

impl Failing {
    pub(super) fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        let day = Duration::from_secs(24 * 3600);
        for (key, value) in [("backoff", self.backoff), ("backoff_max", self.backoff_max), ("stale", self.stale)] {
            if value > day {
                wrong.push((key.to_owned(), "has to be 24h or less".to_owned()));
            }
        }
        if self.backoff_max < self.backoff {
            wrong.push(("backoff_max".to_owned(), "has to be backoff or more".to_owned()));
        }
        if self.forgive_after == 0 {
            wrong.push(("forgive_after".to_owned(), "has to be 1 or more".to_owned()));
        }
        wrong
    }
}
