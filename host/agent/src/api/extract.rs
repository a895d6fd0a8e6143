//! What is read out of a request: paths, queries and bodies, each bounded, each refused as a problem.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::problem::Problem;

/// The largest body of most requests. The kernel takes about 2 MiB of arguments and environment.
pub(super) const MAX_BODY: usize = 2 << 20;
/// A body must be there this soon.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// What is read and dropped of a body that is too large, in bytes, and for how long.
const MAX_REST: usize = 16 << 20;
const REST_TIMEOUT: Duration = Duration::from_secs(5);

/// The last variable part of a path, such as a process's id.
#[derive(Debug)]
pub(super) struct Id(pub(super) String);

/// The query. Keys that are not known are passed over, as everywhere in HTTP.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

/// Reads a JSON body of at most so many bytes.
///
/// # Errors
/// It is not declared to be JSON, is none, is not what is wanted (the key is named), is too large or too slow.
pub(super) async fn json<T: DeserializeOwned>(request: Request, most: usize) -> Result<T, Problem> {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Unsupported media type",
            "the body must be JSON; send `Content-Type: application/json`",
        ));
    }
    parse(&read(body, most).await?)
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        match path {
            Ok(Path(id)) => Ok(Id(id)),
            Err(e) => Err(Problem::new(StatusCode::BAD_REQUEST, "bad_path", "Bad path", e.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri).map(|axum::extract::Query(query)| Query(query)).map_err(|e| {
            let detail = std::error::Error::source(&e).map_or_else(|| e.body_text(), ToString::to_string);
            Problem::new(StatusCode::BAD_REQUEST, "bad_query", "Bad query", detail)
        })
    }
}

async fn read(mut body: Body, most: usize) -> Result<Bytes, Problem> {
    let read = timeout(BODY_TIMEOUT, Limited::new(&mut body, most).collect()).await.map_err(|_| {
        let detail = format!("the body was not complete within {BODY_TIMEOUT:?}");
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "Request timeout", detail)
    })?;
    match read {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => {
            // Late or more than that: then the client may see a broken connection in place of the answer.
            let _ = timeout(REST_TIMEOUT, pass_over(&mut body, MAX_REST)).await;
            Err(too_large(format!("the body is larger than {most} bytes")))
        }
        Err(_) => Err(Problem::new(StatusCode::BAD_REQUEST, "bad_body", "Bad body", "the body ended before its time")),
    }
}

/// Reads and drops the rest of a body: a client that is still sending reads no answer.
async fn pass_over(body: &mut Body, most: usize) {
    let mut left = most;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

/// More than is taken.
pub(super) fn too_large(detail: String) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "Payload too large", detail)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let path = e.path().to_string();
        let inner = e.into_inner();
        match (inner.classify(), path.as_str()) {
            (serde_json::error::Category::Data, ".") => mismatch(inner.to_string()),
            (serde_json::error::Category::Data, path) => mismatch(format!("{path}: {inner}")),
            _ => malformed(&inner),
        }
    })?;
    json.end().map_err(|e| malformed(&e))?;
    Ok(parsed)
}

fn mismatch(detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unexpected_body", "Unexpected body", detail)
}

fn malformed(e: &serde_json::Error) -> Problem {
    let detail = format!("the body is not JSON: {e}");
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", "Malformed JSON", detail)
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = declared.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json")
        || media.split_once('/').is_some_and(|(kind, rest)| {
            kind.eq_ignore_ascii_case("application") && rest.to_ascii_lowercase().ends_with("+json")
        })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::response::IntoResponse;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Wanted {
        #[expect(dead_code, reason = "only its absence and its type matter here")]
        args: Vec<String>,
    }

    async fn problem(body: &str) -> (u16, String) {
        let response = parse::<Wanted>(body.as_bytes()).unwrap_err().into_response();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_body_that_is_not_what_is_wanted_names_the_place() {
        let (status, body) = problem(r#"{"args":["a",1]}"#).await;
        assert!(status == 422 && body.contains("args[1]"), "{body}");
        let (status, body) = problem("{}").await;
        assert!(status == 422 && body.contains("args"), "{body}");
        for malformed in ["", "{", "{bad", r#"{"args":[]} more"#] {
            let (status, body) = problem(malformed).await;
            assert!(status == 400 && body.contains("malformed_json"), "{malformed}: {body}");
        }
    }

    #[tokio::test]
    async fn a_body_is_bounded() {
        assert_eq!(read(Body::from("12345"), 5).await.unwrap(), "12345");
        let response = read(Body::from("123456"), 5).await.unwrap_err().into_response();
        assert_eq!(response.status(), 413);
    }

    #[test]
    fn only_what_says_so_is_json() {
        for (declared, json) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/json", false),
            ("text/plain", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(declared))]);
            assert_eq!(is_json(&headers), json, "{declared}");
        }
    }
}
