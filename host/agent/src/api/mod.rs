//! The local API: what the agent knows, for those inside the sandbox.
//!
//! camelCase JSON over HTTP/1.1, on TCP or a Unix socket. Errors are `application/problem+json` (RFC 9457), for unknown
//! routes and wrong methods as well. Owner: [`crate::run`], beside the beat and never in its way: everything shown is
//! a copy of what the beat, the collectors and the supervisor have published, and what is asked of the collectors is
//! theirs to do. A connection that fails ends alone.
//!
//! - `GET /v1/health`: `{"status":"ok", …}` while the agent beats, and how reports fare.
//! - `GET /v1/report`: the report as it would be posted now; `GET /metrics`: the same for Prometheus (`preview`,
//!   `metrics`).
//! - `GET /v1/agents`, `GET /v1/agents/{id}`: coding agents.
//! - `GET /v1/plugins`, `GET /v1/plugins/{name}`.
//! - `POST /v1/plugins/{name}/reload`: has its files loaded again.
//! - `POST /v1/reload`: has the configuration read again.
//! - `/v1/processes…`: supervision, see `processes`.
//! - `GET /openapi.json`: all of this for machines, made from the routes themselves.
//!
//! Who may ask: see `guard`; who may start programs: see `shared`. Where it listens: see `listen`. Every request is
//! bounded: its head, its body, how long both may take, and how many requests may last (`shared`).

mod agents;
mod describe;
mod extract;
mod guard;
mod health;
mod listen;
mod metrics;
mod optional;
mod preview;
mod problem;
mod processes;
mod pump;
mod reload;
mod routes;
mod serve;
mod shared;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::watch;

pub use self::listen::{Listen, Listener};
pub(crate) use self::serve::serve;
use crate::Sources;
use crate::agents::Agents;
use crate::beat::Seen;
use crate::report::Delivery;
use crate::sample::Observer;

/// Where to listen, and what a request must know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; `None` for no API.
    pub listen: Option<Listen>,
    /// Wanted as `Authorization: Bearer` for everything, where there is one.
    pub token: Option<SecretString>,
    /// Who may start programs and write to them.
    pub processes: Permission,
}

/// Who may start programs and write to them, of those who may ask at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Whoever has the token, or may open the Unix socket.
    #[default]
    Token,
    /// Everyone who can reach the API.
    Anyone,
}

/// What the routes read.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) about: Arc<About>,
    pub(crate) seen: watch::Receiver<Seen>,
    pub(crate) observer: Observer,
    pub(crate) delivery: watch::Receiver<Delivery>,
    pub(crate) sources: Sources,
    pub(crate) agents: Agents,
}

/// What does not change while the agent runs.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) sandbox_id: String,
    pub(crate) boot_id: String,
    pub(crate) since: Timestamp,
    pub(crate) started: Instant,
    pub(crate) interval: Duration,
    /// The hub.
    pub(crate) server_url: String,
    /// The operator's own.
    pub(crate) metadata: BTreeMap<String, String>,
}
