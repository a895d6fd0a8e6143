//! From a request to its answer: to the status route directly, to all others through the router.
//!
//! The status route is nearly all that a hub is asked. Its path is looked at here, because by way of the router a report
//! takes a quarter more of the hub's own time. What it does is the same either way: a path that is written otherwise
//! than agents write it goes through the router to the same function.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response};
use axum::response::IntoResponse;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use sandbeat_status::names;
use tokio::time::timeout;

use crate::api::reply::Problem;
use crate::api::{Shared, status};
use crate::config::Limits;
use crate::measure::Measures;
use crate::server::bodies::{Bodies, Share};
use crate::server::crowd::Origin;
use crate::server::phase::{Busy, Gone, Phase};
use crate::server::{Closing, Peer};

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
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        phase: &Arc<Phase>,
    ) -> Result<Response<Answer>, Gone> {
        let busy = Busy::begin(phase)?;
        let peer = peer.to_canonical();
        let share = self.bodies.share(Origin::from(peer));
        let (parts, body) = request.into_parts();
        let body = Body::new(body);
        let answer = match reporting(&parts.method, parts.uri.path()) {
            Some(id) => {
                let taken = status::take(&self.shared, share, peer, id, &parts.headers, body).await;
                taken.unwrap_or_else(IntoResponse::into_response)
            }
            None => self.route(Request::from_parts(parts, body), peer, share).await,
        };
        Ok(answer.map(|body| Answer { body, _busy: busy }))
    }

    async fn route(&self, mut request: Request<Body>, peer: IpAddr, share: Share) -> Response<Body> {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(share);
        request.extensions_mut().insert(self.closing.clone());
        let answer = TowerToHyperService::new(self.router.clone()).call(request);
        match timeout(self.limits().request_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Err(_) => Problem::too_slow().into_response(),
        }
    }
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
