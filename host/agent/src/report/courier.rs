//! Sends the newest report, and what follows from each outcome.
//!
//! Runs on the beat's thread beside the loop, until the report `stopped` has had its attempts. What waits is at most
//! one report: a newer one replaces it, and is sent at once unless the hub asked to be left alone.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sandbeat_status::{Report, SandboxStatus};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::client::{Client, Payload};
use super::delivery::{Change, Delivery};
use super::outcome::{Failure, Outcome};
use super::schedule::pause;
use super::{Config, FINAL_BOUND};

/// Where the loop leaves its reports.
#[derive(Debug)]
pub(crate) struct Outbox {
    newest: watch::Sender<Option<Arc<Report>>>,
}

impl Outbox {
    /// Leaves a report; one that still waits is replaced. Nothing may follow one that says `stopped`.
    pub(crate) fn put(&self, report: Arc<Report>) {
        self.newest.send_replace(Some(report));
    }
}

/// Carries reports to the hub.
#[derive(Debug)]
pub(crate) struct Courier {
    client: Client,
    newest: watch::Receiver<Option<Arc<Report>>>,
    delivery: watch::Sender<Delivery>,
    interval: Duration,
    timeout: Duration,
    directed: RangeInclusive<Duration>,
    /// The report that is to be sent, if it is not delivered yet.
    waiting: Option<Arc<Report>>,
    /// Not before this moment is the same report tried again.
    retry_at: Instant,
    /// Not before this moment is anything sent, because the hub asked for it.
    hold_until: Instant,
}

/// An outbox, the courier that empties it, and how delivery stands.
pub(crate) fn post_office(client: Client, config: &Config) -> (Outbox, Courier, watch::Receiver<Delivery>) {
    let (newest_in, newest) = watch::channel(None);
    let (delivery, delivery_out) = watch::channel(Delivery::default());
    let now = Instant::now();
    let courier = Courier {
        client,
        newest,
        delivery,
        interval: config.interval,
        timeout: config.timeout,
        directed: config.directed.clone(),
        waiting: None,
        retry_at: now,
        hold_until: now,
    };
    (Outbox { newest: newest_in }, courier, delivery_out)
}

impl Courier {
    /// Delivers until the report `stopped` has been dealt with or the outbox is gone.
    pub(crate) async fn run(mut self) {
        while let Some(report) = self.next().await {
            if report.status == SandboxStatus::Stopped {
                return self.deliver_last(&report, Instant::now() + self.last_bound()).await;
            }
            let last = last_report(self.newest.clone());
            tokio::select! {
                outcome = self.client.post(payload(&report), self.timeout) => self.settle(&report, outcome),
                // What is under way gets a moment, so that the hub does not read it after `stopped`.
                () = async { last.await; tokio::time::sleep(self.last_bound() / 4).await } => {}
            }
        }
    }

    /// The report to send, as soon as it may be sent.
    async fn next(&mut self) -> Option<Arc<Report>> {
        loop {
            let at = match &self.waiting {
                Some(report) if report.status == SandboxStatus::Stopped => return self.waiting.take(),
                Some(_) => Some(self.retry_at.max(self.hold_until)),
                None => None,
            };
            tokio::select! {
                biased;
                changed = self.newest.changed() => {
                    changed.ok()?;
                    self.take_newest();
                }
                () = sleep_until(at.unwrap_or_else(Instant::now)), if at.is_some() => return self.waiting.clone(),
            }
        }
    }

    fn take_newest(&mut self) {
        self.waiting = self.newest.borrow_and_update().clone();
        self.retry_at = Instant::now();
    }

    /// What follows from an outcome: when to go on, what to tell.
    fn settle(&mut self, report: &Report, outcome: Outcome) {
        let now = Instant::now();
        let change = match outcome {
            Outcome::Accepted { next } => {
                self.waiting = None;
                let directed = next.map(|next| self.within_bounds(next));
                self.note(|delivery| delivery.note_accepted(report.seq.unwrap_or(0), directed, Timestamp::now()))
            }
            Outcome::Failed(failure) => {
                if let Some(wait) = failure.retry_after {
                    self.hold_until = now + self.within_bounds(wait);
                }
                let change = self.note(|delivery| delivery.note_failed(&failure, Timestamp::now()));
                self.plan_retry(&failure, now);
                change
            }
        };
        if let Some(change) = change {
            self.tell(&change);
        }
    }

    /// The same report again after a pause, or only the next one.
    fn plan_retry(&mut self, failure: &Failure, now: Instant) {
        if !failure.kind.is_transient() {
            self.waiting = None;
            return;
        }
        let (failures, interval) = {
            let delivery = self.delivery.borrow();
            (
                delivery.failing.as_ref().map_or(1, |failing| failing.attempts),
                delivery.directed.unwrap_or(self.interval),
            )
        };
        self.retry_at = now + pause(failures, interval, fastrand::f64());
    }

    /// `stopped` is tried until the bound, also where the hub has been failing or asked to be left alone: there is no
    /// later. A second attempt follows only a failure that may be over by itself.
    async fn deliver_last(&mut self, report: &Report, deadline: Instant) {
        for _ in 0..2 {
            let left = deadline.saturating_duration_since(Instant::now());
            let outcome = self.client.post(payload(report), left).await;
            let (delivered, again) = match &outcome {
                Outcome::Accepted { .. } => (true, false),
                Outcome::Failed(failure) => (false, failure.kind.is_transient()),
            };
            self.settle(report, outcome);
            if delivered {
                return;
            }
            let pause = Instant::now() + self.last_bound() / 20;
            if !again || timeout_at(deadline, sleep_until(pause)).await.is_err() {
                break;
            }
        }
        tracing::warn!("the last report, `stopped`, did not arrive; the hub will take this sandbox for lost");
    }

    fn last_bound(&self) -> Duration {
        self.timeout.min(FINAL_BOUND)
    }

    fn within_bounds(&self, directed: Duration) -> Duration {
        directed.clamp(*self.directed.start(), *self.directed.end())
    }

    fn note(&self, note: impl FnOnce(&mut Delivery) -> Option<Change>) -> Option<Change> {
        let mut change = None;
        self.delivery.send_modify(|delivery| change = note(delivery));
        change
    }

    fn tell(&self, change: &Change) {
        let server = self.client.server();
        match change {
            Change::First => tracing::info!("{server} accepted the first report"),
            Change::Recovered { missed: 0 } => tracing::info!("{server} accepts reports again"),
            Change::Recovered { missed } => tracing::info!("{server} accepts reports again, after {missed} missed"),
            Change::Failing(why) => {
                tracing::warn!("reports do not arrive: {why}; trying on, at least every {:?}", self.interval);
            }
        }
    }
}

fn payload(report: &Report) -> Payload {
    Payload { bytes: serde_json::to_vec(report).unwrap_or_default().into(), gzip: false }
}

/// Waits until the report `stopped` is in the outbox.
async fn last_report(mut newest: watch::Receiver<Option<Arc<Report>>>) {
    let stopped =
        |report: &Option<Arc<Report>>| report.as_ref().is_some_and(|report| report.status == SandboxStatus::Stopped);
    if newest.wait_for(stopped).await.is_err() {
        // The loop is gone and will put nothing more.
        std::future::pending().await
    }
}
