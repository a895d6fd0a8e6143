//! Errors of the API: `application/problem+json` as RFC 9457 has it.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

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

impl Problem {
    pub(super) fn new(status: StatusCode, name: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Problem { status, name, title, detail: detail.into(), problems: Vec::new() }
    }

    /// The same, with everything that was found at once.
    pub(super) fn with_problems(self, problems: Vec<String>) -> Self {
        Problem { problems, ..self }
    }

    pub(super) fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("urn:sandbeat:error:{}", self.name),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if !self.problems.is_empty() {
            body["problems"] = self.problems.into();
        }
        (self.status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}
