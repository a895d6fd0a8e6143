//! What is asked of the fleet, and what is answered. How a page comes about is [`super::paging`]'s matter.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::beat::Tally;
use super::kept::Kept;
use super::registration::Registration;
use crate::liveness::{Liveness, Standing};

/// The status that clients see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// No report yet.
    Pending,
    /// The last report said `running`.
    Running,
    /// The last report said `stopped`.
    Stopped,
}

/// What of a sandbox fails, as its last report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trouble {
    /// A process is in `error`.
    Processes,
    /// A collector is `failing`, `quarantined` or `rejected`.
    Collectors,
    /// Either.
    Any,
}

/// Which sandboxes are asked for. What is absent asks for nothing; all that is there must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub status: Option<Status>,
    pub liveness: Option<Liveness>,
    pub overdue: Option<bool>,
    pub suspect: Option<bool>,
    pub failing: Option<Trouble>,
    /// Entries of the registration's metadata: the key, and the value where a certain one is wanted.
    pub metadata: Vec<(String, Option<String>)>,
    /// A part of the id, the name or the host name, in any case.
    pub search: Option<String>,
    /// Only ids after this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A part of the fleet, in the order of ids.
#[derive(Debug)]
pub(crate) struct Page {
    pub sandboxes: Vec<Snapshot>,
    /// All that match, on whichever page.
    pub total: usize,
    /// Whether more follow.
    pub more: bool,
}

/// A sandbox at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub registration: Arc<Registration>,
    pub beat: Option<Arc<Kept>>,
    pub standing: Standing,
    /// Its time is over, but the hub doubts its own network and does not call it lost.
    pub suspect: bool,
    /// Since when it stands so, by the hub's wall clock.
    pub since: Timestamp,
}

/// How many sandboxes stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub never_reported: usize,
    /// Of those, the ones that should have reported by now.
    pub overdue: usize,
    pub live: usize,
    /// Of those, the ones whose time is over while the hub doubts its own network.
    pub suspect: usize,
    pub lost: usize,
    pub stopped: usize,
    /// Those of which something fails, by what; however they stand.
    pub failing: Failing,
    /// Since when it doubts, by its wall clock.
    pub suspect_since: Option<Timestamp>,
}

/// How many sandboxes have each [`Trouble`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failing {
    pub processes: usize,
    pub collectors: usize,
    pub any: usize,
}

/// One minute of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Minute {
    /// Its beginning, by the hub's wall clock.
    pub at: Timestamp,
    /// The highest CPU use that was reported in it, in percent; to a tenth, and 409.4 at most.
    pub cpu_percent: Option<f64>,
    /// The highest memory use that was reported in it, in MiB; to a fifth of a percent, and 8 TiB at most.
    pub memory_mb: Option<u64>,
}

impl Trouble {
    const ALL: [Trouble; 3] = [Trouble::Processes, Trouble::Collectors, Trouble::Any];

    /// Those that a report tells of.
    pub(super) fn of(tally: Tally) -> impl Iterator<Item = Trouble> {
        Trouble::ALL.into_iter().filter(move |trouble| trouble.is_in(tally))
    }

    /// Whether a report tells of it.
    pub(super) fn is_in(self, tally: Tally) -> bool {
        let (processes, collectors) = (tally.processes_failed > 0, tally.collectors_failed > 0);
        match self {
            Trouble::Processes => processes,
            Trouble::Collectors => collectors,
            Trouble::Any => processes || collectors,
        }
    }
}

impl Counts {
    /// All of them.
    pub(crate) fn total(&self) -> usize {
        self.never_reported + self.live + self.lost + self.stopped
    }
}

impl Snapshot {
    /// The status that clients see.
    pub(crate) fn status(&self) -> Status {
        match self.beat.as_deref() {
            None => Status::Pending,
            Some(beat) if beat.is_last() => Status::Stopped,
            Some(_) => Status::Running,
        }
    }
}
