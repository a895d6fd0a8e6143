//! The C part of the SDK, and the tests of the project that `sandbeat plugin new` makes, compiled for this machine.
//!
//! Sanitizers end a program that reads what it must not, or that leaves memory behind after a call.

#![expect(clippy::unwrap_used, reason = "a test ends with its first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The SDK's files for a native test: the stand-in takes the place of the bindings.
const SDK: [&str; 5] = ["host.c", "json.c", "memory.c", "report.c", "sandbeat_testing.c"];

fn here(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

#[track_caller]
fn runs(sources: &[PathBuf]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tests");
    let compiled = Command::new("cc")
        .args(["-std=c11", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsanitize=address,undefined"])
        .arg("-fno-sanitize-recover=all")
        .arg("-I")
        .arg(here("sandbeat"))
        .args(sources)
        .args(SDK.map(|file| here("sandbeat").join(file)))
        .arg("-o")
        .arg(&program)
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let ran = Command::new(&program).output().unwrap();
    assert!(ran.status.success(), "{}: {}", ran.status, String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn the_sdk_keeps_its_word() {
    assert_eq!(runs(&[here("tests/sdk.c")]), "9 tests passed\n");
}

#[test]
fn the_template_passes_its_own_tests() {
    let folder = tempfile::tempdir().unwrap();
    let sources = ["src/NAME.c", "tests/test.c"].map(|file| {
        let text = fs::read_to_string(here("template").join(file)).unwrap();
        let path = folder.path().join(file.replace('/', "-"));
        fs::write(&path, text.replace("{{name}}", "my-queue").replace("{{ident}}", "my_queue")).unwrap();
        path
    });
    assert_eq!(runs(&sources), "6 tests passed\n");
}
