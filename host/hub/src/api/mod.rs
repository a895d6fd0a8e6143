//! The routes of the contract: what is asked, who may ask it, and what is answered.
//!
//! Errors are `{code,message,details?}` throughout, unknown routes and methods included.
//!
//! - `sandboxes`: registering, listing, showing, deleting, the last hour; `tokens`: a new one.
//! - `status`: taking reports; `report` says which are acceptable, and `newcomers` how many of them may be of sandboxes
//!   that nobody registered. It stands outside of everything below, because it is what the hub does most.
//! - [`events`]: what happened, as pages and streams.
//! - `fleet`, `health`, `metrics`: the hub as a whole.
//! - `describe`: `GET /openapi.json`, made from the routes themselves.
//!
//! What manages or reads goes through the guard here and then through `encode` (validators and compression).

mod describe;
pub(crate) mod encode;
mod fleet;
mod health;
mod metrics;
pub(crate) mod newcomers;
mod registration;
pub(crate) mod reply;
mod report;
pub(crate) mod request;
mod sandboxes;
pub(crate) mod status;
mod tokens;
pub(crate) mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use sandbeat_status::names;
use tokio::sync::broadcast;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::newcomers::Newcomers;
use self::reply::Problem;
use crate::auth::{KeyHash, addressed_to_loopback, bearer, is_forwarded};
use crate::config::{Enroll, Limits};
use crate::events::{self, Audience};
use crate::hub::Accepted;
use crate::measure::Measures;
use crate::server::Peer;
use crate::store::Store;

/// What the routes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub store: Arc<Store>,
    pub accepted: broadcast::Sender<Accepted>,
    pub enroll: Enroll,
    pub newcomers: Newcomers,
    pub max_sandboxes: usize,
    pub admin_key: Option<KeyHash>,
    pub limits: Limits,
    pub audience: Audience,
    /// How long a replaced token goes on where nobody says.
    pub token_overlap: Duration,
    pub measures: Arc<Measures>,
    /// Whether `/metrics` has the figures of each sandbox.
    pub metrics_per_sandbox: bool,
}

/// All routes.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let (managed, _) = managed().split_for_parts();
    let (open, _) = open().split_for_parts();
    encode::encoded(managed.route_layer(from_fn_with_state(Arc::clone(&shared), admin_only)))
        .merge(open)
        .merge(crate::page::routes())
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(shared)
}

/// Those that want the admin key.
fn managed() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(sandboxes::list, sandboxes::register))
        .routes(routes!(sandboxes::show, sandboxes::delete))
        .routes(routes!(sandboxes::history))
        .routes(routes!(tokens::rotate))
        .routes(routes!(fleet::fleet))
        .merge(events::routes())
        .routes(routes!(metrics::metrics))
}

/// Those that do not.
fn open() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(describe::description))
        .routes(routes!(status::status))
}

/// Keeps everyone out who may not manage the fleet.
async fn admin_only(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Result<Response, Problem> {
    let headers = request.headers();
    match (&shared.admin_key, bearer(headers)) {
        (Some(key), Some(given)) if !key.matches(given) => {
            Err(Problem::unauthorized("this is not the hub's admin key, which this route needs"))
        }
        (Some(_), None) => {
            Err(Problem::unauthorized("this route needs the hub's admin key as `Authorization: Bearer`"))
        }
        (None, _) if !addressed_to_loopback(headers) => {
            let message = "without an admin key this route answers only under a loopback name such as `localhost`";
            Err(Problem::new(StatusCode::FORBIDDEN, message))
        }
        (None, _) if is_forwarded(headers) => {
            let message = "without an admin key this route does not answer what comes through a proxy, whose clients \
                           may be anyone; give the hub an `admin_key_file`";
            Err(Problem::new(StatusCode::FORBIDDEN, message))
        }
        (Some(_), Some(_)) | (None, _) => {
            if let Some(peer) = request.extensions().get::<Peer>() {
                peer.recognize();
            }
            Ok(next.run(request).await)
        }
    }
}

async fn unknown_route(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no route `{}`", names::shown(uri.path(), 200)))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let (method, path) = (names::shown(method.as_str(), 20), names::shown(uri.path(), 200));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("`{path}` does not take {method}"))
}
