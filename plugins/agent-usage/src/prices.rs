//! What tokens cost: a table of current models, and what the operator says of others.
//!
//! A model is found by its name, also behind `anthropic/`, `openai/` or `google/`, with a date at its end, or with
//! `[1m]`. Nothing nearer than that is guessed: a model that is not found has no price, and its cost is absent.

use std::collections::BTreeMap;

use sandbeat_sdk::{Error, config};
use serde_json::{Map, Value};

use crate::usage::Volume;

/// USD per million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Price {
    base: Rates,
    /// Where a large context costs more: from how many tokens of input on, and what all of the request costs then.
    long: Option<(u64, Rates)>,
    /// By how much all of it is multiplied in a faster mode; absent where that is not known.
    fast: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    input: f64,
    output: f64,
    cache_read: f64,
    cache_write: f64,
}

/// Where a request's tokens belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Ordinary,
    Long,
}

/// The table, and what the configuration adds to it.
#[derive(Debug, Default)]
pub(crate) struct Prices {
    configured: BTreeMap<String, Price>,
}

/// What `[config.prices."MODEL"]` may have.
const KEYS: [&str; 4] = ["input", "output", "cache_read", "cache_write"];

impl Prices {
    /// Of the table `prices` of the configuration, as JSON.
    ///
    /// # Errors
    /// A key is unknown or missing, or a value is no price: which.
    pub(crate) fn new(json: Option<&str>) -> Result<Prices, Error> {
        let Some(json) = json else { return Ok(Prices::default()) };
        let models: Map<String, Value> = serde_json::from_str(json)
            .map_err(|_| Error::config("prices", format_args!("is {json}; it has to be a table of models")))?;
        let price = |(model, table): (String, Value)| {
            let base = Rates::configured(&format!("prices.{model:?}"), &table)?;
            Ok((model, Price { base, long: None, fast: None }))
        };
        Ok(Prices { configured: models.into_iter().map(price).collect::<Result<_, Error>>()? })
    }

    pub(crate) fn find(&self, model: &str) -> Option<Price> {
        let known = |name: &str| {
            let listed = || TABLE.binary_search_by(|(other, _)| (*other).cmp(name)).ok();
            self.configured.get(name).copied().or_else(|| TABLE.get(listed()?).map(|(_, price)| *price))
        };
        let prefix = ["anthropic/", "openai/", "google/"].into_iter().find_map(|prefix| model.strip_prefix(prefix));
        let plain = prefix.unwrap_or(model);
        let plain = plain.strip_suffix("[1m]").unwrap_or(plain);
        // OpenCode's providers write `claude-sonnet-4.5`.
        let dashed = if plain.starts_with("claude-") { plain.replace('.', "-") } else { plain.to_owned() };
        known(model).or_else(|| known(plain)).or_else(|| known(&dashed)).or_else(|| known(without_date(&dashed)))
    }
}

impl Rates {
    /// Of the table under a key of the configuration.
    fn configured(key: &str, table: &Value) -> Result<Rates, Error> {
        let known = KEYS.join(", ");
        let Value::Object(table) = table else {
            return Err(Error::config(key, format_args!("is {table}; it has to be a table of {known}")));
        };
        if let Some(other) = table.keys().find(|name| !KEYS.contains(&name.as_str())) {
            return Err(config::unknown(&format!("{key}."), other, &KEYS));
        }
        let rate = |name: &str| {
            let Some(value) = table.get(name) else { return Ok(None) };
            let price = value.as_f64().filter(|price| price.is_finite() && *price >= 0.0);
            let wrong = || Error::config(&format!("{key}.{name}"), format_args!("is {value}; it has to be 0 or more"));
            price.map(Some).ok_or_else(wrong)
        };
        let (Some(input), Some(output)) = (rate("input")?, rate("output")?) else {
            return Err(Error::config(key, "needs both `input` and `output`"));
        };
        let cache_read = rate("cache_read")?.unwrap_or(input);
        let cache_write = rate("cache_write")?.unwrap_or(input);
        Ok(Rates { input, output, cache_read, cache_write })
    }
}

impl Price {
    /// How a request is priced, by all of its input.
    pub(crate) fn size(&self, context: u64) -> Size {
        match self.long {
            Some((above, _)) if context > above => Size::Long,
            _ => Size::Ordinary,
        }
    }

    /// What tokens cost in USD; absent for a faster mode whose price is not known.
    pub(crate) fn cost(&self, volume: &Volume, size: Size, fast: bool) -> Option<f64> {
        let rates = match (size, self.long) {
            (Size::Long, Some((_, long))) => long,
            _ => self.base,
        };
        let [input, output, read, write, write_1h] = volume.parts().map(|tokens| tokens as f64);
        let sum = input * rates.input
            + output * rates.output
            + read * rates.cache_read
            + write * rates.cache_write
            // Anthropic's rule, who alone has such caches.
            + write_1h * rates.input * 2.0;
        let times = if fast { self.fast? } else { 1.0 };
        Some(sum / 1e6 * times)
    }
}

/// A name without `-20260916` or `-2026-09-16` at its end.
fn without_date(name: &str) -> &str {
    let is_date = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or_default();
        match digits.len() {
            8 => digits.bytes().all(|b| b.is_ascii_digit()),
            10 => digits
                .bytes()
                .enumerate()
                .all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() }),
            _ => false,
        }
    };
    let cut = |length: usize| name.split_at_checked(name.len().checked_sub(length)?).filter(|(_, date)| is_date(date));
    cut(11).or_else(|| cut(9)).map_or(name, |(name, _)| name)
}

/// A price from input, output, what a cache gives and what a cache takes.
const fn price(input: f64, output: f64, cache_read: f64, cache_write: f64) -> Price {
    Price { base: Rates { input, output, cache_read, cache_write }, long: None, fast: None }
}

impl Price {
    const fn fast(mut self, times: f64) -> Price {
        self.fast = Some(times);
        self
    }

    const fn above(mut self, tokens: u64, input: f64, output: f64, cache_read: f64, cache_write: f64) -> Price {
        self.long = Some((tokens, Rates { input, output, cache_read, cache_write }));
        self
    }
}

/// By name. From LiteLLM's public price list (`model_prices_and_context_window.json` of litellm 1.109.1, read on
/// 2026-11-21); models that it has dropped, and the fast mode of Claude Opus 4.6 and 4.7, as Anthropic publishes them.
/// Where a provider asks nothing for putting input into a cache, that is priced as input.
const TABLE: &[(&str, Price)] = &[
    ("claude-3-5-haiku", price(0.8, 4.0, 0.08, 1.0)),
    ("claude-3-5-sonnet", price(3.0, 15.0, 0.3, 3.75)),
    ("claude-3-7-sonnet", price(3.0, 15.0, 0.3, 3.75)),
    ("claude-fable-5", price(10.0, 50.0, 1.0, 12.5)),
    ("claude-fable-5-1", price(10.0, 50.0, 0.25, 12.5)),
    ("claude-haiku-4-5", price(1.0, 5.0, 0.1, 1.25)),
    ("claude-haiku-5-5", price(0.1, 0.5, 0.01, 0.125)),
    ("claude-mythos-5", price(10.0, 50.0, 1.0, 12.5)),
    ("claude-mythos-5-1", price(10.0, 50.0, 0.25, 12.5)),
    ("claude-opus-4", price(15.0, 75.0, 1.5, 18.75)),
    ("claude-opus-4-1", price(15.0, 75.0, 1.5, 18.75)),
    ("claude-opus-4-5", price(5.0, 25.0, 0.5, 6.25)),
    ("claude-opus-4-6", price(5.0, 25.0, 0.5, 6.25).fast(6.0)),
    ("claude-opus-4-7", price(5.0, 25.0, 0.5, 6.25).fast(6.0)),
    ("claude-opus-4-8", price(5.0, 25.0, 0.5, 6.25).fast(2.0)),
    ("claude-opus-5", price(5.0, 25.0, 0.5, 6.25).fast(2.0)),
    ("claude-opus-5-5", price(4.0, 20.0, 0.2, 5.0).fast(2.0)),
    ("claude-sonnet-4", price(3.0, 15.0, 0.3, 3.75)),
    ("claude-sonnet-4-5", price(3.0, 15.0, 0.3, 3.75)),
    ("claude-sonnet-4-6", price(3.0, 15.0, 0.3, 3.75)),
    ("claude-sonnet-5", price(2.0, 10.0, 0.2, 2.5)),
    ("claude-sonnet-5-5", price(2.0, 10.0, 0.1, 2.5)),
    ("deepseek-chat", price(0.28, 0.42, 0.028, 0.28)),
    ("deepseek-reasoner", price(0.28, 0.42, 0.028, 0.28)),
    ("deepseek-v4-flash", price(0.3, 1.2, 0.006, 0.3)),
    ("deepseek-v4-pro", price(1.32, 3.96, 0.044, 1.32)),
    ("gemini-2.5-flash", price(0.3, 2.5, 0.03, 0.3)),
    ("gemini-2.5-flash-lite", price(0.1, 0.4, 0.01, 0.1)),
    ("gemini-2.5-pro", price(1.25, 10.0, 0.125, 1.25).above(200_000, 2.5, 15.0, 0.25, 2.5)),
    ("gemini-3-flash-preview", price(0.5, 3.0, 0.05, 0.5)),
    ("gemini-3.1-pro-preview", price(2.0, 12.0, 0.2, 2.0).above(200_000, 4.0, 18.0, 0.4, 4.0)),
    ("gemini-3.5-flash", price(1.5, 9.0, 0.15, 1.5)),
    ("gemini-3.6-flash", price(0.75, 3.75, 0.075, 0.75)),
    ("gemini-3.7-flash", price(0.75, 3.75, 0.075, 0.75)),
    ("gemini-3.8-flash", price(0.75, 3.75, 0.075, 0.75)),
    ("glm-4.6", price(0.6, 2.2, 0.11, 0.6)),
    ("glm-4.7", price(0.6, 2.2, 0.11, 0.6)),
    ("glm-5", price(1.0, 3.2, 0.2, 1.0)),
    ("glm-5.1", price(1.4, 4.4, 0.26, 1.4)),
    ("gpt-4.1", price(2.0, 8.0, 0.5, 2.0)),
    ("gpt-4.1-mini", price(0.4, 1.6, 0.1, 0.4)),
    ("gpt-4o", price(2.5, 10.0, 1.25, 2.5)),
    ("gpt-5", price(1.25, 10.0, 0.125, 1.25).fast(2.0)),
    ("gpt-5-codex", price(1.25, 10.0, 0.125, 1.25)),
    ("gpt-5-mini", price(0.25, 2.0, 0.025, 0.25).fast(1.8)),
    ("gpt-5-nano", price(0.05, 0.4, 0.005, 0.05)),
    ("gpt-5-pro", price(15.0, 120.0, 15.0, 15.0)),
    ("gpt-5.1", price(1.25, 10.0, 0.125, 1.25).fast(2.0)),
    ("gpt-5.1-codex", price(1.25, 10.0, 0.125, 1.25)),
    ("gpt-5.1-codex-max", price(1.25, 10.0, 0.125, 1.25)),
    ("gpt-5.1-codex-mini", price(0.25, 2.0, 0.025, 0.25)),
    ("gpt-5.2", price(1.75, 14.0, 0.175, 1.75).fast(2.0)),
    ("gpt-5.2-codex", price(1.75, 14.0, 0.175, 1.75)),
    ("gpt-5.2-pro", price(21.0, 168.0, 21.0, 21.0)),
    ("gpt-5.3-codex", price(1.75, 14.0, 0.175, 1.75).fast(2.0)),
    ("gpt-5.4", price(2.5, 15.0, 0.25, 2.5).above(272_000, 5.0, 22.5, 0.5, 5.0).fast(2.0)),
    ("gpt-5.4-mini", price(0.75, 4.5, 0.075, 0.75).fast(2.0)),
    ("gpt-5.4-nano", price(0.2, 1.25, 0.02, 0.2)),
    ("gpt-5.4-pro", price(30.0, 180.0, 30.0, 30.0).above(272_000, 60.0, 270.0, 60.0, 60.0)),
    ("gpt-5.5", price(5.0, 30.0, 0.5, 5.0).above(272_000, 10.0, 45.0, 1.0, 10.0).fast(2.5)),
    ("gpt-5.5-pro", price(30.0, 180.0, 30.0, 30.0).above(272_000, 60.0, 270.0, 60.0, 60.0)),
    ("gpt-5.6", price(4.0, 20.0, 0.4, 5.0).above(272_000, 8.0, 30.0, 0.8, 10.0).fast(2.0)),
    ("gpt-5.6-luna", price(0.2, 1.2, 0.02, 0.25).above(272_000, 0.4, 1.8, 0.04, 0.5).fast(2.0)),
    ("gpt-5.6-sol", price(4.0, 20.0, 0.4, 5.0).above(272_000, 8.0, 30.0, 0.8, 10.0).fast(2.0)),
    ("gpt-5.6-terra", price(2.0, 12.0, 0.2, 2.5).above(272_000, 4.0, 18.0, 0.4, 5.0).fast(2.0)),
    ("grok-4.5", price(2.0, 6.0, 0.3, 2.0).above(200_000, 4.0, 12.0, 0.6, 4.0)),
    ("grok-code-fast-1", price(1.0, 2.0, 0.2, 1.0).above(200_000, 2.0, 4.0, 0.4, 2.0)),
    ("kimi-k2.5", price(0.6, 3.0, 0.1, 0.6)),
    ("kimi-k2.6", price(0.95, 4.0, 0.16, 0.95)),
    ("kimi-k3", price(3.0, 15.0, 0.3, 3.0)),
    ("o3", price(2.0, 8.0, 0.5, 2.0).fast(1.75)),
    ("o4-mini", price(1.1, 4.4, 0.275, 1.1)),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(model: &str, volume: Volume, fast: bool) -> Option<f64> {
        let price = Prices::default().find(model)?;
        price.cost(&volume, price.size(volume.context()), fast)
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn models_are_found_by_their_names() {
        let opus = Prices::default().find("claude-opus-4-5").unwrap();
        for name in ["claude-opus-4-5-20251101", "anthropic/claude-opus-4.5", "claude-opus-4-5[1m]"] {
            assert_eq!(Prices::default().find(name), Some(opus), "{name}");
        }
        assert!(Prices::default().find("gpt-5.5-2026-04-23").is_some());
        for name in ["", "claude", "claude-opus-4-55", "gpt-5.55", "gpt-5.5-ultra", "-20251101", "ü-2026-04-23"] {
            assert_eq!(Prices::default().find(name), None, "{name}");
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let volume = Volume { input: 10, output: 40, cache_read: 30, cache_write: 20, cache_write_1h: 5 };
        let expected = (10.0 * 5.0 + 40.0 * 25.0 + 30.0 * 0.5 + 20.0 * 6.25 + 5.0 * 10.0) / 1e6;
        assert!((cost("claude-opus-4-8", volume, false).unwrap() - expected).abs() < 1e-12);
        assert!((cost("claude-opus-4-8", volume, true).unwrap() - 2.0 * expected).abs() < 1e-12);
        assert_eq!(cost("claude-haiku-4-5", volume, true), None, "not known");
        assert_eq!(cost("unheard-of", volume, false), None);
    }

    #[test]
    fn a_large_context_makes_all_of_a_request_dearer() {
        let at = |cache_read| Volume { input: 72_000, cache_read, output: 1_000, ..Volume::default() };
        assert!((cost("gpt-5.5", at(200_000), false).unwrap() - 0.49).abs() < 1e-12);
        assert!((cost("gpt-5.5", at(200_001), false).unwrap() - (0.72 + 0.200_001 + 0.045)).abs() < 1e-12);
    }

    #[test]
    fn the_operator_s_prices_come_first() {
        let json =
            r#"{"gpt-5.5":{"input":1,"output":2},"my.model":{"input":1,"output":2,"cache_read":0.5,"cache_write":3}}"#;
        let prices = Prices::new(Some(json)).unwrap();
        let million = Volume {
            input: 1_000_000,
            output: 1_000_000,
            cache_read: 1_000_000,
            cache_write: 1_000_000,
            cache_write_1h: 0,
        };
        let cost = |model| prices.find(model).unwrap().cost(&million, Size::Ordinary, false);
        assert_eq!((cost("gpt-5.5"), cost("my.model")), (Some(5.0), Some(6.5)));
        assert!(prices.find("claude-opus-5").is_some());
    }

    #[test]
    fn what_is_wrong_with_the_operator_s_prices_is_named() {
        for (wrong, told) in [
            ("3", "`prices` is 3; it has to be a table of models"),
            (
                r#"{"input":1}"#,
                r#"`prices."input"` is 1; it has to be a table of input, output, cache_read, cache_write"#,
            ),
            (r#"{"a":{"input":1}}"#, r#"`prices."a"` needs both `input` and `output`"#),
            (r#"{"a":{"input":-1,"output":1}}"#, r#"`prices."a".input` is -1; it has to be 0 or more"#),
            (r#"{"a":{"input":1,"output":"1"}}"#, r#"`prices."a".output` is "1"; it has to be 0 or more"#),
            (
                r#"{"b.c":{"input":1,"output":1},"a":{"input":1,"outptu":1}}"#,
                r#"`prices."a".outptu` is an unknown key; did you mean `prices."a".output`? known here: input, output, cache_read, cache_write"#,
            ),
            (
                r#"{"gpt-5.5":{"input":1,"output":1,"x":1}}"#,
                r#"`prices."gpt-5.5".x` is an unknown key; known here: input, output, cache_read, cache_write"#,
            ),
            (
                r#"{"a":{"input":1,"output":1,"":1}}"#,
                r#"`prices."a".""` is an unknown key; known here: input, output, cache_read, cache_write"#,
            ),
        ] {
            assert_eq!(Prices::new(Some(wrong)).unwrap_err(), Error::Config(told.to_owned()), "{wrong}");
        }
    }
}
