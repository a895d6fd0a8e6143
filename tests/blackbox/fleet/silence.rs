//! Who is called lost, and who is not.

use std::time::Duration;

use super::{Hub, more_reports, silent_ones};
use crate::harness::wait_for;

const INTERVAL: Duration = Duration::from_millis(200);
const AGENTS: u32 = 100;
/// Far more than a busy machine holds up a report, so that nobody is lost who is not silent.
const GRACE: &str = "lost_grace = \"1s\"\n";

#[test]
fn half_a_fleet_that_falls_silent_at_once_is_doubted_and_nobody_is_lost() {
    let hub = Hub::start(GRACE);
    let running = hub.play(&hub.load(INTERVAL), AGENTS);
    running.silence(0.5);
    wait_for("the doubt", || (hub.events("suspect").len() == 1).then_some(()));
    let doubted = wait_for("all of them to be doubted", || {
        let fleet = hub.get("/fleet");
        let silent = silent_ones(running.fleet(), 0.5).len();
        (fleet["suspect"].as_u64() == u64::try_from(silent).ok()).then_some(fleet)
    });
    assert!(doubted["suspectSince"].is_string() && doubted["liveness"]["lost"] == 0, "{doubted}");
    more_reports(&running, 0.5, 10);

    running.silence(0.0);
    wait_for("the end of the doubt", || (hub.events("trusted").len() == 1).then_some(()));
    more_reports(&running, 0.0, 5);
    assert_eq!(hub.whose("lost,recovered"), Vec::<String>::new());
    assert_eq!((hub.events("suspect").len(), hub.count("live")), (1, AGENTS.into()));
    let figures = running.stop().unwrap();
    assert_eq!(figures.status(200), figures.accepted, "{figures}");
}

#[test]
fn a_few_that_fall_silent_are_lost_and_recover() {
    let hub = Hub::start(GRACE);
    let running = hub.play(&hub.load(INTERVAL), AGENTS);
    // Fewer than what is doubted.
    let silent = silent_ones(running.fleet(), 0.05);
    assert!((1..10).contains(&silent.len()), "{silent:?}");
    running.silence(0.05);
    wait_for("their losses", || (hub.whose("lost") == silent).then_some(()));
    assert_eq!(hub.count("lost"), silent.len() as u64);
    running.silence(0.0);
    wait_for("their recoveries", || (hub.whose("recovered") == silent).then_some(()));
    assert_eq!((hub.events("suspect").len(), hub.count("live")), (0, AGENTS.into()));
}

#[test]
fn nobody_is_lost_because_the_hub_was_away() {
    // Nothing but the restart itself can keep it from calling them lost.
    let mut hub = Hub::start(&format!("{GRACE}snapshot_interval = \"100ms\"\nsuspect_fraction = 1.0"));
    let running = hub.play(&hub.load(INTERVAL), AGENTS);
    let silent = silent_ones(running.fleet(), 0.1);
    running.silence(0.1);
    wait_for("the losses before", || (hub.whose("lost") == silent).then_some(()));

    hub.kill();
    let away = std::time::Instant::now();
    wait_for("more time than a loss takes", || (away.elapsed() > Duration::from_secs(3)).then_some(()));
    hub.come_back();
    more_reports(&running, 0.1, 10);
    assert_eq!(hub.whose("lost"), silent, "those that were lost before, and no others");
    assert_eq!(hub.whose("recovered"), Vec::<String>::new());
    assert_eq!(hub.count("lost"), silent.len() as u64, "they stay lost until they report");

    running.silence(0.0);
    wait_for("recoveries of those that were lost", || (hub.whose("recovered") == silent).then_some(()));
    more_reports(&running, 0.0, 2);
    assert_eq!((hub.whose("lost"), hub.whose("recovered")), (silent.clone(), silent));
    assert_eq!(hub.whose("restarted"), Vec::<String>::new(), "their agents ran on");
}
