//! Who may ask.
//!
//! - With a token, every request must carry it as `Authorization: Bearer`, `/v1/health` included. Only a request for a
//!   websocket may carry it in its query as `access_token` instead, since a browser's script can give that no header;
//!   no query is ever logged or repeated in an answer.
//! - A browser's request for another site's page is refused: one whose `Origin` is not the API's own address, or that
//!   says itself (`Sec-Fetch-Site`) that it crosses sites. Every browser sends `Origin` with a POST to another site, so
//!   that no form and no script there can change anything here.
//! - Without a token, over TCP, `Host` must be an IP address or `localhost`. Otherwise a web site could point a name
//!   of its own at this machine and have a visitor's browser ask in its place (DNS rebinding).

use axum::extract::{Query, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::problem::Problem;

/// The rules for one listener.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) token: Option<SecretString>,
    /// Whether it listens on TCP, which browsers can reach.
    pub(super) tcp: bool,
}

/// Lets a request through, or answers in its place.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.check(request.headers(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let unauthorized = problem.is_unauthorized();
            let mut response = problem.into_response();
            if unauthorized {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

impl Guard {
    fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
        self.check_site(headers)?;
        match &self.token {
            Some(token) => check_token(token, headers, uri),
            None if self.tcp => check_host(headers),
            None => Ok(()),
        }
    }

    fn check_site(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let crosses = text(headers, "sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
        let foreign = headers.get(ORIGIN).is_some_and(|origin| {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
            origin.is_none() || origin != host
        });
        if crosses || foreign {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "cross_site",
                "Cross-site request",
                "requests that a browser makes for another site's page are refused",
            ));
        }
        Ok(())
    }
}

fn check_token(token: &SecretString, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let unauthorized =
        |detail: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized", detail));
    let given = match headers.get(AUTHORIZATION) {
        Some(value) => bearer(value).map(<[u8]>::to_vec),
        None => access_token(headers, uri).map(String::into_bytes),
    };
    match given {
        Some(given) if bool::from(given.ct_eq(token.expose_secret().as_bytes())) => Ok(()),
        Some(_) => unauthorized("the token is not the one of this agent's api.token or api.token_file"),
        None => unauthorized("send the token of this agent's api.token or api.token_file as `Authorization: Bearer …`"),
    }
}

fn bearer(authorization: &HeaderValue) -> Option<&[u8]> {
    let (scheme, given) = authorization.as_bytes().split_first_chunk::<7>()?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(given)
}

/// The token in the query of a request for a websocket.
fn access_token(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    #[derive(Deserialize)]
    struct Access {
        access_token: Option<String>,
    }
    text(headers, "upgrade").filter(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))?;
    Query::<Access>::try_from_uri(uri).ok()?.0.access_token
}

fn check_host(headers: &HeaderMap) -> Result<(), Problem> {
    // No browser leaves it out.
    let Some(host) = headers.get(HOST) else { return Ok(()) };
    let authority: Option<Authority> = host.to_str().ok().and_then(|host| host.parse().ok());
    let own = authority.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok()
    });
    match own {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "foreign_host",
            "Foreign host name",
            "without a token, the API answers only to an IP address or `localhost` as Host; use one, or set api.token_file",
        )),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn verdict(token: Option<&str>, headers: &[(&str, &str)]) -> u16 {
        verdict_on("/v1/health", token, headers)
    }

    fn verdict_on(uri: &str, token: Option<&str>, headers: &[(&str, &str)]) -> u16 {
        let guard = Guard { token: token.map(SecretString::from), tcp: true };
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        guard
            .check(&headers, &uri.parse().unwrap())
            .map_or_else(|problem| problem.into_response().status().as_u16(), |()| 200)
    }

    #[test]
    fn the_token_must_be_the_whole_token() {
        for (authorization, status) in [
            ("Bearer secret", 200),
            ("bearer secret", 200),
            ("Bearer secre", 401),
            ("Bearer secret2", 401),
            ("Bearer ", 401),
            ("Bearer", 401),
            ("Basic secret", 401),
            ("secret", 401),
        ] {
            let headers = [("host", "sandbox.internal:1"), ("authorization", authorization)];
            assert_eq!(verdict(Some("secret"), &headers), status, "{authorization}");
        }
        assert_eq!(verdict(Some("secret"), &[]), 401);
    }

    #[test]
    fn only_a_websocket_may_carry_the_token_in_its_query() {
        let websocket = [("host", "127.0.0.1:1"), ("upgrade", "websocket")];
        for (uri, headers, status) in [
            ("/ws?access_token=se%63ret", &websocket[..], 200),
            ("/ws?access_token=secre", &websocket[..], 401),
            ("/ws?access_token=", &websocket[..], 401),
            ("/ws", &websocket[..], 401),
            ("/ws?access_token=secret", &websocket[..1], 401),
        ] {
            assert_eq!(verdict_on(uri, Some("secret"), headers), status, "{uri}");
        }
        let foreign = [websocket[0], websocket[1], ("origin", "http://evil.example")];
        assert_eq!(verdict_on("/ws?access_token=secret", Some("secret"), &foreign), 403);
    }

    #[test]
    fn without_a_token_a_foreign_name_is_refused() {
        for (host, status) in [
            ("127.0.0.1:2468", 200),
            ("localhost:2468", 200),
            ("[::1]:2468", 200),
            ("127.0.0.1", 200),
            ("evil.example:2468", 403),
            ("localhost.evil.example", 403),
            ("", 403),
        ] {
            assert_eq!(verdict(None, &[("host", host)]), status, "{host}");
        }
        assert_eq!(verdict(None, &[]), 200);
    }

    #[test]
    fn another_sites_page_cannot_ask() {
        let host = ("host", "127.0.0.1:2468");
        assert_eq!(verdict(None, &[host, ("origin", "http://127.0.0.1:2468")]), 200);
        assert_eq!(verdict(None, &[host, ("origin", "http://evil.example")]), 403);
        assert_eq!(verdict(None, &[host, ("origin", "null")]), 403);
        assert_eq!(verdict(None, &[host, ("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(verdict(None, &[host, ("sec-fetch-site", "none")]), 200);
        let authorization = ("authorization", "Bearer secret");
        assert_eq!(verdict(Some("secret"), &[host, authorization, ("origin", "http://evil.example")]), 403);
    }
}
