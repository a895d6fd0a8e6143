//! Any text as a sidecar, under any ceiling: nothing is granted that the ceiling does not name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sandbeat_collectors::RawCeiling;
use sandbeat_collectors::fuzzing;

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    sidecar: String,
    read: Option<Vec<String>>,
    dirs: Option<Vec<String>>,
    env: Option<Vec<String>>,
    paths: Vec<String>,
}

fuzz_target!(|input: Input| {
    let Input { sidecar, read, dirs, env, paths } = input;
    let ceiling = RawCeiling { read, dirs, env, ..RawCeiling::default() };
    fuzzing::sidecar(&sidecar, RawCeiling::default(), &paths);
    fuzzing::sidecar(&sidecar, ceiling, &paths);
});
