//! Builds the test collectors as components, into `OUT_DIR`.

use std::process::ExitCode;

use sandbeat_guest_build::Targets;

fn main() -> ExitCode {
    let packages = [
        "sandbeat-test-hostile",
        "sandbeat-test-http",
        "sandbeat-test-moody",
        "sandbeat-test-one",
        "sandbeat-test-sockets",
        "sandbeat-test-ten",
        "sandbeat-test-two",
    ];
    sandbeat_guest_build::run(&packages, Targets::Libraries)
}
