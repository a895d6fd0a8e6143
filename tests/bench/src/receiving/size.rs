//! What a fleet of some size costs a hub: memory for each sandbox, and how soon the loss of some of it is noticed.
//!
//! Memory is the difference between the hub with the fleet, each of which has reported, and the same hub before the
//! first was registered. In it is everything that grew meanwhile: the allocator's slack, the database's caches, buffers
//! of connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sandbeat_load_generator::Load;

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
/// In bytes for each sandbox.
const TARGET: f64 = 1024.0;
const GRACE: Duration = Duration::from_secs(2);

/// Memory and losses of a fleet of this size.
///
/// # Errors
/// The hub does not run, or does not take the fleet.
pub(super) fn measure(binary: &Binary, size: u32) -> anyhow::Result<Vec<Row>> {
    let interval = Duration::from_secs((size / RATE).max(LEAST_INTERVAL).into());
    // Connections that are not needed any more are not to be counted as sandboxes.
    let config = format!("lost_grace = \"{}s\"\nidle_timeout = \"2s\"\n", GRACE.as_secs());
    let hub = Server::hub(binary, size, &config)?;
    let empty = hub.memory()?;
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
    std::thread::sleep(interval * INTERVALS);
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        std::thread::sleep(LOOK);
        looks.push(hub.memory()?);
    }
    eprintln!("{size} sandboxes: {empty:?}, then {:?}; {:.0} MB on disk", looks.last(), hub.disk()?);
    let row = |what: &str, of: fn(&Memory) -> f64, target| {
        // Megabytes of 10⁶ bytes.
        let each = looks.iter().map(|look| (of(look) - of(&empty)) * 1e6 / f64::from(size));
        anyhow::Ok(Row {
            what: format!("{what} for each of {size} live sandboxes"),
            unit: Unit::Bytes,
            ours: Distribution::of(each).context("no looks")?,
            peer: None,
            target: Target { at_most: target, ..Target::default() },
        })
    };
    let mut rows = vec![
        row("resident memory", |memory| memory.resident, Some(TARGET))?,
        row("private memory", |memory| memory.private_dirty, None)?,
    ];
    rows.extend(loss::measure(&hub, &running, interval * 3 + GRACE, size)?);
    eprintln!("{}", running.stop()?);
    Ok(rows)
}
