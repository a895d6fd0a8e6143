//! The hub's settings: the `[hub]` table as it is written, and what it means.
//!
//! [`RawConfig`] is what serde reads, [`Config`] what the hub runs on; [`RawConfig::resolve`] is the only way from one
//! to the other and names every problem at once. Reading `admin_key_file` is its only I/O.

use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use sandbeat_status::settings::{Problem, optional_duration, size};
use serde::{Deserialize, Deserializer, de};

use crate::auth::{KeyHash, Secret};
use crate::liveness::Rules;

const LISTEN: &str = "127.0.0.1:8080";
const MAX_SANDBOXES: u32 = 100_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// No duration below is shorter.
const SHORTEST: Duration = Duration::from_millis(10);

/// What the hub runs on.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, for the caller that binds the listener. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// Whether a sandbox without a token may report. Default closed.
    pub enroll: Enroll,
    /// The key for managing and reading; without one the hub only listens on loopback.
    pub admin_key: Option<KeyHash>,
    /// The most sandboxes that the hub keeps; a registration past it is refused. Default 100,000.
    pub max_sandboxes: usize,
    /// What a client may cost.
    pub limits: Limits,
    /// When a silent sandbox counts as lost.
    pub liveness: Rules,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            enroll: Enroll::Closed,
            admin_key: None,
            max_sandboxes: MAX_SANDBOXES as usize,
            limits: Limits::default(),
            liveness: Rules::default(),
        }
    }
}

impl Config {
    /// Whether listening there would let strangers manage the fleet.
    pub(crate) fn exposed_on(&self, address: SocketAddr) -> bool {
        self.admin_key.is_none() && !address.ip().is_loopback()
    }
}

/// Whether a sandbox without a token may report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enroll {
    /// On a trusted network: an unknown id is registered by its first valid report, and needs no token.
    Open,
    /// Only registered sandboxes report, each with its token.
    #[default]
    Closed,
}

/// What a client may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest body, in bytes. Default 1 MiB.
    pub body: usize,
    /// A connection on which no whole request head arrives for this long is closed; an idle one is, too. Default 15 s.
    pub header_timeout: Duration,
    /// From a request's head to its answer, the body's arrival included; also how long a client may leave an answer
    /// unread. Default 15 s.
    pub request_timeout: Duration,
    /// Connections at the same time; further ones wait in the listener's queue. Default 4,096.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body: 1 << 20,
            // Also how long an idle connection is kept: longer than usual intervals, so that agents need not connect
            // anew.
            header_timeout: Duration::from_secs(45),
            request_timeout: Duration::from_secs(15),
            connections: 4096,
        }
    }
}

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
    /// The most sandboxes.
    max_sandboxes: Option<u32>,
    /// The longest body.
    #[serde(deserialize_with = "optional_size")]
    body_limit: Option<u64>,
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
                header_timeout: check.time("header_timeout", self.header_timeout, default.limits.header_timeout),
                request_timeout: check.time("request_timeout", self.request_timeout, default.limits.request_timeout),
                connections: check.count("max_connections", self.max_connections, 1..=1_000_000, 4096),
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
            },
        };
        // A key that is wrong has been named already; a second line about the same key would mislead.
        if check.0.iter().all(|problem| !problem.key.starts_with("admin_key")) && config.exposed_on(config.listen) {
            check.problem("admin_key_file", exposed(config.listen));
        }
        (config, check.0)
    }
}

/// Why an address is refused, and the cure.
pub(crate) fn exposed(address: SocketAddr) -> String {
    format!(
        "listening on {address}, beyond loopback, needs an admin key: write one into a file and name it in \
         `admin_key_file`, or listen on {LISTEN}"
    )
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
