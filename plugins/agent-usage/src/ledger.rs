//! The totals: what was counted for each agent and model.
//!
//! Tokens are kept apart by how they are priced and not as money, so that a price that becomes known later holds for
//! what was before. A message that is written anew with other figures takes the place of its older form, and the sums
//! may become smaller for it; what is reported never does (`Row::shown`).
//!
//! Bound: [`MAX_ROWS`] rows; what would be one more is counted under the model `other` of its agent.

use serde::{Deserialize, Serialize};

use crate::prices::{Prices, Size};
use crate::usage::{Agent, Entry, Volume};

/// Pairs of agent and model, with room for one `other` of each agent.
const MAX_ROWS: usize = 64;

/// What is reported where a log names no model.
const UNKNOWN: &str = "unknown";
/// What is reported for models beyond the bound.
const OTHER: &str = "other";

/// All totals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    rows: Vec<Row>,
}

/// The totals of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    agent: Agent,
    provider: String,
    model: String,
    fast: bool,
    counted: Account,
    /// The most that has been reported.
    shown: Account,
}

/// Sums.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    requests: u64,
    reasoning: u64,
    ordinary: Volume,
    long: Volume,
    /// Of requests whose cost the log says.
    recorded: Volume,
    usd: f64,
}

/// One request's part of a row: what has to be known to take it out again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Charge {
    pub(crate) row: u8,
    volume: Volume,
    reasoning: u64,
    long: bool,
    usd: Option<f64>,
}

/// What is reported of one model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Total {
    pub(crate) agent: Agent,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) requests: u64,
    pub(crate) reasoning: u64,
    pub(crate) volume: Volume,
    /// Absent where a price is missing.
    pub(crate) usd: Option<f64>,
}

impl Ledger {
    /// What a request is charged as; nothing is counted yet.
    pub(crate) fn charge(&mut self, agent: Agent, entry: &Entry, prices: &Prices) -> Charge {
        let size =
            entry.model.as_deref().and_then(|model| prices.find(model)).map(|price| price.size(entry.volume.context()));
        Charge {
            row: self.row(agent, entry),
            volume: entry.volume,
            reasoning: entry.reasoning,
            long: size == Some(Size::Long),
            usd: entry.usd,
        }
    }

    pub(crate) fn add(&mut self, charge: &Charge) {
        self.apply(charge, u64::saturating_add, 1.0);
    }

    pub(crate) fn take_out(&mut self, charge: &Charge) {
        self.apply(charge, u64::saturating_sub, -1.0);
    }

    /// Whether each further model is counted under `other`.
    pub(crate) fn is_full(&self) -> bool {
        self.rows.len() + Agent::ALL.len() >= MAX_ROWS
    }

    /// What is to be reported, and is from now on the least that will be.
    pub(crate) fn show(&mut self, prices: &Prices) -> Vec<Total> {
        let mut totals: Vec<Total> = Vec::new();
        for row in &mut self.rows {
            row.shown.raise(&row.counted);
            let usd = row.usd(prices);
            let volume = row.shown.volume();
            let same = |total: &&mut Total| {
                (total.agent, &total.provider, &total.model) == (row.agent, &row.provider, &row.model)
            };
            match totals.iter_mut().find(same) {
                Some(total) => {
                    total.requests += row.shown.requests;
                    total.reasoning += row.shown.reasoning;
                    total.volume = total.volume.with(&volume, u64::saturating_add);
                    total.usd = total.usd.zip(usd).map(|(sum, more)| sum + more);
                }
                None => totals.push(Total {
                    agent: row.agent,
                    provider: row.provider.clone(),
                    model: row.model.clone(),
                    requests: row.shown.requests,
                    reasoning: row.shown.reasoning,
                    volume,
                    usd,
                }),
            }
        }
        totals
    }

    fn apply(&mut self, charge: &Charge, join: fn(u64, u64) -> u64, sign: f64) {
        let Some(row) = self.rows.get_mut(usize::from(charge.row)) else { return };
        let account = &mut row.counted;
        account.requests = join(account.requests, 1);
        account.reasoning = join(account.reasoning, charge.reasoning);
        let volume = match (charge.usd, charge.long) {
            (Some(_), _) => &mut account.recorded,
            (None, true) => &mut account.long,
            (None, false) => &mut account.ordinary,
        };
        *volume = volume.with(&charge.volume, join);
        account.usd = (account.usd + sign * charge.usd.unwrap_or_default()).max(0.0);
    }

    /// The row of an entry, made where there is none.
    fn row(&mut self, agent: Agent, entry: &Entry) -> u8 {
        let provider = entry.provider.as_deref().unwrap_or(agent.provider());
        let model = entry.model.as_deref().unwrap_or(UNKNOWN);
        let found = self.find(agent, provider, model, entry.fast);
        let at = found.unwrap_or_else(|| match self.is_full() {
            false => self.insert(agent, provider, model, entry.fast),
            true => {
                self.find(agent, UNKNOWN, OTHER, false).unwrap_or_else(|| self.insert(agent, UNKNOWN, OTHER, false))
            }
        });
        u8::try_from(at).unwrap_or(u8::MAX)
    }

    fn find(&self, agent: Agent, provider: &str, model: &str, fast: bool) -> Option<usize> {
        let wanted = (agent, provider, model, fast);
        self.rows.iter().position(|row| (row.agent, &*row.provider, &*row.model, row.fast) == wanted)
    }

    fn insert(&mut self, agent: Agent, provider: &str, model: &str, fast: bool) -> usize {
        let (provider, model) = (provider.to_owned(), model.to_owned());
        let (counted, shown) = (Account::default(), Account::default());
        self.rows.push(Row { agent, provider, model, fast, counted, shown });
        self.rows.len() - 1
    }
}

impl Charge {
    pub(crate) fn new(row: u8, volume: Volume, reasoning: u64, long: bool, usd: Option<f64>) -> Charge {
        Charge { row, volume, reasoning, long, usd }
    }

    /// Tokens, what of them was reasoning, whether the context is large, and the cost that the log says.
    pub(crate) fn parts(&self) -> (Volume, u64, bool, Option<f64>) {
        (self.volume, self.reasoning, self.long, self.usd)
    }
}

impl Row {
    fn usd(&self, prices: &Prices) -> Option<f64> {
        let Account { ordinary, long, usd, .. } = &self.shown;
        if ordinary.total() + long.total() == 0 {
            return Some(*usd);
        }
        let price = prices.find(&self.model)?;
        let ordinary = price.cost(ordinary, Size::Ordinary, self.fast)?;
        Some(usd + ordinary + price.cost(long, Size::Long, self.fast)?)
    }
}

impl Account {
    fn volume(&self) -> Volume {
        self.ordinary.with(&self.long, u64::saturating_add).with(&self.recorded, u64::saturating_add)
    }

    fn raise(&mut self, to: &Account) {
        self.requests = self.requests.max(to.requests);
        self.reasoning = self.reasoning.max(to.reasoning);
        self.ordinary = self.ordinary.with(&to.ordinary, u64::max);
        self.long = self.long.with(&to.long, u64::max);
        self.recorded = self.recorded.with(&to.recorded, u64::max);
        self.usd = self.usd.max(to.usd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(model: &str, input: u64) -> Entry {
        Entry { model: Some(model.into()), volume: Volume { input, ..Volume::default() }, ..Entry::default() }
    }

    fn add(ledger: &mut Ledger, entry: &Entry) -> Charge {
        let charge = ledger.charge(Agent::Codex, entry, &Prices::default());
        ledger.add(&charge);
        charge
    }

    fn show(ledger: &mut Ledger) -> Vec<(String, u64, u64, Option<f64>)> {
        let totals = ledger.show(&Prices::default());
        totals.into_iter().map(|total| (total.model, total.requests, total.volume.input, total.usd)).collect()
    }

    #[test]
    fn totals_are_by_model() {
        let mut ledger = Ledger::default();
        add(&mut ledger, &entry("gpt-5.5", 100_000));
        add(&mut ledger, &entry("gpt-5.5", 100_000));
        add(&mut ledger, &entry("foo", 7));
        add(&mut ledger, &Entry { model: None, ..entry("", 3) });
        let expected = [("gpt-5.5", 2, 200_000, Some(1.0)), ("foo", 1, 7, None), ("unknown", 1, 3, None)];
        assert_eq!(show(&mut ledger), expected.map(|(model, n, input, usd)| (model.to_owned(), n, input, usd)));
    }

    #[test]
    fn modes_and_sizes_are_priced_apart_and_reported_together() {
        let mut ledger = Ledger::default();
        add(&mut ledger, &entry("gpt-5.5", 100_000));
        add(&mut ledger, &entry("gpt-5.5", 300_000));
        add(&mut ledger, &Entry { fast: true, ..entry("gpt-5.5", 100_000) });
        add(&mut ledger, &Entry { usd: Some(0.25), ..entry("gpt-5.5", 100_000) });
        assert_eq!(show(&mut ledger), [("gpt-5.5".to_owned(), 4, 600_000, Some(0.5 + 3.0 + 1.25 + 0.25))]);
        add(&mut ledger, &Entry { fast: true, ..entry("gpt-5.1-codex", 1) });
        add(&mut ledger, &entry("gpt-5.1-codex", 1));
        assert_eq!(show(&mut ledger)[1].3, None, "a part has no price");
    }

    #[test]
    fn a_recorded_cost_needs_no_price() {
        let mut ledger = Ledger::default();
        add(&mut ledger, &Entry { usd: Some(0.5), ..entry("foo", 1) });
        assert_eq!(show(&mut ledger)[0].3, Some(0.5));
        add(&mut ledger, &entry("foo", 1));
        assert_eq!(show(&mut ledger)[0].3, None);
    }

    #[test]
    fn what_was_reported_never_shrinks() {
        let mut ledger = Ledger::default();
        let first = add(&mut ledger, &entry("gpt-5.5", 1000));
        ledger.take_out(&first);
        add(&mut ledger, &entry("gpt-5.5", 500));
        assert_eq!(show(&mut ledger)[0].2, 500, "nothing had been reported");
        let second = ledger.charge(Agent::Codex, &entry("gpt-5.5", 500), &Prices::default());
        ledger.take_out(&second);
        add(&mut ledger, &entry("gpt-5.5", 300));
        assert_eq!(show(&mut ledger)[0].2, 500);
        add(&mut ledger, &entry("gpt-5.5", 300));
        assert_eq!(show(&mut ledger)[0].2, 600, "both have caught up");
    }

    #[test]
    fn models_are_bounded() {
        let mut ledger = Ledger::default();
        for i in 0..1000 {
            assert_eq!(ledger.is_full(), i >= 61, "{i}");
            add(&mut ledger, &entry(&format!("model-{i}"), 1));
        }
        let charge = ledger.charge(Agent::ClaudeCode, &entry("claude-opus-5", 1), &Prices::default());
        ledger.add(&charge);
        let totals = show(&mut ledger);
        assert!(totals.len() <= MAX_ROWS, "{}", totals.len());
        assert_eq!(totals.iter().map(|total| total.2).sum::<u64>(), 1001);
        assert_eq!(totals.iter().filter(|total| total.0 == "other").count(), 2);
    }

    #[test]
    fn it_survives_being_kept() {
        let mut ledger = Ledger::default();
        add(&mut ledger, &Entry { usd: Some(0.1), ..entry("gpt-5.5", 1000) });
        let bytes = postcard::to_allocvec(&ledger).unwrap();
        assert_eq!(postcard::from_bytes::<Ledger>(&bytes).unwrap(), ledger);
    }
}
