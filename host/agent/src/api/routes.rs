//! What can be asked. Every answer is a copy of what others have published, and `preview` measures beside them. Only a
//! reload changes something and waits: on a task of its own, for [`RELOAD_PATIENCE`] at most; it goes on when nobody
//! waits for it any more.

use std::sync::LazyLock;
use std::time::Duration;

use axum::extract::{OriginalUri, State as Known};
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::{Router, middleware};
use bytes::Bytes;
use sandbeat_status::exposition::Format;
use sandbeat_status::names::shown;
use sandbeat_status::{PluginStatus, Report};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::Id;
use super::guard::{Guard, guard};
use super::health::{Health, health};
use super::preview::{Body, Preview};
use super::problem::{Problem, ProblemBody};
use super::shared::Shared;
use super::{State, agents, describe, processes, reload};

/// The most bytes of a request's own words in a problem.
const MAX_WORDS: usize = 100;
/// How long the answer to a reload waits for its end. Large components take longer to compile.
const RELOAD_PATIENCE: Duration = Duration::from_secs(10);

/// All routes behind the guard; unknown ones and wrong methods are problems as well.
pub(super) fn router(shared: Shared, rules: Guard) -> Router {
    let (router, _) = documented().split_for_parts();
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .with_state(shared)
        .layer(middleware::from_fn_with_state(rules, guard))
}

/// What `GET /openapi.json` says of the whole.
#[derive(OpenApi)]
#[openapi(
    info(title = "sandbeat, local API", description = "What the agent knows, for those inside the sandbox."),
    tags(
        (name = "agent", description = "The agent itself, and its collectors"),
        (name = "processes", description = "What is supervised, and what is created and run here"),
    )
)]
struct Document;

/// It, as JSON. Made once, and when somebody asks: most agents are never asked, and it is 100 KB.
static DESCRIPTION: LazyLock<Bytes> = LazyLock::new(|| {
    let (_, mut document) = documented().split_for_parts();
    describe::complete(&mut document);
    // Names and words: this cannot fail.
    document.to_json().unwrap_or_default().into_bytes().into_boxed_slice().into()
});

/// All routes with their descriptions.
fn documented() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(get_description))
        .routes(routes!(get_health))
        .routes(routes!(get_report))
        .routes(routes!(get_metrics))
        .routes(routes!(agents::list))
        .routes(routes!(agents::get))
        .routes(routes!(list_plugins))
        .routes(routes!(get_plugin))
        .routes(routes!(reload_plugin))
        .routes(routes!(reload::reload))
        .merge(processes::router())
}

/// `GET /v1/plugins`.
#[derive(Debug, Serialize, ToSchema)]
struct Plugins {
    /// By name.
    plugins: Vec<PluginStatus>,
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "agent", responses((status = 200, content_type = "application/json")))]
async fn get_description() -> Response {
    ([(CONTENT_TYPE, "application/json")], DESCRIPTION.clone()).into_response()
}

/// Whether the agent beats, and how its reports fare.
#[utoipa::path(get, path = "/v1/health", tag = "agent", responses((status = 200, body = Health)))]
async fn get_health(Known(state): Known<State>) -> Json<Health> {
    Json(health(&state))
}

/// The report as it would be posted now: native figures, processes and plugins as they are, and what the collectors
/// measured for the last report, with its present age. It is measured for those who ask, beside the beat.
#[utoipa::path(get, path = "/v1/report", tag = "agent",
    responses((status = 200, body = Report), (status = 503, body = ProblemBody)))]
async fn get_report(Known(preview): Known<Preview>) -> Result<Response, Problem> {
    let body = preview.get(Body::Report).await?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// The same, and the agent's own figures, for Prometheus: OpenMetrics where `Accept` names it, else the text format
/// 0.0.4.
#[utoipa::path(get, path = "/metrics", tag = "agent",
    responses(
        (status = 200, description = "Metrics", content(
            (String = "application/openmetrics-text"), (String = "text/plain"))),
        (status = 503, body = ProblemBody),
    ))]
async fn get_metrics(Known(preview): Known<Preview>, headers: HeaderMap) -> Result<Response, Problem> {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::wanted(&accepted.collect::<Vec<_>>().join(","));
    let body = preview.get(Body::Metrics(format)).await?;
    Ok(([(CONTENT_TYPE, format.content_type()), (VARY, "accept")], body).into_response())
}

/// All collectors, by name.
#[utoipa::path(get, path = "/v1/plugins", tag = "agent", responses((status = 200, body = Plugins)))]
async fn list_plugins(Known(state): Known<State>) -> Json<Plugins> {
    Json(Plugins { plugins: plugins(&state) })
}

/// One collector.
#[utoipa::path(get, path = "/v1/plugins/{name}", tag = "agent", params(("name" = String, Path)),
    responses((status = 200, body = PluginStatus), (status = 404, body = ProblemBody)))]
async fn get_plugin(Known(state): Known<State>, Id(name): Id) -> Result<Json<PluginStatus>, Problem> {
    plugin(&state, &name).map(Json)
}

/// Has a collector's files loaded again: 200 when the load has ended, well or not (`lastReload`); 202 while it goes on.
#[utoipa::path(post, path = "/v1/plugins/{name}/reload", tag = "agent", params(("name" = String, Path)),
    responses(
        (status = 200, body = PluginStatus), (status = 202, body = PluginStatus),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
    ))]
async fn reload_plugin(Known(state): Known<State>, Id(name): Id) -> Result<(StatusCode, Json<PluginStatus>), Problem> {
    plugin(&state, &name)?;
    match tokio::time::timeout(RELOAD_PATIENCE, state.sources.collectors.reload(&name)).await {
        Ok(Some(status)) => Ok((StatusCode::OK, Json(status))),
        Ok(None) => Err(not_reloadable(&plugin(&state, &name)?)),
        Err(_) => Ok((StatusCode::ACCEPTED, Json(plugin(&state, &name)?))),
    }
}

async fn no_route(OriginalUri(uri): OriginalUri) -> Problem {
    let detail = format!("there is nothing at {}", shown(uri.path(), MAX_WORDS));
    Problem::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
}

async fn no_method(method: Method, OriginalUri(uri): OriginalUri) -> Problem {
    let (method, path) = (shown(method.as_str(), MAX_WORDS), shown(uri.path(), MAX_WORDS));
    let detail = format!("{path} does not take {method}; the `Allow` header says what it takes");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", detail)
}

/// A file that is listed because it cannot be a plugin, or one on which the host has failed.
fn not_reloadable(status: &PluginStatus) -> Problem {
    let reason = status.reason.as_deref().unwrap_or("nothing of it is loaded");
    let detail = format!("`{}` cannot be loaded: {reason}", shown(&status.name, MAX_WORDS));
    Problem::new(StatusCode::CONFLICT, "plugin_not_reloadable", "Plugin cannot be reloaded", detail)
}

fn plugin(state: &State, name: &str) -> Result<PluginStatus, Problem> {
    plugins(state).into_iter().find(|plugin| plugin.name == name).ok_or_else(|| {
        let detail = format!("no plugin is called `{}`; GET /v1/plugins lists them", shown(name, MAX_WORDS));
        Problem::new(StatusCode::NOT_FOUND, "plugin_not_found", "Plugin not found", detail)
    })
}

fn plugins(state: &State) -> Vec<PluginStatus> {
    let mut plugins = state.sources.collectors.plugins();
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    plugins
}
