//! Collectors that mean harm. Each has to end as it is foretold here, by name, and must not be felt by anybody else.
//!
//! A [`Suite`] runs several of them in one agent, beside a collector that behaves. It waits until each has met its
//! [`Outcome`]; then the collector that behaves, the report itself and its schedule have to be what they would have
//! been without them, and the agent has to end when it is asked to.

mod answers;
mod crafted;
mod limits;
mod loading;
mod random;
mod reach;
mod web;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{FakeHub, PATIENCE, Process, Request, Sandbox, guest, metric, plugin};

/// The collector that behaves.
const BYSTANDER: &str = "bystander";
/// Between two reports of an agent that reports ten times a second, on a machine that does much else.
const LONGEST_SILENCE: Duration = Duration::from_secs(5);

/// What becomes of a hostile collector.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// Its calls fail with this name, for a reason that contains this.
    Fails(&'static str, &'static str),
    /// It is never called, with this name and a reason that contains this.
    Rejected(&'static str, &'static str),
    /// Whatever it is, it is said.
    IsTold,
    /// It works; of its points those are rejected whose reasons contain these.
    Works(&'static [&'static str]),
}

use Outcome::{Fails, IsTold, Rejected, Works};

/// One hostile collector.
struct Case {
    name: String,
    outcome: Outcome,
}

/// Several in one agent.
struct Suite {
    hub: FakeHub,
    sandbox: Sandbox,
    cases: Vec<Case>,
    /// Where it runs before the last of them are there.
    agent: Option<Process>,
}

/// A suite that has come true, its agent still running.
struct Ran {
    hub: FakeHub,
    agent: Process,
    /// The last report.
    report: Value,
    /// Its folder, as long as the agent runs.
    sandbox: Sandbox,
}

impl Suite {
    fn new() -> Suite {
        let hub = FakeHub::start();
        let sandbox = Sandbox::reporting_to(&hub);
        sandbox.drop_collector(BYSTANDER, guest("one"), "");
        Suite { hub, sandbox, cases: Vec::new(), agent: None }
    }

    /// One made by a compiler: `hostile` with a behaviour, and the rest of its sidecar.
    fn hostile(self, name: &str, behaviour: &str, sidecar: &str, outcome: Outcome) -> Suite {
        self.sandbox.drop_hostile(name, behaviour, sidecar);
        self.expect(name, outcome)
    }

    /// Any component.
    fn collector(self, name: &str, wasm: &[u8], sidecar: &str, outcome: Outcome) -> Suite {
        self.sandbox.drop_collector(name, wasm, sidecar);
        self.expect(name, outcome)
    }

    fn expect(mut self, name: &str, outcome: Outcome) -> Suite {
        self.cases.push(Case { name: name.to_owned(), outcome });
        self
    }

    /// Has the agent run before the next ones come.
    fn start(mut self) -> Suite {
        self.agent = Some(self.sandbox.start(&["run"]));
        self.hub.reports(1);
        self
    }

    /// Starts the agent if it does not run yet, waits until each case has come true, and sees that nobody else has
    /// felt it.
    #[track_caller]
    fn run(self) -> Ran {
        let Suite { hub, sandbox, cases, agent } = self;
        let agent = agent.unwrap_or_else(|| sandbox.start(&["run"]));
        let mut progress = Instant::now();
        let mut waiting: Vec<&Case> = cases.iter().collect();
        while !waiting.is_empty() {
            let report = hub.report("a report", |_| true);
            let before = waiting.len();
            waiting.retain(|case| !case.has_come_true(&report));
            if waiting.len() < before {
                progress = Instant::now();
            }
            let still = || waiting.iter().map(|case| case.told(&report)).collect::<Vec<_>>().join("\n");
            assert!(progress.elapsed() < PATIENCE, "after {PATIENCE:?} without a change:\n{}", still());
        }
        let calls = plugin(&hub.report("a report", |_| true), BYSTANDER)["calls"].as_u64();
        let report =
            hub.report("further calls of the bystander", |report| plugin(report, BYSTANDER)["calls"].as_u64() > calls);
        untouched(&hub.requests());
        for case in &cases {
            let gives = metric(&report, &case.name, "test.good").is_some();
            assert!(
                !gives || matches!(case.outcome, Works(_) | IsTold),
                "{} contributes although it failed",
                case.name
            );
        }
        Ran { hub, agent, report, sandbox }
    }
}

impl Case {
    fn has_come_true(&self, report: &Value) -> bool {
        let plugin = plugin(report, &self.name);
        let (state, failure) = (plugin["state"].as_str(), plugin["failure"].as_str());
        let says = |part: &str| plugin["reason"].as_str().is_some_and(|reason| reason.contains(part));
        match self.outcome {
            // It is tried again, or no more.
            Fails(name, part) => {
                matches!(state, Some("failing" | "quarantined")) && failure == Some(name) && says(part)
            }
            Rejected(name, part) => state == Some("rejected") && failure == Some(name) && says(part),
            IsTold => state == Some("active") || failure.is_some() && says("") && state != Some("compiling"),
            Works(reasons) => {
                state == Some("active")
                    && metric(report, &self.name, "test.good").is_some()
                    && reasons.iter().all(|part| is_rejected(report, &self.name, part))
            }
        }
    }

    /// What was expected and what is.
    fn told(&self, report: &Value) -> String {
        let rejected = report["rejected"].as_array().into_iter().flatten();
        let rejected: Vec<&Value> = rejected.filter(|one| one["plugin"] == self.name.as_str()).collect();
        format!("{:?} is expected of {}: {:#} {rejected:#?}", self.outcome, self.name, plugin(report, &self.name))
    }
}

impl Ran {
    /// The agent ends as it is asked to; all that it said.
    #[track_caller]
    fn end(self) -> String {
        self.agent.signal(Signal::TERM);
        let ended = self.agent.ended();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        ended.stderr
    }
}

/// Whether a point of the plugin's is rejected for a reason that contains a part.
fn is_rejected(report: &Value, plugin: &str, part: &str) -> bool {
    let rejected = report["rejected"].as_array().into_iter().flatten();
    let reason = |one: &Value| one["reason"].as_str().is_some_and(|reason| reason.contains(part));
    rejected.into_iter().any(|one| one["plugin"] == plugin && reason(one))
}

/// Sees that the reports came when they had to, each of them whole, with the bystander's values from its first to the
/// last.
#[track_caller]
fn untouched(requests: &[Request]) {
    for (before, after) in requests.iter().zip(&requests[1..]) {
        let silence = after.at.duration_since(before.at);
        assert!(silence < LONGEST_SILENCE, "{silence:?} between {} and {}", before.body["seq"], after.body["seq"]);
        assert!(after.body["seq"].as_u64() > before.body["seq"].as_u64(), "{}", after.body["seq"]);
    }
    let reports: Vec<&Value> = requests.iter().map(|request| &request.body).collect();
    for report in &reports {
        assert_eq!(report["status"], "running", "{report:#}");
        for field in ["memoryMB", "uptimeSecs", "hostname", "timestamp", "intervalSecs", "bootId"] {
            assert!(!report[field].is_null(), "{field} is missing: {report:#}");
        }
    }
    let gives = |report: &&Value| metric(report, BYSTANDER, "test.value").is_some();
    let first = reports.iter().position(gives).expect("the bystander is at work");
    let mut calls = 0;
    for report in &reports[first..] {
        let (value, status) = (metric(report, BYSTANDER, "test.value"), plugin(report, BYSTANDER));
        assert_eq!(value.expect("the bystander's value is missing")["value"], 1.0);
        assert_eq!((status["state"].as_str(), status["failures"].as_u64()), (Some("active"), Some(0)), "{status:#}");
        let further = status["calls"].as_u64().expect("a count");
        assert!(further >= calls, "{status:#}");
        calls = further;
        assert!(!is_rejected(report, BYSTANDER, ""), "{:#}", report["rejected"]);
    }
}
