//! The binary where it is given next to nothing: as nobody, with a root that cannot be written to, without `/sys` (and
//! in one test without `/proc`), with nothing on the network but the hub. It has to beat, say what it cannot measure,
//! and end as it should.
//!
//! The tests run themselves once more, inside a network of their own that only has loopback; there they are the hub.
//! Both are made by bubblewrap (`bwrap`).

use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Api, FakeHub, Process, Sandbox, alone, bundled, wait_for};

const ADDRESS: &str = "127.0.0.1:2468";

#[test]
fn without_sys_and_with_a_root_that_cannot_be_written_it_beats_and_says_what_it_cannot_measure() {
    alone(
        "confined::without_sys_and_with_a_root_that_cannot_be_written_it_beats_and_says_what_it_cannot_measure",
        || {
            let health = beats_inside(&["--proc", "/proc"]);
            for figure in ["cpuPercent", "memoryMB", "resources.oomKills"] {
                assert!(is_missing(&health, figure), "the machine is more than the sandbox, {figure}: {health}");
            }
            for figure in ["resources.pids", "resources.openFiles", "resources.cpuLimitCores", "resources.disks"] {
                assert!(!is_missing(&health, figure), "{figure}: {health}");
            }
        },
    );
}

#[test]
fn without_proc_it_beats_all_the_same() {
    alone("confined::without_proc_it_beats_all_the_same", || {
        let health = beats_inside(&[]);
        for figure in ["cpuPercent", "memoryMB"] {
            assert!(is_missing(&health, figure), "{figure}: {health}");
        }
    });
}

#[test]
fn a_file_that_hangs_in_place_of_the_kernels_holds_up_no_beat() {
    alone("confined::a_file_that_hangs_in_place_of_the_kernels_holds_up_no_beat", || {
        let folder = tempfile::tempdir().unwrap();
        let pipes = ["meminfo", "stat"].map(|name| folder.path().join(name));
        for pipe in &pipes {
            assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        }
        let [meminfo, stat] = pipes.map(|pipe| pipe.display().to_string());
        let over = ["--proc", "/proc", "--bind", &meminfo, "/proc/meminfo", "--bind", &stat, "/proc/stat"];
        let health = beats_inside(&over);
        assert!(is_missing(&health, "memoryMB") && is_missing(&health, "resources.memoryLimitMB"), "{health}");
    });
}

fn is_missing(health: &Value, figure: &str) -> bool {
    health["unavailable"].as_array().is_some_and(|all| all.iter().any(|one| one["figure"] == figure))
}

/// Runs the agent with what is bound into its sandbox besides programs and libraries, and sees it beat, answer and end.
/// What it says of its health.
fn beats_inside(more: &[&str]) -> Value {
    let hub = FakeHub::start();
    let sandbox = Sandbox::reporting_to(&hub)
        .env("SANDBEAT_API__LISTEN", ADDRESS)
        .env("SANDBEAT_PLUGINS__CACHE_DIR", "")
        .env("SANDBEAT_PLUGINS__STATE_DIR", "")
        .env("SANDBEAT_PLUGINS__DIR", "/plugins");
    sandbox.drop_collector("load", bundled("load"), "[grant]\nread = [\"/proc/loadavg\"]\n");
    let plugins = sandbox.path("plugins").display().to_string();
    let mut wrapper: Vec<&str> =
        "bwrap --unshare-user --uid 65534 --gid 65534 --unshare-pid --unshare-ipc --unshare-uts \
                                  --unshare-cgroup --die-with-parent --as-pid-1 --cap-drop ALL --chdir / --dev /dev"
            .split_ascii_whitespace()
            .collect();
    for folder in ["/usr", "/lib", "/lib64", "/bin"].into_iter().filter(|folder| Path::new(folder).exists()) {
        wrapper.extend(["--ro-bind", folder, folder]);
    }
    let binary = env!("CARGO_BIN_EXE_sandbeat");
    wrapper.extend(["--ro-bind", binary, binary, "--ro-bind", &plugins, "/plugins"]);
    wrapper.extend(more);
    wrapper.extend(["--remount-ro", "/"]);
    let agent = sandbox.start_by(&wrapper, &["run"]);

    let requests = hub.reports(5);
    let report = &requests[4].body;
    assert_eq!((&report["sandboxId"], &report["status"]), (&Value::from("test"), &Value::from("running")), "{report}");
    let health = Api::tcp(ADDRESS).get("GET /v1/health").1;
    assert_eq!(health["status"], "ok", "{health}");
    let named = |name: &str| health["unavailable"].to_string().contains(name);
    assert_eq!(
        report.get("memoryMB").is_none(),
        named("\"memoryMB\""),
        "absent and not named, or the reverse: {health}"
    );

    kill_process(inner(&agent), Signal::TERM).expect("the agent runs");
    let ended = agent.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("defect"), "{}", ended.stderr);
    let last = hub.requests().pop().expect("reports");
    assert_eq!(last.body["status"], "stopped", "{}", ended.stderr);
    health
}

/// The only child of the wrapper, which passes no signal on.
fn inner(wrapper: &Process) -> Pid {
    let children = format!("/proc/{0}/task/{0}/children", wrapper.id());
    wait_for("the agent's process", || {
        let text = std::fs::read_to_string(&children).ok()?;
        text.split_ascii_whitespace().next()?.parse().ok().and_then(Pid::from_raw)
    })
}
