//! The hub with a fleet: what it keeps when it is killed, whom it calls lost, and whom it goes on hearing.
//!
//! The fleet is played by the load generator (`tests/load`), which knows what the hub has acknowledged.

mod clock;
mod crashes;
mod crowds;
mod disk;
mod ledger;
mod signals;
mod silence;
mod spread;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use sandbeat_load_generator::{Fleet, Load, Running};
use serde_json::Value;

use crate::harness::{PATIENCE, Process, Sandbox, get, wait_for};

/// A hub whose data is on disk, and which can be killed and come back.
struct Hub {
    sandbox: Sandbox,
    process: Option<Process>,
    address: SocketAddr,
}

/// The events that the hub tells of, as they come, until it ends.
struct Told(Arc<Mutex<Vec<Value>>>);

impl Hub {
    /// `config` is more of the `[hub]` table.
    fn start(config: &str) -> Hub {
        Hub::start_in(Sandbox::new(), config)
    }

    fn start_in(sandbox: Sandbox, config: &str) -> Hub {
        let address = unused();
        let sandbox = sandbox.config(&format!("[hub]\nlisten = \"{address}\"\ndata = \"data\"\n{config}"));
        let mut hub = Hub { sandbox, process: None, address };
        hub.come_back();
        hub
    }

    fn kill(&mut self) {
        let process = self.process.take().expect("it runs");
        process.signal(Signal::KILL);
        process.ended();
    }

    fn come_back(&mut self) {
        let process = self.sandbox.start(&["hub"]);
        process.says(&["the hub listens"]);
        self.process = Some(process);
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1{path}", self.address)
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let (status, body) = get(&self.url(path));
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// How many sandboxes are of a liveness.
    fn count(&self, liveness: &str) -> u64 {
        self.get(&format!("/sandboxes?limit=1&liveness={liveness}"))["total"].as_u64().expect("a number")
    }

    /// All events of these types, the oldest first.
    fn events(&self, types: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/events?limit=1000&type={types}{cursor}"));
            all.extend(page["events"].as_array().expect("events").iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        all.reverse();
        all
    }

    /// The ids of the sandboxes that events of these types are about, in order.
    fn whose(&self, types: &str) -> Vec<String> {
        let mut ids: Vec<String> =
            self.events(types).iter().filter_map(|event| event["sandboxId"].as_str().map(str::to_owned)).collect();
        ids.sort();
        ids
    }

    /// Follows the events after the one of this number.
    fn follow(&self, after: u64) -> Told {
        let told = Arc::new(Mutex::new(Vec::new()));
        let mut stream = TcpStream::connect(self.address).expect("the hub listens");
        // HTTP/1.0 knows no chunks.
        let head = "accept: text/event-stream\r\nhost: localhost\r\n";
        write!(stream, "GET /api/v1/events HTTP/1.0\r\n{head}last-event-id: {after}\r\n\r\n").expect("the hub reads");
        let seen = Arc::clone(&told);
        // It ends with the hub.
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if let Some(data) = line.strip_prefix("data:") {
                    let event = serde_json::from_str(data).expect("an event is JSON");
                    seen.lock().expect("no reader panics").push(event);
                }
            }
        });
        Told(told)
    }

    fn load(&self, interval: Duration) -> Load {
        Load::to(self.address).interval(interval).connections(16).timeout(Duration::from_secs(5))
    }

    /// Registers a fleet that reports at an interval, and waits until each of it has.
    fn play(&self, load: &Load, agents: u32) -> Running {
        let (fleet, figures) = load.register("box", agents, PATIENCE).expect("the hub registers");
        assert_eq!(fleet.known(), agents, "{figures}");
        let running = load.start(&Arc::new(fleet)).expect("a load");
        wait_for("a report of each", || all_acknowledged(running.fleet()).then_some(()));
        running
    }
}

impl Told {
    fn events(&self) -> Vec<Value> {
        self.0.lock().expect("no reader panics").clone()
    }
}

fn all_acknowledged(fleet: &Fleet) -> bool {
    (0..fleet.len()).all(|number| fleet.acknowledged(number).is_some())
}

/// Waits until each agent that is not silent has had so many further reports acknowledged.
#[track_caller]
fn more_reports(running: &Running, silent: f64, more: u64) {
    let fleet = running.fleet();
    let seqs = || (0..fleet.len()).map(|number| fleet.acknowledged(number).map_or(0, |(seq, _)| seq));
    let before: Vec<u64> = seqs().collect();
    wait_for(&format!("{more} more reports of each"), || {
        let mut all = (0..).zip(before.iter().zip(seqs()));
        all.all(|(number, (before, now))| Running::is_silent(number, silent) || now >= before + more).then_some(())
    });
}

/// The ids of the agents that say nothing where this part of the fleet is silent, in order.
fn silent_ones(fleet: &Fleet, part: f64) -> Vec<String> {
    (0..fleet.len()).filter(|number| Running::is_silent(*number, part)).map(|number| fleet.id(number)).collect()
}

/// An address that no connection is given as its own: while the hub is down, a client that tries again and again would
/// otherwise sooner or later come from the very port that it connects to, and take it.
fn unused() -> SocketAddr {
    wait_for("a free port", || {
        let address = SocketAddr::from(([127, 0, 0, 1], fastrand::u16(10_000..30_000)));
        TcpListener::bind(address).is_ok().then_some(address)
    })
}
