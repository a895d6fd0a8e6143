//! From a request to its answer: to the status route directly, to all others through the router.
//!
//! The status route is nearly all that a hub is asked. Its path is looked at here, because by way of the router a report
//! takes a quarter more of the hub's own time. What it does is the same either way: a path that is written otherwise
//! than agents write it goes through the router to the same function.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use sandbeat_status::names;
use tokio::time::timeout;

use crate::api::reply::Problem;
use crate::api::request::is_skipped;
use crate::api::{Shared, status};
use crate::closing::Closing;
use crate::config::Limits;
use crate::measure::Measures;
use crate::server::Peer;
use crate::server::bodies::{Bodies, Share};
use crate::server::crowd::Origin;
use crate::server::phase::{Busy, Gone};

/// What connections are served with.
#[derive(Debug)]
pub(super) struct Service {
    shared: Arc<Shared>,
    router: Router,
    bodies: Arc<Bodies>,
    closing: Closing,
}

/// An answer's body; the request is under way until it is sent or dropped.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _busy: Busy,
}

impl Service {
    pub(super) fn new(shared: Arc<Shared>, router: Router, closing: Closing) -> Self {
        let bodies = Arc::new(Bodies::new(&shared.limits));
        Service { shared, router, bodies, closing }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(super) fn measures(&self) -> &Measures {
        &self.shared.measures
    }

    /// Answers a request.
    ///
    /// # Errors
    /// The connection has given way to another.
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: &Peer) -> Result<Response<Answer>, Gone> {
        let busy = Busy::begin(&peer.phase)?;
        let share = self.bodies.share(Origin::from(peer.address));
        let (mut parts, body) = request.into_parts();
        let body = Body::new(body);
        let reporting = reporting(&parts.method, parts.uri.path());
        let unread = !(body.is_end_stream() || reporting.is_some() && is_skipped(&parts.headers, &body));
        let mut answer = match (understood(&parts.uri, &mut parts.headers), reporting) {
            (Err(problem), _) => problem.into_response(),
            (Ok(()), Some(id)) => {
                let taken = status::take(&self.shared, share, peer, id, &parts.headers, body).await;
                taken.unwrap_or_else(IntoResponse::into_response)
            }
            (Ok(()), None) => self.route(Request::from_parts(parts, body), peer, share).await,
        };
        if unread && (answer.status().is_client_error() || answer.status().is_server_error()) {
            // What is left of the body ends the connection, and the client has to know.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer.map(|body| Answer { body, _busy: busy }))
    }

    async fn route(&self, mut request: Request<Body>, peer: &Peer, share: Share) -> Response<Body> {
        request.extensions_mut().insert(peer.clone());
        request.extensions_mut().insert(share);
        request.extensions_mut().insert(self.closing.clone());
        let answer = TowerToHyperService::new(self.router.clone()).call(request);
        match timeout(self.limits().request_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Err(_) => Problem::too_slow().into_response(),
        }
    }
}

/// Looks at what says how a request is to be read and whom it is for. Afterwards `Host` names that, wherever the
/// request named it (RFC 9112, 3.2.2).
fn understood(uri: &Uri, headers: &mut HeaderMap) -> Result<(), Problem> {
    if headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(Problem::malformed("there is more than one `Host`"));
    }
    if let Some(authority) = uri.authority() {
        let host = HeaderValue::from_str(authority.as_str());
        headers.insert(HOST, host.map_err(|_| Problem::malformed("the URL's host is none"))?);
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = codings.next().is_none_or(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    if !chunked || codings.next().is_some() {
        let message = "of `Transfer-Encoding`, `chunked` alone is known; name gzip in `Content-Encoding`";
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, message));
    }
    Ok(())
}

/// The id in the path of the status route; none of any other route, and none that is not an id as it stands.
fn reporting<'a>(method: &Method, path: &'a str) -> Option<&'a str> {
    let id = path.strip_prefix("/api/v1/sandboxes/")?.strip_suffix("/status")?;
    (method == Method::POST && names::sandbox_id(id).is_ok()).then_some(id)
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_status_route_is_known_by_its_path() {
        let post = |path| reporting(&Method::POST, path);
        assert_eq!(post("/api/v1/sandboxes/s-1/status"), Some("s-1"));
        assert_eq!(reporting(&Method::GET, "/api/v1/sandboxes/s-1/status"), None);
        for other in ["/api/v1/sandboxes/s", "/api/v1/sandboxes//status", "/api/v1/sandboxes/a/b/status", "/status"] {
            assert_eq!(post(other), None, "{other}");
        }
        assert_eq!(post("/api/v1/sandboxes/s%2D1/status"), None, "the router reads it");
    }
}
