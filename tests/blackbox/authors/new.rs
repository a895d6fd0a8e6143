//! `sandbeat plugin new`: a whole project in each language, or nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::Sandbox;

/// The exit code, standard output and standard error.
fn new(sandbox: &Sandbox, arguments: &[&str]) -> (i32, String, String) {
    let ended = sandbox.start(&[&["plugin", "new"], arguments].concat()).ended();
    (ended.status.code().unwrap(), ended.stdout, ended.stderr)
}

#[test]
fn each_language_has_a_project_with_all_that_it_needs() {
    let sandbox = Sandbox::new();
    let languages = ["c", "javascript", "python", "rust"];
    for language in languages {
        let folder = format!("projects/{language}");
        let (code, stdout, stderr) = new(&sandbox, &["my-queue", "--lang", language, "--dir", &folder]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        for part in [&format!("cd {folder}"), "plugin check my-queue.wasm", "--watch", "my-queue.toml my-queue.wasm"] {
            assert!(stdout.contains(part), "{part} in\n{stdout}");
        }
        let project = sandbox.path(&folder);
        for file in ["README.md", ".gitignore", "my-queue.toml"] {
            assert!(project.join(file).is_file(), "{language}: no {file}");
        }
        assert!(["", "sandbeat-sdk"].iter().any(|folder| project.join(folder).join("wit/collector.wit").is_file()));
        let sidecar = std::fs::read_to_string(project.join("my-queue.toml")).unwrap();
        assert!(sidecar.contains("/run/my-queue/length"), "{language}: {sidecar}");
        assert_eq!(mode(&project) & 0o700, 0o700);
    }
    let made = std::fs::read_dir(sandbox.path("projects")).unwrap().count();
    assert_eq!(made, languages.len(), "nothing else is left");
}

#[test]
fn the_name_is_the_usual_folder_and_what_is_there_is_left_as_it_is() {
    let sandbox = Sandbox::new();
    let make = |arguments: &[&str]| new(&sandbox, &[&["queue"], arguments].concat());
    let (code, stdout, _) = make(&[]);
    assert!(code == 0 && stdout.starts_with("queue is a collector in Rust"), "{stdout}");
    std::fs::write(sandbox.path("queue/README.md"), "mine").unwrap();
    let (code, _, stderr) = make(&[]);
    assert!(code == 1 && stderr.contains("queue is there and not empty"), "{stderr}");
    assert_eq!(std::fs::read_to_string(sandbox.path("queue/README.md")).unwrap(), "mine");
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    assert_eq!(make(&["--dir", "empty"]).0, 0);
    assert!(sandbox.path("empty/README.md").is_file());
}

#[test]
fn a_name_that_cannot_be_is_refused_before_anything_is_written() {
    let sandbox = Sandbox::new();
    for (arguments, part) in [
        (vec!["../queue"], "contains '.'"),
        (vec!["7up"], "start with a letter"),
        (vec!["queue-"], "end with a letter or a digit"),
        (vec!["fn"], "a word of Rust"),
        (vec!["Class", "--lang", "javascript"], "a word of JavaScript"),
        (vec!["class", "--lang", "python"], "a word of Python"),
    ] {
        let (code, _, stderr) = new(&sandbox, &arguments);
        assert!(code == 1 && stderr.contains(part), "{arguments:?}: {stderr}");
    }
    assert_eq!(new(&sandbox, &["queue", "--lang", "cobol"]).0, 2);
    let entries = std::fs::read_dir(sandbox.path("")).unwrap().count();
    assert_eq!(entries, 1, "nothing but the plugins directory");
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode()
}
