//! `GET /v1/agents`, `GET /v1/agents/{id}`: the sandbox's coding agents, in the shapes of sandbox-agent 0.4.
//!
//! Of the reference's parameters `no_cache=true` has versions asked again; without it, one waits for what is not known
//! only. `config=true` is taken and changes nothing: there, it asks for version and path, which are always here, and
//! for `configOptions`, which clients take as optional and only use in sessions, which are not here.

use std::sync::Arc;

use axum::extract::State as Known;
use axum::http::StatusCode;
use axum::response::Json;
use sandbeat_status::names::shown;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::State;
use super::extract::{Id, Query};
use super::problem::{Problem, ProblemBody};
use crate::agents::AgentInfo;

/// The most bytes of a request's own words in a problem.
const MAX_WORDS: usize = 100;

/// The parameters of both.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    /// Changes nothing: what it asks for elsewhere is always here.
    #[serde(rename = "config")]
    _config: Option<bool>,
    /// Whether versions that are known are asked again.
    no_cache: Option<bool>,
}

/// `GET /v1/agents`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Agents)]
pub(super) struct List {
    /// Those that clients know, then others of `[agents.NAME]`.
    agents: Vec<AgentInfo>,
}

/// All coding agents, installed or not.
#[utoipa::path(get, path = "/v1/agents", operation_id = "list_agents", tag = "agent", params(Parameters),
    responses((status = 200, body = List), (status = 400, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(super) async fn list(Known(state): Known<State>, Query(wanted): Query<Parameters>) -> Result<Json<List>, Problem> {
    Ok(Json(List { agents: agents(&state, &wanted).await?.to_vec() }))
}

/// One coding agent. An unknown id is a bad request, as in the reference.
#[utoipa::path(get, path = "/v1/agents/{id}", operation_id = "get_agent",
    tag = "agent", params(("id" = String, Path), Parameters),
    responses((status = 200, body = AgentInfo), (status = 400, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub(super) async fn get(
    Known(state): Known<State>,
    Id(id): Id,
    Query(wanted): Query<Parameters>,
) -> Result<Json<AgentInfo>, Problem> {
    let agents = agents(&state, &wanted).await?;
    agents.iter().find(|agent| agent.id == id).cloned().map(Json).ok_or_else(|| {
        let detail = format!("no agent is called `{}`; GET /v1/agents lists them", shown(&id, MAX_WORDS));
        Problem::new(StatusCode::BAD_REQUEST, "unsupported_agent", "Unsupported Agent", detail)
    })
}

async fn agents(state: &State, wanted: &Parameters) -> Result<Arc<[AgentInfo]>, Problem> {
    state.agents.list(wanted.no_cache == Some(true)).await.ok_or_else(|| {
        let detail = "the directories of PATH and the home directory do not answer in time, or the agent is ending";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "agents_unavailable", "Agents unavailable", detail)
    })
}
