//! Sandboxes: registering, listing, showing and deleting them, and the last hour of one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use sandbeat_status::names;
use sandbeat_status::report::milliseconds;
use serde::de::value::{Error as Mismatch, StrDeserializer};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::registration::{self, Registering};
use super::reply::{Problem, ProblemBody, json};
use super::request::{SandboxId, body};
use super::view;
use crate::fleet::{self, Minute, Refused, Status, Trouble};
use crate::liveness::Liveness;
use crate::server::bodies::Share;

/// The most sandboxes in one answer, and how many come when nobody says.
const MAX_PAGE: usize = 1000;
/// The most entries of metadata that can be asked for at once.
const MAX_METADATA: usize = 16;
/// The longest text to search for, in bytes.
const MAX_SEARCH: usize = 128;
/// The width of a point of the history, in seconds.
const STEP_SECS: u32 = 60;

/// The answer to a registration.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Registered<'a> {
    sandbox: view::Sandbox,
    /// Opens the sandbox's status route and nothing else. It is shown this once; the hub keeps a hash of it.
    #[schema(example = "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15c2b1d1b8f1d2d2f924e986ac")]
    token: &'a str,
}

/// A part of the fleet, in the order of ids.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sandboxes<'a> {
    sandboxes: Vec<view::Sandbox>,
    /// All that match, on whichever page.
    total: usize,
    /// To be sent as `cursor` for what follows; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<&'a str>,
}

/// One sandbox.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Shown {
    sandbox: view::Whole,
}

/// It is done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deleted {
    success: bool,
}

/// The last hour of a sandbox.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    /// The width of a point, in seconds.
    #[schema(example = 60)]
    step_secs: u32,
    /// The oldest first; minutes without a report are left out.
    points: Vec<Point>,
}

/// One minute; what was not measured in it is absent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HistoryPoint)]
struct Point {
    /// Its beginning, by the hub's clock.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The highest CPU use that was reported in it, in percent of what the sandbox may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_percent: Option<f64>,
    /// The highest memory use that was reported in it, in MiB.
    #[serde(rename = "memoryMB", skip_serializing_if = "Option::is_none")]
    memory_mb: Option<u64>,
}

/// What narrows a list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes the parameters; `wanted` reads them, since `metadata` may be repeated")]
pub(super) struct Listing {
    /// Only sandboxes with this status.
    #[param(inline)]
    status: Option<Status>,
    /// Only sandboxes that stand so.
    #[param(inline)]
    liveness: Option<Liveness>,
    /// Only sandboxes that are, or are not, `overdue`.
    overdue: Option<bool>,
    /// Only sandboxes that are, or are not, `suspect`.
    suspect: Option<bool>,
    /// Only sandboxes of which this fails, as their last reports say: `processes` in `error`, `collectors` that are
    /// `failing`, `quarantined` or `rejected`, or `any` of both.
    #[param(inline)]
    failing: Option<Trouble>,
    /// Only sandboxes that were registered with this metadata: `key`, or `key=value`. May be repeated, 16 times at
    /// most; all must hold.
    #[param(example = json!(["team=a"]))]
    metadata: Option<Vec<String>>,
    /// Only sandboxes with this in their id, name or host name, in upper or lower case.
    #[param(max_length = 128)]
    search: Option<String>,
    /// At most so many; 1,000 when nothing is said.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Registers a sandbox. The answer shows its token, this once.
#[utoipa::path(post, path = "/api/v1/sandboxes", operation_id = "register_sandbox", tag = "sandboxes",
    request_body = Registering,
    responses(
        (status = 201, description = "It is registered, and waits for its first report", body = Registered),
        (status = 400, description = "A field has another type or is out of bounds", body = ProblemBody),
        (status = 409, description = "The id is taken", body = ProblemBody),
        (status = 503, description = "The hub is full, or its disk takes nothing", body = ProblemBody),
    ))]
pub(super) async fn register(
    State(shared): State<Arc<Shared>>,
    Extension(share): Extension<Share>,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let (content, _held) = body(&headers, content, shared.limits.body, share).await?;
    let (registration, token) = registration::read(&content, Timestamp::now())?;
    let registration = shared.store.register(registration).await?;
    let snapshot = shared.store.find(&registration.id).ok_or(Refused::Unknown)?;
    let answer = Registered { sandbox: view::Sandbox::brief(&snapshot), token: token.reveal() };
    Ok(json(StatusCode::CREATED, &answer))
}

/// Sandboxes in the order of their ids, a page at a time.
#[utoipa::path(get, path = "/api/v1/sandboxes", operation_id = "list_sandboxes", tag = "sandboxes",
    params(Listing),
    responses(
        (status = 200, description = "A page", body = Sandboxes),
        (status = 400, description = "A parameter is unknown or has another form", body = ProblemBody),
    ))]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    parameters: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parameters) = parameters.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    let query = wanted(parameters)?;
    let page = shared.store.page(&query).await;
    let last = page.sandboxes.last().map(|snapshot| &*snapshot.registration.id);
    let answer = Sandboxes {
        sandboxes: page.sandboxes.iter().map(view::Sandbox::brief).collect(),
        total: page.total,
        next_cursor: last.filter(|_| page.more),
    };
    Ok(json(StatusCode::OK, &answer))
}

/// One sandbox, with all that its last report said.
#[utoipa::path(get, path = "/api/v1/sandboxes/{id}", operation_id = "get_sandbox", tag = "sandboxes",
    params(("id" = String, Path, description = "The sandbox's id")),
    responses((status = 200, description = "The sandbox", body = Shown)))]
pub(super) async fn show(State(shared): State<Arc<Shared>>, SandboxId(id): SandboxId) -> Result<Response, Problem> {
    let snapshot = shared.store.find(&id).ok_or(Refused::Unknown)?;
    Ok(json(StatusCode::OK, &Shown { sandbox: view::Whole::of(&snapshot) }))
}

/// Forgets a sandbox and its token. What it still reports is refused.
#[utoipa::path(delete, path = "/api/v1/sandboxes/{id}", operation_id = "delete_sandbox", tag = "sandboxes",
    params(("id" = String, Path, description = "The sandbox's id")),
    responses(
        (status = 200, description = "It is forgotten", body = Deleted),
        (status = 503, description = "The hub's disk takes nothing", body = ProblemBody),
    ))]
pub(super) async fn delete(State(shared): State<Arc<Shared>>, SandboxId(id): SandboxId) -> Result<Response, Problem> {
    shared.store.remove(&id).await?;
    Ok(json(StatusCode::OK, &Deleted { success: true }))
}

/// The last hour of a sandbox, minute by minute.
#[utoipa::path(get, path = "/api/v1/sandboxes/{id}/history", operation_id = "get_history", tag = "sandboxes",
    params(("id" = String, Path, description = "The sandbox's id")),
    responses((status = 200, description = "The points that there are", body = History)))]
pub(super) async fn history(State(shared): State<Arc<Shared>>, SandboxId(id): SandboxId) -> Result<Response, Problem> {
    let minutes = shared.store.history(&id).ok_or(Refused::Unknown)?;
    let points = minutes.into_iter().map(Point::of).collect();
    Ok(json(StatusCode::OK, &History { step_secs: STEP_SECS, points }))
}

impl Point {
    fn of(minute: Minute) -> Self {
        Point { at: minute.at, cpu_percent: minute.cpu_percent, memory_mb: minute.memory_mb }
    }
}

/// Reads the parameters of a list.
fn wanted(parameters: Vec<(String, String)>) -> Result<fleet::Query, Problem> {
    let mut query = fleet::Query { limit: MAX_PAGE, ..fleet::Query::default() };
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in parameters {
        if name != "metadata" && seen.contains(&name) {
            return Err(Problem::field(&name, "it is there twice"));
        }
        match name.as_str() {
            "status" => query.status = Some(word(&name, &value)?),
            "liveness" => query.liveness = Some(word(&name, &value)?),
            "overdue" => query.overdue = Some(flag(&name, &value)?),
            "suspect" => query.suspect = Some(flag(&name, &value)?),
            "failing" => query.failing = Some(word(&name, &value)?),
            "metadata" if query.metadata.len() == MAX_METADATA => {
                return Err(Problem::field(&name, format!("{MAX_METADATA} entries are the most")));
            }
            "metadata" => query.metadata.push(entry(&value)?),
            "search" => {
                names::text(&value, MAX_SEARCH).map_err(|reason| Problem::field(&name, reason))?;
                query.search = Some(value).filter(|text| !text.is_empty());
            }
            "limit" => query.limit = limit(&value)?,
            "cursor" => {
                names::sandbox_id(&value)
                    .map_err(|_| Problem::field(&name, "this is not a `nextCursor` of a page before"))?;
                query.after = Some(value);
            }
            _ => {
                let known = "status, liveness, overdue, suspect, failing, metadata, search, limit and cursor are the \
                             parameters here";
                return Err(Problem::field(&name, known));
            }
        }
        seen.push(name);
    }
    Ok(query)
}

fn limit(value: &str) -> Result<usize, Problem> {
    let limit = value.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| Problem::field("limit", format!("`{value}` is not a number from 1 to {MAX_PAGE}")))
}

/// `key` or `key=value`.
fn entry(text: &str) -> Result<(String, Option<String>), Problem> {
    let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
    names::metadata_key(key).map_err(|reason| Problem::field("metadata", reason))?;
    names::text(value.unwrap_or_default(), names::MAX_METADATA_VALUE)
        .map_err(|reason| Problem::field("metadata", reason))?;
    Ok((key.to_owned(), value.map(str::to_owned)))
}

fn flag(field: &str, value: &str) -> Result<bool, Problem> {
    value.parse().map_err(|_| Problem::field(field, format!("`{value}` is neither `true` nor `false`")))
}

/// One of a few words.
fn word<'a, T: Deserialize<'a>>(field: &str, word: &'a str) -> Result<T, Problem> {
    T::deserialize(StrDeserializer::<Mismatch>::new(word)).map_err(|error| Problem::field(field, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(parameters: &[(&str, &str)]) -> Result<fleet::Query, String> {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        wanted(parameters).map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let all = query(&[]).unwrap();
        assert_eq!((all.limit, all.status, all.metadata.len()), (MAX_PAGE, None, 0));
        let some = query(&[
            ("status", "running"),
            ("liveness", "never-reported"),
            ("overdue", "true"),
            ("suspect", "false"),
            ("failing", "any"),
            ("metadata", "team"),
            ("metadata", "url=a=b"),
            ("metadata", "empty="),
            ("search", "Box 1"),
            ("limit", "1"),
            ("cursor", "sbox-1"),
        ])
        .unwrap();
        assert_eq!((some.status, some.liveness), (Some(Status::Running), Some(Liveness::NeverReported)));
        assert_eq!((some.overdue, some.suspect, some.failing), (Some(true), Some(false), Some(Trouble::Any)));
        let entry = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        assert_eq!(some.metadata, [entry("team", None), entry("url", Some("a=b")), entry("empty", Some(""))]);
        assert_eq!((some.search.as_deref(), some.limit, some.after.as_deref()), (Some("Box 1"), 1, Some("sbox-1")));
        assert_eq!(query(&[("search", "")]).unwrap().search, None);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let long = "x".repeat(MAX_SEARCH + 1);
        for (name, value) in [
            ("status", "odd"),
            ("liveness", "Live"),
            ("overdue", "1"),
            ("suspect", ""),
            ("failing", "sessions"),
            ("metadata", "a b"),
            ("metadata", "=v"),
            ("search", &long),
            ("search", "a\nb"),
            ("limit", "0"),
            ("limit", "1001"),
            ("limit", "-1"),
            ("cursor", ""),
            ("stauts", "running"),
        ] {
            let problem = query(&[(name, value)]).unwrap_err();
            assert!(problem.contains(&format!("details: Some(\"{name}\")")), "{name}: {problem}");
        }
        assert!(query(&[("limit", "1"), ("limit", "2")]).unwrap_err().contains("twice"));
        assert!(query(&[("metadata", "k"); MAX_METADATA]).is_ok());
        assert!(query(&[("metadata", "k"); MAX_METADATA + 1]).unwrap_err().contains("16 entries"));
    }
}
