//! Builds the Extism plugin as its authors do, for `wasm32-unknown-unknown`, into `OUT_DIR`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};

const TARGET: &str = "wasm32-unknown-unknown";
const PACKAGE: &str = "sandbeat-bench-extism-guest";

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed=extism-guest");
    println!("cargo::rerun-if-changed=Cargo.lock");
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    // Where the target is there already, this says so at once; where there is no rustup, the build below may succeed.
    if let Err(e) = run(Command::new("rustup").args(["target", "add", TARGET])) {
        println!("cargo::warning=rustup could not add the target {TARGET}: {e}");
    }
    let mut cargo = Command::new(env::var("CARGO")?);
    // What the outer build is run with is not for WebAssembly.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(variable);
    }
    run(cargo
        .args(["build", "--locked", "--profile", "guest", "--target", TARGET, "--package", PACKAGE, "--target-dir"])
        .arg(out_dir.join("extism")))?;
    let built = out_dir.join("extism").join(TARGET).join("guest").join(PACKAGE.replace('-', "_") + ".wasm");
    std::fs::copy(&built, out_dir.join("extism.wasm")).with_context(|| built.display().to_string())?;
    Ok(())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} cannot be started"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
