//! How long a user waits: from a new file to its values, and from the start to the first report.

use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::agent::{Binary, Folder};
use crate::collector::{Collector, bundled, fleet, variant};
use crate::hub::{Hub, active, values_of};
use crate::stats::Distribution;
use crate::table::{Row, Target, Unit};

/// So short that the wait for the next report does not count.
const SHORT: &str = "10ms";
const FILES: usize = 20;
const STARTS: usize = 20;
const TEN: usize = 10;

/// From the rename of a file that no cache knows, the collector `net` of some 100 KB, to an accepted report that
/// carries its values.
///
/// # Errors
/// The agent does not run, or the values do not come.
pub fn file_to_report(binary: &Binary) -> anyhow::Result<Row> {
    let (hub, folder) = (Hub::start()?, Folder::new(binary)?);
    let mut agent = folder.start(&hub, SHORT)?;
    let net = bundled("net")?;
    let mut times = Vec::new();
    for number in 0..FILES {
        let name = format!("net-{number}");
        let collector =
            Collector { name: name.clone(), wasm: variant(&net.wasm, number), sidecar: net.sidecar.clone() };
        hub.forget();
        hub.wait_for("an agent without collectors", |report| report["plugins"] == Value::Array(Vec::new()))?;
        let start = Instant::now();
        folder.drop_in(&collector)?;
        let carries = |report: &Value| values_of(report, &name).next().is_some();
        let accepted = hub.wait_for("its values", carries).with_context(|| folder.log())?;
        times.push(micros(start, accepted.at));
        folder.remove(&collector)?;
    }
    agent.check()?;
    row(format!("new file of {} KB to a report that carries it", net.wasm.len() / 1000), times, Some(250.0))
}

/// From the start of an agent with ten compiled collectors to its first accepted report, and to the first that carries
/// the values of all ten.
///
/// # Errors
/// The agent does not run, or the values do not come.
pub fn start_to_report(binary: &Binary) -> anyhow::Result<Vec<Row>> {
    let (hub, folder) = (Hub::start()?, Folder::new(binary)?);
    let fleet = fleet(TEN, &folder.repository())?;
    for collector in &fleet {
        folder.drop_in(collector)?;
    }
    // `git` has no values, but metadata.
    let names: Vec<&str> =
        fleet.iter().map(|collector| collector.name.as_str()).filter(|name| *name != "git").collect();
    let carries_all = |report: &Value| {
        active(report) == TEN
            && names.iter().all(|name| values_of(report, name).next().is_some())
            && report["metadata"]["git.branch"] == "main"
    };
    let agent = folder.start(&hub, SHORT)?;
    hub.wait_for("all compiled", carries_all).with_context(|| folder.log())?;
    drop(agent);
    folder.age()?;
    let (mut first, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        hub.forget();
        let start = Instant::now();
        let agent = folder.start(&hub, "1s")?;
        let accepted = hub.wait_for("a report", |_| true)?;
        ensure!(accepted.report["seq"] == 1, "not the first report: {}", accepted.report["seq"]);
        first.push(micros(start, accepted.at));
        let at = if carries_all(&accepted.report) { accepted.at } else { hub.wait_for("all ten", carries_all)?.at };
        whole.push(micros(start, at));
        drop(agent);
    }
    Ok(vec![
        row("start to the first accepted report, ten cached collectors".into(), first, Some(30.0))?,
        row("start to the first that carries all ten".into(), whole, None)?,
    ])
}

fn micros(start: Instant, end: Instant) -> f64 {
    end.saturating_duration_since(start).as_secs_f64() * 1e6
}

/// The target is in milliseconds.
fn row(what: String, times: Vec<f64>, target: Option<f64>) -> anyhow::Result<Row> {
    let ours = Distribution::of(times).context("no times")?;
    let target = Target { at_most: target.map(|millis| millis * 1000.0), ..Target::default() };
    Ok(Row { what, unit: Unit::Microseconds, ours, peer: None, target })
}
