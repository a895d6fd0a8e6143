//! That nothing which a process starts outlives it, and nothing that the agent starts outlives the agent.
//!
//! What belongs to a test carries a variable with the test's folder in its environment. Where cgroups can be made, each
//! test of a stop runs a second time with them hidden.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{PATIENCE, Process, Sandbox, wait_for};

/// What runs a command without any cgroup in sight.
const WITHOUT_CGROUPS: [&str; 5] =
    ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /sys/fs/cgroup && exec \"$0\" \"$@\""];

const VARIABLE: &str = "TREE_TEST";

/// A child that escapes in every way that leaves its environment: in a session, twice forked, and both.
const ESCAPES: &str = "sleep 1000 & setsid sleep 1000 & (sleep 1000 &) ; (setsid sh -c 'sleep 1000 & sleep 1000' &)";

/// Each of these forks until it is killed, in sessions of its own, and every parent is gone at once.
const BOMB: &str = "i=0; while [ $i -lt 8 ]; do setsid sh -c \
    'walk() { setsid sh -c \"$1\" _ \"$1\" & exit; }; walk \"$1\"' _ 'sleep 0.01; setsid sh -c \"$1\" _ \"$1\" & exit' \
    & i=$((i+1)); done";

struct Family {
    sandbox: Sandbox,
    name: String,
}

impl Family {
    fn new() -> Family {
        let sandbox = Sandbox::new().env("AGENT_SERVER_URL", "http://127.0.0.1:1").env("AGENT_SANDBOX_ID", "test");
        let name = sandbox.path("").display().to_string();
        Family { sandbox, name }
    }

    /// Adds a process that runs a script of the shell; more of its table has to be in lines of its own.
    fn with(mut self, name: &str, script: &str, more: &str) -> Family {
        let table = format!("[processes.{name}]\ncommand = [\"sh\", \"-c\", '''{script}''']");
        let environment = format!("env = {{ {VARIABLE} = \"{}\" }}", self.name);
        self.sandbox = self.sandbox.config(&format!("{table}\n{environment}\n{more}"));
        self
    }

    /// Those that live, by their ids.
    fn living(&self) -> Vec<i32> {
        let wanted = format!("{VARIABLE}={}", self.name);
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| {
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|pair| pair == wanted.as_bytes()) && is_alive(*id)
        })
        .collect()
    }

    #[track_caller]
    fn grows_to(&self, count: usize) -> Vec<i32> {
        wait_for(&format!("{count} processes"), || Some(self.living()).filter(|living| living.len() >= count))
    }

    #[track_caller]
    fn dies_out(&self) {
        wait_for("the end of all", || {
            let living = self.living();
            living.is_empty().then_some(())
        });
    }
}

fn is_alive(id: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The guard of an agent.
#[track_caller]
fn guard_of(agent: u32) -> i32 {
    wait_for("the guard", || {
        let children = fs::read_to_string(format!("/proc/{agent}/task/{agent}/children")).ok()?;
        let mut children = children.split_ascii_whitespace().filter_map(|child| child.parse::<i32>().ok());
        children.find(|child| {
            fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name == "sandbeat-guard\n")
        })
    })
}

fn kill(id: i32, signal: Signal) {
    // One that has just ended needs no signal.
    let _ = kill_process(Pid::from_raw(id).unwrap(), signal);
}

/// Whether a wrapper works here; says so where it does not.
fn works(wrapper: &[&str]) -> bool {
    let mut words = wrapper.iter().copied().chain(["true"]);
    let done = std::process::Command::new(words.next().unwrap()).args(words).output();
    let works = done.is_ok_and(|done| done.status.success());
    if !works {
        eprintln!("skipped: {wrapper:?} cannot be run here");
    }
    works
}

/// Runs a test as the system is, and with cgroups hidden.
fn both_ways(test: impl Fn(&[&str])) {
    test(&[]);
    if works(&WITHOUT_CGROUPS) {
        test(&WITHOUT_CGROUPS);
    }
}

/// Ends an agent as it should be, with nothing that the stop itself has missed.
fn stops_well(agent: Process, family: &Family) {
    agent.signal(Signal::TERM);
    let ended = agent.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("escaped"), "{}", ended.stderr);
    assert_eq!(family.living(), [] as [i32; 0]);
}

#[test]
fn what_escapes_into_sessions_and_from_parents_is_stopped() {
    both_ways(|wrapper| {
        let family = Family::new().with("web", &format!("{ESCAPES}; exec sleep 1000"), "");
        let agent = family.sandbox.start_by(wrapper, &["run"]);
        family.grows_to(7);
        stops_well(agent, &family);
    });
}

#[test]
fn what_ignores_the_signal_and_has_closed_its_output_is_killed_at_the_timeout() {
    both_ways(|wrapper| {
        let deaf = "trap '' TERM HUP INT; while :; do sleep 0.05; done";
        let script = format!("setsid sh -c \"{deaf}\" & exec >&- 2>&-; {deaf}");
        let family = Family::new().with("web", &script, "stop = { timeout = \"300ms\" }");
        let agent = family.sandbox.start_by(wrapper, &["run"]);
        family.grows_to(4);
        let asked = Instant::now();
        stops_well(agent, &family);
        assert!(asked.elapsed() >= Duration::from_millis(300));
    });
}

#[test]
fn a_fork_bomb_of_sessions_is_put_out() {
    both_ways(|wrapper| {
        let family = Family::new().with("bomb", &format!("{BOMB}; exec sleep 1000"), "stop = { timeout = \"100ms\" }");
        let agent = family.sandbox.start_by(wrapper, &["run"]);
        family.grows_to(6);
        stops_well(agent, &family);
    });
}

#[test]
fn what_a_crash_leaves_anywhere_is_killed_before_the_restart() {
    both_ways(|wrapper| {
        let family = Family::new().with("web", &format!("{ESCAPES}; exec sleep 1000"), "");
        let agent = family.sandbox.start_by(wrapper, &["run"]);
        let before = family.grows_to(7);
        let main: i32 = agent.says(&["started", "web"]).rsplit_once("pid=").unwrap().1.parse().unwrap();
        kill(main, Signal::KILL);
        wait_for("the restart", || (agent.said("started process") == 2).then_some(()));
        assert_eq!(before.into_iter().filter(|id| is_alive(*id)).collect::<Vec<_>>(), [] as [i32; 0]);
        family.grows_to(7);
        stops_well(agent, &family);
    });
}

#[test]
fn what_has_erased_its_environment_ends_with_the_agent_at_the_latest() {
    both_ways(|wrapper| {
        let family = Family::new();
        let keep = format!("env -i {VARIABLE}={} PATH=\"$PATH\"", family.name);
        let family = family.with("web", &format!("({keep} setsid sleep 1000 &) ; exec sleep 1000"), "");
        let agent = family.sandbox.start_by(wrapper, &["run"]);
        family.grows_to(2);
        agent.signal(Signal::TERM);
        assert_eq!(agent.ended().status.code(), Some(0));
        assert_eq!(family.living(), [] as [i32; 0]);
    });
}

#[test]
fn a_killed_agent_leaves_nothing_and_no_guard() {
    both_ways(|wrapper| {
        let family = Family::new().with("web", &format!("{ESCAPES}; exec sleep 1000"), "").with(
            "bomb",
            &format!("{BOMB}; exec sleep 1000"),
            "",
        );
        let agent = family.sandbox.start_by(wrapper, &["run"]);
        family.grows_to(10);
        let guard = guard_of(agent.id());
        for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
            kill(guard, signal);
        }
        agent.signal(Signal::KILL);
        family.dies_out();
        // Its words are complete when the guard has let go of standard error.
        let ended = agent.ended();
        assert!(ended.stderr.contains("killed what was left"), "{}", ended.stderr);
        wait_for("the guard's end", || (!is_alive(guard)).then_some(()));
    });
}

#[test]
fn a_killed_agent_leaves_nothing_that_has_only_erased_its_environment() {
    both_ways(|wrapper| {
        let family = Family::new().with("web", "env -i /bin/sleep 1000 & env -i /bin/sleep 1000 & exec sleep 1000", "");
        let agent = family.sandbox.start_by(wrapper, &["run"]);
        let all = wait_for("all of it", || {
            let children = family_of(agent.id()).into_iter();
            let all = children.flat_map(|id| [vec![id], family_of(id.unsigned_abs())].concat());
            let all: Vec<i32> = all.filter(|id| is_called_sleep(*id)).collect();
            (all.len() == 3).then_some(all)
        });
        agent.signal(Signal::KILL);
        wait_for("the end of all", || all.iter().all(|id| !is_alive(*id)).then_some(()));
    });
}

#[test]
fn an_agent_that_crashes_leaves_nothing() {
    let family = Family::new().with("web", &format!("{ESCAPES}; exec sleep 1000"), "");
    let agent = family.sandbox.start(&["run"]);
    family.grows_to(7);
    agent.signal(Signal::ABORT);
    family.dies_out();
    assert_eq!(agent.ended().status.signal(), Some(Signal::ABORT.as_raw()));
}

#[test]
fn the_guard_holds_nothing_of_the_agents_and_ends_with_it() {
    let family = Family::new();
    let agent = family.sandbox.start(&["run"]);
    agent.says(&["the local API listens"]);
    let guard = guard_of(agent.id());
    let held = fs::read_dir(format!("/proc/{guard}/fd")).unwrap().flatten();
    let mut held: Vec<String> =
        held.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string())).collect();
    held.sort();
    assert_eq!(held.iter().filter(|file| *file == "/dev/null").count(), 2, "{held:?}");
    // Standard error, the pipe from the agent, and the agent itself.
    assert!(held.len() <= 5 && !held.iter().any(|file| file.contains("socket")), "{held:?}");
    agent.signal(Signal::QUIT);
    assert_eq!(agent.ended().status.code(), Some(0));
    assert!(!Path::new(&format!("/proc/{guard}")).exists(), "it is reaped, too");
}

#[test]
fn an_agent_without_its_guard_starts_processes_as_before() {
    let family = Family::new().with("web", "exec sleep 1000", "");
    let agent = family.sandbox.start(&["run"]);
    let first = family.grows_to(1);
    let guard = guard_of(agent.id());
    kill(guard, Signal::KILL);
    wait_for("the guard's end", || (!is_alive(guard)).then_some(()));
    kill(first[0], Signal::KILL);
    wait_for("its replacement", || family.living().iter().any(|id| *id != first[0]).then_some(()));
    stops_well(agent, &family);
}

#[test]
fn what_a_killed_agent_and_its_guard_leave_is_killed_at_the_next_start() {
    both_ways(|wrapper| {
        let family = Family::new().with("web", &format!("{ESCAPES}; exec sleep 1000"), "");
        let other = Family::new().with("web", &format!("{ESCAPES}; exec sleep 1000"), "");
        let second = other.sandbox.start_by(wrapper, &["run"]);
        let untouched = other.grows_to(7);
        let agent = family.sandbox.start_by(wrapper, &["run"]);
        family.grows_to(7);
        kill(guard_of(agent.id()), Signal::KILL);
        agent.says(&["the guard has ended"]);
        let left = family.living();
        agent.signal(Signal::KILL);
        drop(agent);

        // Any agent that starts here ends them, also one of another test's.
        let agent = family.sandbox.start_by(wrapper, &["run"]);
        family.grows_to(7);
        assert_eq!(left.into_iter().filter(|id| is_alive(*id)).collect::<Vec<_>>(), [] as [i32; 0]);
        stops_well(agent, &family);
        assert_eq!(other.living(), untouched);
        stops_well(second, &other);
    });
}

#[test]
fn exit_codes_stay_right_in_a_storm_of_orphans() {
    let storm = "i=0; while [ $i -lt 1000 ]; do (sleep 0.2 &) ; i=$((i+1)); done; exit 7";
    let init = ["unshare", "-pf", "--mount-proc", "--kill-child"];
    for wrapper in [&[] as &[&str], &init] {
        if !wrapper.is_empty() && !works(wrapper) {
            continue;
        }
        let mut family = Family::new().with("storm", storm, "restart = \"never\"");
        for code in 1..=20 {
            let script = format!("sleep 0.{code:02}; exit {code}");
            family = family.with(&format!("exits-{code}"), &script, "restart = \"never\"");
        }
        let agent = family.sandbox.start_by(wrapper, &["run"]);
        for code in 1..=20 {
            agent.says(&[&format!("exited with code {code};"), &format!("\"exits-{code}\"")]);
        }
        agent.says(&["exited with code 7;", "storm"]);
        // The agent itself; behind the wrapper it is the wrapper's child.
        let own = if wrapper.is_empty() { agent.id() } else { child_of(agent.id()) };
        wait_for("all orphans to be reaped", || zombies_below(own).is_empty().then_some(()));
        kill(own.try_into().unwrap(), Signal::TERM);
        assert_eq!(agent.ended().status.code(), Some(0));
        assert_eq!(family.living(), [] as [i32; 0]);
    }
}

fn child_of(parent: u32) -> u32 {
    wait_for("the child", || {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        children.split_ascii_whitespace().next()?.parse().ok()
    })
}

fn zombies_below(parent: u32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let children = children.split_ascii_whitespace().filter_map(|child| child.parse().ok());
    children.filter(|child| !is_alive(*child)).collect()
}

#[test]
fn a_signal_reaches_those_that_handle_it_and_ends_nobody() {
    let handles = "trap 'echo caught; exit 9' USR1; echo ready; while :; do sleep 0.05; done";
    let family = Family::new().with("handles", handles, "restart = \"never\"").with("plain", "exec sleep 1000", "");
    let mut agent = family.sandbox.start(&["--log", "debug", "run"]);
    agent.says(&["ready"]);
    agent.says(&["started", "plain"]);
    wait_for("both programs", || {
        (family.living().into_iter().filter(|id| is_called_sleep(*id)).count() >= 2).then_some(())
    });
    agent.signal(Signal::USR1);
    agent.says(&["handles", "exited with code 9"]);
    agent.signal(Signal::USR2);
    agent.signal(Signal::WINCH);
    assert!(agent.is_running());
    assert_eq!(family.living().len(), 1);
    assert_eq!(agent.said("killed by"), 0);
    stops_well(agent, &family);
}

#[test]
fn an_end_for_want_of_memory_is_told_as_such_and_a_kill_is_not() {
    let group = format!("/sys/fs/cgroup/memory/sandbeat-test-{}", std::process::id());
    let made = fs::create_dir(&group).and_then(|()| fs::write(format!("{group}/memory.limit_in_bytes"), "64M"));
    if let Err(failed) = made {
        return eprintln!("skipped: no memory cgroup of version 1 can be made here: {failed}");
    }
    let enter = format!("echo $$ >{group}/cgroup.procs && exec \"$0\" \"$@\"");
    let hungry = "exec tail /dev/zero";
    let family = Family::new().with("hungry", hungry, "restart = \"never\"").with("plain", "exec sleep 1000", "");
    let agent = family.sandbox.start_by(&["sh", "-c", &enter], &["run"]);
    agent.says(&["hungry", "memory ran out"]);
    let plain: i32 = agent.says(&["started", "plain"]).rsplit_once("pid=").unwrap().1.parse().unwrap();
    kill(plain, Signal::KILL);
    agent.says(&["plain", "killed by SIGKILL"]);
    stops_well(agent, &family);
    wait_for("the cgroup to be empty", || fs::remove_dir(&group).ok());
}

#[test]
fn a_replacement_runs_soon_after_the_crash() {
    let family = Family::new().with("web", "exec sleep 1000", "backoff = { stable = \"1ms\" }");
    let agent = family.sandbox.start(&["run"]);
    let mut took = Vec::new();
    for round in 1..=10 {
        wait_for("a start", || (agent.said("started process") == round).then_some(()));
        let [pid] = family.grows_to(1)[..] else { panic!("one process") };
        let killed = Instant::now();
        kill(pid, Signal::KILL);
        while !family_of(agent.id()).into_iter().any(|child| child != pid && is_called_sleep(child)) {
            assert!(killed.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
        took.push(killed.elapsed());
    }
    took.sort();
    eprintln!("from the kill to the replacement's program: {took:?}");
    // The machine may be busy; the middle of ten says whether the agent waits: a backoff is 400 ms at the least.
    assert!(took[5] < Duration::from_millis(300), "{took:?}");
    stops_well(agent, &family);
}

/// The children of all of a process's threads.
fn family_of(parent: u32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    children.flat_map(|text| text.split_ascii_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}

fn is_called_sleep(id: i32) -> bool {
    is_alive(id) && fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name == "sleep\n")
}
