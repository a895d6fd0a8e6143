//! Any bytes as a collector's file: recognised, compiled, checked, described, collected, judged.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    sandbeat_collectors::fuzzing::component(bytes);
});
