//! The compiler's target for WebAssembly components, installed when it is missing.
//!
//! It is installed into the toolchain whose compiler is in use, which need not be rustup's default one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Error;

/// The target's name.
pub(crate) const NAME: &str = "wasm32-wasip2";

/// Makes sure that a compiler has the target's standard library.
pub(crate) fn ensure(rustc: &str) -> Result<(), Error> {
    let library = PathBuf::from(ask(rustc, &["--print", "target-libdir", "--target", NAME])?);
    if has_std(&library) {
        return Ok(());
    }
    let sysroot = ask(rustc, &["--print", "sysroot"])?;
    let Some(toolchain) = toolchain(Path::new(&sysroot)) else {
        return Err(Error::Target {
            reason: format!("the compiler in {sysroot} was not installed by rustup"),
            command: format!("rustup target add {NAME}"),
        });
    };
    let arguments = ["target", "add", "--toolchain", toolchain.as_str(), NAME];
    let result = Command::new("rustup").args(arguments).stdin(Stdio::null()).output();
    // Whoever installed it: another build may have done so at the same time.
    if has_std(&library) {
        return Ok(());
    }
    let reason = match result {
        Ok(output) => last_line(&output.stderr).unwrap_or_else(|| format!("rustup ended with {}", output.status)),
        Err(error) => format!("rustup could not be run: {error}"),
    };
    Err(Error::Target { reason, command: format!("rustup {}", arguments.join(" ")) })
}

/// Rustup's own name of the toolchain that has this root: the folder's name under `toolchains`.
fn toolchain(sysroot: &Path) -> Option<String> {
    let parent = sysroot.parent()?.file_name()?;
    (parent == "toolchains").then(|| sysroot.file_name().map(|name| name.to_string_lossy().into_owned())).flatten()
}

/// An empty folder stays behind when a target is removed.
fn has_std(library: &Path) -> bool {
    let names =
        fs::read_dir(library).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.into_iter().any(|name| name.starts_with("libstd-") && name.ends_with(".rlib"))
}

fn ask(rustc: &str, arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new(rustc).args(arguments).output().map_err(|error| Error::Io(rustc.to_owned(), error))?;
    if !output.status.success() {
        let reason = last_line(&output.stderr).unwrap_or_else(|| output.status.to_string());
        return Err(Error::Build(format!("{rustc} {}: {reason}", arguments.join(" "))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The last line that says something, without rustup's `error: ` before it.
fn last_line(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.trim_start_matches("error: ").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_is_known_by_its_folder() {
        let path = Path::new("/root/.rustup/toolchains/stable-x86_64-unknown-linux-gnu");
        assert_eq!(toolchain(path).as_deref(), Some("stable-x86_64-unknown-linux-gnu"));
        assert_eq!(toolchain(Path::new("/usr")), None);
    }

    #[test]
    fn only_a_standard_library_counts() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_std(&folder.path().join("gone")) && !has_std(folder.path()));
        fs::write(folder.path().join("libstd-0123.rlib"), "").unwrap();
        assert!(has_std(folder.path()));
    }

    #[test]
    fn the_reason_is_what_rustup_said_last() {
        assert_eq!(last_line(b"info: downloading\nerror: no network\n\n").as_deref(), Some("no network"));
        assert_eq!(last_line(b"\n"), None);
    }
}
