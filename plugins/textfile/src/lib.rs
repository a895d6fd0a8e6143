//! The collector `textfile`: metrics that other programs leave in `*.prom` files, as node_exporter's textfile collector
//! takes them.
//!
//! ```text
//! folder → cursor, format (a file's families and series) → points (units, kinds, what cannot be reported) → scrape
//! ```
//!
//! A directory of node_exporter's works unchanged, and broken files get the same answer: the whole file is left out, named
//! in the log, `node_textfile_scrape_error` is 1, and it has no `node_textfile_mtime_seconds`; the other files are reported.
//! That answer is also given for a folder that is not there. Points that cannot be reported are left out one by one and
//! counted in `textfile.points.left_out`. Only when nothing at all is granted is that an error, `denied`.

mod cursor;
mod folder;
mod format;
mod points;
mod scrape;
mod units;

use std::collections::BTreeSet;
use std::time::SystemTime;

use folder::Listing;
use points::Reason;
use sandbeat_common::{Notice, Places};
use sandbeat_sdk::prelude::*;
use sandbeat_sdk::{export, limits};
use scrape::{Room, Scrape};

const SCRAPE_ERROR: Gauge =
    Gauge::new("node_textfile_scrape_error", "1", "1 where a file or folder could not be read or is broken, else 0.");
const FILE: Key = Key::new("file", "The file's path.");
const MODIFIED: Gauge = Gauge::new(
    "node_textfile_mtime_seconds",
    "s",
    "When the content of a file that was read without an error changed, since 1970-01-01T00:00:00Z.",
)
.with_keys(&[FILE]);
const REASON: Key = Key::new(
    "textfile.reason",
    "`limit` (more than are reported), `series` (more new ones within an hour than the file may have), `duplicate`, `help` or `type` (another one than in an earlier file), `name`, \
     `attributes`, `value` (NaN, infinite, or a negative counter), `histogram` (it does not add up).",
);
const LEFT_OUT: Gauge =
    Gauge::new("textfile.points.left_out", "{point}", "Points of good files that are not reported, by reason.")
        .with_keys(&[REASON]);

/// Where node_exporter's packages have it.
const DEFAULT_PATH: &str = "/var/lib/node_exporter/textfile_collector";

struct Textfile;

impl Collector for Textfile {
    fn describe() -> Description {
        Description::new(env!("CARGO_PKG_VERSION"), "Metrics from text files in Prometheus' format.")
            .with(&SCRAPE_ERROR)
            .with(&MODIFIED)
            .with(&LEFT_OUT)
            .others("Every metric in the files, under the name it has there (`:` becomes `.`), with its labels.")
    }

    fn collect() -> Result<Contribution, Error> {
        config::only(&["path"])?;
        let paths = config::strings("path")?.unwrap_or_else(|| vec![DEFAULT_PATH.to_owned()]);
        if paths.is_empty() || !paths.iter().all(|path| path.starts_with('/')) {
            return Err(Error::config("path", "has to be the absolute path of a folder, or an array of such paths"));
        }
        let listing = Listing::of(&paths)?;
        let limits = limits::current();
        // The collector's own are an error, and one per reason and file.
        let own = 1 + Reason::ALL.len();
        let room = Room {
            points: limits.metrics.saturating_sub((own + listing.files.len()) as u64),
            bytes: limits.output / 4 * 3,
            attributes: limits.attributes,
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let places = Places::open("places", &limits, own, now);
        let mut scrape = Scrape::new(room, places, &listing.troubles);
        listing.read(&mut scrape);
        scrape.places.keep();
        say(&scrape);
        say_who_is_crowded(&scrape, &listing);

        let mut contribution = Contribution::new().with(SCRAPE_ERROR.value(u8::from(scrape.has_errors())));
        for (reason, count) in scrape.left_out() {
            contribution.push(LEFT_OUT.value(count).attribute(REASON, reason.word()));
        }
        for (file, modified) in &scrape.modified {
            // Whole seconds, as by node_exporter.
            contribution.push(MODIFIED.value(modified.as_secs()).attribute(FILE, file));
        }
        contribution.extend(scrape.points);
        Ok(contribution)
    }
}

export!(Textfile);

/// Whether a metric's name is one of the collector's own.
fn is_own(name: &str) -> bool {
    ["node_textfile_scrape_error", "node_textfile_mtime_seconds", "textfile.points.left_out"].contains(&name)
}

fn say(scrape: &Scrape) {
    const BROKEN: Notice = Notice::new("broken");
    const LEFT_OUT: Notice = Notice::new("left out");
    BROKEN.warn_each(&scrape.troubles);
    // Without the counts, so that it is new only when a reason is.
    let reasons: BTreeSet<_> =
        scrape.left_out().filter(|(_, count)| *count > 0).map(|(reason, _)| reason.word()).collect();
    let reasons: Vec<_> = reasons.into_iter().collect();
    let line = format!("points are left out ({}); textfile.points.left_out counts them", reasons.join(", "));
    LEFT_OUT.warn((!reasons.is_empty()).then_some(&line));
}

/// The cause with each: of the files that there are, the one that has most.
fn say_who_is_crowded(scrape: &Scrape, listing: &Listing) {
    const CROWDED: Notice = Notice::new("crowded");
    let most = listing.files.iter().map(|(path, _)| path.as_str()).max_by_key(|path| scrape.places.owned(path));
    let line = |(file, metric): (&String, &String)| {
        format!(
            "`{file}`: new series are left out, `{metric}` for one: too few of `limits.series` are free within this hour. Most \
             are of `{}`: take labels out of it that keep changing, or raise that limit in the sidecar",
            most.unwrap_or(file)
        )
    };
    CROWDED.warn_each(&scrape.crowded.iter().map(line).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests;
