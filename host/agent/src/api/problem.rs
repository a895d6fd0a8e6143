//! Errors of the API: `application/problem+json` as RFC 9457 has it.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// How soon one who was refused for want of a place may ask again, in seconds.
const RETRY_SECS: &str = "1";

/// An error as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    /// The last part of `type`, in snake case; clients may match on it.
    name: &'static str,
    /// One line for a person; the same for the same name.
    title: &'static str,
    /// This occurrence, and what to do about it.
    detail: String,
    /// Several that were found at once; none where `detail` says it all.
    problems: Vec<String>,
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// `urn:sandbeat:error:` and a name in snake case, which clients may match on.
    #[serde(rename = "type")]
    kind: String,
    /// One line for a person; the same for the same type.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// This occurrence, and what to do about it.
    detail: String,
    /// Several that were found at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, name: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Problem { status, name, title, detail: detail.into(), problems: Vec::new() }
    }

    /// The same, with everything that was found at once.
    pub(super) fn with_problems(self, problems: Vec<String>) -> Self {
        Problem { problems, ..self }
    }

    /// What was asked for makes no sense.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "Invalid request", detail)
    }

    /// All places for what lasts are taken.
    pub(super) fn crowded(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests", detail)
    }

    /// Nothing more is done, because the agent ends.
    pub(super) fn ending() -> Self {
        let detail = "the agent is ending; ask the next one";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "agent_ending", "Agent is ending", detail)
    }

    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    pub(super) fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: format!("urn:sandbeat:error:{}", self.name),
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail,
            problems: self.problems,
        };
        // Strings and a number: this cannot fail.
        let body = serde_json::to_string(&body).unwrap_or_default();
        let mut response = (self.status, [(CONTENT_TYPE, "application/problem+json")], body).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(RETRY_AFTER, axum::http::HeaderValue::from_static(RETRY_SECS));
        }
        response
    }
}
