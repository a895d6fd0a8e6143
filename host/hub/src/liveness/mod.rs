//! Liveness: whether a sandbox is heard. Pure arithmetic on the hub's monotonic clock; no sandbox's word about time
//! counts, except for the interval that it says it keeps.
//!
//! - A sandbox that was heard and falls silent is lost at `heard + intervals × assigned interval + grace`. Assigned is
//!   what the hub directed in its last answer, else what the agent says, else the default.
//! - One that has made more events than are kept of one is lost no sooner than when there is room for the loss and the
//!   recovery after it ([`Wait::earliest`](suspicion::Wait)): two minutes after it was heard at the latest, or by its own
//!   interval where that is later.
//! - One that was registered and never heard is overdue after a wait of its own. One that said it stops, and one that
//!   is lost, are not waited for.
//! - When too many are silent at once, the hub doubts its own network instead: [`suspicion`] is exact about it.
//! - All is judged in tenths of a second ([`clock`]), and what is due is found without a look at the rest of the fleet
//!   ([`deadlines`], [`silence`]).

pub(crate) mod chunks;
pub(crate) mod clock;
pub(crate) mod deadlines;
pub(crate) mod silence;
pub(crate) mod suspicion;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// When a silent sandbox counts as lost.
#[derive(Clone, Debug)]
pub struct Rules {
    /// So many intervals may pass without a report. Default 3.
    pub intervals: u32,
    /// And this on top, for the network and the agent's own delays. Default 5 s.
    pub grace: Duration,
    /// The interval of an agent that does not say its own. Default 30 s, as agents have it by default.
    pub default_interval: Duration,
    /// How long a registered sandbox may take to its first report until its absence is noted. Default 5 min.
    pub never_reported_after: Duration,
    /// When more than this part of those that are live is silent at once, each past one interval and the grace, the hub
    /// doubts its own network and calls none of them lost. Above 0, at most 1; default 0.2. 1 never doubts.
    pub suspect_fraction: f64,
    /// But not when those that are silent are fewer than this. Default 10.
    pub suspect_least: u32,
    /// Doubt ends after this long, and who is still silent is lost. All doubts together put off the loss of a sandbox
    /// by no more than this. Default 5 min.
    pub suspect_hold: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            intervals: 3,
            grace: Duration::from_secs(5),
            default_interval: Duration::from_secs(30),
            never_reported_after: Duration::from_secs(300),
            suspect_fraction: 0.2,
            suspect_least: 10,
            suspect_hold: Duration::from_secs(300),
        }
    }
}

impl Rules {
    /// How long a sandbox may be silent that reports at this interval.
    pub(crate) fn patience(&self, interval: Duration) -> Duration {
        interval.saturating_mul(self.intervals).saturating_add(self.grace)
    }

    /// After how long it counts as silent, which means nothing by itself: one report may be late.
    pub(crate) fn quiet(&self, interval: Duration) -> Duration {
        interval.saturating_add(self.grace)
    }
}

/// How a sandbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Registered a short while ago, not heard yet.
    NeverReported,
    /// Registered, and not heard within the time that a start may take.
    Overdue,
    /// Heard lately.
    Live,
    /// Not heard for too long.
    Lost,
    /// Said that it stops.
    Stopped,
}

impl Standing {
    /// The word that clients see.
    pub(crate) fn liveness(self) -> Liveness {
        match self {
            Standing::NeverReported | Standing::Overdue => Liveness::NeverReported,
            Standing::Live => Liveness::Live,
            Standing::Lost => Liveness::Lost,
            Standing::Stopped => Liveness::Stopped,
        }
    }
}

/// Whether a sandbox is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Liveness {
    /// Registered, and silent so far.
    NeverReported,
    /// Heard lately.
    Live,
    /// Silent for too long.
    Lost,
    /// It said so.
    Stopped,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn three_intervals_and_the_grace_may_pass() {
        let rules = Rules { intervals: 3, grace: 5 * SECOND, ..Rules::default() };
        assert_eq!((rules.patience(2 * SECOND), rules.quiet(2 * SECOND)), (11 * SECOND, 7 * SECOND));
        assert_eq!(rules.patience(Duration::MAX), Duration::MAX);
    }

    #[test]
    fn the_words_are_those_of_the_contract() {
        let words = [Standing::NeverReported, Standing::Overdue, Standing::Live, Standing::Lost, Standing::Stopped]
            .map(|standing| serde_json::to_value(standing.liveness()).unwrap());
        assert_eq!(words, ["never-reported", "never-reported", "live", "lost", "stopped"]);
    }
}
