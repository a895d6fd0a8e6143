//! `sandbeat hub events [ID]`: what happened, the oldest first, and with `--follow` what happens from then on.
//!
//! Following survives the hub: when the connection ends or goes silent, it is made anew from the last event that was
//! seen, until Ctrl-C. What the hub refuses as wrong ends it; that it is busy, or a proxy in front of it has none, does
//! not.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::args::HubEvents;
use super::client::{Hub, Refused, encoded, of_sandbox};
use crate::logs::Since;
use crate::output;
use crate::show::{moment, text};
use crate::signals::Terminate;
use crate::sse;

/// The most events in one answer.
const PAGE: usize = 1000;
/// So many are shown when nothing is said; before one follows, fewer.
const USUAL: usize = 100;
const USUAL_BEFORE: usize = 10;
/// The most with `--since`, so that a terminal is not flooded for hours.
const MOST: usize = 100_000;
/// The hub says something every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// Between attempts to reach the hub again, from the first to the longest, in seconds.
const PAUSES: [u64; 4] = [1, 2, 5, 10];

pub(super) fn run(options: &HubEvents) -> anyhow::Result<()> {
    let hub = Hub::new(&options.access)?;
    // Asked before all others: what is newer than this and not among them is still to come.
    let newest = if options.follow { newest(&hub)? } else { 0 };
    let past = past(&hub, options, Timestamp::now())?;
    for event in past.iter().rev() {
        print(event, options.access.json)?;
    }
    if !options.follow {
        return Ok(());
    }
    let after = past.first().and_then(number).max(Some(newest));
    hub.block_on(async {
        let mut terminate = Terminate::listen()?;
        tokio::select! {
            followed = follow(&hub, options, after) => followed,
            _ = terminate.received() => Ok(()),
        }
    })
}

/// The number of the hub's last event, of whichever sandbox and type; 0, which no event has, before the first.
fn newest(hub: &Hub) -> anyhow::Result<u64> {
    let page = hub.get(&path(None, &[], "&limit=1"))?;
    Ok(number(&page["events"][0]).unwrap_or(0))
}

/// What happened, the newest first.
fn past(hub: &Hub, options: &HubEvents, now: Timestamp) -> anyhow::Result<Vec<Value>> {
    let most = options.last.unwrap_or(match (options.since, options.follow) {
        (Some(_), _) => MOST,
        (None, true) => USUAL_BEFORE,
        (None, false) => USUAL,
    });
    let from = options.since.and_then(|since| since.time(now));
    let wanted = |event: &Value| match options.since {
        Some(Since::Sequence(after)) => number(event) > Some(after),
        _ => from.is_none_or(|from| time(event).is_none_or(|at| at >= from)),
    };
    let mut events = Vec::new();
    let mut cursor = String::new();
    while events.len() < most {
        let limit = PAGE.min(most - events.len());
        let asked = path(options.id.as_deref(), &options.types, &format!("&limit={limit}{cursor}"));
        let mut page = hub.get(&asked).map_err(|error| match &options.id {
            Some(id) => of_sandbox(id, error),
            None => error,
        })?;
        let Value::Array(found) = page["events"].take() else { break };
        let count = found.len();
        let before = events.len();
        events.extend(found.into_iter().take_while(wanted));
        match page["nextCursor"].as_str() {
            Some(next) if events.len() == before + count => cursor = format!("&cursor={}", encoded(next)),
            _ => break,
        }
    }
    Ok(events)
}

fn path(id: Option<&str>, types: &[String], more: &str) -> String {
    let types = match types {
        [] => String::new(),
        types => format!("&type={}", encoded(&types.join(","))),
    };
    let query = format!("{types}{more}");
    let query = query.strip_prefix('&').map(|query| format!("?{query}")).unwrap_or_default();
    match id {
        Some(id) => format!("/api/v1/sandboxes/{id}/events{query}"),
        None => format!("/api/v1/events{query}"),
    }
}

/// Prints events as they come, for as long as it is let.
async fn follow(hub: &Hub, options: &HubEvents, mut after: Option<u64>) -> anyhow::Result<()> {
    let mut failures = 0;
    loop {
        let begun = hub.listen(&path(options.id.as_deref(), &options.types, ""), after).await;
        let ended = match begun {
            Ok(body) => {
                if failures > 0 {
                    output::note("the hub is there again");
                }
                failures = 0;
                read(body, options.access.json, &mut after).await?
            }
            Err(error) if error.downcast_ref::<Refused>().is_some_and(Refused::is_ours) => return Err(error),
            Err(error) => error,
        };
        if failures == 0 {
            output::warning(format_args!("{ended:#}; trying until it is there again"));
        }
        let pause = PAUSES.get(failures).or(PAUSES.last()).copied().unwrap_or_default();
        failures += 1;
        sleep(Duration::from_secs(pause)).await;
    }
}

/// Prints what one connection brings; returns why it has ended.
///
/// # Errors
/// What is read is not what a hub sends, or nobody reads what is printed.
async fn read(mut body: hyper::body::Incoming, json: bool, after: &mut Option<u64>) -> anyhow::Result<anyhow::Error> {
    let mut events = sse::Events::default();
    loop {
        let piece = match timeout(SILENCE, body.frame()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => return Ok(anyhow::Error::new(error).context("the connection to the hub broke")),
            Ok(None) => return Ok(anyhow::anyhow!("the hub ended the connection")),
            Err(_) => return Ok(anyhow::anyhow!("the hub has said nothing for {SILENCE:?}")),
        };
        let Some(piece) = piece.data_ref() else { continue };
        for event in events.push(piece)? {
            if event.name == "reset" {
                output::warning("what happened in between is not kept any more");
                continue;
            }
            let event: Value = serde_json::from_str(&event.data).context("an event is not what this version knows")?;
            print(&event, json)?;
        }
        *after = events.last_id().parse().ok().or(*after);
    }
}

fn print(event: &Value, json: bool) -> anyhow::Result<()> {
    let line = if json { event.to_string() } else { line(event) };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush())?;
    Ok(())
}

/// `TIME  TYPE  SANDBOX  name: detail`; the type as wide as the longest one.
fn line(event: &Value) -> String {
    let kind = text(&event["type"]);
    let kind = output::painted_as(&format!("{kind:<19}"), colour(&kind));
    let parts: Vec<String> =
        [&event["name"], &event["detail"]].into_iter().filter(|part| part.is_string()).map(text).collect();
    let line = format!("{}  {kind}  {}  {}", moment(&event["at"]), text(&event["sandboxId"]), parts.join(": "));
    line.trim_end().to_owned()
}

/// The word of state whose colour an event has.
fn colour(kind: &str) -> &'static str {
    match kind {
        "lost" | "process-failed" | "collector-failed" | "suspect" => "lost",
        "overdue" | "stopped" | "restarted" | "deleted" | "suppressed" => "stopped",
        "recovered" | "started" | "reported" | "process-recovered" | "collector-recovered" | "trusted" => "live",
        _ => "",
    }
}

fn number(event: &Value) -> Option<u64> {
    event["id"].as_u64()
}

fn time(event: &Value) -> Option<Timestamp> {
    event["at"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let event = json!({"id": 1, "at": "2026-11-20T12:00:00.123Z", "sandboxId": "s", "type": "process-failed",
                           "name": "web", "detail": "exited\nwith 1"});
        assert_eq!(line(&event), "2026-11-20T12:00:00Z  process-failed       s  web: exited\\nwith 1");
        let event = json!({"id": 2, "at": "2026-11-20T12:00:00.123Z", "type": "suspect"});
        assert_eq!(line(&event), "2026-11-20T12:00:00Z  suspect              -");
    }
}
