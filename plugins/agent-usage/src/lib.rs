//! The collector `agent-usage`: tokens, requests and cost of coding agents, from the session logs that they write.
//!
//! It reads the logs of Claude Code, Codex and OpenCode under granted homes, each byte once: how far it is, and what it
//! has counted, is in the state. Old logs are read in slices, one per collect, and **until all that is there has been
//! read once no totals are reported**, only how much is left: a counter that grows because history is read would look
//! like a burst of work.
//!
//! A collect goes through these, each of which knows nothing of the next:
//!
//! - `walk` finds the files that have something new, `reading` reads it, line by line;
//! - `claude`, `codex` and `opencode` say what a line, file or row means, as `ccusage` understands it;
//! - `sqlite` reads the rows of a database, `databases` knows how far;
//! - `messages` and `seen` know what was counted before, `ledger` has the totals, `prices` what they cost;
//! - `books` keeps all of that; `counting` is where they meet.
//!
//! Nothing but figures and names of models and providers, bounded and printable, goes into a report. Without a grant for
//! any folder the collect is `denied`; a folder that is not granted or not there is left out.

mod books;
mod claude;
mod codex;
mod counting;
mod databases;
mod figure;
mod index;
mod ledger;
mod messages;
mod opencode;
mod prices;
mod reading;
mod seen;
mod sessions;
mod settings;
mod sqlite;
#[cfg(test)]
mod tests;
mod timestamp;
mod usage;
mod walk;

use std::time::Instant;

use sandbeat_common::Notice;
use sandbeat_sdk::prelude::*;
use sandbeat_sdk::{Point, export, limits};

use books::{Books, Round};
use ledger::Total;
use reading::Budget;
use settings::Settings;
use usage::Agent;
use walk::{Found, Walk};

const AGENT: Key = Key::new("gen_ai.agent.name", "`claude-code`, `codex` or `opencode`.");
const PROVIDER: Key = Key::new("gen_ai.provider.name", "Who answers, such as `anthropic` or `openai`.");
const MODEL: Key = Key::new(
    "gen_ai.request.model",
    "The model as the log names it; `unknown` where it does not, `other` beyond some 60.",
);
const KEYS: &[Key] = &[AGENT, PROVIDER, MODEL];

// The counters of OpenTelemetry's conventions for inference tokens; what they have no name for is under `agent_usage`.
const INPUT: Counter = Counter::new(
    "gen_ai.client.inference.usage.input_tokens",
    "{token}",
    "Tokens that went into the model, with those from and into a cache.",
)
.with_keys(KEYS);
const OUTPUT: Counter = Counter::new(
    "gen_ai.client.inference.usage.output_tokens",
    "{token}",
    "Tokens that the model gave out, with those of its reasoning.",
)
.with_keys(KEYS);
const CACHE_READ: Counter = Counter::new(
    "gen_ai.client.inference.usage.cache_read.input_tokens",
    "{token}",
    "What of the input came from a cache.",
)
.with_keys(KEYS);
const CACHE_WRITE: Counter = Counter::new(
    "gen_ai.client.inference.usage.cache_write.input_tokens",
    "{token}",
    "What of the input was put into a cache.",
)
.with_keys(KEYS);
const REASONING: Counter = Counter::new(
    "gen_ai.client.inference.usage.reasoning.output_tokens",
    "{token}",
    "What of the output was reasoning; Claude Code does not say.",
)
.with_keys(KEYS);
const REQUESTS: Counter =
    Counter::new("agent_usage.requests", "{request}", "Requests to the model that were answered.").with_keys(KEYS);
const COST: Counter = Counter::new(
    "agent_usage.cost",
    "{USD}",
    "What that cost at list prices, or by the log itself; absent where a price is missing.",
)
.with_keys(KEYS);

const PENDING: Gauge = Gauge::new("agent_usage.pending", "By", "What of the logs is still to be read.");
const FILES: Gauge = Gauge::new("agent_usage.files", "{file}", "Files of logs.").with_keys(&[AGENT]);
const UNREAD: Gauge = Gauge::new(
    "agent_usage.unread",
    "{file}",
    "Folders, files, links and databases that cannot be read, and files beyond the bound of 50,000.",
);
const UNREADABLE: Counter = Counter::new(
    "agent_usage.unreadable",
    "{line}",
    "Lines, files and rows that may have counted and could not be read: no JSON, impossible figures, or more than 8 MiB.",
);
const FORGOTTEN: Counter = Counter::new(
    "agent_usage.forgotten",
    "{request}",
    "Requests that would be counted again if a copy of them turned up, because the state is bounded.",
);

struct AgentUsage;

impl Collector for AgentUsage {
    fn describe() -> Description {
        Description::new(
            env!("CARGO_PKG_VERSION"),
            "Tokens, requests and cost of Claude Code, Codex and OpenCode, from their session logs.",
        )
        .with(&INPUT)
        .with(&OUTPUT)
        .with(&CACHE_READ)
        .with(&CACHE_WRITE)
        .with(&REASONING)
        .with(&REQUESTS)
        .with(&COST)
        .with(&PENDING)
        .with(&FILES)
        .with(&UNREAD)
        .with(&UNREADABLE)
        .with(&FORGOTTEN)
    }

    fn collect() -> Result<Contribution, Error> {
        let settings = Settings::read()?;
        let mut budget = budget()?;
        let mut books = Books::open();
        let cursor = books.page.round.cursor.take();
        let walk = Walk::new(&mut books.index, cursor.as_deref(), &budget);
        let mut found = walk.roots(&settings.roots());
        if found.denied && !found.granted {
            return Err(settings.denied());
        }
        budget.calls = budget.calls.saturating_sub(found.calls);
        let behind = std::mem::take(&mut found.behind);
        let left = counting::count(behind, &mut books, &settings.prices, &mut budget);
        end_of_slice(&mut books, found, left);
        let contribution = contribution(&mut books, &settings);
        let is_full = books.page.ledger.is_full();
        let troubles = troubles(&books);
        books.close()?;
        say(troubles, is_full);
        Ok(contribution)
    }
}

export!(AgentUsage);

/// What this collect may take, well within the limits of the sidecar.
fn budget() -> Result<Budget, Error> {
    let limits = limits::current();
    let too_small = |name: &str, least: &str| {
        Error::Config(format!("`limits.{name}` is too small to read anything; make it {least} or more"))
    };
    let bytes = limits.file_bytes.checked_sub(reading::SLACK_BYTES).filter(|bytes| *bytes > 0);
    let calls = limits.file_calls.checked_sub(reading::SLACK_CALLS).filter(|calls| *calls > 0);
    Ok(Budget {
        bytes: bytes.ok_or_else(|| too_small("file_bytes", "16MiB"))?,
        calls: calls.ok_or_else(|| too_small("file_calls", "1000"))?,
        until: Instant::now() + reading::time(&limits),
    })
}

/// Adds what a collect found to its round, and ends the round where it is done.
fn end_of_slice(books: &mut Books, found: Found, left: u64) {
    let round = &mut books.page.round;
    for (sum, files) in round.files.iter_mut().zip(found.files) {
        *sum += files;
    }
    round.pending += left;
    round.unread += found.unread;
    let room = walk::MAX_TROUBLES.saturating_sub(round.troubles.len());
    round.troubles.extend(found.troubles.into_iter().take(room));
    round.cursor = found.next;
    if round.cursor.is_some() {
        return;
    }
    books.page.last = std::mem::take(round);
    books.page.complete |= books.page.last.pending == 0;
    for path in books.index.end_round() {
        books.sessions.forget_file(path);
        books.databases.forget(path);
    }
}

/// Why something cannot be read, as of a whole round; nothing while one is under way.
fn troubles(books: &Books) -> Option<Vec<String>> {
    let of_round = books.page.last.troubles.iter();
    books.page.round.cursor.is_none().then(|| of_round.chain(books.databases.troubles()).cloned().collect())
}

/// Writes to the log what is new. Names of models are the logs' own, and whoever writes a log can make them up.
fn say(troubles: Option<Vec<String>>, is_full: bool) {
    const UNREAD: Notice = Notice::new("unread");
    const FULL: Notice = Notice::new("models");
    if let Some(troubles) = troubles {
        UNREAD.warn_each(&troubles);
    }
    FULL.warn(is_full.then_some("no more models are told apart; the logs' further ones are counted under `other`"));
}

fn contribution(books: &mut Books, settings: &Settings) -> Contribution {
    let page = &mut books.page;
    let mut contribution = Contribution::new();
    let totals = if page.complete { page.ledger.show(&settings.prices) } else { Vec::new() };
    contribution.extend(totals.iter().flat_map(points));
    // What a round that is under way has found already is the least that there is.
    let now = |of: fn(&Round) -> u64| of(&page.last).max(of(&page.round));
    contribution.push(PENDING.value(now(|round| round.pending)));
    for (at, agent) in Agent::ALL.into_iter().enumerate() {
        let files = [&page.last, &page.round].map(|round| round.files.get(at).copied().unwrap_or_default());
        let files = files.into_iter().max().filter(|files| *files > 0);
        contribution.push(files.map(|files| FILES.value(files).attribute(AGENT, agent.name())));
    }
    contribution.push(UNREAD.value(now(|round| round.unread)));
    contribution.push(UNREADABLE.value(page.unreadable));
    contribution.push(FORGOTTEN.value(page.forgotten + books.messages.forgotten + books.seen.forgotten));
    contribution
}

fn points(total: &Total) -> Vec<Point> {
    let volume = &total.volume;
    let reasoning = (total.agent != Agent::ClaudeCode).then(|| REASONING.value(total.reasoning));
    let cost = total.usd.map(|usd| COST.value(usd));
    let points = [
        INPUT.value(volume.context()),
        OUTPUT.value(volume.output),
        CACHE_READ.value(volume.cache_read),
        CACHE_WRITE.value(volume.cache_writes()),
        REQUESTS.value(total.requests),
    ];
    let points = points.into_iter().chain(reasoning).chain(cost);
    let with_attributes = |point: Point| {
        point.attribute(AGENT, total.agent.name()).attribute(PROVIDER, &total.provider).attribute(MODEL, &total.model)
    };
    points.map(with_attributes).collect()
}
