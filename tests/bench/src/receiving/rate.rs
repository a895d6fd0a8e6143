//! Accepted reports per second, and the processor time that one costs, beside the bare server and, where one is named,
//! another. By turns: while one of them is under load, the others' agents say nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sandbeat_load_generator::{Fleet, Load, Running};

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
/// Of the bare server's rate.
const SHARE_OF_BARE: f64 = 0.7;
/// Of the rate of a server that somebody runs.
const TIMES_ANOTHER: f64 = 20.0;

/// A running server that takes the same registrations and reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// What it is called in the table.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// A server and its load.
struct Lane {
    name: String,
    /// `None`: it is not ours, and nothing is known of it but its answers.
    server: Option<Server>,
    load: Running,
    rounds: Vec<Round>,
}

/// What one round showed.
struct Round {
    per_second: f64,
    /// Microseconds of the server's processor time for each.
    cpu: Option<f64>,
}

/// Reports per second and processor time of all.
///
/// # Errors
/// A server does not run or does not take a report.
pub(super) fn measure(binary: &Binary, beside: Option<&Beside>) -> anyhow::Result<Vec<Row>> {
    let (hub, bare) = (Server::hub(binary, AGENTS, "")?, Server::bare()?);
    let fleet = registered(load(hub.address)).with_context(|| hub.log())?;
    let mut hub = Lane::at("hub", hub.address, Some(hub), &fleet)?;
    let mut others = vec![Lane::at("bare hyper server", bare.address, Some(bare), &fleet)?];
    if let Some(Beside { name, address }) = beside {
        let fleet = registered(load(*address).image("bench")).with_context(|| name.clone())?;
        others.push(Lane::at(name, *address, None, &fleet)?);
    }
    for _ in 0..ROUNDS {
        hub.round()?;
        others.iter_mut().try_for_each(Lane::round)?;
    }
    let mut rows = Vec::new();
    for (other, least) in others.iter().zip([SHARE_OF_BARE, TIMES_ANOTHER]) {
        let target = Target { least_share_of_peer: Some(least), ..Target::default() };
        let what = "accepted reports at the hub, 10,000 sandboxes";
        rows.extend(row(what, Unit::PerSecond, &hub, other, |round| Some(round.per_second), target));
        let what = "processor time of one accepted report";
        rows.extend(row(what, Unit::Microseconds, &hub, other, |round| round.cpu, Target::default()));
    }
    others.push(hub);
    others.into_iter().try_for_each(Lane::end)?;
    Ok(rows)
}

fn load(address: SocketAddr) -> Load {
    Load::to(address).connections(CONNECTIONS).closed()
}

fn registered(load: Load) -> anyhow::Result<Arc<Fleet>> {
    let (fleet, figures) = load.register("rate", AGENTS, REGISTRATION)?;
    ensure!(fleet.known() == AGENTS, "{} of {AGENTS} are registered: {figures}", fleet.known());
    Ok(Arc::new(fleet))
}

/// `None` where one of them has no such figure.
fn row(
    what: &str,
    unit: Unit,
    ours: &Lane,
    theirs: &Lane,
    figure: fn(&Round) -> Option<f64>,
    target: Target,
) -> Option<Row> {
    let of = |lane: &Lane| Distribution::of(lane.rounds.iter().filter_map(figure));
    let peer = Some((theirs.name.clone(), of(theirs)?));
    Some(Row { what: what.to_owned(), unit, ours: of(ours)?, peer, target })
}

impl Lane {
    fn at(name: &str, address: SocketAddr, server: Option<Server>, fleet: &Arc<Fleet>) -> anyhow::Result<Self> {
        let load = load(address).start(fleet)?;
        load.silence(1.0);
        Ok(Lane { name: name.to_owned(), server, load, rounds: Vec::new() })
    }

    fn round(&mut self) -> anyhow::Result<()> {
        let cpu = || self.server.as_ref().map(Server::cpu).transpose();
        self.load.silence(0.0);
        std::thread::sleep(WARM_UP);
        let (start, accepted, before) = (Instant::now(), self.load.accepted(), cpu()?);
        std::thread::sleep(ROUND);
        let (elapsed, accepted, after) = (start.elapsed(), self.load.accepted() - accepted, cpu()?);
        self.load.silence(1.0);
        ensure!(accepted > 0 && self.load.is_running(), "{}: nothing was accepted: {}", self.name, self.log());
        // Exact below 2⁵³.
        let accepted = accepted as f64;
        let cpu = before.zip(after).map(|(before, after)| (after - before) * 1e6 / accepted);
        self.rounds.push(Round { per_second: accepted / elapsed.as_secs_f64(), cpu });
        Ok(())
    }

    fn log(&self) -> String {
        self.server.as_ref().map(Server::log).unwrap_or_default()
    }

    /// Ends the load, each report of which has to have been accepted.
    fn end(self) -> anyhow::Result<()> {
        let figures = self.load.stop()?;
        eprintln!("{}: {figures}", self.name);
        ensure!(
            figures.status(200) == figures.accepted && figures.failed() == 0,
            "{}: not all were accepted: {figures}",
            self.name
        );
        Ok(())
    }
}
