//! Tokens: from the configuration or a file, never into a log.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sandbeat_status::settings::Problem;
use secrecy::{ExposeSecret, SecretString};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The longest token, in bytes.
const MAX_TOKEN: usize = 4096;

/// A token as it is written in the configuration. Neither `{:?}` nor an error about its type shows it.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

impl Secret {
    /// What is written.
    pub(super) fn into_inner(self) -> SecretString {
        self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret(text.into())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own message would quote a token that was written without quotes.
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("a token has to be a string"))?;
        Ok(text.into())
    }
}

/// The token of a section, from `token` or from the file that `token_file` names.
pub(super) fn resolve(
    section: &str,
    token: Option<Secret>,
    file: Option<PathBuf>,
    problems: &mut Vec<Problem>,
) -> Option<SecretString> {
    let (key, token) = match (token, file) {
        (None, None) => return None,
        (Some(_), Some(_)) => {
            let reason = format!("{section}.token is set as well; keep one of the two");
            problems.push(Problem::new(format!("{section}.token_file"), reason));
            return None;
        }
        (Some(Secret(token)), None) => (format!("{section}.token"), Ok(token)),
        (None, Some(file)) => (format!("{section}.token_file"), read(&file)),
    };
    match token.and_then(check) {
        Ok(token) => Some(token),
        Err(reason) => {
            problems.push(Problem::new(key, reason));
            None
        }
    }
}

/// The file's text without the white space around it. Only a regular file is read: a pipe might never end.
fn read(path: &Path) -> Result<SecretString, String> {
    let wrong = |reason: &str| format!("{} {reason}", path.display());
    let unreadable = |e: std::io::Error| wrong(&format!("cannot be read: {e}"));
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file: File = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(wrong("is not a file"));
    }
    let mut text = String::new();
    file.take(MAX_TOKEN as u64 + 16).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text.trim().to_owned().into())
}

/// What an HTTP header can carry as one word.
fn check(token: SecretString) -> Result<SecretString, String> {
    let text = token.expose_secret();
    if text.is_empty() {
        Err("the token is empty".to_owned())
    } else if text.len() > MAX_TOKEN {
        Err(format!("the token is longer than {MAX_TOKEN} bytes"))
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("the token has a character that is no printable ASCII".to_owned())
    } else {
        Ok(token)
    }
}
