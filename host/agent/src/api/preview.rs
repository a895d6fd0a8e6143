//! The report as it would be posted now, for those who ask inside the sandbox; as JSON, or as metrics.
//!
//! Owner: the task of [`Keeper`], beside the connections. It measures on a thread that may block, and from what the
//! beat has published it makes what the beat would make; the beat is never asked, and no lock of its is held for longer
//! than a copy. Who asks within [`SHARED`] of a measurement gets that one, so that asking often costs little, and there
//! is one snapshot at a time. It is dropped when it is older. A measurement that hangs keeps those who ask waiting for
//! [`PATIENCE`], and nobody else; one that panics is a defect that is logged, and they are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use bytes::Bytes;
use jiff::Timestamp;
use sandbeat_collectors::Descriptions;
use sandbeat_status::exposition::Format;
use sandbeat_status::usage::Usage;
use sandbeat_status::{PluginStatus, Report, Sample, Trigger};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep_until, timeout};

use super::metrics;
use super::problem::Problem;
use super::shared::Closing;
use super::{About, State};
use crate::beat::Seen;
use crate::merge::{Identity, Parts, gather, merge};
use crate::report::Delivery;
use crate::sample::Unavailable;

/// Who asks within this time of a measurement gets what it gave.
const SHARED: Duration = Duration::from_millis(100);
/// How long one waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many may wait for their turn; more wait for that.
const INBOX: usize = 64;
/// A report that is due this long ago is overdue: no busy machine delays it so.
const OVERDUE: Duration = Duration::from_secs(5);

/// To ask for it. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Preview(mpsc::Sender<Ask>);

/// Answers those who ask.
pub(super) struct Keeper {
    state: State,
    inbox: mpsc::Receiver<Ask>,
    kept: Option<Kept>,
}

/// What an answer is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Body {
    /// The report as JSON.
    Report,
    /// Everything as metrics.
    Metrics(Format),
}

/// All that is known at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) about: Arc<About>,
    pub(super) seen: Seen,
    pub(super) delivery: Delivery,
    pub(super) sample: Sample,
    pub(super) unavailable: Vec<Unavailable>,
    pub(super) usage: Usage,
    pub(super) descriptions: BTreeMap<String, Arc<Descriptions>>,
    /// The report that would be posted.
    pub(super) report: Report,
    pub(super) now: Instant,
}

#[derive(Debug)]
struct Ask {
    body: Body,
    answer: oneshot::Sender<Option<Bytes>>,
}

/// A snapshot with the answers that were made of it.
struct Kept {
    snapshot: Snapshot,
    bodies: BTreeMap<Body, Bytes>,
    /// Measured by then.
    at: Instant,
}

impl Preview {
    /// The way to ask, and who answers.
    pub(super) fn new(state: State) -> (Self, Keeper) {
        let (asks, inbox) = mpsc::channel(INBOX);
        (Preview(asks), Keeper { state, inbox, kept: None })
    }

    /// An answer.
    ///
    /// # Errors
    /// There was no report yet, or measuring does not end.
    pub(super) async fn get(&self, body: Body) -> Result<Bytes, Problem> {
        let (answer, answered) = oneshot::channel();
        let asking = async {
            self.0.send(Ask { body, answer }).await.ok()?;
            answered.await.ok()
        };
        let unavailable = || {
            let detail = "the sandbox cannot be measured in time, or the agent is ending; GET /v1/health tells more";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "report_unavailable", "Report unavailable", detail)
        };
        let answered = timeout(PATIENCE, asking).await.ok().flatten().ok_or_else(unavailable)?;
        answered.ok_or_else(|| {
            let detail = "the agent has just started and is making its first report; ask again in a moment";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_report_yet", "No report yet", detail)
        })
    }
}

impl Keeper {
    /// Answers until the agent ends.
    pub(super) async fn run(mut self, mut closing: Closing) {
        tokio::select! {
            () = closing.closed() => {}
            () = self.answer() => {}
        }
    }

    async fn answer(&mut self) {
        while let Some(Ask { body, answer }) = self.next().await {
            if answer.is_closed() {
                continue;
            }
            let (kept, state) = (self.kept.take(), self.state.clone());
            let made = tokio::task::spawn_blocking(move || {
                let kept = kept.filter(|kept| kept.at.elapsed() < SHARED).or_else(|| Kept::new(&state));
                kept.map(|mut kept| (kept.body(body), kept))
            });
            match made.await {
                Ok(Some((bytes, kept))) => {
                    self.kept = Some(kept);
                    // One who has gone is not told.
                    let _ = answer.send(Some(bytes));
                }
                Ok(None) => drop(answer.send(None)),
                Err(failed) => {
                    tracing::error!("measuring failed inside the agent; this is a defect of it: {failed}");
                }
            }
        }
    }

    /// Who asks next. What is kept is dropped when it is too old.
    async fn next(&mut self) -> Option<Ask> {
        if let Some(kept) = &self.kept {
            tokio::select! {
                ask = self.inbox.recv() => return ask,
                () = sleep_until((kept.at + SHARED).into()) => self.kept = None,
            }
        }
        self.inbox.recv().await
    }
}

impl Kept {
    fn new(state: &State) -> Option<Self> {
        let snapshot = Snapshot::take(state)?;
        Some(Kept { snapshot, bodies: BTreeMap::new(), at: Instant::now() })
    }

    fn body(&mut self, body: Body) -> Bytes {
        let made = self.bodies.entry(body).or_insert_with(|| match body {
            // Names, words and finite numbers: this cannot fail.
            Body::Report => serde_json::to_vec(&self.snapshot.report).unwrap_or_default().into(),
            Body::Metrics(format) => metrics::exposition(&self.snapshot, format).into(),
        });
        made.clone()
    }
}

impl Snapshot {
    /// Measures and puts together; `None` before the first report. Blocks as the kernel's files do.
    fn take(state: &State) -> Option<Self> {
        // Before anything is measured: it is the reason that there is nothing to tell.
        state.seen.borrow().report.as_ref()?;
        let (sample, unavailable) = state.observer.measure(state.sources.processes.snapshot());
        let plugins = state.sources.collectors.plugins();
        let (seen, delivery) = (state.seen.borrow().clone(), state.delivery.borrow().clone());
        let now = Instant::now();
        let report = next_report(&state.about, &seen, &delivery, (&sample, plugins), (now, Timestamp::now()))?;
        Some(Snapshot {
            about: state.about.clone(),
            seen,
            delivery,
            sample,
            unavailable,
            usage: Usage::of_this_process(),
            descriptions: state.sources.collectors.descriptions(),
            report,
            now,
        })
    }
}

impl Seen {
    /// How long ago a report was due that is not made.
    pub(super) fn overdue(&self, now: Instant) -> Option<Duration> {
        let late = now.checked_duration_since(self.next_due?)?;
        (late > OVERDUE).then_some(late)
    }

    /// Whether one is.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.overdue(now).is_some()
    }
}

/// The report after the last one, with the collectors' values of the last one and what was measured now. Pure.
fn next_report(
    about: &About,
    seen: &Seen,
    delivery: &Delivery,
    (sample, plugins): (&Sample, Vec<PluginStatus>),
    (now, timestamp): (Instant, Timestamp),
) -> Option<Report> {
    let last = seen.report.as_ref()?;
    let seq = last.seq.unwrap_or(0);
    let told = delivery.last_accepted_seq >= seq;
    let mut report = merge(Parts {
        identity: Identity {
            status: last.status,
            boot_id: about.boot_id.clone(),
            seq: seq + 1,
            interval: delivery.directed.unwrap_or(about.interval),
            trigger: Trigger::Interval,
            stopping: last.stopping,
            resumed: last.resumed.filter(|_| !told),
        },
        sample: sample.clone(),
        gathered: gather(about.metadata.clone(), &seen.contributions),
        plugins,
        now,
        timestamp,
    });
    // What the next report says of its interval is what the last one said, unless the hub has directed another since.
    if delivery.directed.is_none() {
        report.interval_secs = last.interval_secs.or(report.interval_secs);
    }
    // One that is under way may well arrive, unless something stands in the way.
    let under_way = if delivery.failing.is_none() { delivery.waiting() } else { 0 };
    report.gap = delivery.gap((seq + 1).saturating_sub(under_way));
    Some(report)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sandbeat_collectors::Contribution;
    use sandbeat_status::{Metric, Resumed, Value};

    use super::*;

    const RESUMED: Resumed = Resumed { suspended_ms: 9000, at: Timestamp::UNIX_EPOCH };

    fn about() -> About {
        About {
            sandbox_id: "s".to_owned(),
            boot_id: "b".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            started: Instant::now(),
            interval: Duration::from_secs(30),
            server_url: "http://hub".to_owned(),
            metadata: BTreeMap::from([("region".to_owned(), "eu".to_owned())]),
        }
    }

    fn next(seen: &Seen, delivery: &Delivery, now: Instant) -> Option<Report> {
        next_report(&about(), seen, delivery, (&Sample::default(), Vec::new()), (now, Timestamp::UNIX_EPOCH))
    }

    /// As it is after the seventh report.
    fn seen(measured_at: Instant) -> Seen {
        let metric =
            Metric { name: "a".into(), value: Value::Gauge(1.0), unit: "1".into(), attributes: BTreeMap::new() };
        let contribution = Contribution {
            plugin: "p".to_owned(),
            metrics: vec![metric],
            metadata: BTreeMap::new(),
            rejected: Vec::new(),
            measured_at,
        };
        let mut seen = Seen { contributions: Arc::new(vec![contribution]), ..Seen::default() };
        seen.report = Some(Arc::new(Report {
            seq: Some(7),
            interval_secs: Some(12.0),
            stopping: true,
            resumed: Some(RESUMED),
            ..serde_json::from_str(
                r#"{"sandboxId":"s","status":"running","uptimeSecs":3,"timestamp":"2026-11-20T12:00:00Z"}"#,
            )
            .unwrap()
        }));
        seen
    }

    #[test]
    fn it_is_the_report_after_the_last_with_values_that_have_aged() {
        let measured = Instant::now();
        assert_eq!(next(&Seen::default(), &Delivery::default(), measured), None);
        let report = next(&seen(measured), &Delivery::default(), measured + Duration::from_millis(1234)).unwrap();
        assert_eq!((report.seq, report.interval_secs, report.stopping), (Some(8), Some(12.0), true));
        assert_eq!((report.metrics.len(), report.metrics[0].age_ms), (1, 1234));
        assert_eq!((report.metadata["region"].as_str(), report.boot_id.as_deref()), ("eu", Some("b")));
        assert_eq!(report.trigger, Some(Trigger::Interval));
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let now = Instant::now();
        let mut delivery = Delivery::default();
        let report = next(&seen(now), &delivery, now).unwrap();
        assert_eq!((report.resumed, report.gap.map(|gap| gap.missed)), (Some(RESUMED), Some(7)));
        delivery.last_accepted_seq = 7;
        let report = next(&seen(now), &delivery, now).unwrap();
        assert_eq!((report.resumed, report.gap), (None, None));
    }

    #[test]
    fn a_report_that_is_just_late_is_not_overdue() {
        let due = Instant::now();
        let seen = Seen { next_due: Some(due), ..Seen::default() };
        assert_eq!(seen.overdue(due + OVERDUE), None);
        assert_eq!(seen.overdue(due + OVERDUE * 2), Some(OVERDUE * 2));
        assert!(!Seen::default().is_overdue(due));
    }
}
