//! Those that reach for what they were not granted: files by both ways, variables, sockets.

use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, Command};

use serde_json::Value;

use super::{Fails, Rejected, Suite, Works};
use crate::harness::{guest, metric};

const SECRET: &str = "very-secret";

/// A process with a secret in its environment, which ends with the test.
struct Holder(Child);

impl Holder {
    fn start() -> Self {
        Holder(Command::new("sleep").arg("600").env_clear().env("SOME_SECRET", SECRET).spawn().unwrap())
    }

    fn path(&self, rest: &str) -> String {
        format!("/proc/{}/{rest}", self.0.id())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// A folder `in`, which is granted, and a file `secret` beside it.
fn tree(suite: &Suite) -> PathBuf {
    // As the kernel names it, since links on the way are the operator's affair.
    let root = suite.sandbox.path("").canonicalize().unwrap();
    std::fs::create_dir(root.join("in")).unwrap();
    std::fs::write(root.join("in/file"), "granted").unwrap();
    std::fs::write(root.join("secret"), SECRET).unwrap();
    symlink("../secret", root.join("in/relative")).unwrap();
    symlink(root.join("secret"), root.join("in/absolute")).unwrap();
    symlink("..", root.join("in/up")).unwrap();
    symlink("/proc/self/environ", root.join("in/environment")).unwrap();
    root
}

/// What it got.
fn loot<'a>(report: &'a Value, plugin: &str) -> &'a str {
    metric(report, plugin, "test.loot").unwrap()["attributes"]["test.text"].as_str().unwrap()
}

fn reading(path: &str, grant: &str) -> String {
    format!("config.path = \"{path}\"\n[grant]\n{grant}")
}

#[test]
fn only_granted_files_are_read() {
    let suite = Suite::new();
    let root = tree(&suite);
    let root = root.display();
    let own = format!("read = [\"{root}/in/**\"]");
    let denied = Fails("denied", "not granted");
    let within = |path: &str| reading(&format!("{root}/{path}"), &own);
    let ran = suite
        .hostile("shadow", "read", &reading("/etc/shadow", "read = [\"/etc/passwd\"]"), denied)
        .hostile("nothing", "read", &reading("/etc/passwd", ""), denied)
        .hostile("parent", "read", &within("in/../secret"), denied)
        .hostile("relative-link", "read", &within("in/relative"), denied)
        .hostile("absolute-link", "read", &within("in/absolute"), denied)
        .hostile("folder-link", "read", &within("in/up/secret"), denied)
        .hostile("link-to-proc", "read", &within("in/environment"), denied)
        .hostile("lists", "list", &reading(&format!("{root}"), &own.replace("/in/**", "/in/file")), Works(&[]))
        .hostile("lists-other", "list", &reading("/root", &own), denied)
        .hostile("nul", "read", &within("in/file\\u0000"), denied)
        .hostile("granted", "read", &within("in/file"), Works(&[]))
        .run();
    assert_eq!(loot(&ran.report, "granted"), "granted");
    assert!(!ran.report.to_string().contains(SECRET));
    ran.end();
}

#[test]
fn no_environment_of_a_process_is_read() {
    let mut suite = Suite::new();
    suite.sandbox = suite.sandbox.env("SOME_SECRET", SECRET);
    let [stat, all] = ["read = [\"/proc/*/stat\"]", "read = [\"/proc/**\"]"];
    let denied = Fails("denied", "not granted");
    let shows = Rejected("invalid", "shows the agent's own process");
    let linked = Fails("denied", "shows the agent's own process");
    let link = suite.sandbox.path("processes");
    symlink("/proc/self", &link).unwrap();
    let link = link.display();
    let ran = suite
        .hostile("first", "read", &reading("/proc/1/environ", stat), denied)
        .hostile("own", "read", &reading("/proc/self/environ", all), denied)
        .hostile("own-thread", "read", &reading("/proc/thread-self/environ", all), denied)
        .hostile("own-memory", "read", &reading("/proc/self/mem", all), denied)
        .hostile("root", "read", &reading("/proc/self/root/etc/shadow", all), denied)
        .hostile("folder", "open", &reading("/proc/self/environ", "dirs = [\"/proc/self\"]"), shows)
        .hostile("root-folder", "open", &reading("/proc/self/environ", "dirs = [\"/\"]"), shows)
        .hostile("folder-link", "open", &reading(&format!("{link}/environ"), &format!("dirs = [\"{link}\"]")), linked)
        .hostile("variable", "read", "[grant]\nenv = [\"AGENT_TOKEN\"]", Rejected("invalid", "never granted"))
        .run();
    let text = ran.hub.requests().iter().map(|request| request.body.to_string()).collect::<String>();
    assert!(!text.contains(SECRET));
    ran.end();
}

#[test]
fn nothing_private_to_another_process_is_read_by_a_glob() {
    let suite = Suite::new();
    let process = Holder::start();
    let environ = process.path("environ");
    let by = |path: &str, glob: &str| reading(path, &format!("read = [\"{glob}\"]"));
    let denied = Fails("denied", "not granted");
    let ran = suite
        .hostile("star", "read", &by(&environ, "/proc/*/environ"), denied)
        .hostile("all", "read", &by(&environ, "/proc/**"), denied)
        .hostile("thread", "read", &by(&process.path(&format!("task/{}/environ", process.0.id())), "/proc/**"), denied)
        .hostile("memory", "read", &by(&process.path("maps"), "/proc/**"), denied)
        .hostile("handles", "list", &by(&process.path("fd"), "/proc/**"), denied)
        .hostile("written-out", "read", &by(&environ, &environ), Works(&[]))
        .hostile("harmless", "read", &by(&process.path("stat"), "/proc/**"), Works(&[]))
        .run();
    assert!(loot(&ran.report, "harmless").contains("(sleep)"));
    let told = ran.report["plugins"].to_string();
    assert!(!told.contains(SECRET));
    ran.end();
}

#[test]
fn wasi_shows_granted_folders_alone() {
    let suite = Suite::new();
    let root = tree(&suite);
    let root = root.display();
    let own = format!("dirs = [\"{root}/in\"]");
    let within = |path: &str| reading(&format!("{root}/{path}"), &own);
    let denied = Fails("denied", "");
    let ran = suite
        .hostile("parent", "open", &within("in/../secret"), denied)
        .hostile("relative-link", "open", &within("in/relative"), denied)
        .hostile("absolute-link", "open", &within("in/absolute"), denied)
        .hostile("folder-link", "open", &within("in/up/secret"), denied)
        .hostile("writes", "write", &within("in/file"), denied)
        .hostile("creates", "write", &within("in/new"), denied)
        // Without a granted folder above it there is nothing by that name.
        .hostile("elsewhere", "open", &reading("/etc/passwd", ""), Fails("collector", "unavailable"))
        .hostile("granted", "open", &within("in/file"), Works(&[]))
        .run();
    assert_eq!(loot(&ran.report, "granted"), "granted");
    assert!(!ran.sandbox.path("in/new").exists());
    assert_eq!(std::fs::read(ran.sandbox.path("in/file")).unwrap(), b"granted");
    ran.end();
}

#[test]
fn only_granted_variables_are_seen_and_nothing_else_of_the_agent() {
    let mut suite = Suite::new();
    suite.sandbox = suite.sandbox.env("SOME_SECRET", SECRET).env("GRANTED", "yes").env("AGENT_TOKEN", SECRET);
    let ran = suite.hostile("looks", "look around", "[grant]\nenv = [\"GRANTED\", \"ABSENT\"]", Works(&[])).run();
    assert_eq!(
        loot(&ran.report, "looks"),
        "variables [\"GRANTED=yes\"], 0 arguments, 0 lines of input, 0 entries in /"
    );
    ran.end();
}

#[test]
fn sockets_are_never_offered() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let address = server.local_addr().unwrap();
    let (to, denied) = (address.to_string(), Fails("denied", ""));
    let uses =
        |behaviour: &str, address: &str| format!("config = {{ behaviour = \"{behaviour}\", address = \"{address}\" }}");
    let ran = Suite::new()
        .collector("connects", guest("sockets"), &uses("connect", &to), denied)
        .collector("listens", guest("sockets"), &uses("listen", "127.0.0.1:0"), denied)
        .collector("sends", guest("sockets"), &uses("send", &to), denied)
        .collector("looks-up", guest("sockets"), &uses("look up", "localhost:80"), denied)
        .run();
    assert!(server.accept().is_err(), "somebody has connected");
    ran.end();
}

#[test]
fn a_collector_that_behaves_is_given_no_more_than_a_hostile_one() {
    let suite = Suite::new();
    let wants = |grant: &str, part| (format!("[grant]\n{grant}"), Rejected("invalid", part));
    let (token, never) = wants("env = [\"AGENT_TOKEN\"]", "never granted");
    let (own, never_either) = wants("env = [\"SANDBEAT_API__TOKEN\"]", "never granted");
    let (relative, not_plain) = wants("dirs = [\"../..\"]", "absolute path");
    let (wild, not_a_name) = wants("env = [\"AG*\"]", "write each one out");
    suite
        .collector("token", guest("one"), &token, never)
        .collector("own", guest("one"), &own, never_either)
        .collector("relative", guest("one"), &relative, not_plain)
        .collector("wild", guest("one"), &wild, not_a_name)
        .run()
        .end();
}
