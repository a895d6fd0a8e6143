//! What the logs of all agents have in common: an entry, which is one answered request and the tokens that it took.
//!
//! Invariant: no count of an entry is above [`MAX_TOKENS`] and no cost above [`MAX_USD`], so that sums of any number of
//! them stay exact and finite. Whoever makes an entry checks that with [`Entry::is_sane`].

use sandbeat_common::plain_within;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// More than any model takes in one request. A log that says more is not believed.
pub(crate) const MAX_TOKENS: u64 = 1_000_000_000;

/// More than any request costs, in USD. A log that says more is not believed.
pub(crate) const MAX_USD: f64 = 100_000.0;

/// The longest name of a model or provider that is reported, in bytes.
const MAX_NAME: usize = 96;

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Agent {
    ClaudeCode,
    Codex,
    OpenCode,
}

/// Tokens, in kinds that have prices of their own; no token is in two of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Volume {
    /// Input that no cache had.
    pub(crate) input: u64,
    /// Output, with what went into reasoning.
    pub(crate) output: u64,
    /// Input from a cache.
    pub(crate) cache_read: u64,
    /// Input that was put into a cache, for some minutes.
    pub(crate) cache_write: u64,
    /// Input that was put into a cache for an hour.
    pub(crate) cache_write_1h: u64,
}

/// One answered request, as a log has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Absent where the log does not say.
    pub(crate) model: Option<String>,
    /// Absent where the agent has but one.
    pub(crate) provider: Option<String>,
    pub(crate) volume: Volume,
    /// How many tokens of the output went into reasoning.
    pub(crate) reasoning: u64,
    /// In a mode that costs more.
    pub(crate) fast: bool,
    /// What it cost in USD, where the log says so itself.
    pub(crate) usd: Option<f64>,
}

impl Agent {
    pub(crate) const ALL: [Agent; 3] = [Agent::ClaudeCode, Agent::Codex, Agent::OpenCode];

    /// As reports name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Agent::ClaudeCode => "claude-code",
            Agent::Codex => "codex",
            Agent::OpenCode => "opencode",
        }
    }

    /// As OpenTelemetry names who answers its requests, where it says nothing else.
    pub(crate) fn provider(self) -> &'static str {
        match self {
            Agent::ClaudeCode => "anthropic",
            Agent::Codex => "openai",
            Agent::OpenCode => "unknown",
        }
    }
}

impl Volume {
    /// Input of all kinds: what the model had before it when it answered.
    pub(crate) fn context(&self) -> u64 {
        self.input + self.cache_read + self.cache_writes()
    }

    pub(crate) fn cache_writes(&self) -> u64 {
        self.cache_write + self.cache_write_1h
    }

    pub(crate) fn total(&self) -> u64 {
        self.context() + self.output
    }

    pub(crate) fn is_sane(&self) -> bool {
        self.parts().iter().all(|count| *count <= MAX_TOKENS)
    }

    pub(crate) fn parts(&self) -> [u64; 5] {
        [self.input, self.output, self.cache_read, self.cache_write, self.cache_write_1h]
    }

    /// The two, part by part.
    pub(crate) fn with(&self, other: &Volume, join: impl Fn(u64, u64) -> u64) -> Volume {
        Volume {
            input: join(self.input, other.input),
            output: join(self.output, other.output),
            cache_read: join(self.cache_read, other.cache_read),
            cache_write: join(self.cache_write, other.cache_write),
            cache_write_1h: join(self.cache_write_1h, other.cache_write_1h),
        }
    }
}

impl Entry {
    /// A request that took nothing was none: an error that the agent wrote down in the form of an answer.
    pub(crate) fn counts(&self) -> bool {
        self.is_sane() && (self.volume.total() > 0 || self.reasoning > 0)
    }

    /// Whether its figures are possible.
    pub(crate) fn is_sane(&self) -> bool {
        // NaN is in no range.
        let cost = self.usd.is_none_or(|usd| (0.0..=MAX_USD).contains(&usd));
        self.volume.is_sane() && self.reasoning <= MAX_TOKENS && cost
    }
}

/// A name from a log in the form in which it may go into a report: bounded and printable. Nothing where nothing is left.
pub(crate) fn name(text: &str) -> Option<String> {
    let text: String = text.trim().chars().take(MAX_NAME).collect();
    let name = plain_within(&text, MAX_NAME).replace(char::REPLACEMENT_CHARACTER, "_");
    (!name.is_empty()).then_some(name)
}

/// What something is known by in the state: its text is not kept.
pub(crate) fn fingerprint(text: &[u8]) -> u64 {
    xxh3_64(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_printable() {
        assert_eq!(name(" gpt-5.5\n").as_deref(), Some("gpt-5.5"));
        assert_eq!(name("a\u{7}b\u{1b}[31m").as_deref(), Some("a_b_[31m"));
        assert_eq!(name(" \t"), None);
        let long = name(&"ü".repeat(500)).unwrap();
        assert!(long.len() <= MAX_NAME && long.chars().all(|c| c == 'ü'), "{long}");
    }

    #[test]
    fn what_took_nothing_or_too_much_does_not_count() {
        let entry = |volume, reasoning| Entry { volume, reasoning, ..Entry::default() };
        assert!(!entry(Volume::default(), 0).counts());
        assert!(entry(Volume::default(), 1).counts());
        assert!(entry(Volume { cache_read: MAX_TOKENS, ..Volume::default() }, 0).counts());
        assert!(!entry(Volume { cache_read: MAX_TOKENS + 1, ..Volume::default() }, 0).counts());
        for (usd, counts) in [
            (0.0, true),
            (MAX_USD, true),
            (MAX_USD + 0.01, false),
            (-0.01, false),
            (1.5e308, false),
            (f64::INFINITY, false),
            (f64::NAN, false),
        ] {
            assert_eq!(Entry { usd: Some(usd), ..entry(Volume::default(), 1) }.counts(), counts, "{usd}");
        }
    }
}
