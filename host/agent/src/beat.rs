//! The loop: sample → collect → merge → report, once per interval, and once more at the end.
//!
//! This is the only file that knows all four stages; they do not know each other. It runs on a thread and a runtime
//! of its own (see `thread`), beside the courier that carries what it makes. Nothing here waits for a disk, a
//! network or a child process: collectors are asked a little before a report is due and have until then, whoever is
//! late contributes what it last measured, and the native figures are taken at the very end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_collectors::Contribution;
use sandbeat_status::{Report, SandboxStatus, Trigger};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout_at};

use crate::distribution::Distribution;
use crate::merge::{Identity, Parts, merge};
use crate::report::{Delivery, Outbox, Schedule};
use crate::sample::{Observer, Sampler, Unavailable};
use crate::{Config, Sources};

/// The first report waits this long for collectors that have just been started, and for nothing else.
const FIRST_COLLECT: Duration = Duration::from_millis(250);
/// Collectors return by their deadline; past this, they are not waited for even if they do not.
const DISTRUST: Duration = Duration::from_millis(5);
/// Upper bounds of the buckets for lateness, in seconds.
const LATENESS: &[f64] = &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What the beat shows to the local API.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The newest report that was made, sent or not.
    pub(crate) report: Option<Arc<Report>>,
    /// What its sample could not measure.
    pub(crate) unavailable: Vec<Unavailable>,
    /// What the collectors had for it.
    pub(crate) contributions: Arc<Vec<Contribution>>,
    /// When the next one is due.
    pub(crate) next_due: Option<Instant>,
    /// How late reports were made, against when they were due.
    pub(crate) lateness: Distribution,
}

impl Default for Seen {
    fn default() -> Self {
        Seen {
            report: None,
            unavailable: Vec::new(),
            contributions: Arc::default(),
            next_due: None,
            lateness: Distribution::new(LATENESS),
        }
    }
}

/// Makes the reports.
pub(crate) struct Beat {
    sources: Sources,
    metadata: BTreeMap<String, String>,
    interval: Duration,
    boot_id: String,
    seq: u64,
    schedule: Schedule,
    sampler: Sampler,
    outbox: Outbox,
    delivery: watch::Receiver<Delivery>,
    seen: watch::Sender<Seen>,
}

impl Beat {
    /// Ready to beat; the first report is due at once. Uptime counts from `started`.
    pub(crate) fn new(
        config: &Config,
        sources: Sources,
        boot_id: String,
        started: Instant,
        (outbox, delivery): (Outbox, watch::Receiver<Delivery>),
    ) -> (Self, watch::Receiver<Seen>, Observer) {
        let (seen, shown) = watch::channel(Seen::default());
        let beat = Beat {
            sources,
            metadata: config.metadata.clone(),
            interval: config.report.interval,
            boot_id,
            seq: 0,
            schedule: Schedule::new(started, config.report.interval),
            sampler: Sampler::new(config.sample.clone(), Path::new("/"), started),
            outbox,
            delivery,
            seen,
        };
        let observer = beat.sampler.observer();
        (beat, shown, observer)
    }

    /// Beats until `stop` is true or its sender gone, then once more with the status `stopped`.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => {}
            () = self.beat_on() => {}
        }
        let contributions = self.collect(Instant::now()).await;
        self.report(contributions, SandboxStatus::Stopped);
    }

    async fn beat_on(&mut self) {
        let started = Instant::now();
        self.beat(started, started + FIRST_COLLECT.min(self.schedule.lead())).await;
        loop {
            let due = self.next().await;
            self.beat(due, due).await;
            self.schedule.made(due);
        }
    }

    /// One round. The report leaves at `due` where the collectors are done by then, and at `collect_by` at the latest.
    async fn beat(&mut self, due: Instant, collect_by: Instant) {
        let contributions = self.collect(collect_by).await;
        sleep_until(due.into()).await;
        self.report(contributions, SandboxStatus::Running);
    }

    /// sample → collect: the collectors are shown what is known now.
    async fn collect(&mut self, by: Instant) -> Vec<Contribution> {
        let shown = self.sampler.peek(self.sources.processes.snapshot());
        let collecting = self.sources.collectors.collect(shown, by);
        timeout_at((by + DISTRUST).into(), collecting).await.unwrap_or_default()
    }

    /// sample → merge → report.
    fn report(&mut self, contributions: Vec<Contribution>, status: SandboxStatus) {
        self.seq += 1;
        let sample = self.sampler.take(self.sources.processes.snapshot());
        let contributions = Arc::new(contributions);
        let report = Arc::new(merge(Parts {
            identity: Identity {
                status,
                boot_id: self.boot_id.clone(),
                seq: self.seq,
                interval: self.schedule.every(),
                trigger: match (status, self.seq) {
                    (SandboxStatus::Stopped, _) => Trigger::Stop,
                    (SandboxStatus::Running, 1) => Trigger::Start,
                    (SandboxStatus::Running, _) => Trigger::Interval,
                },
                stopping: false,
                resumed: None,
            },
            sample,
            metadata: self.metadata.clone(),
            contributions: contributions.to_vec(),
            plugins: self.sources.collectors.plugins(),
            now: Instant::now(),
            timestamp: Timestamp::now(),
        }));
        tracing::debug!(seq = self.seq, metrics = report.metrics.len(), "report made");
        self.seen.send_modify(|seen| {
            seen.report = Some(report.clone());
            seen.unavailable = self.sampler.unavailable().to_vec();
            seen.contributions = contributions;
        });
        self.outbox.put(report);
    }

    /// Waits until it is time to ask the collectors for the next report, and says when that report is due. An answer
    /// of the hub may move it meanwhile.
    async fn next(&mut self) -> Instant {
        loop {
            let due = self.schedule.next(Instant::now());
            let ask = due.checked_sub(self.schedule.lead()).unwrap_or(due);
            tokio::select! {
                () = sleep_until(ask.into()) => return due,
                Ok(()) = self.delivery.changed() => {
                    let directed = self.delivery.borrow_and_update().directed;
                    self.schedule.set_every(directed.unwrap_or(self.interval));
                }
            }
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An owner that is gone means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}
