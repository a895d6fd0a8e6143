//! The `[hub]` table as it is written, and its way to a [`Config`].
//!
//! [`RawConfig`] is what serde reads; [`RawConfig::resolve`] is the only way from it to what the hub runs on, and names
//! every problem at once. Reading the files with secrets is its only I/O.

use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use sandbeat_status::settings::{Problem, optional_duration, size};
use serde::{Deserialize, Deserializer, de};

use super::{Config, Enroll, Keep, LISTEN, Limits, Tls, Webhook, exposed};
use crate::auth::{KeyHash, Secret};
use crate::event::Kind;
use crate::liveness::Rules;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// No duration below is shorter.
const SHORTEST: Duration = Duration::from_millis(10);

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
    /// The part of the fleet whose loss at once is doubted.
    suspect_fraction: Option<f64>,
    /// The least number of sandboxes whose loss at once is doubted.
    suspect_least: Option<u32>,
    /// How long it is doubted.
    #[serde(deserialize_with = "optional_duration")]
    suspect_hold: Option<Duration>,
}

/// One of `[[hub.webhooks]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    /// Where events are posted.
    url: String,
    /// A file with the secret that signs them in its first line.
    secret_file: Option<PathBuf>,
    /// The kinds of events.
    events: Option<Vec<Kind>>,
}

impl RawConfig {
    /// What the table means, and everything that is wrong with it. Use the first only when there is nothing of the
    /// second. Keys are relative to the table.
    pub fn resolve(self) -> (Config, Vec<Problem>) {
        let default = Config::default();
        let mut check = Check(Vec::new());
        let admin_key = check.admin_key(self.admin_key, self.admin_key_file);
        let config = Config {
            listen: self.listen.unwrap_or(default.listen),
            enroll: self.enroll,
            admin_key: admin_key.as_ref().map(KeyHash::of),
            max_sandboxes: check.count("max_sandboxes", self.max_sandboxes, 1..=10_000_000, default.max_sandboxes),
            limits: Limits {
                body: check.body_limit(self.body_limit, default.limits.body),
                body_memory: check.size("body_memory", self.body_memory, default.limits.body_memory),
                header_timeout: check.time("header_timeout", self.header_timeout, default.limits.header_timeout),
                idle_timeout: check.time("idle_timeout", self.idle_timeout, default.limits.idle_timeout),
                request_timeout: check.time("request_timeout", self.request_timeout, default.limits.request_timeout),
                connections: check.count("max_connections", self.max_connections, 1..=1_000_000, 4096),
                streams: check.count("max_streams", self.max_streams, 1..=100_000, default.limits.streams),
            },
            liveness: Rules {
                intervals: check.count("lost_after_intervals", self.lost_after_intervals, 1..=1000, 3),
                grace: check.time("lost_grace", self.lost_grace, default.liveness.grace),
                default_interval: check.time(
                    "default_interval",
                    self.default_interval,
                    default.liveness.default_interval,
                ),
                never_reported_after: check.time(
                    "never_reported_after",
                    self.never_reported_after,
                    default.liveness.never_reported_after,
                ),
                suspect_fraction: check.fraction(
                    "suspect_fraction",
                    self.suspect_fraction,
                    default.liveness.suspect_fraction,
                ),
                suspect_least: check.count(
                    "suspect_least",
                    self.suspect_least,
                    1..=10_000_000,
                    default.liveness.suspect_least,
                ),
                suspect_hold: check.time("suspect_hold", self.suspect_hold, default.liveness.suspect_hold),
            },
            data: self.data,
            keep: Keep {
                snapshot_interval: check.time(
                    "snapshot_interval",
                    self.snapshot_interval,
                    default.keep.snapshot_interval,
                ),
                events: check.count("max_events", self.max_events, 1000..=1_000_000_000, default.keep.events),
                events_for: check.long_time("events_for", self.events_for, default.keep.events_for),
                report_memory: check.size("report_memory", self.report_memory, default.keep.report_memory),
            },
            tls: check.tls(self.tls_cert, self.tls_key),
            token_overlap: check.time("token_overlap", self.token_overlap, default.token_overlap),
            max_reports_per_sec: self
                .max_reports_per_sec
                .map(|rate| check.count("max_reports_per_sec", Some(rate), 1..=10_000_000, rate)),
            metrics_per_sandbox: self.metrics_per_sandbox,
            webhooks: check.webhooks(self.webhooks),
        };
        // A key that is wrong has been named already; a second line about the same key would mislead.
        if check.0.iter().all(|problem| !problem.key.starts_with("admin_key")) && config.exposed_on(config.listen) {
            check.problem("admin_key_file", exposed(config.listen));
        }
        (config, check.0)
    }
}

/// Collects what is wrong.
struct Check(Vec<Problem>);

impl Check {
    fn problem(&mut self, key: &str, message: String) {
        self.0.push(Problem::new(key, message));
    }

    fn admin_key(&mut self, written: Option<Secret>, file: Option<PathBuf>) -> Option<Secret> {
        let (key, secret) = match (written, file) {
            (None, None) => return None,
            (Some(secret), None) => ("admin_key", secret),
            (None, Some(file)) => match fs::read_to_string(&file) {
                Ok(text) => ("admin_key_file", Secret::new(text.lines().next().unwrap_or_default())),
                Err(error) => {
                    self.problem("admin_key_file", format!("cannot read {}: {error}", file.display()));
                    return None;
                }
            },
            (Some(_), Some(_)) => {
                self.problem("admin_key", "there is an `admin_key_file` as well; keep one of them".into());
                return None;
            }
        };
        match secret.check() {
            Ok(()) => Some(secret),
            Err(reason) => {
                self.problem(key, reason);
                None
            }
        }
    }

    fn count<T: TryFrom<u32>>(&mut self, key: &str, given: Option<u32>, good: RangeInclusive<u32>, default: T) -> T {
        let Some(value) = given else { return default };
        if !good.contains(&value) {
            self.problem(key, format!("{value} is not from {} to {}", good.start(), good.end()));
        }
        T::try_from(value).unwrap_or(default)
    }

    fn body_limit(&mut self, given: Option<u64>, default: usize) -> usize {
        let Some(value) = given else { return default };
        if !(4 << 10..=64 << 20).contains(&value) {
            self.problem("body_limit", "the limit is not from 4KiB to 64MiB".into());
        }
        usize::try_from(value).unwrap_or(default)
    }

    fn size(&mut self, key: &str, given: Option<u64>, default: usize) -> usize {
        let Some(value) = given else { return default };
        if !(1 << 20..=1 << 42).contains(&value) {
            self.problem(key, "the size is not from 1MiB to 4TiB".into());
        }
        usize::try_from(value).unwrap_or(default)
    }

    fn fraction(&mut self, key: &str, given: Option<f64>, default: f64) -> f64 {
        let value = given.unwrap_or(default);
        if !(value > 0.0 && value <= 1.0) {
            self.problem(key, format!("{value} is not above 0 and at most 1"));
        }
        value
    }

    fn long_time(&mut self, key: &str, given: Option<Duration>, default: Duration) -> Duration {
        let Some(value) = given else { return default };
        if !(SHORTEST..=YEAR).contains(&value) {
            self.problem(key, "the duration is not from 10ms to a year (8784h)".into());
        }
        value
    }

    fn tls(&mut self, cert: Option<PathBuf>, key: Option<PathBuf>) -> Option<Tls> {
        match (cert, key) {
            (Some(cert), Some(key)) => Some(Tls { cert, key }),
            (None, None) => None,
            (Some(_), None) => {
                self.problem("tls_key", "there is a `tls_cert`; name its key as well".into());
                None
            }
            (None, Some(_)) => {
                self.problem("tls_cert", "there is a `tls_key`; name its certificate as well".into());
                None
            }
        }
    }

    fn webhooks(&mut self, webhooks: Vec<RawWebhook>) -> Vec<Webhook> {
        let mut good = Vec::new();
        for RawWebhook { url, secret_file: _, events } in webhooks {
            good.push(Webhook { url, secret: None, events: events.unwrap_or_else(Webhook::default_events) });
        }
        good
    }

    fn time(&mut self, key: &str, given: Option<Duration>, default: Duration) -> Duration {
        let Some(value) = given else { return default };
        if !(SHORTEST..=DAY).contains(&value) {
            self.problem(key, "the duration is not from 10ms to 24h".into());
        }
        value
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| {
        de::Error::custom(format!("`{text}` is not an IP address with a port; write one such as `{LISTEN}`"))
    })
}

fn optional_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    size(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use sandbeat_status::settings::Settings;

    use super::*;

    fn resolve(text: &str) -> (Config, Vec<String>) {
        let (raw, problems) = Settings::parse(text).unwrap().read::<RawConfig>();
        let (config, more) = raw.unwrap_or_default().resolve();
        (config, problems.iter().chain(&more).map(ToString::to_string).collect())
    }

    #[test]
    fn an_empty_table_is_closed_and_on_loopback() {
        let (config, problems) = resolve("");
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(config.listen.to_string(), LISTEN);
        assert_eq!(config.enroll, Enroll::Closed);
        assert_eq!(config.limits.body, 1024 * 1024);
        assert!(config.admin_key.is_none());
    }

    #[test]
    fn what_is_written_is_what_runs() {
        let (config, problems) = resolve(
            "listen = \"[::1]:9000\"\nenroll = \"open\"\nmax_sandboxes = 5\nbody_limit = \"64KiB\"\n\
             header_timeout = \"2s\"\nlost_after_intervals = 4\nlost_grace = \"500ms\"\ndefault_interval = \"10s\"\n",
        );
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!((config.listen.port(), config.max_sandboxes, config.limits.body), (9000, 5, 65536));
        assert_eq!(config.enroll, Enroll::Open);
        assert_eq!(config.liveness.intervals, 4);
        assert_eq!(config.liveness.grace, Duration::from_millis(500));
    }

    #[test]
    fn every_problem_is_named() {
        let (_, problems) = resolve(
            "listen = \"localhost\"\nenroll = \"maybe\"\nmax_sandboxes = 0\nbody_limit = \"1TiB\"\n\
             lost_grace = \"2s \"\nlost_after_interval = 3\nadmin_key = \"short\"\nheader_timeout = \"1ms\"\n",
        );
        for part in [
            "line 1: listen: `localhost` is not an IP address with a port",
            "line 2: enroll: unknown variant `maybe`",
            "line 6: lost_after_interval: unknown key; did you mean `lost_after_intervals`?",
            "max_sandboxes: 0 is not from 1",
            "body_limit: the limit is not from 4KiB",
            "admin_key: the key has 5 bytes",
            "header_timeout: the duration is not from 10ms",
        ] {
            assert!(problems.iter().any(|problem| problem.starts_with(part)), "{part}: {problems:#?}");
        }
    }

    #[test]
    fn beyond_loopback_there_has_to_be_a_key_even_when_enrolment_is_open() {
        for enroll in ["open", "closed"] {
            let (_, problems) = resolve(&format!("listen = \"0.0.0.0:8080\"\nenroll = \"{enroll}\""));
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with("admin_key_file: listening on 0.0.0.0:8080"), "{problems:?}");
        }
        let (config, problems) = resolve("listen = \"0.0.0.0:8080\"\nadmin_key = \"0123456789abcdef\"");
        assert!(problems.is_empty(), "{problems:?}");
        assert!(config.admin_key.is_some());
    }

    #[test]
    fn the_key_may_stand_in_a_file_and_is_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "0123456789abcdef\n").unwrap();
        let text = format!("admin_key_file = {:?}", file.path());
        let (config, problems) = resolve(&text);
        assert!(problems.is_empty(), "{problems:?}");
        assert!(config.admin_key.as_ref().unwrap().matches("0123456789abcdef"));
        assert!(!format!("{config:?}").contains("0123456789abcdef"));

        let (_, problems) = resolve("admin_key_file = \"/nowhere/at/all\"");
        assert!(problems[0].starts_with("admin_key_file: cannot read /nowhere/at/all"), "{problems:?}");
        let (_, problems) = resolve(&format!("admin_key = \"0123456789abcdef\"\n{text}"));
        assert!(problems[0].contains("keep one of them"), "{problems:?}");
    }
}
