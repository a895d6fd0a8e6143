//! Which sandboxes have reported or stand otherwise, told once a second to who wants to know.
//!
//! With no listener a report costs one look at an atomic; with any, its id goes into a set of bounded size, and once a
//! second one task writes what changed, once for all listeners. Past a bound nothing is listed: whoever listens is told
//! that there is more, and reads the list. That is also what a listener gets that was too slow. Owner of the task is
//! [`super::Telling`].

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{MissedTickBehavior, interval};

use crate::api::view::Sandbox;
use crate::closing::Closing;
use crate::event::Event;
use crate::store::Store;

/// How often is told what changed.
const TICK: Duration = Duration::from_secs(1);
/// When more sandboxes changed in a tick, they are not listed.
const MOST: usize = 10_000;
/// Nor when they take more than this, in bytes: a registration may bring much metadata.
const MOST_BYTES: usize = 8 << 20;
/// The most sandboxes in a frame.
const MOST_IN_FRAME: usize = 2000;
/// A frame that is longer takes no more sandboxes, in bytes.
const FRAME_BYTES: usize = 1 << 20;
/// So many frames wait for a listener that is behind; after that it is told to read the list.
const BEHIND: usize = 16;
/// So many sandboxes are written before others get their turn.
const BATCH: usize = 256;

/// Where reports are noted.
#[derive(Debug)]
pub(crate) struct Beats {
    listeners: AtomicUsize,
    /// More changed since the last tick than is listed.
    more: AtomicBool,
    changed: Mutex<HashSet<Arc<str>>>,
    frames: broadcast::Sender<Arc<Frame>>,
}

/// What a listener is told at once.
#[derive(Debug)]
pub(super) struct Frame {
    /// Of whom, in order; unless there is more.
    ids: Vec<Arc<str>>,
    /// Others as well: read the list.
    more: bool,
    /// As a server-sent event.
    pub text: Bytes,
}

/// Somebody who wants to know.
#[derive(Debug)]
pub(super) struct Listening {
    beats: Arc<Beats>,
    frames: broadcast::Receiver<Arc<Frame>>,
    /// Of this sandbox alone.
    only: Option<(Arc<Store>, String)>,
}

/// A frame in the making.
#[derive(Debug, Default)]
struct Draft {
    ids: Vec<Arc<str>>,
    json: Vec<u8>,
}

/// Tells what changed until the hub ends.
pub(super) async fn run(beats: Arc<Beats>, store: Arc<Store>, mut closing: Closing) {
    let mut events = store.subscribe();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut suspects = None;
    loop {
        tokio::select! {
            biased;
            () = closing.wait() => return,
            _ = ticks.tick() => {}
        }
        beats.note_events(&mut events);
        let (ids, mut more) = beats.take();
        if !beats.are_wanted() {
            suspects = None;
            continue;
        }
        // Whom the hub doubts to be lost changes without a report or an event of its own.
        let now = store.counts().suspect;
        more |= suspects.replace(now).is_some_and(|before| before != now);
        if more {
            beats.send(Frame::more());
        } else {
            beats.tell(&store, &ids).await;
        }
    }
}

impl Default for Beats {
    fn default() -> Self {
        Beats {
            listeners: AtomicUsize::new(0),
            more: AtomicBool::new(false),
            changed: Mutex::default(),
            frames: broadcast::Sender::new(BEHIND),
        }
    }
}

impl Beats {
    /// A sandbox has reported, or stands otherwise.
    pub(crate) fn note(&self, id: &str) {
        if !self.are_wanted() || self.more.load(Ordering::Relaxed) {
            return;
        }
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.contains(id) {
            return;
        }
        if changed.len() < MOST {
            changed.insert(Arc::from(id));
        } else {
            self.more.store(true, Ordering::Relaxed);
        }
    }

    /// What changes from now on; of one sandbox where one is named.
    pub(super) fn listen(self: &Arc<Self>, only: Option<(Arc<Store>, String)>) -> Listening {
        let frames = self.frames.subscribe();
        self.listeners.fetch_add(1, Ordering::Relaxed);
        Listening { beats: Arc::clone(self), frames, only }
    }

    fn are_wanted(&self) -> bool {
        self.listeners.load(Ordering::Relaxed) > 0
    }

    /// Silence comes without a report.
    fn note_events(&self, events: &mut broadcast::Receiver<Arc<Event>>) {
        loop {
            match events.try_recv() {
                Ok(event) => {
                    if let Some(id) = &event.sandbox_id {
                        self.note(id);
                    }
                }
                Err(TryRecvError::Lagged(_)) => self.more.store(true, Ordering::Relaxed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// What was noted, in order, and whether there is more.
    fn take(&self) -> (Vec<Arc<str>>, bool) {
        let changed = std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner));
        let more = self.more.swap(false, Ordering::Relaxed);
        let mut ids: Vec<_> = changed.into_iter().collect();
        ids.sort_unstable();
        (ids, more)
    }

    async fn tell(&self, store: &Store, ids: &[Arc<str>]) {
        let (mut draft, mut bytes) = (Draft::default(), 0);
        for batch in ids.chunks(BATCH) {
            for id in batch {
                // One that is gone has had its event.
                let Some(snapshot) = store.find(id) else { continue };
                draft.add(id, &Sandbox::brief(&snapshot));
                if draft.is_full() {
                    bytes += draft.json.len();
                    self.send(std::mem::take(&mut draft).finish());
                }
                if bytes > MOST_BYTES {
                    self.send(Frame::more());
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
        if !draft.ids.is_empty() {
            self.send(draft.finish());
        }
    }

    fn send(&self, frame: Frame) {
        // The last one may have gone meanwhile.
        let _ = self.frames.send(Arc::new(frame));
    }
}

impl Frame {
    fn more() -> Self {
        let text = Bytes::from_static(b"event: beats\ndata: {\"sandboxes\":[],\"more\":true}\n\n");
        Frame { ids: Vec::new(), more: true, text }
    }

    fn concerns(&self, id: &str) -> bool {
        self.more || self.ids.binary_search_by(|other| (**other).cmp(id)).is_ok()
    }
}

impl Draft {
    fn add(&mut self, id: &Arc<str>, sandbox: &Sandbox) {
        let start = if self.ids.is_empty() { &b"event: beats\ndata: {\"sandboxes\":["[..] } else { b"," };
        self.json.extend_from_slice(start);
        // Memory takes everything that is written to it, and all of it can be written as JSON.
        let _ = serde_json::to_writer(&mut self.json, sandbox);
        self.ids.push(Arc::clone(id));
    }

    fn is_full(&self) -> bool {
        self.ids.len() >= MOST_IN_FRAME || self.json.len() >= FRAME_BYTES
    }

    fn finish(mut self) -> Frame {
        self.json.extend_from_slice(b"]}\n\n");
        Frame { ids: self.ids, more: false, text: self.json.into() }
    }
}

impl Listening {
    /// What is to be told next.
    pub(super) async fn next(&mut self) -> Arc<Frame> {
        loop {
            let frame = match self.frames.recv().await {
                Ok(frame) => frame,
                Err(RecvError::Lagged(_)) => Arc::new(Frame::more()),
                // Its own half of the sender is still there.
                Err(RecvError::Closed) => std::future::pending().await,
            };
            let Some((store, id)) = &self.only else { return frame };
            if let Some(snapshot) = store.find(id).filter(|_| frame.concerns(id)) {
                let mut draft = Draft::default();
                draft.add(&snapshot.registration.id, &Sandbox::brief(&snapshot));
                return Arc::new(draft.finish());
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.beats.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::config::Config;
    use crate::fleet::Registration;

    async fn store(ids: impl IntoIterator<Item = String>) -> Arc<Store> {
        let store = Store::open(&Config::default()).unwrap();
        for id in ids {
            store.register(Registration::by_report(&id, jiff::Timestamp::now())).await.unwrap();
        }
        Arc::new(store)
    }

    fn body(frame: &Frame) -> Value {
        let text = std::str::from_utf8(&frame.text).unwrap();
        let json = text.strip_prefix("event: beats\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn without_a_listener_nothing_is_kept() {
        let beats = Arc::new(Beats::default());
        beats.note("a");
        assert_eq!(beats.take(), (Vec::new(), false));
        let listening = beats.listen(None);
        beats.note("b");
        beats.note("a");
        beats.note("b");
        assert_eq!(beats.take(), (vec![Arc::from("a"), Arc::from("b")], false));
        drop(listening);
        beats.note("a");
        assert_eq!(beats.take(), (Vec::new(), false));
    }

    #[test]
    fn past_the_bound_there_is_more_and_the_next_second_begins_anew() {
        let beats = Arc::new(Beats::default());
        let _listening = beats.listen(None);
        for n in 0..MOST {
            beats.note(&n.to_string());
        }
        beats.note("0");
        assert!(!beats.more.load(Ordering::Relaxed));
        beats.note("one too many");
        let (ids, more) = beats.take();
        assert!(more && ids.len() == MOST);
        beats.note("a");
        assert_eq!(beats.take(), (vec![Arc::from("a")], false));
    }

    #[tokio::test]
    async fn a_frame_is_bounded_in_sandboxes_and_all_of_them_in_bytes() {
        let ids = || (0..MOST_IN_FRAME + 1).map(|n| format!("s-{n:05}"));
        let store = store(ids()).await;
        let beats = Arc::new(Beats::default());
        let mut listening = beats.listen(None);
        let mut changed: Vec<Arc<str>> = ids().map(Arc::from).collect();
        changed.push(Arc::from("z-unknown"));
        beats.tell(&store, &changed).await;
        let (first, second) = (listening.next().await, listening.next().await);
        assert_eq!(body(&first)["sandboxes"].as_array().unwrap().len(), MOST_IN_FRAME);
        assert_eq!(body(&second)["sandboxes"][0]["id"], "s-02000");
        assert_eq!(body(&second)["sandboxes"].as_array().unwrap().len(), 1);
        assert_eq!(body(&second).as_object().unwrap().len(), 1, "no `more`");

        let big: Vec<_> = changed.iter().cycle().take(40_000).cloned().collect();
        beats.tell(&store, &big).await;
        let mut frames = 0;
        while !listening.next().await.more {
            frames += 1;
        }
        assert!(frames < BEHIND, "{frames}");
    }

    #[tokio::test]
    async fn each_second_whoever_changed_is_told_once_with_or_without_a_report() {
        let store = store(["a".to_owned(), "b".to_owned()]).await;
        let (close, closing) = Closing::later();
        let beats = Arc::<Beats>::default();
        let task = tokio::spawn(run(Arc::clone(&beats), Arc::clone(&store), closing));
        tokio::task::yield_now().await;
        let (mut all, mut one) = (beats.listen(None), beats.listen(Some((Arc::clone(&store), "b".to_owned()))));
        store.register(Registration::by_report("c", jiff::Timestamp::now())).await.unwrap();
        // Not before: it would pass while the store's own thread is waited for.
        tokio::time::pause();
        let told = |frame: &Frame| {
            let sandboxes = body(frame)["sandboxes"].as_array().unwrap().clone();
            sandboxes.iter().map(|sandbox| sandbox["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(told(&*all.next().await), ["c"]);
        beats.note("b");
        beats.note("a");
        beats.note("b");
        assert_eq!(told(&*all.next().await), ["a", "b"]);
        assert_eq!(told(&*one.next().await), ["b"], "and nothing of the others");
        for n in 0..MOST {
            beats.note(&format!("x-{n}"));
        }
        beats.note("a");
        assert!(all.next().await.more);
        assert_eq!(told(&*one.next().await), ["b"], "it may be one of them");
        close.send(true).unwrap();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_listener_that_is_too_slow_is_told_to_read_the_list() {
        let store = store(["a".to_owned()]).await;
        let beats = Arc::new(Beats::default());
        let mut listening = beats.listen(None);
        for _ in 0..=BEHIND {
            beats.tell(&store, &[Arc::from("a")]).await;
        }
        assert!(listening.next().await.more);
        assert!(!listening.next().await.more);
    }
}
