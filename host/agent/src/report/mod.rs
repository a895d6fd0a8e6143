//! Getting reports to the hub: one at a time, the newest first, for as long as it takes.
//!
//! Owner: the beat's thread, where the courier runs beside the loop that makes reports. The loop leaves a report
//! in the outbox and goes on; the courier sends what is newest, tries again with growing, random pauses while
//! nothing newer comes, and keeps nothing older. A failure of any kind ends an attempt and never the courier; it is
//! logged once, and again when it is another or over.
//!
//! - `url` and `client`: one exchange over HTTP. `connect` makes the connection and knows which stage of it failed:
//!   `resolve` the name, `proxy` the tunnel, `tls` the rest; `allowance` bounds what a hub may send. `credentials`
//!   reads `token` and certificates again when their files change.
//! - `outcome`: what an exchange means, in the operator's words. `delivery`: how delivery stands. `schedule`: when to
//!   report. `pace`: when to try again. `wire`: which parts of a report are sent, and how. All of these are pure.
//! - `courier`: puts these together.

mod allowance;
mod client;
mod connect;
mod courier;
mod credentials;
mod delivery;
mod outcome;
mod pace;
mod proxy;
mod resolve;
mod schedule;
pub(crate) mod tls;
pub(crate) mod token;
mod url;
mod wire;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

pub(crate) use self::client::Client;
pub use self::client::ClientError;
pub(crate) use self::courier::{Outbox, post_office};
pub(crate) use self::delivery::{Delivery, Failing};
pub(crate) use self::proxy::{Via, environment};
pub(crate) use self::resolve::MOST as MOST_LOOKUPS;
pub(crate) use self::schedule::{Schedule, phase};
pub use self::url::ServerUrl;

/// The longest time that the last report, `stopped`, may hold up the agent's exit; less where `timeout` is less.
/// It leaves room within the 10 s that container runtimes give before they kill.
pub const FINAL_BOUND: Duration = Duration::from_secs(5);

/// Where reports go, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// The hub.
    pub server_url: ServerUrl,
    /// Sent as `Authorization: Bearer`; absent for a hub that asks for none.
    pub token: Option<SecretString>,
    /// Where the token was read from, and is read again from when that changes.
    pub token_file: Option<PathBuf>,
    /// What TLS needs beside the platform's roots.
    pub tls: TlsFiles,
    /// The way to the hub.
    pub proxy: Proxy,
    /// Whether large reports are compressed.
    pub compression: Compression,
    /// Between reports, unless the hub directs otherwise.
    pub interval: Duration,
    /// How far each report may be from its place in the schedule, as a part of the interval: 0 to 0.5.
    pub jitter: f64,
    /// For one exchange with the hub, from name resolution to the end of the answer.
    pub timeout: Duration,
    /// What the hub may direct: `nextReportSecs` and `Retry-After` are moved into this range.
    pub directed: RangeInclusive<Duration>,
}

/// Files in PEM; read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of authorities that are trusted beside the platform's.
    pub ca: Option<PathBuf>,
    /// The agent's own certificate, with those between it and the authority, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// The way to the hub.
#[derive(Clone, Debug, Default)]
pub enum Proxy {
    /// As `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    #[default]
    Environment,
    /// Straight.
    Off,
    /// Through this one: `http://host:port`, perhaps with a user and a password.
    Url(SecretString),
}

/// Whether reports are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Large ones with gzip, unless the server turns out not to read that.
    #[default]
    Auto,
    /// Never.
    Off,
}
