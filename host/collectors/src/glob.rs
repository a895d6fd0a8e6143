//! Globs over absolute paths: which ones a pattern matches, and where a search for them may lead.
//!
//! `*`, `?`, `[…]` and `{…}` stay within one path component, `**` spans several. A pattern is matched against the
//! path that was asked for and, by `files`, again against the file that was really opened.

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

/// One granted glob.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: String,
    whole: GlobMatcher,
    components: Vec<Component>,
}

#[derive(Clone, Debug)]
enum Component {
    Literal(String),
    Wild(GlobMatcher),
    /// `**`
    Any,
}

/// A set of globs that bounds what others may name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Globs(GlobSet);

impl Pattern {
    /// # Errors
    /// What is wrong with the text, for the person who wrote it.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let Some(parts) = components(text) else {
            return Err(format!("`{text}` is not an absolute path without `.` and `..`; write it out from `/`"));
        };
        let component = |part: &str| match part {
            "**" => Ok(Component::Any),
            _ if is_wild(part) => glob(part).map(Component::Wild),
            _ => Ok(Component::Literal(part.to_owned())),
        };
        let components = parts.into_iter().map(component).collect::<Result<_, _>>()?;
        Ok(Pattern { text: text.to_owned(), whole: glob(text)?, components })
    }

    /// The text as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The path itself, when there is nothing wild in it.
    pub(crate) fn literal(&self) -> Option<&str> {
        self.components.iter().all(|part| matches!(part, Component::Literal(_))).then_some(&self.text)
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        self.whole.is_match(path)
    }

    /// Whether a folder can hold, at some depth, something that matches.
    pub(crate) fn may_lead_below(&self, folder: &[&str]) -> bool {
        for (at, part) in folder.iter().enumerate() {
            match self.components.get(at) {
                Some(Component::Any) => return true,
                Some(Component::Literal(name)) if name == part => {}
                Some(Component::Wild(glob)) if glob.is_match(part) => {}
                _ => return false,
            }
        }
        self.components.len() > folder.len()
    }

    /// How many leading components of a path the operator wrote out as they are, the last one of the pattern not
    /// counted: links on the way there are the operator's own choice.
    pub(crate) fn trusted(&self) -> usize {
        let literal = self.components.iter().take_while(|part| matches!(part, Component::Literal(_))).count();
        literal.min(self.components.len().saturating_sub(1))
    }
}

impl Globs {
    /// The set, and for each text that is no glob its index and why.
    pub(crate) fn new(texts: &[String]) -> (Self, Vec<(usize, String)>) {
        let mut wrong = Vec::new();
        let mut set = GlobSetBuilder::new();
        for (at, text) in texts.iter().enumerate() {
            match builder(text).build() {
                Ok(glob) => {
                    set.add(glob);
                }
                Err(e) => wrong.push((at, format!("`{text}` is not a glob: {}", e.kind()))),
            }
        }
        let set = set.build().unwrap_or_else(|e| {
            wrong.push((0, format!("the globs are too large together: {}", e.kind())));
            GlobSet::empty()
        });
        (Globs(set), wrong)
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// The components of an absolute path in plain form: no `.`, no `..`, no empty part, no NUL. `/` has none.
pub(crate) fn components(path: &str) -> Option<Vec<&str>> {
    let rest = path.strip_prefix('/')?;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let parts: Vec<&str> = rest.split('/').collect();
    let plain = |part: &&str| !part.is_empty() && *part != "." && *part != ".." && !part.contains('\0');
    parts.iter().all(plain).then_some(parts)
}

/// Whether a text is more than the plain name that it looks like.
pub(crate) fn is_wild(part: &str) -> bool {
    part.contains(['*', '?', '[', ']', '{', '}', '\\', '!'])
}

fn builder(text: &str) -> GlobBuilder<'_> {
    let mut builder = GlobBuilder::new(text);
    builder.literal_separator(true).backslash_escape(true);
    builder
}

fn glob(text: &str) -> Result<GlobMatcher, String> {
    builder(text)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|e| format!("`{text}` is not a glob: {}", e.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn a_star_stays_within_its_component() {
        assert!(pattern("/proc/pressure/*").matches("/proc/pressure/cpu"));
        assert!(!pattern("/proc/*").matches("/proc/1/environ"));
        assert!(pattern("/var/log/**").matches("/var/log/a/b.log"));
        assert!(pattern("/proc/*/stat").matches("/proc/17/stat"));
        assert!(!pattern("/proc/*/stat").matches("/proc/17/environ"));
    }

    #[test]
    fn a_pattern_knows_where_it_may_lead() {
        let logs = pattern("/var/log/**/*.log");
        for (folder, leads) in [
            ("/", true),
            ("/var", true),
            ("/var/log", true),
            ("/var/log/a/b", true),
            ("/etc", false),
            ("/var/lib", false),
        ] {
            assert_eq!(logs.may_lead_below(&components(folder).unwrap()), leads, "{folder}");
        }
        assert!(!pattern("/proc/stat").may_lead_below(&["proc", "stat"]));
        assert!(pattern("/proc/*/stat").may_lead_below(&["proc", "12"]));
    }

    #[test]
    fn what_the_operator_wrote_out_is_trusted_up_to_the_last_part() {
        assert_eq!(pattern("/proc/net/dev").trusted(), 2);
        assert_eq!(pattern("/proc/pressure/*").trusted(), 2);
        assert_eq!(pattern("/proc/*/stat").trusted(), 1);
        assert_eq!(pattern("/data").trusted(), 0);
    }

    #[test]
    fn only_plain_absolute_paths_count() {
        for path in ["", "a", "/a/../b", "/./a", "//a", "/a/", "/a\0"] {
            assert_eq!(components(path), None, "{path:?}");
        }
        assert_eq!(components("/"), Some(vec![]));
        assert!(Pattern::new("/a/[").unwrap_err().contains("not a glob"));
    }
}
