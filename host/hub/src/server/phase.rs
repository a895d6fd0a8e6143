//! What a connection is doing, as its own task, its deadlines and the accept loop see it.
//!
//! hyper alone knows when a request begins and ends, and has one timeout for the wait before a head and the head
//! itself. So the phase is noted where it shows: the first byte of a head in [`Watched`]'s reads, a request in the
//! service, the end of an answer in its body ([`Busy`]) and in the flush after it. What hyper has read of the next head
//! by then does not show: such a connection is idle until its next byte, which gives its client no more than one that
//! sends nothing has, and from then on it has the time of a head, however slowly more comes.
//!
//! A phase is one atomic word, because the accept loop may end a connection that waits ([`Phase::claim`]) while its
//! task goes on: who changes the word first wins. A connection that was claimed reads nothing and serves nothing more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::Limits;

/// The stage is in the highest bits, then two marks, the time in milliseconds below: ten million years.
const STAGE_SHIFT: u32 = 61;
const CLOSING: u64 = 1 << 60;
const KNOWN: u64 = 1 << 59;
const TIME: u64 = KNOWN - 1;

/// A connection's phase.
#[derive(Debug)]
pub(super) struct Phase {
    word: AtomicU64,
    /// What times are counted from; the same for all connections.
    epoch: Instant,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not begun its first request; with TLS, it may still shake hands.
    Opening,
    /// The head of a request is arriving.
    Head,
    /// It waits for its next request.
    Idle,
    /// A request is under way.
    Busy,
    /// The answer is whole, and perhaps not sent yet.
    Answered,
    /// It ends.
    Gone,
}

/// A stage, and since when: the stages of one request have its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub stage: Stage,
    /// After the epoch.
    pub since: Duration,
    /// It has shown a token or a key of ours.
    pub known: bool,
}

/// It was claimed.
#[derive(Debug, thiserror::Error)]
#[error("the connection gives way")]
pub(super) struct Gone;

impl Phase {
    /// A connection that has just been made.
    pub(super) fn new(epoch: Instant) -> Self {
        let opening = State { stage: Stage::Opening, since: epoch.elapsed(), known: false };
        Phase { word: AtomicU64::new(word(opening)), epoch }
    }

    /// The present state.
    pub(super) fn state(&self) -> State {
        state(self.word.load(Ordering::Acquire))
    }

    /// Whether it ends with the request that is under way.
    pub(super) fn is_closing(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSING != 0
    }

    /// It has shown a token or a key of ours, which stays so.
    pub(super) fn recognize(&self) {
        if !self.state().known {
            self.word.fetch_or(KNOWN, Ordering::AcqRel);
        }
    }

    /// Takes a connection away from its task; false when it has gone on since it was seen in this state.
    pub(super) fn claim(&self, seen: State) -> bool {
        let gone = word(State { stage: Stage::Gone, ..seen });
        let swap = |seen| self.word.compare_exchange(seen, gone, Ordering::AcqRel, Ordering::Acquire).is_ok();
        seen.stage != Stage::Gone && swap(word(seen))
    }

    /// Lets it end: at once when it waits, which is then true, else after the request that is under way.
    pub(super) fn close(&self) -> bool {
        let next = |before: u64| match state(before) {
            seen if seen.stage.waits() => Some(word(State { stage: Stage::Gone, ..seen })),
            State { stage: Stage::Gone, .. } => None,
            _ => Some(before | CLOSING),
        };
        let before = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        before.is_ok_and(|before| !matches!(state(before).stage, Stage::Busy | Stage::Answered))
    }

    /// Goes on to a stage.
    ///
    /// # Errors
    /// It was claimed.
    pub(super) fn enter(&self, stage: Stage) -> Result<(), Gone> {
        let begins = matches!(stage, Stage::Head | Stage::Idle).then(|| self.epoch.elapsed());
        let next = |before| {
            let State { stage: present, since, known } = state(before);
            let next = State { stage, since: begins.unwrap_or(since), known };
            (present != Stage::Gone).then(|| word(next) | before & CLOSING)
        };
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).map(|_| ()).map_err(|_| Gone)
    }

    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let State { stage, since, .. } = self.state();
        let limit = match stage {
            Stage::Opening | Stage::Idle => limits.idle_timeout,
            Stage::Head => limits.header_timeout,
            Stage::Busy | Stage::Answered | Stage::Gone => return None,
        };
        Some(self.epoch + since + limit)
    }
}

impl Stage {
    /// Whether it is the client's turn, and no request of it is under way.
    pub(super) fn waits(self) -> bool {
        matches!(self, Stage::Opening | Stage::Head | Stage::Idle)
    }
}

fn word(State { stage, since, known }: State) -> u64 {
    let since = u64::try_from(since.as_millis()).unwrap_or(TIME).min(TIME);
    (stage as u64) << STAGE_SHIFT | if known { KNOWN } else { 0 } | since
}

fn state(word: u64) -> State {
    let stage = match word >> STAGE_SHIFT {
        0 => Stage::Opening,
        1 => Stage::Head,
        2 => Stage::Idle,
        3 => Stage::Busy,
        4 => Stage::Answered,
        _ => Stage::Gone,
    };
    State { stage, since: Duration::from_millis(word & TIME), known: word & KNOWN != 0 }
}

/// A request under way, for as long as this lives.
#[derive(Debug)]
pub(super) struct Busy(Arc<Phase>);

impl Busy {
    /// A request begins.
    ///
    /// # Errors
    /// The connection was claimed.
    pub(super) fn begin(phase: &Arc<Phase>) -> Result<Self, Gone> {
        phase.enter(Stage::Busy)?;
        Ok(Busy(Arc::clone(phase)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // One that was claimed stays so.
        let _ = self.0.enter(Stage::Answered);
    }
}

/// Ends the wait for a head that does not come or does not become whole. One timer for a connection's whole life: it
/// is set anew only for an earlier deadline and when it has fired, so a connection that does well costs nothing here.
pub(super) struct Watchdog<'a> {
    phase: &'a Phase,
    limits: &'a Limits,
    timer: Pin<Box<Sleep>>,
}

impl<'a> Watchdog<'a> {
    pub(super) fn new(phase: &'a Phase, limits: &'a Limits) -> Self {
        let first = phase.deadline(limits).unwrap_or_else(Instant::now);
        Watchdog { phase, limits, timer: Box::pin(sleep_until(first)) }
    }

    /// Ready when the present phase has taken too long. To be polled whenever the connection was.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(deadline) = self.phase.deadline(self.limits) {
            if deadline < self.timer.deadline() {
                self.timer.as_mut().reset(deadline);
            }
            ready!(self.timer.as_mut().poll(cx));
            if self.timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// A stream that notes the beginning of a head and the end of an answer.
pub(super) struct Watched<S> {
    inner: S,
    phase: Arc<Phase>,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, phase: Arc<Phase>) -> Self {
        Watched { inner, phase }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let begins = || matches!(self.phase.state().stage, Stage::Opening | Stage::Idle | Stage::Gone);
        if buf.filled().len() > before && begins() && self.phase.enter(Stage::Head).is_err() {
            // To hyper the client has closed.
            buf.set_filled(before);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        if self.phase.state().stage == Stage::Answered {
            // One that was claimed ends in any case.
            let _ = self.phase.enter(Stage::Idle);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{advance, timeout};

    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    fn new() -> Arc<Phase> {
        Arc::new(Phase::new(Instant::now()))
    }

    async fn expired(phase: &Phase) -> Duration {
        let limits = Limits { header_timeout: HEAD, idle_timeout: IDLE, ..Limits::default() };
        let mut watchdog = Watchdog::new(phase, &limits);
        let start = Instant::now();
        poll_fn(|cx| watchdog.poll_expired(cx)).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_time() {
        let phase = new();
        assert_eq!(expired(&phase).await, IDLE);
        phase.enter(Stage::Head).unwrap();
        assert_eq!(expired(&phase).await, HEAD);
        phase.enter(Stage::Idle).unwrap();
        assert_eq!(expired(&phase).await, IDLE);
        for stage in [Stage::Busy, Stage::Answered] {
            phase.enter(stage).unwrap();
            timeout(IDLE * 10, expired(&phase)).await.expect_err("others watch over this");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_timer_follows_the_phase() {
        let phase = new();
        let limits = Limits { header_timeout: HEAD, idle_timeout: IDLE, ..Limits::default() };
        let mut watchdog = Watchdog::new(&phase, &limits);
        let mut expired = async |within| timeout(within, poll_fn(|cx| watchdog.poll_expired(cx))).await.is_ok();
        let second = Duration::from_secs(1);
        assert!(!expired(IDLE - second).await);
        phase.enter(Stage::Busy).unwrap();
        phase.enter(Stage::Idle).unwrap();
        assert!(!expired(IDLE - second).await, "it waits anew");
        phase.enter(Stage::Head).unwrap();
        assert!(!expired(HEAD - second).await);
        assert!(expired(second * 2).await, "an earlier end than the one it was set for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_begins_with_a_byte_and_an_answer_ends_with_a_flush() {
        let phase = new();
        let (here, mut there) = duplex(64);
        let mut stream = Watched::new(here, Arc::clone(&phase));
        there.write_all(b"GE").await.unwrap();
        stream.read_exact(&mut [0; 2]).await.unwrap();
        assert_eq!(phase.state(), State { stage: Stage::Head, since: Duration::ZERO, known: false });
        phase.recognize();
        let busy = Busy::begin(&phase).unwrap();
        there.write_all(b"xx").await.unwrap();
        stream.read_exact(&mut [0; 2]).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(phase.state().stage, Stage::Busy, "a body is no head, and nothing is answered yet");
        drop(busy);
        assert_eq!(phase.state().stage, Stage::Answered);
        advance(Duration::from_secs(3)).await;
        stream.flush().await.unwrap();
        assert_eq!(phase.state(), State { stage: Stage::Idle, since: Duration::from_secs(3), known: true });
        there.write_all(b"GE").await.unwrap();
        stream.read_exact(&mut [0; 2]).await.unwrap();
        assert!(phase.state().stage == Stage::Head && phase.state().known, "that stays so");
    }

    #[tokio::test]
    async fn who_is_claimed_reads_nothing_and_begins_nothing() {
        let phase = new();
        let (here, mut there) = duplex(64);
        let mut stream = Watched::new(here, Arc::clone(&phase));
        assert!(phase.claim(phase.state()));
        there.write_all(b"GET").await.unwrap();
        assert_eq!(stream.read(&mut [0; 3]).await.unwrap(), 0);
        assert!(Busy::begin(&phase).is_err());
        assert!(!phase.claim(phase.state()), "once");
    }

    #[tokio::test]
    async fn who_has_gone_on_is_not_claimed() {
        let phase = new();
        let seen = phase.state();
        phase.enter(Stage::Head).unwrap();
        assert!(!phase.claim(seen));
        phase.enter(Stage::Busy).unwrap();
        assert!(!phase.close() && phase.is_closing(), "it ends after its request");
        phase.enter(Stage::Answered).unwrap();
        assert!(phase.is_closing());
        let idle = new();
        assert!(idle.close() && idle.enter(Stage::Head).is_err());
    }
}
