//! The `[hub]` table as it is written, and its way to a [`Config`].
//!
//! [`RawConfig`] is what serde reads; [`RawConfig::resolve`] is the only way from it to what the hub runs on, and names
//! every problem at once. Reading the files with secrets, the certificate and its key is its only I/O.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sandbeat_status::settings::{Problem, optional_duration, optional_size};
use serde::{Deserialize, Deserializer, de};

use super::check::Check;
use super::webhooks::{self, RawWebhook};
use super::{Config, Enroll, Keep, Limits, exposed, parse_listen};
use crate::auth::{KeyHash, Secret};
use crate::liveness::Rules;

/// The `[hub]` table. Every key is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    /// The address to listen on, `IP:PORT`.
    #[serde(deserialize_with = "address")]
    listen: Option<SocketAddr>,
    /// `open` or `closed`.
    enroll: Enroll,
    /// The admin key itself; meant for `SANDBEAT_HUB__ADMIN_KEY` rather than for a file that others read.
    admin_key: Option<Secret>,
    /// A file with the admin key in its first line.
    admin_key_file: Option<PathBuf>,
    /// Where the hub keeps what outlives it.
    data: Option<PathBuf>,
    /// How often beats are written there.
    #[serde(deserialize_with = "optional_duration")]
    snapshot_interval: Option<Duration>,
    /// How many events are kept.
    max_events: Option<u32>,
    /// How long an event is kept.
    #[serde(deserialize_with = "optional_duration")]
    events_for: Option<Duration>,
    /// How much memory reports may take in all.
    #[serde(deserialize_with = "optional_size")]
    report_memory: Option<u64>,
    /// The certificate chain, PEM.
    tls_cert: Option<PathBuf>,
    /// Its key, PEM.
    tls_key: Option<PathBuf>,
    /// How long a replaced token goes on.
    #[serde(deserialize_with = "optional_duration")]
    token_overlap: Option<Duration>,
    /// Reports are spread to stay below this.
    max_reports_per_sec: Option<u32>,
    /// Whether `/metrics` has the figures of each sandbox.
    metrics_per_sandbox: bool,
    /// Who is told of events.
    webhooks: Vec<RawWebhook>,
    /// The most sandboxes.
    max_sandboxes: Option<u32>,
    /// The longest body.
    #[serde(deserialize_with = "optional_size")]
    body_limit: Option<u64>,
    /// The most memory of bodies that are arriving.
    #[serde(deserialize_with = "optional_size")]
    body_memory: Option<u64>,
    /// How long a connection may be idle.
    #[serde(deserialize_with = "optional_duration")]
    idle_timeout: Option<Duration>,
    /// The most streams of events.
    max_streams: Option<u32>,
    /// The most sandboxes that nobody registered, of one address in a minute.
    max_newcomers_per_min: Option<u32>,
    /// The longest wait for a request's head.
    #[serde(deserialize_with = "optional_duration")]
    header_timeout: Option<Duration>,
    /// The longest wait for a request's body and answer.
    #[serde(deserialize_with = "optional_duration")]
    request_timeout: Option<Duration>,
    /// The most connections.
    max_connections: Option<u32>,
    /// Missed intervals until a sandbox is lost.
    lost_after_intervals: Option<u32>,
    /// What is waited on top of them.
    #[serde(deserialize_with = "optional_duration")]
    lost_grace: Option<Duration>,
    /// The interval of agents that do not say theirs.
    #[serde(deserialize_with = "optional_duration")]
    default_interval: Option<Duration>,
    /// The wait for a registered sandbox's first report, until its absence is noted.
    #[serde(deserialize_with = "optional_duration")]
    never_reported_after: Option<Duration>,
    /// The part of the live sandboxes whose silence at once is doubted.
    suspect_fraction: Option<f64>,
    /// The least number of sandboxes whose silence at once is doubted.
    suspect_least: Option<u32>,
    /// How long it is doubted.
    #[serde(deserialize_with = "optional_duration")]
    suspect_hold: Option<Duration>,
}

impl RawConfig {
    /// What the table means, and everything that is wrong with it. Use the first only when there is nothing of the
    /// second. Keys are relative to the table.
    pub fn resolve(mut self) -> (Config, Vec<Problem>) {
        let default = Config::default();
        let mut check = Check::default();
        let admin_key = check.admin_key(self.admin_key.take(), self.admin_key_file.take());
        let config = Config {
            listen: self.listen.unwrap_or(default.listen),
            enroll: self.enroll,
            admin_key: admin_key.as_ref().map(KeyHash::of),
            max_sandboxes: check.count("max_sandboxes", self.max_sandboxes, 1..=10_000_000, default.max_sandboxes),
            limits: self.limits(&mut check, &default.limits),
            liveness: self.liveness(&mut check, &default.liveness),
            data: check.path("data", self.data.take()),
            keep: self.keep(&mut check, &default.keep),
            tls: check.tls(self.tls_cert.take(), self.tls_key.take()),
            token_overlap: check.time("token_overlap", self.token_overlap, default.token_overlap),
            max_reports_per_sec: self
                .max_reports_per_sec
                .map(|rate| check.count("max_reports_per_sec", Some(rate), 1..=10_000_000, rate)),
            metrics_per_sandbox: self.metrics_per_sandbox,
            webhooks: webhooks::resolve(&mut check, self.webhooks),
        };
        // A key that is wrong has been named already; a second line about the same key would mislead.
        if !check.has_problem("admin_key") && config.exposed_on(config.listen) {
            check.problem("listen", exposed(config.listen));
        }
        (config, check.into_problems())
    }

    fn limits(&self, check: &mut Check, default: &Limits) -> Limits {
        let limits = Limits {
            body: check.body_limit(self.body_limit, default.body),
            body_memory: check.size("body_memory", self.body_memory, default.body_memory),
            header_timeout: check.time("header_timeout", self.header_timeout, default.header_timeout),
            idle_timeout: check.time("idle_timeout", self.idle_timeout, default.idle_timeout),
            request_timeout: check.time("request_timeout", self.request_timeout, default.request_timeout),
            connections: check.count("max_connections", self.max_connections, 1..=1_000_000, default.connections),
            streams: check.count("max_streams", self.max_streams, 1..=100_000, default.streams),
            newcomers_per_min: check.count(
                "max_newcomers_per_min",
                self.max_newcomers_per_min,
                1..=10_000_000,
                default.newcomers_per_min,
            ),
        };
        if limits.body_memory / 2 < limits.body {
            let message = "one address gets half of it, and a body of `body_limit` does not fit; make it larger";
            check.problem("body_memory", message.into());
        }
        limits
    }

    fn liveness(&self, check: &mut Check, default: &Rules) -> Rules {
        let never_reported_after = default.never_reported_after;
        Rules {
            intervals: check.count("lost_after_intervals", self.lost_after_intervals, 1..=1000, default.intervals),
            grace: check.time("lost_grace", self.lost_grace, default.grace),
            default_interval: check.time("default_interval", self.default_interval, default.default_interval),
            never_reported_after: check.time("never_reported_after", self.never_reported_after, never_reported_after),
            suspect_fraction: check.fraction("suspect_fraction", self.suspect_fraction, default.suspect_fraction),
            suspect_least: check.count("suspect_least", self.suspect_least, 1..=10_000_000, default.suspect_least),
            suspect_hold: check.time("suspect_hold", self.suspect_hold, default.suspect_hold),
        }
    }

    fn keep(&self, check: &mut Check, default: &Keep) -> Keep {
        Keep {
            snapshot_interval: check.time("snapshot_interval", self.snapshot_interval, default.snapshot_interval),
            events: check.count("max_events", self.max_events, 1000..=1_000_000_000, default.events),
            events_for: check.long_time("events_for", self.events_for, default.events_for),
            report_memory: check.size("report_memory", self.report_memory, default.report_memory),
        }
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    parse_listen(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
