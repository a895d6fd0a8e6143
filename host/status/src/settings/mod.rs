//! How a person writes settings, and how they are told what is wrong with them.
//!
//! [`Settings`] is a TOML table that remembers where each value stands, so that others can be laid over it (the
//! environment) and [`Settings::read`] can turn it into a typed value while naming *every* problem, with its key,
//! its place and the nearest known key, not only the first one. serde stops at its first error; what it complained
//! about is therefore noted, taken out, and the rest is read again.

mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

pub use self::values::{
    duration, duration_or_zero, optional_duration, optional_size, parse_duration, parse_size, size,
};

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key with dots, such as `report.interval`; empty when the text as a whole is meant.
    pub key: String,
    /// Where the value was written.
    pub place: Place,
    /// What is wrong, and the cure.
    pub message: String,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the text, on this line, counted from 1.
    Line(usize),
    /// Laid over it, under this name (an environment variable or a flag).
    Named(String),
    /// Nowhere: it is missing.
    Nowhere,
}

impl Problem {
    /// A problem with a key that stands nowhere in particular.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Problem { key: key.into(), place: Place::Nowhere, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Line(line) => write!(f, "line {line}: ")?,
            Place::Named(name) => write!(f, "{name}: ")?,
            Place::Nowhere => {}
        }
        match self.key.as_str() {
            "" => f.write_str(&self.message),
            key => write!(f, "{key}: {}", self.message),
        }
    }
}

/// A TOML table whose values know where they were written.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    table: Table,
    places: BTreeMap<String, Place>,
}

impl Settings {
    /// Reads a TOML text.
    ///
    /// # Errors
    /// The text is not TOML; the problem carries the line.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let problem = |e: toml::de::Error| Problem {
            key: String::new(),
            place: Place::Line(e.span().map_or(1, |span| line(text, &span))),
            message: e.message().to_owned(),
        };
        let mut places = BTreeMap::new();
        note_places(text, "", DeTable::parse(text).map_err(problem)?.get_ref(), &mut places);
        Ok(Settings { table: text.parse().map_err(problem)?, places })
    }

    /// Lays a value over what is there, under a path of keys. `name` is what its writer knows it by. The text is
    /// taken as TOML (`true`, `[1, 2]`, `8080`) where it is a boolean, a number or an array, else as a string.
    pub fn overlay(&mut self, path: &[&str], text: &str, name: &str) {
        let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
        let value = match parsed {
            Some(value @ (Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::Array(_))) => value,
            _ => Value::String(text.to_owned()),
        };
        let Some((last, parents)) = path.split_last() else { return };
        let mut table = &mut self.table;
        for (depth, key) in parents.iter().enumerate() {
            self.places.entry(path[..=depth].join(".")).or_insert_with(|| Place::Named(name.to_owned()));
            let entry = table.entry(*key).or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                *entry = Value::Table(Table::new());
            }
            let Value::Table(inner) = entry else { return };
            table = inner;
        }
        table.insert((*last).to_owned(), value);
        self.places.insert(path.join("."), Place::Named(name.to_owned()));
    }

    /// Drops the value under a key, as if it had never been written.
    pub fn forget(&mut self, key: &str) {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        if find(&mut self.table, &path).is_some() {
            remove(&mut self.table, &path);
            self.places.remove(key);
        }
    }

    /// Where the value under a key was written, or the nearest table around it.
    pub fn place(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
                return place.clone();
            }
            match key.rfind('.') {
                Some(dot) => key = &key[..dot],
                None => return Place::Nowhere,
            }
        }
    }

    /// The top-level keys whose values differ between these settings and others, in order.
    pub fn differing(&self, other: &Settings) -> Vec<String> {
        let keys: BTreeSet<&String> = self.table.keys().chain(other.table.keys()).collect();
        keys.into_iter().filter(|key| self.table.get(*key) != other.table.get(*key)).cloned().collect()
    }

    /// A problem with the value under a key.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        Problem { key: key.to_owned(), place: self.place(key), message: message.into() }
    }

    /// Turns the whole into a typed value. The value is there whenever what is left without the wrong entries can
    /// be read, so that further checks can add to the problems; use it only when there are none.
    pub fn read<T: DeserializeOwned>(&self) -> (Option<T>, Vec<Problem>) {
        let mut table = self.table.clone();
        let mut problems = Vec::new();
        // Each round takes one entry out of a finite table; the bound is for a message that names none.
        for _ in 0..1000 {
            let error = match serde_path_to_error::deserialize::<_, T>(Value::Table(table.clone())) {
                Ok(value) => return (Some(value), in_order(problems)),
                Err(error) => error,
            };
            let path: Vec<String> = error.path().iter().map(segment).collect();
            if self.as_string(&path, &mut table) {
                continue;
            }
            let message = wanted(error.inner().message());
            let (path, message) = unknown_key(&path, &message).unwrap_or((path, message));
            problems.push(self.problem(&path.join("."), message));
            if !remove(&mut table, &path) {
                break;
            }
        }
        (None, in_order(problems))
    }

    /// An overlaid `8080` may have been meant as the string; the first complaint turns it into one.
    fn as_string(&self, path: &[String], table: &mut Table) -> bool {
        let Some(Place::Named(_)) = self.places.get(&path.join(".")) else { return false };
        match find(table, path) {
            Some(value @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_))) => {
                *value = Value::String(value.to_string());
                true
            }
            _ => false,
        }
    }
}

/// The known word nearest to a misspelt one, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(word.len()) / 3 + 1)
        .min()
        .map(|(_, candidate)| candidate)
}

/// serde's message about an unknown field, as one about its key: the path to it, and the nearest known one.
fn unknown_key(path: &[String], message: &str) -> Option<(Vec<String>, String)> {
    let quoted = message.strip_prefix("unknown field `")?;
    let (key, rest) = quoted.split_once('`')?;
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let mut path = path.to_vec();
    if path.last().map(String::as_str) != Some(key) {
        path.push(key.to_owned());
    }
    let message = match nearest(key, known.iter().copied()) {
        Some(nearest) => format!("unknown key; did you mean `{nearest}`?"),
        None if known.is_empty() => "unknown key; none is known here".to_owned(),
        None => format!("unknown key; known here: {}", known.join(", ")),
    };
    Some((path, message))
}

/// serde's message about a value of another type, with how to write the right one.
fn wanted(message: &str) -> String {
    let Some((found, wanted)) = message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    else {
        return message.to_owned();
    };
    let cure = match wanted {
        "a string" => "write a text in quotes",
        "a sequence" => "write an array, such as `[22, 2222]` or `[\"python3\", \"app.py\"]`",
        "a boolean" => "write `true` or `false`",
        "a map" => "write a table",
        "u16" | "u32" | "u64" | "usize" => "write a whole number",
        other => return format!("is {found}; {other} is wanted"),
    };
    format!("is {found}; {cure}")
}

fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems
}

fn segment(segment: &serde_path_to_error::Segment) -> String {
    match segment {
        serde_path_to_error::Segment::Seq { index } => index.to_string(),
        other => other.to_string(),
    }
}

fn find<'a>(table: &'a mut Table, path: &[String]) -> Option<&'a mut Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get_mut(first)?, |value, key| match value {
        Value::Table(table) => table.get_mut(key),
        Value::Array(array) => array.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Takes an entry out. One inside an array takes the whole array with it, so that indices stay true.
fn remove(table: &mut Table, path: &[String]) -> bool {
    for depth in (1..=path.len()).rev() {
        let (parents, last) = (&path[..depth - 1], &path[depth - 1]);
        let parent = match parents {
            [] => Some(&mut *table),
            _ => find(table, parents).and_then(Value::as_table_mut),
        };
        if parent.is_some_and(|parent| parent.remove(last).is_some()) {
            return true;
        }
    }
    false
}

fn note_places(text: &str, prefix: &str, table: &DeTable<'_>, places: &mut BTreeMap<String, Place>) {
    for (key, value) in table.iter() {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        places.insert(path.clone(), Place::Line(line(text, &key.span())));
        note_value(text, &path, value, places);
    }
}

fn note_value(text: &str, path: &str, value: &Spanned<DeValue<'_>>, places: &mut BTreeMap<String, Place>) {
    match value.get_ref() {
        DeValue::Table(table) => note_places(text, path, table, places),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}.{index}");
                places.insert(path.clone(), Place::Line(line(text, &item.span())));
                note_value(text, &path, item, places);
            }
        }
        _ => {}
    }
}

fn line(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().get(..span.start).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(default)]
        report: Inner,
        #[serde(default)]
        processes: BTreeMap<String, Process>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        #[serde(deserialize_with = "optional_duration")]
        interval: Option<Duration>,
        server_url: Option<String>,
        ports: Vec<u16>,
        #[serde(deserialize_with = "size")]
        limit: u64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Process {
        command: Vec<String>,
    }

    fn problems(text: &str) -> Vec<String> {
        let (_, problems) = Settings::parse(text).unwrap().read::<Outer>();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_problem_is_named_with_its_line_and_cure() {
        let text = "[report]\nintervall = \"3s\"\ninterval = \"soon\"\nports = [22, -1]\nlimit = \"32 bananas\"\n\
                    [proceses.web]\ncommand = []\n[processes.db]\n";
        let found = problems(text);
        assert_eq!(found.len(), 6, "{found:#?}");
        for part in [
            "line 2: report.intervall: unknown key; did you mean `interval`?",
            "line 3: report.interval: `soon` is not a duration",
            "line 4: report.ports.1: ",
            "line 5: report.limit: `32 bananas` is not a size",
            "line 6: proceses: unknown key; did you mean `processes`?",
            "line 8: processes.db: missing field `command`",
        ] {
            assert!(found.iter().any(|problem| problem.starts_with(part)), "{part}: {found:#?}");
        }
    }

    #[test]
    fn text_that_is_not_toml_is_one_problem_with_its_line() {
        let problem = Settings::parse("[report]\ninterval = \n").unwrap_err();
        assert_eq!(problem.place, Place::Line(2), "{problem}");
    }

    #[test]
    fn what_is_laid_over_wins_and_is_named() {
        let mut settings = Settings::parse("[report]\ninterval = \"3s\"").unwrap();
        settings.overlay(&["report", "interval"], "5s", "AGENT_REPORT_INTERVAL");
        settings.overlay(&["report", "server_url"], "123", "AGENT_SERVER_URL");
        settings.overlay(&["report", "ports"], "[22, 2222]", "SANDBEAT_REPORT__PORTS");
        let (read, problems) = settings.read::<Outer>();
        assert_eq!(problems, []);
        let report = read.unwrap().report;
        assert_eq!(report.interval, Some(Duration::from_secs(5)));
        assert_eq!(report.server_url.as_deref(), Some("123"));
        assert_eq!(report.ports, [22, 2222]);

        settings.overlay(&["report", "interval"], "never", "AGENT_REPORT_INTERVAL");
        let (_, problems) = settings.read::<Outer>();
        assert!(problems[0].to_string().starts_with("AGENT_REPORT_INTERVAL: report.interval: `never`"), "{problems:?}");
    }

    #[test]
    fn a_value_of_another_type_is_told_how_to_write_it() {
        let found = problems("[report]\ninterval = 5\nports = 22\nlimit = 64\nserver_url = 7\n");
        let parts = [
            "line 2: report.interval: is the number 5; write a text in quotes, such as `\"5s\"`",
            "line 3: report.ports: is integer `22`; write an array",
            "line 4: report.limit: is the number 64; write a text in quotes, such as `\"64\"`",
            "line 5: report.server_url: is integer `7`; write a text in quotes",
        ];
        assert!(found.iter().zip(parts).all(|(problem, part)| problem.starts_with(part)), "{found:#?}");
        assert!(problems("[report]\ninterval = true\n")[0].ends_with("is boolean `true`; write a text in quotes"));
        assert!(problems("[report]\ninterval = \"1d\"\n")[0].contains("`24h`, with the units h, m, s and ms"));
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        assert_eq!(nearest("intervall", ["interval", "timeout"]), Some("interval"));
        assert_eq!(nearest("colour", ["interval", "timeout"]), None);
    }
}
