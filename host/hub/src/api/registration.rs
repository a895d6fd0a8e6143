//! What a registration may say: all of it is optional, all of it is bounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use jiff::Timestamp;
use sandbeat_status::names;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::reply::Problem;
use crate::api::request;
use crate::auth::{KeyHash, Secret};
use crate::fleet::{Described, Registration, Tokens};

const MAX_NAME: usize = 128;
const MAX_IMAGE: usize = 512;
const MAX_METADATA: usize = 32;
/// All keys and values together, in bytes, because every entry of a list carries them.
const MAX_METADATA_BYTES: usize = 8192;

/// Reads a registration and gives it what it does not bring: an id, a name, and always a new token. The token is
/// returned beside it, for the one answer that shows it.
///
/// # Errors
/// 400 that names the field, 500 when the system gives no randomness.
pub(crate) fn read(body: &[u8], created_at: Timestamp) -> Result<(Registration, Secret), Problem> {
    let Registering { id, name, image, metadata } = request::parse(body)?;
    let metadata = metadata.unwrap_or_default();
    if let Some(id) = &id {
        names::sandbox_id(id).map_err(|reason| Problem::field("id", reason))?;
    }
    label("name", name.as_deref(), MAX_NAME)?;
    label("image", image.as_deref(), MAX_IMAGE)?;
    check_metadata(&metadata)?;

    let token = new_token()?;
    let id: Arc<str> = id.unwrap_or_else(|| Uuid::new_v4().to_string()).into();
    let registration = Registration {
        id,
        serial: 0,
        described: Described { name: name.map(Box::from), image: image.map(Box::from), metadata }.kept(),
        created_at: created_at.into(),
        tokens: Some(Tokens::of(KeyHash::of(&token))),
    };
    Ok((registration, token))
}

/// What a registration may say; all of it is optional. Other fields are passed over: clients of other servers send some.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Registration)]
pub(crate) struct Registering {
    /// Letters, digits and `-`; a UUID where nothing is said.
    #[schema(max_length = 128, pattern = "^[A-Za-z0-9-]+$", example = "sbox-1")]
    id: Option<String>,
    /// For a person; the id where nothing is said.
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    /// What the sandbox is started from, as its owner calls it.
    #[schema(min_length = 1, max_length = 512, example = "debian:12")]
    image: Option<String>,
    /// What its owner wants to know of it: 32 entries and 8,192 bytes at most. Keys have letters, digits and `_.-/`.
    #[schema(example = json!({"team": "a"}))]
    metadata: Option<BTreeMap<String, String>>,
}

/// A new token.
///
/// # Errors
/// 500 when the system gives no randomness.
pub(crate) fn new_token() -> Result<Secret, Problem> {
    Secret::random().map_err(|error| {
        tracing::error!(%error, "the system gives no randomness for a token");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no token can be made; the hub's log says why")
    })
}

fn label(field: &str, text: Option<&str>, most: usize) -> Result<(), Problem> {
    match text {
        Some("") => Err(Problem::field(field, "the text is empty; leave the field out instead")),
        Some(text) => names::text(text, most).map_err(|reason| Problem::field(field, reason)),
        None => Ok(()),
    }
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Problem> {
    if metadata.len() > MAX_METADATA {
        let reason = format!("there are {} entries; {MAX_METADATA} are the most", metadata.len());
        return Err(Problem::field("metadata", reason));
    }
    for (key, value) in metadata {
        names::metadata_key(key).map_err(|reason| Problem::field("metadata", reason))?;
        names::text(value, names::MAX_METADATA_VALUE)
            .map_err(|reason| Problem::field(&format!("metadata.{key}"), reason))?;
    }
    let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_METADATA_BYTES {
        let reason = format!("keys and values have {bytes} bytes; {MAX_METADATA_BYTES} are the most");
        return Err(Problem::field("metadata", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: serde_json::Value) -> Result<(Registration, Secret), Problem> {
        super::read(body.to_string().as_bytes(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn nothing_has_to_be_said() {
        let (registration, token) = read(json!({})).unwrap();
        assert_eq!(names::sandbox_id(&registration.id), Ok(()));
        assert_eq!(registration.name(), &*registration.id);
        assert!(registration.tokens.as_ref().unwrap().matches(token.reveal(), Timestamp::UNIX_EPOCH));
        let (other, other_token) = read(json!({})).unwrap();
        assert_ne!(registration.id, other.id);
        assert_ne!(token.reveal(), other_token.reveal());
    }

    #[test]
    fn what_is_said_is_kept() {
        let (registration, _) = read(
            json!({"id": "sbox-1", "name": "Größe 1", "image": "python:3.11", "metadata": {"team": "a"}, "cpu": 2}),
        )
        .unwrap();
        assert_eq!((&*registration.id, registration.name()), ("sbox-1", "Größe 1"));
        assert_eq!(registration.image(), Some("python:3.11"));
        assert_eq!(registration.metadata()["team"], "a");
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let many: BTreeMap<String, &str> = (0..33).map(|i| (format!("k{i}"), "v")).collect();
        let big: BTreeMap<String, String> = (0..9).map(|i| (format!("k{i}"), "v".repeat(1000))).collect();
        for (field, body) in [
            ("id", json!({"id": "a_b"})),
            ("id", json!({"id": ""})),
            ("id", json!({"id": 5})),
            ("name", json!({"name": ""})),
            ("name", json!({"name": "x".repeat(129)})),
            ("image", json!({"image": "a\nb"})),
            ("metadata", json!({"metadata": many})),
            ("metadata", json!({"metadata": big})),
            ("metadata", json!({"metadata": {"a b": "v"}})),
            ("metadata.k", json!({"metadata": {"k": {}}})),
        ] {
            let problem = format!("{:?}", read(body).unwrap_err());
            assert!(problem.contains(&format!("details: Some(\"{field}\")")), "{field}: {problem}");
        }
    }
}
