//! Another configuration, while processes run.

use crate::harness::{Sandbox, config, exists, process, running};

#[tokio::test]
async fn only_what_differs_is_touched() {
    let sleep = |name: &str, keys: &str| process(name, "exec sleep 1000", keys);
    let sandbox = Sandbox::start(&[sleep("kept", ""), sleep("changed", ""), sleep("removed", "")].concat());
    let mut pids = Vec::new();
    for name in ["kept", "changed", "removed"] {
        pids.push(sandbox.until_of(name, running).await.status.pid.unwrap());
    }
    let text = [sleep("kept", ""), sleep("changed", "env = { A = \"1\" }"), sleep("added", "after = [\"changed\"]")];
    let changes = sandbox.handle.reload(config(&text.concat())).await.unwrap();
    assert_eq!((changes.added, changes.removed), (vec!["added".to_owned()], vec!["removed".to_owned()]));
    assert_eq!((changes.restarted, changes.unchanged), (vec!["changed".to_owned()], vec!["kept".to_owned()]));
    let added = sandbox.until_of("added", running).await;
    let changed = sandbox.until_of("changed", |now| running(now) && now.status.pid != Some(pids[1])).await;
    assert!(changed.status.pid < added.status.pid, "it waited for the one that it comes after");
    assert_eq!(changed.status.restart_count, 1);
    assert_eq!(sandbox.details("kept").status.pid, Some(pids[0]));
    crate::harness::eventually(|| sandbox.handle.get("removed").is_none().then_some(()), || "still there").await;
    assert!(!exists(pids[1]) && !exists(pids[2]));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn those_that_are_removed_stop_in_order_and_can_come_back_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("stopped");
    let script = |name: &str| {
        let written = file.display();
        format!("trap 'sleep 0.1; echo {name} >> {written}; exit 0' TERM; echo ready; while :; do sleep 0.02; done")
    };
    let text = [process("web", &script("web"), "after = [\"db\"]"), process("db", &script("db"), "")].concat();
    let sandbox = Sandbox::start(&text);
    for name in ["web", "db"] {
        sandbox.first_line(name).await;
    }
    let before = sandbox.web().status.pid;
    sandbox.handle.reload(config("")).await.unwrap();
    let changes = sandbox.handle.reload(config(&text)).await.unwrap();
    assert_eq!(changes.added, ["db", "web"]);
    sandbox.until(|web| running(web) && web.status.pid != before).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "web\ndb\n");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_newest_of_several_counts() {
    let text = |n: u32| process("web", "echo $N; exec sleep 1000", &format!("env = {{ N = \"{n}\" }}"));
    let sandbox = Sandbox::start(&text(0));
    sandbox.until(running).await;
    for n in 1..=20 {
        sandbox.handle.reload(config(&text(n))).await.unwrap();
    }
    crate::harness::eventually(|| (sandbox.lines("web").last()? == "20").then_some(()), || sandbox.lines("web")).await;
    assert_eq!(sandbox.lines("web").iter().filter(|line| *line == "20").count(), 1);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn those_that_are_restarted_stop_and_start_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("done");
    let text = |version: u32| {
        let script = |name: &str, slow: &str| {
            let written = file.display();
            format!(
                "echo {name} {version} starts >> {written}; trap '{slow} echo {name} {version} ends >> {written}; exit 0' TERM; \
                 echo ready; while :; do sleep 0.02; done"
            )
        };
        // Its own word that it has started, since a shell takes as long as it takes to its first line.
        let ready =
            format!("ready = {{ exec = [\"grep\", \"-q\", \"db {version} starts\", {file:?}], interval = \"20ms\" }}");
        [
            process("db", &script("db", ""), &ready),
            process("web", &script("web", "sleep 0.2;"), "after = [\"db:ready\"]"),
        ]
        .concat()
    };
    let sandbox = Sandbox::start(&text(1));
    for name in ["db", "web"] {
        sandbox.first_line(name).await;
    }
    sandbox.handle.reload(config(&text(2))).await.unwrap();
    let all = || Some(std::fs::read_to_string(&file).unwrap()).filter(|all| all.contains("web 2 starts"));
    let all = crate::harness::eventually(all, || sandbox.web()).await;
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines[2..], ["web 1 ends", "db 1 ends", "db 2 starts", "web 2 starts"], "{all}");
    // A process says that it has started before its supervisor can.
    sandbox.until(|process| process.status.restart_count == 1).await;
    // What the one before has written stays readable.
    crate::harness::eventually(|| (sandbox.lines("web").len() >= 2).then_some(()), || sandbox.lines("web")).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn an_end_in_the_middle_of_a_reload_that_turns_the_order_around_is_no_deadlock() {
    let sleep = |name: &str, keys: &str| process(name, "exec sleep 1000", keys);
    let deaf = process(
        "c",
        "trap '' TERM; echo ready; while :; do sleep 0.02; done",
        "after = [\"a\"]\nstop = { timeout = \"500ms\" }",
    );
    let sandbox = Sandbox::start(&[sleep("b", ""), sleep("a", "after = [\"b\"]"), deaf].concat());
    sandbox.first_line("c").await;
    sandbox.handle.reload(config(&sleep("b", ""))).await.unwrap();
    sandbox.handle.reload(config(&[sleep("a", ""), sleep("b", "after = [\"a\"]")].concat())).await.unwrap();
    tokio::time::timeout(crate::harness::DEADLINE, sandbox.shutdown()).await.unwrap();
}
