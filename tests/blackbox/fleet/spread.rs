//! A hub that wants fewer reports than its fleet would send.

use std::time::Duration;

use super::Hub;
use crate::harness::wait_for;

const PER_SECOND: f64 = 200.0;
/// In seconds.
const LOOK: usize = 4;

#[test]
fn reports_settle_below_the_rate_that_the_hub_takes() {
    let hub = Hub::start("max_reports_per_sec = 200\nlost_grace = \"2s\"");
    let within = (Duration::from_millis(10), Duration::from_secs(3600));
    let load = hub.load(Duration::from_millis(100)).directed_within(within.0, within.1);
    // A thousand reports a second, if they were let.
    let running = hub.play(&load, 100);
    let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len() as f64;
    let settled = wait_for("fewer reports", || {
        let rates = running.rates();
        let last = rates.get(rates.len().checked_sub(LOOK)?..)?;
        (mean(last) <= PER_SECOND).then_some(rates.len())
    });
    let after = wait_for("the seconds after", || {
        let rates = running.rates();
        (rates.len() >= settled + LOOK).then(|| mean(&rates[settled..settled + LOOK]))
    });
    assert!((PER_SECOND / 2.0..=PER_SECOND * 1.1).contains(&after), "{after}/s: {:?}", running.rates());
    assert_eq!((hub.count("live"), hub.events("lost,suspect").len()), (100, 0));
    let figures = running.stop().unwrap();
    assert_eq!(figures.status(200), figures.accepted, "{figures}");
}
