//! The proxy on the way to the hub: which one, and how it is asked for a tunnel.
//!
//! Decided once, at the start: `report.proxy`, or what the environment says, by the rules that curl has. A proxy that
//! cannot be used is a mistake to be told and not one to be worked around: what was meant to go through a proxy must
//! not go straight. Its password is in no message and in no `{:?}`.

use std::fmt;
use std::io;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper_util::client::proxy::matcher::Matcher;
use sandbeat_status::names::shown;
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::outcome::{Failure, FailureKind};
use super::url::has_no_port;
use super::{Proxy, ServerUrl};

/// Longer ones are a mistake.
const MAX_URL: usize = 2048;
/// The most bytes of what a scheme is shown of.
const MAX_WORDS: usize = 40;
/// More of a proxy's answer to CONNECT is not read.
const MAX_HEAD: usize = 8 * 1024;
const FORM: &str = "write one such as `http://proxy.example:3128`";

/// A proxy that is on the way.
#[derive(Clone, Debug)]
pub(crate) struct Via {
    /// Its scheme, host and port alone.
    pub(super) uri: Uri,
    /// Its user and password.
    pub(super) authorization: Option<HeaderValue>,
    /// Where it is written.
    source: &'static str,
}

impl Via {
    /// The proxy between here and the hub, if there is one. `variable` knows the environment.
    ///
    /// # Errors
    /// Why it cannot be used, for the operator.
    pub(crate) fn find(
        proxy: &Proxy,
        server: &ServerUrl,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        match proxy {
            Proxy::Off => Ok(None),
            Proxy::Url(url) => Via::written(url.expose_secret()).map(Some),
            Proxy::Environment => Via::of_environment(server, variable),
        }
    }

    /// The proxy that is written as `report.proxy`.
    ///
    /// # Errors
    /// As [`Via::find`].
    pub(crate) fn written(url: &str) -> Result<Self, String> {
        match url.contains("://") {
            true => Via::parse(url, "report.proxy"),
            false => Err(format!("it is none of `environment`, `off` and a URL; {FORM}")),
        }
    }

    fn of_environment(server: &ServerUrl, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let set = |name: &&str| variable(name).filter(|value| !value.trim().is_empty());
        let names: &[&'static str] = match server.is_https() {
            true => &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
            // In a CGI program, `HTTP_PROXY` is a header of the request: whoever sent that would choose the proxy.
            false if variable("REQUEST_METHOD").is_some() => &["http_proxy", "ALL_PROXY", "all_proxy"],
            false => &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
        };
        let Some((name, url)) = names.iter().find_map(|name| Some((*name, set(name)?))) else { return Ok(None) };
        let without = ["NO_PROXY", "no_proxy"].iter().find_map(set).unwrap_or_default();
        let probe = Matcher::builder().all("http://proxy").no(without).build();
        if probe.intercept(server.uri()).is_none() {
            return Ok(None);
        }
        let cure = "mend it, name the hub in NO_PROXY, or set report.proxy";
        Via::parse(&url, name).map(Some).map_err(|reason| format!("{name} cannot be used: {reason}; {cure}"))
    }

    /// Nothing that may be a part of a password is in the error.
    fn parse(url: &str, source: &'static str) -> Result<Self, String> {
        let url = url.trim();
        if url.len() > MAX_URL {
            return Err(format!("the URL has {} bytes; {MAX_URL} are the most", url.len()));
        }
        if let Some((scheme, _)) = url.split_once("://")
            && !scheme.eq_ignore_ascii_case("http")
        {
            return Err(format!("proxies of the kind `{}` are not supported; {FORM}", shown(scheme, MAX_WORDS)));
        }
        let no_url = || format!("it is no URL of a proxy; {FORM}, with user and password percent-encoded");
        let whole: Uri = url.parse().map_err(|_| no_url())?;
        // A `/` or `#` in a password ends the host early, and would have us take the user for the host.
        let at = |authority: &str| authority.matches('@').count();
        if whole.authority().is_none_or(|authority| at(authority.as_str()) != at(url) || at(url) > 1) {
            return Err(no_url());
        }
        if whole.authority().is_some_and(has_no_port) {
            return Err("its port is none; write one from 1 to 65535".to_owned());
        }
        let matcher = Matcher::builder().all(url).build();
        let found = matcher.intercept(&Uri::from_static("http://hub/")).ok_or_else(no_url)?;
        if found.uri().host().is_none_or(str::is_empty) {
            return Err(no_url());
        }
        Ok(Via { uri: found.uri().clone(), authorization: found.basic_auth().cloned(), source })
    }

    /// A tunnel through the proxy to a host and port; `stream` is connected to the proxy.
    ///
    /// # Errors
    /// The proxy's refusal.
    pub(super) async fn tunnel(&self, stream: &mut TcpStream, host: &str, port: u16) -> Result<(), Failure> {
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        let ended =
            |_: io::Error| Failure::new(FailureKind::Reset, format!("{self} ended the connection without an answer"));
        stream.write_all(&request).await.map_err(ended)?;
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            if head.len() >= MAX_HEAD {
                return Err(self.strange());
            }
            // The other side has nothing to say before it has been spoken to, so nothing of it is lost here.
            if stream.read_buf(&mut head).await.map_err(ended)? == 0 {
                return Err(ended(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        match status(&head) {
            Some(200..=299) => Ok(()),
            Some(407) => Err(self.unauthorized()),
            Some(code) => Err(self.refusal(host, port, code)),
            None => Err(self.strange()),
        }
    }

    /// The proxy wants other credentials, or some.
    pub(super) fn unauthorized(&self) -> Failure {
        let message = match &self.authorization {
            Some(_) => format!("{self} refuses the user and password (407); correct them in {}", self.source),
            None => format!(
                "{self} wants a user and a password (407); write them into {} as http://USER:PASSWORD@HOST:PORT",
                self.source
            ),
        };
        Failure::new(FailureKind::Denied(407), message)
    }

    fn refusal(&self, host: &str, port: u16, code: u16) -> Failure {
        match code {
            500.. => {
                let message = format!("{self} does not reach {host}:{port} ({code})");
                Failure::new(FailureKind::Unreachable, message)
            }
            _ => {
                let cure = "allow it there, or name the hub in NO_PROXY";
                Failure::new(
                    FailureKind::Rejected(code),
                    format!("{self} gives no tunnel to {host}:{port} ({code}); {cure}"),
                )
            }
        }
    }

    fn strange(&self) -> Failure {
        Failure::new(FailureKind::Protocol, format!("{self} does not answer as a proxy does; check {}", self.source))
    }
}

/// For messages.
impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "the proxy http://{authority} of {}", self.source)
    }
}

/// A variable of the environment; one that is no text is one that cannot be used.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Of a head of HTTP/1.
fn status(head: &[u8]) -> Option<u16> {
    let head = head.strip_prefix(b"HTTP/1.")?;
    let code = str::from_utf8(head.get(2..5)?).ok()?;
    code.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(server: &str, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let server = ServerUrl::parse(server).unwrap();
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Ok(Via::find(&Proxy::Environment, &server, variable)?.map(|via| via.to_string()))
    }

    fn found(server: &str, variables: &[(&str, &str)]) -> Option<String> {
        environment(server, variables).unwrap()
    }

    #[test]
    fn the_scheme_of_the_hub_says_which_variable_counts() {
        let both = [("HTTP_PROXY", "http://a:1"), ("HTTPS_PROXY", "b:2"), ("ALL_PROXY", "http://c:3")];
        assert_eq!(found("http://h", &both).unwrap(), "the proxy http://a:1 of HTTP_PROXY");
        assert_eq!(found("https://h", &both).unwrap(), "the proxy http://b:2 of HTTPS_PROXY");
        assert_eq!(found("https://h", &both[..1]), None);
        assert_eq!(found("https://h", &both[2..]).unwrap(), "the proxy http://c:3 of ALL_PROXY");
        let small = [("http_proxy", "http://a:1/"), ("all_proxy", "http://c:3"), ("HTTP_PROXY", " ")];
        assert_eq!(found("http://h", &small).unwrap(), "the proxy http://a:1 of http_proxy");
        assert_eq!(found("https://h", &small).unwrap(), "the proxy http://c:3 of all_proxy");
        assert_eq!(found("http://h", &[("HTTP_PROXY", "http://a:1"), ("REQUEST_METHOD", "GET")]), None);
        assert_eq!(found("http://h", &[]), None);
    }

    #[test]
    fn a_hub_in_no_proxy_is_reached_straight() {
        for (server, without, straight) in [
            ("https://hub.example", "hub.example", true),
            ("https://hub.example:8443", "other, .example", true),
            ("https://hub.example", "*", true),
            ("https://10.1.2.3", "10.0.0.0/8", true),
            ("https://[::1]", "::1", true),
            ("https://hub.example", "ub.example", false),
            ("https://127.0.0.1", "localhost", false),
        ] {
            for name in ["NO_PROXY", "no_proxy"] {
                // Not even looked at, where the hub is reached straight.
                let proxy = if straight { "socks5://a:1" } else { "http://a:1" };
                let found = found(server, &[("ALL_PROXY", proxy), (name, without)]);
                assert_eq!(found.is_none(), straight, "{server} {without}");
            }
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_told_without_its_password() {
        let long = format!("http://{}", "a".repeat(MAX_URL));
        for (url, part) in [
            ("socks5://u:s3cret@h:1", "`socks5` are not supported"),
            ("https://u:s3cret@h:1", "`https` are not supported"),
            ("http://u:s3/cret@h:1", "percent-encoded"),
            ("http://u:1/s3cret@h:1", "percent-encoded"),
            ("http://u:s3#cret@h", "percent-encoded"),
            ("http://u:s3@cret@h", "percent-encoded"),
            ("http://", "percent-encoded"),
            ("http://u:s3cret@", "percent-encoded"),
            ("http://a b", "percent-encoded"),
            (&long, "are the most"),
        ] {
            let reason = environment("https://h", &[("HTTPS_PROXY", url)]).unwrap_err();
            assert!(reason.starts_with("HTTPS_PROXY cannot be used: ") && reason.contains(part), "{url}: {reason}");
            assert!(!reason.contains("s3") && !reason.contains("cret"), "{reason}");
            let reason = Via::written(url).unwrap_err();
            assert!(reason.contains(part) && !reason.contains("s3"), "{url}: {reason}");
        }
        assert!(Via::written("proxy:3128").unwrap_err().contains("`off`"));
    }

    #[test]
    fn user_and_password_are_sent_and_not_shown() {
        let via = Via::written("http://me:p%40ss@proxy:3128/").unwrap();
        assert_eq!(via.authorization.as_ref().unwrap(), "Basic bWU6cEBzcw==");
        assert_eq!(via.to_string(), "the proxy http://proxy:3128 of report.proxy");
        let debug = format!("{via:?}");
        assert!(!debug.contains("bWU6") && !debug.contains("ss@"), "{debug}");
    }

    #[test]
    fn what_a_proxy_refuses_is_told_as_its() {
        let via = Via::written("http://proxy:3128").unwrap();
        assert_eq!(via.refusal("hub", 443, 403).kind, FailureKind::Rejected(403));
        assert!(via.refusal("hub", 443, 403).message.starts_with("the proxy http://proxy:3128"));
        assert_eq!(via.refusal("hub", 443, 502).kind, FailureKind::Unreachable);
        assert!(via.unauthorized().message.contains("report.proxy as http://USER"));
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407"), Some(407));
        assert_eq!(status(b"HTTP/2 200"), None);
        assert_eq!(status(b"220 smtp"), None);
    }
}
