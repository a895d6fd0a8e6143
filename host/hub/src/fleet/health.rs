//! What a report changes in the health of processes and collectors, and how much of it is told.
//!
//! Of each sandbox the names are kept that were told to fail, [`MOST_NAMES`] of each sort, and all that fails in a report
//! is held against them: one that is new has failed, one that does not fail any more has recovered. What is not told,
//! because it is too much at once or nothing is allowed any more, changes nothing in the names: where it is still so, the
//! next report tells it. So nobody recovers who still fails, or was never told to fail. A collector that is being
//! compiled stands as before, and so does what is in a state that only a later version knows. A report that does not
//! carry a list says nothing about it.
//!
//! A sandbox that changes all the time would fill the store with it, so each has an [`Allowance`].

use sandbeat_status::{PluginState, ProcessState, Report, names};

use super::allowance::Allowance;
use super::beat::fails;
use crate::event::Kind;

/// So many of each sort are told to fail; another one is when one of them has recovered.
const MOST_NAMES: usize = 64;
/// At most so many events come from the health in one report; the next one tells the rest.
const MOST_AT_ONCE: usize = 8;
/// The longest word for a person, in bytes, before the sign that it was cut.
const MOST_DETAIL: usize = 1020;
/// The longest name, likewise.
const MOST_NAME: usize = 252;

/// What fails in a report.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub processes: Vec<Fault>,
    pub collectors: Vec<Fault>,
    /// Processes of which nothing can be said.
    unclear_processes: Vec<Box<str>>,
    /// Collectors likewise.
    unclear_collectors: Vec<Box<str>>,
}

/// One that fails.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    /// As it is shown, 255 bytes at most.
    pub name: Box<str>,
    detail: Option<String>,
}

/// The names of what was told to fail in a sandbox, in order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Failing {
    pub processes: Box<[Box<str>]>,
    pub collectors: Box<[Box<str>]>,
}

/// A change.
#[derive(Debug, PartialEq)]
pub(super) struct Turn {
    pub kind: Kind,
    pub name: Option<String>,
    pub detail: Option<String>,
}

impl Faults {
    /// What fails in a report.
    pub(super) fn of(report: &Report) -> Self {
        let failed = report.processes.iter().filter(|(_, process)| process.status == ProcessState::Error);
        let processes = failed.map(|(name, process)| Fault::new(name, process.last_error.as_deref()));
        let failing = report.plugins.iter().filter(|plugin| fails(plugin.state));
        let collectors = failing.map(|plugin| {
            let failure = plugin.failure.map(|failure| failure.as_str());
            Fault::new(&plugin.name, plugin.reason.as_deref().or(failure))
        });
        let unclear = report.processes.iter().filter(|(_, process)| process.status == ProcessState::Unknown);
        let unclear_processes = unclear.map(|(name, _)| shown(name)).collect();
        let is_unclear = |state| matches!(state, PluginState::Compiling | PluginState::Unknown);
        let unclear = report.plugins.iter().filter(|plugin| is_unclear(plugin.state));
        let unclear_collectors = unclear.map(|plugin| shown(&plugin.name)).collect();
        let (processes, collectors) = (in_order(processes), in_order(collectors));
        Faults { processes, collectors, unclear_processes, unclear_collectors }
    }
}

impl Fault {
    fn new(name: &str, detail: Option<&str>) -> Self {
        Fault { name: shown(name), detail: detail.map(|detail| names::shown(detail, MOST_DETAIL)) }
    }
}

impl Failing {
    /// Holds what a report says against what was told, and returns what is to be told now. With `collectors` false it
    /// says nothing of them.
    pub(super) fn update(
        told: &mut Option<Box<Failing>>,
        faults: Faults,
        collectors: bool,
        allowance: &mut Allowance,
        now: u32,
    ) -> Vec<Turn> {
        if told.is_none() && faults.processes.is_empty() && faults.collectors.is_empty() {
            return Vec::new();
        }
        let mut names = told.take().unwrap_or_default();
        let Faults { processes, collectors: failing, unclear_processes, unclear_collectors } = faults;
        let mut telling = Telling { allowance, now, turns: Vec::new() };
        let kinds = (Kind::ProcessFailed, Kind::ProcessRecovered);
        telling.compare(&mut names.processes, processes, &unclear_processes, kinds);
        if collectors {
            let kinds = (Kind::CollectorFailed, Kind::CollectorRecovered);
            telling.compare(&mut names.collectors, failing, &unclear_collectors, kinds);
        }
        let turns = telling.turns;
        *told = (*names != Failing::default()).then_some(names);
        turns
    }

    /// What fails in a report that was there before: it has been told, as far as it ever is.
    pub(super) fn as_told(faults: &mut Faults) -> Option<Box<Failing>> {
        let names = |faults: &mut Vec<Fault>| faults.drain(..).take(MOST_NAMES).map(|fault| fault.name).collect();
        let failing = Failing { processes: names(&mut faults.processes), collectors: names(&mut faults.collectors) };
        (failing != Failing::default()).then(|| Box::new(failing))
    }

    /// What it takes, in bytes of memory.
    pub(super) fn size(&self) -> usize {
        let names = self.processes.iter().chain(&self.collectors);
        size_of::<Self>() + names.map(|name| size_of::<Box<str>>() + name.len()).sum::<usize>()
    }
}

/// What of a report is told.
struct Telling<'a> {
    allowance: &'a mut Allowance,
    now: u32,
    turns: Vec<Turn>,
}

impl Telling<'_> {
    /// Holds what fails against the names that were told to; those are others after it where something is told.
    fn compare(
        &mut self,
        names: &mut Box<[Box<str>]>,
        faults: Vec<Fault>,
        unknown: &[Box<str>],
        (failed, recovered): (Kind, Kind),
    ) {
        if names.iter().eq(faults.iter().map(|fault| &fault.name)) {
            return;
        }
        let fails = |name: &str| faults.binary_search_by(|fault| (*fault.name).cmp(name)).is_ok();
        let mut after = Vec::with_capacity(names.len());
        for name in names.iter() {
            let over = !fails(name) && !unknown.contains(name);
            if !(over && self.tell(recovered, name, None)) {
                after.push(name.clone());
            }
        }
        for Fault { name, detail } in faults {
            if names.binary_search(&name).is_err() && after.len() < MOST_NAMES && self.tell(failed, &name, detail) {
                after.push(name);
            }
        }
        after.sort_unstable();
        *names = after.into();
    }

    /// Tells it, where that is possible now.
    fn tell(&mut self, kind: Kind, name: &str, detail: Option<String>) -> bool {
        let told = self.turns.iter().filter(|turn| turn.kind != Kind::Suppressed).count();
        told < MOST_AT_ONCE
            && self.allowance.tell(Turn { kind, name: Some(name.to_owned()), detail }, self.now, &mut self.turns)
    }
}

impl Turn {
    /// One that needs no more words.
    pub(super) fn of(kind: Kind) -> Self {
        Turn { kind, name: None, detail: None }
    }
}

/// By name, each once: where the agent is sandbeat's they are already.
fn in_order(faults: impl Iterator<Item = Fault>) -> Vec<Fault> {
    let mut faults: Vec<_> = faults.collect();
    faults.sort_by(|a, b| a.name.cmp(&b.name));
    faults.dedup_by(|a, b| a.name == b.name);
    faults
}

fn shown(name: &str) -> Box<str> {
    names::shown(name, MOST_NAME).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(processes: &[&str], collectors: &[(&str, &str)]) -> Faults {
        let processes: serde_json::Map<_, _> = processes
            .iter()
            .map(|name| ((*name).to_owned(), json!({"status": "error", "lastError": "it fell"})))
            .collect();
        let plugins: Vec<_> =
            collectors.iter().map(|(name, state)| json!({"name": name, "state": state, "failure": "trap"})).collect();
        let json = json!({"sandboxId": "s", "status": "running", "uptimeSecs": 1, "timestamp": "2026-11-20T12:00:00Z",
            "processes": processes, "plugins": plugins});
        Faults::of(&serde_json::from_value(json).unwrap())
    }

    fn update(failing: &mut Option<Box<Failing>>, faults: Faults, collectors: bool) -> Vec<Turn> {
        Failing::update(failing, faults, collectors, &mut Allowance::default(), 0)
    }

    fn told(turns: Vec<Turn>) -> Vec<(Kind, String, Option<String>)> {
        turns.into_iter().map(|turn| (turn.kind, turn.name.unwrap_or_default(), turn.detail)).collect()
    }

    #[test]
    fn what_fails_is_told_once_and_again_when_it_is_over() {
        let mut failing = None;
        let fell = Some("it fell".to_owned());
        assert_eq!(
            told(update(&mut failing, faults(&["b", "a"], &[("p", "failing"), ("q", "active")]), true)),
            [
                (Kind::ProcessFailed, "a".into(), fell.clone()),
                (Kind::ProcessFailed, "b".into(), fell.clone()),
                (Kind::CollectorFailed, "p".into(), Some("trap".into())),
            ]
        );
        assert_eq!(update(&mut failing, faults(&["a", "b"], &[("p", "quarantined")]), true), []);
        assert_eq!(
            told(update(&mut failing, faults(&["b", "c"], &[("p", "active")]), true)),
            [
                (Kind::ProcessRecovered, "a".into(), None),
                (Kind::ProcessFailed, "c".into(), fell),
                (Kind::CollectorRecovered, "p".into(), None),
            ]
        );
        assert_eq!(update(&mut failing, faults(&[], &[]), true).len(), 2);
        assert_eq!(failing, None, "nothing is kept of who is well");
    }

    #[test]
    fn a_collector_that_is_compiled_or_not_named_stands_as_before() {
        let mut failing = None;
        update(&mut failing, faults(&[], &[("p", "rejected"), ("q", "failing")]), true);
        assert_eq!(update(&mut failing, faults(&[], &[]), false), []);
        let turns = update(&mut failing, faults(&[], &[("p", "compiling"), ("q", "failing")]), true);
        assert_eq!(turns, []);
        let turns = update(&mut failing, faults(&[], &[("q", "active"), ("p", "active")]), true);
        assert_eq!(turns.len(), 2);
    }

    #[test]
    fn what_is_in_a_state_of_a_later_version_stands_as_before() {
        let mut failing = None;
        update(&mut failing, faults(&["a"], &[("p", "failing")]), true);
        let json = json!({"sandboxId": "s", "status": "running", "uptimeSecs": 1, "timestamp": "2026-11-20T12:00:00Z",
            "processes": {"a": {"status": "paused"}, "b": {"status": "paused"}},
            "plugins": [{"name": "p", "state": "asleep"}, {"name": "q", "state": "asleep"}]});
        let unclear = Faults::of(&serde_json::from_value(json).unwrap());
        assert_eq!(update(&mut failing, unclear, true), []);
        assert_eq!(update(&mut failing, faults(&[], &[]), true).len(), 2);
    }

    #[test]
    fn names_that_are_not_in_order_are_told_once_as_well() {
        let (mut failing, all) = (None, [("z", "failing"), ("a", "failing"), ("z", "failing")]);
        assert_eq!(update(&mut failing, faults(&[], &all), true).len(), 2);
        assert_eq!(update(&mut failing, faults(&[], &all), true), []);
    }

    fn kinds(turns: &[Turn], kind: Kind) -> Vec<&str> {
        turns.iter().filter(|turn| turn.kind == kind).filter_map(|turn| turn.name.as_deref()).collect()
    }

    #[test]
    fn what_is_too_much_for_one_report_is_told_with_the_next() {
        let mut failing = None;
        let nine = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        let turns = update(&mut failing, faults(&nine, &[]), true);
        assert_eq!(kinds(&turns, Kind::ProcessFailed), nine[..8]);
        assert_eq!(turns.len(), 8, "none is left out for good");
        assert_eq!(kinds(&update(&mut failing, faults(&nine, &[]), true), Kind::ProcessFailed), ["i"]);
        update(&mut failing, faults(&[], &[]), true);
        assert_eq!(kinds(&update(&mut failing, faults(&[], &[]), true), Kind::ProcessRecovered), ["i"]);
        update(&mut failing, faults(&nine, &[]), true);
        let turns = update(&mut failing, faults(&nine[..8], &[]), true);
        assert_eq!(turns, [], "the ninth was never told to fail");
    }

    #[test]
    fn who_still_fails_does_not_recover_however_many_fail() {
        let mut failing = None;
        let many: Vec<_> = (0..64).map(|n| format!("p{n:02}")).collect();
        let mut all: Vec<_> = many.iter().map(String::as_str).collect();
        for _ in 0..8 {
            assert_eq!(update(&mut failing, faults(&all, &[]), true).len(), 8);
        }
        all.insert(0, "aaa");
        assert_eq!(update(&mut failing, faults(&all, &[]), true), [], "65 fail, and 64 are told to");
        all.remove(1);
        let turns = update(&mut failing, faults(&all, &[]), true);
        assert_eq!(kinds(&turns, Kind::ProcessRecovered), ["p00"]);
        assert_eq!((kinds(&turns, Kind::ProcessFailed), turns.len()), (vec!["aaa"], 2));
    }

    #[test]
    fn what_is_not_allowed_now_is_told_later_where_it_is_still_so() {
        let (mut failing, mut allowance) = (None, Allowance::default());
        let mut update =
            |names: &[&str], now| Failing::update(&mut failing, faults(names, &[]), true, &mut allowance, now);
        assert_eq!(update(&["a"], 100).len(), 1);
        for _ in 0..29 {
            assert_eq!((update(&[], 100).len(), update(&["a"], 100).len()), (1, 1));
        }
        assert_eq!(update(&["a", "b"], 100).len(), 1, "the sixtieth");
        assert_eq!(kinds(&update(&["a", "b"], 100), Kind::ProcessFailed), [""; 0]);
        assert_eq!(update(&["a"], 100), [Turn::of(Kind::Suppressed)]);
        assert_eq!(update(&["a"], 159), []);
        assert_eq!(kinds(&update(&["a"], 160), Kind::ProcessRecovered), ["b"]);
    }

    #[test]
    fn a_name_is_clean_and_short() {
        let name = Fault::new(&"a\nb".repeat(2000), None).name;
        assert!(name.len() <= 255 && name.ends_with('…') && !name.contains('\n'), "{}", name.len());
    }

    #[test]
    fn a_detail_is_short() {
        let detail = Fault::new("a", Some(&"ä\n".repeat(2000))).detail.unwrap();
        assert!(detail.len() <= 1024 && detail.ends_with('…') && !detail.contains('\n'), "{}", detail.len());
    }
}
