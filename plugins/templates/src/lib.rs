//! The projects that `sandbeat plugin new` makes, one per language: the template of each SDK and what else of the SDK a
//! project needs. The build script lists the files; here they become those of a project. Pure.
//!
//! In the files of a template, `{{name}}` stands for the collector's name, `{{ident}}` for the same in lower case with
//! `_` for `-`, and `{{version}}` for sandbeat's version. In their names, `NAME` stands for the collector's name and
//! `dot-` at the beginning for a dot. What is shared with the SDK is copied as it is.

/// The project of one language.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// The language's name, as in `--lang`.
    pub language: &'static str,
    files: &'static [File],
}

#[derive(Clone, Copy, Debug)]
struct File {
    path: &'static str,
    content: &'static [u8],
    executable: bool,
    /// Whether it is a template's, with placeholders.
    filled: bool,
}

/// A file of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Relative to the project's folder, with `/` between its parts.
    pub path: String,
    /// All of it.
    pub content: Vec<u8>,
    /// Whether it is a program.
    pub executable: bool,
}

/// One for each language, in the order of their names.
pub const TEMPLATES: &[Template] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The collector's name as most languages take it for one of theirs, and as its metrics begin with.
pub fn ident(name: &str) -> String {
    name.replace('-', "_").to_ascii_lowercase()
}

impl Template {
    /// The files of a project for a collector of this name, in the order of their paths.
    pub fn project(&self, name: &str, version: &str) -> Vec<Made> {
        let made = |file: &File| match file.filled {
            true => Made {
                path: path(file.path, name),
                content: filled(file.content, name, version),
                executable: file.executable,
            },
            false => Made { path: file.path.to_owned(), content: file.content.to_vec(), executable: file.executable },
        };
        let mut project: Vec<Made> = self.files.iter().map(made).collect();
        project.sort_by(|a, b| a.path.cmp(&b.path));
        project
    }
}

fn path(path: &str, name: &str) -> String {
    let part = |part: &str| match part.strip_prefix("dot-") {
        Some(rest) => format!(".{rest}"),
        None => part.replace("NAME", name),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// What is not text has no placeholders.
fn filled(content: &[u8], name: &str, version: &str) -> Vec<u8> {
    match str::from_utf8(content) {
        Ok(text) => text
            .replace("{{name}}", name)
            .replace("{{ident}}", &ident(name))
            .replace("{{version}}", version)
            .into_bytes(),
        Err(_) => content.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_names_are_filled_in() {
        let file = |path, content, filled| File { path, content, executable: false, filled };
        let files: &[File] = Box::leak(Box::new([
            file("src/NAME.py", b"name = \"{{name}}\"; {{ident}}.length {{version}} {{other}}", true),
            file("dot-gitignore", b"\xff{{name}}", true),
            file("sdk/NAME.c", b"{{name}}", false),
        ]));
        let project = Template { language: "x", files }.project("My-queue", "1.2.3");
        let made = |path: &str, content: &[u8]| Made { path: path.into(), content: content.into(), executable: false };
        assert_eq!(
            project,
            [
                made(".gitignore", b"\xff{{name}}"),
                made("sdk/NAME.c", b"{{name}}"),
                made("src/My-queue.py", b"name = \"My-queue\"; my_queue.length 1.2.3 {{other}}"),
            ]
        );
    }

    #[test]
    fn each_language_has_a_small_project_with_its_sidecar_and_the_interface() {
        let languages: Vec<&str> = TEMPLATES.iter().map(|template| template.language).collect();
        assert_eq!(languages, ["c", "javascript", "python", "rust"]);
        for template in TEMPLATES {
            let project = template.project("queue", "0.1.0");
            let has = |path: &str| project.iter().any(|made| made.path == path);
            for path in ["README.md", ".gitignore", "queue.toml"] {
                assert!(has(path), "{}: no {path}", template.language);
            }
            assert!(has("wit/collector.wit") || has("sandbeat-sdk/wit/collector.wit"), "{}", template.language);
            for made in &project {
                let text = String::from_utf8_lossy(&made.content);
                assert!(
                    !text.contains("{{name}}") && !text.contains("{{ident}}"),
                    "{}: {}",
                    template.language,
                    made.path
                );
                assert!(!made.path.contains("NAME") && !made.path.contains("dot-"), "{}", made.path);
            }
            let bytes: usize = project.iter().map(|made| made.content.len()).sum();
            assert!(bytes < 1_000_000, "{}: {bytes} bytes", template.language);
            let mut paths: Vec<&str> = project.iter().map(|made| made.path.as_str()).collect();
            paths.dedup();
            assert_eq!(paths.len(), project.len(), "{}: one file twice", template.language);
        }
    }
}
