//! The loop: sample → collect → merge → report, once per interval, at once on what matters, and once more at the end.
//!
//! This is the only file that knows all four stages; they do not know each other. It runs on a thread and a runtime
//! of its own (see `thread`), beside the courier that carries what it makes. Nothing here waits for a disk, a
//! network or a child process: collectors are asked a little before a report is due and have until then, whoever is
//! late contributes what it last measured, and the native figures are taken at the very end.
//!
//! A report leaves out of turn when a process has failed or recovered, when the agent is asked to stop, and when the
//! sandbox stood still; it carries what collectors last measured, and moves none of those that are due. What of the
//! native figures takes long is asked for as soon as such a report may follow. That the sandbox stood still is in every
//! report until one with it was accepted.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_collectors::Contribution;
use sandbeat_status::{Report, Resumed, SandboxStatus, Trigger};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout_at};

use crate::clocks::{Clocks, Reading};
use crate::distribution::Distribution;
use crate::footprint;
use crate::lateness::{Change, Lateness};
use crate::merge::{Gathered, Identity, Parts, gather, merge};
use crate::report::{Delivery, Outbox, Schedule, phase};
use crate::sample::{Observer, Sampler, Unavailable};
use crate::thread::Wish;
use crate::urgency::{GATHER, Marks, Urgency};
use crate::{Config, Sources};

/// The first report waits this long for collectors that have just been started, and for nothing else.
const FIRST_COLLECT: Duration = Duration::from_millis(250);
/// Collectors return by their deadline; past this, they are not waited for even if they do not.
const DISTRUST: Duration = Duration::from_millis(5);
/// Collectors are to return before a report is due by a tenth of what they had, and by no more than this.
const MOST_SPARE: Duration = Duration::from_millis(50);
/// By then collectors are loaded and the first reports are out.
const START_UP: Duration = Duration::from_secs(10);
/// How often memory that is free is given back after that.
const GIVE_BACK: Duration = Duration::from_secs(60);
/// That the agent is stopping is not worth a report of its own where the last one follows within this time.
const SHORT_STOP: Duration = Duration::from_millis(100);
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
    /// How late those that were due at a time were made. The first and the last one, and those on change, are not.
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
    lateness: Lateness,
    urgency: Urgency,
    /// Counts up with every change of the processes, most of which do not matter.
    changes: watch::Receiver<u64>,
    /// When to see whether one of them does.
    look_at: Option<Instant>,
    /// What mattered of the processes in the last report.
    told: Marks,
    clocks: Clocks,
    standstill: Option<Standstill>,
    /// When the last standstill was noticed, accepted or not.
    woke: Option<Instant>,
    stopping: bool,
    /// When what only the start needed is to be given back.
    settle_at: Instant,
    has_settled: bool,
    sampler: Sampler,
    outbox: Outbox,
    delivery: watch::Receiver<Delivery>,
    seen: watch::Sender<Seen>,
}

/// The sandbox stood still, and no report that says so has been accepted.
struct Standstill {
    told: Resumed,
    /// The first report that says so.
    first_seq: u64,
}

/// What the collectors will have for a report, at the moment that it is due.
struct Collecting {
    due: Instant,
    collected: Pin<Box<dyn Future<Output = Collected> + Send>>,
}

/// What the collectors have for a report.
struct Collected {
    contributions: Arc<Vec<Contribution>>,
    gathered: Gathered,
}

impl Collected {
    /// collect → the first step of merge.
    fn of(metadata: BTreeMap<String, String>, contributions: Vec<Contribution>) -> Self {
        let gathered = gather(metadata, &contributions);
        Collected { contributions: Arc::new(contributions), gathered }
    }
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
        let report = &config.report;
        let mut beat = Beat {
            changes: sources.processes.changes(),
            sources,
            metadata: config.metadata.clone(),
            interval: report.interval,
            boot_id,
            seq: 0,
            schedule: Schedule::new(started, report.interval, report.jitter, phase(&config.sample.sandbox_id)),
            lateness: Lateness::default(),
            urgency: Urgency::new(report.interval),
            look_at: None,
            told: Marks::default(),
            clocks: Clocks::new(Reading::now()),
            standstill: None,
            woke: None,
            stopping: false,
            settle_at: started + START_UP,
            has_settled: false,
            sampler: Sampler::new(config.sample.clone(), Path::new("/"), started),
            outbox,
            delivery,
            seen,
        };
        beat.sampler.keep_to(beat.schedule.every());
        let observer = beat.sampler.observer();
        (beat, shown, observer)
    }

    /// Beats until the end is wished for or nobody is left to wish, then once more with the status `stopped`.
    pub(crate) async fn run(mut self, wish: watch::Receiver<Wish>) {
        tokio::select! {
            biased;
            () = wished(wish.clone(), Wish::End) => {}
            () = self.beat_on(wish) => {}
        }
        self.sampler.ask();
        sleep_until((Instant::now() + GATHER).into()).await;
        self.report(self.last_values(), Trigger::Stop);
    }

    async fn beat_on(&mut self, wish: watch::Receiver<Wish>) {
        let first = self.collect(Instant::now() + FIRST_COLLECT.min(self.schedule.lead())).await;
        self.report(first, Trigger::Start);
        let mut stopping = pin!(wished(wish, Wish::TellStopping));
        let mut collecting: Option<Collecting> = None;
        loop {
            // An answer of the hub may have moved it.
            let next = self.schedule.due();
            collecting = collecting.filter(|collecting| collecting.due == next);
            let ask = next.checked_sub(self.schedule.lead()).unwrap_or(next);
            tokio::select! {
                biased;
                () = sleep_until(self.clocks.due().into()) => self.look_at_clocks(),
                collected = due(&mut collecting) => {
                    collecting = None;
                    self.report(collected, Trigger::Interval);
                }
                () = sleep_until(ask.into()), if collecting.is_none() => collecting = Some(self.collect_for(next)),
                () = at(self.urgency.due(next)) => {
                    self.report(self.last_values(), Trigger::Change);
                }
                () = at(self.look_at) => self.look_at_processes(),
                Ok(()) = self.changes.changed(), if self.look_at.is_none() => {
                    self.look_at = Some(Instant::now() + GATHER);
                    self.sampler.ask();
                }
                Ok(()) = self.delivery.changed() => self.follow_delivery(),
                () = &mut stopping, if !self.stopping => {
                    self.stopping = true;
                    self.sampler.ask();
                    self.urgency.insist(Instant::now() + SHORT_STOP);
                }
            }
        }
    }

    /// sample → collect: the collectors are shown what is known now, and have until `by`. Those that are late even then
    /// contribute what they last measured.
    fn collect(&mut self, by: Instant) -> impl Future<Output = Collected> + Send + use<> {
        let shown = self.sampler.peek(self.sources.processes.snapshot());
        let collectors = self.sources.collectors.clone();
        let metadata = self.metadata.clone();
        async move {
            let collecting = timeout_at((by + DISTRUST).into(), collectors.collect(shown, by)).await;
            Collected::of(metadata, collecting.unwrap_or_else(|_| collectors.contributions()))
        }
    }

    /// The same for a report, at the moment that it is due. What takes long with many values is done by then.
    fn collect_for(&mut self, due: Instant) -> Collecting {
        self.settle();
        let spare = (self.schedule.lead() / 10).min(MOST_SPARE);
        let collecting = self.collect(due.checked_sub(spare).unwrap_or(due));
        let collected = Box::pin(async move {
            let collected = collecting.await;
            sleep_until(due.into()).await;
            collected
        });
        Collecting { due, collected }
    }

    /// What the collectors last measured.
    fn last_values(&self) -> Collected {
        Collected::of(self.metadata.clone(), self.sources.collectors.contributions())
    }

    /// Gives back what is free, and the first time what only the start needed. Here, so that what the beat itself needs
    /// of it comes back at once, and is not to be waited for when a report is due.
    fn settle(&mut self) {
        let now = Instant::now();
        if now < self.settle_at {
            return;
        }
        self.settle_at = now + GIVE_BACK;
        if !std::mem::replace(&mut self.has_settled, true) {
            footprint::drop_start_up_code();
        }
        footprint::trim();
    }

    /// sample → merge → report.
    fn report(&mut self, Collected { contributions, gathered }: Collected, why: Trigger) {
        self.seq += 1;
        let sample = self.sampler.take(self.sources.processes.snapshot());
        self.told = Marks::of(&sample.processes);
        let status = if why == Trigger::Stop { SandboxStatus::Stopped } else { SandboxStatus::Running };
        let is_word_of_it = |standstill: &Standstill| standstill.first_seq == self.seq;
        let trigger = match why {
            Trigger::Interval | Trigger::Change if self.standstill.as_ref().is_some_and(is_word_of_it) => {
                Trigger::Resumed
            }
            why => why,
        };
        let report = Arc::new(merge(Parts {
            identity: Identity {
                status,
                boot_id: self.boot_id.clone(),
                seq: self.seq,
                interval: self.schedule.every(),
                trigger,
                stopping: self.stopping && status == SandboxStatus::Running,
                resumed: self.standstill.as_ref().map(|standstill| standstill.told),
            },
            sample,
            gathered,
            plugins: self.sources.collectors.plugins(),
            now: Instant::now(),
            timestamp: Timestamp::now(),
        }));
        self.outbox.put(report.clone());
        tracing::debug!(seq = self.seq, ?trigger, metrics = report.metrics.len(), "report made");
        let late = self.made(why);
        self.seen.send_modify(|seen| {
            seen.report = Some(report);
            seen.unavailable = self.sampler.unavailable().to_vec();
            seen.contributions = contributions;
            seen.next_due = (why != Trigger::Stop).then(|| self.schedule.due());
            late.into_iter().for_each(|late| seen.lateness.note(late));
        });
    }

    /// What follows from a report that has been made; how late it was, where it was due.
    fn made(&mut self, why: Trigger) -> Option<Duration> {
        let now = Instant::now();
        let due = self.schedule.due();
        self.urgency.reported(now);
        match why {
            Trigger::Change | Trigger::Resumed | Trigger::Stop => return None,
            Trigger::Start | Trigger::Interval => self.schedule.made(now, fastrand::f64()),
        }
        if why == Trigger::Start {
            return None;
        }
        if self.woke.is_some_and(|woke| due <= woke) {
            // The standstill that it fell into has been told.
            return None;
        }
        let late = now.saturating_duration_since(due);
        match self.lateness.note(late) {
            Some(Change::Late(by)) => tracing::warn!(
                "reports are late: one by {by:.1?}; the sandbox has too little CPU, or waits for memory or a disk"
            ),
            Some(Change::InTime { late, worst }) => {
                tracing::info!("reports are in time again, after {late} late ones, the latest by {worst:.1?}");
            }
            None => {}
        }
        Some(late)
    }

    /// Of many changes few matter; those that come together are looked at once.
    fn look_at_processes(&mut self) {
        self.look_at = None;
        self.changes.mark_unchanged();
        let processes = self.sources.processes.snapshot();
        let mut differing = self.told.differing(&processes).peekable();
        if differing.peek().is_some() {
            self.urgency.changed(Instant::now(), differing);
        }
    }

    fn look_at_clocks(&mut self) {
        let Some(stood_still) = self.clocks.look(Reading::now(), self.schedule.every()) else { return };
        tracing::info!("the sandbox stood still for {stood_still:.1?}, or its wall clock was set ahead");
        let before = self.standstill.take().map_or(0, |standstill| standstill.told.suspended_ms);
        let millis = u64::try_from(stood_still.as_millis()).unwrap_or(u64::MAX);
        let told = Resumed { suspended_ms: before.saturating_add(millis), at: Timestamp::now() };
        self.standstill = Some(Standstill { told, first_seq: self.seq + 1 });
        let now = Instant::now();
        self.woke = Some(now);
        // A report that is due says it as well.
        self.urgency.insist(now);
    }

    /// What the hub's answers change.
    fn follow_delivery(&mut self) {
        let (directed, accepted) = {
            let delivery = self.delivery.borrow_and_update();
            (delivery.directed, delivery.last_accepted_seq)
        };
        self.standstill = self.standstill.take().filter(|standstill| standstill.first_seq > accepted);
        let every = directed.unwrap_or(self.interval);
        if every != self.schedule.every() {
            self.schedule.set_every(every, Instant::now(), fastrand::f64());
            self.urgency.set_interval(every);
            self.sampler.keep_to(every);
            self.seen.send_modify(|seen| seen.next_due = Some(self.schedule.due()));
        }
    }
}

/// The end of a collection; none where there is none.
async fn due(collecting: &mut Option<Collecting>) -> Collected {
    match collecting {
        Some(collecting) => collecting.collected.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Waits for a moment, where there is one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

async fn wished(mut wish: watch::Receiver<Wish>, wanted: Wish) {
    // An owner that is gone wants the end.
    let _ = wish.wait_for(|wish| *wish >= wanted).await;
}
