//! `GET /metrics`: the hub's own figures for Prometheus, and those of each sandbox where that is switched on.
//!
//! OpenMetrics where `Accept` names it, else the text format 0.0.4. `own` says what there is of the hub, `sandboxes`
//! what there is of each sandbox. No sample has a timestamp.

mod own;
mod sandboxes;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use sandbeat_status::exposition::{Format, text};

use super::Shared;
use super::reply::{Problem, ProblemBody};

/// The hub's own figures for Prometheus: OpenMetrics where `Accept` names it, else the text format 0.0.4. With
/// `metrics_per_sandbox` in the hub's configuration, the base figures of each sandbox as well.
#[utoipa::path(get, path = "/metrics", operation_id = "get_metrics", tag = "hub",
    responses(
        (status = 200, description = "Metrics", content(
            (String = "application/openmetrics-text"), (String = "text/plain"))),
        (status = 500, description = "They could not be measured", body = ProblemBody),
    ))]
pub(in crate::api) async fn metrics(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::wanted(&accepted.collect::<Vec<_>>().join(","));
    let measured = Arc::clone(&shared);
    // It reads files of `/proc`.
    let own = tokio::task::spawn_blocking(move || own::families(&measured)).await.map_err(|error| {
        tracing::error!(%error, "the hub's own figures cannot be measured");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be measured; the hub's log says why")
    })?;
    let (mut own, end) = (text(own, format), format.end());
    let body = if shared.metrics_per_sandbox {
        let texts = stream::iter([own]).chain(sandboxes::texts(Arc::clone(&shared.store), format));
        Body::from_stream(texts.chain(stream::iter([end.to_owned()])).map(Ok::<_, Infallible>))
    } else {
        own.push_str(end);
        Body::from(own)
    };
    let headers = [(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store"), (VARY, "accept")];
    Ok((headers, body).into_response())
}
