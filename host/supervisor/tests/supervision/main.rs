//! Supervision of real, short processes, as the agent uses it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says where")]

mod attributes;
mod conditions;
mod created;
mod harness;
mod health;
mod inputs;
mod killed;
mod logfiles;
mod oneshot;
mod order;
mod output;
mod reloads;
mod restarts;
mod stopping;
mod terminal;
