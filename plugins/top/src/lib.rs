//! The collector `top`: which processes use most CPU and memory, and what all of them are doing.
//!
//! It reads `/proc/PID/stat` of all processes (see `look.rs`), and `/proc/PID/status` of the few that it shows: names and
//! figures, never command lines or environments. Metrics add processes of one name up, since a number for each process
//! would make a new series for each that starts; single processes, with their numbers, are in the metadata.
//!
//! CPU is that used since the last collect (`history.rs`), as a share of the CPUs that the sandbox may use; where the
//! time since then or the CPUs are not known, as at the first collect, it is absent. With more than
//! [`look::MAX_PROCESSES`] processes the rest is not looked at, counts of all are absent, and the log says so once per
//! change. Without the grant for `stat` the collect ends as `denied`; without those for `status` or `/proc/uptime`
//! memory or CPU is absent, and the log names it at `debug`.

mod history;
mod listing;
mod look;
mod rank;
mod stat;

use history::{History, Since};
use look::{Processes, Resident};
use rank::Group;
use sandbeat_sdk::prelude::*;
use sandbeat_sdk::{Point, export};
use stat::{Stat, State};

// Names, units and attributes from OpenTelemetry's semantic conventions for processes and systems.
const NAME: Key = Key::new(
    "process.executable.name",
    "The name of the processes, as they call themselves; kernel threads up to the first slash.",
);
const CPU: Gauge = Gauge::new(
    "process.cpu.utilization",
    "1",
    "CPU that the processes of a name have used since the last collect, as a share of what the sandbox may use.",
)
.with_keys(&[NAME]);
const MEMORY: Gauge = Gauge::new(
    "process.memory.usage",
    "By",
    "Resident memory of the processes of a name; what they share counts for each.",
)
.with_keys(&[NAME]);
const STATE: Key = Key::new(
    "process.state",
    "`running` (or waiting for a CPU), `sleeping`, `blocked` (waiting for a device), `stopped` or `defunct`.",
);
const COUNT: Gauge =
    Gauge::new("system.process.count", "{process}", "Processes that can be seen, by what their first threads do.")
        .with_keys(&[STATE]);
const THREADS: Gauge = Gauge::new("system.process.threads", "{thread}", "Threads of all processes that can be seen.");
const BY_CPU: Metadata = Metadata::new(
    "top.cpu",
    "The processes that have used most CPU since the last collect, with id, name and share of what the sandbox may use: \
     8401:node:0.831 77:python3:0.12.",
);
const BY_MEMORY: Metadata = Metadata::new(
    "top.memory",
    "The processes with most resident memory, with id, name and bytes: 8401:node:536870912 77:python3:10485760.",
);

/// What the operator can choose as `count`.
const COUNTS: std::ops::RangeInclusive<i64> = 1..=20;
const DEFAULT_COUNT: usize = 5;

struct Top;

impl Collector for Top {
    fn describe() -> Description {
        Description::new(env!("CARGO_PKG_VERSION"), "The processes that use most CPU and memory.")
            .with(&CPU)
            .with(&MEMORY)
            .with(&COUNT)
            .with(&THREADS)
            .with(&BY_CPU)
            .with(&BY_MEMORY)
    }

    fn collect() -> Result<Contribution, Error> {
        let count = configured_count()?;
        let before = History::kept();
        let uptime = look::uptime();
        let processes = look::processes(before.as_ref())?;
        say_whether_cut(processes.is_cut);
        let since = uptime.and_then(|uptime| before.as_ref()?.since(uptime));
        // Of a collect that comes too soon after the last one there is no share, and the next one has it since the last.
        let too_soon =
            since.is_none() && before.as_ref().zip(uptime).is_some_and(|(before, now)| before.is_before(now));
        if let Some(uptime) = uptime.filter(|_| !too_soon) {
            History::new(uptime, !processes.is_cut, &processes.stats).keep();
        }

        let mut contribution = Contribution::new();
        if !processes.is_cut {
            contribution.extend(totals(&processes));
        }
        rankings(&mut contribution, &processes.stats, since.as_ref(), count);
        Ok(contribution)
    }
}

export!(Top);

fn configured_count() -> Result<usize, Error> {
    config::only(&["count"])?;
    let Some(count) = config::integer("count")? else { return Ok(DEFAULT_COUNT) };
    let (least, most) = COUNTS.into_inner();
    let chosen = usize::try_from(count).ok().filter(|_| COUNTS.contains(&count));
    chosen.ok_or_else(|| Error::config("count", format_args!("is {count}; it has to be between {least} and {most}")))
}

fn totals(processes: &Processes) -> Vec<Point> {
    let stats = &processes.stats;
    let in_state = |state: State| stats.iter().filter(|stat| stat.state == state).count();
    let counts = State::ALL.map(|state| COUNT.value(in_state(state)).attribute(STATE, state.name()));
    let threads = THREADS.value(stats.iter().map(|stat| stat.threads).sum::<u64>());
    counts.into_iter().chain([threads]).collect()
}

fn rankings(contribution: &mut Contribution, stats: &[Stat], since: Option<&Since<'_>>, count: usize) {
    let time = since.and_then(|since| {
        let cpus = native::current().cpu_limit_cores.filter(|cpus| *cpus > 0.0);
        if cpus.is_none() {
            log::debug!("no CPU figures: nobody says how many CPUs the sandbox may use");
        }
        Some(cpus? * since.elapsed() as f64)
    });
    let since = since.filter(|_| time.is_some());
    let share = |used: u64| time.map(|time| used as f64 / time);

    let mut resident = Resident::default();
    // The rough count chooses; the exact one orders those that it chose.
    let mut by_memory: Vec<(&Stat, u64)> =
        rank::by_memory(stats, 2 * count).into_iter().filter_map(|stat| Some((stat, resident.of(stat)?))).collect();
    by_memory.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    by_memory.truncate(count);

    for Group { name, used, members, .. } in rank::leading_groups(rank::groups(stats, since), count) {
        contribution.push(used.and_then(share).map(|share| CPU.value(share).attribute(NAME, name)));
        contribution.push(resident.of_all(&members).map(|bytes| MEMORY.value(bytes).attribute(NAME, name)));
    }
    if let Some(since) = since {
        let by_cpu = rank::by_cpu(stats, since, count).into_iter();
        let entries = by_cpu.filter_map(|(stat, used)| Some((stat.pid, &*stat.name, rounded(share(used)?))));
        contribution.push(BY_CPU.value(listing::listing(entries)));
    }
    if !by_memory.is_empty() {
        let entries = by_memory.into_iter().map(|(stat, bytes)| (stat.pid, &*stat.name, bytes));
        contribution.push(BY_MEMORY.value(listing::listing(entries)));
    }
}

/// As many digits as a share that was counted in ticks has.
fn rounded(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}

/// One line per change, so what was said last is kept.
fn say_whether_cut(is_cut: bool) {
    const KEY: &str = "cut";
    let was_cut = state::get(KEY).is_some();
    if !is_cut && was_cut {
        state::delete(KEY);
    } else if is_cut && !was_cut && state::set(KEY, b"").is_ok() {
        let most = look::MAX_PROCESSES;
        log::warn!("more than {most} processes; those beyond are not looked at, and nothing is counted over all");
    }
}

#[cfg(test)]
mod tests;
