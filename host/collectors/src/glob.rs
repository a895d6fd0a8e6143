//! Globs over absolute paths: which ones a pattern matches, and where a search for them may lead.
//!
//! `*`, `?`, `[…]` and `{…}` stay within one path component, `**` spans several. A pattern is matched against the
//! path that was asked for and, by `files`, again against the file that was really opened.
//!
//! A path is matched component by component, so that most of a pattern is compared as text. What is wild in a component
//! is the library's regular expression, run by the engine that keeps nothing between calls: those that are faster keep a
//! table for each pattern and each thread, which a hundred patterns would make megabytes of.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use regex_automata::nfa::thompson;
use regex_automata::nfa::thompson::backtrack::BoundedBacktracker;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use sandbeat_status::names;

/// The longest name of a file, in bytes (`NAME_MAX`).
const MAX_NAME: usize = 255;
/// The longest path that the kernel takes or tells, in bytes (`PATH_MAX`, without the NUL that it counts).
const MAX_PATH: usize = 4095;
/// So much of a bad path is shown, in bytes.
const MAX_SHOWN: usize = 200;
/// The most memory for what is wild in one component, in bytes.
const MAX_COMPONENT: usize = 256 << 10;

/// One granted glob.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: String,
    components: Vec<Component>,
}

#[derive(Clone, Debug)]
enum Component {
    Literal(String),
    /// `*`
    One,
    Wild(BoundedBacktracker),
    /// `**`: none, or several.
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
            return Err(not_plain(text));
        };
        let component = |part: &str| match part {
            "**" => Ok(Component::Any),
            "*" => Ok(Component::One),
            _ if is_wild(part) => wild(part).map(Component::Wild),
            _ => Ok(Component::Literal(part.to_owned())),
        };
        let mut components = parts
            .into_iter()
            .map(component)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| format!("`{text}` is not a glob: {why}"))?;
        // At the end it is what lies below, and not the folder itself.
        if let Some(Component::Any) = components.last() {
            components.insert(components.len() - 1, Component::One);
        }
        Ok(Pattern { text: text.to_owned(), components })
    }

    /// The text as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The path itself, when there is nothing wild in it.
    pub(crate) fn literal(&self) -> Option<&str> {
        self.components.iter().all(|part| matches!(part, Component::Literal(_))).then_some(&self.text)
    }

    /// Whether a path in plain form is matched.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let Some(parts) = components(path) else { return false };
        let (mut at, mut part) = (0, 0);
        // Behind the last `**`, and from which part on that was tried. What comes before it need not be tried again.
        let mut again = None;
        while let Some(name) = parts.get(part) {
            match self.components.get(at) {
                Some(Component::Any) => {
                    at += 1;
                    again = Some((at, part));
                }
                Some(component) if component.is(name) => {
                    at += 1;
                    part += 1;
                }
                _ => {
                    let Some((behind, tried)) = again.as_mut() else { return false };
                    *tried += 1;
                    (at, part) = (*behind, *tried);
                }
            }
        }
        self.components[at..].iter().all(|rest| matches!(rest, Component::Any))
    }

    /// Whether a folder can hold, at some depth, something that matches.
    pub(crate) fn may_lead_below(&self, folder: &[&str]) -> bool {
        for (at, part) in folder.iter().enumerate() {
            match self.components.get(at) {
                Some(Component::Any) => return true,
                Some(component) if component.is(part) => {}
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

impl Component {
    /// Whether it is this name.
    fn is(&self, name: &str) -> bool {
        match self {
            Component::Literal(literal) => literal == name,
            Component::One | Component::Any => true,
            // A longer name is no file's, and would not fit into what the engine may use.
            Component::Wild(wild) => {
                let whole = Input::new(name).anchored(Anchored::Yes);
                name.len() <= MAX_NAME && wild.try_is_match(&mut wild.create_cache(), whole).unwrap_or(false)
            }
        }
    }
}

impl Globs {
    /// The set, and for each text that is no glob its index and why.
    pub(crate) fn new(texts: &[String]) -> (Self, Vec<(usize, String)>) {
        let mut wrong = Vec::new();
        let mut set = GlobSetBuilder::new();
        for (at, text) in texts.iter().enumerate() {
            match glob(text) {
                Ok(glob) => {
                    set.add(glob);
                }
                Err(why) => wrong.push((at, format!("`{text}` is not a glob: {why}"))),
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

/// The components of an absolute path in plain form: no `.`, no `..`, no empty part, no NUL, and no longer than a path
/// can be. `/` has none.
pub(crate) fn components(path: &str) -> Option<Vec<&str>> {
    let rest = path.strip_prefix('/').filter(|_| path.len() <= MAX_PATH)?;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let parts: Vec<&str> = rest.split('/').collect();
    let plain = |part: &&str| !part.is_empty() && *part != "." && *part != ".." && !part.contains('\0');
    parts.iter().all(plain).then_some(parts)
}

/// What is wrong with a path that has no [`components`], for the person who wrote it.
pub(crate) fn not_plain(path: &str) -> String {
    let shown = names::shown(path, MAX_SHOWN);
    match path.len() {
        0..=MAX_PATH => format!("`{shown}` is not an absolute path without `.` and `..`; write it out from `/`"),
        bytes => format!("`{shown}` has {bytes} bytes; no path has more than {MAX_PATH}"),
    }
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

fn glob(text: &str) -> Result<Glob, String> {
    builder(text).build().map_err(|e| e.kind().to_string())
}

/// What is wild in one component. The library says how its regular expressions are to be taken: of bytes, where `.` is
/// also a line's end.
fn wild(part: &str) -> Result<BoundedBacktracker, String> {
    const TOO_LARGE: &str = "a part between two slashes is too large; write several globs";
    let engine = BoundedBacktracker::builder()
        .syntax(syntax::Config::new().utf8(false).dot_matches_new_line(true))
        .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MAX_COMPONENT)))
        .build(glob(part)?.regex())
        .map_err(|_| TOO_LARGE.to_owned())?;
    if engine.max_haystack_len() < MAX_NAME { Err(TOO_LARGE.to_owned()) } else { Ok(engine) }
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
    fn component_by_component_is_what_the_library_matches_as_a_whole() {
        let wild = ["a", "*", "a*", "?", "[ab]", "[!a]", "{a,ab}", "{a,b}*", "\\a", "*\\*", "a**", "**"];
        let texts = paths(&wild, 3);
        let names = paths(&["a", "ab", "*", "\n"], 4);
        let mut matched = 0;
        for text in &texts {
            let (ours, theirs) = (pattern(text), glob(text).unwrap().compile_matcher());
            for name in &names {
                assert_eq!(ours.matches(name), theirs.is_match(name), "{text:?} of {name:?}");
                matched += usize::from(ours.matches(name));
            }
        }
        assert!(matched > 10_000 && matched < texts.len() * names.len() / 2, "{matched}");
    }

    /// All paths of up to so many of these parts, but not `/`.
    fn paths(parts: &[&str], most: usize) -> Vec<String> {
        let mut longest = vec![String::new()];
        let mut all = Vec::new();
        for _ in 0..most {
            let next = |path: &String| parts.iter().map(|part| format!("{path}/{part}")).collect::<Vec<_>>();
            longest = longest.iter().flat_map(next).collect();
            all.extend_from_slice(&longest);
        }
        all
    }

    #[test]
    fn what_is_no_name_of_a_file_is_not_matched() {
        assert!(pattern("/a/x*").matches(&format!("/a/x{}", "y".repeat(MAX_NAME - 1))));
        assert!(!pattern("/a/x*").matches(&format!("/a/x{}", "y".repeat(MAX_NAME))));
        for path in ["/a/../x", "/a//x", "/a/x/", "a/x"] {
            assert!(!pattern("/**").matches(path), "{path}");
        }
    }

    #[test]
    fn a_component_is_bounded() {
        let several = format!("/{{{}}}", vec!["abcdefgh*"; 50].join(","));
        assert!(pattern(&several).matches("/abcdefghi"));
        let why = Pattern::new(&format!("/{}", "*".repeat(4_000))).unwrap_err();
        let is_told = why.ends_with("is not a glob: a part between two slashes is too large; write several globs");
        assert!(is_told, "{}", &why[4_000..]);
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
        // A collector may ask for any: what it asks for must not take more memory than the path.
        let (longest, longer) = ("/a".repeat(2047) + "b", "/a".repeat(2048));
        assert_eq!(components(&longest).map(|parts| parts.len()), Some(2047));
        assert_eq!(components(&longer), None);
        let told = Pattern::new(&longer).unwrap_err();
        assert!(told.len() < 300 && told.ends_with("has 4096 bytes; no path has more than 4095"), "{told}");
        assert!(Pattern::new("/a/[").unwrap_err().contains("not a glob"));
    }
}
