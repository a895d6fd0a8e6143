//! `sandbeat hub`: the receiving server, and the commands that ask one.
//!
//! Those commands are a client like any other: what they know of a hub is its interface (docs/protocol.md), they may
//! be of another version than it, and they run wherever it can be reached. What they print of it is escaped, since it
//! is what sandboxes say. Whoever stops reading it, as `head` does, ends the command quietly.

pub(crate) mod args;
mod change;
mod client;
mod events;
mod get;
mod ls;
mod serve;

use std::io;

use self::args::{HubCommand, HubOptions};

pub(crate) fn run(options: &HubOptions) -> anyhow::Result<()> {
    match carry_out(options) {
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(())
        }
        done => done,
    }
}

fn carry_out(options: &HubOptions) -> anyhow::Result<()> {
    match &options.command {
        None => serve::run(&options.serve),
        Some(HubCommand::Ls(options)) => ls::run(options),
        Some(HubCommand::Get(options)) => get::run(options),
        Some(HubCommand::Events(options)) => events::run(options),
        Some(HubCommand::Add(options)) => change::add(options),
        Some(HubCommand::Rm(options)) => change::remove(options),
        Some(HubCommand::Token(options)) => change::rotate(options),
    }
}
