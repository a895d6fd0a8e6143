//! What a report changes in the health of processes and collectors, and how much of it is told.
//!
//! Of each sandbox the names of what fails are kept, [`MOST_NAMES`] of each sort, and each report's are held against
//! them: one that is new has failed, one that is gone has recovered. A collector that is being compiled is neither: it
//! stands as before. A report that does not carry a list says nothing about it.
//!
//! A sandbox whose health changes all the time would fill the store with it, so each has an [`Allowance`].

use sandbeat_status::{PluginState, ProcessState, Report, names};

use super::beat::fails;
use crate::event::Kind;

/// So many failing ones of each sort are told apart; more are only counted.
const MOST_NAMES: usize = 64;
/// At most so many events come from the health in one report.
const MOST_AT_ONCE: usize = 8;
/// So many events are allowed at once, and as many in an hour.
const ALLOWED: u32 = 60;
/// One more is allowed after so many seconds.
const REFILL: u32 = 60;
/// The longest word for a person, in bytes, before the sign that it was cut.
const MOST_DETAIL: usize = 1020;

/// What fails in a report.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub processes: Vec<Fault>,
    pub collectors: Vec<Fault>,
    /// Collectors of which nothing can be said.
    compiling: Vec<Box<str>>,
}

/// One that fails.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub name: Box<str>,
    detail: Option<String>,
}

/// The names of what fails in a sandbox, in order.
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

/// How many events of its health a sandbox may still have: a bucket of [`ALLOWED`] that fills by one a minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    /// When it is full again, in seconds since the fleet was made.
    full: u32,
    /// That some are left out has been said, and it has not been full since.
    told: bool,
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
        let compiling = report.plugins.iter().filter(|plugin| plugin.state == PluginState::Compiling);
        let mut faults = Faults {
            processes: processes.take(MOST_NAMES).collect(),
            collectors: collectors.take(MOST_NAMES).collect(),
            compiling: compiling.take(MOST_NAMES).map(|plugin| plugin.name.as_str().into()).collect(),
        };
        // By name they are already, where the agent is sandbeat's.
        faults.collectors.sort_by(|a, b| a.name.cmp(&b.name));
        faults.collectors.dedup_by(|a, b| a.name == b.name);
        faults
    }
}

impl Fault {
    fn new(name: &str, detail: Option<&str>) -> Self {
        Fault { name: name.into(), detail: detail.map(|detail| names::shown(detail, MOST_DETAIL)) }
    }
}

impl Failing {
    /// Takes over what a report says, and returns what that changes. With `collectors` false it says nothing of them.
    pub(super) fn update(present: &mut Option<Box<Failing>>, faults: Faults, collectors: bool) -> Vec<Turn> {
        let none = Failing::default();
        let before = present.as_deref().unwrap_or(&none);
        let mut turns = Vec::new();
        let Faults { processes, collectors: failing, compiling } = faults;
        let (kinds, compared) = ((Kind::ProcessFailed, Kind::ProcessRecovered), &before.processes);
        let processes = compare(compared, processes, &[], kinds, &mut turns);
        let kinds = (Kind::CollectorFailed, Kind::CollectorRecovered);
        let collectors =
            collectors.then(|| compare(&before.collectors, failing, &compiling, kinds, &mut turns)).flatten();
        if processes.is_some() || collectors.is_some() {
            let before = present.take().map(|before| *before).unwrap_or_default();
            let after = Failing {
                processes: processes.unwrap_or(before.processes),
                collectors: collectors.unwrap_or(before.collectors),
            };
            *present = (after != Failing::default()).then(|| Box::new(after));
        }
        turns
    }

    /// What it takes, in bytes of memory.
    pub(super) fn size(&self) -> usize {
        let names = self.processes.iter().chain(&self.collectors);
        size_of::<Self>() + names.map(|name| size_of::<Box<str>>() + name.len()).sum::<usize>()
    }
}

/// Holds what fails against what failed before; returns the names from now on, where they are others.
fn compare(
    before: &[Box<str>],
    now: Vec<Fault>,
    unknown: &[Box<str>],
    (failed, recovered): (Kind, Kind),
    turns: &mut Vec<Turn>,
) -> Option<Box<[Box<str>]>> {
    if before.iter().eq(now.iter().map(|fault| &fault.name)) {
        return None;
    }
    let still = |name: &str| now.binary_search_by(|fault| (*fault.name).cmp(name)).is_ok();
    let (stand, over): (Vec<_>, Vec<_>) =
        before.iter().filter(|name| !still(name)).partition(|name| unknown.contains(name));
    let mut names: Vec<Box<str>> = stand.into_iter().cloned().collect();
    turns.extend(over.into_iter().map(|name| Turn { kind: recovered, name: Some(name.to_string()), detail: None }));
    for Fault { name, detail } in now {
        if before.binary_search(&name).is_err() {
            turns.push(Turn { kind: failed, name: Some(name.to_string()), detail });
        }
        names.push(name);
    }
    names.sort_unstable();
    Some(names.into())
}

impl Allowance {
    /// Lets through what is allowed of `turns` at `now`, in seconds since the fleet was made; where something is left
    /// out, a last one says so, once until all of the allowance is back.
    pub(super) fn pass(&mut self, mut turns: Vec<Turn>, now: u32) -> Vec<Turn> {
        if turns.is_empty() {
            return turns;
        }
        if self.full <= now {
            *self = Allowance { full: now, told: false };
        }
        let left = ((ALLOWED * REFILL).saturating_sub(self.full - now) / REFILL) as usize;
        let passed = turns.len().min(left).min(MOST_AT_ONCE);
        let cut = passed < turns.len();
        turns.truncate(passed);
        self.full = self.full.saturating_add(passed as u32 * REFILL);
        if cut && !std::mem::replace(&mut self.told, true) {
            turns.push(Turn { kind: Kind::Suppressed, name: None, detail: None });
        }
        turns
    }
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

    fn told(turns: Vec<Turn>) -> Vec<(Kind, String, Option<String>)> {
        turns.into_iter().map(|turn| (turn.kind, turn.name.unwrap_or_default(), turn.detail)).collect()
    }

    #[test]
    fn what_fails_is_told_once_and_again_when_it_is_over() {
        let mut failing = None;
        let fell = Some("it fell".to_owned());
        assert_eq!(
            told(Failing::update(&mut failing, faults(&["b", "a"], &[("p", "failing"), ("q", "active")]), true)),
            [
                (Kind::ProcessFailed, "a".into(), fell.clone()),
                (Kind::ProcessFailed, "b".into(), fell.clone()),
                (Kind::CollectorFailed, "p".into(), Some("trap".into())),
            ]
        );
        assert_eq!(Failing::update(&mut failing, faults(&["a", "b"], &[("p", "quarantined")]), true), []);
        assert_eq!(
            told(Failing::update(&mut failing, faults(&["b", "c"], &[("p", "active")]), true)),
            [
                (Kind::ProcessRecovered, "a".into(), None),
                (Kind::ProcessFailed, "c".into(), fell),
                (Kind::CollectorRecovered, "p".into(), None),
            ]
        );
        assert_eq!(Failing::update(&mut failing, faults(&[], &[]), true).len(), 2);
        assert_eq!(failing, None, "nothing is kept of who is well");
    }

    #[test]
    fn a_collector_that_is_compiled_or_not_named_stands_as_before() {
        let mut failing = None;
        Failing::update(&mut failing, faults(&[], &[("p", "rejected"), ("q", "failing")]), true);
        assert_eq!(Failing::update(&mut failing, faults(&[], &[]), false), []);
        let turns = Failing::update(&mut failing, faults(&[], &[("p", "compiling"), ("q", "failing")]), true);
        assert_eq!(turns, []);
        let turns = Failing::update(&mut failing, faults(&[], &[("q", "active"), ("p", "active")]), true);
        assert_eq!(turns.len(), 2);
    }

    #[test]
    fn names_that_are_not_in_order_are_told_once_as_well() {
        let (mut failing, all) = (None, [("z", "failing"), ("a", "failing"), ("z", "failing")]);
        assert_eq!(Failing::update(&mut failing, faults(&[], &all), true).len(), 2);
        assert_eq!(Failing::update(&mut failing, faults(&[], &all), true), []);
    }

    fn turns(count: usize) -> Vec<Turn> {
        (0..count).map(|_| Turn { kind: Kind::ProcessFailed, name: None, detail: None }).collect()
    }

    /// How many pass, and whether that some do not is said.
    fn pass(allowance: &mut Allowance, count: usize, now: u32) -> (usize, bool) {
        let passed = allowance.pass(turns(count), now);
        let told = passed.last().is_some_and(|turn| turn.kind == Kind::Suppressed);
        (passed.len() - usize::from(told), told)
    }

    #[test]
    fn eight_at_once_and_sixty_an_hour_are_told() {
        let mut allowance = Allowance::default();
        assert_eq!(pass(&mut allowance, 8, 1000), (8, false));
        assert_eq!(pass(&mut allowance, 9, 1000), (8, true));
        assert_eq!(pass(&mut allowance, 9, 1000), (8, false), "said once");
        let passed: usize = (0..9).map(|_| pass(&mut allowance, 8, 1000).0).sum();
        assert_eq!(passed, 60 - 24);
        assert_eq!(pass(&mut allowance, 1, 1059), (0, false));
        assert_eq!(pass(&mut allowance, 2, 1060), (1, false));
        assert_eq!(pass(&mut allowance, 9, 1060 + 3600), (8, true), "an hour of calm brings all of it back");
    }

    #[test]
    fn a_detail_is_short() {
        let detail = Fault::new("a", Some(&"ä\n".repeat(2000))).detail.unwrap();
        assert!(detail.len() <= 1024 && detail.ends_with('…') && !detail.contains('\n'), "{}", detail.len());
    }
}
