//! From an origin to a stream: resolve, check, connect, and TLS where the scheme says so.
//!
//! A name is resolved once. The addresses that came back are checked, and the connection goes to one of those that
//! passed: nothing is resolved a second time, so an answer that changes in between changes nothing. Only granted
//! names are ever resolved, so a lookup carries nothing out either.
//!
//! Owner: the runtime, one for all collectors. The caller bounds the time of everything here. A lookup cannot be
//! interrupted and holds its thread; so many are under way at most.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

use super::address::{self, Kind};
use super::origin::{Host, Origin};
use super::tls::{Roots, Tls, platform_roots, witnessed};

/// Lookups at the same time, of all collectors together.
const MAX_LOOKUPS: usize = 8;
/// Addresses of one name; more are not tried.
const MAX_ADDRESSES: usize = 8;
/// What `localhost` stands for (RFC 6761); it is not looked up.
const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Finds a name's addresses; blocks.
pub(super) type Resolver = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Connects for all collectors.
pub(crate) struct Connector {
    resolver: Arc<Resolver>,
    lookups: Arc<Semaphore>,
    tls: Arc<Tls>,
}

/// Bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream, and the server's own certificate in DER, where there is one.
pub(super) struct Connected {
    pub(super) stream: Box<dyn Stream>,
    pub(super) certificate: Option<Vec<u8>>,
}

/// Why there is no stream. The words are for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error(
        "`{origin}` leads to {address}, which is {kind}; to be reached it has to be granted itself (`{cure}`), and asked \
         for by the collector"
    )]
    Prohibited { origin: String, address: IpAddr, kind: Kind, cure: String },
    #[error("the name in `{origin}` does not resolve: {reason}")]
    Dns { origin: String, reason: String },
    #[error("no connection to `{origin}`: {source}")]
    Tcp { origin: String, source: io::Error },
    #[error("TLS with `{origin}` failed: {source}")]
    Tls {
        origin: String,
        source: io::Error,
        /// What the server showed, in DER.
        certificate: Option<Vec<u8>>,
    },
    #[error("no TLS with `{origin}`: {reason}")]
    NoTls { origin: String, reason: String },
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// With the system's resolver and roots, neither of which is asked before it is needed.
    pub(crate) fn system() -> Self {
        let addresses = |name: &str| {
            // Any port: only the addresses are wanted.
            let found = (name, 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        };
        Connector::new(Arc::new(addresses), Box::new(platform_roots))
    }

    pub(super) fn new(resolver: Arc<Resolver>, roots: Box<Roots>) -> Self {
        Connector { resolver, lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)), tls: Arc::new(Tls::new(roots)) }
    }

    /// Connects. `until` is shared among the addresses, so that a dead first one leaves time for the second; the
    /// caller ends this at that time.
    pub(super) async fn connect(&self, origin: &Origin, until: Instant) -> Result<Connected, ConnectError> {
        let addresses = self.addresses(origin).await?;
        let stream = tcp(origin, &addresses, until).await?;
        if !origin.https {
            return Ok(Connected { stream: Box::new(stream), certificate: None });
        }
        let no_tls = |reason| ConnectError::NoTls { origin: origin.text().to_owned(), reason };
        let server = match &origin.host {
            Host::Address(address) => ServerName::from(*address),
            Host::Name(name) => {
                ServerName::try_from(name.clone()).map_err(|_| no_tls("no certificate can have this name".into()))?
            }
        };
        let config = self.tls.config().await.map_err(no_tls)?;
        let (result, certificate) = witnessed(TlsConnector::from(config).connect(server, stream)).await;
        match result {
            Ok(stream) => Ok(Connected { stream: Box::new(stream), certificate }),
            Err(source) => Err(ConnectError::Tls { origin: origin.text().to_owned(), source, certificate }),
        }
    }

    /// The addresses that may be connected to; at least one.
    pub(super) async fn addresses(&self, origin: &Origin) -> Result<Vec<IpAddr>, ConnectError> {
        let name = match &origin.host {
            // Named by the grant, whatever it is.
            Host::Address(address) => return Ok(vec![*address]),
            Host::Name(name) if name == "localhost" => return Ok(LOCALHOST.to_vec()),
            Host::Name(name) => name,
        };
        let dns = |reason: String| ConnectError::Dns { origin: origin.text().to_owned(), reason };
        let found = self.lookup(name.clone()).await.map_err(dns)?;
        let prohibited = found.iter().find(|address| address::kind(**address) != Kind::Ordinary).copied();
        let mut ordinary = found;
        ordinary.retain(|address| address::kind(*address) == Kind::Ordinary);
        ordinary.truncate(MAX_ADDRESSES);
        match (ordinary.is_empty(), prohibited) {
            (false, _) => Ok(ordinary),
            (true, None) => Err(dns("it has no address".into())),
            (true, Some(address)) => Err(ConnectError::Prohibited {
                origin: origin.text().to_owned(),
                address,
                kind: address::kind(address),
                cure: origin.at(address),
            }),
        }
    }

    async fn lookup(&self, name: String) -> Result<Vec<IpAddr>, String> {
        let place = self.lookups.clone().acquire_owned().await.map_err(|e| e.to_string())?;
        let resolver = self.resolver.clone();
        let lookup = move || {
            let found = resolver(&name);
            // Not before: whoever waited for it may be gone, and the thread is still held.
            drop(place);
            found
        };
        tokio::task::spawn_blocking(lookup).await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }
}

async fn tcp(origin: &Origin, addresses: &[IpAddr], until: Instant) -> Result<TcpStream, ConnectError> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (tried, address) in addresses.iter().enumerate() {
        let connecting = TcpStream::connect(SocketAddr::new(*address, origin.port));
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let connected = match left {
            1 => connecting.await,
            _ => match timeout(until.saturating_duration_since(Instant::now()) / left, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            },
        };
        match connected {
            Ok(stream) => {
                // An optimisation for small requests; without it they still arrive.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(e) => failed = e,
        }
    }
    Err(ConnectError::Tcp { origin: origin.text().to_owned(), source: failed })
}

impl ConnectError {
    /// What the guest is told.
    pub(super) fn code(&self) -> Error {
        match self {
            ConnectError::Prohibited { .. } => Error::DestinationIpProhibited,
            ConnectError::Dns { .. } => {
                Error::DnsError { rcode: Some("address not available".to_owned()), info_code: None }
            }
            ConnectError::Tcp { source, .. } => match source.kind() {
                io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
                io::ErrorKind::TimedOut => Error::ConnectionTimeout,
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
                _ => Error::DestinationUnavailable,
            },
            ConnectError::Tls { source, .. } => {
                match source.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
                    Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
                    Some(rustls::Error::AlertReceived(alert)) => Error::TlsAlertReceived {
                        alert_id: Some((*alert).into()),
                        alert_message: Some(format!("{alert:?}")),
                    },
                    _ => Error::TlsProtocolError,
                }
            }
            ConnectError::NoTls { .. } => Error::InternalError(Some(self.to_string())),
        }
    }
}
