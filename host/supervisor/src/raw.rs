//! The tables `[processes.NAME]` and `[agents.NAME]` as they are written, before anything about them is checked.
//!
//! Plain structs without `flatten` or `untagged`, so that the reader of the settings can name the key of every
//! problem. [`crate::resolve`] is the only reader of their fields.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sandbeat_status::settings::{optional_duration, optional_size};
use serde::Deserialize;

use crate::config::{Limit, Policy};

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
    /// The user that it runs as, by name or number.
    pub user: Option<String>,
    /// The group that it runs as, by name or number; the user's own where absent.
    pub group: Option<String>,
    /// Its file mode creation mask, in octal, such as `027`.
    pub umask: Option<String>,
    /// Its resource limits, soft and hard at once: a number, a size or `unlimited`.
    pub limits: BTreeMap<Limit, String>,
    /// Whether it has a terminal of its own.
    pub tty: bool,
    /// When it is started again after it ended.
    pub restart: Policy,
    /// How long to wait before it is started again.
    pub backoff: RawBackoff,
    /// Those that are started before it and stopped after it: names, each with `:started`, `:ready` or `:completed`
    /// where more than the start is waited for.
    pub after: Vec<String>,
    /// Where it serves, for the report's reader.
    pub base_url: Option<String>,
    /// How to find out whether it can be used, before `health` is asked for the first time.
    pub ready: Option<RawHealth>,
    /// How to find out whether it does its work.
    pub health: Option<RawHealth>,
    /// How it is stopped.
    pub stop: RawStop,
    /// Whether the agent ends, with its exit code, when this one has ended for good.
    pub essential: bool,
    /// Where its output is kept.
    pub log: RawLog,
}

/// `log = { … }`: where output is kept.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLog {
    /// A file that lines are appended to, beside the ring in memory.
    pub file: Option<PathBuf>,
    /// A file that has come to this size is set aside and begun anew.
    #[serde(deserialize_with = "optional_size")]
    pub max_size: Option<u64>,
    /// How many files that were set aside are kept.
    pub keep: Option<u32>,
    /// What the ring in memory holds.
    #[serde(deserialize_with = "optional_size")]
    pub memory: Option<u64>,
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
    /// After this many restarts within `window` it is given up; 0 for never.
    pub limit: Option<u32>,
    /// See `limit`.
    #[serde(deserialize_with = "optional_duration")]
    pub window: Option<Duration>,
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
    /// This many passes in a row make it well.
    pub passes: Option<u32>,
    /// Whether one that fails is restarted.
    pub restart: bool,
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
