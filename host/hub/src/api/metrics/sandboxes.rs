//! The base figures of each sandbox, a page of the fleet at a time.

use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, stream};
use sandbeat_status::Value;
use sandbeat_status::exposition::{Family, Form, Format, labels, samples, text};

use crate::fleet::{Query, Snapshot};
use crate::liveness::Standing;
use crate::store::Store;

/// So many sandboxes are read and written at once.
const PAGE: usize = 1000;

/// What is said of each sandbox: name, unit, help, and the figure where it is known.
type Figure = (&'static str, &'static str, &'static str, fn(&Snapshot, Instant) -> Option<f64>);

const FIGURES: [Figure; 9] = [
    ("sandbeat_sandbox_up", "", "1 while the hub hears the sandbox.", |sandbox, _| {
        Some(f64::from(sandbox.standing == Standing::Live && !sandbox.suspect))
    }),
    ("sandbeat_sandbox_heartbeat_age", "seconds", "Time since its last report.", |sandbox, now| {
        Some(now.saturating_duration_since(sandbox.beat.as_ref()?.at).as_secs_f64())
    }),
    ("sandbeat_sandbox_cpu", "ratio", "CPU use, of what the sandbox may use.", |sandbox, _| {
        Some(sandbox.beat.as_ref()?.base().cpu_percent? / 100.0)
    }),
    ("sandbeat_sandbox_memory", "bytes", "Memory in use.", |sandbox, _| {
        Some(mebibytes(sandbox.beat.as_ref()?.base().memory_mb?))
    }),
    ("sandbeat_sandbox_memory_limit", "bytes", "Memory that the sandbox may use.", |sandbox, _| {
        Some(mebibytes(sandbox.beat.as_ref()?.base().resources.memory_limit_mb?))
    }),
    ("sandbeat_sandbox_sessions", "", "Sessions in the sandbox.", |sandbox, _| {
        sandbox.beat.as_ref()?.base().session_count.map(f64::from)
    }),
    ("sandbeat_sandbox_processes_failed", "", "Supervised processes in `error`.", |sandbox, _| {
        Some(f64::from(sandbox.beat.as_ref()?.tally.processes_failed))
    }),
    ("sandbeat_sandbox_collectors_failed", "", "Collectors that fail or were put out of work.", |sandbox, _| {
        Some(f64::from(sandbox.beat.as_ref()?.tally.collectors_failed))
    }),
    ("sandbeat_sandbox_suspect", "", "1 while it is silent and the hub doubts its own network.", |sandbox, _| {
        Some(f64::from(sandbox.suspect))
    }),
];

/// All families, in pieces. A sandbox's figures are there once in each, whatever comes and goes meanwhile, because pages
/// follow each other by id.
pub(super) fn texts(store: Arc<Store>, format: Format) -> impl Stream<Item = String> {
    stream::unfold((store, 0, None), move |(store, at, after)| async move {
        let (name, unit, help, figure) = *FIGURES.get(at)?;
        let is_first = after.is_none();
        let page = store.page(&Query { after, limit: PAGE, ..Query::default() }).await;
        let now = Instant::now();
        let of = |sandbox: &Snapshot| {
            Some((labels([("sandbox", &*sandbox.registration.id)]), Value::Gauge(figure(sandbox, now)?)))
        };
        let found = page.sandboxes.iter().filter_map(of).collect();
        let family = Family::of(name, unit, Form::Gauge, help, found);
        let text = if is_first { text(vec![family], format) } else { samples(family, format) };
        let last = page.sandboxes.last().map(|sandbox| sandbox.registration.id.to_string());
        let next = if page.more { (store, at, last) } else { (store, at + 1, None) };
        Some((text, next))
    })
}

fn mebibytes(mebibytes: u64) -> f64 {
    mebibytes as f64 * f64::from(1 << 20)
}
