//! Durations and sizes as a person writes them.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Reads a duration such as `30s`, `500ms`, `1m30s` or `1.5s`.
///
/// # Errors
/// The text has another form, or the duration is zero or negative.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration_or_zero(text)?;
    if duration.is_zero() { Err(format!("`{text}` is no time at all; write one such as `30s`")) } else { Ok(duration) }
}

fn parse_duration_or_zero(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write one such as `30s`, `500ms` or `1m30s`");
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| wrong())
}

/// For `#[serde(deserialize_with)]`: a duration as [`parse_duration`] reads it.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For `#[serde(deserialize_with)]`: a duration that may be `0s`.
pub fn duration_or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration_or_zero(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For `#[serde(default, deserialize_with)]`: a duration that may be absent.
pub fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// Reads a size in bytes, such as `32MiB`, `64kB` or `1024`.
///
/// # Errors
/// The text has another form.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let size: Result<bytesize::ByteSize, _> = text.parse();
    size.map(|size| size.as_u64()).map_err(|_| format!("`{text}` is not a size; write one such as `32MiB` or `64KiB`"))
}

/// For `#[serde(deserialize_with)]`: a size as [`parse_size`] reads it.
pub fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parse_size(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For `#[serde(default, deserialize_with)]`: a size that may be absent.
pub fn optional_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    size(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_forms_of_the_agents_before() {
        for (text, millis) in [("30s", 30_000), ("500ms", 500), ("1m30s", 90_000), ("1.5s", 1_500), ("1h", 3_600_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "30", "-5s", "0s", "soon"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
