//! Builds the test collectors as components, into `OUT_DIR`.

use std::process::ExitCode;

use sandbeat_guest_build::Targets;

fn main() -> ExitCode {
    sandbeat_guest_build::run(
        &["sandbeat-test-hostile", "sandbeat-test-moody", "sandbeat-test-one", "sandbeat-test-two"],
        Targets::Libraries,
    )
}
