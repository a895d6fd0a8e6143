//! What one instance has used of its limits, and what to tell the operator of its requests.
//!
//! Owner: the instance, for one call; each exchange of that call holds it too. Counts only grow, and of each kind of
//! trouble the first one is kept, because it is the cause of those that follow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sandbeat_status::names;

use super::origin::Origin;

/// Connections of one instance that are open at the same time; each is a file descriptor of the agent.
const MAX_CONNECTIONS: usize = 8;
/// How much of a note is kept, in bytes: a server's certificate can have a say in it.
const MAX_WORDS: usize = 512;
/// Origins whose certificates are kept for one call.
const MAX_CERTIFICATES: usize = 64;
/// The largest certificate that is kept, in bytes; a usual one has one or two thousand.
const MAX_CERTIFICATE: usize = 16 << 10;

/// What one call of a collector may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HttpLimits {
    /// Requests, refused ones included.
    pub(crate) requests: u64,
    /// Bytes of all response bodies together, and as many of all request bodies together.
    pub(crate) bytes: u64,
    /// One exchange, from the request to the end of the response's body.
    pub(crate) timeout: Duration,
}

#[derive(Debug)]
pub(super) struct Ledger {
    limits: HttpLimits,
    received: AtomicU64,
    sent: AtomicU64,
    /// Shared with the ledgers before and after, because a connection may outlive a call.
    connections: Arc<AtomicUsize>,
    /// By origin.
    certificates: Mutex<BTreeMap<String, Vec<u8>>>,
    denied: OnceLock<String>,
    breach: OnceLock<String>,
    trouble: OnceLock<String>,
}

/// The right to one connection, for as long as it lives.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

/// A limit that is passed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spent;

impl Ledger {
    pub(super) fn new(limits: HttpLimits) -> Self {
        Ledger::with(limits, Arc::default())
    }

    /// An empty one for the next call of the same instance.
    pub(super) fn next(&self) -> Self {
        Ledger::with(self.limits, self.connections.clone())
    }

    fn with(limits: HttpLimits, connections: Arc<AtomicUsize>) -> Self {
        Ledger {
            limits,
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            connections,
            certificates: Mutex::default(),
            denied: OnceLock::new(),
            breach: OnceLock::new(),
            trouble: OnceLock::new(),
        }
    }

    pub(super) fn limits(&self) -> &HttpLimits {
        &self.limits
    }

    /// A place for one more connection, if there is one.
    pub(super) fn place(&self) -> Option<Place> {
        let more = |open: usize| (open < MAX_CONNECTIONS).then_some(open + 1);
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Place(self.connections.clone()))
    }

    /// Counts bytes of a response's body.
    pub(super) fn receive(&self, bytes: usize) -> Result<(), Spent> {
        self.spend(&self.received, bytes, "received")
    }

    /// Counts bytes of a request's body.
    pub(super) fn send(&self, bytes: usize) -> Result<(), Spent> {
        self.spend(&self.sent, bytes, "sent")
    }

    fn spend(&self, counter: &AtomicU64, bytes: usize, how: &str) -> Result<(), Spent> {
        let limit = self.limits.bytes;
        let before = counter.fetch_add(bytes as u64, Ordering::Relaxed);
        if before.saturating_add(bytes as u64) <= limit {
            return Ok(());
        }
        self.note_breach(|| format!("{how} more over HTTP than limits.http_bytes ({limit} bytes)"));
        Err(Spent)
    }

    /// Keeps what a server has shown of itself.
    pub(super) fn keep_certificate(&self, origin: &Origin, der: Vec<u8>) {
        let mut kept = self.certificates();
        if der.len() <= MAX_CERTIFICATE && (kept.len() < MAX_CERTIFICATES || kept.contains_key(origin.text())) {
            kept.insert(origin.text().to_owned(), der);
        }
    }

    /// What the server of an origin has shown of itself last.
    pub(super) fn certificate(&self, origin: &Origin) -> Option<Vec<u8>> {
        self.certificates().get(origin.text()).cloned()
    }

    fn certificates(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.certificates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether more was sent than may be.
    pub(super) fn has_oversent(&self) -> bool {
        self.sent.load(Ordering::Relaxed) > self.limits.bytes
    }

    /// Notes one request too many.
    pub(super) fn note_requests(&self) {
        let limit = self.limits.requests;
        self.note_breach(|| format!("made more HTTP requests than limits.http_requests ({limit})"));
    }

    /// Notes an exchange that took too long.
    pub(super) fn note_timeout(&self, origin: &str) {
        let limit = self.limits.timeout;
        self.note_breach(|| format!("HTTP with `{origin}` took longer than limits.http_timeout ({limit:?})"));
    }

    fn note_breach(&self, words: impl FnOnce() -> String) {
        self.breach.get_or_init(|| names::shown(&words(), MAX_WORDS));
    }

    /// Notes what was not granted.
    pub(super) fn note_denied(&self, words: impl FnOnce() -> String) {
        self.denied.get_or_init(|| names::shown(&words(), MAX_WORDS));
    }

    /// Notes an exchange that failed on its way.
    pub(super) fn note_trouble(&self, words: impl FnOnce() -> String) {
        self.trouble.get_or_init(|| names::shown(&words(), MAX_WORDS));
    }

    pub(super) fn denied(&self) -> Option<&str> {
        self.denied.get().map(String::as_str)
    }

    pub(super) fn breach(&self) -> Option<&str> {
        self.breach.get().map(String::as_str)
    }

    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HttpLimits = HttpLimits { requests: 16, bytes: 100, timeout: Duration::from_secs(5) };

    #[test]
    fn bytes_of_all_exchanges_are_one_sum() {
        let ledger = Ledger::new(LIMITS);
        assert_eq!(ledger.receive(60), Ok(()));
        assert_eq!(ledger.send(100), Ok(()));
        assert_eq!(ledger.receive(40), Ok(()));
        assert_eq!(ledger.breach(), None);
        assert_eq!(ledger.receive(1), Err(Spent));
        assert_eq!(ledger.breach(), Some("received more over HTTP than limits.http_bytes (100 bytes)"));
        assert_eq!(ledger.send(1), Err(Spent));
        assert!(ledger.breach().unwrap().starts_with("received"), "the first one is the cause");
    }

    #[test]
    fn places_are_given_back() {
        let ledger = Ledger::new(LIMITS);
        let places: Vec<_> = std::iter::from_fn(|| ledger.place()).collect();
        assert_eq!(places.len(), MAX_CONNECTIONS);
        assert!(ledger.next().place().is_none(), "the next call finds them open");
        drop(places);
        assert!(ledger.place().is_some());
    }
}
