//! `[limits]`: what one collector may use. Every limit has a default and a range.

use std::time::Duration;

use sandbeat_status::{names, settings};
use serde::Deserialize;

use super::Wrong;

/// What a collector may use. "Call" is one `collect` or `describe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// All linear memories, tables and instances together, in bytes.
    #[serde(deserialize_with = "settings::size")]
    pub(crate) memory: u64,
    /// Wall clock for one call, host functions included.
    #[serde(deserialize_with = "settings::duration")]
    pub(crate) timeout: Duration,
    /// CPU for one call.
    #[serde(deserialize_with = "settings::duration")]
    pub(crate) cpu: Duration,
    /// What calls may nest, in bytes of native stack.
    #[serde(deserialize_with = "settings::size")]
    pub(crate) stack: u64,
    /// What one answer may cost to lift out of the guest, in bytes.
    #[serde(deserialize_with = "settings::size")]
    pub(crate) output: u64,
    /// Metrics of one collect.
    pub(crate) metrics: u64,
    /// Metadata entries of one collect.
    pub(crate) metadata: u64,
    /// Attributes of one metric.
    pub(crate) attributes: u64,
    /// Bytes of a metric's, attribute's or metadata entry's name.
    pub(crate) name_length: u64,
    /// Bytes of an attribute's value.
    pub(crate) value_length: u64,
    /// Different pairs of name and attributes within an hour.
    pub(crate) series: u64,
    /// Log lines per minute.
    pub(crate) log_lines: u64,
    /// Keys and values in the host's state, in bytes.
    #[serde(deserialize_with = "settings::size")]
    pub(crate) state: u64,
    /// Calls of the `files` import in one call.
    pub(crate) file_calls: u64,
    /// What the `files` import hands over in one call, in bytes.
    #[serde(deserialize_with = "settings::size")]
    pub(crate) file_bytes: u64,
    /// HTTP requests in one call.
    pub(crate) http_requests: u64,
    /// Bodies of all HTTP answers in one call, in bytes.
    #[serde(deserialize_with = "settings::size")]
    pub(crate) http_bytes: u64,
    /// One HTTP exchange.
    #[serde(deserialize_with = "settings::duration")]
    pub(crate) http_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory: 32 << 20,
            timeout: Duration::from_secs(1),
            cpu: Duration::from_millis(200),
            stack: 512 << 10,
            output: 1 << 20,
            metrics: 1_000,
            metadata: 64,
            attributes: 16,
            name_length: names::MAX_NAME as u64,
            value_length: names::MAX_ATTRIBUTE_VALUE as u64,
            series: 2_000,
            log_lines: 60,
            state: 64 << 10,
            file_calls: 1_000,
            file_bytes: 16 << 20,
            http_requests: 16,
            http_bytes: 4 << 20,
            http_timeout: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// What is out of range.
    pub(super) fn wrong(&self) -> Wrong {
        let of_plenty = [
            ("memory", self.memory, 64 << 10, 4 << 30, "64KiB and 4GiB"),
            ("stack", self.stack, 64 << 10, 8 << 20, "64KiB and 8MiB"),
            ("output", self.output, 1 << 10, 16 << 20, "1KiB and 16MiB"),
            ("metrics", self.metrics, 0, 5_000, "0 and 5000"),
            ("metadata", self.metadata, 0, 256, "0 and 256"),
            ("attributes", self.attributes, 0, 64, "0 and 64"),
            ("name_length", self.name_length, 1, names::MAX_NAME as u64, "1 and 128"),
            ("value_length", self.value_length, 0, names::MAX_ATTRIBUTE_VALUE as u64, "0 and 256"),
            ("series", self.series, 0, 100_000, "0 and 100000"),
            ("log_lines", self.log_lines, 0, 6_000, "0 and 6000"),
            ("state", self.state, 0, 16 << 20, "0 and 16MiB"),
            ("file_calls", self.file_calls, 0, 1_000_000, "0 and 1000000"),
            ("file_bytes", self.file_bytes, 0, 4 << 30, "0 and 4GiB"),
            ("http_requests", self.http_requests, 0, 1_000, "0 and 1000"),
            ("http_bytes", self.http_bytes, 0, 256 << 20, "0 and 256MiB"),
        ];
        let mut wrong: Wrong = of_plenty
            .iter()
            .filter(|(_, value, least, most, _)| value < least || value > most)
            .map(|(key, _, _, _, range)| ((*key).to_owned(), format!("has to be between {range}")))
            .collect();
        let minute = Duration::from_secs(60);
        for (key, value) in [("timeout", self.timeout), ("cpu", self.cpu), ("http_timeout", self.http_timeout)] {
            if value > minute {
                wrong.push((key.to_owned(), "has to be 1m or less".to_owned()));
            }
        }
        wrong
    }
}
