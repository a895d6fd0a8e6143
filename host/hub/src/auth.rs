//! Who may do what: tokens, the admin key, and the names under which a hub without a key may be addressed.
//!
//! A secret is compared as its SHA-256 digest and in constant time, so neither its bytes nor its length show in the
//! time that an answer takes. A digest without salt is enough: tokens are 256 random bits, and the admin key's digest
//! never leaves the process.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, FORWARDED, HOST, ORIGIN};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A secret as it was written; never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Holds a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// A new token: 256 bits from the system's random source, in hexadecimal.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Secret(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The text, for the one place that hands it out.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it can be sent in a header and is too long to be guessed; the reason when not.
    pub(crate) fn check(&self) -> Result<(), String> {
        let length = self.0.len();
        if !(16..=1024).contains(&length) {
            Err(format!("the key has {length} bytes; from 16 to 1024 are good"))
        } else if !self.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err("the key contains something else than printable ASCII without spaces".into())
        } else {
            Ok(())
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own message would quote a secret that was written without quotes.
        String::deserialize(deserializer)
            .map(Secret)
            .map_err(|_| D::Error::custom("a secret has to be a text in quotes"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What is kept of a secret: its SHA-256 digest.
#[derive(Clone)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The digest of a secret.
    pub fn of(secret: &Secret) -> Self {
        KeyHash(Sha256::digest(&secret.0).into())
    }

    /// As it was stored.
    pub(crate) fn stored(digest: [u8; 32]) -> Self {
        KeyHash(digest)
    }

    /// What is stored of it.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether a text is the secret, in a time that does not depend on how much of it is right.
    pub(crate) fn matches(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.0.ct_eq(&given).into()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// The token of `Authorization: Bearer`, if there is one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whether a request was addressed to a loopback name, as one is that a person or a tool on this machine sends. One
/// without `Host` cannot come from a browser.
pub(crate) fn addressed_to_loopback(headers: &HeaderMap) -> bool {
    headers.get(HOST).is_none_or(|host| host.to_str().is_ok_and(is_loopback))
}

/// What only browsers send, and no agent: a web page is behind the request.
pub(crate) fn is_of_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// What proxies add to the requests of others.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    let added = |name: &str| name.starts_with("x-forwarded-") || name == "x-real-ip";
    headers.contains_key(FORWARDED) || headers.keys().any(|name| added(name.as_str()))
}

/// Of `name`, `name:port`, `[v6]` or `[v6]:port`; nothing else is a `Host`.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok_and(|v4| v4.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_eq!(one.reveal().len(), 64);
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.check(), Ok(()));
        assert!(!format!("{one:?}").contains(one.reveal()));
    }

    #[test]
    fn only_the_whole_secret_matches() {
        let hash = KeyHash::of(&Secret::new("0123456789abcdef"));
        assert!(hash.matches("0123456789abcdef"));
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF"] {
            assert!(!hash.matches(wrong), "{wrong}");
        }
        let of_its_length = (0..0x1000).map(|end| format!("0123456789abc{end:03x}"));
        assert_eq!(of_its_length.filter(|given| hash.matches(given)).collect::<Vec<_>>(), ["0123456789abcdef"]);
    }

    #[test]
    fn the_bearer_scheme_alone_is_read() {
        assert_eq!(bearer(&headers("authorization", "Bearer abc")), Some("abc"));
        assert_eq!(bearer(&headers("authorization", "bearer abc")), Some("abc"));
        for other in ["Basic abc", "abc", "Bearerabc"] {
            assert_eq!(bearer(&headers("authorization", other)), None, "{other}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn loopback_has_few_names() {
        for name in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:8080", "127.1.2.3", "[::1]", "[::1]:8080"] {
            assert!(addressed_to_loopback(&headers("host", name)), "{name}");
        }
        for name in ["evil.example", "evil.example:8080", "localhost.evil.example", "0.0.0.0:8080", "10.0.0.1", ""] {
            assert!(!addressed_to_loopback(&headers("host", name)), "{name}");
        }
        for name in
            ["[[[localhost]]]", "[localhost]", "[127.0.0.1]", "[::1", "::1", "::1]:80", "[::1]:x", "localhost:x"]
        {
            assert!(!addressed_to_loopback(&headers("host", name)), "{name}");
        }
        assert!(addressed_to_loopback(&HeaderMap::new()));
    }
}
