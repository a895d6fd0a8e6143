//! The `[config]` table of the sidecar, as the operator wrote it.

use std::fmt::Display;
use std::str::FromStr;

use crate::{Error, host, json};

/// Longer words than that, in bytes, are near none.
const MAX_WORD: usize = 64;

/// Refuses every key that is not among these, so that nobody takes one that he mistyped for one that holds. Keys of
/// nested tables have dots (`http.timeout`); what is below a key that is named here is for the collector to look at.
///
/// # Errors
/// [`Error::Config`], naming the key, the nearest one and all that there are.
pub fn only(known: &[&str]) -> Result<(), Error> {
    refuse_others(&json(), "", known)
}

/// The error of a key in a table that the collector reads itself, as [`only`] has it: `above` is the table's own key
/// with a dot behind it, and `known` what the table may have.
pub fn unknown(above: &str, name: &str, known: &[&str]) -> Error {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let key = if is_bare { format!("{above}{name}") } else { format!("{above}{name:?}") };
    if known.is_empty() {
        return Error::config(&key, "is an unknown key; this collector has none");
    }
    let of_table: Vec<&str> = known.iter().filter_map(|known| known.strip_prefix(above)).collect();
    let beside = if of_table.is_empty() { known } else { &of_table };
    let beside: Vec<&str> = beside.iter().filter_map(|known| known.split('.').next()).collect();
    let meant = match nearest(name, &beside) {
        Some(near) => format!("did you mean `{above}{near}`? "),
        None => String::new(),
    };
    Error::config(&key, format_args!("is an unknown key; {meant}known here: {}", known.join(", ")))
}

/// The known word that is nearest to a misspelt one, if one is near enough to be meant.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let mut nearest = None;
    let mut least = usize::MAX;
    for other in known {
        let far = distance(word.as_bytes(), other.as_bytes());
        if far < least && far <= word.len().max(other.len()) / 3 + 1 {
            (least, nearest) = (far, Some(*other));
        }
    }
    nearest
}

/// The value under a key, with dots for nested tables (`http.timeout`). A string comes as it is; numbers, booleans,
/// dates, arrays and tables come as JSON. Nothing when the key is absent.
pub fn get(key: &str) -> Option<String> {
    host::config_get(key)
}

/// The value under a key, parsed; nothing when the key is absent.
///
/// # Errors
/// [`Error::Config`], naming the key, when the value cannot be parsed.
pub fn parse<T: FromStr<Err: Display>>(key: &str) -> Result<Option<T>, Error> {
    let Some(text) = get(key) else { return Ok(None) };
    text.parse().map(Some).map_err(|error| Error::config(key, format_args!("is {text:?}: {error}")))
}

/// The string under a key; nothing when the key is absent.
///
/// # Errors
/// [`Error::Config`], naming the key, when the value is anything else.
pub fn string(key: &str) -> Result<Option<String>, Error> {
    typed(key, "a string", json::string)
}

/// The strings under a key, which may be one string or an array of them; nothing when the key is absent.
///
/// # Errors
/// [`Error::Config`], naming the key, when the value is neither.
pub fn strings(key: &str) -> Result<Option<Vec<String>>, Error> {
    let strings = |value: &str| json::string(value).map(|one| vec![one]).or_else(|| json::strings(value));
    typed(key, "a string or an array of strings", strings)
}

/// The whole number under a key; nothing when the key is absent.
///
/// # Errors
/// [`Error::Config`], naming the key, when the value is anything else.
pub fn integer(key: &str) -> Result<Option<i64>, Error> {
    typed(key, "a whole number", |value| value.parse().ok())
}

/// The number under a key; nothing when the key is absent.
///
/// # Errors
/// [`Error::Config`], naming the key, when the value is anything else.
pub fn number(key: &str) -> Result<Option<f64>, Error> {
    typed(key, "a number", |value| value.parse().ok())
}

/// The boolean under a key; nothing when the key is absent.
///
/// # Errors
/// [`Error::Config`], naming the key, when the value is anything else.
pub fn boolean(key: &str) -> Result<Option<bool>, Error> {
    typed(key, "`true` or `false`", |value| value.parse().ok())
}

/// The whole table as one JSON object; `{}` when there is none.
pub fn json() -> String {
    host::config_json()
}

fn typed<T>(key: &str, wanted: &str, of: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Error> {
    let table = json();
    let Some(value) = json::find(&table, key) else { return Ok(None) };
    let wrong = || Error::config(key, format_args!("is {value}; it has to be {wanted}"));
    of(value).map(Some).ok_or_else(wrong)
}

/// Of the table under `above`, which is empty or ends with a dot.
fn refuse_others(table: &str, above: &str, known: &[&str]) -> Result<(), Error> {
    for (name, value) in json::members(table) {
        // One with a dot in it is no path.
        if name.contains('.') {
            return Err(unknown(above, &name, known));
        }
        let key = format!("{above}{name}");
        if known.contains(&key.as_str()) {
            continue;
        }
        let below = format!("{key}.");
        if !known.iter().any(|known| known.starts_with(&below)) {
            return Err(unknown(above, &name, known));
        }
        if !value.starts_with('{') {
            return Err(Error::config(&key, format_args!("is {value}; it has to be a table")));
        }
        refuse_others(value, &below, known)?;
    }
    Ok(())
}

/// How many letters have to be added, left out, changed or swapped with the next one; in bytes.
fn distance(word: &[u8], other: &[u8]) -> usize {
    if word.len().max(other.len()) > MAX_WORD {
        return usize::MAX;
    }
    // Of the words' beginnings; three rows are looked at, so that is how many are kept.
    let mut rows = [[0; MAX_WORD + 1]; 3];
    for (at, first) in rows[0].iter_mut().enumerate() {
        *first = at;
    }
    for i in 1..=word.len() {
        let (row, above, higher) = (i % 3, (i + 2) % 3, (i + 1) % 3);
        rows[row][0] = i;
        for j in 1..=other.len() {
            let changed = rows[above][j - 1] + usize::from(word[i - 1] != other[j - 1]);
            let mut least = changed.min(rows[above][j] + 1).min(rows[row][j - 1] + 1);
            if i > 1 && j > 1 && word[i - 1] == other[j - 2] && word[i - 2] == other[j - 1] {
                least = least.min(rows[higher][j - 2] + 1);
            }
            rows[row][j] = least;
        }
    }
    rows[word.len() % 3][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Sandbox;

    fn refused(sandbox: Sandbox, known: &[&str]) -> String {
        { sandbox }.run(|| only(known)).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_the_one_that_was_meant() {
        let keys = ["interfaces", "exclude", "http.timeout", "http.host", "prices"];
        let sandbox = Sandbox::new()
            .config("interfaces", "eth*")
            .config_json("http.timeout", "5")
            .config_json("prices", r#"{"a.b":{"input":1}}"#);
        assert_eq!(sandbox.clone().run(|| only(&keys)), Ok(()));
        assert_eq!(Sandbox::new().run(|| only(&[])), Ok(()));
        let known = "known here: interfaces, exclude, http.timeout, http.host, prices";
        for (key, told) in [
            ("intefaces", format!("`intefaces` is an unknown key; did you mean `interfaces`? {known}")),
            ("colour", format!("`colour` is an unknown key; {known}")),
            ("http.hots", format!("`http.hots` is an unknown key; did you mean `http.host`? {known}")),
            ("htp.host", format!("`htp` is an unknown key; did you mean `http`? {known}")),
            ("price.a", format!("`price` is an unknown key; did you mean `prices`? {known}")),
        ] {
            assert_eq!(refused(sandbox.clone().config(key, "x"), &keys), told);
        }
        assert_eq!(
            refused(Sandbox::new().config("count", "5"), &[]),
            "`count` is an unknown key; this collector has none"
        );
    }

    #[test]
    fn a_table_is_told_from_a_value_and_a_path_from_a_name_with_a_dot() {
        let told = refused(Sandbox::new().config("http", "h"), &["http.host"]);
        assert_eq!(told, "`http` is \"h\"; it has to be a table");
        let told = refused(Sandbox::new().config_json("http", r#"{"host.name":1}"#), &["http.host"]);
        assert!(told.starts_with("`http.\"host.name\"` is an unknown key"), "{told}");
        let told = refused(Sandbox::new().config_json("http", r#"{"":1}"#), &["http.host"]);
        assert!(told.starts_with("`http.\"\"` is an unknown key"), "{told}");
        let told = refused(Sandbox::new().config_json("http", r#"{"exclude":1}"#), &["exclude", "http.host"]);
        assert_eq!(told, "`http.exclude` is an unknown key; known here: exclude, http.host");
    }

    #[test]
    fn only_a_word_that_is_near_is_meant() {
        let known = ["interval", "timeout", "url"];
        for (word, near) in [
            ("intervall", Some("interval")),
            ("itnerval", Some("interval")),
            ("interva", Some("interval")),
            ("TIMEOUT", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), near, "{word}");
        }
        assert_eq!(nearest(&"interval".repeat(100), &known), None);
        assert_eq!(nearest("a", &[]), None);
    }

    #[test]
    fn a_value_of_another_type_is_named_with_what_is_wanted() {
        let mut sandbox = Sandbox::new()
            .config("text", "5")
            .config_json("whole", "5")
            .config_json("half", "0.5")
            .config_json("flag", "true")
            .config_json("mixed", r#"["a",5]"#);
        sandbox.run(|| {
            assert_eq!((integer("whole"), integer("absent")), (Ok(Some(5)), Ok(None)));
            assert_eq!((number("half"), number("whole")), (Ok(Some(0.5)), Ok(Some(5.0))));
            assert_eq!(boolean("flag"), Ok(Some(true)));
            assert_eq!(strings("text"), Ok(Some(vec!["5".to_owned()])));
            for (told, error) in [
                ("`whole` is 5; it has to be a string", string("whole").unwrap_err()),
                ("`text` is \"5\"; it has to be a whole number", integer("text").unwrap_err()),
                ("`half` is 0.5; it has to be a whole number", integer("half").unwrap_err()),
                ("`flag` is true; it has to be a number", number("flag").unwrap_err()),
                ("`whole` is 5; it has to be `true` or `false`", boolean("whole").unwrap_err()),
                ("`whole` is 5; it has to be a string or an array of strings", strings("whole").unwrap_err()),
                ("`mixed` is [\"a\",5]; it has to be a string or an array of strings", strings("mixed").unwrap_err()),
            ] {
                assert_eq!(error, Error::Config(told.to_owned()));
            }
        });
    }
}
