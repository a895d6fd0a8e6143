//! What the inner cargo sees of the environment.
//!
//! Cargo runs a build script with variables about the package that is built, the flags in force and the wrappers in
//! use. Inherited, they would change the inner build or make it build anew each time. What configures cargo itself and
//! where it finds things stays.

use std::env;
use std::process::Command;

/// Takes everything from a command's environment that is about the outer build.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_outer_build) {
            command.env_remove(name);
        }
    }
}

fn is_of_outer_build(name: &str) -> bool {
    const CARGO_ITSELF: [&str; 8] = [
        "CARGO_HOME",
        // The jobs that may run at the same time, shared with the outer build.
        "CARGO_MAKEFLAGS",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTRY_",
        "CARGO_REGISTRIES_",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
    ];
    const OTHERS: [&str; 18] = [
        "CARGO",
        "CLIPPY_ARGS",
        "CLIPPY_CONF_DIR",
        "DEBUG",
        "HOST",
        "LD_LIBRARY_PATH",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "TARGET",
        "__CARGO_TEST_ROOT",
    ];
    // The linker of the machine, which procedural macros need.
    let is_linker = name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER");
    let is_cargos = name.starts_with("CARGO_") && !is_linker && !CARGO_ITSELF.iter().any(|kept| name.starts_with(kept));
    is_cargos || name.starts_with("DEP_") || OTHERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::is_of_outer_build;

    #[test]
    fn flags_and_wrappers_do_not_leak() {
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_CFG_TARGET_ARCH",
            "CARGO_FEATURE_STD",
            "CARGO_PKG_NAME",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_INCREMENTAL",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "DEP_Z_INCLUDE",
            "TARGET",
            "OUT_DIR",
        ] {
            assert!(is_of_outer_build(name), "{name}");
        }
    }

    #[test]
    fn what_cargo_needs_stays() {
        for name in [
            "PATH",
            "HOME",
            "RUSTC",
            "RUSTUP_HOME",
            "RUSTUP_TOOLCHAIN",
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_MAKEFLAGS",
            "CARGO_REGISTRIES_MINE_INDEX",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
            "HTTPS_PROXY",
        ] {
            assert!(!is_of_outer_build(name), "{name}");
        }
    }
}
