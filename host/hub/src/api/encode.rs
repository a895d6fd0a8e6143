//! How what is read goes out: with a validator, compressed for who accepts that, and kept by nobody who should not.
//!
//! - An answer to GET under `/api/v1` whose length is known has an `ETag` over its bytes. Who sends it in
//!   `If-None-Match` gets 304 without a body while they are the same. The guard has been passed before: a validator
//!   alone opens nothing.
//! - Such an answer may be kept by the client that asked, and is asked for anew each time (`private, no-cache`). A
//!   shared cache keeps nothing, and what one key has read is not given to another (`Vary: Authorization`).
//! - From 1 KiB on, answers are compressed for who accepts gzip, except streams of events. A compressed answer has other
//!   bytes, so its validator is weak (RFC 9110, 8.8.1), which `If-None-Match` does not mind (13.1.2).

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use xxhash_rust::xxh3::xxh3_128;

use super::reply::Problem;

/// Shorter answers are not compressed, in bytes: they fit into one packet as they are.
const WORTH_IT: u64 = 1024;

/// Gives routes validators and compression.
pub(crate) fn encoded<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(WORTH_IT).and(NotForContentType::SSE));
    router.route_layer(from_fn(validated)).route_layer(compression).route_layer(from_fn(settled))
}

/// Adds the validator, and answers 304 to who has it.
async fn validated(request: Request, next: Next) -> Response {
    let wanted = request.method() == Method::GET && request.uri().path().starts_with("/api/v1/");
    if !wanted {
        return next.run(request).await;
    }
    let known = request.headers().clone();
    let answer = next.run(request).await;
    if answer.status() != StatusCode::OK || answer.body().size_hint().exact().is_none() {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    // Its length is known: it is there already.
    let Ok(body) = body.collect().await else { return unreadable() };
    let body = body.to_bytes();
    let tag = tag(&body);
    head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    head.headers.append(VARY, HeaderValue::from_static("authorization, accept-encoding"));
    let fresh = is_known(&known, &tag);
    if let Ok(tag) = HeaderValue::try_from(tag) {
        head.headers.insert(ETAG, tag);
    }
    if fresh {
        head.status = StatusCode::NOT_MODIFIED;
        head.headers.remove(CONTENT_TYPE);
        return Response::from_parts(head, Body::empty());
    }
    Response::from_parts(head, Body::from(body))
}

/// Sets right what compression alone does not: it is for what is read only, weakens the validator, adds to the `Vary` that
/// is there, and has an error of the contract for who accepts no coding at all.
async fn settled(mut request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        request.headers_mut().remove(ACCEPT_ENCODING);
    }
    let mut answer = next.run(request).await;
    if answer.status() == StatusCode::NOT_ACCEPTABLE {
        let message = "answers come as they are or in gzip; `Accept-Encoding` excludes both";
        return Problem::new(StatusCode::NOT_ACCEPTABLE, message).into_response();
    }
    if answer.headers().contains_key(CONTENT_ENCODING)
        && let Some(weak) = answer.headers().get(ETAG).and_then(weak)
    {
        answer.headers_mut().insert(ETAG, weak);
    }
    one_vary(answer.headers_mut());
    answer
}

/// Says in one header what route, validator and compression said in one each.
fn one_vary(headers: &mut HeaderMap) {
    let mut names: Vec<&str> = Vec::new();
    for list in headers.get_all(VARY).iter().filter_map(|list| list.to_str().ok()) {
        for name in list.split(',').map(str::trim) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    if let Some(list) = Some(names.join(", ")).filter(|list| !list.is_empty()).and_then(|list| list.try_into().ok()) {
        headers.insert(VARY, list);
    }
}

/// The validator of an answer.
pub(crate) fn tag(body: &[u8]) -> String {
    format!("\"{:032x}\"", xxh3_128(body))
}

fn weak(tag: &HeaderValue) -> Option<HeaderValue> {
    let tag = tag.to_str().ok()?;
    HeaderValue::try_from(format!("W/{tag}")).ok()
}

/// Whether `If-None-Match` has a validator, by the weak comparison.
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    // No validator of ours has a comma in it.
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|known| {
        let known = known.strip_prefix("W/").unwrap_or(known);
        known == tag || known == "*"
    })
}

fn unreadable() -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validator_is_known_weak_or_strong_and_among_others() {
        let known = |lists: &[&'static str]| {
            let headers = lists.iter().map(|list| (IF_NONE_MATCH, HeaderValue::from_static(list))).collect();
            is_known(&headers, "\"a\"")
        };
        for good in [&["\"a\""][..], &["W/\"a\""], &["\"b\", \"a\""], &["\"b\"", "W/\"a\""], &["*"]] {
            assert!(known(good), "{good:?}");
        }
        for bad in [&[][..], &["\"b\""], &["a"], &["\"a"], &["w/\"a\""], &[""]] {
            assert!(!known(bad), "{bad:?}");
        }
    }

    #[test]
    fn other_bytes_have_another_validator() {
        assert_eq!(tag(b"{}"), tag(b"{}"));
        assert_ne!(tag(b"{}"), tag(b"{ }"));
        assert_eq!(weak(&HeaderValue::from_static("\"a\"")).unwrap(), "W/\"a\"");
    }
}
