//! Webhooks: each configured one is posted its events, a few at a time, until they are taken.
//!
//! Each has a task and a place in the store. Which events are posted, in what order and what becomes of those that fail
//! is the matter of `window`; those that are read no further wait in the store and cost no memory. The place is noted as
//! it moves: before the oldest event that is not taken. So an event is posted at least once, and again when the hub
//! ended before its place was noted. A webhook that is new begins with what happens from then on, one that is known goes
//! on where it was.
//!
//! Events that are given up are counted and logged, those of one moment at once. An endpoint that answers 410 is left
//! alone until the next start, and nothing waits for it. Events that the store no longer has when their turn comes are
//! missed; the log says so, but how many they were nobody knows any more. When the store does not answer, the same is
//! asked again later. A post that panics ends the task of its webhook. Owner of the tasks is [`super::Telling`].

mod client;
mod schedule;
mod target;
mod window;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

pub(super) use self::client::Client;
use self::client::Outcome;
use self::target::{Target, origin, store_key};
pub(crate) use self::window::IN_FLIGHT;
use self::window::Window;
use super::feed::{Batch, Feed, NoBatch, PAGE, Wanted};
use crate::closing::Closing;
use crate::config::Webhook;
use crate::event::Kind;
use crate::fleet::Refused;
use crate::measure::{Measures, WebhookMeasures};
use crate::store::Store;

/// Until the store is asked again after it has not answered.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// How often the place is noted while there is nothing to post, so that it does not fall behind what the store keeps.
const NOTE_EVERY: Duration = Duration::from_secs(60);
/// The log has so many reasons why events are not taken, until all are again.
const MOST_REASONS: usize = 8;

/// What the tasks of all webhooks need.
pub(super) struct Surroundings<'a> {
    pub client: Client,
    pub store: &'a Arc<Store>,
    pub measures: &'a Arc<Measures>,
    pub closing: &'a Closing,
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
    window: Window,
    /// The store is not asked before.
    reads_from: Instant,
    /// When the place is noted, whatever happens.
    notes_at: Instant,
    trouble: Option<Trouble>,
}

/// What was not taken, until all is.
#[derive(Debug, Default)]
struct Trouble {
    /// Why, as the log has it.
    reasons: Vec<String>,
    failures: u64,
}

/// What happens next.
#[derive(Debug)]
enum Next {
    Post(Result<(u64, Outcome), JoinError>),
    Batch(Result<Batch, NoBatch>),
    /// It is time for something.
    Moment,
    Closing,
}

/// Posts under way, and the number of the event that each is of.
type Posts = JoinSet<(u64, Outcome)>;

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
            window: Window::default(),
            reads_from: Instant::now(),
            notes_at: Instant::now() + NOTE_EVERY,
            trouble: None,
        };
        // Where the store does not answer, which it says itself, the task asks again.
        let _ = poster.try_open().await;
        Some(poster)
    }
}

impl Poster {
    /// Posts until the hub ends. What is under way then is waited for.
    pub(super) async fn run(mut self) {
        let Some(mut feed) = self.opened().await else { return };
        let mut posts = Posts::new();
        loop {
            self.post(&mut posts);
            self.show(&feed);
            match self.next(&mut feed, &mut posts).await {
                Next::Post(ended) => {
                    if !self.came_of(ended) {
                        return;
                    }
                    self.note(feed.at());
                }
                Next::Batch(Ok(batch)) => self.read(batch),
                Next::Batch(Err(NoBatch::Store(_))) => self.reads_from = Instant::now() + STORE_PAUSE,
                Next::Moment if self.notes_at <= Instant::now() => {
                    self.note(feed.at());
                    self.notes_at = Instant::now() + NOTE_EVERY;
                }
                Next::Moment => {}
                Next::Batch(Err(NoBatch::Ended)) | Next::Closing => break,
            }
        }
        while let Some(ended) = posts.join_next().await {
            if !self.came_of(ended) {
                return;
            }
            self.note(feed.at());
        }
        self.note(feed.at());
    }

    async fn next(&mut self, feed: &mut Feed, posts: &mut Posts) -> Next {
        let (reads, moment) = (self.reads(), self.next_moment());
        if reads && feed.is_behind() {
            // A read of the store that each post's end had begin anew would never end.
            return tokio::select! {
                biased;
                () = self.closing.wait() => Next::Closing,
                batch = feed.catch_up() => Next::Batch(batch.map_err(NoBatch::Store)),
            };
        }
        tokio::select! {
            biased;
            () = self.closing.wait() => Next::Closing,
            Some(ended) = posts.join_next() => Next::Post(ended),
            batch = feed.live(), if reads => Next::Batch(batch),
            () = sleep_until(moment) => Next::Moment,
        }
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
        self.measures.event_exists(feed.newest());
        // A new one has its place before its first event.
        self.note(feed.at());
        self.feed = Some(feed);
        Ok(())
    }

    /// Begins the posts whose time has come.
    fn post(&mut self, posts: &mut Posts) {
        while let Some(event) = self.window.start(Instant::now()) {
            let (request, client) = (self.target.request(&event, Timestamp::now()), self.client.clone());
            posts.spawn(async move {
                let outcome = match request {
                    Ok(request) => client.post(request).await,
                    Err(reason) => Outcome::Failed { reason, asked: None },
                };
                (event.id, outcome)
            });
        }
    }

    /// Whether further events are read.
    fn reads(&self) -> bool {
        self.reads_from <= Instant::now() && self.window.has_room_for(PAGE as u64)
    }

    /// When there is something to do, if nothing happens before.
    fn next_moment(&self) -> Instant {
        let now = Instant::now();
        let reads_from = Some(self.reads_from).filter(|at| *at > now);
        [self.window.starts_at(now), reads_from].into_iter().flatten().fold(self.notes_at, Instant::min)
    }

    fn read(&mut self, batch: Batch) {
        if batch.missed {
            self.say_missed();
        }
        for event in batch.events {
            self.window.add(event, Instant::now());
        }
        self.give_up();
    }

    /// Returns whether to go on.
    fn came_of(&mut self, ended: Result<(u64, Outcome), JoinError>) -> bool {
        let (event, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends, and this with it.
                Err(_) => return false,
            },
        };
        match outcome {
            Outcome::Taken => self.taken(event),
            Outcome::Gone => {
                self.measure().waits(0, None, None);
                let webhook = &self.name;
                tracing::warn!(webhook, "it wants no events any more (410 Gone); nothing is posted until a restart");
                return false;
            }
            Outcome::Failed { reason, asked } => {
                self.window.failed(event, asked, Instant::now(), fastrand::f64());
                self.failed(event, reason);
                self.give_up();
            }
        }
        true
    }

    fn taken(&mut self, event: u64) {
        self.measure().delivered.add(1);
        self.window.taken(event, Instant::now());
        if let Some(Trouble { failures, .. }) = self.trouble.take_if(|_| !self.window.has_failed()) {
            tracing::info!(webhook = self.name, failures, "it takes all events again");
        }
    }

    /// The log has the first failure, and the first for each other reason.
    fn failed(&mut self, event: u64, reason: String) {
        self.measure().failures.add(1);
        let Trouble { reasons, failures } = self.trouble.get_or_insert_default();
        *failures += 1;
        if reasons.len() < MOST_REASONS && !reasons.contains(&reason) {
            tracing::warn!(webhook = self.name, event, reason, "it does not take an event; trying on");
            reasons.push(reason);
        }
    }

    fn give_up(&mut self) {
        let events = self.window.give_up(Instant::now(), Timestamp::now());
        if let Some(first) = events.first() {
            self.measure().given_up.add(events.len() as u64);
            let (webhook, first, events) = (&self.name, first.id, events.len());
            tracing::warn!(webhook, events, first, "gave up events that it has not taken for a day");
        }
    }

    /// What waits, for whoever asks.
    fn show(&self, feed: &Feed) {
        let oldest = self.window.oldest().map(|event| event.at);
        let is_read = self.reads() && !feed.is_behind();
        self.measure().waits(self.window.len(), (!is_read).then_some(feed.at()), oldest);
    }

    fn measure(&self) -> &WebhookMeasures {
        // There is one for each place of the configuration.
        &self.measures.webhooks[self.index]
    }

    /// Notes how far it has come, where everything up to this event was read.
    fn note(&mut self, read: u64) {
        let position = self.window.oldest().map_or(read, |event| event.id.saturating_sub(1));
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
        let (measures, (close, closing)) = (Arc::new(Measures::new(vec!["127.0.0.1".into()])), Closing::later());
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
        assert_eq!((of.given_up.get(), of.behind(0)), (2, 0));
    }
}
