//! The routes of the contract: what is asked, who may ask it, and what is answered.
//!
//! Errors are `{code,message,details?}` throughout, unknown routes and methods included. Order of judgement for a
//! report: id (400), sandbox (404), token (401), type and coding (415), length (413), content (400); only then
//! something changes.

mod registration;
pub(crate) mod reply;
mod report;
mod request;
pub(crate) mod status;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use jiff::Timestamp;
use sandbeat_status::names;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use self::reply::{Problem, json};
use self::request::{SandboxId, body};
use crate::auth::{KeyHash, addressed_to_loopback, bearer};
use crate::config::{Enroll, Limits};
use crate::fleet::{self, Refused, Status};
use crate::hub::Accepted;
use crate::liveness::Liveness;
use crate::store::Store;

/// The most sandboxes in one answer, and how many come when nobody says.
const MAX_PAGE: usize = 1000;

/// What the routes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub store: Arc<Store>,
    pub accepted: broadcast::Sender<Accepted>,
    pub enroll: Enroll,
    pub admin_key: Option<KeyHash>,
    pub limits: Limits,
    /// How long a replaced token goes on where nobody says.
    pub token_overlap: Duration,
}

/// All routes.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let managed = Router::new()
        .route("/api/v1/sandboxes", get(list).post(register))
        .route("/api/v1/sandboxes/{id}", get(show).delete(delete))
        .route_layer(from_fn_with_state(Arc::clone(&shared), admin_only));
    Router::new()
        .route("/health", get(health))
        .route("/api/v1/sandboxes/{id}/status", post(status::status))
        .merge(managed)
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(shared)
}

async fn health() -> Response {
    #[derive(Serialize)]
    struct Health {
        status: &'static str,
        timestamp: String,
        version: &'static str,
    }
    let timestamp = view::written(Timestamp::now()).to_string();
    json(StatusCode::OK, &Health { status: "ok", timestamp, version: env!("CARGO_PKG_VERSION") })
}

async fn register(State(shared): State<Arc<Shared>>, headers: HeaderMap, content: Body) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Registered<'a> {
        sandbox: view::Sandbox,
        token: &'a str,
    }
    let content = body(&headers, content, shared.limits.body).await?;
    let (registration, token) = registration::read(&content, Timestamp::now())?;
    let registration = shared.store.register(registration).await?;
    let snapshot = shared.store.find(&registration.id).ok_or(Refused::Unknown)?;
    let answer = Registered { sandbox: view::Sandbox::whole(&snapshot), token: token.reveal() };
    Ok(json(StatusCode::CREATED, &answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    status: Option<Status>,
    liveness: Option<Liveness>,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn list(
    State(shared): State<Arc<Shared>>,
    listing: Result<Query<Listing>, QueryRejection>,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Sandboxes<'a> {
        sandboxes: Vec<view::Sandbox>,
        total: usize,
        /// To be sent as `cursor` for what follows.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_cursor: Option<&'a str>,
    }
    let Query(listing) = listing.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    let limit = listing.limit.unwrap_or(MAX_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::field("limit", format!("{limit} is not from 1 to {MAX_PAGE}")));
    }
    if let Some(cursor) = &listing.cursor {
        names::sandbox_id(cursor)
            .map_err(|_| Problem::field("cursor", "this is not a `nextCursor` of a page before"))?;
    }
    let query = fleet::Query {
        status: listing.status,
        liveness: listing.liveness,
        after: listing.cursor,
        limit,
        ..fleet::Query::default()
    };
    let page = shared.store.page(&query);
    let last = page.sandboxes.last().map(|snapshot| &*snapshot.registration.id);
    let answer = Sandboxes {
        sandboxes: page.sandboxes.iter().map(view::Sandbox::brief).collect(),
        total: page.total,
        next_cursor: last.filter(|_| page.more),
    };
    Ok(json(StatusCode::OK, &answer))
}

async fn show(State(shared): State<Arc<Shared>>, SandboxId(id): SandboxId) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Shown {
        sandbox: view::Sandbox,
    }
    let snapshot = shared.store.find(&id).ok_or(Refused::Unknown)?;
    Ok(json(StatusCode::OK, &Shown { sandbox: view::Sandbox::whole(&snapshot) }))
}

async fn delete(State(shared): State<Arc<Shared>>, SandboxId(id): SandboxId) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Deleted {
        success: bool,
    }
    shared.store.remove(&id).await?;
    Ok(json(StatusCode::OK, &Deleted { success: true }))
}

/// Keeps everyone out who may not manage the fleet.
async fn admin_only(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Result<Response, Problem> {
    let headers = request.headers();
    match &shared.admin_key {
        Some(key) if !bearer(headers).is_some_and(|given| key.matches(given)) => {
            Err(Problem::unauthorized("this route needs the hub's admin key as `Authorization: Bearer`"))
        }
        None if !addressed_to_loopback(headers) => {
            let message = "without an admin key this route answers only under a loopback name such as `localhost`";
            Err(Problem::new(StatusCode::FORBIDDEN, message))
        }
        _ => Ok(next.run(request).await),
    }
}

async fn unknown_route(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no route `{}`", names::shown(uri.path(), 200)))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let (method, path) = (names::shown(method.as_str(), 20), names::shown(uri.path(), 200));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("`{path}` does not take {method}"))
}
