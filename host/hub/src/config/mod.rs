//! What the hub runs on, with its defaults. `raw` is the `[hub]` table as it is written; on its way here, `check` and
//! `webhooks` judge each value, and name all that is wrong at once.

mod check;
mod raw;
mod secret;
mod webhooks;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use self::raw::RawConfig;
use crate::auth::{KeyHash, Secret};
use crate::event::Kind;
use crate::liveness::Rules;

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// What the hub runs on.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, for the caller that binds the listener. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// Whether a sandbox without a token may report. Default closed.
    pub enroll: Enroll,
    /// The key for managing and reading; without one the hub only listens on loopback.
    pub admin_key: Option<KeyHash>,
    /// The most sandboxes that the hub keeps; a registration past it is refused. Default 100,000.
    pub max_sandboxes: usize,
    /// What a client may cost.
    pub limits: Limits,
    /// When a silent sandbox counts as lost.
    pub liveness: Rules,
    /// The directory of what outlives the hub; without one nothing does.
    pub data: Option<PathBuf>,
    /// What is kept, and how long.
    pub keep: Keep,
    /// Certificate and key; without them the hub speaks plain HTTP.
    pub tls: Option<Tls>,
    /// How long a replaced token goes on where nobody says. Default 1 h.
    pub token_overlap: Duration,
    /// Reports are spread so that fewer than so many a second are expected. Default: they are not.
    pub max_reports_per_sec: Option<u32>,
    /// Whether `/metrics` has the figures of each sandbox. Default not.
    pub metrics_per_sandbox: bool,
    /// Who is told of events.
    pub webhooks: Vec<Webhook>,
}

/// Whether a sandbox without a token may report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enroll {
    /// On a trusted network: an unknown id is registered by its first valid report, and nobody needs a token that was
    /// not used before.
    Open,
    /// Only registered sandboxes report, each with its token.
    #[default]
    Closed,
}

impl fmt::Display for Enroll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Enroll::Open => "open",
            Enroll::Closed => "closed",
        })
    }
}

/// What a client may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest body, in bytes. Default 1 MiB.
    pub body: usize,
    /// All bodies that are arriving or being read, in bytes, those of up to 16 KiB apart; one address, or IPv6
    /// network of 56 bits, gets half of it. Default 64 MiB.
    pub body_memory: usize,
    /// From the first byte of a request's head to its last; also the whole handshake of TLS. Default 10 s.
    pub header_timeout: Duration,
    /// A connection without a request for this long is closed: longer than usual intervals, so that agents need not
    /// connect anew. Default 75 s.
    pub idle_timeout: Duration,
    /// From a request's head to its answer, the body's arrival included; also how long a client may leave an answer
    /// unread, and a second more for each 4 KiB that it reads. Half of it is the longest wait for `body_memory`. Default
    /// 15 s.
    pub request_timeout: Duration,
    /// Connections at the same time. At the limit a newcomer takes the place of one that has shown neither a token
    /// nor a key, else of one of the address that holds the most, which may be its own; there is no fixed share, since a whole
    /// fleet may come from one address. Default 4,096.
    pub connections: usize,
    /// Of those, the ones that listen to events. Default 256.
    pub streams: usize,
    /// Sandboxes that nobody registered and that one address, or IPv6 network of 56 bits, may bring in within a minute
    /// where enrolment is open. Default 10,000: a fleet that starts behind one address is in after a few minutes.
    pub newcomers_per_min: u32,
}

/// What is kept, and how long.
#[derive(Clone, Debug)]
pub struct Keep {
    /// How often beats are written to disk. Default 5 s.
    pub snapshot_interval: Duration,
    /// How many events. Default 1,000,000.
    pub events: u32,
    /// How long an event. Default 30 days.
    pub events_for: Duration,
    /// All last reports, in bytes of memory. Past it, and of a report of more than 4 KiB past three quarters of it, only
    /// base figures are kept, and the sandbox says so. Default 1 GiB.
    pub report_memory: usize,
}

/// Where certificate and key are, both PEM; read again when they change, which is noticed within 10 s. A pair that is
/// wrong then leaves the one before in use.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The chain, the hub's own certificate first.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Who is told of events.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where they are posted; it also names the webhook in the store.
    pub url: String,
    /// Signs them: as it stands, or, where it begins with `whsec_`, with what the rest of it is the base64 of.
    pub secret: Option<Secret>,
    /// Which. Default: `lost`, `recovered`, `stopped`, `process-failed`, `suspect` and `trusted`.
    pub events: Vec<Kind>,
}

impl Webhook {
    fn default_events() -> Vec<Kind> {
        vec![Kind::Lost, Kind::Recovered, Kind::Stopped, Kind::ProcessFailed, Kind::Suspect, Kind::Trusted]
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: DEFAULT_LISTEN,
            enroll: Enroll::Closed,
            admin_key: None,
            max_sandboxes: 100_000,
            limits: Limits::default(),
            liveness: Rules::default(),
            data: None,
            keep: Keep::default(),
            tls: None,
            token_overlap: Duration::from_secs(60 * 60),
            max_reports_per_sec: None,
            metrics_per_sandbox: false,
            webhooks: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body: 1 << 20,
            body_memory: 64 << 20,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            request_timeout: Duration::from_secs(15),
            connections: 4096,
            streams: 256,
            newcomers_per_min: 10_000,
        }
    }
}

impl Default for Keep {
    fn default() -> Self {
        Keep {
            snapshot_interval: Duration::from_secs(5),
            events: 1_000_000,
            events_for: Duration::from_secs(30 * 24 * 60 * 60),
            report_memory: 1 << 30,
        }
    }
}

impl Config {
    /// Whether listening there would let strangers manage the fleet.
    pub(crate) fn exposed_on(&self, address: SocketAddr) -> bool {
        self.admin_key.is_none() && !address.ip().is_loopback()
    }
}

/// Reads an address to listen on, `IP:PORT`.
///
/// # Errors
/// The text has another form; with one that is good.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let wrong = || format!("`{text}` is not an IP address with a port; write one such as `{DEFAULT_LISTEN}`");
    text.parse().map_err(|_| wrong())
}

/// Why an address is refused, and the cure.
pub(crate) fn exposed(address: SocketAddr) -> String {
    format!(
        "listening on {address}, beyond loopback, needs an admin key: write one into a file and name it with \
         `--admin-key-file` or as `admin_key_file` in `[hub]`, or listen on {DEFAULT_LISTEN}"
    )
}
