//! Connecting to the hub, stage by stage, so that a failure tells at which one it happened: the name, TCP, the proxy,
//! TLS.
//!
//! Each connection speaks HTTP/1.1, has a task of its own that ends with it, and knows whom it reached.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Uri;
use hyper::client::conn::http1;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::ServerUrl;
use super::allowance::{Allowance, Exceeded};
use super::outcome::{Failure, FailureKind};
use super::proxy::Via;
use super::resolve::{DnsError, Resolve, Resolver};
use super::tls::{self, Tls};

/// The most bytes of the head of an answer; one that goes on is no answer.
const MAX_HEAD: usize = 64 * 1024;

/// Makes connections to one hub.
#[derive(Debug)]
pub(super) struct Connector {
    tcp: HttpConnector<Resolver>,
    server: ServerUrl,
    via: Option<Via>,
}

/// A connection to the hub, or to a proxy that passes requests on.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: http1::SendRequest<Full<Bytes>>,
    /// The address at the other end.
    pub(super) peer: IpAddr,
    /// What the other end may send for the present request.
    pub(super) allowance: Allowance,
    /// The task that reads and writes; it ends with the connection.
    _driver: JoinSet<()>,
}

impl Connector {
    pub(super) fn new(server: ServerUrl, via: Option<Via>, timeout: Duration, resolver: Arc<dyn Resolve>) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(resolver));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Shared among the host's addresses, so that a dead first one leaves time for the second.
        tcp.set_connect_timeout(Some(timeout));
        Connector { tcp, server, via }
    }

    /// The proxy on the way.
    pub(super) fn via(&self) -> Option<&Via> {
        self.via.as_ref()
    }

    /// Whom to connect to first: the proxy or the hub.
    pub(super) fn first_hop(&self) -> &Uri {
        self.via.as_ref().map_or(self.server.uri(), |via| &via.uri)
    }

    /// Makes a connection; over TLS exactly where the hub's URL is `https`.
    ///
    /// # Errors
    /// What went wrong, and with whom. The caller has a deadline.
    pub(super) async fn connect(&self, tls: Option<&Tls>) -> Result<Connection, Failure> {
        let mut stream = self.reach().await?;
        let peer = stream.peer_addr().map_err(|_| ended(&self.server.to_string()))?.ip();
        let allowance = Allowance::new();
        let tls = match tls {
            Some(tls) if self.server.is_https() => tls,
            // Never in the open what was to be secret.
            None if self.server.is_https() => {
                return Err(Failure::new(FailureKind::Tls, format!("TLS for {} is not set up", self.server)));
            }
            _ => return self.speak(allowance.of(stream), peer, allowance, None).await,
        };
        if let Some(via) = &self.via {
            via.tunnel(&mut stream, self.server.host(), self.server.port()).await?;
        }
        let name = self.server.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|_| {
            let message = format!("the host of {} cannot be in a certificate; check report.server_url", self.server);
            Failure::new(FailureKind::Tls, message)
        })?;
        let stream = TlsConnector::from(tls.config.clone()).connect(name, allowance.of(stream)).await;
        self.speak(stream.map_err(|e| self.broken(&e, Some(tls)))?, peer, allowance, Some(tls)).await
    }

    /// What a connection means that ended without an answer, or with something else than one.
    pub(super) fn broken(&self, error: &(dyn Error + 'static), tls: Option<&Tls>) -> Failure {
        let server = self.server.to_string();
        if let Some(exceeded) = find::<Exceeded>(error) {
            return Failure::new(FailureKind::Protocol, format!("{server} does not come to an end: {exceeded}"));
        }
        if let Some((wrong, tls)) = find::<rustls::Error>(error).zip(tls) {
            return Failure::new(FailureKind::Tls, tls::explain(&server, tls, wrong));
        }
        if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
            let message = format!("{server} does not answer in HTTP: {}", innermost(error));
            return Failure::new(FailureKind::Protocol, message);
        }
        // Where the refusal of TLS was lost on the way, because the hub hung up while the report was being written.
        match tls.and_then(|tls| tls::explain_end(&server, tls)) {
            Some(message) => Failure::new(FailureKind::Tls, message),
            None => ended(&server),
        }
    }

    async fn reach(&self) -> Result<TcpStream, Failure> {
        let connecting = self.tcp.clone().call(self.first_hop().clone()).await;
        connecting.map(TokioIo::into_inner).map_err(|e| self.unreached(&e))
    }

    fn unreached(&self, cause: &(dyn Error + 'static)) -> Failure {
        let hop = match &self.via {
            Some(via) => format!("{via} on the way to {}", self.server),
            None => self.server.to_string(),
        };
        if let Some(dns) = find::<DnsError>(cause) {
            return Failure::new(FailureKind::Dns, format!("the name in {hop} does not resolve: {dns}"));
        }
        match find::<io::Error>(cause) {
            Some(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                Failure::new(FailureKind::Refused, format!("connection refused ({hop})"))
            }
            Some(e) if e.kind() == io::ErrorKind::TimedOut => {
                Failure::new(FailureKind::Timeout, format!("no connection in time ({hop})"))
            }
            _ => Failure::new(FailureKind::Unreachable, format!("no connection to {hop}: {}", innermost(cause))),
        }
    }

    async fn speak<S>(
        &self,
        stream: S,
        peer: IpAddr,
        allowance: Allowance,
        tls: Option<&Tls>,
    ) -> Result<Connection, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handshake = http1::Builder::new().max_header_size(MAX_HEAD).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|e| self.broken(&e, tls))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Whoever waits for an answer is told why there is none.
            let _ = connection.await;
        });
        Ok(Connection { sender, peer, allowance, _driver: driver })
    }
}

fn ended(server: &str) -> Failure {
    Failure::new(FailureKind::Reset, format!("{server} ended the connection without an answer"))
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    chain(error).last().unwrap_or(error)
}

/// An error and its causes. What an I/O error wraps is one of them, though it says itself only what caused that.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}
