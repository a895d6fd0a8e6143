//! Connecting to the hub so that a failure tells at which stage it happened.
//!
//! hyper's connector, wrapped twice: errors of name resolution and of TCP get a type of their own, so what is left
//! of a failure to connect is TLS.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

use super::outcome::{Failure, FailureKind};

type BoxError = Box<dyn Error + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Connects over TCP, and TLS where the URL says `https`.
pub(super) type Connector = HttpsConnector<Tcp>;

/// Makes the connector. The platform's root certificates are read only for `https`.
///
/// # Errors
/// TLS cannot be set up: no root certificates, for one.
pub(super) fn connector(https: bool, timeout: Duration) -> Result<Connector, BoxError> {
    let tls =
        ClientConfig::builder_with_provider(ring::default_provider().into()).with_safe_default_protocol_versions()?;
    let tls = match https {
        true => tls.with_native_roots().map_err(
            |_| "this system has no CA certificates; install them (the package ca-certificates), or set SSL_CERT_FILE",
        )?,
        false => tls.with_root_certificates(RootCertStore::empty()),
    };
    let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // Shared among the host's addresses, so that a dead first one leaves time for the second.
    tcp.set_connect_timeout(Some(timeout));
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(tls.with_no_client_auth())
        .https_or_http()
        .enable_http1()
        .wrap_connector(Tcp(tcp)))
}

/// What a failed exchange means.
pub(super) fn classify(server: &str, error: &hyper_util::client::legacy::Error) -> Failure {
    if let Some(TcpError(cause)) = find::<TcpError>(error) {
        return match find::<DnsError>(cause.as_ref()) {
            Some(dns) => Failure::new(FailureKind::Dns, format!("the name in {server} does not resolve: {}", dns.0)),
            None => unconnected(server, cause.as_ref()),
        };
    }
    if error.is_connect() {
        return Failure::new(FailureKind::Tls, format!("TLS with {server} failed: {}", innermost(error)));
    }
    match find::<hyper::Error>(error) {
        Some(http) if http.is_parse() => {
            Failure::new(FailureKind::Protocol, format!("{server} does not answer in HTTP: {}", innermost(error)))
        }
        _ => Failure::new(FailureKind::Reset, format!("{server} ended the connection without an answer")),
    }
}

fn unconnected(server: &str, cause: &(dyn Error + 'static)) -> Failure {
    match find::<io::Error>(cause) {
        Some(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            Failure::new(FailureKind::Refused, format!("connection refused ({server})"))
        }
        Some(e) if e.kind() == io::ErrorKind::TimedOut => {
            Failure::new(FailureKind::Timeout, format!("no connection in time ({server})"))
        }
        _ => Failure::new(FailureKind::Unreachable, format!("no connection to {server}: {}", innermost(cause))),
    }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    chain(error).last().unwrap_or(error)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// TCP, with an error of its own.
#[derive(Clone, Debug)]
pub(super) struct Tcp(HttpConnector<Resolver>);

impl Service<Uri> for Tcp {
    type Response = TokioIo<TcpStream>;
    type Error = TcpError;
    type Future = BoxFuture<Result<Self::Response, TcpError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TcpError>> {
        self.0.poll_ready(cx).map_err(|e| TcpError(e.into()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { connecting.await.map_err(|e| TcpError(e.into())) })
    }
}

/// A failure before TLS.
#[derive(Debug)]
pub(super) struct TcpError(BoxError);

impl fmt::Display for TcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for TcpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// The system's resolver, with an error of its own.
#[derive(Clone, Debug)]
struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = DnsError;
    type Future = BoxFuture<Result<GaiAddrs, DnsError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        self.0.poll_ready(cx).map_err(DnsError)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.0.call(name);
        Box::pin(async move { resolving.await.map_err(DnsError) })
    }
}

/// A name that does not resolve.
#[derive(Debug)]
struct DnsError(io::Error);

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for DnsError {}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn failure(url: &str) -> Failure {
        let connector = connector(false, Duration::from_secs(10)).unwrap();
        let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
        classify(url, &client.get(url.parse().unwrap()).await.unwrap_err())
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_tls_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        };
        let (failure, ()) = tokio::join!(failure(&url), serve);
        assert_eq!(failure.kind, FailureKind::Tls, "{failure:?}");
        assert!(failure.message.contains(&url), "{failure:?}");
    }

    #[tokio::test]
    async fn nobody_there_is_nobody_there_with_tls_as_well() {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(failure(&format!("https://{address}")).await.kind, FailureKind::Refused);
    }
}
