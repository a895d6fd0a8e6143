//! A new token for a sandbox, while the present one goes on for a while.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use sandbeat_status::report::optional_milliseconds;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::registration::new_token;
use super::reply::{Problem, ProblemBody, json};
use super::request::{SandboxId, body, parse};
use crate::auth::KeyHash;
use crate::server::bodies::Share;

/// How long a replaced token may go on: 30 days; in seconds.
const OVERLAP_SECS: RangeInclusive<f64> = 0.0..=2_592_000.0;

/// What a rotation may say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rotation {
    /// How long the present token goes on, in seconds; 0 ends it, and any before it, at once. `token_overlap` of the
    /// hub's configuration when nothing is said.
    #[schema(minimum = 0, maximum = 2_592_000, example = 3600)]
    overlap_secs: Option<f64>,
}

/// A new token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rotated<'a> {
    /// It is shown this once; the hub keeps a hash of it.
    #[schema(example = "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15c2b1d1b8f1d2d2f924e986ac")]
    token: &'a str,
    /// Until when the one before it goes on, by the hub's clock; absent where there was none, because the sandbox had
    /// been registered by its first report. Reports without a token, where they have been welcome, go on as long.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_until: Option<Timestamp>,
}

/// Gives a sandbox a new token. The present one goes on for a while, so that its agent can be told the new one.
#[utoipa::path(post, path = "/api/v1/sandboxes/{id}/token", operation_id = "rotate_token", tag = "sandboxes",
    params(("id" = String, Path, description = "The sandbox's id")),
    request_body = Rotation,
    responses(
        (status = 200, description = "The new token", body = Rotated),
        (status = 400, description = "A field is unknown, has another type or is out of bounds", body = ProblemBody),
        (status = 503, description = "The hub's disk takes nothing", body = ProblemBody),
    ))]
pub(super) async fn rotate(
    State(shared): State<Arc<Shared>>,
    SandboxId(id): SandboxId,
    Extension(share): Extension<Share>,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    // Its type is wanted even of an empty one: it keeps web pages out, as with a registration.
    let (content, _held) = body(&headers, content, shared.limits.body, share).await?;
    let rotation = if content.is_empty() { Rotation::default() } else { parse(&content)? };
    let overlap = overlap(&rotation, shared.token_overlap)?;
    let token = new_token()?;
    shared.store.rotate(&id, KeyHash::of(&token), overlap).await?;
    // It may have been deleted since; the token was made all the same.
    let tokens = shared.store.registration(&id).and_then(|registration| registration.tokens.clone());
    let previous_until = tokens.and_then(|tokens| tokens.previous_until());
    Ok(json(StatusCode::OK, &Rotated { token: token.reveal(), previous_until }))
}

fn overlap(rotation: &Rotation, usual: Duration) -> Result<Duration, Problem> {
    let Some(secs) = rotation.overlap_secs else { return Ok(usual) };
    let overlap = Some(secs).filter(|secs| OVERLAP_SECS.contains(secs));
    overlap.and_then(|secs| Duration::try_from_secs_f64(secs).ok()).ok_or_else(|| {
        let (least, most) = (OVERLAP_SECS.start(), OVERLAP_SECS.end());
        Problem::field("overlapSecs", format!("{secs} is not from {least} to {most} (30 days)"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_from_nothing_to_thirty_days() {
        let usual = Duration::from_secs(3600);
        let overlap = |overlap_secs| overlap(&Rotation { overlap_secs }, usual).ok();
        assert_eq!(overlap(None), Some(usual));
        assert_eq!(overlap(Some(0.0)), Some(Duration::ZERO));
        assert_eq!(overlap(Some(1.5)), Some(Duration::from_millis(1500)));
        assert_eq!(overlap(Some(2_592_000.0)), Some(Duration::from_secs(30 * 24 * 3600)));
        for bad in [-0.1, 2_592_000.1, f64::NAN, f64::INFINITY] {
            assert_eq!(overlap(Some(bad)), None, "{bad}");
        }
    }
}
