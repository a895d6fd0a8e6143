//! The hub over real sockets, as agents and clients meet it.

mod access;
mod connections;
mod encoding;
mod events;
mod harness;
mod liveness;
mod metrics;
mod openapi;
#[path = "../../../agent/tests/agent/support/openmetrics.rs"]
mod openmetrics;
mod reading;
mod reports;
mod sandboxes;
mod schema;
mod tls;
mod tokens;
mod webhooks;
