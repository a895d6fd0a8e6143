//! Components as they were built for a version of the interface: every later agent takes them unchanged.
//!
//! `VERSION` is that of the interface; a folder holds the example collector in each language, its sidecar, and
//! `SHA256SUMS`, as `sha256sum -c` reads it. Python's and JavaScript's are compressed, since they bring their
//! interpreters. Nothing here is built again: once the interface is released, a file that has to change for a test to
//! pass is a break of what [docs/plugins.md](../../docs/plugins.md#versions) promises.
//!
//! What is new in a version of the interface is kept beside the others, from what `cargo test --test conformance` has
//! built in `target/tmp/projects`.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends with its first surprise")]

#[path = "../blackbox/harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the other tests need more of it")]
mod harness;
#[path = "../conformance/suite.rs"]
mod suite;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::sync::LazyLock;

use lzma_rust2::XzReader;
use sha2::{Digest, Sha256};
use suite::Example;

const LANGUAGES: [&str; 4] = ["c", "javascript", "python", "rust"];

static SIDECAR: LazyLock<String> = LazyLock::new(|| fs::read_to_string(folder().join("queue.toml")).unwrap());
/// In the order of the table.
static COMPONENTS: [LazyLock<Vec<u8>>; 4] = [
    LazyLock::new(|| component(LANGUAGES[0])),
    LazyLock::new(|| component(LANGUAGES[1])),
    LazyLock::new(|| component(LANGUAGES[2])),
    LazyLock::new(|| component(LANGUAGES[3])),
];

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "corpus", "0.1.0"].iter().collect()
}

fn component(language: &str) -> Vec<u8> {
    let plain = folder().join(language).with_extension("wasm");
    let mut component = Vec::new();
    if plain.exists() {
        component = fs::read(plain).unwrap();
    } else {
        let packed = fs::File::open(plain.with_extension("wasm.xz")).unwrap();
        XzReader::new(packed, false).read_to_end(&mut component).unwrap();
    }
    suite::compile(&component);
    component
}

fn example(language: &str) -> Example {
    let place = LANGUAGES.iter().position(|known| *known == language).unwrap();
    Example { wasm: &COMPONENTS[place], sidecar: &SIDECAR, other: &COMPONENTS[(place + 1) % LANGUAGES.len()] }
}

suite::hold!(c javascript python rust);

#[test]
fn nothing_kept_has_changed() {
    let sums = fs::read_to_string(folder().join("SHA256SUMS")).unwrap();
    let sums: BTreeMap<&str, &str> =
        sums.lines().map(|line| line.split_once("  ").unwrap()).map(|(sum, name)| (name, sum)).collect();
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.filter(|name| name != "SHA256SUMS").collect();
    assert_eq!(files.iter().map(String::as_str).collect::<Vec<_>>(), sums.keys().copied().collect::<Vec<_>>());
    for (name, sum) in sums {
        let digest = Sha256::digest(fs::read(folder().join(name)).unwrap());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, sum, "{name}");
    }
}
