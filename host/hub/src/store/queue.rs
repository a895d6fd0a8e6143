//! What waits for the writer, from the side of those who ask: bounded in number and in bytes, and not waited for where
//! the disk hangs.
//!
//! Where the queue is full or the disk hangs, a change of the fleet is refused, as by a disk that fails; so is one
//! whose turn has not come when it begins to hang: who does not wait any more withdraws it. Events have happened
//! already, so they are queued all the same, up to a number past which the newest are left out and counted; who waits
//! for them is told that the disk does not take them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use tokio::sync::{oneshot, watch};

use super::Shared;
use super::batch::{Command, Manage, Reported};
use crate::event::Event;
use crate::fleet::{Refused, Registration};

/// So many commands wait,
const MOST_COMMANDS: usize = 65_536;
/// with so many bytes of what was asked for and reported,
const MOST_BYTES: usize = 64 << 20;
/// and so many events, here and then for a disk that fails. The oldest are kept: what came first explains what followed.
pub(super) const MOST_EVENTS: usize = 250_000;

/// The end where commands come in.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) commands: Sender<Command>,
    load: Arc<Load>,
    hangs: watch::Receiver<bool>,
}

/// Who is told what became of a command, and its share of the queue until then.
#[derive(Debug)]
pub(super) struct Answer<T> {
    done: oneshot::Sender<Result<T, Refused>>,
    _share: Share,
}

/// What a report changed, on its way to disk.
#[derive(Debug)]
#[must_use]
pub(crate) struct Durable {
    pub(super) told: Stored,
    /// That the sandbox's token may not be left out any more.
    pub(super) required: Option<Stored<Arc<Registration>>>,
}

/// Something that was asked of the writer.
#[derive(Debug)]
#[must_use]
pub(super) struct Stored<T = ()>(State<T>);

#[derive(Debug)]
enum State<T> {
    /// There is nothing to wait for.
    Known(Result<T, Refused>),
    Waits {
        done: oneshot::Receiver<Result<T, Refused>>,
        hangs: watch::Receiver<bool>,
    },
}

impl Queue {
    /// An empty one.
    pub(super) fn new(commands: Sender<Command>, hangs: watch::Receiver<bool>) -> Self {
        Queue { commands, load: Arc::default(), hangs }
    }

    /// Asks for a change of the fleet. Where it is refused nothing has changed, unless the disk hung in the middle of
    /// it.
    pub(super) fn manage(&self, change: Manage) -> Stored<Arc<Registration>> {
        if self.is_closed() {
            return Stored::refused();
        }
        let (answer, done) = self.load.ask(size_of::<Command>() + change.bytes(), 0);
        self.send(Command::Manage { change, done: answer });
        self.stored(done)
    }

    /// Queues events; called with the lock under which they came about.
    pub(super) fn tell(&self, mut events: Vec<Event>, beat: Option<Reported>, shared: &Shared) -> Stored {
        let room = MOST_EVENTS.saturating_sub(self.load.events.load(Ordering::Relaxed));
        let lost = events.split_off(room.min(events.len()));
        shared.measures.disk.events_lost.add(lost.len() as u64);
        if events.is_empty() {
            return if lost.is_empty() { Stored::nothing() } else { Stored::refused() };
        }
        shared.pending().add(&events);
        let closed = self.is_closed();
        // It is in memory, and saved with the others later.
        let beat = beat.filter(|_| !closed);
        let bytes = events.iter().map(bytes).sum::<usize>() + beat.as_ref().map_or(0, |beat| beat.kept.bytes());
        let (answer, done) = self.load.ask(bytes, events.len());
        self.send(Command::Tell { events, beat, done: answer });
        if closed { Stored::refused() } else { self.stored(done) }
    }

    /// Arrives once all that was queued before is on disk.
    pub(super) fn settle(&self) -> Stored {
        if self.is_closed() {
            return Stored::refused();
        }
        let (answer, done) = self.load.ask(size_of::<Command>(), 0);
        self.send(Command::Settle { done: answer });
        self.stored(done)
    }

    /// Sends a command that nobody waits for.
    pub(super) fn send(&self, command: Command) {
        // A writer that is gone drops the other end of the answer. What webhooks have taken they get once more.
        let _ = self.commands.send(command);
    }

    /// Whether nothing more is taken that can be refused.
    pub(super) fn is_closed(&self) -> bool {
        self.load.is_full() || *self.hangs.borrow()
    }

    fn stored<T>(&self, done: oneshot::Receiver<Result<T, Refused>>) -> Stored<T> {
        Stored(State::Waits { done, hangs: self.hangs.clone() })
    }
}

impl<T> Answer<T> {
    /// Whoever does not wait any more need not be told.
    pub(super) fn send(self, result: Result<T, Refused>) {
        let _ = self.done.send(result);
    }

    /// Whether nobody waits any more.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.done.is_closed()
    }
}

impl Durable {
    /// Returns once it survives; at once where nothing changed.
    ///
    /// # Errors
    /// The disk does not take it; it is told once the disk does. Or the sandbox was deleted meanwhile.
    pub(crate) async fn wait(self) -> Result<(), Refused> {
        if let Some(required) = self.required {
            required.wait().await?;
        }
        self.told.wait().await
    }
}

impl Stored {
    /// Nothing was asked for.
    pub(super) fn nothing() -> Self {
        Stored(State::Known(Ok(())))
    }
}

impl<T> Stored<T> {
    /// Returns once it is on disk.
    ///
    /// # Errors
    /// The writer refuses it, or the disk does not take it.
    pub(super) async fn wait(self) -> Result<T, Refused> {
        match self.0 {
            State::Known(result) => result,
            State::Waits { done, mut hangs } => {
                tokio::select! {
                    biased;
                    // A writer that is gone drops the other end.
                    answer = done => answer.unwrap_or(Err(Refused::Disk)),
                    _ = hangs.wait_for(|hangs| *hangs) => Err(Refused::Disk),
                }
            }
        }
    }

    /// The queue is full, or the disk hangs.
    fn refused() -> Self {
        Stored(State::Known(Err(Refused::Disk)))
    }
}

fn bytes(event: &Event) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    size_of::<Event>() + length(&event.name) + length(&event.detail)
}

/// What was asked for and not answered yet.
#[derive(Debug, Default)]
pub(super) struct Load {
    commands: AtomicUsize,
    bytes: AtomicUsize,
    events: AtomicUsize,
}

/// A command's part of it.
#[derive(Debug)]
struct Share {
    load: Arc<Load>,
    bytes: usize,
    events: usize,
}

impl Load {
    /// Makes an answer for a command of this size.
    pub(super) fn ask<T>(
        self: &Arc<Self>,
        bytes: usize,
        events: usize,
    ) -> (Answer<T>, oneshot::Receiver<Result<T, Refused>>) {
        self.commands.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.events.fetch_add(events, Ordering::Relaxed);
        let (done, answer) = oneshot::channel();
        (Answer { done, _share: Share { load: Arc::clone(self), bytes, events } }, answer)
    }

    fn is_full(&self) -> bool {
        self.commands.load(Ordering::Relaxed) >= MOST_COMMANDS || self.bytes.load(Ordering::Relaxed) >= MOST_BYTES
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.load.commands.fetch_sub(1, Ordering::Relaxed);
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.load.events.fetch_sub(self.events, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::auth::{KeyHash, Secret};

    fn rotation(id: String) -> Manage {
        let (at, token) = (jiff::Timestamp::UNIX_EPOCH, KeyHash::of(&Secret::new("x")));
        Manage::Rotate { id, token, until: at, at }
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_number_and_in_bytes() {
        for (bytes, most) in [(1, MOST_COMMANDS), (1 << 20, 64)] {
            let (commands, queued) = mpsc::channel();
            let stall = watch::Sender::new(false);
            let queue = Queue::new(commands, stall.subscribe());
            let mut waiting = Vec::new();
            while !queue.is_closed() && waiting.len() <= most {
                let (answer, done) = queue.load.ask(bytes, 0);
                queue.send(Command::Manage { change: rotation("a".into()), done: answer });
                waiting.push(done);
            }
            assert_eq!(waiting.len(), most);
            assert_eq!(queue.manage(rotation("b".into())).wait().await.unwrap_err(), Refused::Disk);
            assert_eq!(queue.settle().wait().await, Err(Refused::Disk));
            assert_eq!(queued.try_iter().count(), most, "what is answered makes room");
            assert!(!queue.is_closed());
        }
    }

    #[tokio::test]
    async fn nothing_is_asked_of_a_disk_that_hangs() {
        let (commands, queued) = mpsc::channel();
        let stall = watch::Sender::new(true);
        let queue = Queue::new(commands, stall.subscribe());
        assert_eq!(queue.manage(rotation("a".into())).wait().await.unwrap_err(), Refused::Disk);
        assert_eq!(queue.settle().wait().await, Err(Refused::Disk));
        assert_eq!(queued.try_iter().count(), 0);
        stall.send_replace(false);
        let _waiting = queue.manage(rotation("a".into()));
        assert_eq!(queued.try_iter().count(), 1);
    }
}
