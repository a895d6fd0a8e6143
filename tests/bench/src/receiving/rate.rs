//! Accepted reports per second, and the processor time that one costs, beside the bare server. By turns: while one of
//! them is under load, the other's agents say nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sandbeat_load_generator::{Load, Running};

use super::process::Server;
use crate::agent::Binary;
use crate::stats::Distribution;
use crate::table::{Row, Target, Unit};

const AGENTS: u32 = 10_000;
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 7;
/// Of each round, before it is looked at.
const WARM_UP: Duration = Duration::from_secs(1);
const ROUND: Duration = Duration::from_secs(3);
const REGISTRATION: Duration = Duration::from_secs(120);
const PEER: &str = "bare hyper server";

/// What one round showed.
struct Round {
    per_second: f64,
    /// Microseconds of the server's processor time for each.
    cpu: f64,
}

/// Reports per second and processor time of both.
///
/// # Errors
/// A server does not run or does not take a report.
pub(super) fn measure(binary: &Binary) -> anyhow::Result<Vec<Row>> {
    let (hub, bare) = (Server::hub(binary, AGENTS, "")?, Server::bare()?);
    let load = |server: &Server| Load::to(server.address).connections(CONNECTIONS).closed();
    let (fleet, registered) = load(&hub).register("rate", AGENTS, REGISTRATION)?;
    ensure!(fleet.known() == AGENTS, "{} of {AGENTS} are registered: {registered}; {}", fleet.known(), hub.log());
    let fleet = Arc::new(fleet);
    let loads = [load(&hub).start(&fleet)?, load(&bare).start(&fleet)?];
    for load in &loads {
        load.silence(1.0);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(round(&hub, &loads[0]).with_context(|| hub.log())?);
        theirs.push(round(&bare, &loads[1])?);
    }
    for load in loads {
        let figures = load.stop()?;
        eprintln!("{figures}");
        ensure!(figures.status(200) == figures.accepted && figures.failed() == 0, "not all were accepted: {figures}");
    }
    let of = |rounds: &[Round], figure: fn(&Round) -> f64| Distribution::of(rounds.iter().map(figure));
    let row = |what: &str, unit, figure: fn(&Round) -> f64, target| {
        anyhow::Ok(Row {
            what: what.to_owned(),
            unit,
            ours: of(&ours, figure).context("no rounds")?,
            peer: Some((PEER.to_owned(), of(&theirs, figure).context("no rounds")?)),
            target,
        })
    };
    Ok(vec![
        row(
            "accepted reports at the hub, 10,000 sandboxes",
            Unit::PerSecond,
            |round| round.per_second,
            Target { least_share_of_peer: Some(0.7), ..Target::default() },
        )?,
        row("processor time of one accepted report", Unit::Microseconds, |round| round.cpu, Target::default())?,
    ])
}

fn round(server: &Server, load: &Running) -> anyhow::Result<Round> {
    load.silence(0.0);
    std::thread::sleep(WARM_UP);
    let (start, accepted, cpu) = (Instant::now(), load.accepted(), server.cpu()?);
    std::thread::sleep(ROUND);
    let (elapsed, accepted, cpu) = (start.elapsed(), load.accepted() - accepted, server.cpu()? - cpu);
    load.silence(1.0);
    ensure!(accepted > 0 && load.is_running(), "nothing was accepted");
    // Exact below 2⁵³.
    let accepted = accepted as f64;
    Ok(Round { per_second: accepted / elapsed.as_secs_f64(), cpu: cpu * 1e6 / accepted })
}
