//! How soon a loss is noticed: from a sandbox's deadline to its `lost` event at a client of the event stream.
//!
//! The deadline counts from the moment at which the sandbox's last report was sent, so what the report took to arrive is
//! in the figure.

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sandbeat_load_generator::Running;
use serde_json::Value;

use super::process::Server;
use crate::stats::Distribution;
use crate::table::{Row, Target, Unit};

/// Of the fleet: far less than what makes a hub doubt its own network.
const PART: f64 = 0.01;
/// In microseconds.
const TARGET: f64 = 1e6;
/// After the last deadline.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets a part of the fleet fall silent and waits for all of its losses. `silence` is how long one may say nothing.
pub(super) fn measure(hub: &Server, running: &Running, silence: Duration, size: u32) -> anyhow::Result<Vec<Row>> {
    let mut stream = hub.get("/api/v1/events?type=lost", "text/event-stream")?;
    let (send, lost) = channel();
    // It ends with the hub.
    std::thread::spawn(move || {
        let mut line = String::new();
        while stream.read_line(&mut line).is_ok_and(|read| read > 0) {
            let at = Instant::now();
            if let Some(Ok(event)) = line.strip_prefix("data:").map(|data| serde_json::from_str::<Value>(data.trim()))
                && send.send((at, event["sandboxId"].as_str().unwrap_or_default().to_owned())).is_err()
            {
                return;
            }
            line.clear();
        }
    });
    running.silence(PART);
    let began = Instant::now();
    let fleet = running.fleet();
    let silent: Vec<u32> = (0..fleet.len()).filter(|number| Running::is_silent(*number, PART)).collect();
    let mut seen = HashMap::new();
    while let Some(left) = (silence + PATIENCE).checked_sub(began.elapsed())
        && seen.len() < silent.len()
        && let Ok((at, id)) = lost.recv_timeout(left)
    {
        seen.insert(id, at);
    }
    let doubts = hub.json("/api/v1/events?type=suspect")?;
    ensure!(doubts["events"].as_array().is_some_and(Vec::is_empty), "the hub could not keep up: {doubts}");
    ensure!(seen.len() == silent.len(), "{} of {} losses were announced: {}", seen.len(), silent.len(), hub.log());
    let lateness = silent.iter().map(|number| {
        let at = seen.get(&fleet.id(*number)).context("another one was announced")?;
        let (_, sent) = fleet.acknowledged(*number).context("it never reported")?;
        let deadline = running.origin() + Duration::from_nanos(sent) + silence;
        // A client cannot know of it before it is so.
        let late = at.checked_duration_since(deadline).context("it was announced before its deadline")?;
        Ok(late.as_secs_f64() * 1e6)
    });
    let lateness = Distribution::of(lateness.collect::<anyhow::Result<Vec<_>>>()?).context("nobody was lost")?;
    let row = |what: &str, ours, at_most| Row {
        what: format!("from the deadline of a loss to its event, {what} of {}, {size} sandboxes", silent.len()),
        unit: Unit::Microseconds,
        ours,
        peer: None,
        target: Target { at_most, ..Target::default() },
    };
    let worst = Distribution::of([lateness.quantile(1.0)]).context("nobody was lost")?;
    Ok(vec![row("the middle", lateness, None), row("the last", worst, Some(TARGET))])
}
