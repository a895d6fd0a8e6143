//! Sends the newest report, and what follows from each outcome.
//!
//! Runs on the beat's thread beside the loop, until the report `stopped` has had its attempts. What waits is at most
//! one report: a newer one replaces it, and is sent at once unless the hub asked to be left alone or its answers are
//! final (see `pace`). What the report says of its predecessors (`gap`) and which parts it carries (see `wire`) is
//! settled when it is sent. A failed attempt is tried again with the same `bootId` and `seq`, since after a timeout the
//! hub may have it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sandbeat_status::{Report, SandboxStatus};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::client::Client;
use super::delivery::{Change, Delivery};
use super::outcome::{Failure, Outcome};
use super::pace::{Pace, SLOWEST};
use super::wire::{Draft, Resend, Wire};
use super::{Config, FINAL_BOUND};

/// Where the loop leaves its reports.
#[derive(Debug)]
pub(crate) struct Outbox {
    newest: watch::Sender<Option<Left>>,
    delivery: watch::Sender<Delivery>,
}

impl Outbox {
    /// Leaves a report; one that still waits is replaced. Nothing may follow one that says `stopped`.
    pub(crate) fn put(&self, report: Arc<Report>) {
        note_quietly(&self.delivery, Delivery::note_made);
        self.newest.send_replace(Some(Left { report, at: Instant::now() }));
    }
}

/// A report in the outbox.
#[derive(Clone, Debug)]
struct Left {
    report: Arc<Report>,
    /// Since when.
    at: Instant,
}

impl Left {
    fn is_last(&self) -> bool {
        self.report.status == SandboxStatus::Stopped
    }
}

/// Carries reports to the hub.
#[derive(Debug)]
pub(crate) struct Courier {
    client: Client,
    newest: watch::Receiver<Option<Left>>,
    delivery: watch::Sender<Delivery>,
    interval: Duration,
    timeout: Duration,
    directed: RangeInclusive<Duration>,
    /// The report that is to be sent, if it is not delivered yet.
    waiting: Option<Left>,
    /// When.
    pace: Pace,
    /// In which form.
    wire: Wire,
    /// The last time that the sandbox was found to have stood still, for which the connection was made anew.
    resumed: Option<Timestamp>,
}

/// An outbox, the courier that empties it, and how delivery stands.
pub(crate) fn post_office(client: Client, config: &Config) -> (Outbox, Courier, watch::Receiver<Delivery>) {
    let (newest_in, newest) = watch::channel(None);
    let (delivery, delivery_out) = watch::channel(Delivery::default());
    let outbox = Outbox { newest: newest_in, delivery: delivery.clone() };
    let courier = Courier {
        client,
        newest,
        delivery,
        interval: config.interval,
        timeout: config.timeout,
        directed: config.directed.clone(),
        waiting: None,
        pace: Pace::default(),
        wire: Wire::new(config.compression),
        resumed: None,
    };
    (outbox, courier, delivery_out)
}

impl Courier {
    /// Delivers until the report `stopped` has been dealt with or the outbox is gone.
    pub(crate) async fn run(mut self) {
        while let Some(left) = self.next().await {
            let report = &left.report;
            if left.is_last() {
                // What was under way when it came has had its moment within the same bound.
                return self.deliver_last(report, left.at + self.last_bound()).await;
            }
            let last = last_report(self.newest.clone());
            let grace = self.last_bound() / 4;
            tokio::select! {
                outcome = self.attempt(report, self.timeout) => self.settle(report, outcome),
                // What is under way gets a moment, so that the hub does not read it after `stopped`.
                () = async { last.await; sleep(grace).await } => {
                    note_quietly(&self.delivery, Delivery::note_broken_off);
                }
            }
        }
    }

    /// The report to send, as soon as it may be sent.
    async fn next(&mut self) -> Option<Left> {
        loop {
            let due = match &self.waiting {
                Some(left) if left.is_last() => return self.waiting.take(),
                Some(_) => self.pace.due(),
                None => None,
            };
            tokio::select! {
                biased;
                changed = self.newest.changed() => {
                    changed.ok()?;
                    self.waiting = self.newest.borrow_and_update().clone();
                    self.pace.newer(Instant::now());
                }
                () = self.client.credentials_changed(), if self.pace.is_refused() => {
                    self.pace.credentials_changed(Instant::now());
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return self.waiting.clone(),
            }
        }
    }

    /// Posts a report, once more where the hub turns out not to read it compressed. Takes at most `within`. May be
    /// broken off at any time.
    async fn attempt(&mut self, report: &Report, within: Duration) -> Outcome {
        let deadline = Instant::now() + within;
        self.renew_after_standstill(report);
        loop {
            let gap = self.delivery.borrow().gap(report.seq.unwrap_or(0));
            let draft = self.wire.draft(report, gap.as_ref(), Instant::now());
            // Before the pauses of compression, in which a newer report may come: this one is no longer merely waiting.
            note_quietly(&self.delivery, Delivery::note_attempt);
            let payload = draft.payload().await;
            let began = Instant::now();
            let outcome = self.client.post(payload, deadline.saturating_duration_since(began)).await;
            note_quietly(&self.delivery, |delivery| {
                delivery.note_exchange(began.elapsed());
                delivery.credentials = self.client.credentials_trouble();
            });
            match &outcome {
                Outcome::Accepted { keeps, .. } => self.note_form(report, &draft, *keeps),
                Outcome::Failed(failure) if self.wire.failed(failure, &draft) == Resend::AsItIs => {
                    note_quietly(&self.delivery, |delivery| delivery.note_false_start(failure.kind));
                    continue;
                }
                Outcome::Failed(_) => {}
            }
            return outcome;
        }
    }

    /// While the sandbox stood still, the connection may have died without anyone having been told.
    fn renew_after_standstill(&mut self, report: &Report) {
        if let Some(resumed) = report.resumed
            && self.resumed != Some(resumed.at)
        {
            self.resumed = Some(resumed.at);
            self.client.renew();
            self.wire.forget();
        }
    }

    fn note_form(&mut self, report: &Report, draft: &Draft, keeps: bool) {
        if let Some(unread) = self.wire.accepted(report, draft, keeps, Instant::now()) {
            let server = self.client.server();
            tracing::info!("{server} does not read compressed reports ({unread}); they are sent as they are");
        }
    }

    /// What follows from an outcome: when to go on, what to tell.
    fn settle(&mut self, report: &Report, outcome: Outcome) {
        let change = match outcome {
            Outcome::Accepted { next, .. } => {
                self.waiting = None;
                self.pace.accepted();
                let directed = next.map(|next| self.within_bounds(next));
                self.note(|delivery| delivery.note_accepted(report.seq.unwrap_or(0), directed, Timestamp::now()))
            }
            Outcome::Failed(failure) => {
                self.plan_retry(&failure);
                let next = self.pace.next_try().map(Instant::into_std);
                self.note(|delivery| {
                    let change = delivery.note_failed(&failure, Timestamp::now());
                    delivery.note_next(next);
                    change
                })
            }
        };
        if let Some(change) = change {
            self.tell(&change, report.status);
        }
    }

    fn plan_retry(&mut self, failure: &Failure) {
        let interval = self.delivery.borrow().directed.unwrap_or(self.interval);
        let hold = failure.retry_after.map(|wait| self.within_bounds(wait));
        self.pace.failed(failure, hold, interval, Instant::now(), fastrand::f64());
    }

    /// `stopped` is tried until the bound, also where the hub asked to be left alone: there is no later. Another
    /// attempt follows only a failure that may be over by itself, and more than one only where the hub has not been
    /// failing before: a hub that is being restarted comes back, one that was away stays away.
    async fn deliver_last(&mut self, report: &Report, deadline: Instant) {
        let most = if self.delivery.borrow().failing.is_some() { 2 } else { u32::MAX };
        for attempt in 0..most {
            let pause = self.last_bound() / 20 * attempt.min(4);
            if timeout_at(deadline, sleep(pause)).await.is_err() {
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let outcome = self.attempt(report, left).await;
            let (delivered, again) = match &outcome {
                Outcome::Accepted { .. } => (true, false),
                Outcome::Failed(failure) => (false, failure.kind.is_transient()),
            };
            self.settle(report, outcome);
            if delivered {
                return;
            }
            if !again {
                break;
            }
        }
        note_quietly(&self.delivery, Delivery::note_end);
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

    fn tell(&self, change: &Change, status: SandboxStatus) {
        let server = self.client.server();
        match change {
            Change::First => tracing::info!("{server} accepted the first report"),
            Change::Recovered { missed: 0 } => tracing::info!("{server} accepts reports again"),
            Change::Recovered { missed } => tracing::info!("{server} accepts reports again, after {missed} missed"),
            // What follows from the last one is said when all of it is over.
            Change::Failing { why, .. } if status == SandboxStatus::Stopped => {
                tracing::warn!("the last report does not arrive: {why}");
            }
            Change::Failing { why, transient } => {
                tracing::warn!("reports do not arrive: {why}; {}", self.prospect(*transient));
            }
        }
    }

    /// When it goes on after a failure.
    fn prospect(&self, transient: bool) -> String {
        // The next attempt follows at the latest when this one has run out of time.
        let interval = self.delivery.borrow().directed.unwrap_or(self.interval).max(self.timeout);
        let next = self.pace.next_try().map(|next| next.saturating_duration_since(Instant::now()));
        match next.filter(|next| *next > interval) {
            Some(held) => format!("trying again in {held:.0?}"),
            None if transient => format!("trying on, at least every {interval:?}"),
            None => format!("trying on, ever more slowly, at least every {:?}", SLOWEST.max(interval)),
        }
    }
}

/// Notes what is only counted; nobody waits for that.
fn note_quietly(delivery: &watch::Sender<Delivery>, note: impl FnOnce(&mut Delivery)) {
    delivery.send_if_modified(|delivery| {
        note(delivery);
        false
    });
}

/// Waits until the report `stopped` is in the outbox.
async fn last_report(mut newest: watch::Receiver<Option<Left>>) {
    if newest.wait_for(|newest| newest.as_ref().is_some_and(Left::is_last)).await.is_err() {
        // The loop is gone and will put nothing more.
        std::future::pending().await
    }
}

#[cfg(test)]
#[path = "courier_tests.rs"]
mod tests;
