//! The agents at work: who makes a report when, and what follows from its answer.
//!
//! An agent here does what the real one does as far as a hub can tell: it makes reports around its places in a grid,
//! sends the newest only, tries again after a growing random pause, obeys `nextReportSecs` and `Retry-After`, and
//! leaves out what the hub keeps. It shares its connection with others, since a machine does not have a million to give.
//!
//! With a schedule (an open loop) nothing that the hub does changes when reports are made; in a closed loop each
//! connection's next report is made when it is free, by the agents in turn.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::agent::{Agent, Kind};
use crate::answer::{Answer, Marks};
use crate::engine::{Failure, Next, Work};
use crate::figures::Figures;
use crate::fleet::{Fleet, spread};
use crate::report::Template;
use crate::request::Requests;
use crate::running::{ALL, Shared, is_silent};
use crate::schedule::{Grid, Schedule, What};

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
    origin: Instant,
    until: Option<Instant>,
    requests: Requests,
    marks: Marks,
    agents: Vec<Agent>,
    schedule: Schedule,
    /// In a closed loop, those whose turn it is.
    turns: VecDeque<u32>,
    second: Figures,
    second_began: Instant,
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
            origin,
            requests: Requests::new(template, manner.gzip, host),
            marks: Marks::default(),
            schedule: Schedule::default(),
            turns: VecDeque::new(),
            second: Figures::default(),
            second_began: origin,
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
                self.second.missed += u64::from(agent.make(skipped));
            }
            if agent.may_send(now) {
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
            if !agent.waits {
                agent.make(0);
            }
            return Some((at, None));
        }
        None
    }

    /// A report was not accepted; `hold` is how long the hub wants to be left alone.
    fn not_accepted(&mut self, at: u32, now: u64, hold: Option<Duration>, kind: Kind) {
        let interval = self.interval(at);
        let setback = self.agents[at as usize].not_accepted(now, hold, kind, interval, fastrand::f64());
        self.second.missed += u64::from(setback.missed);
        self.schedule.push(setback.again, at, What::Retry);
    }

    /// The next report comes at another interval from now on, where the hub says so.
    fn direct(&mut self, at: u32, now: u64, answer: &[u8]) {
        if self.manner.closed {
            return;
        }
        let (least, most) = self.manner.directed;
        let directed = self.marks.next_report_secs(answer).filter(|seconds| *seconds > 0.0);
        let directed = directed.map_or(0, |seconds| (seconds.clamp(least, most) * 1e9) as u64);
        if self.agents[at as usize].direct(directed, now) {
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
        let agent = &mut self.agents[at as usize];
        agent.send(nanos, self.requests.has_delta());
        self.requests.write(&self.fleet, at, agent, nanos, out);
        self.second.note_sent(out.len(), due.map(|due| Duration::from_nanos(nanos - due)));
        Next::Send(at)
    }

    fn answered(&mut self, ticket: u32, sent: Instant, now: Instant, answer: &Answer<'_>) {
        let nanos = self.nanos(now);
        self.second.note_answer(answer.status, now.duration_since(sent));
        if !answer.is_success() {
            return self.not_accepted(ticket, nanos, answer.retry_after, Kind::of(answer.status));
        }
        self.second.accepted += 1;
        self.shared.accepted.fetch_add(1, Relaxed);
        self.second.duplicates += u64::from(self.marks.is_duplicate(answer.body));
        self.direct(ticket, nanos, answer.body);
        let keeps = self.requests.has_delta() && self.marks.takes_deltas(answer.body);
        let sent = self.nanos(sent);
        let agent = &mut self.agents[ticket as usize];
        agent.accepted(sent, keeps);
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
