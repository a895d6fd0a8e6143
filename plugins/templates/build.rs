//! Lists the files of which the projects are made, from the SDKs beside this crate, as Rust that includes them.
//!
//! What tools leave in an SDK's folder is left out: it is no part of a project, and may be large.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// From where below the workspace, to where in the project, and whether placeholders in it are filled in.
struct Source {
    from: &'static str,
    to: &'static str,
    filled: bool,
}

const fn template(from: &'static str) -> Source {
    Source { from, to: "", filled: true }
}

const fn shared(from: &'static str, to: &'static str) -> Source {
    Source { from, to, filled: false }
}

const WIT: Source = shared("wit/collector.wit", "wit/collector.wit");

/// By the language's name, in the order of their names.
const LANGUAGES: &[(&str, &[Source])] = &[
    ("c", &[template("plugins/sdk/c/template"), shared("plugins/sdk/c/sandbeat", "sandbeat"), WIT]),
    (
        "javascript",
        &[template("plugins/sdk/javascript/template"), shared("plugins/sdk/javascript/sandbeat", "sandbeat"), WIT],
    ),
    ("python", &[template("plugins/sdk/python/template"), shared("plugins/sdk/python/sandbeat", "sandbeat"), WIT]),
    (
        "rust",
        &[
            template("plugins/sdk/rust/template"),
            shared("plugins/sdk/rust/src", "sandbeat-sdk/src"),
            shared("plugins/sdk/rust/vendored.toml", "sandbeat-sdk/Cargo.toml"),
            // Where its bindings are generated from.
            shared("wit/collector.wit", "sandbeat-sdk/wit/collector.wit"),
        ],
    ),
];

/// What builds, tests and editors leave behind.
const LEFT_OUT: &[&str] = &["node_modules", "target", "build", "dist", "venv", "__pycache__"];
const LEFT_OUT_EXTENSIONS: &[&str] = &["wasm", "pyc", "o"];

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let mut code = String::from("&[\n");
    for (language, sources) in LANGUAGES {
        let mut files = Vec::new();
        for source in *sources {
            let from = root.join(source.from);
            println!("cargo::rerun-if-changed={}", from.display());
            add(&from, source.to, source.filled, &mut files)
                .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", from.display())))?;
        }
        files.sort();
        let _ = writeln!(code, "Template {{ language: {language:?}, files: &[{}] }},", files.concat());
    }
    code.push(']');
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    fs::write(out.join("templates.rs"), code)
}

/// A file, or all files of a folder.
fn add(from: &Path, to: &str, filled: bool, files: &mut Vec<String>) -> io::Result<()> {
    let found = fs::symlink_metadata(from)?;
    if found.is_symlink() {
        return Err(io::Error::other("a link, which a project cannot have"));
    }
    if found.is_dir() {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|_| io::Error::other("a name that is not UTF-8"))?;
            if !is_left_out(&name) {
                add(&entry.path(), &join(to, &name), filled, files)?;
            }
        }
        return Ok(());
    }
    let executable = found.permissions().mode() & 0o111 != 0;
    files.push(format!(
        "File {{ path: {to:?}, content: include_bytes!({from:?}), executable: {executable}, filled: {filled} }},\n"
    ));
    Ok(())
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A file that is to be hidden in a project begins with `dot-` here, so that what is hidden here belongs to a tool.
fn is_left_out(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    name.starts_with('.') || LEFT_OUT.contains(&name) || LEFT_OUT_EXTENSIONS.contains(&extension)
}
