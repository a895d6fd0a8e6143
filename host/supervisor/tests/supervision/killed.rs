//! Agents in processes of their own: killed, started in odd surroundings, under an init that does not reap.
//!
//! The agent is this test's own executable, told by a variable to be one. Started as a test it does nothing.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{DEADLINE, Sandbox, alive, gone, process, running};

const ROLE: &str = "SANDBEAT_TEST_ROLE";

/// The executable in a role.
struct Actor {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Actor {
    /// Starts it through a shell script that runs it as `"$@"`.
    fn start(role: &str, script: &str) -> Self {
        let own = std::env::current_exe().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(own)
            .args(["--exact", "killed::in_a_role", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env("AGENT_TOKEN", "secret-1")
            .env("AGENT_TOKEN_FILE", "secret-2")
            .env("SANDBEAT_API__TOKEN", "secret-3")
            .env("AGENT_SERVER_URL", "http://127.0.0.1:1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap()).lines();
        Actor { child, says }
    }

    /// What it says about a subject, in words; none where it ends without a word about it.
    fn told(&mut self, subject: &str) -> Vec<String> {
        let about = format!("{subject}: ");
        let line = self.says.by_ref().map_while(Result::ok).find(|line| line.starts_with(&about));
        line.unwrap_or_default().split_whitespace().skip(about.split_whitespace().count()).map(str::to_owned).collect()
    }

    /// Waits until it has ended, as it should.
    fn ends_well(mut self) {
        self.says.by_ref().for_each(drop);
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // After a failed test; else it has ended and cannot be killed.
        drop(self.child.kill());
    }
}

/// Flushed at once, since whoever says it may be killed next.
fn tell(subject: &str, what: impl std::fmt::Display) {
    println!("\n{subject}: {what}");
    std::io::stdout().flush().unwrap();
}

#[tokio::test]
async fn in_a_role() {
    match std::env::var(ROLE).as_deref() {
        Ok("agent") => be_an_agent().await,
        Ok("teller") => tell_the_surroundings().await,
        Ok("lazy-init") => be_a_lazy_init(),
        Ok("stopper") => stop_a_family().await,
        Ok("bound") => stop_what_has_escaped_as_a_user().await,
        _ => {}
    }
}

#[tokio::test]
async fn a_killed_agent_leaves_no_child() {
    let mut agent = Actor::start("agent", "exec \"$@\"");
    let pids: Vec<u32> = agent.told("pids").iter().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 3);
    assert!(pids.iter().all(|pid| alive(*pid)));
    agent.child.kill().unwrap();
    gone(&pids).await;
    agent.child.wait().unwrap();
}

/// Three children that only a kill ends.
async fn be_an_agent() {
    let deaf = "trap '' TERM HUP INT; while :; do read -r line || exec sleep 1000; done";
    let names = ["a", "b", "c"];
    let sandbox = Sandbox::start(&names.map(|name| process(name, deaf, "")).concat());
    let mut pids = String::new();
    for name in names {
        pids += &format!("{} ", sandbox.until_of(name, running).await.status.pid.unwrap());
    }
    tell("pids", pids);
    // The test kills it long before; without a test it must end nevertheless.
    drop(tokio::time::timeout(DEADLINE, std::future::pending::<()>()).await);
}

#[tokio::test]
async fn a_child_gets_neither_the_agents_secrets_nor_its_ignored_signals() {
    let mut agent = Actor::start("teller", "trap '' INT HUP; exec \"$@\"");
    let words = agent.told("surroundings");
    assert!(words.contains(&"AGENT_SERVER_URL=http://127.0.0.1:1".to_owned()), "{words:?}");
    assert!(!words.iter().any(|word| word.contains("=secret-")), "{words:?}");
    for set in ["SigIgn:", "SigBlk:"] {
        let at = words.iter().position(|word| word == set).unwrap();
        // The standard signals; those above them belong to the C library.
        assert_eq!(u64::from_str_radix(&words[at + 1], 16).unwrap() & 0x7fff_ffff, 0, "{set}");
    }
    agent.ends_well();
}

async fn tell_the_surroundings() {
    let sandbox =
        Sandbox::script("env | tr '\\n' ' '; grep -E 'Sig(Ign|Blk)' /proc/self/status | tr '\\n' ' '; echo", "");
    tell("surroundings", sandbox.first_line("web").await);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_an_init_that_does_not_reap() {
    let mut init = Actor::start("lazy-init", "exec \"$@\"");
    let millis: u64 = init.told("stopped in ms")[0].parse().unwrap();
    assert!(millis < 5_000, "{millis}");
    init.ends_well();
}

/// Orphans come here and stay unreaped.
fn be_a_lazy_init() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let mut stopper = Actor::start("stopper", "exec \"$@\"");
    tell("stopped in ms", stopper.told("stopped in ms").join(" "));
    stopper.ends_well();
}

async fn stop_a_family() {
    let sandbox = Sandbox::script("sleep 1000 & sleep 1000 & echo ready; wait", "stop = { timeout = \"20s\" }");
    sandbox.first_line("web").await;
    let started = Instant::now();
    sandbox.shutdown().await;
    tell("stopped in ms", Duration::as_millis(&started.elapsed()));
}

/// Root as containers have it, with cgroups hidden.
const BOUND: &str = "unshare -m sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec \"$0\" \"$@\"' \
    setpriv --inh-caps=-all --bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,\
    +net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";

#[tokio::test]
async fn what_escapes_as_another_user_is_found_by_root_without_the_right_to_trace() {
    let works = Command::new("sh").args(["-c", &format!("{BOUND} true")]).output().unwrap().status.success();
    if !rustix::process::geteuid().is_root() || !works {
        return eprintln!("skipped: capabilities and mounts cannot be changed here");
    }
    let mut agent = Actor::start("bound", &format!("exec {BOUND} \"$@\""));
    let escaped: u32 = agent.told("escaped")[0].parse().unwrap();
    agent.ends_well();
    assert!(!alive(escaped));
}

async fn stop_what_has_escaped_as_a_user() {
    let script = "(setsid sh -c 'echo $$; exec sleep 1000' &); exec sleep 1000";
    let sandbox = Sandbox::script(script, "user = \"nobody\"");
    tell("escaped", sandbox.first_line("web").await);
    sandbox.shutdown().await;
}
