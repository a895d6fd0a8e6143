//! Names and their addresses: looked up for each new connection, and again while one is kept.
//!
//! A lookup may hang for as long as the system's resolver does. It is on a blocking thread, at most [`MOST`] at a
//! time; who waits for it has a deadline of his own.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower_service::Service;

/// Lookups at a time: one for a connection, one for a look whether the address has changed.
pub(crate) const MOST: usize = 2;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Whoever knows the addresses of names.
pub(super) trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a name.
    fn lookup(&self, name: &str) -> BoxFuture<io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Debug)]
pub(super) struct System {
    slots: Arc<Semaphore>,
}

impl System {
    pub(super) fn new() -> Self {
        System { slots: Arc::new(Semaphore::new(MOST)) }
    }
}

impl Resolve for System {
    fn lookup(&self, name: &str) -> BoxFuture<io::Result<Vec<IpAddr>>> {
        let (slots, name) = (self.slots.clone(), name.to_owned());
        Box::pin(async move {
            // Kept until the lookup is over, also where nobody waits for it any more.
            let slot = slots.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = tokio::task::spawn_blocking(move || {
                let _slot = slot;
                Ok((name.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}

/// The resolver as hyper asks it, with an error of its own.
#[derive(Clone, Debug)]
pub(super) struct Resolver(pub(super) Arc<dyn Resolve>);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = DnsError;
    type Future = BoxFuture<Result<Self::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let lookup = self.0.lookup(name.as_str());
        Box::pin(async move {
            let addresses = lookup.await.map_err(DnsError)?;
            // hyper puts the port in.
            let addresses: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(addresses.into_iter())
        })
    }
}

/// A name that does not resolve.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct DnsError(io::Error);

/// Looks a name up again while a connection to one of its addresses is kept.
#[derive(Debug)]
pub(super) struct Addresses {
    resolver: Arc<dyn Resolve>,
    /// Nothing where the URL has an address and no name.
    name: Option<String>,
    every: Duration,
    looked: Instant,
    lookup: JoinSet<io::Result<Vec<IpAddr>>>,
}

impl Addresses {
    /// `host` as it stands in a URL.
    pub(super) fn new(resolver: Arc<dyn Resolve>, host: &str, every: Duration) -> Self {
        let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
        let name = (!is_address).then(|| host.to_owned());
        Addresses { resolver, name, every, looked: Instant::now(), lookup: JoinSet::new() }
    }

    /// The name has just been looked up for a connection; what was found before does not matter any more.
    pub(super) fn connected(&mut self) {
        self.looked = Instant::now();
        self.lookup = JoinSet::new();
    }

    /// Begins to look where it is time to. Does not wait.
    pub(super) fn look(&mut self) {
        if let Some(name) = &self.name
            && self.lookup.is_empty()
            && self.looked.elapsed() >= self.every
        {
            self.looked = Instant::now();
            self.lookup.spawn(self.resolver.lookup(name));
        }
    }

    /// Whether a lookup has ended since the last call, and `peer` is not among what it found. One that failed, or
    /// found nothing, says nothing.
    pub(super) fn moved(&mut self, peer: IpAddr) -> bool {
        match self.lookup.try_join_next() {
            Some(Ok(Ok(found))) => {
                let same = |address: &IpAddr| address.to_canonical() == peer.to_canonical();
                !found.is_empty() && !found.iter().any(same)
            }
            Some(Err(failed)) if failed.is_panic() => {
                tracing::error!("a name lookup failed inside the agent; this is a defect of it: {failed}");
                false
            }
            _ => false,
        }
    }
}
