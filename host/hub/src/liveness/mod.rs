//! Liveness: whether a sandbox is heard. Pure arithmetic on the hub's monotonic clock; no sandbox's word about time
//! counts, except for the interval that it says it keeps.
//!
//! A sandbox that was heard and falls silent is lost at `heard + intervals × interval + grace`. One that was
//! registered and never heard is overdue after a wait of its own. One that said it stops is not waited for.

pub(crate) mod deadlines;

use std::time::{Duration, Instant};

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
    /// When more than this part of those that are heard would be lost at the same moment, the hub doubts its own
    /// network and calls none of them lost. From 0 to 1, default 0.2; 1 never doubts.
    pub suspect_fraction: f64,
    /// But not when they are fewer than this. Default 10.
    pub suspect_least: u32,
    /// Doubt ends after this long, and who is still silent is lost. Default 5 min.
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
    /// How a sandbox stands at `now`.
    pub(crate) fn standing(&self, registered: Instant, heard: Option<Heard>, now: Instant) -> Standing {
        let due = self.deadline(registered, heard).is_some_and(|deadline| now >= deadline);
        match (heard, due) {
            (None, false) => Standing::NeverReported,
            (None, true) => Standing::Overdue,
            (Some(heard), _) if heard.stopped => Standing::Stopped,
            (Some(_), false) => Standing::Live,
            (Some(_), true) => Standing::Lost,
        }
    }

    /// When silence changes how it stands; `None` where it never does.
    pub(crate) fn deadline(&self, registered: Instant, heard: Option<Heard>) -> Option<Instant> {
        match heard {
            None => registered.checked_add(self.never_reported_after),
            Some(heard) if heard.stopped => None,
            Some(heard) => {
                let silence = heard.interval.checked_mul(self.intervals)?.checked_add(self.grace)?;
                heard.at.checked_add(silence)
            }
        }
    }
}

/// What of the last report liveness depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// When it arrived, by the hub's monotonic clock.
    pub at: Instant,
    /// The interval that the sandbox keeps.
    pub interval: Duration,
    /// Whether it said that it stops.
    pub stopped: bool,
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

    fn rules() -> Rules {
        Rules {
            intervals: 3,
            grace: 5 * SECOND,
            default_interval: 30 * SECOND,
            never_reported_after: 60 * SECOND,
            ..Rules::default()
        }
    }

    #[test]
    fn three_intervals_and_the_grace_may_pass() {
        let start = Instant::now();
        let heard = Some(Heard { at: start + 10 * SECOND, interval: 2 * SECOND, stopped: false });
        let at = |seconds: u32| rules().standing(start, heard, start + seconds * SECOND);
        assert_eq!(at(10), Standing::Live);
        assert_eq!(at(20), Standing::Live);
        assert_eq!(at(21), Standing::Lost, "10 + 3 × 2 + 5");
        assert_eq!(rules().deadline(start, heard), Some(start + 21 * SECOND));
    }

    #[test]
    fn who_never_reported_is_overdue_and_not_lost() {
        let start = Instant::now();
        assert_eq!(rules().standing(start, None, start + 59 * SECOND), Standing::NeverReported);
        assert_eq!(rules().standing(start, None, start + 60 * SECOND), Standing::Overdue);
        assert_eq!(Standing::Overdue.liveness(), Liveness::NeverReported);
    }

    #[test]
    fn who_said_it_stops_is_never_lost() {
        let start = Instant::now();
        let heard = Some(Heard { at: start, interval: SECOND, stopped: true });
        assert_eq!(rules().standing(start, heard, start + 1_000_000 * SECOND), Standing::Stopped);
        assert_eq!(rules().deadline(start, heard), None);
    }

    #[test]
    fn a_report_that_arrives_while_time_is_read_does_not_go_back() {
        let start = Instant::now() + 10 * SECOND;
        let heard = Some(Heard { at: start, interval: SECOND, stopped: false });
        assert_eq!(rules().standing(start, heard, start - SECOND), Standing::Live);
    }

    #[test]
    fn an_endless_interval_is_never_due() {
        let start = Instant::now();
        let heard = Some(Heard { at: start, interval: Duration::MAX, stopped: false });
        assert_eq!(rules().deadline(start, heard), None);
        assert_eq!(rules().standing(start, heard, start + SECOND), Standing::Live);
    }

    #[test]
    fn the_words_are_those_of_the_contract() {
        let words = [Standing::NeverReported, Standing::Live, Standing::Lost, Standing::Stopped]
            .map(|standing| serde_json::to_value(standing.liveness()).unwrap());
        assert_eq!(words, ["never-reported", "live", "lost", "stopped"]);
    }
}
