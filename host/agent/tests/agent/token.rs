//! A token in a file that is replaced while the agent runs.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::Mode;
use tempfile::TempDir;

use crate::support::agent::{Agent, Builder};
use crate::support::eventually;
use crate::support::hub::{Answer, Hub};
use crate::support::logs;

/// Makes something bad where the file was.
type Spoil = fn(&Path);

async fn start(hub: &Hub, file: &Path) -> Agent {
    let builder = Builder::new(&hub.url()).with(|sections| {
        sections.report.token = None;
        sections.report.token_file = Some(file.to_owned());
    });
    builder.start().await
}

async fn token(hub: &Hub, token: &str) {
    let wanted = format!("Bearer {token}");
    let is_last = |last: &str| last == wanted;
    hub.wait(token, |all| all.last().is_some_and(|one| is_last(one.message().header("authorization")))).await;
}

async fn told(path: &Path, part: &str, times: usize) {
    let about = path.display().to_string();
    let count = || logs::about(&about).iter().filter(|line| line.contains(part)).count();
    eventually(part, || async { (count() == times).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_swapped_by_a_link_above_it_is_used() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (version, token) in [("..1", "first"), ("..2", "second")] {
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(at(version).join("token"), format!("{token}\n")).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/token", at("token")).unwrap();
    let agent = start(&hub, &at("token")).await;
    token(&hub, "first").await;
    symlink("..2", at("..new")).unwrap();
    std::fs::rename(at("..new"), at("..data")).unwrap();
    std::fs::remove_dir_all(at("..1")).unwrap();
    token(&hub, "second").await;
    told(&at("token"), "has another token", 1).await;
    agent.stop().await.unwrap();
    assert!(!logs::about(&at("token").display().to_string()).concat().contains("second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_replaced_by_the_one_that_is_there_now() {
    let hub = Hub::start(|count, _| if count < 3 { Answer::status(401) } else { Answer::ok() }).await;
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "old").unwrap();
    let agent = start(&hub, &file).await;
    assert_eq!(agent.failing().await["kind"], "denied");
    std::fs::write(&file, "new").unwrap();
    token(&hub, "new").await;
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_bad_for_a_while_changes_nothing_and_is_told_once() {
    let spoil: [(Spoil, &str); 4] = [
        (|_| {}, "cannot be read"),
        (|file| std::fs::write(file, " \n").unwrap(), "the token is empty"),
        (|file| std::fs::write(file, "a\0b").unwrap(), "no printable ASCII"),
        // Nobody will ever write into it.
        (|file| rustix::fs::mkfifoat(rustix::fs::CWD, file, Mode::RUSR | Mode::WUSR).unwrap(), "is not a file"),
    ];
    for (spoil, reason) in spoil {
        let hub = Hub::start(|_, _| Answer::ok()).await;
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "good").unwrap();
        let agent = start(&hub, &file).await;
        token(&hub, "good").await;
        std::fs::remove_file(&file).unwrap();
        spoil(&file);
        told(&file, reason, 1).await;
        let count = hub.received().len();
        let received = hub.wait_count(count + 5).await;
        assert!(received.iter().all(|one| one.message().header("authorization") == "Bearer good"));
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, "better").unwrap();
        token(&hub, "better").await;
        told(&file, "can be read again", 1).await;
        told(&file, "WARN", 1).await;
        agent.stop().await.unwrap();
    }
}
