//! The fleet's arithmetic, by what is done to it. Here is what the tests share.

mod flapping;
mod health;
mod memory;
mod model;
mod pages;
mod reports;
mod saved;
mod silence;

use super::*;
use crate::auth::KeyHash;
use crate::event::Kind;

const SECOND: Duration = Duration::from_secs(1);

/// A fleet with a clock of its own, that starts at zero and only moves when told to.
struct Hub {
    fleet: Fleet,
    start: Instant,
}

impl Hub {
    fn new(max_sandboxes: usize) -> Self {
        Hub::with(Settings { max_sandboxes, ..settings() })
    }

    fn with(settings: Settings) -> Self {
        let start = Instant::now();
        Hub { fleet: Fleet::new(settings, start), start }
    }

    fn at(&self, seconds: u32) -> Instant {
        self.start + seconds * SECOND
    }

    fn register(&mut self, id: &str, seconds: u32) -> Result<Sender, Refused> {
        let registration = Registration {
            serial: u64::from(seconds) + 1,
            tokens: Some(Tokens::of(KeyHash::of(&crate::auth::Secret::new("token")))),
            ..Registration::by_report(id, wall(seconds))
        };
        let registration = Arc::new(registration);
        self.fleet.register(Arc::clone(&registration), self.at(seconds)).map(|()| Sender::Known(registration))
    }

    fn beat(&mut self, sender: &Sender, id: &str, seconds: u32, fields: serde_json::Value) -> Result<Outcome, Refused> {
        let beat = Beat {
            report: report(id, fields),
            at: self.at(seconds),
            received: wall(seconds),
            peer: [127, 0, 0, 1].into(),
        };
        self.fleet.report(sender, beat.encode())
    }

    fn expire(&mut self, seconds: u32) -> Vec<(String, Kind)> {
        let Expired { events, .. } = self.fleet.expire(self.at(seconds), wall(seconds), 100);
        events.iter().map(|e| (e.sandbox_id.as_deref().unwrap_or("hub").to_owned(), e.kind)).collect()
    }

    fn find(&self, id: &str) -> Snapshot {
        self.fleet.find(id).unwrap()
    }
}

fn settings() -> Settings {
    let rules = Rules {
        intervals: 3,
        grace: SECOND,
        default_interval: 10 * SECOND,
        never_reported_after: 60 * SECOND,
        ..Rules::default()
    };
    Settings {
        rules,
        max_sandboxes: 100,
        report_memory: 1 << 30,
        max_reports_per_sec: None,
        lasts: true,
        longest_pause: Duration::MAX,
    }
}

/// A small report with these fields.
fn report(id: &str, fields: serde_json::Value) -> sandbeat_status::Report {
    let mut json = serde_json::json!({"sandboxId": id, "status": "running", "uptimeSecs": 1,
        "hostname": "h", "timestamp": "2026-11-20T12:00:00Z", "intervalSecs": 2.0});
    json.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(json).unwrap()
}

fn wall(seconds: u32) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + i64::from(seconds)).unwrap()
}

fn none() -> serde_json::Value {
    serde_json::json!({})
}

fn boot(boot: &str, seq: u64, cpu: f64) -> serde_json::Value {
    serde_json::json!({"bootId": boot, "seq": seq, "cpuPercent": cpu})
}

/// The events that a report made.
fn made(outcome: Result<Outcome, Refused>) -> Vec<Kind> {
    match outcome.unwrap() {
        Outcome::Accepted { events, .. } => events.iter().map(|event| event.kind).collect(),
        Outcome::Duplicate { .. } => panic!("a duplicate"),
    }
}

/// What is kept of a report, and whether the next may leave out parts.
fn kept(outcome: Result<Outcome, Refused>) -> (sandbeat_status::Report, bool) {
    match outcome.unwrap() {
        Outcome::Accepted { kept, keeps, .. } => (kept.report(), keeps),
        Outcome::Duplicate { .. } => panic!("a duplicate"),
    }
}

fn whole(boot: &str, seq: u64) -> serde_json::Value {
    serde_json::json!({"bootId": boot, "seq": seq, "metadata": {"k": "v"}, "plugins": [{"name": "p", "state": "active"}]})
}

fn delta(boot: &str, seq: u64) -> serde_json::Value {
    serde_json::json!({"bootId": boot, "seq": seq, "unchanged": ["metadata", "plugins"]})
}
