//! Tokens: from the configuration or a file, never into a log.

use std::path::PathBuf;

use sandbeat_status::settings::Problem;
use secrecy::SecretString;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::report::token;

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
        (Some(Secret(token)), None) => (format!("{section}.token"), token::check(token)),
        (None, Some(file)) => (format!("{section}.token_file"), token::read(&file)),
    };
    match token {
        Ok(token) => Some(token),
        Err(reason) => {
            problems.push(Problem::new(key, reason));
            None
        }
    }
}
