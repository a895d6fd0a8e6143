//! The hub's address as the operator writes it, and the address that reports are posted to.

use std::fmt;

use hyper::Uri;
use hyper::http::uri::Authority;

/// Longer ones are a mistake.
const MAX_URL: usize = 2048;

/// A hub's base URL: `http` or `https`, a host, perhaps a port and a path; without the trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    base: String,
    uri: Uri,
    https: bool,
}

impl ServerUrl {
    /// Reads what the operator wrote.
    ///
    /// # Errors
    /// Why it is not such a URL, for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "write one such as `https://hub.example`";
        if text.len() > MAX_URL {
            return Err(format!("the URL has {} bytes; {MAX_URL} are the most", text.len()));
        }
        // What may hold a secret is not shown.
        let shown = if text.contains(['@', '?', '#']) { "it".to_owned() } else { format!("`{text}`") };
        let uri: Uri = text.parse().map_err(|_| format!("{shown} is not a URL; {FORM}"))?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(other) => return Err(format!("`{other}` URLs are not supported; {FORM}")),
            None => return Err(format!("{shown} has no scheme; {FORM}")),
        };
        match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => {
                return Err("the URL carries a user or a password; use report.token_file instead".to_owned());
            }
            Some(authority) if !authority.host().is_empty() => {}
            _ => return Err(format!("{shown} has no host; {FORM}")),
        }
        if uri.authority().is_some_and(has_no_port) {
            return Err(format!("{shown} has a port that is none; write one from 1 to 65535"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(format!("{shown} has a query or a fragment; give only the part before it"));
        }
        Ok(ServerUrl { base: text.trim_end_matches('/').to_owned(), uri, https })
    }

    /// Whether the hub is spoken to over TLS.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// As it is for HTTP.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// As it stands there: an IPv6 address in brackets.
    pub(super) fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// The one that is written, or the scheme's.
    pub(super) fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(if self.https { 443 } else { 80 })
    }

    /// Where a sandbox's reports go. The id has been checked by [`sandbeat_status::names::sandbox_id`].
    ///
    /// # Errors
    /// The id makes it no URL.
    pub(super) fn status_uri(&self, sandbox_id: &str) -> Result<Uri, hyper::http::uri::InvalidUri> {
        format!("{}/api/v1/sandboxes/{sandbox_id}/status", self.base).parse()
    }
}

/// Whether something stands where the port does that is no port. What cannot be read must not become the usual one.
pub(super) fn has_no_port(authority: &Authority) -> bool {
    let written = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, place)| place);
    let port = written.strip_prefix(authority.host()).unwrap_or_default();
    port.strip_prefix(':')
        .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port == 0) || port.parse::<u16>().is_err())
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_and_a_path_are_fine() {
        for (base, full) in [
            ("http://h:8080", "http://h:8080/api/v1/sandboxes/s/status"),
            ("http://h:8080/", "http://h:8080/api/v1/sandboxes/s/status"),
            ("https://h/base//", "https://h/base/api/v1/sandboxes/s/status"),
            ("http://[::1]:80", "http://[::1]:80/api/v1/sandboxes/s/status"),
        ] {
            let url = ServerUrl::parse(base).unwrap();
            assert_eq!(url.status_uri("s").unwrap().to_string(), full);
        }
        assert!(ServerUrl::parse("https://h").unwrap().is_https());
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        for (text, part) in [
            ("hub.example", "scheme"),
            ("/hub", "scheme"),
            ("ftp://h", "`ftp`"),
            ("http://", "not a URL"),
            ("http://u:p@h", "password"),
            ("http://h:99999", "65535"),
            ("http://h:0/x", "65535"),
            ("http://h:", "65535"),
            ("http://[::1]:65536", "65535"),
            ("http://h/?a=1", "query"),
            ("http://h/#a", "fragment"),
            ("", "not a URL"),
            ("http://a b", "not a URL"),
        ] {
            let reason = ServerUrl::parse(text).unwrap_err();
            assert!(reason.contains(part), "{text}: {reason}");
            assert!(!reason.contains("u:p"), "{reason}");
        }
    }
}
