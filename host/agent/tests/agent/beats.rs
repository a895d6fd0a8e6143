//! When reports leave by themselves.

use std::time::{Duration, Instant};

use crate::support::agent::Builder;
use crate::support::hub::{Answer, Hub};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_report_leaves_at_the_start_and_the_others_keep_to_a_grid() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let started = Instant::now();
    let agent = Builder::new(&hub.url()).interval(300).with(|sections| sections.report.jitter = 0.0).start().await;
    let received = hub.wait_count(12).await;
    agent.stop().await.unwrap();
    let at: Vec<Duration> = received.iter().map(|one| one.at - started).collect();
    // The phase of `sbox-1`: 0.405873 of an interval after the start, which is a little before the first report.
    let first = at[1] - at[0];
    assert!(first > Duration::from_millis(60) && first < Duration::from_millis(250), "{at:?}");
    // Lateness does not add up. Of a busy machine's reports only the most punctual ones tell where the grid is; that of
    // the second one is its own where the first was late.
    let offset = |place: u32| at[place as usize] + Duration::from_millis(300) * (12 - place);
    let [early, late] = [2..7, 7..12].map(|places| places.map(offset).min().unwrap());
    // A place that was missed is none that is late.
    let apart = late.abs_diff(early).as_millis() % 300;
    assert!(apart.min(300 - apart) < 40, "{at:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jitter_keeps_reports_from_being_equally_far_apart() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let agent = Builder::new(&hub.url()).interval(200).with(|sections| sections.report.jitter = 0.5).start().await;
    let received = hub.wait_count(25).await;
    agent.stop().await.unwrap();
    let apart: Vec<u128> = received.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).skip(1).collect();
    let (least, most) = (apart.iter().min().unwrap(), apart.iter().max().unwrap());
    assert!(*least < 160 && *most > 220, "{apart:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_that_the_hub_directs_counts_from_the_last_report() {
    let hub = Hub::start(|count, _| match count {
        0 => Answer::ok(),
        _ => Answer::Http(200, "", r#"{"nextReportSecs":0.6}"#.to_owned()),
    })
    .await;
    let agent = Builder::new(&hub.url()).interval(200).with(|sections| sections.report.jitter = 0.0).start().await;
    let received = hub.wait_count(4).await;
    agent.stop().await.unwrap();
    for pair in received[1..].windows(2) {
        let apart = pair[1].at - pair[0].at;
        assert!(apart > Duration::from_millis(500) && apart < Duration::from_millis(800), "{apart:?}");
    }
}
