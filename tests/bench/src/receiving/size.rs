//! What a fleet of some size costs a hub: memory for each sandbox, and how soon the loss of some of it is noticed.
//!
//! Memory is looked at twice: of a hub that is empty but has been at work, so that what it takes whatever the fleet's
//! size is in place, and of the same hub with the fleet, each of which has reported. The one by the size of the fleet is
//! what a sandbox costs in all, the difference what a further one does. In both is all that grows with the fleet: the
//! allocator's slack, the database's caches. The fleet says nothing for the look, so that no connection is open: what
//! those take, a thousand of them as well as ten, is not a sandbox's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sandbeat_load_generator::{Load, Running};

use super::loss;
use super::process::Server;
use crate::agent::Binary;
use crate::memory::Memory;
use crate::stats::Distribution;
use crate::table::{Row, Target, Unit};

/// Reports per second at most; far below what a hub takes, so that it is measured at work and not at its limit.
const RATE: u32 = 10_000;
const LEAST_INTERVAL: u32 = 5;
/// As many as may wait for the disk at once: what a sandbox's first report changes is stored before it is answered.
const CONNECTIONS: usize = 1000;
const REGISTRATION: Duration = Duration::from_secs(600);
/// How long it may take until each has reported.
const FIRST_REPORTS: Duration = Duration::from_secs(600);
/// How many intervals the fleet then reports before memory is looked at.
const INTERVALS: u32 = 2;
const LOOKS: usize = 5;
const LOOK: Duration = Duration::from_secs(1);
/// In bytes for each further sandbox.
const TARGET: f64 = 1024.0;
/// In bytes for each of a million, in all.
const TARGET_OF_MANY: f64 = 1500.0;
const MANY: u32 = 1_000_000;
const GRACE: Duration = Duration::from_secs(2);
/// How many sandboxes are registered, report and are deleted before the fleet comes: one for each connection.
const FIRST: u32 = CONNECTIONS as u32;
/// For how long those report.
const WARM_UP: Duration = Duration::from_secs(5);
/// After how long without a request a connection is closed.
const IDLE: Duration = Duration::from_secs(2);

/// Adds memory and losses of a fleet of this size.
///
/// # Errors
/// The hub does not run, or does not take the fleet.
pub(super) fn measure(binary: &Binary, size: u32, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let interval = Duration::from_secs((size / RATE).max(LEAST_INTERVAL).into());
    let config = format!("lost_grace = \"{}s\"\nidle_timeout = \"{}s\"\n", GRACE.as_secs(), IDLE.as_secs());
    let hub = Server::hub(binary, size.max(FIRST), &config)?;
    warm_up(&hub)?;
    let empty = looks(&hub)?;
    let running = play(&hub, interval, size)?;
    std::thread::sleep(interval * INTERVALS);
    running.silence(1.0);
    std::thread::sleep(IDLE * 2);
    let full = looks(&hub)?;
    // Long before anyone is missed; and all have reported again before some fall silent.
    running.silence(0.0);
    std::thread::sleep(interval);
    eprintln!("{size} sandboxes: {:?}, then {:?}; {:.0} MB on disk", empty.last(), full.last(), hub.disk()?);
    rows.extend(memory(size, &empty, &full)?);
    rows.extend(loss::measure(&hub, &running, interval * 3 + GRACE, size)?);
    eprintln!("{}", running.stop()?);
    Ok(())
}

/// Leaves the hub empty, after it has done everything that it does.
fn warm_up(hub: &Server) -> anyhow::Result<()> {
    let load = Load::to(hub.address).connections(CONNECTIONS).closed().length(WARM_UP);
    let (fleet, registered) = load.register("first", FIRST, REGISTRATION)?;
    ensure!(fleet.known() == FIRST, "{} of {FIRST} are registered: {registered}; {}", fleet.known(), hub.log());
    let fleet = Arc::new(fleet);
    let figures = load.start(&fleet)?.wait()?;
    ensure!(figures.accepted >= FIRST.into(), "not each has reported: {figures}");
    for number in 0..FIRST {
        hub.delete(&format!("/api/v1/sandboxes/{}", fleet.id(number)))?;
    }
    let counts = hub.json("/api/v1/fleet")?;
    ensure!(counts["total"] == 0, "the hub is not empty: {counts}");
    std::thread::sleep(IDLE);
    Ok(())
}

/// Registers a fleet of this size, and waits until each of it has reported.
fn play(hub: &Server, interval: Duration, size: u32) -> anyhow::Result<Running> {
    let load = Load::to(hub.address).connections(CONNECTIONS).interval(interval);
    let (fleet, registered) = load.register("size", size, REGISTRATION)?;
    eprintln!("registered: {registered}");
    ensure!(fleet.known() == size, "{} of {size} are registered: {registered}; {}", fleet.known(), hub.log());
    let running = load.start(&Arc::new(fleet))?;
    let began = Instant::now();
    loop {
        let counts = hub.json("/api/v1/fleet")?;
        if counts["liveness"]["live"] == size {
            break;
        }
        ensure!(began.elapsed() < FIRST_REPORTS, "not all are live: {counts}; {}", running.figures());
        std::thread::sleep(LOOK);
    }
    eprintln!("each has reported after {:?}: {}", began.elapsed(), running.figures());
    Ok(running)
}

fn looks(hub: &Server) -> anyhow::Result<Vec<Memory>> {
    let look = |_| {
        std::thread::sleep(LOOK);
        hub.memory()
    };
    (0..LOOKS).map(look).collect()
}

/// What a sandbox costs in all, and what a further one does.
fn memory(size: u32, empty: &[Memory], full: &[Memory]) -> anyhow::Result<Vec<Row>> {
    let of =
        |looks: &[Memory], figure: fn(&Memory) -> f64| Distribution::of(looks.iter().map(figure)).context("no looks");
    let row = |what: &str, figure: fn(&Memory) -> f64, without: f64, target| {
        // Megabytes of 10⁶ bytes.
        let each = full.iter().map(|look| (figure(look) - without) * 1e6 / f64::from(size));
        anyhow::Ok(Row {
            what: format!("{what} of {size} live sandboxes"),
            unit: Unit::Bytes,
            ours: Distribution::of(each).context("no looks")?,
            peer: None,
            target: Target { at_most: target, ..Target::default() },
        })
    };
    let resident: fn(&Memory) -> f64 = |look| look.resident;
    let private: fn(&Memory) -> f64 = |look| look.private_dirty;
    let none = of(empty, resident)?;
    Ok(vec![
        row("resident memory for each", resident, 0.0, (size >= MANY).then_some(TARGET_OF_MANY))?,
        row("resident memory for each further one", resident, none.median(), Some(TARGET))?,
        row("private memory for each further one", private, of(empty, private)?.median(), None)?,
        Row {
            what: format!("resident memory of the hub that is empty again, before these {size}"),
            unit: Unit::Megabytes,
            ours: none,
            peer: None,
            target: Target::default(),
        },
    ])
}
