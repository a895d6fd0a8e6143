//! The agents at work: who makes a report when, what it carries, and what follows from its answer.
//!
//! An agent here does what the real one does as far as a hub can tell: it makes reports around its places in a grid,
//! sends the newest only, tries again after a growing random pause, obeys `nextReportSecs` and `Retry-After`, and
//! leaves out what the hub keeps. It shares its connection with others, since a machine does not have a million to give.
//!
//! With a schedule (an open loop) nothing that the hub does changes when reports are made; in a closed loop each
//! connection's next report is made when it is free, by the agents in turn.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use memchr::memmem::Finder;
use uuid::Uuid;

use crate::answer::Answer;
use crate::engine::{Failure, Next, Work};
use crate::figures::Figures;
use crate::fleet::Fleet;
use crate::report::{Fields, Template};
use crate::running::{ALL, Shared, is_silent};
use crate::schedule::{Grid, Schedule, What};

/// The first pause after a failure is drawn from an eighth of the interval and no more than this, in nanoseconds.
const MOST_FIRST_PAUSE: u64 = 1_000_000_000;
/// The longest pause after answers that are final, in nanoseconds.
const SLOWEST: u64 = 300_000_000_000;
/// Nothing is left out for longer, in nanoseconds.
const WHOLE_EVERY: u64 = 600_000_000_000;
/// Within what `nextReportSecs` is obeyed where nothing else is asked for: the agent's own bounds, in seconds.
pub(crate) const DIRECTED: (f64, f64) = (1.0, 3600.0);
const SECOND: Duration = Duration::from_secs(1);

/// How agents report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) interval: Duration,
    /// As a part of the interval.
    pub(crate) jitter: f64,
    pub(crate) gzip: bool,
    pub(crate) closed: bool,
    /// Bounds of what the hub may direct, in seconds.
    pub(crate) directed: (f64, f64),
}

/// The agents of a fleet.
#[derive(Debug)]
pub(crate) struct Beats {
    manner: Manner,
    fleet: Arc<Fleet>,
    shared: Arc<Shared>,
    host: String,
    origin: Instant,
    until: Option<Instant>,
    template: Template,
    agents: Vec<Agent>,
    schedule: Schedule,
    /// In a closed loop, those whose turn it is.
    turns: VecDeque<u32>,
    clock: Clock,
    /// Random for each load: one start of all agents.
    start: u64,
    second: Figures,
    second_began: Instant,
    body: Vec<u8>,
    directs: Finder<'static>,
    repeats: Finder<'static>,
    accepts: Finder<'static>,
}

/// What kind of failure a report met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It may be over by itself.
    Passing,
    /// The hub wants fewer.
    Throttled,
    /// Only another report can be better.
    Final,
}

/// One agent; few bytes, as there may be a million.
#[derive(Clone, Copy, Debug, Default)]
struct Agent {
    /// Of the newest report that was made.
    seq: u64,
    /// Of the one that was sent last.
    sent: u64,
    /// Where its grid begins, in nanoseconds.
    anchor: u64,
    /// When its next report is due; another entry in the schedule is one that the hub has moved since.
    next: u64,
    /// Where the hub directs another interval than its own, in nanoseconds; else 0.
    directed: u64,
    /// Nothing is sent before, because of an answer.
    hold: u64,
    /// When a whole report was accepted last.
    whole_at: u64,
    /// Reports since the last accepted one that will never arrive.
    missed: u32,
    /// How many of them the report under way tells of.
    told: u32,
    /// Failures in a row.
    failures: u8,
    /// A report is under way.
    busy: bool,
    /// A report waits, the newest.
    waits: bool,
    /// The hub keeps what may be left out.
    delta: bool,
    /// The report under way is whole.
    whole: bool,
}

impl Beats {
    pub(crate) fn new(
        manner: Manner,
        template: Template,
        fleet: Arc<Fleet>,
        shared: Arc<Shared>,
        host: String,
        length: Option<Duration>,
    ) -> Self {
        let origin = shared.origin;
        let mut beats = Beats {
            agents: vec![Agent::default(); fleet.len() as usize],
            until: length.map(|length| origin + length),
            manner,
            fleet,
            shared,
            host,
            origin,
            template,
            schedule: Schedule::default(),
            turns: VecDeque::new(),
            clock: Clock::default(),
            start: fastrand::u64(..),
            second: Figures::default(),
            second_began: origin,
            body: Vec::new(),
            directs: Finder::new("\"nextReportSecs\":"),
            repeats: Finder::new("\"duplicate\":true"),
            accepts: Finder::new("\"delta\""),
        };
        for at in 0..beats.fleet.len() {
            if beats.fleet.may_report(at) {
                beats.begin(at);
            }
        }
        beats
    }

    fn begin(&mut self, at: u32) {
        if self.manner.closed {
            return self.turns.push_back(at);
        }
        // The phase is the same at each start. The product is below `every` × 2³², and the result below `every`.
        let product = u128::from(spread(u64::from(at)) >> 32) * u128::from(self.interval(at));
        let phase = u64::try_from(product >> 32).unwrap_or(0);
        let agent = &mut self.agents[at as usize];
        (agent.anchor, agent.next) = (phase, phase);
        self.schedule.push(phase, at, What::Report);
    }

    /// Ends the last, unfinished second.
    pub(crate) fn finish(mut self) {
        self.end_second(Instant::now());
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }

    fn interval(&self, at: u32) -> u64 {
        match self.agents[at as usize].directed {
            0 => u64::try_from(self.manner.interval.as_nanos()).unwrap_or(u64::MAX),
            directed => directed,
        }
    }

    /// Finds the moment of the report after `from`.
    fn plan(&mut self, at: u32, from: u64, jitter: f64) {
        let every = self.interval(at);
        let agent = &mut self.agents[at as usize];
        agent.next = Grid { anchor: agent.anchor, every }.after(from, jitter, fastrand::f64());
        self.schedule.push(agent.next, at, What::Report);
    }

    fn is_silent(&self, at: u32) -> bool {
        is_silent(at, self.shared.silent.load(Relaxed))
    }

    /// Takes what is due: whose report is to be sent, and when it was due.
    fn due(&mut self, now: u64) -> Option<(u32, Option<u64>)> {
        while let Some((due, at, what)) = self.schedule.pop_due(now) {
            if what == What::Report {
                if self.agents[at as usize].next != due {
                    continue;
                }
                self.plan(at, now, self.manner.jitter);
            }
            if self.is_silent(at) {
                continue;
            }
            let interval = self.interval(at);
            let agent = &mut self.agents[at as usize];
            if what == What::Report {
                // Places that went by since this one was due, and the report that waited.
                let skipped = u32::try_from((now - due) / interval.max(1)).unwrap_or(u32::MAX);
                let superseded = skipped + u32::from(agent.waits);
                agent.seq += u64::from(skipped) + 1;
                agent.missed = agent.missed.saturating_add(superseded);
                self.second.missed += u64::from(superseded);
                agent.waits = true;
            }
            if agent.waits && !agent.busy && agent.hold <= now {
                return Some((at, (what == What::Report).then_some(due)));
            }
        }
        None
    }

    /// Whose turn it is in a closed loop.
    fn turn(&mut self, now: u64) -> Option<(u32, Option<u64>)> {
        while let Some((_, at, _)) = self.schedule.pop_due(now) {
            self.turns.push_back(at);
        }
        if self.shared.silent.load(Relaxed) == ALL {
            return None;
        }
        for _ in 0..self.turns.len() {
            let at = self.turns.pop_front()?;
            if self.is_silent(at) {
                self.turns.push_back(at);
                continue;
            }
            let agent = &mut self.agents[at as usize];
            agent.seq += u64::from(!agent.waits);
            return Some((at, None));
        }
        None
    }

    fn write(&mut self, at: u32, now: u64, out: &mut Vec<u8>) {
        let timestamp = self.clock.read(now);
        let agent = &mut self.agents[at as usize];
        (agent.sent, agent.told) = (agent.seq, agent.missed);
        agent.whole = !(agent.delta && self.template.has_delta() && now - agent.whole_at < WHOLE_EVERY);
        let id = self.fleet.id(at);
        let mut boot = Uuid::encode_buffer();
        let figure = spread(self.start ^ (u64::from(at) << 20) ^ agent.seq);
        let fields = Fields {
            id: &id,
            boot_id: Uuid::from_u64_pair(self.start, spread(u64::from(at))).hyphenated().encode_lower(&mut boot),
            seq: agent.seq,
            uptime_secs: 3600 + now / 1_000_000_000,
            timestamp,
            cpu: (figure % 10_000) as u32,
            memory_mb: 256 + (spread(u64::from(at)) % 2048) as u32 + (figure >> 32) as u32 % 64,
            missed: agent.missed.into(),
        };
        let gzip = self.template.write(&fields, !agent.whole, self.manner.gzip, &mut self.body);
        // As the agent's own HTTP client writes it. Writing to memory does not fail.
        let _ = write!(
            out,
            "POST /api/v1/sandboxes/{id}/status HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\naccept: \
             application/json\r\nuser-agent: sandbeat/{}\r\n",
            self.host,
            env!("CARGO_PKG_VERSION")
        );
        if let Some(token) = self.fleet.token(at) {
            let _ = write!(out, "authorization: Bearer {token}\r\n");
        }
        if gzip {
            out.extend_from_slice(b"content-encoding: gzip\r\n");
        }
        let _ = write!(out, "content-length: {}\r\n\r\n", self.body.len());
        out.extend_from_slice(&self.body);
    }

    /// A report was not accepted; `hold` is how long the hub wants to be left alone.
    fn not_accepted(&mut self, at: u32, now: u64, hold: Option<Duration>, kind: Kind) {
        let is_final = kind == Kind::Final;
        let interval = self.interval(at);
        let agent = &mut self.agents[at as usize];
        agent.busy = false;
        agent.delta = false;
        let doubled = 1_u64 << agent.failures.min(16);
        agent.failures = agent.failures.saturating_add(1);
        let pause = if is_final {
            interval.saturating_mul(doubled).min(SLOWEST.max(interval))
        } else {
            let bound = (interval / 8).min(MOST_FIRST_PAUSE).saturating_mul(doubled).min(interval);
            // Below 2⁵³, and the cast saturates.
            (bound as f64 * fastrand::f64()) as u64
        };
        let asked = hold.map(|hold| now.saturating_add(u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX)));
        agent.hold = asked.unwrap_or(if kind == Kind::Passing { 0 } else { now.saturating_add(pause) });
        // A newer one that was made meanwhile takes its place; after a final answer it is not tried again.
        if agent.waits || is_final {
            agent.missed = agent.missed.saturating_add(1);
            self.second.missed += 1;
        }
        let newer = agent.waits && !is_final;
        agent.waits = agent.waits || !is_final;
        let again = if newer { now } else { now.saturating_add(pause) };
        self.schedule.push(again.max(agent.hold), at, What::Retry);
    }

    /// The next report comes at another interval from now on, where the hub says so.
    fn direct(&mut self, at: u32, now: u64, answer: &[u8]) {
        if self.manner.closed {
            return;
        }
        let directed = self.directs.find(answer).map_or(0, |found| {
            let text = answer.get(found + self.directs.needle().len()..).unwrap_or_default();
            let end = text.iter().position(|byte| !b"0123456789.eE+-".contains(byte)).unwrap_or(text.len());
            let seconds = std::str::from_utf8(&text[..end]).ok().and_then(|text| text.parse::<f64>().ok());
            let (least, most) = self.manner.directed;
            seconds.filter(|it| *it > 0.0).map_or(0, |it| (it.clamp(least, most) * 1e9) as u64)
        });
        let agent = &mut self.agents[at as usize];
        if agent.directed != directed {
            (agent.directed, agent.anchor) = (directed, now);
            self.plan(at, now, self.manner.jitter);
        }
    }

    fn end_second(&mut self, now: Instant) {
        let mut second = std::mem::take(&mut self.second);
        second.elapsed = now.saturating_duration_since(self.second_began);
        self.second_began = now;
        self.shared.end_second(second);
    }
}

impl Work for Beats {
    fn next(&mut self, now: Instant, out: &mut Vec<u8>) -> Next {
        if self.shared.stop.load(Relaxed) || self.until.is_some_and(|until| now >= until) {
            return Next::End;
        }
        let nanos = self.nanos(now);
        let due = if self.manner.closed { self.turn(nanos) } else { self.due(nanos) };
        let Some((at, due)) = due else {
            let next = self.schedule.next().map(|next| self.origin + Duration::from_nanos(next));
            return next.map_or(Next::Wait, Next::At);
        };
        self.write(at, nanos, out);
        let agent = &mut self.agents[at as usize];
        (agent.busy, agent.waits) = (true, false);
        self.second.note_sent(out.len(), due.map(|due| Duration::from_nanos(nanos - due)));
        Next::Send(at)
    }

    fn answered(&mut self, ticket: u32, sent: Instant, now: Instant, answer: &Answer<'_>) {
        let nanos = self.nanos(now);
        self.second.note_answer(answer.status, now.duration_since(sent));
        if !answer.is_success() {
            let kind = match answer.status {
                429 => Kind::Throttled,
                408 | 500.. => Kind::Passing,
                _ => Kind::Final,
            };
            return self.not_accepted(ticket, nanos, answer.retry_after, kind);
        }
        self.second.accepted += 1;
        self.shared.accepted.fetch_add(1, Relaxed);
        // The usual answer is shorter than one that says more.
        if self.repeats.find(answer.body).is_some() {
            self.second.duplicates += 1;
        }
        self.direct(ticket, nanos, answer.body);
        let keeps = self.template.has_delta() && self.accepts.find(answer.body).is_some();
        let sent = self.nanos(sent);
        let agent = &mut self.agents[ticket as usize];
        if agent.whole {
            agent.whole_at = sent;
        }
        (agent.busy, agent.delta, agent.failures, agent.hold) = (false, keeps, 0, 0);
        agent.missed = agent.missed.saturating_sub(agent.told);
        let seq = agent.sent;
        if self.manner.closed {
            self.turns.push_back(ticket);
        } else if agent.waits {
            self.schedule.push(nanos, ticket, What::Retry);
        }
        self.fleet.acknowledge(ticket, seq, sent);
    }

    fn failed(&mut self, ticket: u32, now: Instant, failure: Failure) {
        self.second.note_failure(failure);
        self.not_accepted(ticket, self.nanos(now), None, Kind::Passing);
    }

    fn tick(&mut self, now: Instant) {
        if now.saturating_duration_since(self.second_began) >= SECOND {
            self.end_second(now);
        }
    }
}

/// The wall clock as reports write it, read once in a millisecond.
#[derive(Debug, Default)]
struct Clock {
    text: String,
    millisecond: u64,
}

impl Clock {
    fn read(&mut self, now: u64) -> &str {
        let millisecond = now / 1_000_000 + 1;
        if millisecond != self.millisecond {
            self.millisecond = millisecond;
            self.text.clear();
            // Writing to a string does not fail.
            let _ = write!(self.text, "{:.3}", Timestamp::now());
        }
        &self.text
    }
}

/// A number of the same width that looks random: the last step of SplitMix64.
pub(crate) fn spread(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
