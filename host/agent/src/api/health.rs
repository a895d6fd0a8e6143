//! `GET /v1/health`: is it beating, when was a report last accepted, what is wrong.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::report::{milliseconds, optional_milliseconds};
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use crate::distribution::Distribution;
use crate::report::{Delivery, Failing};
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
    /// Milliseconds until the next report is due; 0 while it is being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_due_ms: Option<u64>,
    /// Present when a report has been due for longer than that can take: the agent does not beat as it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    overdue_ms: Option<u64>,
    /// The hub's URL.
    server_url: String,
    reports: Reports,
    /// How late reports were made, against when they were due; absent before the first that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    lateness: Option<Lateness>,
    /// Native figures that cannot be measured in this sandbox.
    unavailable: Vec<Unavailable>,
}

/// How delivery stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Reports {
    /// Made since the agent started; each is accepted, superseded, given up, or waiting.
    made: u64,
    /// Accepted by the hub.
    accepted: u64,
    /// Replaced by a newer one before they arrived.
    superseded: u64,
    /// Not tried again, because the hub's answer was final or because the agent ended.
    given_up: u64,
    /// Being sent, or to be sent.
    waiting: u64,
    /// Attempts to deliver one.
    attempts: u64,
    /// Failed attempts by their kind (see `failing`).
    failures: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_accepted: Option<Timestamp>,
    /// The `seq` of that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_accepted_seq: Option<u64>,
    /// What is wrong with the files of token and certificates; what was read of them before is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<String>,
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
    /// Reports made since the last accepted one that will never arrive, because newer ones have taken their place.
    missed: u64,
    /// Milliseconds until the next attempt at the latest; 0 while one is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_ms: Option<u64>,
}

/// A distribution in three numbers, in milliseconds, as exact as its buckets are and not too low.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Lateness {
    /// How many reports it is of.
    count: u64,
    /// What half of them did not exceed.
    p50_ms: f64,
    /// What 99 of 100 did not exceed.
    p99_ms: f64,
    /// The latest.
    max_ms: f64,
}

/// What is known now.
pub(super) fn health(state: &State) -> Health {
    let delivery = state.delivery.borrow().clone();
    let seen = state.seen.borrow().clone();
    let about = &state.about;
    let now = Instant::now();
    Health {
        status: "ok",
        agent_version: env!("CARGO_PKG_VERSION"),
        sandbox_id: about.sandbox_id.clone(),
        boot_id: about.boot_id.clone(),
        beating_since: about.since,
        uptime_secs: now.saturating_duration_since(about.started).as_secs(),
        interval_secs: delivery.directed.unwrap_or(about.interval).as_secs_f64(),
        next_due_ms: seen.next_due.map(|due| whole_millis(due.saturating_duration_since(now))),
        overdue_ms: seen.overdue(now).map(whole_millis),
        server_url: about.server_url.clone(),
        lateness: lateness(&seen.lateness),
        reports: reports(delivery, now),
        unavailable: seen.unavailable,
    }
}

fn reports(delivery: Delivery, now: Instant) -> Reports {
    let (made, waiting) = (delivery.counts.made, delivery.waiting());
    let missed = delivery.gap((made + 1).saturating_sub(waiting)).map_or(0, |gap| gap.missed);
    Reports {
        made,
        waiting,
        accepted: delivery.accepted,
        superseded: delivery.counts.superseded,
        given_up: delivery.counts.given_up,
        attempts: delivery.counts.attempts,
        failures: delivery.counts.failures,
        last_accepted: delivery.last_accepted,
        last_accepted_seq: Some(delivery.last_accepted_seq).filter(|seq| *seq > 0),
        credentials: delivery.credentials,
        failing: delivery.failing.map(|failing| trouble(failing, missed, now)),
    }
}

fn lateness(noted: &Distribution) -> Option<Lateness> {
    let millis = |duration: Option<Duration>| Some(duration?.as_secs_f64() * 1e3);
    Some(Lateness {
        count: noted.count(),
        p50_ms: millis(noted.within(0.5))?,
        p99_ms: millis(noted.within(0.99))?,
        max_ms: millis(noted.most())?,
    })
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn trouble(failing: Failing, missed: u64, now: Instant) -> Trouble {
    Trouble {
        kind: failing.kind.as_str(),
        message: failing.message,
        since: failing.since,
        last_attempt: failing.last,
        attempts: failing.attempts,
        missed,
        next_attempt_ms: failing.next.map(|next| whole_millis(next.saturating_duration_since(now))),
    }
}
