//! What each kind of value may be; everything that is not is collected with its key, and the cure.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use sandbeat_status::settings::Problem;

use super::{Tls, secret};
use crate::auth::Secret;
use crate::server::tls::{self, Wrong};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// No duration below is shorter.
const SHORTEST: Duration = Duration::from_millis(10);

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(super) struct Check(Vec<Problem>);

impl Check {
    pub(super) fn problem(&mut self, key: &str, message: String) {
        self.0.push(Problem::new(key, message));
    }

    /// Whether something has been said of a key that begins like this.
    pub(super) fn has_problem(&self, key: &str) -> bool {
        self.0.iter().any(|problem| problem.key.starts_with(key))
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.0
    }

    pub(super) fn admin_key(&mut self, written: Option<Secret>, file: Option<PathBuf>) -> Option<Secret> {
        match (written, file) {
            (None, None) => None,
            (Some(secret), None) => self.secret("admin_key", Ok(secret)),
            (None, Some(file)) => self.secret("admin_key_file", secret::read(&file)),
            (Some(_), Some(_)) => {
                self.problem("admin_key", "there is an `admin_key_file` as well; keep one of them".into());
                None
            }
        }
    }

    /// A secret that can be sent in a header and is too long to be guessed.
    pub(super) fn secret(&mut self, key: &str, secret: Result<Secret, String>) -> Option<Secret> {
        match secret.and_then(|secret| secret.check().map(|()| secret)) {
            Ok(secret) => Some(secret),
            Err(reason) => {
                self.problem(key, reason);
                None
            }
        }
    }

    pub(super) fn path(&mut self, key: &str, path: Option<PathBuf>) -> Option<PathBuf> {
        if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            self.problem(key, "the path is empty; leave the key out instead".into());
        }
        path
    }

    pub(super) fn count<T: TryFrom<u32>>(
        &mut self,
        key: &str,
        given: Option<u32>,
        good: RangeInclusive<u32>,
        default: T,
    ) -> T {
        let Some(value) = given else { return default };
        if !good.contains(&value) {
            self.problem(key, format!("{value} is not from {} to {}", good.start(), good.end()));
        }
        T::try_from(value).unwrap_or(default)
    }

    pub(super) fn body_limit(&mut self, given: Option<u64>, default: usize) -> usize {
        let Some(value) = given else { return default };
        if !(4 << 10..=64 << 20).contains(&value) {
            self.problem("body_limit", "the limit is not from 4KiB to 64MiB".into());
        }
        usize::try_from(value).unwrap_or(default)
    }

    pub(super) fn size(&mut self, key: &str, given: Option<u64>, default: usize) -> usize {
        let Some(value) = given else { return default };
        if !(1 << 20..=1 << 42).contains(&value) {
            self.problem(key, "the size is not from 1MiB to 4TiB".into());
        }
        usize::try_from(value).unwrap_or(default)
    }

    pub(super) fn fraction(&mut self, key: &str, given: Option<f64>, default: f64) -> f64 {
        let value = given.unwrap_or(default);
        if !(value > 0.0 && value <= 1.0) {
            self.problem(key, format!("{value} is not above 0 and at most 1"));
        }
        value
    }

    pub(super) fn long_time(&mut self, key: &str, given: Option<Duration>, default: Duration) -> Duration {
        let Some(value) = given else { return default };
        if !(SHORTEST..=YEAR).contains(&value) {
            self.problem(key, "the duration is not from 10ms to a year (8784h)".into());
        }
        value
    }

    pub(super) fn tls(&mut self, cert: Option<PathBuf>, key: Option<PathBuf>) -> Option<Tls> {
        match (cert, key) {
            (Some(cert), Some(key)) => {
                let files = Tls { cert, key };
                if let Err(Wrong { key, reason }) = tls::check(&files) {
                    self.problem(key, reason);
                }
                Some(files)
            }
            (None, None) => None,
            (Some(_), None) => {
                self.problem("tls_cert", "the certificate needs its key; name that in `tls_key`".into());
                None
            }
            (None, Some(_)) => {
                self.problem("tls_key", "the key needs its certificate; name that in `tls_cert`".into());
                None
            }
        }
    }

    pub(super) fn time(&mut self, key: &str, given: Option<Duration>, default: Duration) -> Duration {
        let Some(value) = given else { return default };
        if !(SHORTEST..=DAY).contains(&value) {
            self.problem(key, "the duration is not from 10ms to 24h".into());
        }
        value
    }
}
