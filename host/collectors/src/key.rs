//! Everything that an artifact depends on beside its component, in one short key.
//!
//! Artifacts of two agents that differ in it lie beside each other in one folder instead of replacing each other's.
//! The key only separates: whether an artifact fits is judged by wasmtime when it is loaded, so that a difference
//! which the key does not see costs a compilation and nothing else.

use std::hash::Hash;

use wasmtime::Engine;
use xxhash_rust::xxh3::Xxh3;

/// The form of what lies beside an artifact.
const FORM: u32 = 2;

/// The key of artifacts for `engine` on this machine: 16 hexadecimal digits.
pub(crate) fn of(engine: &Engine) -> String {
    let mut hasher = Xxh3::new();
    // wasmtime's version, and the settings; of an engine without a compiler, not the machine.
    engine.precompile_compatibility_hash().hash(&mut hasher);
    (FORM, std::env::consts::ARCH, std::env::consts::OS, size_of::<usize>()).hash(&mut hasher);
    cpu_features().hash(&mut hasher);
    format!("{:016x}", hasher.digest())
}

/// What the compiler looks for in this machine's CPU, in its order (cranelift-native).
#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<bool> {
    use std::is_x86_feature_detected as has;
    vec![
        has!("sse3"),
        has!("cmpxchg16b"),
        has!("ssse3"),
        has!("sse4.1"),
        has!("sse4.2"),
        has!("popcnt"),
        has!("avx"),
        has!("avx2"),
        has!("fma"),
        has!("avxvnni"),
        has!("avx512vnni"),
        has!("bmi1"),
        has!("bmi2"),
        has!("avx512bitalg"),
        has!("avx512dq"),
        has!("avx512f"),
        has!("avx512vl"),
        has!("avx512vbmi"),
        has!("lzcnt"),
    ]
}

/// What the compiler looks for in this machine's CPU, in its order (cranelift-native).
#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<bool> {
    use std::arch::is_aarch64_feature_detected as has;
    vec![has!("lse"), has!("paca"), has!("fp16"), has!("dotprod"), has!("i8mm")]
}

/// Of other machines only the architecture is told apart.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_features() -> Vec<bool> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engines, Ticker};

    #[test]
    fn engines_whose_artifacts_fit_each_other_have_the_same_key() {
        let (_ticker, handle) = Ticker::start().unwrap();
        let engines = Engines::new(handle).unwrap();
        let key = of(&engines.with_stack(256 << 10).unwrap().engine);
        assert_eq!(key, of(&engines.with_stack(1 << 20).unwrap().engine));
        assert_eq!(key.len(), 16);
        let mut other = wasmtime::Config::new();
        other.enable_compiler(false);
        assert_ne!(key, of(&Engine::new(&other).unwrap()));
    }
}
