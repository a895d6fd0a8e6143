//! The base figures of each sandbox. A family's samples have to follow each other, and the fleet is passed over once: a
//! page at a time it becomes numbers, [`Row`]s of some 90 bytes, which are then written as text a page at a time.

use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, StreamExt, stream};
use sandbeat_status::exposition::{Family, Form, Format, labels, samples, text};
use sandbeat_status::{Report, Value};

use crate::fleet::{Query, Snapshot};
use crate::liveness::Standing;
use crate::store::Store;

/// So many sandboxes are read under one lock, and written at once.
const PAGE: usize = 1000;

/// What is said of each sandbox: name, unit and help, in the order of [`Row::figures`].
const FIGURES: [(&str, &str, &str); 9] = [
    ("sandbeat_sandbox_up", "", "1 while the hub hears the sandbox."),
    ("sandbeat_sandbox_heartbeat_age", "seconds", "Time since its last report."),
    ("sandbeat_sandbox_cpu", "ratio", "CPU use, of what the sandbox may use."),
    ("sandbeat_sandbox_memory", "bytes", "Memory in use."),
    ("sandbeat_sandbox_memory_limit", "bytes", "Memory that the sandbox may use."),
    ("sandbeat_sandbox_sessions", "", "Sessions in the sandbox."),
    ("sandbeat_sandbox_processes_failed", "", "Supervised processes in `error`."),
    ("sandbeat_sandbox_collectors_failed", "", "Collectors that fail or were put out of work."),
    ("sandbeat_sandbox_suspect", "", "1 while it is silent and the hub doubts its own network."),
];

/// A sandbox in numbers.
#[derive(Debug)]
struct Row {
    id: Arc<str>,
    /// Not a number where it is not known; smaller than an `Option`.
    figures: [f64; FIGURES.len()],
}

/// All families, in pieces, with the same sandboxes in each.
pub(super) fn texts(store: Arc<Store>, format: Format) -> impl Stream<Item = String> {
    stream::once(rows(store)).flat_map(move |rows| {
        let pages = rows.len().div_ceil(PAGE).max(1);
        let pieces = (0..FIGURES.len() * pages).map(move |piece| {
            let page = rows.chunks(PAGE).nth(piece % pages).unwrap_or_default();
            written(page, piece / pages, piece % pages == 0, format)
        });
        stream::iter(pieces)
    })
}

/// Everyone, in the order of ids; each once, whatever comes and goes meanwhile, because pages follow each other by id.
async fn rows(store: Arc<Store>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(store.counts().total());
    loop {
        let after = rows.last().map(|row| row.id.to_string());
        let page = store.page(&Query { after, limit: PAGE, ..Query::default() }).await;
        let now = Instant::now();
        rows.extend(page.sandboxes.iter().map(|sandbox| Row::of(sandbox, now)));
        if !page.more {
            return rows;
        }
        // The reports of others come first.
        tokio::task::yield_now().await;
    }
}

/// Of one figure, a page.
fn written(page: &[Row], figure: usize, is_first: bool, format: Format) -> String {
    let (name, unit, help) = FIGURES[figure];
    let known = page.iter().filter(|row| !row.figures[figure].is_nan());
    let found = known.map(|row| (labels([("sandbox", &*row.id)]), Value::Gauge(row.figures[figure])));
    let family = Family::of(name, unit, Form::Gauge, help, found.collect());
    if is_first { text(vec![family], format) } else { samples(family, format) }
}

impl Row {
    fn of(sandbox: &Snapshot, now: Instant) -> Self {
        let beat = sandbox.beat.as_ref();
        let base = beat.map(|beat| beat.base());
        let said = |figure: fn(&Report) -> Option<f64>| base.as_ref().and_then(figure);
        let figures = [
            Some(f64::from(sandbox.standing == Standing::Live && !sandbox.suspect)),
            beat.map(|beat| now.saturating_duration_since(beat.at).as_secs_f64()),
            said(|report| Some(report.cpu_percent? / 100.0)),
            said(|report| report.memory_mb.map(mebibytes)),
            said(|report| report.resources.memory_limit_mb.map(mebibytes)),
            said(|report| report.session_count.map(f64::from)),
            beat.map(|beat| f64::from(beat.tally.processes_failed)),
            beat.map(|beat| f64::from(beat.tally.collectors_failed)),
            Some(f64::from(sandbox.suspect)),
        ];
        Row { id: Arc::clone(&sandbox.registration.id), figures: figures.map(|figure| figure.unwrap_or(f64::NAN)) }
    }
}

fn mebibytes(mebibytes: u64) -> f64 {
    mebibytes as f64 * f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::fleet::Registration;

    #[test]
    fn only_who_is_heard_is_up_and_what_is_not_known_is_not_there() {
        for (standing, suspect, up) in [
            (Standing::Live, false, "sandbeat_sandbox_up{sandbox=\"a\"} 1.0\n"),
            (Standing::Live, true, "sandbeat_sandbox_up{sandbox=\"a\"} 0.0\n"),
            (Standing::Lost, false, "sandbeat_sandbox_up{sandbox=\"a\"} 0.0\n"),
        ] {
            let since = Timestamp::UNIX_EPOCH;
            let registration = Arc::new(Registration::by_report("a", since));
            let row = Row::of(&Snapshot { registration, beat: None, standing, suspect, since }, Instant::now());
            let page = [row];
            assert_eq!(written(&page, 0, false, Format::Text), up, "{standing:?} {suspect}");
            assert_eq!(page[0].figures[FIGURES.len() - 1], f64::from(suspect));
            assert_eq!(written(&page, 2, false, Format::Text), "");
        }
    }
}
