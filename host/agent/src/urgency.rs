//! When a report leaves between two that are due: a pure policy, and what it is about.
//!
//! Changes that come together leave together: a moment is waited after the first. Reports on change are a least time
//! apart, which doubles while the same processes keep changing, up to one interval, and is the shortest again after an
//! interval without any change. A process that had not changed for an interval does not wait for those that do all the
//! time: of it the shortest time is asked alone. What is held back is in the next report, whichever that is; no change
//! moves those that are due, and none has a report of its own within a moment of one of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sandbeat_status::{ProcessPhase, ProcessState, ProcessStatus};

/// How long changes are gathered before anybody looks at them: in a crash loop they come by the hundred.
pub(crate) const GATHER: Duration = Duration::from_millis(50);
/// The shortest time between two reports on change; a quarter of the interval where that is less.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// When the next report on change leaves.
#[derive(Clone, Debug)]
pub(crate) struct Urgency {
    interval: Duration,
    /// From the next report on change to the one after it.
    pause: Duration,
    /// When the last report on change was made, and before when none follows it for what changes all the time.
    made: Option<(Instant, Instant)>,
    /// When the last report was made, on change or not.
    last: Option<Instant>,
    /// When each process that has changed within an interval did so last.
    restless: BTreeMap<String, Instant>,
    due: Option<Instant>,
}

/// What of the processes matters enough: another value is worth a report at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(BTreeMap<String, Mark>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    failed: bool,
    gave_up: bool,
    /// What failed and recovered between two looks was started again.
    restarts: u32,
}

impl Urgency {
    /// Nothing has changed yet.
    pub(crate) fn new(interval: Duration) -> Self {
        let pause = shortest(interval);
        Urgency { interval, pause, made: None, last: None, restless: BTreeMap::new(), due: None }
    }

    /// Reports that are due come at another interval.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
        self.pause = self.pause.clamp(shortest(interval), interval.max(shortest(interval)));
    }

    /// When a report on change is to leave; not where the one that is due at `next` follows it so soon that it does.
    pub(crate) fn due(&self, next: Instant) -> Option<Instant> {
        self.due.filter(|due| next.saturating_duration_since(*due) >= moment(self.interval))
    }

    /// Something that matters has changed about these processes.
    pub(crate) fn changed<'a>(&mut self, now: Instant, processes: impl IntoIterator<Item = &'a str>) {
        self.restless.retain(|_, last| now.saturating_duration_since(*last) < self.interval);
        if self.restless.is_empty() {
            self.pause = shortest(self.interval);
        }
        let mut calm_before = false;
        for process in processes {
            calm_before |= self.restless.insert(process.to_owned(), now).is_none();
        }
        let not_before = self.made.map(|(made, restless_from)| match calm_before {
            true => made + shortest(self.interval),
            false => restless_from,
        });
        let apart = self.last.map(|last| last + moment(self.interval));
        let due = [not_before, apart].into_iter().flatten().fold(now, Instant::max);
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// A report is to leave at a moment, whatever else has left before.
    pub(crate) fn insist(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// A report has been made; everything is in it.
    pub(crate) fn reported(&mut self, now: Instant) {
        self.last = Some(now);
        if self.due.take().is_some_and(|due| due <= now) {
            self.made = Some((now, now + self.pause));
            self.pause = self.pause.saturating_mul(2).min(self.interval);
        }
    }
}

impl Marks {
    /// What matters of the processes as a report tells them.
    pub(crate) fn of(processes: &BTreeMap<String, ProcessStatus>) -> Self {
        Marks(processes.iter().map(|(name, process)| (name.clone(), Mark::of(process))).collect())
    }

    /// The processes of which something is worth a report: they failed or recovered, were given up or started again.
    /// One that is new, or not there any more, is so only where it has failed.
    pub(crate) fn differing<'a>(
        &'a self,
        processes: &'a BTreeMap<String, ProcessStatus>,
    ) -> impl Iterator<Item = &'a str> {
        let differs = |(name, process): &(&String, &ProcessStatus)| {
            let now = Mark::of(process);
            self.0.get(*name).map_or(now.failed, |before| *before != now)
        };
        let gone = self.0.iter().filter(|(name, mark)| mark.failed && !processes.contains_key(*name));
        processes.iter().filter(differs).map(|(name, _)| name.as_str()).chain(gone.map(|(name, _)| name.as_str()))
    }
}

impl Mark {
    fn of(process: &ProcessStatus) -> Self {
        Mark {
            failed: process.status == ProcessState::Error,
            gave_up: process.phase == Some(ProcessPhase::GaveUp),
            restarts: process.restart_count,
        }
    }
}

fn shortest(interval: Duration) -> Duration {
    SHORTEST_PAUSE.min(interval / 4)
}

/// Between a report on change and one that is due.
fn moment(interval: Duration) -> Duration {
    GATHER.min(shortest(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// When a report on change is to leave, with none due soon.
    fn leaves(urgency: &Urgency) -> Option<Instant> {
        urgency.due(Instant::now() + Duration::from_secs(86_400))
    }

    /// When reports on change are made while something changes all the time, in milliseconds after the first change.
    fn while_changing(urgency: &mut Urgency, start: Instant, millis: u64) -> Vec<u64> {
        let mut made = Vec::new();
        for at in (0..millis).step_by(50) {
            let now = start + ms(at);
            urgency.changed(now, ["a"]);
            if leaves(urgency).is_some_and(|due| due <= now) {
                urgency.reported(now);
                made.push(at);
            }
        }
        made
    }

    #[test]
    fn pauses_double_while_changes_keep_coming_up_to_one_interval() {
        let start = Instant::now();
        let mut urgency = Urgency::new(ms(30_000));
        let made = while_changing(&mut urgency, start, 130_000);
        assert_eq!(made, [0, 1000, 3000, 7000, 15_000, 31_000, 61_000, 91_000, 121_000]);
        // Changes that stop for less than an interval go on in the same way.
        let made = while_changing(&mut urgency, start + ms(150_000), 40_000);
        assert_eq!(made, [1000, 31_000]);
        // After a quiet interval the first leaves at once, and the pauses are short again.
        let made = while_changing(&mut urgency, start + ms(220_000), 10_000);
        assert_eq!(made, [0, 1000, 3000, 7000]);
    }

    #[test]
    fn short_intervals_have_short_pauses() {
        let mut urgency = Urgency::new(ms(400));
        assert_eq!(while_changing(&mut urgency, Instant::now(), 2000), [0, 100, 300, 700, 1100, 1500, 1900]);
        let mut urgency = Urgency::new(ms(30_000));
        urgency.set_interval(ms(10));
        let start = Instant::now();
        urgency.changed(start, ["a"]);
        urgency.reported(start);
        urgency.changed(start + ms(1), ["a"]);
        assert!(leaves(&urgency).is_some_and(|due| due <= start + ms(10)));
    }

    #[test]
    fn what_is_held_back_leaves_with_the_next_report() {
        let start = Instant::now();
        let mut urgency = Urgency::new(ms(30_000));
        urgency.changed(start, ["a"]);
        urgency.reported(start);
        urgency.changed(start + ms(100), ["a"]);
        assert_eq!(leaves(&urgency), Some(start + ms(1000)));
        // One that was due anyhow, and says it.
        urgency.reported(start + ms(500));
        assert_eq!(leaves(&urgency), None);
        urgency.changed(start + ms(600), ["a"]);
        assert_eq!(leaves(&urgency), Some(start + ms(1000)), "the pause goes on");
    }

    #[test]
    fn a_moment_before_a_report_and_after_it_changes_have_none_of_their_own() {
        let start = Instant::now();
        let mut urgency = Urgency::new(ms(30_000));
        urgency.reported(start);
        urgency.changed(start + ms(10), ["a"]);
        let due = start + ms(50);
        assert_eq!(urgency.due(due + ms(50)), Some(due));
        assert_eq!(urgency.due(due + ms(49)), None);
        assert_eq!(urgency.due(start), None, "one that is late comes first");
    }

    #[test]
    fn one_that_was_calm_does_not_wait_for_those_that_change_all_the_time() {
        let start = Instant::now();
        let mut urgency = Urgency::new(ms(30_000));
        assert_eq!(while_changing(&mut urgency, start, 10_000), [0, 1000, 3000, 7000]);
        urgency.changed(start + ms(10_000), ["b"]);
        assert_eq!(leaves(&urgency), Some(start + ms(10_000)));
        urgency.reported(start + ms(10_000));
        urgency.changed(start + ms(10_100), ["a", "c"]);
        assert_eq!(leaves(&urgency), Some(start + ms(11_000)), "the shortest pause holds for all");
        urgency.reported(start + ms(11_000));
        urgency.changed(start + ms(11_100), ["b"]);
        assert!(leaves(&urgency).is_some_and(|due| due > start + ms(13_000)), "it is not calm any more");
    }

    #[test]
    fn what_is_insisted_on_waits_for_no_pause() {
        let start = Instant::now();
        let mut urgency = Urgency::new(ms(30_000));
        urgency.changed(start, ["a"]);
        urgency.reported(start);
        urgency.changed(start + ms(10), ["a"]);
        urgency.insist(start + ms(20));
        assert_eq!(leaves(&urgency), Some(start + ms(20)));
        urgency.insist(start + ms(90));
        assert_eq!(leaves(&urgency), Some(start + ms(20)));
    }

    fn process(status: ProcessState, phase: ProcessPhase, restarts: u32) -> ProcessStatus {
        ProcessStatus {
            status,
            base_url: None,
            pid: None,
            uptime_ms: None,
            restart_count: restarts,
            last_error: None,
            phase: Some(phase),
            exit_code: None,
            exit_signal: None,
            out_of_memory: false,
            next_restart_ms: None,
        }
    }

    #[test]
    fn what_matters_is_failing_recovering_giving_up_and_being_started_again() {
        use ProcessPhase::{BackingOff, Exited, GaveUp, Ready, Starting, Unhealthy, Waiting};
        use ProcessState::{Error, Running, Stopped};
        let differ = |before: Option<ProcessStatus>, after: Option<ProcessStatus>| {
            let named = |one: Option<ProcessStatus>| one.map(|one| ("web".to_owned(), one)).into_iter().collect();
            Marks::of(&named(before)).differing(&named(after)).count() > 0
        };
        for (before, after, matters) in [
            ((Stopped, Waiting, 0), (Running, Starting, 0), false),
            ((Running, Starting, 0), (Running, Ready, 0), false),
            ((Running, Ready, 0), (Error, Unhealthy, 0), true),
            ((Error, Unhealthy, 0), (Running, Ready, 0), true),
            ((Running, Ready, 0), (Error, BackingOff, 0), true),
            ((Running, Ready, 0), (Running, Ready, 1), true),
            ((Error, BackingOff, 1), (Error, GaveUp, 1), true),
            ((Running, Ready, 1), (Stopped, Exited, 1), false),
        ] {
            let one = |(status, phase, restarts)| Some(process(status, phase, restarts));
            assert_eq!(differ(one(before), one(after)), matters, "{before:?} {after:?}");
        }
        assert!(!differ(None, Some(process(Running, Ready, 0))) && !differ(Some(process(Running, Ready, 0)), None));
        assert!(differ(None, Some(process(Error, Exited, 0))) && differ(Some(process(Error, Exited, 0)), None));
    }
}
