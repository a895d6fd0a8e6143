//! Listing, creating and ending.
//!
//! A request for something to be done waits until it is done, at most `waitMs`, and answers with what is then known;
//! what was asked for goes on when nobody waits any more.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Request as HttpRequest, State as Known};
use axum::http::StatusCode;
use axum::response::Json;
use sandbeat_supervisor::{Handle, Kind, New, Request, Size, Stdio};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::refusal;
use super::shape::{Owner, Process};
use super::{Shared, Trusted, program};
use crate::api::extract::{self, Id, MAX_BODY, Query};
use crate::api::problem::{Problem, ProblemBody};
use crate::api::shared::untrusted;

/// Waited for what was asked for, unless `waitMs` says otherwise.
const WAIT: Duration = Duration::from_secs(2);
/// Longer than this nobody waits in one request.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// `GET /v1/processes`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Processes {
    /// Those that are configured by name, then those that were created in the order of that.
    processes: Vec<Process>,
}

/// Which ones to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// Only this owner's.
    #[param(inline)]
    owner: Option<Owner>,
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waiting {
    /// At most so many milliseconds; 2000 where absent, 60000 at most.
    wait_ms: Option<u64>,
}

/// A process to be created. It is started at once and never again.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Creation {
    /// The program: a path, or a name that is looked for in `PATH`.
    command: String,
    #[serde(default)]
    args: Vec<String>,
    /// The directory that it starts in; the agent's own where absent.
    cwd: Option<String>,
    /// Variables added to the agent's environment. They are not shown again.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Whether it gets a terminal, of 80 columns and 24 rows.
    #[serde(default)]
    tty: bool,
    /// Whether somebody means to write to it, for whoever lists it. Everything that is created takes input.
    #[serde(default)]
    interactive: bool,
}

/// All processes.
#[utoipa::path(get, path = "/v1/processes", operation_id = "list_processes", tag = "processes", params(Listing),
    responses((status = 200, body = Processes), (status = 400, body = ProblemBody)))]
pub(super) async fn list(Known(shared): Known<Shared>, Query(query): Query<Listing>) -> Json<Processes> {
    let all = processes(&shared).list().into_iter();
    let wanted = all.filter(|details| query.owner.is_none_or(|owner| owner == Owner::of(details.kind)));
    Json(Processes { processes: wanted.map(Process::from).collect() })
}

/// Creates a process and starts it.
#[utoipa::path(post, path = "/v1/processes", operation_id = "create_process",
    tag = "processes", request_body = Creation,
    responses(
        (status = 200, body = Process),
        (status = 400, body = ProblemBody), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody),
        (status = 413, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody),
        (status = 502, description = "It could not be started", body = ProblemBody),
    ))]
pub(super) async fn create(
    Known(shared): Known<Shared>,
    _: Trusted,
    request: HttpRequest,
) -> Result<Json<Process>, Problem> {
    let wanted: Creation = extract::json(request, MAX_BODY).await?;
    program::cwd(wanted.cwd.as_deref())?;
    program::env(&wanted.env)?;
    let new = New {
        command: program::command(wanted.command, wanted.args)?,
        cwd: wanted.cwd.map(Into::into),
        env: wanted.env,
        stdio: if wanted.tty { Stdio::Terminal(Size::default()) } else { Stdio::Piped },
        interactive: wanted.interactive,
    };
    processes(&shared).create(new).await.map(|details| Json(details.into())).map_err(refusal::request)
}

/// One process.
#[utoipa::path(get, path = "/v1/processes/{id}", operation_id = "get_process",
    tag = "processes", params(("id" = String, Path)),
    responses((status = 200, body = Process), (status = 404, body = ProblemBody)))]
pub(super) async fn get(Known(shared): Known<Shared>, Id(id): Id) -> Result<Json<Process>, Problem> {
    refusal::find(processes(&shared), &id).map(|details| Json(details.into()))
}

/// Forgets a created process that has ended, with its output.
#[utoipa::path(delete, path = "/v1/processes/{id}", operation_id = "delete_process",
    tag = "processes", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn delete(Known(shared): Known<Shared>, _: Trusted, Id(id): Id) -> Result<StatusCode, Problem> {
    processes(&shared).delete(&id).await.map(|()| StatusCode::NO_CONTENT).map_err(refusal::request)
}

/// Starts a process where it does not run. One that was created wants what creating wants.
#[utoipa::path(post, path = "/v1/processes/{id}/start", operation_id = "start_process",
    tag = "processes", params(("id" = String, Path), Waiting),
    responses((status = 200, body = Process), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub(super) async fn start(shared: Known<Shared>, id: Id, wait: Query<Waiting>) -> Result<Json<Process>, Problem> {
    ask(shared, id, wait, Request::Start).await
}

/// Stops a process and all that it has started, as its configuration says how; one that was created with SIGTERM, and
/// with SIGKILL after ten seconds.
#[utoipa::path(post, path = "/v1/processes/{id}/stop", operation_id = "stop_process",
    tag = "processes", params(("id" = String, Path), Waiting),
    responses((status = 200, body = Process), (status = 404, body = ProblemBody)))]
pub(super) async fn stop(shared: Known<Shared>, id: Id, wait: Query<Waiting>) -> Result<Json<Process>, Problem> {
    ask(shared, id, wait, Request::Stop).await
}

/// Stops a process where it runs, and starts it. One that was created wants what creating wants.
#[utoipa::path(post, path = "/v1/processes/{id}/restart", operation_id = "restart_process",
    tag = "processes", params(("id" = String, Path), Waiting),
    responses((status = 200, body = Process), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub(super) async fn restart(shared: Known<Shared>, id: Id, wait: Query<Waiting>) -> Result<Json<Process>, Problem> {
    ask(shared, id, wait, Request::Restart).await
}

/// Kills a process and all that it has started at once.
#[utoipa::path(post, path = "/v1/processes/{id}/kill", operation_id = "kill_process",
    tag = "processes", params(("id" = String, Path), Waiting),
    responses((status = 200, body = Process), (status = 404, body = ProblemBody)))]
pub(super) async fn kill(shared: Known<Shared>, id: Id, wait: Query<Waiting>) -> Result<Json<Process>, Problem> {
    ask(shared, id, wait, Request::Kill).await
}

async fn ask(
    Known(mut shared): Known<Shared>,
    Id(id): Id,
    Query(wait): Query<Waiting>,
    request: Request,
) -> Result<Json<Process>, Problem> {
    let known = refusal::find(processes(&shared), &id)?;
    if known.kind == Kind::Created && !shared.trusted {
        return Err(untrusted());
    }
    let _place = shared.places.waiting()?;
    let wait = wait.wait_ms.map_or(WAIT, Duration::from_millis).min(LONGEST_WAIT);
    let processes = processes(&shared).clone();
    let details = match shared.closing.or(processes.ask(&id, request, wait)).await {
        Some(asked) => asked.map_err(refusal::request)?,
        None => refusal::find(&processes, &id)?,
    };
    Ok(Json(details.into()))
}

fn processes(shared: &Shared) -> &Handle {
    &shared.state.sources.processes
}
