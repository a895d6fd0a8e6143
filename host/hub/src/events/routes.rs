//! What can be asked about events: a page of them, or a stream, whichever the client's `Accept` names.
//!
//! What is asked for is read and checked whole before anything is looked up. A parameter that only the other of the two
//! has is refused, because whoever sends it has forgotten the header.

use std::num::NonZeroU64;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::header::{RETRY_AFTER, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use sandbeat_status::names::shown;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accept::wants_stream;
use super::beats::Listening;
use super::feed::{Feed, Wanted};
use super::stream::{Place, Stream};
use crate::api::Shared;
use crate::api::reply::{Problem, ProblemBody, json};
use crate::api::request::SandboxId;
use crate::closing::Closing;
use crate::event::{Event, Kind};
use crate::fleet::Refused;
use crate::store::EventQuery;

/// The most events on a page.
const MAX_PAGE: usize = 1000;
/// How many come when nobody says.
const PAGE: usize = 100;
/// Where a client says which event it heard last.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// The routes of events, for whoever guards them.
pub(crate) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(all)).routes(routes!(of_sandbox))
}

/// What happened to all sandboxes and to the hub's view of them. As JSON, a page of what is stored, the newest first.
/// With `Accept: text/event-stream`, server-sent events: `id` is the event's number, `event` its type and `data` the
/// event, from now on or after the one that `Last-Event-ID` or `after` names; `reset` when not all of those are kept,
/// and `beats` where they are wanted.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "list_events", tag = "events",
    params(Asked, ("Last-Event-ID" = Option<u64>, Header, description = "A stream begins after this event")),
    responses(
        (status = 200, description = "Events", content(
            (EventList<'static> = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "A parameter is not known, or not good", body = ProblemBody),
        (status = 503, description = "Too many streams are open, or the disk does not answer", body = ProblemBody),
    ))]
async fn all(
    State(shared): State<Arc<Shared>>,
    Extension(closing): Extension<Closing>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    answer(&shared, closing, &headers, asked, None).await
}

/// The same of one sandbox, also of one that is deleted, as long as anything of it is kept.
#[utoipa::path(get, path = "/api/v1/sandboxes/{id}/events", operation_id = "list_sandbox_events", tag = "events",
    params(("id" = String, Path), Asked,
        ("Last-Event-ID" = Option<u64>, Header, description = "A stream begins after this event")),
    responses(
        (status = 200, description = "Events", content(
            (EventList<'static> = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "A parameter is not known, or not good", body = ProblemBody),
        (status = 404, description = "There is no such sandbox", body = ProblemBody),
        (status = 503, description = "Too many streams are open, or the disk does not answer", body = ProblemBody),
    ))]
async fn of_sandbox(
    State(shared): State<Arc<Shared>>,
    SandboxId(id): SandboxId,
    Extension(closing): Extension<Closing>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    answer(&shared, closing, &headers, asked, Some(id)).await
}

/// A request's parameters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Only events of these types; several with commas.
    #[serde(rename = "type")]
    kinds: Option<String>,
    /// Of a page: at most so many, from 1 to 1,000; 100 when nobody says.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Of a page: what follows one that had this as its `nextCursor`.
    cursor: Option<String>,
    /// Of a stream: begin after this event. What `Last-Event-ID` says comes first.
    after: Option<u64>,
    /// Of a stream: once a second `event: beats` with the sandboxes that reported or stand otherwise.
    beats: Option<bool>,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EventList<'a> {
    /// The newest first.
    #[schema(value_type = Vec<Event>)]
    events: Vec<&'a Event>,
    /// To be sent as `cursor` for older ones; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

async fn answer(
    shared: &Shared,
    closing: Closing,
    headers: &HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
    sandbox_id: Option<String>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    let wanted = Wanted { kinds: asked.kinds()?, sandbox_id };
    if wants_stream(headers) {
        let after = asked.place(headers)?;
        known(shared, wanted.sandbox_id.as_deref()).await?;
        let (place, beats) = places(shared, &wanted, asked.beats.unwrap_or(false))?;
        let feed = Feed::start(Arc::clone(&shared.store), wanted, after).await?;
        Ok(Stream::new(feed, beats, closing, place).into_response())
    } else {
        let (limit, before) = asked.page()?;
        known(shared, wanted.sandbox_id.as_deref()).await?;
        page(shared, wanted, limit, before).await
    }
}

async fn page(shared: &Shared, wanted: Wanted, limit: usize, before: Option<NonZeroU64>) -> Result<Response, Problem> {
    let Wanted { sandbox_id, kinds } = wanted;
    let before = before.map(NonZeroU64::get);
    let page = shared.store.events(EventQuery { sandbox_id, kinds, after: None, before, limit }).await?;
    let last = page.events.last().filter(|_| page.more);
    let next_cursor = last.map(|event| event.id.to_string());
    let mut answer =
        json(StatusCode::OK, &EventList { events: page.events.iter().map(|event| &**event).collect(), next_cursor });
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(answer)
}

/// A place for one more stream. Beats are noted from here on, before the first look into the store.
///
/// # Errors
/// There are too many streams.
fn places(shared: &Shared, wanted: &Wanted, beats: bool) -> Result<(Place, Option<Listening>), Problem> {
    let audience = &shared.audience;
    let permit = Arc::clone(&audience.places).try_acquire_owned().map_err(|_| {
        let message = format!(
            "{} streams of events are open, as many as can be at once; end one, raise `hub.max_streams`, or ask for a \
             page with `Accept: application/json`",
            audience.streams
        );
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).with_header(RETRY_AFTER, "10")
    })?;
    let only = wanted.sandbox_id.clone().map(|id| (Arc::clone(&shared.store), id));
    let place = (permit, shared.measures.streams.count());
    Ok((place, beats.then(|| audience.beats.listen(only))))
}

/// # Errors
/// There is no such sandbox, and nothing is kept of one that was.
async fn known(shared: &Shared, sandbox_id: Option<&str>) -> Result<(), Problem> {
    let Some(id) = sandbox_id.filter(|id| shared.store.registration(id).is_none()) else { return Ok(()) };
    let query = EventQuery { sandbox_id: Some(id.to_owned()), limit: 1, ..EventQuery::default() };
    if shared.store.events(query).await?.events.is_empty() { Err(Refused::Unknown.into()) } else { Ok(()) }
}

impl Asked {
    fn kinds(&self) -> Result<Vec<Kind>, Problem> {
        let Some(words) = &self.kinds else { return Ok(Vec::new()) };
        let mut kinds = Vec::new();
        for word in words.split(',').map(str::trim) {
            let kind = Kind::parse(word).ok_or_else(|| {
                let known = Kind::ALL.map(Kind::as_str).join(", ");
                Problem::field("type", format!("`{}` is none of {known}", shown(word, 30)))
            })?;
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Ok(kinds)
    }

    /// Of a page: how many events, and below which number.
    fn page(&self) -> Result<(usize, Option<NonZeroU64>), Problem> {
        let of_stream = [("after", self.after.is_some()), ("beats", self.beats.is_some())];
        if let Some((field, _)) = of_stream.into_iter().find(|(_, given)| *given) {
            return Err(Problem::field(field, "only a stream has this; ask with `Accept: text/event-stream`"));
        }
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(Problem::field("limit", format!("{limit} is not from 1 to {MAX_PAGE}")));
        }
        let cursor = self.cursor.as_ref().map(|cursor| {
            cursor.parse().map_err(|_| Problem::field("cursor", "this is not a `nextCursor` of a page before"))
        });
        Ok((limit, cursor.transpose()?))
    }

    /// Of a stream: after which number. A client that comes back by itself asks with the address of its first time.
    fn place(&self, headers: &HeaderMap) -> Result<Option<u64>, Problem> {
        let of_page = [("limit", self.limit.is_some()), ("cursor", self.cursor.is_some())];
        if let Some((field, _)) = of_page.into_iter().find(|(_, given)| *given) {
            return Err(Problem::field(field, "only a page has this; ask with `Accept: application/json`"));
        }
        let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(self.after) };
        let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
        number.map(Some).ok_or_else(|| Problem::field(LAST_EVENT_ID, "this is not the id of an event, a number"))
    }
}
