//! The fleet against a model that is slow and obviously right: random histories of registrations, deletions, reports
//! in and out of order, silence, clocks that are set, and hubs that die and come back. After each step all sandboxes
//! stand as in the model, the counts agree, and so do the events that were made; and no loss is put off for longer than
//! it may be.

mod twin;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::Config;
use sandbeat_status::{PluginState, ProcessState};

use self::twin::{Said, Say, Twins};
use super::*;

const IDS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
const MILLISECOND: Duration = Duration::from_millis(1);

/// A step of a history. Times are in milliseconds.
#[derive(Clone, Debug)]
enum Step {
    Register(usize),
    Remove(usize),
    /// A report with the token of the last registration but so many.
    Beat {
        id: usize,
        registration: usize,
        say: Say,
    },
    /// Each of the first so many reports once.
    BeatMany(usize),
    /// So many reports, each of another start of the agent: more events than are kept of one sandbox.
    Restless(usize, u8),
    Wait(u64),
    /// The wall clock is set.
    Set(i64),
    /// Silence is noticed, so many sandboxes at a time.
    Expire(usize),
    /// Beats are written to disk.
    Snapshot,
    /// There is no room on disk for the events from now on until the next start; for beats there is.
    LoseEvents,
    /// The hub is killed and started again.
    Restart,
}

fn say() -> impl Strategy<Value = Say> {
    let interval = prop_oneof![Just(None), Just(Some(1000)), Just(Some(2000)), Just(Some(12_345))];
    let boot = proptest::option::weighted(0.9, 0..3_u8);
    let stopped = prop::bool::weighted(0.1);
    (boot, 0..4_i64, stopped, interval, prop::bool::weighted(0.3), prop::bool::weighted(0.3)).prop_map(
        |(boot, ahead, stopped, interval, delta, obedient)| Say { boot, ahead, stopped, interval, delta, obedient },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..IDS.len();
    prop_oneof![
        3 => id.clone().prop_map(Step::Register),
        1 => id.clone().prop_map(Step::Remove),
        10 => (id.clone(), prop::bool::weighted(0.05), say())
            .prop_map(|(id, old, say)| Step::Beat { id, registration: usize::from(old), say }),
        4 => (0..=IDS.len()).prop_map(Step::BeatMany),
        1 => (id.clone(), 50..70_u8).prop_map(|(id, count)| Step::Restless(id, count)),
        6 => prop_oneof![0..300_u64, 0..5000_u64, 0..60_000_u64].prop_map(Step::Wait),
        1 => (-10_000_000..10_000_000_i64).prop_map(Step::Set),
        6 => (1..4_usize).prop_map(Step::Expire),
        1 => Just(Step::Snapshot),
        1 => Just(Step::LoseEvents),
        1 => Just(Step::Restart),
    ]
}

/// The fleet and its model, with what a store would keep.
struct Pair {
    settings: Settings,
    fleet: Fleet,
    twins: Twins,
    start: Instant,
    /// Since the start of the test, in milliseconds.
    now: u64,
    wall: i64,
    registrations: BTreeMap<usize, Vec<Arc<Registration>>>,
    saved: BTreeMap<String, Changed>,
    /// How those stood whose events were lost since then.
    stood: BTreeMap<String, Snapshot>,
}

impl Pair {
    fn new(spread: bool) -> Self {
        let rules = Rules {
            intervals: 3,
            grace: 1500 * MILLISECOND,
            default_interval: 3 * SECOND,
            never_reported_after: 20 * SECOND,
            suspect_fraction: 0.4,
            suspect_least: 2,
            suspect_hold: 30 * SECOND,
        };
        let settings = Settings { rules, max_reports_per_sec: spread.then_some(1), ..settings() };
        let start = Instant::now();
        Pair {
            fleet: Fleet::new(settings.clone(), start),
            twins: Twins::new(settings.rules.clone()),
            settings,
            start,
            now: 0,
            wall: 1_800_000_000_000,
            registrations: BTreeMap::new(),
            saved: BTreeMap::new(),
            stood: BTreeMap::new(),
        }
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_millisecond(self.wall).unwrap()
    }

    fn take(&mut self, step: &Step) {
        self.twins.wall = self.wall;
        match step {
            Step::Register(id) => self.register(*id),
            Step::Remove(id) => {
                let removed = self.fleet.remove(IDS[*id]).is_ok();
                assert_eq!(removed, self.twins.remove(IDS[*id]));
                self.saved.remove(IDS[*id]);
            }
            Step::Beat { id, registration, say } => self.beat(*id, *registration, say),
            Step::BeatMany(count) => {
                let say = Say { boot: Some(0), ahead: 1, ..Say::default() };
                (0..*count).for_each(|id| self.beat(id, 0, &say));
            }
            Step::Restless(id, count) => {
                let say = |n: u8| Say { boot: Some(n % 3), ahead: 1, interval: Some(1000), ..Say::default() };
                (0..*count).for_each(|n| self.beat(*id, 0, &say(n)));
            }
            Step::Wait(wait) => (self.now, self.wall) = (self.now + wait, self.wall + *wait as i64),
            Step::Set(by) => self.wall += by,
            Step::Expire(most) => self.expire(*most),
            Step::Snapshot => {
                for changed in self.fleet.take_changed(usize::MAX) {
                    self.saved.insert(changed.snapshot.registration.id.to_string(), changed);
                }
                self.twins.snapshot();
            }
            Step::LoseEvents => {
                self.stood = self.all().into_iter().map(|found| (found.registration.id.to_string(), found)).collect();
                self.twins.lose_events();
            }
            Step::Restart => self.restart(),
        }
        self.compare();
    }

    fn register(&mut self, id: usize) {
        let known = self.registrations.entry(id).or_default();
        let serial = known.len() as u64 + 1;
        let registration = Arc::new(Registration { serial, ..Registration::by_report(IDS[id], Timestamp::UNIX_EPOCH) });
        let now = self.start + Duration::from_millis(self.now);
        let registered = self.fleet.register(Arc::clone(&registration), now).is_ok();
        assert_eq!(registered, self.twins.register(IDS[id], serial, self.now));
        if registered {
            known.push(registration);
        }
    }

    fn beat(&mut self, id: usize, before: usize, say: &Say) {
        let Some(registration) = self.registrations.get(&id).and_then(|known| known.iter().rev().nth(before)) else {
            return;
        };
        let sender = Sender::Known(Arc::clone(registration));
        let said = self.twins.fill(IDS[id], say);
        let beat = Beat {
            report: report(IDS[id], ailing(&said)),
            at: self.instant(),
            received: self.wall(),
            peer: [127, 0, 0, 1].into(),
        };
        let (outcome, serial) = (self.fleet.report(&sender, beat.encode()), registration.serial);
        match outcome {
            Err(refused) => {
                assert_eq!(refused, Refused::Unknown);
                assert_ne!(self.twins.serial(IDS[id]), Some(serial));
            }
            Ok(Outcome::Duplicate { keeps, next }) => {
                assert_eq!(
                    (self.twins.serial(IDS[id]), self.twins.has_seen(IDS[id], &said, self.now)),
                    (Some(serial), true)
                );
                assert_eq!(keeps, self.twins.keeps(IDS[id]));
                assert_eq!(next, self.twins.next(IDS[id]), "an agent that repeats itself stays where it was directed");
            }
            Ok(Outcome::Accepted { events, keeps, next, .. }) => {
                assert_eq!(
                    (self.twins.serial(IDS[id]), self.twins.has_seen(IDS[id], &said, self.now)),
                    (Some(serial), false)
                );
                let expected = self.twins.report(IDS[id], &said, next, self.now);
                assert_eq!(names(&events), expected);
                assert_eq!(keeps, self.twins.keeps(IDS[id]));
            }
        }
    }

    fn expire(&mut self, most: usize) {
        let mut made = Vec::new();
        loop {
            let Expired { events, more } = self.fleet.expire(self.instant(), self.wall(), most);
            made.extend(names(&events));
            if !more {
                break;
            }
        }
        made.sort();
        let mut expected = self.twins.expire(self.now);
        expected.sort();
        assert_eq!(made, expected);
        assert!(self.twins.nobody_is_hidden(self.now));
    }

    /// Registrations and how each stands are on disk at once, unless events are lost; beats as of the last snapshot, as
    /// of a hub that was killed after it told of a change and before it saved the report that brought it.
    fn restart(&mut self) {
        let mut fleet = Fleet::new(self.settings.clone(), self.instant());
        let mut made = Vec::new();
        for found in self.all() {
            let registration = Arc::clone(&found.registration);
            let before = self.stood.get(&*registration.id);
            let stood = before.filter(|before| before.registration.serial == registration.serial).unwrap_or(&found);
            let (standing, since) = (stood.standing, stood.since);
            let saved = self
                .saved
                .get(&*registration.id)
                .filter(|saved| saved.snapshot.registration.serial == registration.serial);
            let beat = saved.and_then(|saved| saved.snapshot.beat.as_ref()).map(|kept| SavedBeat {
                report: kept.report(),
                missing: kept.missing.clone(),
                received: kept.received,
                peer: kept.peer,
                interval: kept.interval,
                dropped: kept.dropped,
            });
            let history = saved.map_or_else(Vec::new, |saved| saved.history.clone());
            made.extend(fleet.restore(Saved { registration, standing, since, beat, history }, self.instant()));
        }
        self.fleet = fleet;
        self.stood.clear();
        assert_eq!(names(&made), self.twins.restart(self.now));
    }

    /// All sandboxes, in the order of ids.
    fn all(&self) -> Vec<Snapshot> {
        let all = Query { limit: usize::MAX, ..Query::default() };
        let mut paging = Paging::new(&all);
        while paging.step(&self.fleet, 3) {}
        paging.finish().sandboxes
    }

    fn compare(&self) {
        let mut counts = Counts { suspect_since: self.fleet.counts().suspect_since, ..Counts::default() };
        for id in IDS {
            let (found, twin) = (self.fleet.find(id), self.twins.find(id));
            let Some((found, twin)) = found.as_ref().zip(twin) else {
                assert!(found.is_none() && twin.is_none(), "{id}");
                continue;
            };
            assert_eq!((found.standing, found.suspect), (twin.standing, twin.held), "{id}");
            if found.beat.is_some() {
                assert_eq!(found.status() == Status::Stopped, found.standing == Standing::Stopped, "{id}");
            }
            let (report, said) = (found.beat.as_ref().map(|kept| kept.report()), twin.beat.as_ref());
            assert_eq!(report.as_ref().map(|report| report.seq), said.map(|beat| beat.seq), "{id}");
            let number = report.and_then(|report| report.metadata.get("n").cloned());
            assert_eq!(number, said.and_then(|beat| beat.metadata).map(|n| n.to_string()), "{id}");
            if let Some(kept) = &found.beat {
                count_failing(&kept.report(), &mut counts.failing);
            }
            assert!(self.fleet.history(id, self.wall()).unwrap().len() <= 60);
            counts.suspect += usize::from(twin.held);
            match twin.standing {
                Standing::NeverReported => counts.never_reported += 1,
                Standing::Overdue => {
                    (counts.never_reported, counts.overdue) = (counts.never_reported + 1, counts.overdue + 1)
                }
                Standing::Live => counts.live += 1,
                Standing::Lost => counts.lost += 1,
                Standing::Stopped => counts.stopped += 1,
            }
        }
        assert_eq!(self.fleet.counts(), counts);
        assert_eq!(counts.suspect_since.is_some(), self.twins.doubts());
        assert_eq!(self.fleet.silence.silent(), self.twins.silent());
    }
}

/// What is said, with a process or a collector that fails in some starts of the agent. A report that leaves out its
/// metadata leaves out its collectors, too.
fn ailing(said: &Said) -> serde_json::Value {
    let mut json = said.json();
    if said.boot == Some(1) {
        json["processes"] = serde_json::json!({"web": {"status": "error"}});
    }
    if said.metadata.is_none() {
        json["unchanged"] = serde_json::json!(["metadata", "plugins"]);
    } else if said.boot.is_some_and(|boot| boot > 0) {
        json["plugins"] = serde_json::json!([{"name": "p", "state": "failing"}]);
    }
    json
}

fn count_failing(report: &sandbeat_status::Report, failing: &mut Failing) {
    let process = report.processes.values().any(|process| process.status == ProcessState::Error);
    let collector = report.plugins.iter().any(|plugin| plugin.state == PluginState::Failing);
    failing.processes += usize::from(process);
    failing.collectors += usize::from(collector);
    failing.any += usize::from(process || collector);
}

/// But for those of processes and collectors, which the model does not know.
fn names(events: &[Event]) -> Vec<(Kind, Option<String>)> {
    let ailing = [Kind::ProcessFailed, Kind::ProcessRecovered, Kind::CollectorFailed, Kind::CollectorRecovered];
    let known = events.iter().filter(|event| !ailing.contains(&event.kind));
    known.map(|event| (event.kind, event.sandbox_id.as_deref().map(str::to_owned))).collect()
}

#[test]
fn the_fleet_does_what_the_model_does() {
    let config = Config { cases: 500, failure_persistence: None, ..Config::default() };
    proptest!(config, |(spread: bool, history in prop::collection::vec(step(), 1..80))| {
        let mut pair = Pair::new(spread);
        (0..IDS.len()).for_each(|id| pair.take(&Step::Register(id)));
        history.iter().for_each(|step| pair.take(step));
    });
}
