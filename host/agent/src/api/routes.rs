//! What can be asked. Every answer is a copy of what others have published. Only a reload changes something and waits:
//! on a task of its own, for [`RELOAD_PATIENCE`] at most; it goes on when nobody waits for it any more.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{OriginalUri, Path, State as Known};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use sandbeat_status::names::shown;
use sandbeat_status::{PluginStatus, ProcessStatus};
use sandbeat_supervisor::Details;
use serde::Serialize;

use super::State;
use super::guard::{Guard, guard};
use super::health::{Health, health};
use super::problem::Problem;
use super::reload::reload;

/// The most bytes of a request's own words in a problem.
const MAX_WORDS: usize = 100;
/// How long the answer to a reload waits for its end. Large components take longer to compile.
const RELOAD_PATIENCE: Duration = Duration::from_secs(10);

/// All routes behind the guard; unknown ones and wrong methods are problems as well.
pub(super) fn router(state: State, rules: Guard) -> Router {
    Router::new()
        .route("/v1/health", get(get_health))
        .route("/v1/report", get(get_report))
        .route("/v1/plugins", get(list_plugins))
        .route("/v1/plugins/{name}", get(get_plugin))
        .route("/v1/plugins/{name}/reload", post(reload_plugin))
        .route("/v1/processes", get(list_processes))
        .route("/v1/reload", post(reload))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .with_state(state)
        .layer(middleware::from_fn_with_state(rules, guard))
}

/// `GET /v1/plugins`.
#[derive(Debug, Serialize)]
struct Plugins {
    /// By name.
    plugins: Vec<PluginStatus>,
}

/// `GET /v1/processes`.
#[derive(Debug, Serialize)]
struct Processes {
    processes: Vec<Process>,
}

/// A supervised process, with its name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    name: String,
    #[serde(flatten)]
    status: ProcessStatus,
}

async fn get_health(Known(state): Known<State>) -> Json<Health> {
    Json(health(&state))
}

/// The newest report as it was made for the hub, whether or not it was accepted; its `timestamp` says when, which is
/// at most one interval ago. Making one just for this would measure twice what a report measures once.
async fn get_report(Known(state): Known<State>) -> Result<Response, Problem> {
    let report = state.seen.borrow().report.clone();
    report.map(|report| Json(&*report).into_response()).ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no_report_yet",
            "No report yet",
            "the agent has just started and is making its first report; ask again in a moment",
        )
    })
}

async fn list_plugins(Known(state): Known<State>) -> Json<Plugins> {
    Json(Plugins { plugins: plugins(&state) })
}

async fn get_plugin(
    Known(state): Known<State>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<PluginStatus>, Problem> {
    plugin(&state, &good_name(name)?).map(Json)
}

/// `POST /v1/plugins/{name}/reload`: 200 when the load has ended, well or not (`lastReload`); 202 while it goes on.
async fn reload_plugin(
    Known(state): Known<State>,
    name: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<PluginStatus>), Problem> {
    let name = good_name(name)?;
    plugin(&state, &name)?;
    match tokio::time::timeout(RELOAD_PATIENCE, state.sources.collectors.reload(&name)).await {
        Ok(Some(status)) => Ok((StatusCode::OK, Json(status))),
        Ok(None) => Err(not_reloadable(&plugin(&state, &name)?)),
        Err(_) => Ok((StatusCode::ACCEPTED, Json(plugin(&state, &name)?))),
    }
}

async fn list_processes(Known(state): Known<State>) -> Json<Processes> {
    let processes = state.sources.processes.list().into_iter();
    let process = |details: Details| Process { name: details.id, status: details.status };
    Json(Processes { processes: processes.map(process).collect() })
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

fn good_name(name: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let bad =
        |rejection: PathRejection| Problem::new(StatusCode::BAD_REQUEST, "bad_path", "Bad path", rejection.body_text());
    name.map(|Path(name)| name).map_err(bad)
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
