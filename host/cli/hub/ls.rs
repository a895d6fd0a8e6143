//! `sandbeat hub ls`: the fleet as a table, or as JSON, page by page as it comes.
//!
//! In the order of ids a page is printed before the next one is asked for, so that a large fleet begins at once and takes
//! no memory. Any other order is known only when the whole fleet is read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::args::{HubLs, Sort};
use super::client::{Hub, encoded};
use crate::listing::{Column, Listing};
use crate::show::{self, text};
use crate::{format, output};

/// The most sandboxes in one answer.
const PAGE: usize = 1000;
/// How much there is at least of a name that is cut.
const MIN_NAME: usize = 12;
/// What is shown, in the order of its worth.
const COLUMNS: [Column; 10] = [
    Column::words("ID"),
    Column::words(STANDING),
    Column::words("HEARD"),
    Column::words("FAILING"),
    Column::numbers("CPU"),
    Column::numbers("MEMORY"),
    Column::words("SINCE"),
    Column::numbers("SESSIONS"),
    Column::cut("NAME", MIN_NAME),
    Column::cut("HOST", MIN_NAME),
];
const STANDING: &str = "LIVENESS";
/// So many others are silent as well that the hub does not call it lost.
const SUSPECT: &str = "suspect";

pub(super) fn run(options: &HubLs) -> anyhow::Result<()> {
    let hub = Hub::new(&options.access)?;
    let mut pages = Pages::new(&hub, options);
    let mut printer = if options.access.json { Printer::json()? } else { Printer::table() };
    if options.sort == Sort::Id {
        while let Some(page) = pages.next()? {
            printer.print(&page)?;
        }
    } else {
        for page in sorted(&mut pages, options)?.chunks(PAGE) {
            printer.print(page)?;
        }
    }
    printer.end(pages.total, !pages.filters.is_empty())
}

/// What a hub has of a list, a page at a time.
struct Pages<'a> {
    hub: &'a Hub,
    /// What is to hold of them, as the end of a query; empty for the whole fleet.
    filters: String,
    /// How many are still wanted.
    left: usize,
    /// How the next page is asked for; nothing after the last.
    cursor: Option<String>,
    /// How many there are in all, as the last page said.
    total: u64,
}

impl<'a> Pages<'a> {
    fn new(hub: &'a Hub, options: &HubLs) -> Self {
        // Which ones are the first is known only when all are there, unless they come in their order.
        let left = options.limit.filter(|_| options.sort == Sort::Id).unwrap_or(usize::MAX);
        Pages { hub, filters: filters(options), left, cursor: Some(String::new()), total: 0 }
    }

    fn next(&mut self) -> anyhow::Result<Option<Vec<Value>>> {
        let Some(cursor) = self.cursor.take() else { return Ok(None) };
        let limit = PAGE.min(self.left);
        let mut page = self.hub.get(&format!("/api/v1/sandboxes?limit={limit}{}{cursor}", self.filters))?;
        let Value::Array(sandboxes) = page["sandboxes"].take() else {
            anyhow::bail!("the answer has no sandboxes; is {} a hub of this version?", self.hub.shown());
        };
        self.left = self.left.saturating_sub(sandboxes.len());
        self.total = page["total"].as_u64().unwrap_or(0);
        let next = page["nextCursor"].as_str().filter(|_| self.left > 0);
        self.cursor = next.map(|next| format!("&cursor={}", encoded(next)));
        Ok(Some(sandboxes))
    }
}

fn filters(options: &HubLs) -> String {
    let words = [
        ("status", &options.status),
        ("liveness", &options.liveness),
        ("failing", &options.failing),
        ("search", &options.search),
    ];
    let words = words.iter().filter_map(|(name, word)| Some((*name, word.as_deref()?)));
    let flags = [("overdue", options.overdue), ("suspect", options.suspect)];
    let flags = flags.iter().filter(|(_, only)| *only).map(|(name, _)| (*name, "true"));
    let metadata = options.metadata.iter().map(|entry| ("metadata", entry.as_str()));
    words.chain(flags).chain(metadata).map(|(name, value)| format!("&{name}={}", encoded(value))).collect()
}

/// All of them, or as many as are wanted, in another order than that of ids.
fn sorted(pages: &mut Pages<'_>, options: &HubLs) -> anyhow::Result<Vec<Value>> {
    let mut ranked: Vec<(f64, Value)> = Vec::new();
    while let Some(page) = pages.next()? {
        ranked.extend(page.into_iter().map(|sandbox| (rank(options.sort, &sandbox), sandbox)));
        // Of the same rank, in the order of ids.
        ranked.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        ranked.truncate(options.limit.unwrap_or(usize::MAX));
    }
    Ok(ranked.into_iter().map(|(_, sandbox)| sandbox).collect())
}

/// The higher the earlier; one of which nothing is known comes last.
fn rank(sort: Sort, sandbox: &Value) -> f64 {
    let info = &sandbox["agentInfo"];
    let rank = match sort {
        Sort::Id => None,
        Sort::Cpu => info["metrics"]["cpuPercent"].as_f64(),
        Sort::Memory => info["metrics"]["memoryMB"].as_f64(),
        Sort::Heard => {
            let heard = info["lastHeartbeat"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            heard.map(|at| -(at.as_millisecond() as f64))
        }
    };
    rank.unwrap_or(f64::NEG_INFINITY)
}

/// Prints sandboxes as they come.
enum Printer {
    Json {
        /// Whether there has been one.
        any: bool,
    },
    Table {
        listing: Box<Listing<{ COLUMNS.len() }>>,
        /// How many stand how.
        counts: BTreeMap<String, usize>,
    },
}

impl Printer {
    fn json() -> anyhow::Result<Self> {
        output::text("{\n  \"sandboxes\": [")?;
        Ok(Printer::Json { any: false })
    }

    fn table() -> Self {
        let room = output::terminal_width().map(usize::from);
        Printer::Table { listing: Box::new(Listing::new(COLUMNS, room)), counts: BTreeMap::new() }
    }

    fn print(&mut self, page: &[Value]) -> anyhow::Result<()> {
        match self {
            Printer::Json { any } => {
                let mut text = String::new();
                for sandbox in page {
                    text.push_str(if *any { ",\n    " } else { "\n    " });
                    text.push_str(&serde_json::to_string_pretty(sandbox)?.replace('\n', "\n    "));
                    *any = true;
                }
                output::text(&text)
            }
            Printer::Table { listing, counts } if !page.is_empty() => {
                for sandbox in page {
                    *counts.entry(standing(sandbox)).or_insert(0) += 1;
                }
                let now = Timestamp::now();
                let lines = listing.lines(page.iter().map(|sandbox| row(sandbox, now)).collect());
                output::print_painted_at(&lines, listing.begin(STANDING))
            }
            Printer::Table { .. } => Ok(()),
        }
    }

    fn end(self, total: u64, narrowed: bool) -> anyhow::Result<()> {
        match self {
            Printer::Json { any } => {
                output::line(format_args!("{}],\n  \"total\": {total}\n}}", if any { "\n  " } else { "" }))?;
            }
            Printer::Table { counts, .. } if counts.is_empty() => output::note(match narrowed {
                true => "no sandbox is like that",
                false => "no sandboxes; register one with `sandbeat hub add`",
            }),
            Printer::Table { counts, .. } => {
                output::note(summary(&counts, total));
                if counts.contains_key(SUSPECT) {
                    output::note(
                        "so many are silent at once that the hub doubts its own network; it calls the suspect ones \
                         lost later",
                    );
                }
            }
        }
        Ok(())
    }
}

fn row(sandbox: &Value, now: Timestamp) -> [String; COLUMNS.len()] {
    let info = &sandbox["agentInfo"];
    let metrics = &info["metrics"];
    let cpu = metrics["cpuPercent"].as_f64().map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1}%"));
    let name = if sandbox["name"] == sandbox["id"] { "-".to_owned() } else { text(&sandbox["name"]) };
    [
        text(&sandbox["id"]),
        standing(sandbox),
        show::age(&info["lastHeartbeat"], now),
        failing(&info["health"]),
        cpu,
        memory(metrics),
        show::age(&sandbox["livenessSince"], now),
        text(&metrics["sessionCount"]),
        name,
        text(&info["hostname"]),
    ]
}

/// How it stands, in one word. One that is suspect is live to the hub, and for who looks at the list it is not.
fn standing(sandbox: &Value) -> String {
    match (sandbox["overdue"] == true, sandbox["suspect"] == true) {
        (true, _) => "overdue".to_owned(),
        (_, true) => SUSPECT.to_owned(),
        _ => text(&sandbox["liveness"]),
    }
}

/// `512M/2.00G`, in units of 1,024.
fn memory(metrics: &Value) -> String {
    let size =
        |field: &str| metrics[field].as_u64().map(|mebibytes| format::brief_size(mebibytes.saturating_mul(1 << 20)));
    match (size("memoryMB"), size("memoryLimitMB")) {
        (Some(used), Some(limit)) => format!("{used}/{limit}"),
        (Some(used), None) => used,
        (None, _) => "-".to_owned(),
    }
}

fn failing(health: &Value) -> String {
    let of = |field: &str, one: &str, more: &str| {
        let count = health[field].as_u64().and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
        count.map(|count| format::count(count, one, more))
    };
    let parts: Vec<String> =
        [of("processesFailed", "process", "processes"), of("collectorsFailed", "collector", "collectors")]
            .into_iter()
            .flatten()
            .collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn summary(counts: &BTreeMap<String, usize>, total: u64) -> String {
    let shown = counts.values().sum();
    let count = format::count(shown, "sandbox", "sandboxes");
    let of = if total > shown as u64 { format!(" of {total}") } else { String::new() };
    format!("{count}{of}: {}", show::counted(counts))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_shows_what_is_known() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let bare = json!({"id": "s", "name": "s", "liveness": "never-reported", "overdue": true,
                          "livenessSince": "2026-11-20T11:00:00.000Z"});
        assert_eq!(row(&bare, now), ["s", "overdue", "-", "-", "-", "-", "1h", "-", "-", "-"]);
        let full = json!({
            "id": "s", "name": "my\nbox", "suspect": true, "liveness": "live", "livenessSince": "2026-11-20T11:58:00.000Z",
            "agentInfo": {"lastHeartbeat": "2026-11-20T11:59:48.000Z", "hostname": "a\nb",
                "metrics": {"cpuPercent": 12.54, "memoryMB": 512, "memoryLimitMB": 2048, "sessionCount": 2},
                "health": {"processes": 3, "processesFailed": 1, "collectors": 4, "collectorsFailed": 2}},
        });
        let expected =
            ["s", "suspect", "12s", "1 process, 2 collectors", "12.5%", "512M/2.00G", "2m", "2", "my\\nbox", "a\\nb"];
        assert_eq!(row(&full, now), expected);
    }

    #[test]
    fn the_highest_comes_first_and_what_is_not_known_last() {
        let sandbox =
            |cpu: Value, heard: &str| json!({"agentInfo": {"metrics": {"cpuPercent": cpu}, "lastHeartbeat": heard}});
        let (busy, silent) = (sandbox(json!(90), "2026-11-20T12:00:00Z"), sandbox(json!(1.5), "2026-11-20T11:00:00Z"));
        let none = json!({"id": "s"});
        assert!(rank(Sort::Cpu, &busy) > rank(Sort::Cpu, &silent) && rank(Sort::Cpu, &silent) > rank(Sort::Cpu, &none));
        assert!(rank(Sort::Heard, &silent) > rank(Sort::Heard, &busy));
        assert!(rank(Sort::Heard, &busy) > rank(Sort::Heard, &none));
    }

    #[test]
    fn the_summary_counts_what_is_shown() {
        let counts = BTreeMap::from([("live".to_owned(), 2), ("suspect".to_owned(), 1)]);
        assert_eq!(summary(&counts, 3), "3 sandboxes: 2 live, 1 suspect");
        assert_eq!(summary(&counts, 10), "3 sandboxes of 10: 2 live, 1 suspect");
    }
}
