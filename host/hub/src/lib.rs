//! The hub: receives the status reports of a fleet of sandboxes, keeps its state, and notices who falls silent.
//!
//! # The model
//! - A sandbox becomes known by a registration, which hands out its token this once, or, where `enroll` is `open`, by
//!   its first valid report.
//! - Every report is read, checked against every bound and only then taken. What is not acceptable is answered with
//!   400 and the field's name, and changes nothing.
//! - Liveness is judged on the hub's monotonic clock alone, never on what a sandbox says of time: see [`Rules`].
//!
//! # Who may do what
//! - A sandbox's token opens its status route and nothing else. A wrong one opens nothing.
//! - With `enroll = "closed"` (the default) nothing is taken without a token. With `"open"`, for trusted networks and
//!   the demo, a report without one is taken as long as none with the sandbox's token has come; that is also the way in
//!   for agents that send no token. That one has come is on disk before it is answered.
//! - Managing and reading (register, list, get, delete) needs the admin key. Without one the hub refuses to listen
//!   beyond loopback, whatever `enroll` says: taking reports from a trusted network is one thing, letting everyone on
//!   it delete sandboxes another. On loopback without a key, these routes answer only requests addressed to a
//!   loopback name, so that a web page in a browser on the same machine cannot reach them through a name of its own.
//!
//! # The files
//! `server` (connections) → `api` (routes; what comes in, what is acceptable, what goes out) → `store` (the state, and
//! what of it outlives the process; the only folder that names the database) → `fleet` (the state in memory, pure) →
//! `liveness` (the arithmetic of silence, pure). `sweep` notices silence; `events` tells whoever wants to know; `page`
//! is what a browser gets; `measure` are the hub's own figures; `closing` is its end; `hub` puts all of it together.

mod api;
mod auth;
mod closing;
mod config;
mod event;
mod events;
mod fleet;
mod hub;
mod liveness;
mod measure;
mod page;
mod server;
mod store;
mod sweep;

pub use auth::{KeyHash, Secret};
pub use config::{Config, Enroll, Keep, Limits, RawConfig, Tls, Webhook, parse_listen};
pub use event::Kind as EventKind;
pub use hub::{Accepted, Error, Hub, serve};
pub use liveness::Rules;
pub use server::tls::{Renewal, Wrong as TlsError};
pub use store::Error as StoreError;
