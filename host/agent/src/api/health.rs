//! `GET /v1/health`: is it beating, when was a report last accepted, what is wrong.

use std::time::Instant;

use jiff::Timestamp;
use sandbeat_status::report::milliseconds;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::State;
use crate::report::Failing;
use crate::sample::Unavailable;

/// The body. `status` is the literal `ok` that existing clients wait for: whoever can answer beats, since the agent
/// ends when its beat does. Whether reports arrive is under `reports`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    status: &'static str,
    agent_version: &'static str,
    sandbox_id: String,
    boot_id: String,
    /// When the agent started to beat, by the wall clock of then.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    beating_since: Timestamp,
    /// Whole seconds since then, from a monotonic clock.
    uptime_secs: u64,
    /// Seconds between reports: as the hub directed in its last answer, else as configured.
    interval_secs: f64,
    reports: Reports,
    /// Native figures that cannot be measured in this sandbox.
    unavailable: Vec<Unavailable>,
}

/// How delivery stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Reports {
    /// Made since the agent started; each is sent, or replaced by a newer one.
    made: u64,
    /// Accepted by the hub.
    accepted: u64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_accepted: Option<Timestamp>,
    /// Present while reports do not arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<Trouble>,
}

/// What stands in the way.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Trouble {
    /// `refused`, `dns`, `unreachable`, `tls`, `timeout`, `reset`, `protocol`, `denied`, `not-found`, `throttled`,
    /// `redirect`, `rejected` or `server-error`.
    kind: &'static str,
    message: String,
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    last_attempt: Timestamp,
    attempts: u32,
}

/// What is known now.
pub(super) fn health(state: &State) -> Health {
    let delivery = state.delivery.borrow().clone();
    let seen = state.seen.borrow().clone();
    let about = &state.about;
    Health {
        status: "ok",
        agent_version: env!("CARGO_PKG_VERSION"),
        sandbox_id: about.sandbox_id.clone(),
        boot_id: about.boot_id.clone(),
        beating_since: about.since,
        uptime_secs: Instant::now().saturating_duration_since(about.started).as_secs(),
        interval_secs: delivery.directed.unwrap_or(about.interval).as_secs_f64(),
        reports: Reports {
            made: seen.report.as_ref().and_then(|report| report.seq).unwrap_or(0),
            accepted: delivery.accepted,
            last_accepted: delivery.last_accepted,
            failing: delivery.failing.map(trouble),
        },
        unavailable: seen.unavailable,
    }
}

fn trouble(failing: Failing) -> Trouble {
    Trouble {
        kind: failing.kind.as_str(),
        message: failing.message,
        since: failing.since,
        last_attempt: failing.last,
        attempts: failing.attempts,
    }
}

fn optional_milliseconds<S: Serializer>(timestamp: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match timestamp {
        Some(timestamp) => milliseconds(timestamp, serializer),
        None => serializer.serialize_none(),
    }
}
