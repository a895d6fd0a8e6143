//! Webhooks: each configured one is posted its events, one after another, until they are taken.
//!
//! Each has a task and a place in the store, which is noted once an event was taken; so an event is posted at least
//! once, and again when the hub ended between the two. A webhook that is new begins with what happens from then on, one
//! that is known goes on where it was. While an endpoint fails, its events wait in the store and cost no memory; what
//! becomes of them is the matter of `schedule`. Events that are given up are counted and logged, those in a row at once.
//! An endpoint that answers 410 is left alone until the next start, and nothing waits for it. Events that the store no
//! longer has when their turn comes are missed; the log says so, but how many they were nobody knows any more. When the
//! store does not answer, the same is asked again later. Owner of the tasks is [`super::Telling`].

mod client;
mod schedule;
mod target;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

pub(super) use self::client::Client;
use self::client::Outcome;
use self::schedule::Schedule;
use self::target::{Target, origin, store_key};
use super::feed::{Feed, NoBatch, Wanted};
use crate::closing::Closing;
use crate::config::Webhook;
use crate::event::{Event, Kind};
use crate::fleet::Refused;
use crate::measure::{Measures, WebhookMeasures};
use crate::store::{EventQuery, Store};

/// Until the store is asked again after it has not answered.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// Of the events that wait, so many are counted; more are told as so many.
const MOST_COUNTED: usize = 1000;
/// How often the place is noted while there is nothing to post, so that it does not fall behind what the store keeps.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// What the tasks of all webhooks need.
pub(super) struct Surroundings<'a> {
    pub client: Client,
    pub store: &'a Arc<Store>,
    pub measures: &'a Arc<Measures>,
    pub closing: &'a Closing,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    GivenUp,
    /// Nothing, and nothing more is to be posted.
    Ended,
}

/// The task of one webhook.
#[derive(Debug)]
pub(super) struct Poster {
    /// For the log.
    name: String,
    /// Its place in the configuration.
    index: usize,
    target: Target,
    kinds: Vec<Kind>,
    store_key: String,
    client: Client,
    store: Arc<Store>,
    measures: Arc<Measures>,
    closing: Closing,
    /// Until the task begins.
    feed: Option<Feed>,
    /// What the store has noted.
    noted: Option<u64>,
    schedule: Schedule,
    /// Why posts fail, as the log has it.
    trouble: Option<String>,
    /// Events that wait, as far as was counted.
    waiting: usize,
    given_up: GivenUp,
}

/// Events that were given up and of which the log has not spoken.
#[derive(Debug, Default)]
struct GivenUp {
    count: u64,
    /// The number of the first one.
    first: u64,
}

impl Surroundings<'_> {
    /// Gets ready for the events of one webhook from now on, or from where it was; nothing for one that cannot be used.
    pub(super) async fn poster(&self, index: usize, webhook: &Webhook) -> Option<Poster> {
        let name = format!("hub.webhooks[{index}] at {}", origin(&webhook.url));
        let target = match Target::new(webhook) {
            Ok(target) => target,
            Err(reason) => {
                tracing::error!(webhook = name, "cannot be used: {reason}");
                return None;
            }
        };
        let mut poster = Poster {
            name,
            index,
            target,
            kinds: webhook.events.clone(),
            store_key: store_key(&webhook.url),
            client: self.client.clone(),
            store: Arc::clone(self.store),
            measures: Arc::clone(self.measures),
            closing: self.closing.clone(),
            feed: None,
            noted: None,
            schedule: Schedule::default(),
            trouble: None,
            waiting: 0,
            given_up: GivenUp::default(),
        };
        // Where the store does not answer, which it says itself, the task asks again.
        let _ = poster.try_open().await;
        Some(poster)
    }
}

impl Poster {
    /// Posts until the hub ends. A post that is under way then is waited for.
    pub(super) async fn run(mut self) {
        let Some(mut feed) = self.opened().await else { return };
        let mut note_at = Instant::now() + NOTE_EVERY;
        loop {
            let batch = tokio::select! {
                biased;
                () = self.closing.wait() => break,
                batch = feed.next() => batch,
                () = sleep_until(note_at) => {
                    self.note(feed.at());
                    note_at = Instant::now() + NOTE_EVERY;
                    continue;
                }
            };
            match batch {
                Ok(batch) => {
                    if batch.missed {
                        self.say_missed();
                    }
                    if !self.post_all(&batch.events, feed.is_behind()).await {
                        return;
                    }
                }
                Err(NoBatch::Store(_)) => {
                    if self.closes_within(Instant::now() + STORE_PAUSE).await {
                        break;
                    }
                }
                Err(NoBatch::Ended) => break,
            }
        }
        self.note(feed.at());
    }

    /// The events from its place on; nothing when the hub ends before the store answers.
    async fn opened(&mut self) -> Option<Feed> {
        loop {
            if let Some(feed) = self.feed.take() {
                return Some(feed);
            }
            if self.closes_within(Instant::now() + STORE_PAUSE).await {
                return None;
            }
            let _ = self.try_open().await;
        }
    }

    async fn try_open(&mut self) -> Result<(), Refused> {
        let position = self.store.webhook_position(&self.store_key).await?;
        let wanted = Wanted { sandbox_id: None, kinds: self.kinds.clone() };
        let (feed, missed) = Feed::start(Arc::clone(&self.store), wanted, position).await?;
        if missed {
            self.say_missed();
        }
        // A new one has its place before its first event.
        self.note(feed.at());
        self.feed = Some(feed);
        Ok(())
    }

    /// Returns whether to go on. `more`: further ones wait already.
    async fn post_all(&mut self, events: &[Arc<Event>], more: bool) -> bool {
        self.waiting = events.len();
        if more && let Some(event) = events.first() {
            self.count_waiting(event).await;
        }
        for event in events {
            self.measure().behind.set(self.waiting);
            match self.post(event).await {
                Fate::Taken => {}
                Fate::GivenUp => self.given_up(event),
                Fate::Ended => return false,
            }
            self.note(event.id);
            self.waiting = self.waiting.saturating_sub(1);
        }
        self.measure().behind.set(self.waiting);
        self.say_given_up();
        true
    }

    async fn post(&mut self, event: &Event) -> Fate {
        let begun = Instant::now();
        loop {
            let age = Timestamp::now().duration_since(event.at).try_into().unwrap_or_default();
            if self.schedule.is_over_for(begun.elapsed().max(age), Instant::now()) {
                return Fate::GivenUp;
            }
            self.say_given_up();
            if let Some(at) = self.schedule.not_before()
                && self.closes_within(at).await
            {
                return Fate::Ended;
            }
            let outcome = match self.target.request(event, Timestamp::now()) {
                Ok(request) => self.client.post(request).await,
                Err(reason) => Outcome::Failed { reason, asked: None },
            };
            match outcome {
                Outcome::Taken => {
                    self.taken();
                    return Fate::Taken;
                }
                Outcome::Gone => {
                    self.measure().behind.set(0);
                    let webhook = &self.name;
                    tracing::warn!(
                        webhook,
                        "it wants no events any more (410 Gone); nothing is posted until a restart"
                    );
                    return Fate::Ended;
                }
                Outcome::Failed { reason, asked } => {
                    self.failed(reason, asked);
                    self.count_waiting(event).await;
                }
            }
        }
    }

    fn taken(&mut self) {
        self.measure().delivered.add(1);
        let failures = self.schedule.succeeded();
        if self.trouble.take().is_some() {
            tracing::info!(webhook = self.name, failures, "it takes events again");
        }
    }

    /// The log has the first failure, and those that are for another reason than the one before.
    fn failed(&mut self, reason: String, asked: Option<Duration>) {
        self.measure().failures.add(1);
        self.schedule.failed(Instant::now(), asked, fastrand::f64());
        if self.trouble.as_ref() != Some(&reason) {
            tracing::warn!(webhook = self.name, reason, "it does not take an event; trying on");
            self.trouble = Some(reason);
        }
    }

    fn given_up(&mut self, event: &Event) {
        self.measure().given_up.add(1);
        let GivenUp { count, first } = &mut self.given_up;
        *first = if *count == 0 { event.id } else { *first };
        *count += 1;
    }

    fn say_given_up(&mut self) {
        let GivenUp { count, first } = std::mem::take(&mut self.given_up);
        if count > 0 {
            let webhook = &self.name;
            tracing::warn!(webhook, events = count, first, "gave up events that it has not taken for a day");
        }
    }

    /// How many events wait, this one among them.
    async fn count_waiting(&mut self, event: &Event) {
        let after = Some(event.id.saturating_sub(1));
        let query = EventQuery { kinds: self.kinds.clone(), after, limit: MOST_COUNTED, ..EventQuery::default() };
        if let Ok(page) = self.store.events(query).await {
            self.waiting = page.events.len();
            self.measure().behind.set(self.waiting);
        }
    }

    fn measure(&self) -> &WebhookMeasures {
        // There is one for each place of the configuration.
        &self.measures.webhooks[self.index]
    }

    fn note(&mut self, position: u64) {
        if self.noted.replace(position) != Some(position) {
            self.store.set_webhook_position(&self.store_key, position);
        }
    }

    fn say_missed(&self) {
        let webhook = &self.name;
        tracing::warn!(webhook, "events that it has not taken are not kept any more; it goes on with the next ones");
    }

    /// Waits until then, or until the hub ends, which is true.
    async fn closes_within(&mut self, then: Instant) -> bool {
        tokio::select! {
            biased;
            () = self.closing.wait() => true,
            () = sleep_until(then) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::fleet::Registration;

    #[tokio::test(start_paused = true)]
    async fn what_is_given_up_is_counted() {
        // Nobody listens there.
        let url = "http://127.0.0.1:1/".to_owned();
        let webhook = Webhook { url, secret: None, events: vec![Kind::Registered] };
        let store = Arc::new(Store::open(&Config::default()).unwrap());
        let (measures, (close, closing)) = (Arc::new(Measures::new(1)), Closing::later());
        let surroundings = Surroundings {
            client: Client::new().await.unwrap(),
            store: &store,
            measures: &measures,
            closing: &closing,
        };
        let poster = surroundings.poster(0, &webhook).await.unwrap();
        for id in ["a", "b"] {
            store.register(Registration::by_report(id, Timestamp::now())).await.unwrap();
        }
        let posting = tokio::spawn(poster.run());
        let of = &measures.webhooks[0];
        while of.given_up.get() < 2 {
            // It has failed for all of the time until then.
            assert!(of.delivered.get() == 0 && !posting.is_finished());
            sleep_until(Instant::now() + Duration::from_secs(60 * 60)).await;
        }
        assert!(of.failures.get() > 250, "{} tries in a day", of.failures.get());
        close.send(true).unwrap();
        posting.await.unwrap();
        assert_eq!((of.given_up.get(), of.behind.get()), (2, 0));
    }
}
