//! The hub over real sockets, as agents and clients meet it.

mod access;
mod connections;
mod crowds;
mod disk;
mod encoding;
mod events;
mod harness;
mod listener;
mod liveness;
mod metrics;
mod openapi;
#[expect(clippy::unwrap_used, reason = "what fails here fails the test")]
#[path = "../../../agent/tests/agent/support/openmetrics.rs"]
mod openmetrics;
mod page;
mod reading;
mod receiver;
mod reports;
mod sandboxes;
mod schema;
mod streams;
mod tls;
mod tokens;
mod webhooks;
