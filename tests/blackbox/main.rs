//! Drives the built binary as a user does: real processes, sockets, files and signals.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends with its first surprise")]

mod agent;
mod agents_api;
mod authors;
mod bad_config;
mod bad_plugins;
mod beats;
mod catalogue;
mod configuration_reload;
mod confined;
mod demo;
mod failing;
mod fleet;
mod harness;
mod hostile;
mod hub;
mod hub_commands;
mod large;
mod local_api;
mod outages;
mod plugin_commands;
mod plugins;
mod process_commands;
mod processes;
mod processes_api;
mod reload;
mod reports;
mod soak;
mod supervision;
mod trees;
mod wrap;
