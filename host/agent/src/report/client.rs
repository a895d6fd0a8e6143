//! One exchange: a report goes to the hub, an outcome comes back. Nothing here decides what follows.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};

use super::Config;
use super::connect::{self, Connector};
use super::outcome::{self, Answer, Exchange, Failure, FailureKind, Outcome};

/// More of an answer is not read.
const MAX_ANSWER: usize = 64 * 1024;
/// An idle connection is kept this long; longer than usual intervals, so that TLS is not agreed on for each report.
const KEEP_IDLE: Duration = Duration::from_secs(90);

/// Posts reports of one sandbox to one hub. Redirects are not followed: the token would go to a host that the
/// operator did not name.
#[derive(Debug)]
pub(crate) struct Client {
    http: hyper_util::client::legacy::Client<Connector, Full<Bytes>>,
    uri: Uri,
    authorization: Option<HeaderValue>,
    server: String,
    sandbox_id: String,
    timeout: Duration,
}

/// A report as it is posted.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// JSON.
    pub(crate) bytes: Bytes,
    /// Whether the bytes are compressed.
    pub(crate) gzip: bool,
}

/// Why there can be no client; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The hub is to be reached over TLS, and TLS cannot be set up.
    #[error("report.server_url is https, and TLS cannot be set up: {0}")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The token has characters that a header cannot have.
    #[error("report.token has characters that an HTTP header cannot carry")]
    Token,
    /// The id cannot be part of a URL.
    #[error("sandbox.id cannot be part of a URL: {0}")]
    Uri(#[from] hyper::http::uri::InvalidUri),
}

impl Client {
    /// Gets ready; connects to nothing yet.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) fn new(config: &Config, sandbox_id: &str) -> Result<Self, ClientError> {
        let authorization = match &config.token {
            Some(token) => {
                let text = format!("Bearer {}", token.expose_secret());
                let mut value = HeaderValue::try_from(text).map_err(|_| ClientError::Token)?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let connector = connect::connector(config.server_url.is_https(), config.timeout).map_err(ClientError::Tls)?;
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP_IDLE)
            .pool_max_idle_per_host(1)
            .build(connector);
        Ok(Client {
            http,
            uri: config.server_url.status_uri(sandbox_id)?,
            authorization,
            server: config.server_url.to_string(),
            sandbox_id: sandbox_id.to_owned(),
            timeout: config.timeout,
        })
    }

    /// The hub, for messages.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Makes a new connection with the next post: the present one may be dead without anyone having been told.
    pub(super) fn renew(&self) {}

    /// Returns when the credentials are others than those of the last post.
    pub(super) async fn credentials_changed(&self) {
        std::future::pending().await
    }

    /// Posts a report. Takes at most `within`, and never longer than the configured timeout, in all.
    pub(crate) async fn post(&self, payload: Payload, within: Duration) -> Outcome {
        let deadline = Instant::now() + within.min(self.timeout);
        let request = match self.request(payload) {
            Ok(request) => request,
            Err(failure) => return Outcome::Failed(failure),
        };
        let response = match timeout_at(deadline, self.http.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Outcome::Failed(connect::classify(&self.server, &error)),
            Err(_) => {
                let message = format!("{} did not answer in time", self.server);
                return Outcome::Failed(Failure::new(FailureKind::Timeout, message));
            }
        };
        self.outcome(response, deadline).await
    }

    fn request(&self, payload: Payload) -> Result<Request<Full<Bytes>>, Failure> {
        let unwritten = |e: String| Failure::new(FailureKind::Protocol, format!("the report cannot be written: {e}"));
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("sandbeat/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if payload.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        request.body(Full::from(payload.bytes)).map_err(|e| unwritten(e.to_string()))
    }

    /// The status decides; a body that is late, broken or too long is as good as none.
    async fn outcome(&self, response: Response<Incoming>, deadline: Instant) -> Outcome {
        let (head, body) = response.into_parts();
        let body = match timeout_at(deadline, Limited::new(body, MAX_ANSWER).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let answer =
            Answer { status: head.status, retry_after: header(RETRY_AFTER), location: header(LOCATION), body: &body };
        let exchange = Exchange { server: &self.server, sandbox_id: &self.sandbox_id, now: Timestamp::now() };
        outcome::of_answer(exchange, answer)
    }
}
