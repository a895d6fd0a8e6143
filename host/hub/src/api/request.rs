//! What comes in: ids in paths, and JSON bodies of bounded length.
//!
//! A body is counted while it arrives, so no more than the limit is ever held, and what is only announced takes no room
//! from others. What exceeds it is refused with 413; the rest is read and dropped up to a bound, because a client that is
//! still sending would miss the answer.

use std::io::Read;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use flate2::bufread::GzDecoder;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use sandbeat_status::names;
use serde::de::DeserializeOwned;

use crate::api::reply::Problem;
use crate::server::bodies::{Held, SMALL, Share};

/// What is read and dropped of a body that is too long, in bytes.
const DISCARD: usize = 16 << 20;
/// A body up to this is read and dropped where it is not wanted, in bytes.
const SKIP: u64 = 64 << 10;
/// Room is taken in steps of this, in bytes, so that nearly all that are not small wait for it just once.
const STEP: usize = 64 << 10;
/// A gzip may be several, one after another (RFC 1952, 2.2); each costs time also where nothing comes out of it.
const MEMBERS: usize = 16;

/// The id in a path.
pub(crate) struct SandboxId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for SandboxId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::field("id", "the id is not text; letters, digits and `-` are allowed"))?;
        names::sandbox_id(&id).map_err(|reason| Problem::field("id", reason))?;
        Ok(SandboxId(id))
    }
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
}

/// Reads a JSON body of at most `limit` bytes, as it came and inflated; with the room that it takes of the share.
///
/// # Errors
/// 415 for another content type or coding, 413 for a longer body, 400 for one that ends early or is not what its coding
/// says; where it is large, 503 when there is no room for too long and 429 for too many of one sandbox.
pub(crate) async fn body(
    headers: &HeaderMap,
    mut body: Body,
    limit: usize,
    share: Share,
) -> Result<(Bytes, Held), Problem> {
    let coding = match readable(headers) {
        Ok(coding) => coding,
        Err(problem) => {
            skip(headers, &mut body).await;
            return Err(problem);
        }
    };
    let read = async {
        let declared = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        if declared.is_some_and(|length| length > limit) {
            return Err(too_long(limit));
        }
        let mut held = share.hold(0).await?;
        let bytes = bytes(&mut body, declared.unwrap_or(limit), limit, &mut held).await?;
        Ok((bytes, held))
    };
    let (bytes, mut held) = match read.await {
        Ok(read) => read,
        Err(problem) => {
            // Who asks first has not sent anything yet, and who is to come again need not send it to its end.
            if !headers.contains_key(EXPECT) && !problem.is_for_now() {
                discard(&mut body).await;
            }
            return Err(problem);
        }
    };
    match coding {
        Coding::Identity => Ok((bytes, held)),
        Coding::Gzip => Ok((inflated(&bytes, limit, &mut held).await?, held)),
    }
}

/// Whether a body that is not wanted is read and dropped all the same, so that the connection can go on: a small one
/// that is on its way.
pub(crate) fn is_skipped(headers: &HeaderMap, body: &Body) -> bool {
    body.size_hint().exact().is_some_and(|length| length <= SKIP) && !headers.contains_key(EXPECT)
}

/// Drops a body that is not wanted, if it is small.
pub(crate) async fn skip(headers: &HeaderMap, body: &mut Body) {
    if is_skipped(headers, body) {
        discard(body).await;
    }
}

fn readable(headers: &HeaderMap) -> Result<Coding, Problem> {
    if !is_json(headers) {
        let message = "send the body as JSON, with `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    coding(headers).ok_or_else(|| {
        let message = "send the body as it is or with `Content-Encoding: gzip`";
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).with_header(ACCEPT_ENCODING, "gzip, identity")
    })
}

/// A body as it came, of which so much is expected. It takes room a step ahead.
async fn bytes(body: &mut Body, expected: usize, limit: usize, held: &mut Held) -> Result<Bytes, Problem> {
    let mut body = Limited::new(body, limit);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
            true => too_long(limit),
            false => Problem::malformed(format!("the body did not arrive whole: {error}")),
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let arrived = whole.len() + data.len();
        if arrived > SMALL {
            held.grow(arrived.next_multiple_of(STEP).min(expected)).await?;
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// What a gzip inflates to. Its last four bytes claim how much that is; it gets room for that first, and where more
/// comes out, for as much as there may be.
async fn inflated(bytes: &[u8], limit: usize, held: &mut Held) -> Result<Bytes, Problem> {
    let claimed = bytes.last_chunk().map_or(0, |size| u32::from_le_bytes(*size));
    let claimed = usize::try_from(claimed).unwrap_or(limit).min(limit);
    for most in [claimed, limit] {
        held.grow(bytes.len() + most).await?;
        if let Some(inflated) = inflate(bytes, most)? {
            return Ok(inflated);
        }
    }
    Err(too_long(limit))
}

/// Stops at `most`, whatever would still come out; then there is nothing. A few milliseconds for a MiB.
fn inflate(bytes: &[u8], most: usize) -> Result<Option<Bytes>, Problem> {
    let wrong =
        |what: String| Problem::malformed(format!("the body is not what `Content-Encoding: gzip` says: {what}"));
    let mut inflated = Vec::with_capacity(most.min(bytes.len().saturating_mul(16)));
    let mut rest = bytes;
    for _ in 0..MEMBERS {
        let left = u64::try_from(most - inflated.len()).unwrap_or(u64::MAX);
        let mut member = GzDecoder::new(rest);
        let read = member.by_ref().take(left.saturating_add(1)).read_to_end(&mut inflated);
        read.map_err(|error| wrong(error.to_string()))?;
        rest = member.into_inner();
        match inflated.len() <= most {
            false => return Ok(None),
            true if rest.is_empty() => return Ok(Some(inflated.into())),
            true => {}
        }
    }
    Err(wrong(format!("it has more than {MEMBERS} members")))
}

fn too_long(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {limit} bytes, the most here"))
}

/// The coding that the headers name; `None` for one that is not taken, or for several.
fn coding(headers: &HeaderMap) -> Option<Coding> {
    let mut named = headers.get_all(CONTENT_ENCODING).iter();
    let Some(name) = named.next() else { return Some(Coding::Identity) };
    let name = name.to_str().ok().filter(|_| named.next().is_none())?.trim().to_ascii_lowercase();
    match name.as_str() {
        "" | "identity" => Some(Coding::Identity),
        // RFC 9110, 8.4.1.3: the second is an older name of the first.
        "gzip" | "x-gzip" => Some(Coding::Gzip),
        _ => None,
    }
}

/// Reads a JSON object.
///
/// # Errors
/// 400 that names the field where there is one.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    match body.trim_ascii_start().first() {
        None => return Err(Problem::malformed("the body is empty; a JSON object is expected")),
        // serde would take an array for a struct.
        Some(first) if *first != b'{' => return Err(Problem::malformed("the body is not a JSON object")),
        Some(_) => {}
    }
    // To know where something is wrong takes longer, and nearly nothing is.
    serde_json::from_slice(body).or_else(|_| explained(body))
}

/// The same with what is wrong and where.
fn explained<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        match error.inner() {
            inner if !inner.is_data() => Problem::malformed(format!("the body is not JSON: {inner}")),
            inner if path == "." => Problem::malformed(inner.to_string()),
            inner => Problem::field(&path, inner.to_string()),
        }
    })?;
    json.end().map_err(|error| Problem::malformed(format!("the body is more than one JSON object: {error}")))?;
    Ok(value)
}

/// A browser sends this type across origins only after asking, so it also keeps foreign web pages out.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json")
    })
}

async fn discard(body: &mut Body) {
    let mut left = DISCARD;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::server::bodies::ample;

    #[derive(Debug, Deserialize)]
    struct Thing {
        _size: u32,
        #[serde(default)]
        _parts: Vec<Thing>,
    }

    fn refusal(body: &str) -> String {
        format!("{:?}", parse::<Thing>(body.as_bytes()).unwrap_err())
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, part) in [
            ("", "the body is empty"),
            (" \n", "the body is empty"),
            ("[1]", "not a JSON object"),
            ("null", "not a JSON object"),
            ("{\"_size\": 1", "not JSON: EOF"),
            ("{\"_size\": 1e999}", "not JSON: number out of range"),
            ("{\"_size\": NaN}", "not JSON: expected value"),
            ("{}", "missing field `_size`"),
            ("{\"_size\": -5}", "_size: invalid value: integer `-5`"),
            ("{\"_size\": \"abc\"}", "_size: invalid type: string"),
            ("{\"_size\": 1, \"_parts\": [{\"_size\": 1}, {\"_size\": 1.5}]}", "_parts[1]._size: invalid type"),
            ("{\"_size\": 1} {}", "more than one JSON object"),
            ("{\"_size\": 1, \"_size\": 2}", "duplicate field `_size`"),
        ] {
            assert!(refusal(body).contains(part), "{body}: {}", refusal(body));
        }
        assert!(parse::<Thing>(b" {\"_size\": 1, \"more\": {}} \n").is_ok());
    }

    #[test]
    fn an_answer_never_echoes_a_whole_body() {
        let body = format!("{{\"_size\": \"{}\"}}", "x".repeat(100_000));
        assert!(refusal(&body).len() < 1000);
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    async fn inflates(bytes: &[u8], limit: usize) -> Result<Bytes, String> {
        inflated(bytes, limit, &mut ample().hold(0).await.unwrap()).await.map_err(|problem| format!("{problem:?}"))
    }

    #[tokio::test]
    async fn the_limit_counts_what_comes_out() {
        let plain = vec![b' '; 100_000];
        assert_eq!(inflates(&gzip(&plain), 100_000).await.unwrap(), plain);
        assert!(inflates(&gzip(&plain), 99_999).await.unwrap_err().contains("413"));
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(inflates(&bomb, 1 << 20).await.unwrap_err().contains("413"));
        let members = gzip(&plain).repeat(100);
        assert!(inflates(&members, 1 << 20).await.unwrap_err().contains("413"), "many members are one body");
        assert_eq!(inflates(&gzip(&plain).repeat(2), 1 << 20).await.unwrap().len(), 200_000);
    }

    #[tokio::test]
    async fn a_gzip_has_few_members() {
        assert_eq!(inflates(&gzip(b" ").repeat(MEMBERS), 1000).await.unwrap().len(), MEMBERS);
        let refusal = inflates(&gzip(b"").repeat(50_000), 1000).await.unwrap_err();
        assert!(refusal.contains("400") && refusal.contains("more than 16 members"), "{refusal}");
    }

    #[tokio::test]
    async fn what_is_not_gzip_is_malformed() {
        let whole = gzip(b"{}");
        let mut damaged = whole.clone();
        let crc = damaged.len() - 8;
        damaged[crc] ^= 1;
        for bytes in [&b"{}"[..], &whole[..whole.len() - 1], &damaged, &[&whole[..], b"more"].concat(), b""] {
            let refusal = inflates(bytes, 1000).await.unwrap_err();
            assert!(refusal.contains("400") && refusal.contains("not what `Content-Encoding: gzip` says"), "{refusal}");
        }
    }

    #[test]
    fn other_codings_are_not_taken() {
        let coding = |values: &[&str]| {
            coding(&values.iter().map(|value| (CONTENT_ENCODING, value.parse().unwrap())).collect::<HeaderMap>())
        };
        for identity in [&[][..], &["identity"], &[""]] {
            assert_eq!(coding(identity), Some(Coding::Identity), "{identity:?}");
        }
        for gzip in [&["gzip"][..], &["GZIP"], &["x-gzip"]] {
            assert_eq!(coding(gzip), Some(Coding::Gzip), "{gzip:?}");
        }
        for other in [&["br"][..], &["deflate"], &["gzip, gzip"], &["gzip", "gzip"], &["zstd"]] {
            assert_eq!(coding(other), None, "{other:?}");
        }
    }

    #[test]
    fn json_goes_by_its_type() {
        let is = |value: &str| is_json(&HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]));
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
            assert!(is(good), "{good}");
        }
        for bad in ["text/plain", "application/x-www-form-urlencoded", "text/x+json", ""] {
            assert!(!is(bad), "{bad}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
