//! The status route: one sandbox's report, from its token to the answer.
//!
//! Order of judgement: id (400), sandbox (404), token (401), type and coding (415), length (413), content (400); only
//! then something changes.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;

use crate::api::reply::{Problem, json};
use crate::api::request::{SandboxId, body};
use crate::api::{Shared, report};
use crate::auth::bearer;
use crate::config::Enroll;
use crate::fleet::{Beat, Outcome, Refused, Sender};
use crate::hub::Accepted;
use crate::server::Peer;

/// Takes a report.
pub(super) async fn status(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    SandboxId(id): SandboxId,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Taken<'a> {
        success: bool,
        sandbox_id: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        duplicate: bool,
        /// What the next report may be.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        accepts: &'static [&'static str],
        /// When to report next, in seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_report_secs: Option<f64>,
    }
    let sender = shared.sender(&id, &headers)?;
    let content = body(&headers, content, shared.limits.body).await?;
    let report = report::read(&id, &content)?;
    let beat = Beat { report, at: Instant::now(), received: Timestamp::now(), peer };
    let (duplicate, keeps, next) = match shared.store.report(&sender, beat).await? {
        Outcome::Duplicate { keeps } => (true, keeps, None),
        Outcome::Accepted { kept, keeps, next, .. } => {
            if shared.accepted.receiver_count() > 0 {
                let report = Arc::new(kept.report());
                // It may have gone meanwhile.
                let _ = shared.accepted.send(Accepted { sandbox_id: Arc::from(id.as_str()), report });
            }
            (false, keeps, next)
        }
    };
    let next_report_secs = next.map(|next| next.as_secs_f64());
    let accepts: &[&str] = if keeps { &["delta"] } else { &[] };
    Ok(json(StatusCode::OK, &Taken { success: true, sandbox_id: &id, duplicate, accepts, next_report_secs }))
}

impl Shared {
    /// In whose name a report for this id may come with these headers.
    fn sender(&self, id: &str, headers: &HeaderMap) -> Result<Sender, Problem> {
        let registration = match (self.store.registration(id), self.enroll) {
            (Some(registration), _) => registration,
            (None, Enroll::Open) => return Ok(Sender::New),
            (None, Enroll::Closed) => return Err(Refused::Unknown.into()),
        };
        let welcome = match &registration.tokens {
            Some(tokens) => bearer(headers).is_some_and(|given| tokens.matches(given, Timestamp::now())),
            None => self.enroll == Enroll::Open,
        };
        if !welcome {
            return Err(Problem::unauthorized("this sandbox reports with the token that its registration answered"));
        }
        Ok(Sender::Known(registration))
    }
}
