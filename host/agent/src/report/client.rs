//! One exchange: a report goes to the hub, an outcome comes back. Nothing here decides what follows.
//!
//! Owner: the courier. One connection is kept from one post to the next, until the hub closes it, it has been idle
//! for [`KEEP_IDLE`], certificates have changed, or the name leads elsewhere; then the next post makes another. A
//! kept connection that turns out to be closed is no failure: the report is sent once more on a new one, which no hub
//! counts twice, because it has a `bootId` and a `seq`.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, LOCATION, PROXY_AUTHORIZATION,
    RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode, Uri};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::Config;
use super::connect::{Connection, Connector};
use super::credentials::{Credentials, Current, Files};
use super::outcome::{self, Answer, Exchange, Failure, FailureKind, Outcome};
use super::proxy::{Via, environment};
use super::resolve::{Addresses, Resolve, System};
use super::tls::{self, Tls, Wrong};
use super::token;

/// More of an answer is not read.
const MAX_ANSWER: usize = 64 * 1024;
/// An idle connection is kept this long; longer than usual intervals, so that TLS is not agreed on for each report.
const KEEP_IDLE: Duration = Duration::from_secs(90);
/// Between looks whether the hub's name still leads to where the connection does.
const LOOK_UP_EVERY: Duration = Duration::from_secs(30);

/// Posts reports of one sandbox to one hub. Redirects are not followed: the token would go to a host that the
/// operator did not name.
#[derive(Debug)]
pub(crate) struct Client {
    connector: Connector,
    credentials: Credentials,
    uri: Uri,
    host: HeaderValue,
    server: String,
    sandbox_id: String,
    timeout: Duration,
    state: Mutex<State>,
}

/// A report as it is posted.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// JSON.
    pub(crate) bytes: Bytes,
    /// Whether the bytes are compressed.
    pub(crate) gzip: bool,
    /// The whole report, uncompressed, where the bytes leave something out. It is what goes over a new connection, at
    /// whose other end may be another server.
    pub(crate) whole: Option<Bytes>,
}

impl Payload {
    fn on_new_connection(&self) -> Payload {
        match &self.whole {
            Some(whole) => Payload { bytes: whole.clone(), gzip: false, whole: None },
            None => self.clone(),
        }
    }
}

/// Why there can be no client; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS cannot be set up.
    #[error("{0}")]
    Tls(String),
    /// The proxy cannot be used.
    #[error("report.proxy: {0}")]
    Proxy(String),
    /// The token has characters that a header cannot have.
    #[error("report.token has characters that an HTTP header cannot carry")]
    Token,
    /// The id cannot be part of a URL.
    #[error("sandbox.id cannot be part of a URL: {0}")]
    Uri(#[from] hyper::http::uri::InvalidUri),
    /// The hub's host cannot be in a request.
    #[error("report.server_url has a host that an HTTP header cannot carry")]
    Host(#[from] hyper::header::InvalidHeaderValue),
}

#[derive(Debug)]
struct State {
    kept: Option<Kept>,
    addresses: Addresses,
    /// How often a new connection was asked for; one that is older is not kept.
    renewals: u32,
}

/// A connection between two posts.
#[derive(Debug)]
struct Kept {
    connection: Connection,
    since: Instant,
    tls_version: u32,
}

impl Client {
    /// Gets ready; connects to nothing yet. Reads certificates, which may block.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) fn new(config: &Config, sandbox_id: &str) -> Result<Self, ClientError> {
        let via = Via::find(&config.proxy, &config.server_url, environment).map_err(ClientError::Proxy)?;
        Client::with(config, sandbox_id, via, Arc::new(System::new()), LOOK_UP_EVERY)
    }

    fn with(
        config: &Config,
        sandbox_id: &str,
        via: Option<Via>,
        resolver: Arc<dyn Resolve>,
        look_up_every: Duration,
    ) -> Result<Self, ClientError> {
        if config.token.as_ref().is_some_and(|token| token::authorization(token).is_none()) {
            return Err(ClientError::Token);
        }
        let https = config.server_url.is_https();
        let wrong = |wrong: Wrong| ClientError::Tls(wrong.to_string());
        let tls = https.then(|| Tls::read(&config.tls)).transpose().map_err(wrong)?;
        let files = Files { token: config.token_file.clone(), tls: https.then(|| config.tls.clone()) };
        let whole = config.server_url.status_uri(sandbox_id)?;
        let host = HeaderValue::try_from(whole.authority().map_or("", |authority| authority.as_str()))?;
        // A proxy that passes requests on is told the whole URL.
        let uri = match (&via, whole.path_and_query()) {
            (None, Some(path)) => Uri::from(path.clone()),
            (Some(_), Some(path)) if https => Uri::from(path.clone()),
            _ => whole.clone(),
        };
        let connector = Connector::new(config.server_url.clone(), via, config.timeout, resolver.clone());
        let first_hop = connector.first_hop().host().unwrap_or_default();
        let state = State { kept: None, addresses: Addresses::new(resolver, first_hop, look_up_every), renewals: 0 };
        Ok(Client {
            connector,
            credentials: Credentials::new(config.token.clone(), tls, files),
            uri,
            host,
            server: config.server_url.to_string(),
            sandbox_id: sandbox_id.to_owned(),
            timeout: config.timeout,
            state: Mutex::new(state),
        })
    }

    /// The hub, for messages.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Makes a new connection with the next post: the present one may be dead without anyone having been told.
    pub(super) fn renew(&self) {
        let mut state = self.state();
        state.kept = None;
        state.renewals = state.renewals.wrapping_add(1);
    }

    /// What is wrong with the files of token and certificates, for the operator.
    pub(super) fn credentials_trouble(&self) -> Option<String> {
        self.credentials.trouble()
    }

    /// Returns when the credentials are others than those of the last post.
    pub(super) async fn credentials_changed(&self) {
        self.credentials.changed().await
    }

    /// Posts a report. Takes at most `within`, and never longer than the configured timeout, in all.
    pub(crate) async fn post(&self, payload: Payload, within: Duration) -> Outcome {
        let deadline = Instant::now() + within.min(self.timeout);
        let Ok(current) = timeout_at(deadline, self.credentials.for_post()).await else {
            return Outcome::Failed(self.late("did not answer"));
        };
        let outcome = self.exchange(&payload, &current, deadline).await.unwrap_or_else(Outcome::Failed);
        if let Outcome::Failed(Failure { kind: FailureKind::Denied(_), .. }) = outcome {
            self.credentials.refused();
        }
        outcome
    }

    async fn exchange(&self, payload: &Payload, current: &Current, deadline: Instant) -> Result<Outcome, Failure> {
        let renewals = self.state().renewals;
        let tls = current.tls.as_ref();
        let (connection, response) = match self.try_kept(payload, current, deadline).await? {
            Some(sent) => sent,
            None => {
                let connecting = timeout_at(deadline, self.connector.connect(tls)).await;
                let mut connection = connecting.map_err(|_| self.late("gave no connection"))??;
                self.state().addresses.connected();
                let payload = payload.on_new_connection();
                let response = self.send(&mut connection, &payload, current, deadline).await?;
                (connection, response.map_err(|e| self.connector.broken(&e, tls))?)
            }
        };
        let (mut outcome, whole) = self.outcome(response, current, deadline).await;
        if let Some(tls) = tls {
            self.consider_certificate(&mut outcome, tls);
        }
        let mut state = self.state();
        if whole && state.renewals == renewals && !connection.sender.is_closed() {
            state.kept = Some(Kept { connection, since: Instant::now(), tls_version: current.tls_version });
        }
        Ok(outcome)
    }

    /// Sends on the kept connection; nothing where there is none, or it has been closed meanwhile.
    async fn try_kept(
        &self,
        payload: &Payload,
        current: &Current,
        deadline: Instant,
    ) -> Result<Option<(Connection, Response<Incoming>)>, Failure> {
        let Some(mut connection) = self.take_kept(current) else { return Ok(None) };
        match self.send(&mut connection, payload, current, deadline).await? {
            Ok(response) => Ok(Some((connection, response))),
            Err(error) if error.is_parse() => Err(self.connector.broken(&error, current.tls.as_ref())),
            Err(_) => Ok(None),
        }
    }

    /// The kept connection, where it is still good as far as one can know.
    fn take_kept(&self, current: &Current) -> Option<Connection> {
        let mut state = self.state();
        let Kept { connection, since, tls_version } = state.kept.take()?;
        if connection.sender.is_closed() || since.elapsed() > KEEP_IDLE || tls_version != current.tls_version {
            return None;
        }
        if state.addresses.moved(connection.peer) {
            let (hop, peer) = (self.connector.first_hop().host().unwrap_or_default(), connection.peer);
            tracing::info!("{hop} is not at {peer} any more; connecting anew to {}", self.server);
            return None;
        }
        state.addresses.look();
        Some(connection)
    }

    /// # Errors
    /// It took too long, or could not be written; within: the connection is broken.
    async fn send(
        &self,
        connection: &mut Connection,
        payload: &Payload,
        current: &Current,
        deadline: Instant,
    ) -> Result<Result<Response<Incoming>, hyper::Error>, Failure> {
        let request = self.request(payload, current)?;
        connection.allowance.renew();
        let sending = async {
            connection.sender.ready().await?;
            connection.sender.send_request(request).await
        };
        timeout_at(deadline, sending).await.map_err(|_| self.late("did not answer"))
    }

    fn request(&self, payload: &Payload, current: &Current) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("sandbeat/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &current.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(authorization) = self.passing_proxy().and_then(|via| via.authorization.as_ref()) {
            request = request.header(PROXY_AUTHORIZATION, authorization);
        }
        if payload.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        let unwritten = |e| Failure::new(FailureKind::Protocol, format!("the report cannot be written: {e}"));
        request.body(Full::from(payload.bytes.clone())).map_err(unwritten)
    }

    /// The proxy that reads requests and passes them on; through a tunnel it sees none.
    fn passing_proxy(&self) -> Option<&Via> {
        self.connector.via().filter(|_| self.uri.authority().is_some())
    }

    /// The status decides; a body that is late, broken or too long is as good as none. Beside the outcome, whether the
    /// answer was read to its end.
    async fn outcome(&self, response: Response<Incoming>, current: &Current, deadline: Instant) -> (Outcome, bool) {
        let (head, body) = response.into_parts();
        let body = match timeout_at(deadline, Limited::new(body, MAX_ANSWER).collect()).await {
            Ok(Ok(body)) => Some(body.to_bytes()),
            Ok(Err(_)) | Err(_) => None,
        };
        if let (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(via)) = (head.status, self.passing_proxy()) {
            return (Outcome::Failed(via.unauthorized()), body.is_some());
        }
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let answer = Answer {
            status: head.status,
            retry_after: header(RETRY_AFTER),
            location: header(LOCATION),
            body: body.as_deref().unwrap_or_default(),
        };
        let exchange = Exchange {
            server: &self.server,
            sandbox_id: &self.sandbox_id,
            has_token: current.authorization.is_some(),
            now: Timestamp::now(),
        };
        (outcome::of_answer(exchange, answer), body.is_some())
    }

    /// Some hubs tell only in HTTP, and in their own words, that they wanted a certificate.
    fn consider_certificate(&self, outcome: &mut Outcome, tls: &Tls) {
        match outcome {
            Outcome::Accepted { .. } => tls.note_accepted(),
            Outcome::Failed(Failure { kind: FailureKind::Rejected(_) | FailureKind::Denied(_), message, .. }) => {
                if let Some(wanted) = tls::explain_end(&self.server, tls) {
                    *message = format!("{message}; perhaps {wanted}");
                }
            }
            Outcome::Failed(_) => {}
        }
    }

    fn late(&self, what: &str) -> Failure {
        let through = self.connector.via().map_or(String::new(), |via| format!(" through {via}"));
        Failure::new(FailureKind::Timeout, format!("{}{through} {what} in time", self.server))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
