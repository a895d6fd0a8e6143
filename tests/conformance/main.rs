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

/// One test for each expectation, so that a failure names both.
macro_rules! hold {
    ($($language:ident)*) => {$(
        mod $language {
            use super::{suite, Language};

            fn language() -> Language {
                Language::named(stringify!($language))
            }

            hold!(@tests its_own_tests_pass, the_agent_takes_it, it_reports_what_the_file_says, it_keeps_its_state,
                another_language_s_state_counts_as_none, a_missing_grant_is_denied, a_missing_file_is_unavailable,
                what_is_no_number_is_named, a_wrong_configuration_names_its_key, it_says_once_that_the_queue_is_empty,
                too_little_memory_has_a_name);
        }
    )*};
    (@tests $($test:ident),*) => {$(
        #[test]
        fn $test() {
            suite::$test(language());
        }
    )*};
}

hold!(c javascript python rust);
