//! The figures that may take long to find out: disks, sessions, and what is counted over processes.
//!
//! The beat asks for all of them when it asks the collectors and when a report out of turn may follow, and takes what
//! has been answered when it makes the report; each is an `Inquiry`, so that none holds up the beat or another. A
//! figure counts if it is no older than the time between two reports and a little; else it is absent and named.

use std::path::Path;
use std::time::{Duration, Instant};

use sandbeat_status::Disk;

use super::census::{self, Census};
use super::inquiry::{Finding, Inquiry};
use super::scope::Scope;
use super::{Config, Unavailable, disks, sessions};

/// How much older than the time between two reports a figure may be.
const GRACE: Duration = Duration::from_secs(5);
/// Reports that are due may be apart by an interval and this part of it.
const JITTER: u32 = 5;
/// How often those who wait for answers look.
const LOOK: Duration = Duration::from_millis(1);

/// The questions.
#[derive(Debug)]
pub(super) struct Survey {
    disks: Vec<Inquiry<Disk>>,
    census: Inquiry<Census>,
    /// None without ports.
    sessions: Option<Inquiry<u32>>,
}

/// What is known, and what is not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) disks: Vec<Disk>,
    pub(super) open_files: Option<u64>,
    pub(super) tasks: Option<Result<u64, String>>,
    pub(super) session_count: Option<u32>,
    pub(super) unavailable: Vec<Unavailable>,
}

/// When the beat asked, and will, from which follows how old a figure may be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Between reports that are due, from now on.
    every: Duration,
    last: Option<Instant>,
    /// Between the last three times: an interval that was longer until now still counts.
    gaps: [Duration; 2],
}

impl Pace {
    /// Reports are due at this interval from now on.
    pub(super) fn keep_to(&mut self, every: Duration) {
        self.every = every;
    }

    /// The beat asks now.
    pub(super) fn asked(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            self.gaps = [self.gaps[1], now.saturating_duration_since(last)];
        }
    }

    /// How old a figure may be.
    pub(super) fn oldest(&self) -> Duration {
        let due = self.every.saturating_add(self.every / JITTER);
        due.max(self.gaps[0]).max(self.gaps[1]).saturating_add(GRACE)
    }
}

impl Survey {
    /// Starts the threads; they end with this. Tasks are counted only where `count_tasks`.
    pub(super) fn start(config: &Config, root: &Path, scope: &Scope, count_tasks: bool) -> Self {
        let disks = config.disks.iter().map(|path| {
            let what = format!("the file system at {}", path.display());
            let path = path.clone();
            Inquiry::start("survey-disk", what, move || disks::measure(&path))
        });
        let (proc, scope) = (root.to_owned(), scope.clone());
        let census = Inquiry::start("survey-tasks", "/proc", move || census::count(&proc, &scope, count_tasks));
        let sessions = (!config.session_ports.is_empty()).then(|| {
            let (root, ports) = (root.to_owned(), config.session_ports.clone());
            Inquiry::start("survey-sockets", "/proc/net", move || sessions::count(&root, &ports))
        });
        Survey { disks: disks.collect(), census, sessions }
    }

    /// Asks for everything anew; does not wait.
    pub(super) fn ask(&self) {
        self.disks.iter().for_each(Inquiry::ask);
        self.census.ask();
        self.sessions.iter().for_each(Inquiry::ask);
    }

    /// Waits until everything that was asked at `since` is answered, or will not be soon; no longer than `at_most`. Not
    /// for the beat.
    pub(super) fn wait(&self, since: Instant, at_most: Duration) {
        let settled = || {
            self.disks.iter().all(|disk| disk.is_settled_since(since))
                && self.census.is_settled_since(since)
                && self.sessions.iter().all(|sessions| sessions.is_settled_since(since))
        };
        while !settled() && since.elapsed() < at_most {
            std::thread::sleep(LOOK);
        }
    }

    /// What has been answered; does not wait. What has never been answered yet, and is not overdue, is not named.
    pub(super) fn read(&self, now: Instant, oldest: Duration) -> Findings {
        let mut findings = Findings::default();
        let mut name = |figure, reason| findings.unavailable.push(Unavailable { figure, reason });
        for disk in &self.disks {
            match disk.read(now, oldest) {
                Finding::Known(disk) => findings.disks.push(disk),
                Finding::Missing(reason) => name("resources.disks", reason),
                Finding::NotYet => {}
            }
        }
        match self.sessions.as_ref().map(|sessions| sessions.read(now, oldest)) {
            Some(Finding::Known(count)) => findings.session_count = Some(count),
            Some(Finding::Missing(reason)) => name("sessionCount", reason),
            Some(Finding::NotYet) | None => {}
        }
        match self.census.read(now, oldest) {
            Finding::Known(census) => {
                match census.open_files {
                    Ok(count) => findings.open_files = Some(count),
                    Err(reason) => name("resources.openFiles", reason),
                }
                findings.tasks = census.tasks;
            }
            Finding::Missing(reason) => {
                name("resources.openFiles", reason.clone());
                findings.tasks = Some(Err(reason));
            }
            Finding::NotYet => {}
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_may_be_as_old_as_the_time_between_reports_and_a_little() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.oldest(), GRACE);
        pace.asked(start);
        assert_eq!(pace.oldest(), GRACE);
        pace.asked(start + Duration::from_secs(30));
        assert_eq!(pace.oldest(), GRACE + Duration::from_secs(30));
        pace.asked(start + Duration::from_secs(31));
        assert_eq!(pace.oldest(), GRACE + Duration::from_secs(30), "a report out of turn");
        pace.asked(start + Duration::from_secs(33));
        assert_eq!(pace.oldest(), GRACE + Duration::from_secs(2));
    }

    #[test]
    fn a_figure_may_be_as_old_as_the_interval_whoever_has_asked_before() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.keep_to(Duration::from_mins(1));
        assert_eq!(pace.oldest(), GRACE + Duration::from_secs(72));
        for at in [0, 1, 2] {
            pace.asked(start + Duration::from_secs(at));
        }
        assert_eq!(pace.oldest(), GRACE + Duration::from_secs(72), "many reports out of turn");
        pace.asked(start + Duration::from_secs(62));
        pace.keep_to(Duration::from_secs(1));
        assert_eq!(pace.oldest(), GRACE + Duration::from_mins(1), "what is known is of the longer interval");
        pace.keep_to(Duration::MAX);
        assert_eq!(pace.oldest(), Duration::MAX);
    }
}
