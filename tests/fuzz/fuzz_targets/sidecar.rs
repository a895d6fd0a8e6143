//! Any text as a sidecar, under any ceiling: nothing is granted that the ceiling does not name.
//!
//! An input is a sidecar, then lines after `---`: `read GLOB`, `dirs GLOB`, `env GLOB` and `http GLOB` are the
//! ceiling's, all else are paths that a collector might ask for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sandbeat_collectors::{RawCeiling, fuzzing};

fuzz_target!(|input: &str| {
    let (sidecar, lines) = input.split_once("\n---\n").unwrap_or((input, ""));
    let mut ceiling = RawCeiling::default();
    let mut paths = Vec::new();
    for line in lines.lines() {
        let (key, glob) = line.split_once(' ').unwrap_or(("", line));
        let globs = match key {
            "read" => &mut ceiling.read,
            "dirs" => &mut ceiling.dirs,
            "env" => &mut ceiling.env,
            "http" => &mut ceiling.http,
            _ => {
                paths.push(line.to_owned());
                continue;
            }
        };
        globs.get_or_insert_default().push(glob.to_owned());
    }
    fuzzing::sidecar(sidecar, RawCeiling::default(), &paths);
    fuzzing::sidecar(sidecar, ceiling, &paths);
});
