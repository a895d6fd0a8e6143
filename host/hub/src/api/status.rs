//! The status route: one sandbox's report, from its token to the answer.
//!
//! Order of judgement: id (400), sandbox (404), token (401), type and coding (415), length (413), content (400), and
//! how many newcomers its origin brings (429); only then something changes.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use sandbeat_status::Report;
use serde::Serialize;
use tokio::time::timeout_at;
use utoipa::ToSchema;

use crate::api::reply::{Problem, ProblemBody, json};
use crate::api::request::{SandboxId, body, skip};
use crate::api::{Shared, report};
use crate::auth::{addressed_to_loopback, bearer, is_forwarded, is_of_a_page};
use crate::config::Enroll;
use crate::fleet::{Beat, Outcome, Refused, Sender, Tokens};
use crate::hub::Accepted;
use crate::server::Peer;
use crate::server::bodies::Share;
use crate::server::crowd::Origin;

/// The answer to a report.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Taken<'a> {
    success: bool,
    sandbox_id: &'a str,
    /// It, or a later one of the same start, was there already; nothing changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    duplicate: bool,
    /// What the next report may be: `delta`, one that leaves out what has not changed.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false, value_type = Vec<String>, example = json!(["delta"]))]
    accepts: &'static [&'static str],
    /// When to report next, in seconds; absent where the agent keeps its own interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_report_secs: Option<f64>,
}

/// Takes a report of a sandbox, with its own token.
#[utoipa::path(post, path = "/api/v1/sandboxes/{id}/status", operation_id = "post_status", tag = "reports",
    params(("id" = String, Path, description = "The sandbox's id")),
    request_body(content = Report, description = "As it is, or with `Content-Encoding: gzip`"),
    responses(
        (status = 200, description = "It is the sandbox's present state, or was there already", body = Taken),
        (status = 400, description = "A field has another type or is out of bounds", body = ProblemBody),
        (status = 503, description = "What it changes cannot be stored; the hub is full, or its disk takes nothing",
            body = ProblemBody),
    ))]
// The route as the router calls it, for paths that the server does not know at a glance.
pub(super) async fn status(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    Extension(share): Extension<Share>,
    SandboxId(id): SandboxId,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    take(&shared, share, &peer, &id, &headers, content).await
}

/// Takes a report for a sandbox whose id has the right form.
///
/// # Errors
/// What is not acceptable; then nothing has changed.
pub(crate) async fn take(
    shared: &Shared,
    share: Share,
    peer: &Peer,
    id: &str,
    headers: &HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let began = Instant::now();
    let end = began + shared.limits.request_timeout;
    let judged = timeout_at(end.into(), judge(shared, share, peer, id, headers, content)).await;
    let answer = judged.unwrap_or_else(|_| Err(Problem::too_slow()));
    if let Err(problem) = &answer {
        shared.measures.report_refused(problem.status().as_u16());
    }
    shared.measures.handling.note(began.elapsed());
    answer
}

async fn judge(
    shared: &Shared,
    share: Share,
    peer: &Peer,
    id: &str,
    headers: &HeaderMap,
    mut content: Body,
) -> Result<Response, Problem> {
    let sender = match shared.sender(id, headers) {
        Ok(sender) => sender,
        Err(problem) => {
            skip(headers, &mut content).await;
            return Err(problem);
        }
    };
    if !matches!(sender, Sender::New) {
        peer.recognize();
    }
    let (content, _held) = body(headers, content, shared.limits.body, share.of_sandbox(id)).await?;
    let report = report::read(id, &content)?;
    drop(content);
    let sender = shared.sender_after_body(sender, id, headers)?;
    let beat = Beat { report, at: Instant::now(), received: Timestamp::now(), peer: peer.address };
    let newcomer = matches!(sender, Sender::New).then(|| Origin::from(peer.address));
    if newcomer.is_some_and(|origin| !shared.newcomers.admits(origin, beat.at)) {
        return Err(Problem::too_many_newcomers());
    }
    let taken = shared.store.report(&sender, beat).await;
    if let (Some(origin), Err(_)) = (newcomer, &taken) {
        shared.newcomers.forget(origin);
    }
    let (outcome, durable) = taken.map_err(refused)?;
    let (duplicate, keeps, next) = match outcome {
        Outcome::Duplicate { keeps, next } => (true, keeps, next),
        Outcome::Accepted { kept, keeps, next, .. } => {
            shared.audience.beats.note(id);
            if shared.accepted.receiver_count() > 0 {
                let report = Arc::new(kept.report());
                // It may have gone meanwhile.
                let _ = shared.accepted.send(Accepted { sandbox_id: Arc::from(id), report });
            }
            (false, keeps, next)
        }
    };
    // It is kept already, also where its sender is told to come again because what it changed is not on disk.
    durable.wait().await?;
    if duplicate {
        shared.measures.duplicate.add(1);
    } else {
        shared.measures.report_accepted(Instant::now());
    }
    let next_report_secs = next.map(|next| next.as_secs_f64());
    let accepts: &[&str] = if keeps { &["delta"] } else { &[] };
    Ok(json(StatusCode::OK, &Taken { success: true, sandbox_id: id, duplicate, accepts, next_report_secs }))
}

/// Why a report is not taken; its sender is the one for whom registering is the cure of an unknown id.
fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Unknown => Problem::new(StatusCode::NOT_FOUND, format!("{refused}; register it first")),
        refused => refused.into(),
    }
}

impl Shared {
    /// In whose name a report for this id may come with these headers.
    fn sender(&self, id: &str, headers: &HeaderMap) -> Result<Sender, Problem> {
        let open = self.enroll == Enroll::Open;
        let Some(registration) = self.store.registration(id) else {
            return if open {
                self.without_token(headers).map(|()| Sender::New)
            } else {
                Err(refused(Refused::Unknown))
            };
        };
        let without = match &registration.tokens {
            Some(tokens) => {
                let now = Timestamp::now();
                if bearer(headers).is_some_and(|given| tokens.matches(given, now)) {
                    let first = tokens.tokenless_until.is_some();
                    return Ok(if first { Sender::FirstToken(registration) } else { Sender::Known(registration) });
                }
                // A wrong one is not the same as none.
                !headers.contains_key(AUTHORIZATION) && tokens.may_be_left_out(now)
            }
            None => true,
        };
        if !(open && without) {
            return Err(Problem::unauthorized(match bearer(headers) {
                Some(_) => "this is not the sandbox's token; it may have been replaced by a newer one",
                None => {
                    "this sandbox reports with the token that its registration answered, as `Authorization: Bearer`"
                }
            }));
        }
        self.without_token(headers).map(|()| Sender::Known(registration))
    }

    /// The same again once the body is there, by when its token may have ended, or be required. Where the registration
    /// is the very one of before, and says that neither happens by itself, that is known without hashing once more.
    fn sender_after_body(&self, sender: Sender, id: &str, headers: &HeaderMap) -> Result<Sender, Problem> {
        match &sender {
            Sender::Known(before)
                if !before.tokens.as_ref().is_some_and(Tokens::may_change)
                    && self.store.registration(id).is_some_and(|now| Arc::ptr_eq(before, &now)) =>
            {
                Ok(sender)
            }
            _ => self.sender(id, headers),
        }
    }

    /// Keeps web pages, which reach a hub through names of their own, from reporting without a token; and, where there
    /// is no admin key, whoever a proxy on this machine lets in.
    fn without_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let message = if is_of_a_page(headers) {
            "a report without a token is not taken from a browser (`Origin`, `Sec-Fetch-Site`); send the sandbox's token"
        } else if self.admin_key.is_some() {
            return Ok(());
        } else if !addressed_to_loopback(headers) {
            "without an admin key the hub takes reports without a token only under a loopback name such as `localhost`; \
             report to that, register the sandbox, or give the hub an `admin_key_file`"
        } else if is_forwarded(headers) {
            "without an admin key the hub takes no reports without a token through a proxy; register the sandbox, or \
             give the hub an `admin_key_file`"
        } else {
            return Ok(());
        };
        Err(Problem::new(StatusCode::FORBIDDEN, message))
    }
}
