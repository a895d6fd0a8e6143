//! The `[config]` table of the sidecar, as the operator wrote it.

use std::fmt::Display;
use std::str::FromStr;

use crate::{Error, host, json};

/// The value under a key, with dots for nested tables (`http.timeout`). A string comes as it is; numbers, booleans,
/// dates, arrays and tables come as JSON. Nothing when the key is absent.
pub fn get(key: &str) -> Option<String> {
    host::config_get(key)
}

/// The value under a key, parsed; nothing when the key is absent.
///
/// # Errors
/// [`Error::Config`], naming the key, when the value cannot be parsed.
pub fn parse<T: FromStr<Err: Display>>(key: &str) -> Result<Option<T>, Error> {
    let Some(text) = get(key) else { return Ok(None) };
    text.parse().map(Some).map_err(|error| Error::config(key, format_args!("is {text:?}: {error}")))
}

/// The string under a key; nothing when the key is absent.
///
/// # Errors
/// [`Error::Config`], naming the key, when the value is anything else.
pub fn string(key: &str) -> Result<Option<String>, Error> {
    let table = json();
    let Some(value) = json::find(&table, key) else { return Ok(None) };
    let wrong = || Error::config(key, format_args!("is {value}; it has to be a string"));
    json::string(value).map(Some).ok_or_else(wrong)
}

/// The strings under a key, which may be one string or an array of them; nothing when the key is absent.
///
/// # Errors
/// [`Error::Config`], naming the key, when the value is neither.
pub fn strings(key: &str) -> Result<Option<Vec<String>>, Error> {
    let Some(text) = get(key) else { return Ok(None) };
    if !text.trim_start().starts_with('[') {
        return Ok(Some(vec![text]));
    }
    let wrong = || Error::config(key, format_args!("is {text}; it has to be a string or an array of strings"));
    json::strings(&text).map(Some).ok_or_else(wrong)
}

/// The whole table as one JSON object; `{}` when there is none.
pub fn json() -> String {
    host::config_json()
}
