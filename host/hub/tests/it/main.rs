//! The hub over real sockets, as agents and clients meet it.

mod access;
mod connections;
mod encoding;
mod harness;
mod liveness;
mod reports;
mod sandboxes;
mod tls;
