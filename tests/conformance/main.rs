//! The same collector in every language: made with `sandbeat plugin new`, built with the one command of its language,
//! and held against the same expectations by the built binary.
//!
//! ```sh
//! cargo test --test conformance
//! ```
//!
//! Not a part of plain `cargo test`, because it wants more than a Rust toolchain: `uv`, `npm`, `make`, a C compiler, and
//! the registries of their packages. A project is made anew in the target folder at each run, where it can be looked
//! at afterwards.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends with its first surprise")]

#[path = "../blackbox/harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the other tests need more of it")]
mod harness;
mod project;
mod suite;

use project::Language;
use suite::Example;

fn example(language: &str) -> Example {
    let language = Language::named(language);
    let project = language.project();
    Example { wasm: &project.wasm, sidecar: &project.sidecar, other: &language.other().project().wasm }
}

suite::hold!(c javascript python rust);

mod its_own_tests_pass {
    use super::Language;

    #[test]
    fn c() {
        Language::named("c").test();
    }

    #[test]
    fn javascript() {
        Language::named("javascript").test();
    }

    #[test]
    fn python() {
        Language::named("python").test();
    }

    #[test]
    fn rust() {
        Language::named("rust").test();
    }
}
