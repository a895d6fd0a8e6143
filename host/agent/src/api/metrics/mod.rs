//! `GET /metrics`: the report, and the agent's own figures, for Prometheus.
//!
//! Made from one [`Snapshot`], on a thread that may block, by its keeper; nothing here asks the beat for anything.
//! Families are told in this order: the sandbox (`native`), its processes and plugins and the agent itself (`own`),
//! then what the collectors measured (`collected`), whose names cannot be those of the others. `name` maps names,
//! `family` keeps the whole valid and bounded. A figure that is not known has no sample.
//!
//! No sample has a timestamp: a collector's value is that of its last call, and
//! `sandbeat_plugin_measurement_age_seconds` says how old that is.

mod collected;
mod family;
mod name;
mod native;
mod own;
#[cfg(test)]
mod tests;

use sandbeat_status::exposition::{Format, text};

use self::family::Families;
use super::preview::Snapshot;

/// The whole answer.
pub(super) fn exposition(snapshot: &Snapshot, format: Format) -> String {
    let mut families = Families::default();
    native::add(&mut families, snapshot);
    own::add(&mut families, snapshot);
    collected::reserve(&mut families);
    collected::add(&mut families, snapshot);
    collected::add_left_out(&mut families);
    text(families.into_list(), format) + format.end()
}
