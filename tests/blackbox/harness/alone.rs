//! A test of its own kind: one that wants a network with nobody else on it.

use std::process::Command;

/// Says to the second run of a test that it is the one inside.
const INSIDE: &str = "SANDBEAT_TEST_INSIDE";

/// Does it where nothing is on the network but loopback: in a second run of the test, which is named with its module.
pub(crate) fn alone(test: &str, work: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return work();
    }
    let this = std::env::current_exe().expect("a test has a file");
    let output = Command::new("bwrap")
        .args(["--unshare-user", "--unshare-net", "--uid", "0", "--gid", "0", "--die-with-parent"])
        .args(["--dev-bind", "/", "/", "--setenv", INSIDE, "1"])
        .arg(this)
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .output()
        .expect("bwrap can be run; install bubblewrap");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
