//! Whether the hub answers.

use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use sandbeat_status::report::milliseconds;
use serde::Serialize;
use utoipa::ToSchema;

use super::reply::json;

/// That the hub answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`, always.
    #[schema(example = "ok", pattern = "^ok$")]
    status: &'static str,
    /// Now, by the hub's clock.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// The hub's version.
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// That the hub answers; for whoever watches over it, without a key.
#[utoipa::path(get, path = "/health", operation_id = "get_health", tag = "hub",
    responses((status = 200, description = "It does", body = Health)))]
pub(super) async fn health() -> Response {
    let health = Health { status: "ok", timestamp: Timestamp::now(), version: env!("CARGO_PKG_VERSION") };
    json(StatusCode::OK, &health)
}
