//! The tables `[processes.NAME]` and `[agents.NAME]` as they are written, before anything about them is checked.
//!
//! Plain structs without `flatten` or `untagged`, so that the reader of the settings can name the key of every
//! problem. [`crate::resolve`] is the only reader of their fields.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sandbeat_status::settings::optional_duration;
use serde::Deserialize;

use crate::config::Policy;

/// One table `[processes.NAME]` or `[agents.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawProcess {
    /// The program, found in `PATH` where it has no `/`, and its arguments. Required.
    pub command: Vec<String>,
    /// The directory that it starts in; the agent's own where absent.
    pub cwd: Option<PathBuf>,
    /// Variables added to its environment.
    pub env: BTreeMap<String, String>,
    /// Whether it starts without the agent's environment, with `env` alone.
    pub env_clear: bool,
    /// When it is started again after it ended.
    pub restart: Policy,
    /// How long to wait before it is started again.
    pub backoff: RawBackoff,
    /// The names of those that are started before it and stopped after it.
    pub after: Vec<String>,
    /// Where it serves, for the report's reader.
    pub base_url: Option<String>,
    /// How to find out whether it does its work.
    pub health: Option<RawHealth>,
    /// How it is stopped.
    pub stop: RawStop,
}

/// `backoff = { … }`: the waits between restarts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawBackoff {
    /// The wait before the second restart in a row; the first is at once. Each further one is twice as long.
    #[serde(deserialize_with = "optional_duration")]
    pub initial: Option<Duration>,
    /// The longest wait.
    #[serde(deserialize_with = "optional_duration")]
    pub max: Option<Duration>,
    /// One that ran this long starts anew: its next restart is at once.
    #[serde(deserialize_with = "optional_duration")]
    pub stable: Option<Duration>,
}

/// `health = { … }`: one of `http`, `tcp` and `exec`, and when to ask.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHealth {
    /// A URL whose GET is answered with 2xx or 3xx.
    pub http: Option<String>,
    /// A `host:port` that accepts a connection.
    pub tcp: Option<String>,
    /// A command that exits with code 0.
    pub exec: Option<Vec<String>>,
    /// From the end of one check to the next one.
    #[serde(deserialize_with = "optional_duration")]
    pub interval: Option<Duration>,
    /// A check that takes longer has failed.
    #[serde(deserialize_with = "optional_duration")]
    pub timeout: Option<Duration>,
    /// This many failures in a row are an error.
    pub retries: Option<u32>,
    /// Failures this soon after the start do not count, until a check has passed.
    #[serde(deserialize_with = "optional_duration")]
    pub start_period: Option<Duration>,
}

/// `stop = { … }`: how a process is asked to end, and for how long it is waited for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawStop {
    /// The signal's name, with or without `SIG`.
    pub signal: Option<String>,
    /// What is left after this long is killed.
    #[serde(deserialize_with = "optional_duration")]
    pub timeout: Option<Duration>,
}
