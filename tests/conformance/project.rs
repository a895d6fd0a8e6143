//! Projects: made once for each language and run of the tests, by the commands that their READMEs name.
//!
//! They lie in the target folder, since what their builds fetch is too large for a temporary one. A command that fails
//! ends the tests of its language with what it said.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::suite::{self, NAME};

/// A language that `plugin new` knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Language {
    name: &'static str,
    /// Each a command with its arguments, until the component is there.
    build: &'static [&'static str],
    /// And those of its own tests.
    test: &'static [&'static str],
}

/// A built project.
#[derive(Debug)]
pub(crate) struct Project {
    folder: PathBuf,
    /// The component.
    pub(crate) wasm: Vec<u8>,
    /// The sidecar that came with it.
    pub(crate) sidecar: String,
}

const LANGUAGES: [Language; 4] = [
    Language { name: "c", build: &["make"], test: &["make test"] },
    Language {
        name: "javascript",
        build: &["npm ci --ignore-scripts --no-audit --no-fund", "npm run build"],
        test: &["npm test", "npm run check"],
    },
    Language {
        name: "python",
        build: &["uv run build.py"],
        test: &["uv run -m unittest", "uv run --with mypy==2.4.1 mypy"],
    },
    Language { name: "rust", build: &["make"], test: &["make test"] },
];

/// In the order of the table.
static PROJECTS: [OnceLock<Project>; LANGUAGES.len()] = [const { OnceLock::new() }; LANGUAGES.len()];

impl Language {
    pub(crate) fn named(name: &str) -> Language {
        LANGUAGES[place(name)]
    }

    /// The one after this, in a circle.
    pub(crate) fn other(self) -> Language {
        LANGUAGES[(place(self.name) + 1) % LANGUAGES.len()]
    }

    /// Its project, which is made by the first to ask.
    pub(crate) fn project(self) -> &'static Project {
        PROJECTS[place(self.name)].get_or_init(|| self.make())
    }

    fn make(self) -> Project {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("projects").join(self.name);
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("what an earlier run made can be removed");
        }
        let target = folder.to_str().expect("the target folder has a readable name");
        let parent = folder.parent().expect("a folder");
        fs::create_dir_all(parent).expect("a folder");
        let binary = env!("CARGO_BIN_EXE_sandbeat");
        run(parent, [binary, "plugin", "new", NAME, "--lang", self.name, "--dir", target]);
        for command in self.build {
            run(&folder, command.split(' '));
        }
        let wasm = fs::read(folder.join(NAME).with_extension("wasm")).expect("the build makes the component");
        let sidecar = fs::read_to_string(folder.join(NAME).with_extension("toml")).expect("a project has a sidecar");
        suite::compile(&wasm);
        Project { folder, wasm, sidecar }
    }

    /// Runs the project's own tests.
    pub(crate) fn test(self) {
        let folder = &self.project().folder;
        for command in self.test {
            run(folder, command.split(' '));
        }
    }
}

fn place(name: &str) -> usize {
    LANGUAGES.iter().position(|language| language.name == name).expect("a language of the table")
}

/// Runs a command as a person would: without what cargo has set for the tests.
#[track_caller]
fn run<S: AsRef<OsStr>>(folder: &Path, words: impl IntoIterator<Item = S>) {
    let words: Vec<S> = words.into_iter().collect();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(folder).env("SANDBEAT", env!("CARGO_BIN_EXE_sandbeat"));
    let is_cargo_s = |name: &str| name.starts_with("CARGO") && name != "CARGO_HOME" || name.starts_with("RUST");
    for (name, _) in std::env::vars().filter(|(name, _)| is_cargo_s(name) && !name.starts_with("RUSTUP")) {
        command.env_remove(name);
    }
    let what: Vec<_> = words.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    let what = what.join(" ");
    let ended = command.output().unwrap_or_else(|e| panic!("`{what}` cannot be started: {e}; it has to be installed"));
    assert!(
        ended.status.success(),
        "`{what}` in {} ended with {}:\n{}{}",
        folder.display(),
        ended.status,
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
}
