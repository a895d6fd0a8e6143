//! Where events are posted, and as what: the messages of Standard Webhooks, <https://www.standardwebhooks.com>.
//!
//! A URL may carry a secret in any of its parts but the origin, so nothing else of it is ever shown.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request, Uri};
use jiff::Timestamp;
use sandbeat_status::report::milliseconds;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::config::Webhook;
use crate::event::{Event, Kind};

/// Where events are posted.
pub(super) struct Target {
    uri: Uri,
    /// Signs them.
    key: Option<Hmac<Sha256>>,
}

impl Target {
    /// What a configured webhook means.
    ///
    /// # Errors
    /// Why it cannot be used; for the operator.
    pub(super) fn new(webhook: &Webhook) -> Result<Self, String> {
        let signed = |key: Vec<u8>| Hmac::new_from_slice(&key).map_err(|error| error.to_string());
        Ok(Target { uri: webhook.uri()?, key: webhook.key()?.map(signed).transpose()? })
    }

    /// One event as it is posted at `now`. Its id is the same for each attempt, and another for the same number of
    /// another database.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn request(&self, event: &Event, now: Timestamp) -> Result<Request<Full<Bytes>>, String> {
        #[derive(Serialize)]
        struct Message<'a> {
            #[serde(rename = "type")]
            kind: Kind,
            #[serde(serialize_with = "milliseconds")]
            timestamp: Timestamp,
            data: &'a Event,
        }
        let message = Message { kind: event.kind, timestamp: event.at, data: event };
        let body = serde_json::to_vec(&message).map_err(|error| error.to_string())?;
        let (id, timestamp) = (format!("evt_{}_{}", event.id, event.at.as_millisecond()), now.as_second());
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("sandbeat-hub/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp);
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", signature(key.clone(), &id, timestamp, &body));
        }
        request.body(Full::from(body)).map_err(|error| error.to_string())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&origin(&self.uri.to_string())).finish()
    }
}

/// What may be shown of a URL.
pub(super) fn origin(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri.port_u16())));
    match parts {
        Some((scheme, host, Some(port))) => format!("{scheme}://{host}:{port}"),
        Some((scheme, host, None)) => format!("{scheme}://{host}"),
        None => "not a URL".to_owned(),
    }
}

/// Under what the store knows a URL, which it should not show to whoever reads the database.
pub(super) fn store_key(url: &str) -> String {
    Sha256::digest(url).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn signature(mut key: Hmac<Sha256>, id: &str, timestamp: i64, body: &[u8]) -> String {
    key.update(format!("{id}.{timestamp}.").as_bytes());
    key.update(body);
    format!("v1,{}", STANDARD.encode(key.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::auth::Secret;

    fn webhook(url: &str, secret: Option<&str>) -> Webhook {
        Webhook { url: url.to_owned(), secret: secret.map(Secret::new), events: Vec::new() }
    }

    #[test]
    fn the_signature_is_the_specifications() {
        // The example of its reference libraries.
        let signed = webhook("https://h.example", Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let body = br#"{"test": 2432232314}"#;
        let key = Target::new(&signed).unwrap().key.unwrap();
        let signature = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[tokio::test]
    async fn a_message_carries_the_event_and_an_id_that_stays() {
        let target = Target::new(&webhook("https://h.example/x?y=z", Some("0123456789abcdef"))).unwrap();
        let at = "2026-11-20T12:00:00.123456Z".parse().unwrap();
        let event = Event { id: 12, ..Event::of(&"s".into(), Kind::Lost, at) };
        let (first, again) = (at, at + jiff::SignedDuration::from_secs(60));
        let (first, again) = (target.request(&event, first).unwrap(), target.request(&event, again).unwrap());
        for request in [&first, &again] {
            assert_eq!(request.headers()["webhook-id"], "evt_12_1795176000123");
        }
        assert_eq!(first.headers()["webhook-timestamp"], "1795176000");
        assert_eq!(again.headers()["webhook-timestamp"], "1795176060");
        assert_ne!(first.headers()["webhook-signature"], again.headers()["webhook-signature"]);
        let body = first.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            body,
            r#"{"type":"lost","timestamp":"2026-11-20T12:00:00.123Z","data":{"id":12,"at":"2026-11-20T12:00:00.123Z","sandboxId":"s","type":"lost"}}"#
        );
        let unsigned = Target::new(&webhook("http://h.example", None)).unwrap().request(&event, at).unwrap();
        assert!(!unsigned.headers().contains_key("webhook-signature"));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        for (url, secret, reason) in [
            ("ftp://h.example/x", None, "the URL has to begin with"),
            ("https://h.example", Some("whsec_not base64"), "is not base64"),
        ] {
            let refusal = Target::new(&webhook(url, secret)).unwrap_err();
            assert!(refusal.contains(reason), "{url}: {refusal}");
        }
    }

    #[test]
    fn nothing_of_a_url_is_shown_but_its_origin() {
        for (url, shown) in [
            ("https://user:hush@h.example:8443/hush?hush=hush", "https://h.example:8443"),
            ("http://[::1]/hush", "http://[::1]"),
            ("hush", "not a URL"),
        ] {
            assert_eq!(origin(url), shown);
            assert!(!store_key(url).contains("hush"));
        }
        let target = Target::new(&webhook("https://h.example/hush?hush", Some("hush-hush-hush-hush"))).unwrap();
        assert!(!format!("{target:?}").contains("hush"));
    }
}
