//! Writes an agent's report as the agent's own HTTP client does.

use std::fmt::Write as _;
use std::io::Write;

use jiff::Timestamp;
use uuid::Uuid;

use crate::agent::Agent;
use crate::fleet::{Fleet, spread};
use crate::report::{Fields, Template};

/// Writes the reports of a load.
#[derive(Debug)]
pub(crate) struct Requests {
    template: Template,
    gzip: bool,
    host: String,
    /// Random for each load: one start of all agents.
    start: u64,
    clock: Clock,
    body: Vec<u8>,
}

impl Requests {
    /// Of reports like these; `gzip` compresses those that the agent would.
    pub(crate) fn new(template: Template, gzip: bool, host: String) -> Self {
        Requests { template, gzip, host, start: fastrand::u64(..), clock: Clock::default(), body: Vec::new() }
    }

    /// Whether there is anything in a report that may be left out.
    pub(crate) fn has_delta(&self) -> bool {
        self.template.has_delta()
    }

    /// Appends the report that is being sent, at `now` in nanoseconds since the load began.
    pub(crate) fn write(&mut self, fleet: &Fleet, at: u32, agent: &Agent, now: u64, out: &mut Vec<u8>) {
        let id = fleet.id(at);
        let mut boot = Uuid::encode_buffer();
        let figure = spread(self.start ^ (u64::from(at) << 20) ^ agent.sent);
        let fields = Fields {
            id: &id,
            boot_id: Uuid::from_u64_pair(self.start, spread(u64::from(at))).hyphenated().encode_lower(&mut boot),
            seq: agent.sent,
            uptime_secs: 3600 + now / 1_000_000_000,
            timestamp: self.clock.read(now),
            cpu: (figure % 10_000) as u32,
            memory_mb: 256 + (spread(u64::from(at)) % 2048) as u32 + (figure >> 32) as u32 % 64,
            missed: agent.told.into(),
        };
        let gzip = self.template.write(&fields, !agent.whole, self.gzip, &mut self.body);
        // Writing to memory does not fail.
        let _ = write!(
            out,
            "POST /api/v1/sandboxes/{id}/status HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\naccept: \
             application/json\r\nuser-agent: sandbeat/{}\r\n",
            self.host,
            env!("CARGO_PKG_VERSION")
        );
        if let Some(token) = fleet.token(at) {
            let _ = write!(out, "authorization: Bearer {token}\r\n");
        }
        if gzip {
            out.extend_from_slice(b"content-encoding: gzip\r\n");
        }
        let _ = write!(out, "content-length: {}\r\n\r\n", self.body.len());
        out.extend_from_slice(&self.body);
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
