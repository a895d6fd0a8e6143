//! User, group, mask and limits, as the process itself sees them.

use crate::harness::{Sandbox, eventually, failed, last_error};

/// Whether processes can be started as another user here; says so where not.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can start processes as another user");
    }
    root
}

#[tokio::test]
async fn a_process_has_its_mask_and_its_limits() {
    let keys = "umask = \"027\"\nlimits = { nofile = \"77\", core = \"0\", fsize = \"1MiB\" }";
    let script = "echo $(umask) $(ulimit -n) $(ulimit -Hn) $(ulimit -c) $(grep 'Max file size' /proc/self/limits)";
    let sandbox = Sandbox::script(script, keys);
    assert_eq!(sandbox.first_line("web").await, "0027 77 77 0 Max file size 1048576 1048576 bytes");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_process_runs_as_its_user_with_its_groups_and_its_home_and_dies_with_the_agent_all_the_same() {
    if !is_root() {
        return;
    }
    let script = "echo $(id -u) $(id -g) $(id -G) $HOME $USER $LOGNAME; exec sleep 1000";
    let sandbox = Sandbox::script(script, "user = \"nobody\"\nenv = { HOME = \"/tmp\" }");
    let line = sandbox.first_line("web").await;
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[0], "65534", "{line}");
    assert_eq!(words[1], words[2], "no group of the agent's stays: {line}");
    assert_eq!(words[3..], ["/tmp", "nobody", "nobody"], "{line}");
    sandbox.shutdown().await;

    let sandbox = Sandbox::script("echo $(id -u) $(id -g) $(id -G) $HOME", "user = \"4711\"\ngroup = \"4712\"");
    assert_eq!(sandbox.first_line("web").await, "4711 4712 4712 /");
    sandbox.shutdown().await;

    let sandbox = Sandbox::script("echo $(id -u) $(id -g)", "group = \"4712\"");
    assert_eq!(sandbox.first_line("web").await, "0 4712");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_process_opens_its_output_by_name_as_its_user_and_needs_a_group_without_an_entry() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::script("echo by name > /dev/stdout; echo too > /dev/stderr", "user = \"nobody\"");
    eventually(|| (sandbox.lines("web").len() == 2).then_some(()), || sandbox.lines("web")).await;
    let mut lines = sandbox.lines("web");
    lines.sort();
    assert_eq!(lines, ["by name", "too"]);
    sandbox.shutdown().await;

    let sandbox = Sandbox::script("echo never", "restart = \"never\"\nuser = \"4711\"");
    let message = "user 4711 has no entry in /etc/passwd: set `group` as well; check processes.web.user";
    let web = sandbox.until(failed).await;
    assert!(last_error(&web).contains(message), "{}", last_error(&web));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_applied_names_its_key_and_the_cure() {
    let cases = [
        ("user = \"no-such-user\"", "no user is called \"no-such-user\" in /etc/passwd; check processes.web.user"),
        ("group = \"no-such-group\"", "no group is called \"no-such-group\" in /etc/group; check processes.web.group"),
        ("limits = { nofile = \"2000000000\" }", "is above the agent's own hard limit of "),
        ("limits = { nofile = \"2000000000\" }", "check processes.web.limits"),
        ("cwd = \"/no/such\"", "check processes.web.cwd"),
    ];
    for (key, message) in cases {
        let sandbox = Sandbox::script("echo never", &format!("restart = \"never\"\n{key}"));
        let web = sandbox.until(failed).await;
        assert!(last_error(&web).contains(message), "{}", last_error(&web));
        sandbox.shutdown().await;
    }
}

#[tokio::test]
async fn a_mark_is_one_starts_own_and_added_to_the_one_before() {
    let sandbox = Sandbox::script("echo $SANDBEAT_PROCESS; exit 1", "backoff = { initial = \"1h\", max = \"1h\" }");
    let web = sandbox.until(|web| web.status.next_restart_ms.is_some() && web.status.restart_count == 1).await;
    assert_eq!(last_error(&web), "exited with code 1");
    let lines = sandbox.lines("web");
    assert!(lines.iter().all(|line| line.contains("/web.")), "{lines:?}");
    assert_ne!(lines[0], lines[1]);
    sandbox.shutdown().await;
}
