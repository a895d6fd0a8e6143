//! Events in order from a place on: first from the store, in pages, then as they come; none lost, none twice.
//!
//! A feed subscribes before it reads, so that nothing falls between the two; what comes both ways is told apart by its
//! number, which is why the store must announce events in the order of their numbers. A feed that falls too far behind
//! what comes reads the store again. It holds one page at most. Every function that waits may be dropped while it does,
//! and loses nothing by it. When the store does not answer, nothing has changed, and the same may be asked again.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::event::{Event, Kind};
use crate::fleet::Refused;
use crate::store::{EventQuery, Store};

/// The most events in a batch.
pub(super) const PAGE: usize = 200;

/// Which events somebody wants.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Of this sandbox alone.
    pub sandbox_id: Option<String>,
    /// Of these kinds; empty: of all.
    pub kinds: Vec<Kind>,
}

/// Events from a place on.
#[derive(Debug)]
pub(super) struct Feed {
    store: Arc<Store>,
    wanted: Wanted,
    live: broadcast::Receiver<Arc<Event>>,
    /// Everything up to this number was given, is not wanted, or is not kept any more.
    at: u64,
    /// The newest event when the feed began.
    newest: u64,
    /// The store may have events after `at` that have come before what comes now.
    behind: bool,
}

/// Some events, in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Events before these were deleted before they could be given, or the place to begin at was another store's.
    pub missed: bool,
    pub events: Vec<Arc<Event>>,
}

/// Why there is no batch.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoBatch {
    #[error(transparent)]
    Store(#[from] Refused),
    #[error("the hub is ending")]
    Ended,
}

impl Feed {
    /// The events after this one; from now on where none is named. The second value says that the store does not keep
    /// all of them, or has never had that one: then they begin with the oldest that it has, or from now on.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn start(store: Arc<Store>, wanted: Wanted, after: Option<u64>) -> Result<(Self, bool), Refused> {
        let live = store.subscribe();
        let page = store.events(EventQuery { limit: 1, ..EventQuery::default() }).await?;
        let newest = page.events.first().map_or(0, |event| event.id).max(page.forgotten);
        let (at, missed) = match after {
            Some(after) if after > newest => (newest, true),
            Some(after) if after < page.forgotten => (page.forgotten, true),
            Some(after) => (after, false),
            None => (newest, false),
        };
        Ok((Feed { store, wanted, live, at, newest, behind: at < newest }, missed))
    }

    /// Everything up to this number was given, is not wanted, or is not kept any more.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The newest event of all when the feed began.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether the next events come from the store, and not as they happen.
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// The next events from the store; perhaps none.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn catch_up(&mut self) -> Result<Batch, Refused> {
        let query = EventQuery {
            sandbox_id: self.wanted.sandbox_id.clone(),
            kinds: self.wanted.kinds.clone(),
            after: Some(self.at),
            before: None,
            limit: PAGE,
        };
        let page = self.store.events(query).await?;
        let missed = page.forgotten > self.at;
        self.at = page.events.last().map_or(self.at, |event| event.id).max(page.forgotten);
        self.behind = page.more;
        if !page.more {
            self.at = self.at.max(self.newest);
        }
        Ok(Batch { missed, events: page.events })
    }

    /// The next events as they come; perhaps none, when they come too fast.
    ///
    /// # Errors
    /// The store is gone.
    pub(super) async fn live(&mut self) -> Result<Batch, NoBatch> {
        let mut events = Vec::new();
        while events.is_empty() {
            match self.live.recv().await {
                Ok(event) => events.extend(self.take(event)),
                Err(RecvError::Lagged(_)) => {
                    self.behind = true;
                    return Ok(Batch::default());
                }
                Err(RecvError::Closed) => return Err(NoBatch::Ended),
            }
        }
        while events.len() < PAGE {
            match self.live.try_recv() {
                Ok(event) => events.extend(self.take(event)),
                Err(TryRecvError::Lagged(_)) => {
                    self.behind = true;
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        Ok(Batch { missed: false, events })
    }

    /// The event, where it is new and wanted.
    fn take(&mut self, event: Arc<Event>) -> Option<Arc<Event>> {
        if event.id <= self.at {
            return None;
        }
        self.at = event.id;
        self.wanted.includes(&event).then_some(event)
    }
}

impl Wanted {
    fn includes(&self, event: &Event) -> bool {
        self.sandbox_id.as_ref().is_none_or(|id| event.sandbox_id.as_deref() == Some(id))
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::config::Config;
    use crate::fleet::Registration;

    /// Nothing here takes longer unless it is broken.
    const DEADLINE: Duration = Duration::from_secs(20);
    /// More than are kept for a listener that is behind.
    const MANY: u64 = 10_000;

    impl Feed {
        /// The next events, as soon as there are any.
        async fn next(&mut self) -> Result<Batch, NoBatch> {
            loop {
                let batch = if self.behind { self.catch_up().await? } else { self.live().await? };
                if batch.missed || !batch.events.is_empty() {
                    return Ok(batch);
                }
            }
        }
    }

    fn store() -> Arc<Store> {
        Arc::new(Store::open(&Config::default()).unwrap())
    }

    async fn register(store: &Store, id: &str) {
        store.register(Registration::by_report(id, jiff::Timestamp::now())).await.unwrap();
    }

    /// Two events.
    async fn come_and_go(store: &Store, id: &str) {
        register(store, id).await;
        store.remove(id).await.unwrap();
    }

    async fn start(store: &Arc<Store>, wanted: Wanted, after: Option<u64>) -> Feed {
        let (feed, missed) = Feed::start(Arc::clone(store), wanted, after).await.unwrap();
        assert!(!missed);
        feed
    }

    async fn ids(feed: &mut Feed, count: usize) -> Vec<u64> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let batch = timeout(DEADLINE, feed.next()).await.expect("no events in time").unwrap();
            ids.extend(batch.events.iter().map(|event| event.id));
        }
        ids
    }

    async fn newest(store: &Store) -> u64 {
        store.events(EventQuery { limit: 1, ..EventQuery::default() }).await.unwrap().events[0].id
    }

    #[tokio::test]
    async fn what_is_stored_comes_first_and_then_what_happens() {
        let store = store();
        for n in 0..300 {
            come_and_go(&store, &format!("s-{n}")).await;
        }
        let mut from_the_first = start(&store, Wanted::default(), Some(0)).await;
        let mut from_now = start(&store, Wanted::default(), None).await;
        // Both in the store and on its way.
        come_and_go(&store, "later").await;
        let all: Vec<_> = ids(&mut from_the_first, 602).await;
        assert!(all.len() == 602 && all.is_sorted_by(|a, b| a < b), "{all:?}");
        assert_eq!(ids(&mut from_now, 2).await, all[600..]);
        register(&store, "last").await;
        assert_eq!(ids(&mut from_the_first, 1).await, [newest(&store).await]);
    }

    #[tokio::test]
    async fn who_falls_behind_reads_the_store_and_misses_nothing() {
        let store = store();
        let mut feed = start(&store, Wanted::default(), None).await;
        for n in 0..MANY / 2 {
            come_and_go(&store, &format!("s-{n}")).await;
        }
        let all = ids(&mut feed, MANY as usize).await;
        assert!(all.len() == MANY as usize && all.is_sorted_by(|a, b| a < b));
    }

    #[tokio::test]
    async fn only_what_is_wanted_comes_and_the_rest_is_passed_over_for_good() {
        let store = store();
        let wanted =
            |id: Option<&str>, kinds: &[Kind]| Wanted { sandbox_id: id.map(str::to_owned), kinds: kinds.to_vec() };
        register(&store, "a").await;
        let mut live = start(&store, wanted(Some("a"), &[]), None).await;
        for _ in 0..10 {
            come_and_go(&store, "b").await;
        }
        store.remove("a").await.unwrap();
        let mut stored = start(&store, wanted(Some("a"), &[Kind::Deleted]), Some(0)).await;
        let last = newest(&store).await;
        assert_eq!(ids(&mut stored, 1).await, [last]);
        assert_eq!(ids(&mut live, 1).await, [last]);
        assert_eq!((stored.at(), live.at()), (last, last));
        let mut none = start(&store, wanted(Some("c"), &[]), Some(0)).await;
        assert!(none.catch_up().await.unwrap().events.is_empty());
        assert_eq!((none.at(), none.is_behind()), (last, false));
    }

    #[tokio::test]
    async fn a_place_that_the_store_has_never_had_is_another_stores() {
        let store = store();
        register(&store, "a").await;
        let last = newest(&store).await;
        let (feed, missed) = Feed::start(Arc::clone(&store), Wanted::default(), Some(last + 1)).await.unwrap();
        assert_eq!((feed.at(), missed, feed.is_behind()), (last, true, false));
    }

    #[tokio::test]
    async fn what_was_forgotten_is_missed_whenever_that_was() {
        let mut config = Config::default();
        config.keep.events = 5;
        let store = Arc::new(Store::open(&config).unwrap());
        for n in 0..20 {
            register(&store, &format!("s-{n}")).await;
        }
        let forgotten =
            async || store.events(EventQuery { limit: 1, ..EventQuery::default() }).await.unwrap().forgotten;
        let all_that_are_to_be = async {
            while forgotten().await < 15 {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, all_that_are_to_be).await.expect("they are not forgotten");
        let (feed, missed) = Feed::start(Arc::clone(&store), Wanted::default(), Some(14)).await.unwrap();
        assert_eq!((feed.at(), missed), (15, true), "before it began");
        let mut feed = start(&store, Wanted::default(), Some(15)).await;
        // As if it had begun before they were forgotten.
        feed.at = 14;
        let batch = feed.catch_up().await.unwrap();
        let ids: Vec<_> = batch.events.iter().map(|event| event.id).collect();
        assert_eq!((batch.missed, ids), (true, vec![16, 17, 18, 19, 20]));
    }

    #[tokio::test]
    async fn what_happens_while_it_begins_comes_once() {
        let store = store();
        for n in 0..200 {
            let id = format!("s-{n}");
            let (mut feed, ()) = tokio::join!(start(&store, Wanted::default(), None), register(&store, &id));
            let expected: Vec<_> = (feed.at() + 1..=newest(&store).await).collect();
            assert_eq!(ids(&mut feed, expected.len()).await, expected, "{n}");
        }
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let store = store();
        let mut feed = start(&store, Wanted::default(), None).await;
        for _ in 0..3 {
            tokio::select! {
                biased;
                batch = feed.next() => panic!("{batch:?}"),
                () = std::future::ready(()) => {}
            }
        }
        for n in 0..5 {
            register(&store, &format!("s-{n}")).await;
        }
        assert_eq!(ids(&mut feed, 5).await.len(), 5);
    }
}
