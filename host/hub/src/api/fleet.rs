//! How many sandboxes stand how.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use sandbeat_status::report::optional_milliseconds;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::reply::json;
use crate::fleet::{Counts, Failing};

/// The fleet in numbers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Fleet)]
pub(super) struct Summary {
    /// All sandboxes.
    total: usize,
    liveness: LivenessCounts,
    /// Of those that have never reported, the ones that should have by now.
    overdue: usize,
    /// Of the live ones, those that have been silent for too long while the hub doubts its own network.
    suspect: usize,
    failing: FailingCounts,
    /// Since when it doubts.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    #[schema(value_type = Option<String>, format = DateTime)]
    suspect_since: Option<Timestamp>,
    /// Reports that were taken per second, over the last ten seconds.
    reports_per_sec: f64,
}

/// Sandboxes by liveness.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LivenessCounts {
    never_reported: usize,
    live: usize,
    lost: usize,
    stopped: usize,
}

/// Sandboxes of which something fails, as their last reports say; however they stand.
#[derive(Debug, Serialize, ToSchema)]
struct FailingCounts {
    /// A process is in `error`.
    processes: usize,
    /// A collector is `failing`, `quarantined` or `rejected`.
    collectors: usize,
    /// Either.
    any: usize,
}

/// How many sandboxes stand how.
#[utoipa::path(get, path = "/api/v1/fleet", operation_id = "get_fleet", tag = "hub",
    responses((status = 200, description = "The fleet in numbers", body = Summary)))]
pub(super) async fn fleet(State(shared): State<Arc<Shared>>) -> Response {
    let counts = shared.store.counts();
    let Counts { never_reported, overdue, live, suspect, lost, stopped, failing, suspect_since } = counts;
    let Failing { processes, collectors, any } = failing;
    let summary = Summary {
        total: counts.total(),
        liveness: LivenessCounts { never_reported, live, lost, stopped },
        overdue,
        suspect,
        failing: FailingCounts { processes, collectors, any },
        suspect_since,
        reports_per_sec: shared.measures.reports_per_sec(Instant::now()),
    };
    json(StatusCode::OK, &summary)
}
