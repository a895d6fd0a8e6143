//! What may take long is asked for ahead of a report and read when the report is made, answered or not.
//!
//! A file system whose server is gone holds up whoever asks for its size, and counting the descriptors of ten thousand
//! processes takes time. Each such question has a thread of its own, so that none waits for another. Owner: the
//! sampler and those who observe beside it. Asking and reading never wait. A thread ends when nobody is left to ask;
//! one that hangs in the kernel then is not waited for. However often it is asked, it rests between its measurements.
//! An answer that is too old is none, and a thread that panicked is named as a defect of the agent.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// A question that is open for longer is named; until then the figure is on its way.
const PATIENCE: Duration = Duration::from_secs(1);
/// After each measurement a thread rests so many times as long as that took,
const REST: u32 = 19;
/// and no longer than this, so that an answer stays young enough and one that hung is soon asked again.
const MOST_REST: Duration = Duration::from_secs(3);
/// Of a thread that reads a few files.
const STACK: usize = 256 * 1024;

/// One question, and its last answer. Clones ask the same thread.
#[derive(Clone, Debug)]
pub(super) struct Inquiry<T> {
    /// What does not answer, for a person.
    what: String,
    /// None where there is no thread.
    ask: Option<SyncSender<()>>,
    state: watch::Receiver<State<T>>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding<T> {
    /// The answer, young enough.
    Known(T),
    /// It was asked for the first time, a moment ago.
    NotYet,
    /// There is none, for this reason.
    Missing(String),
}

#[derive(Clone, Debug)]
struct State<T> {
    /// Since when the open question is being answered.
    open: Option<Instant>,
    answer: Option<Answer<T>>,
}

#[derive(Clone, Debug)]
struct Answer<T> {
    /// When its measurement began: the figure may be as old as that.
    began: Instant,
    /// Until then it is as good as new.
    rests_until: Instant,
    value: Result<T, String>,
}

impl<T: Clone + Send + Sync + 'static> Inquiry<T> {
    /// A thread named `thread` that answers with `measure`; `what` is what a person waits for.
    pub(super) fn start(
        thread: &str,
        what: impl Into<String>,
        measure: impl FnMut() -> Result<T, String> + Send + 'static,
    ) -> Self {
        let (ask, asked) = mpsc::sync_channel(1);
        let (answers, state) = watch::channel(State { open: None, answer: None });
        let builder = std::thread::Builder::new().name(thread.to_owned()).stack_size(STACK);
        let started = builder.spawn(move || answer(&asked, &answers, measure));
        Inquiry { what: what.into(), ask: started.is_ok().then_some(ask), state }
    }

    /// Asks anew; while the question is open already, that one counts.
    pub(super) fn ask(&self) {
        if let Some(ask) = self.ask.as_ref().filter(|_| !self.rests(Instant::now())) {
            // Full: it is about to be answered. Gone: `read` says so.
            let _ = ask.try_send(());
        }
    }

    /// The newest answer, unless what it tells is older than `oldest` by `now`.
    pub(super) fn read(&self, now: Instant, oldest: Duration) -> Finding<T> {
        let what = &self.what;
        if self.ask.is_none() {
            return Finding::Missing(format!("the system gives no thread to measure {what}"));
        }
        let over = self.state.has_changed().is_err();
        let State { open, answer } = self.state.borrow().clone();
        let age = |at: Instant| now.saturating_duration_since(at);
        match (answer, open) {
            (Some(answer), _) if age(answer.began) <= oldest => {
                answer.value.map_or_else(Finding::Missing, Finding::Known)
            }
            _ if over => Finding::Missing(format!("measuring {what} failed inside the agent; this is a defect of it")),
            (_, Some(since)) if age(since) >= PATIENCE => {
                Finding::Missing(format!("{what} has not answered for {} s", age(since).as_secs()))
            }
            (Some(answer), _) => {
                Finding::Missing(format!("what is known of {what} is {} s old", age(answer.began).as_secs()))
            }
            (None, _) => Finding::NotYet,
        }
    }

    /// Whether what is known was measured at or after a moment, or whoever waits for that waits in vain.
    pub(super) fn is_settled_since(&self, moment: Instant) -> bool {
        let over = self.ask.is_none() || self.state.has_changed().is_err();
        let rests = self.rests(moment);
        let state = self.state.borrow();
        over || rests
            || state.answer.as_ref().is_some_and(|answer| answer.began >= moment)
            || state.open.is_some_and(|since| since + PATIENCE <= moment)
    }

    fn rests(&self, moment: Instant) -> bool {
        self.state.borrow().answer.as_ref().is_some_and(|answer| moment < answer.rests_until)
    }
}

/// The thread: one answer for each time that it was asked.
fn answer<T>(asked: &Receiver<()>, answers: &watch::Sender<State<T>>, mut measure: impl FnMut() -> Result<T, String>) {
    let mut rests_until = Instant::now();
    while asked.recv().is_ok() {
        if Instant::now() < rests_until {
            continue;
        }
        let began = Instant::now();
        answers.send_modify(|state| state.open = Some(began));
        let value = measure();
        let took = began.elapsed();
        rests_until = began + took + took.saturating_mul(REST).min(MOST_REST);
        answers.send_modify(|state| *state = State { open: None, answer: Some(Answer { began, rests_until, value }) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DEADLINE: Duration = Duration::from_secs(10);

    fn eventually(inquiry: &Inquiry<u32>, wanted: impl Fn(&Finding<u32>) -> bool) -> Finding<u32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let found = inquiry.read(Instant::now(), DEADLINE);
            if wanted(&found) {
                return found;
            }
            assert!(Instant::now() < deadline, "{found:?}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_answer_counts_until_it_is_too_old() {
        let inquiry = Inquiry::start("test", "the sea", || Ok(7));
        assert_eq!(inquiry.read(Instant::now(), DEADLINE), Finding::NotYet, "nobody has asked");
        inquiry.ask();
        eventually(&inquiry, |found| *found == Finding::Known(7));
        let later = Instant::now() + 20 * SECOND;
        assert_eq!(inquiry.read(later, 30 * SECOND), Finding::Known(7));
        let Finding::Missing(reason) = inquiry.read(later, 5 * SECOND) else { panic!("an old answer counts") };
        assert!(reason.starts_with("what is known of the sea is 2"), "{reason}");
    }

    #[test]
    fn one_that_hangs_is_named_and_holds_up_neither_who_asks_nor_others() {
        let (release, held) = mpsc::channel::<()>();
        let hanging = Inquiry::start("test", "the file system at /mnt", move || Ok(u32::from(held.recv().is_ok())));
        let other = Inquiry::start("test", "another", || Ok(1));
        for _ in 0..100 {
            hanging.ask();
            other.ask();
        }
        eventually(&other, |found| *found == Finding::Known(1));
        let deadline = Instant::now() + DEADLINE;
        let later = loop {
            let later = Instant::now() + 40 * SECOND;
            if hanging.read(later, DEADLINE) != Finding::NotYet {
                break later;
            }
            assert!(Instant::now() < deadline, "the thread has not begun");
            std::thread::yield_now();
        };
        let Finding::Missing(reason) = hanging.read(later, DEADLINE) else { panic!("nothing was answered") };
        assert!(reason.starts_with("the file system at /mnt has not answered for 4"), "{reason}");
        release.send(()).unwrap();
        eventually(&hanging, |found| *found == Finding::Known(1));
    }

    #[test]
    fn one_that_is_asked_without_end_rests_in_between() {
        const TOOK: Duration = Duration::from_millis(20);
        let (count, times) = mpsc::channel();
        let inquiry = Inquiry::start("test", "it", move || {
            let began = Instant::now();
            while began.elapsed() < TOOK {}
            Ok(count.send(()).map_or(0, |()| 1))
        });
        let began = Instant::now();
        while began.elapsed() < 10 * TOOK {
            inquiry.ask();
        }
        assert_eq!(times.try_iter().count(), 1, "it has to rest for {REST} times as long");
        assert!(inquiry.is_settled_since(began), "nobody needs to wait");
        while times.try_recv().is_err() {
            assert!(began.elapsed() < DEADLINE, "it is not asked again");
            inquiry.ask();
        }
    }

    #[test]
    fn why_it_failed_is_told_and_a_panic_is_a_defect() {
        let failing: Inquiry<u32> = Inquiry::start("test", "it", || Err("no such thing".to_owned()));
        failing.ask();
        let found = eventually(&failing, |found| *found != Finding::NotYet);
        assert_eq!(found, Finding::Missing("no such thing".to_owned()));
        let defect: Inquiry<u32> = Inquiry::start("test", "it", || panic!("on purpose"));
        defect.ask();
        let found = eventually(&defect, |found| *found != Finding::NotYet);
        assert!(matches!(&found, Finding::Missing(reason) if reason.contains("defect")), "{found:?}");
    }

    #[test]
    fn one_that_hung_for_long_is_soon_asked_again() {
        let (release, held) = mpsc::channel::<()>();
        let inquiry = Inquiry::start("test", "it", move || Ok(u32::from(held.recv().is_ok())));
        let began = Instant::now();
        inquiry.ask();
        while began.elapsed() < MOST_REST / 3 {
            std::thread::yield_now();
        }
        release.send(()).unwrap();
        eventually(&inquiry, |found| *found == Finding::Known(1));
        let answered = Instant::now();
        assert!(inquiry.rests(answered) && !inquiry.rests(answered + MOST_REST));
    }

    #[test]
    fn a_thread_ends_with_those_who_ask() {
        let inquiry = Inquiry::start("test", "it", || Ok(1));
        let mut state = inquiry.state.clone();
        let second = inquiry.clone();
        drop(inquiry);
        second.ask();
        eventually(&second, |found| *found == Finding::Known(1));
        drop(second);
        let deadline = Instant::now() + DEADLINE;
        state.borrow_and_update();
        while state.has_changed().is_ok() {
            assert!(Instant::now() < deadline, "the thread lives on");
            std::thread::yield_now();
        }
    }
}
