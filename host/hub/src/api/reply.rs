//! What goes out: JSON, and the contract's errors `{code,message,details?}`.
//!
//! `code` is the HTTP status as a number and `details` names what the message is about, as existing clients read them.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use sandbeat_status::names::shown;
use serde::Serialize;
use utoipa::ToSchema;

use crate::fleet::Refused;

/// How soon to try again what the disk did not take, in seconds.
const RETRY_SECS: &str = "5";
/// How soon a newcomer of an origin that brings in too many may come again, in seconds: with the next minute.
const NEWCOMER_RETRY_SECS: &str = "60";

/// A JSON answer. It changes with every beat and may hold what sandboxes say, so nobody keeps it or guesses its type.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let headers = [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, Json(body)).into_response()
}

/// An error as the contract has it.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    message: String,
    details: Option<String>,
    header: Option<(HeaderName, &'static str)>,
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// The HTTP status.
    #[schema(example = 400)]
    code: u16,
    /// What is wrong and what to do, for a person.
    #[schema(example = "memoryMB: invalid value: integer `-5`, expected u64")]
    message: String,
    /// The path of the field that it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "memoryMB")]
    details: Option<String>,
}

impl Problem {
    /// An error with a message that says what to do.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Problem { status, message: message.into(), details: None, header: None }
    }

    /// What it is answered with.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether the same request may well be taken a little later.
    pub(crate) fn is_for_now(&self) -> bool {
        matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    }

    /// 400 about one field, which both the message and the details name. What was sent is shown escaped and in part.
    pub(crate) fn field(field: &str, reason: impl AsRef<str>) -> Self {
        let field = shown(field, 200);
        Problem {
            message: format!("{field}: {}", shown(reason.as_ref(), 300)),
            details: Some(field),
            ..Problem::new(StatusCode::BAD_REQUEST, "")
        }
    }

    /// 400 about the request as a whole.
    pub(crate) fn malformed(reason: impl AsRef<str>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, shown(reason.as_ref(), 300))
    }

    /// The same with a header.
    pub(crate) fn with_header(self, name: HeaderName, value: &'static str) -> Self {
        Problem { header: Some((name, value)), ..self }
    }

    /// 401 with the challenge that the standard asks for.
    pub(crate) fn unauthorized(message: &str) -> Self {
        Problem {
            header: Some((WWW_AUTHENTICATE, "Bearer")),
            ..Problem::new(StatusCode::UNAUTHORIZED, format!("unauthorized: {message}"))
        }
    }

    /// 429 for a sandbox that nobody registered, when its origin has brought in many.
    pub(crate) fn too_many_newcomers() -> Self {
        let message = "this address brings in too many new sandboxes a minute; try again, or register them";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, message).with_header(RETRY_AFTER, NEWCOMER_RETRY_SECS)
    }

    /// 408; the rest of the request is not waited for.
    pub(crate) fn too_slow() -> Self {
        Problem {
            header: Some((CONNECTION, "close")),
            ..Problem::new(StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive")
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, header) = match refused {
            Refused::Exists => (StatusCode::CONFLICT, None),
            Refused::Full(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
            Refused::Disk => (StatusCode::SERVICE_UNAVAILABLE, Some((RETRY_AFTER, RETRY_SECS))),
            Refused::Unknown => (StatusCode::NOT_FOUND, None),
        };
        Problem { header, ..Problem::new(status, refused.to_string()) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody { code: self.status.as_u16(), message: self.message, details: self.details };
        let mut response = json(self.status, &body);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
