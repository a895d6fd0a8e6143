//! Builds the bundled collectors as components, into `OUT_DIR`.

use std::process::ExitCode;

use sandbeat_guest_build::Targets;

fn main() -> ExitCode {
    sandbeat_guest_build::run(
        &[
            "sandbeat-agent-usage",
            "sandbeat-cgroup",
            "sandbeat-disk",
            "sandbeat-git",
            "sandbeat-http-probe",
            "sandbeat-load",
            "sandbeat-net",
            "sandbeat-ports",
            "sandbeat-textfile",
            "sandbeat-top",
        ],
        Targets::Libraries,
    )
}
