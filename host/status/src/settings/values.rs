//! Durations and sizes as a person writes them.

use std::fmt;
use std::time::Duration;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads a duration such as `30s`, `500ms`, `1m30s` or `1.5s`.
///
/// # Errors
/// The text has another form, or the duration is zero or negative.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration_or_zero(text)?;
    if duration.is_zero() { Err(format!("`{text}` is no time at all; write one such as `30s`")) } else { Ok(duration) }
}

fn parse_duration_or_zero(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("`{text}` is not a duration; write one such as `30s`, `1m30s` or `24h`, with the units h, m, s and ms")
    };
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| wrong())
}

/// For `#[serde(deserialize_with)]`: a duration as [`parse_duration`] reads it.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&deserializer.deserialize_any(Written { unit: "s" })?).map_err(D::Error::custom)
}

/// For `#[serde(deserialize_with)]`: a duration that may be `0s`.
pub fn duration_or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration_or_zero(&deserializer.deserialize_any(Written { unit: "s" })?).map_err(D::Error::custom)
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
    parse_size(&deserializer.deserialize_any(Written { unit: "" })?).map_err(D::Error::custom)
}

/// For `#[serde(default, deserialize_with)]`: a size that may be absent.
pub fn optional_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    size(deserializer).map(Some)
}

/// Takes a text; a number is refused with the text that was probably meant.
struct Written {
    unit: &'static str,
}

impl Written {
    fn meant<E: Error>(&self, number: impl fmt::Display) -> E {
        E::custom(format!("is the number {number}; write a text in quotes, such as `\"{number}{}\"`", self.unit))
    }
}

impl Visitor<'_> for Written {
    type Value = String;

    // As serde has it for a text.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Err(self.meant(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Err(self.meant(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        Err(self.meant(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_forms_of_the_agents_before() {
        for (text, millis) in [("30s", 30_000), ("500ms", 500), ("1m30s", 90_000), ("1.5s", 1_500), ("1h", 3_600_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "30", "-5s", "0s", "soon", "1d"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
