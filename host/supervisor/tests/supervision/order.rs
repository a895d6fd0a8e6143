//! Who starts and stops before whom.

use std::fs;

use crate::harness::{Sandbox, process, running};

#[tokio::test]
async fn what_others_come_after_starts_first_and_stops_last() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("stopped");
    // The names sort against the order; a slow stop would let an impatient one overtake.
    let script = |name: &str, slow: &str| {
        let written = file.display();
        format!("trap '{slow} echo {name} >> {written}; exit 0' TERM; echo ready; while :; do sleep 0.02; done")
    };
    let tables = [
        process("a-web", &script("a-web", "sleep 0.3;"), "after = [\"m-cache\", \"z-db\"]"),
        process("m-cache", &script("m-cache", "sleep 0.1;"), "after = [\"z-db\"]"),
        process("z-db", &script("z-db", ""), ""),
    ];
    let sandbox = Sandbox::start(&tables.concat());
    let mut pids = Vec::new();
    for name in ["z-db", "m-cache", "a-web"] {
        assert_eq!(sandbox.first_line(name).await, "ready");
        pids.push(sandbox.details(name).status.pid.unwrap());
    }
    assert!(pids.is_sorted(), "{pids:?}");
    sandbox.shutdown().await;
    assert_eq!(fs::read_to_string(file).unwrap(), "a-web\nm-cache\nz-db\n");
}

#[tokio::test]
async fn the_order_is_no_requirement() {
    let tables = [
        process("web", "exec sleep 1000", "after = [\"broken\", \"done\"]"),
        process("done", "exit 0", ""),
        "[processes.broken]\ncommand = [\"no-such-program\"]\n".to_owned(),
    ];
    let sandbox = Sandbox::start(&tables.concat());
    sandbox.until(running).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn many_start_and_stop_together() {
    let tables: String = (0..100).map(|n| process(&format!("p{n}"), "exec sleep 1000", "")).collect();
    let sandbox = Sandbox::start(&tables);
    for n in 0..100 {
        sandbox.until_of(&format!("p{n}"), running).await;
    }
    let handle = sandbox.handle.clone();
    sandbox.shutdown().await;
    assert!(handle.list().iter().all(|details| !running(details)));
}
