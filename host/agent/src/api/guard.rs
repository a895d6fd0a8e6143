//! Who may ask.
//!
//! - With a token, every request must carry it as `Authorization: Bearer`, `/v1/health` included.
//! - A browser's request for another site's page is refused: one whose `Origin` is not the API's own address, or that
//!   says itself (`Sec-Fetch-Site`) that it crosses sites. Every browser sends `Origin` with a POST to another site, so
//!   that no form and no script there can change anything here.
//! - Without a token, over TCP, `Host` must be an IP address or `localhost`. Otherwise a web site could point a name
//!   of its own at this machine and have a visitor's browser ask in its place (DNS rebinding).

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
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
    match guard.check(request.headers()) {
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
    fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        self.check_site(headers)?;
        match &self.token {
            Some(token) => check_token(token, headers),
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

fn check_token(token: &SecretString, headers: &HeaderMap) -> Result<(), Problem> {
    let unauthorized =
        |detail: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized", detail));
    let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().split_first_chunk::<7>());
    match given {
        Some((scheme, given)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
            match bool::from(given.ct_eq(token.expose_secret().as_bytes())) {
                true => Ok(()),
                false => unauthorized("the token is not the one of this agent's api.token or api.token_file"),
            }
        }
        _ => unauthorized("send the token of this agent's api.token or api.token_file as `Authorization: Bearer …`"),
    }
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
        let guard = Guard { token: token.map(SecretString::from), tcp: true };
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        guard.check(&headers).map_or_else(|problem| problem.into_response().status().as_u16(), |()| 200)
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
