//! `sandbeat plugin new`: a project for a collector, from the templates in the binary.
//!
//! A folder that is not there yet appears with all of its files in one step. One that is there has to be empty; it is
//! filled with files that lie ready beside each other, and emptied again where that fails.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sandbeat_status::names::short_name;
use sandbeat_templates::{Made, TEMPLATES, Template, ident};

use super::shown;
use super::words::reserved;
use crate::args::{Language, NewOptions};
use crate::output;

/// What files lie in until all of them are written.
const UNFINISHED: &str = ".sandbeat-new-";

/// How people of a language build and test.
struct Habit {
    language: &'static str,
    /// What is needed once; empty where that is part of the build.
    needs: &'static str,
    build: &'static str,
    test: &'static str,
}

pub(super) fn run(options: &NewOptions) -> anyhow::Result<()> {
    let habit = options.language.habit();
    check_name(&options.name, options.language)?;
    let folder = options.dir.clone().unwrap_or_else(|| PathBuf::from(&options.name));
    let project = template(options.language)?.project(&options.name, env!("CARGO_PKG_VERSION"));
    make(&folder, &project)?;
    output::line(next_steps(&options.name, &folder, &habit))
}

fn template(language: Language) -> anyhow::Result<&'static Template> {
    let word = language.word();
    let found = TEMPLATES.iter().find(|template| template.language == word);
    found.with_context(|| format!("there is no template for {word}; please report this"))
}

/// Whether the agent takes the name for a plugin's, and the language's tools for their own.
fn check_name(name: &str, language: Language) -> anyhow::Result<()> {
    short_name(name).map_err(|reason| anyhow::anyhow!("no collector can be called {name:?}: {reason}"))?;
    // Its metrics are named after it, and its package.
    ensure!(name.starts_with(|c: char| c.is_ascii_alphabetic()), "the name {name:?} has to start with a letter");
    ensure!(!name.ends_with(['-', '_']), "the name {name:?} has to end with a letter or a digit");
    ensure!(!reserved(language).contains(&ident(name).as_str()), "{name} is a word of {}", language.habit().language);
    Ok(())
}

impl Language {
    /// As in `--lang`.
    fn word(self) -> &'static str {
        match self {
            Language::C => "c",
            Language::Javascript => "javascript",
            Language::Python => "python",
            Language::Rust => "rust",
        }
    }

    fn habit(self) -> Habit {
        match self {
            Language::C => Habit { language: "C", needs: "", build: "make", test: "make test" },
            Language::Javascript => {
                Habit { language: "JavaScript", needs: "npm ci", build: "npm run build", test: "npm test" }
            }
            Language::Python => Habit {
                language: "Python",
                needs: "pip install uv",
                build: "uv run build.py",
                test: "uv run -m unittest",
            },
            Language::Rust => Habit { language: "Rust", needs: "", build: "make", test: "make test" },
        }
    }
}

/// What to type next, each line to be copied as it is.
fn next_steps(name: &str, folder: &Path, habit: &Habit) -> String {
    let commands = [
        (format!("cd {}", quoted(folder)), ""),
        (habit.needs.to_owned(), "once"),
        (habit.build.to_owned(), "makes the component"),
        (habit.test.to_owned(), "runs its tests, without an agent"),
        (format!("sandbeat plugin check {name}.wasm"), "would an agent take it?"),
        (format!("mkdir -p /run/{name} && echo 3 > /run/{name}/length"), "what it measures, to begin with"),
        (format!("sandbeat plugin run {name}.wasm --watch"), "what it contributes, again at each change"),
        (format!("cp {name}.toml {name}.wasm PLUGINS/"), "into the agent's plugins directory, sidecar first"),
    ];
    let commands: Vec<(String, &str)> = commands.into_iter().filter(|(command, _)| !command.is_empty()).collect();
    let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    let line = |(command, why): &(String, &str)| match why.is_empty() {
        true => format!("  {command}"),
        false => format!("  {command:<width$}  # {why}"),
    };
    let lines: Vec<String> = commands.iter().map(line).collect();
    let folder = shown(&folder.display().to_string());
    format!("{folder} is a collector in {}; its README.md says more.\n\n{}", habit.language, lines.join("\n"))
}

/// As a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let mut path = path.display().to_string();
    if path.starts_with('-') {
        path.insert_str(0, "./");
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

fn make(folder: &Path, project: &[Made]) -> anyhow::Result<()> {
    let shown = folder.display();
    let wrote = match fs::read_dir(folder) {
        Ok(mut entries) => {
            ensure!(entries.next().is_none(), "{shown} is there and not empty; name another folder with --dir");
            fill_empty(folder, project)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => make_at_once(folder, project),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
            bail!("{shown} is no folder; name another one with --dir")
        }
        Err(e) => Err(e),
    };
    wrote.with_context(|| format!("cannot make the project in {shown}"))
}

fn make_at_once(folder: &Path, project: &[Made]) -> io::Result<()> {
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(above)?;
    let unfinished = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(above)?;
    let ready = unfinished.path().join("project");
    write(&ready, project)?;
    fs::rename(ready, folder)
}

/// Not replaced by another folder, since it may be where somebody's shell is.
/// Moves a file, and nothing over another that came to be there meanwhile.
fn move_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can.
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
        moved => moved.map_err(io::Error::from),
    }
}

fn fill_empty(folder: &Path, project: &[Made]) -> io::Result<()> {
    let unfinished = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(folder)?;
    let ready = unfinished.path().join("project");
    write(&ready, project)?;
    let names: Vec<OsString> = fs::read_dir(&ready)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    for (done, name) in names.iter().enumerate() {
        if let Err(failed) = move_new(&ready.join(name), &folder.join(name)) {
            for name in &names[..done] {
                // Into what is removed.
                let _ = fs::rename(folder.join(name), ready.join(name));
            }
            return Err(failed);
        }
    }
    Ok(())
}

fn write(folder: &Path, project: &[Made]) -> io::Result<()> {
    for made in project {
        let path = folder.join(&made.path);
        DirBuilder::new().recursive(true).create(path.parent().unwrap_or(folder))?;
        let mode = if made.executable { 0o777 } else { 0o666 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
        file.write_all(&made.content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_to_be_good_for_the_agent_and_the_language() {
        for (name, language) in
            [("queue", Language::Rust), ("My-queue_2", Language::C), ("a", Language::Python), ("await", Language::C)]
        {
            assert!(check_name(name, language).is_ok(), "{name}");
        }
        for (name, language, part) in [
            ("", Language::Rust, "empty"),
            ("a b", Language::Rust, "' '"),
            ("../a", Language::Rust, "'.'"),
            ("2queue", Language::Rust, "start with a letter"),
            ("-queue", Language::C, "start with a letter"),
            ("queue_", Language::Python, "end with a letter or a digit"),
            ("struct", Language::Rust, "a word of Rust"),
            ("test", Language::Rust, "a word of Rust"),
            ("Class", Language::Python, "a word of Python"),
            ("class", Language::Javascript, "a word of JavaScript"),
            ("double", Language::C, "a word of C"),
        ] {
            let told = check_name(name, language).unwrap_err().to_string();
            assert!(told.contains(part), "{name}: {told}");
        }
    }

    #[test]
    fn a_folder_is_one_word_for_a_shell() {
        for (folder, word) in [("a/b-c_1.d", "a/b-c_1.d"), ("my dir", "'my dir'"), ("-", "./-"), ("it's", r"'it'\''s'")]
        {
            assert_eq!(quoted(Path::new(folder)), word);
        }
    }

    #[test]
    fn a_project_is_there_as_a_whole_or_not_at_all() {
        let above = tempfile::tempdir().unwrap();
        let made = |path: &str, executable| Made { path: path.into(), content: path.into(), executable };
        let good = [made("a.sh", true), made("b/c/d", false)];
        // The second cannot be written: its folder is a file.
        let bad = [made("a", false), made("a/b", false)];
        for folder in ["new", "deep/er/new", "empty"] {
            let folder = above.path().join(folder);
            if folder.ends_with("empty") {
                fs::create_dir(&folder).unwrap();
            }
            let was_there = folder.exists();
            assert!(make(&folder, &bad).is_err());
            assert_eq!(folder.exists(), was_there);
            assert!(!was_there || fs::read_dir(&folder).unwrap().next().is_none());
            make(&folder, &good).unwrap();
            let mode =
                |path: &str| std::os::unix::fs::MetadataExt::mode(&folder.join(path).metadata().unwrap()) & 0o111;
            assert_eq!((mode("a.sh"), mode("b/c/d")), (0o111, 0));
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
            let told = make(&folder, &good).unwrap_err().to_string();
            assert!(told.contains("not empty"), "{told}");
        }
        assert!(make(&above.path().join("new/a.sh"), &good).unwrap_err().to_string().contains("no folder"));
        assert_eq!(fs::read_dir(above.path()).unwrap().count(), 3, "nothing unfinished is left");
    }
}
