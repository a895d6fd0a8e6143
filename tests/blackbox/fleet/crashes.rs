//! A hub that is killed again and again while a fleet reports and others register, delete and rotate: what it had
//! acknowledged is there afterwards, and what it had told of as well.

use std::collections::BTreeMap;
use std::time::Duration;

use sandbeat_load_generator::Fleet;
use serde_json::Value;

use super::ledger::{Clerk, Ledger};
use super::{Hub, Told, more_reports};
use crate::harness::{Api, wait_for};

const AGENTS: u32 = 300;
const ROUNDS: [[&str; 2]; 3] = [["a1", "b1"], ["a2", "b2"], ["a3", "b3"]];
const SNAPSHOT: Duration = Duration::from_millis(200);

#[test]
fn a_hub_that_is_killed_under_load_keeps_what_it_acknowledged() {
    let mut hub = Hub::start(&format!("snapshot_interval = \"{}ms\"\nlost_grace = \"60s\"", SNAPSHOT.as_millis()));
    let running = hub.play(&hub.load(SNAPSHOT).connections(32), AGENTS);
    let (mut ledger, mut events) = (Ledger::default(), BTreeMap::new());
    for prefixes in ROUNDS {
        let told = hub.follow(last(&events));
        let clerks = prefixes.map(|prefix| Clerk::start(hub.address, prefix));
        more_reports(&running, 0.0, 2);
        let reported = acknowledged(running.fleet());
        // One may be under way that has not seen all of it.
        let before = snapshots(&hub);
        wait_for("a snapshot from its beginning to its end", || (snapshots(&hub) >= before + 2).then_some(()));
        hub.kill();
        // What is restored is looked at before anyone reports again.
        running.silence(1.0);
        for clerk in clerks {
            ledger.add(clerk.ledger());
        }
        enter(&mut events, &told);
        hub.come_back();

        let restored = seqs(&hub);
        for (id, seq) in reported {
            let kept = restored.get(&id).copied().flatten();
            assert!(kept.is_some_and(|kept| kept >= seq), "{id}: {seq} was acknowledged, {kept:?} is kept");
        }
        ledger.is_kept_by(hub.address);
        are_kept(&hub, &events);
        running.silence(0.0);
    }
    let there = |entry: &super::ledger::Entry| !matches!(entry, super::ledger::Entry::Unknown);
    let acknowledged = ledger.0.values().filter(|entry| there(entry)).count();
    assert!(acknowledged > 20 * ROUNDS.len() && events.len() > acknowledged, "{acknowledged}, {} events", events.len());
    more_reports(&running, 0.0, 3);
    assert_eq!(hub.whose("lost,recovered,overdue"), Vec::<String>::new());
    assert_eq!(hub.whose("restarted"), Vec::<String>::new(), "the agents ran on");
    println!("{acknowledged} acknowledged, {} events told; {}", events.len(), running.stop().unwrap());
}

/// How many snapshots of what sandboxes report the hub has ended.
fn snapshots(hub: &Hub) -> u64 {
    let mut answer = Api::tcp(&hub.address.to_string()).send("GET /metrics", b"");
    let count = std::iter::from_fn(|| answer.line())
        .find_map(|line| line.strip_prefix("sandbeat_hub_snapshot_duration_seconds_count ")?.parse().ok());
    count.expect("the hub counts its snapshots")
}

/// Of each sandbox the newest report that was acknowledged.
fn acknowledged(fleet: &Fleet) -> BTreeMap<String, u64> {
    let of = |number| Some((fleet.id(number), fleet.acknowledged(number)?.0));
    (0..fleet.len()).filter_map(of).collect()
}

/// Of each sandbox at the hub the newest report.
fn seqs(hub: &Hub) -> BTreeMap<String, Option<u64>> {
    let (mut all, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = hub.get(&format!("/sandboxes?limit=1000{cursor}"));
        for sandbox in page["sandboxes"].as_array().expect("sandboxes") {
            let id = sandbox["id"].as_str().expect("an id").to_owned();
            all.insert(id, sandbox["agentInfo"]["seq"].as_u64());
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn last(events: &BTreeMap<u64, Value>) -> u64 {
    events.keys().next_back().copied().unwrap_or(0)
}

/// Enters what was told; a number that was told twice is the same event.
#[track_caller]
fn enter(events: &mut BTreeMap<u64, Value>, told: &Told) {
    for event in told.events() {
        let id = event["id"].as_u64().unwrap_or_else(|| panic!("an event without a number: {event}"));
        if let Some(before) = events.insert(id, event.clone()) {
            assert_eq!(before, event, "one number, two events");
        }
    }
}

#[track_caller]
fn are_kept(hub: &Hub, told: &BTreeMap<u64, Value>) {
    let (mut kept, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = hub.get(&format!("/events?limit=1000{cursor}"));
        for event in page["events"].as_array().expect("events") {
            kept.insert(event["id"].as_u64().expect("a number"), event.clone());
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for (id, event) in told {
        assert_eq!(kept.get(id), Some(event), "told, and not kept");
    }
}
