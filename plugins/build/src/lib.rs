//! For build scripts: builds collectors of this workspace as WebAssembly components.
//!
//! A build script that depends on this crate calls [`run`], and the collectors lie in its `OUT_DIR`. Inside, another
//! cargo builds them for `wasm32-wasip2` with the profile `guest`, in a target folder that all such build scripts and
//! all profiles share (`guests` in the outer target folder), so that each collector is built once.
//!
//! - The target is installed with `rustup target add` when the compiler in use lacks it (`target.rs`).
//! - Nothing of the outer build leaks into the inner one: no flags, no wrapper such as clippy's (`environment.rs`).
//! - Build scripts may run at the same time: a lock on the shared folder is held until the results are copied.
//! - The build script runs again when the sources of a collector or of what it is built from change.
//!
//! Whatever fails is one [`Error`] that says what to do; [`run`] hands it to cargo, which shows it.

mod environment;
mod lock;
mod messages;
mod target;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// A component that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The package that it is made from.
    pub package: String,
    /// The name of its library or example, with `-` as cargo has it.
    pub name: String,
    /// The component, in `OUT_DIR`.
    pub wasm: PathBuf,
}

/// What of the packages is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Their libraries.
    Libraries,
    /// Their examples, each of which is a component.
    Examples,
}

/// Why there is no component, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The compiler cannot build for WebAssembly, and could not be taught.
    #[error(
        "the Rust target `wasm32-wasip2` is missing and could not be installed ({reason}); run `{command}`, then build \
         again"
    )]
    Target {
        /// What stood in the way.
        reason: String,
        /// What does by hand what was tried.
        command: String,
    },
    /// The inner build failed; its own messages are above.
    #[error("the collectors could not be built ({0}); the compiler's messages are above")]
    Build(String),
    /// Something around it failed.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
    /// This does not run in a build script of the workspace.
    #[error("{0}")]
    Place(String),
}

/// The whole of a build script: builds the packages, copies each component to `OUT_DIR` as `NAME.wasm`, where a
/// package's leading `sandbeat-` is dropped from the name, and reports a failure to cargo.
pub fn run(packages: &[&str], targets: Targets) -> ExitCode {
    match build(packages, targets) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds packages of this workspace for `wasm32-wasip2`, as [`run`] does, and says what was built, by name.
///
/// # Errors
/// See [`Error`].
pub fn build(packages: &[&str], targets: Targets) -> Result<Vec<Guest>, Error> {
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    let cargo = variable("CARGO")?;
    let root = workspace_root(&cargo)?;
    watch(&root, ["Cargo.toml", "Cargo.lock", "wit"].map(PathBuf::from));

    let folder = shared_folder(&out_dir);
    let _lock = lock::hold(&folder)?;
    target::ensure(&variable("RUSTC")?)?;
    let artifacts = inner_build(&cargo, &root, &folder, packages, targets)?;
    for package in artifacts.iter().map(|artifact| &artifact.folder).collect::<BTreeSet<_>>() {
        // Tests are no part of a component.
        watch(package, ["Cargo.toml", "src", "examples", "build.rs"].map(PathBuf::from));
    }
    let mut guests = Vec::new();
    for artifact in artifacts {
        let Some(wasm) = artifact.component else { continue };
        let name = artifact.name.strip_prefix("sandbeat-").unwrap_or(&artifact.name);
        let copy = out_dir.join(name).with_extension("wasm");
        fs::copy(&wasm, &copy).map_err(|error| Error::Io(wasm.display().to_string(), error))?;
        guests.push(Guest { package: artifact.package, name: artifact.name, wasm: copy });
    }
    guests.sort_by(|a, b| a.name.cmp(&b.name));
    match packages.iter().find(|package| !guests.iter().any(|guest| guest.package == **package)) {
        Some(package) => Err(Error::Build(format!("`{package}` has no component; is its crate-type `cdylib`?"))),
        None => Ok(guests),
    }
}

/// Tells cargo to run the build script again when one of these changes; those that are not there are left out, since
/// cargo would take them for changed each time.
fn watch(folder: &Path, names: impl IntoIterator<Item = PathBuf>) {
    for path in names.into_iter().map(|name| folder.join(name)).filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

fn inner_build(
    cargo: &str,
    root: &Path,
    folder: &Path,
    packages: &[&str],
    targets: Targets,
) -> Result<Vec<messages::Artifact>, Error> {
    let mut command = Command::new(cargo);
    environment::clean(&mut command);
    command
        .current_dir(root)
        .args(["build", "--profile", "guest", "--target", target::NAME])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(folder)
        .arg(match targets {
            Targets::Libraries => "--lib",
            Targets::Examples => "--examples",
        })
        .stderr(Stdio::inherit());
    if root.join("Cargo.lock").exists() {
        command.arg("--locked");
    }
    for package in packages {
        command.args(["--package", package]);
    }
    let output = command.output().map_err(|error| Error::Io(cargo.to_owned(), error))?;
    if !output.status.success() {
        return Err(Error::Build(format!("cargo ended with {}", output.status)));
    }
    Ok(messages::artifacts(&String::from_utf8_lossy(&output.stdout), root))
}

fn workspace_root(cargo: &str) -> Result<PathBuf, Error> {
    let mut command = Command::new(cargo);
    environment::clean(&mut command);
    let output = command
        .current_dir(variable("CARGO_MANIFEST_DIR")?)
        .args(["locate-project", "--workspace", "--message-format", "plain"])
        .output()
        .map_err(|error| Error::Io(cargo.to_owned(), error))?;
    let manifest = String::from_utf8_lossy(&output.stdout);
    match Path::new(manifest.trim()).parent() {
        Some(root) if output.status.success() => Ok(root.to_owned()),
        _ => Err(Error::Place("cargo does not know the root of this workspace".to_owned())),
    }
}

/// Beside the profiles in the target folder, which is the nearest one around `OUT_DIR` that cargo marks as a cache. A
/// folder of a `--target` in it is marked, too, so the one around that counts.
fn shared_folder(out_dir: &Path) -> PathBuf {
    let is_marked = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    let nearest = out_dir.ancestors().find(is_marked);
    nearest.map(|folder| folder.parent().filter(is_marked).unwrap_or(folder)).unwrap_or(out_dir).join("guests")
}

fn variable(name: &str) -> Result<String, Error> {
    env::var(name).map_err(|_| Error::Place(format!("`{name}` is not set; only cargo can run this, as a build script")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_profiles_share_one_folder() {
        let target = tempfile::tempdir().unwrap();
        let other = "x86_64-unknown-linux-gnu";
        fs::create_dir(target.path().join(other)).unwrap();
        for marked in [target.path().to_owned(), target.path().join(other)] {
            fs::write(marked.join("CACHEDIR.TAG"), "").unwrap();
        }
        for profile in ["debug".to_owned(), "release".to_owned(), format!("{other}/debug")] {
            let out_dir = target.path().join(&profile).join("build/sandbeat-bundled-0123456789abcdef/out");
            assert_eq!(shared_folder(&out_dir), target.path().join("guests"));
        }
        assert_eq!(shared_folder(Path::new("/nowhere/out")), Path::new("/nowhere/out/guests"));
    }

    #[test]
    fn a_missing_target_is_told_in_one_sentence() {
        let error = Error::Target { reason: "rustup: offline".into(), command: "rustup target add x".into() };
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}
