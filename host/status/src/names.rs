//! Which names and texts are accepted from outside.
//!
//! Every function returns the reason, in words for the person who chose the name, when one is not acceptable. The
//! rules for metrics are those of OpenTelemetry's naming guidelines, narrowed so that a name survives every backend.

/// The longest metric name, metadata key and attribute key, in bytes.
pub const MAX_NAME: usize = 128;
/// The longest unit, in bytes.
pub const MAX_UNIT: usize = 32;
/// The longest attribute value, in bytes.
pub const MAX_ATTRIBUTE_VALUE: usize = 256;
/// The longest metadata value, in bytes.
pub const MAX_METADATA_VALUE: usize = 1024;
/// The longest sandbox id, in bytes.
pub const MAX_SANDBOX_ID: usize = 128;

/// A metric's name, a metadata key or an attribute's key: a letter, then letters, digits, `_` and `.`, not ending in
/// `.`; at most [`MAX_NAME`] bytes. OpenTelemetry writes them in lower case; what comes from elsewhere (Prometheus) may
/// have capitals.
pub fn metric_name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if name.is_empty() {
        Err("the name is empty".into())
    } else if name.len() > MAX_NAME {
        Err(format!("the name has {} bytes; {MAX_NAME} are the most", name.len()))
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Err("the name does not start with a letter".into())
    } else if let Some(c) = name.chars().find(|c| !good(*c)) {
        Err(format!("the name contains {c:?}; letters, digits, `_` and `.` are allowed"))
    } else if name.ends_with('.') || name.contains("..") {
        Err("the name has an empty part; parts are joined by one `.`".into())
    } else {
        Ok(())
    }
}

/// The operator's own metadata key: letters, digits and `_.-/`, at most [`MAX_NAME`] bytes.
pub fn metadata_key(key: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    if key.is_empty() {
        Err("the key is empty".into())
    } else if key.len() > MAX_NAME {
        Err(format!("the key has {} bytes; {MAX_NAME} are the most", key.len()))
    } else if let Some(c) = key.chars().find(|c| !good(*c)) {
        Err(format!("the key contains {c:?}; letters, digits, `_`, `.`, `-` and `/` are allowed"))
    } else {
        Ok(())
    }
}

/// A unit in UCUM's notation: printable ASCII without spaces, at most [`MAX_UNIT`] bytes; `1` for a plain number.
pub fn unit(unit: &str) -> Result<(), String> {
    if unit.is_empty() {
        Err("the unit is empty; a plain number has the unit `1`".into())
    } else if unit.len() > MAX_UNIT {
        Err(format!("the unit has {} bytes; {MAX_UNIT} are the most", unit.len()))
    } else if let Some(c) = unit.chars().find(|c| !c.is_ascii_graphic()) {
        Err(format!("the unit contains {c:?}; printable ASCII without spaces is allowed"))
    } else {
        Ok(())
    }
}

/// Free text that reads as what it is: without control characters and what [misleads](misleads), at most `max` bytes.
pub fn plain_text(text: &str, max: usize) -> Result<(), String> {
    self::text(text, max)?;
    match text.chars().find(|c| misleads(*c)) {
        Some(c) => Err(format!("the value contains {}, which cannot be seen or changes how text is read", escaped(c))),
        None => Ok(()),
    }
}

/// Free text without control characters, at most `max` bytes: what is taken from agents of any make, whose beat is worth
/// more than a character. Who shows it writes out what [misleads](misleads), as [`shown`] does.
pub fn text(text: &str, max: usize) -> Result<(), String> {
    if text.len() > max {
        Err(format!("the value has {} bytes; {max} are the most", text.len()))
    } else if let Some(c) = text.chars().find(|c| c.is_control()) {
        Err(format!("the value contains the control character {c:?}"))
    } else {
        Ok(())
    }
}

/// A sandbox's id: letters, digits and `-`, as servers accept it in a path; at most [`MAX_SANDBOX_ID`] bytes.
pub fn sandbox_id(id: &str) -> Result<(), String> {
    if id.is_empty() {
        Err("the id is empty".into())
    } else if id.len() > MAX_SANDBOX_ID {
        Err(format!("the id has {} bytes; {MAX_SANDBOX_ID} are the most", id.len()))
    } else if let Some(c) = id.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        Err(format!("the id contains {c:?}; letters, digits and `-` are allowed"))
    } else {
        Ok(())
    }
}

/// A plugin's or process's name: letters, digits, `-` and `_`, at most 64 bytes.
pub fn short_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        Err("the name is empty".into())
    } else if name.len() > 64 {
        Err(format!("the name has {} bytes; 64 are the most", name.len()))
    } else if let Some(c) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
        Err(format!("the name contains {c:?}; letters, digits, `-` and `_` are allowed"))
    } else {
        Ok(())
    }
}

/// A text from outside as a log line or an error may show it: escaped where it would break the line or mislead its
/// reader, at most `max` bytes.
pub fn shown(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let before = out.len();
        if c.is_control() || misleads(c) {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
        if out.len() > max {
            out.truncate(before);
            out.push('…');
            break;
        }
    }
    out
}

/// Whether a character makes a text look like another one: what Unicode has for the direction of writing (UAX #9),
/// separators of lines and paragraphs, and format characters that cannot be seen. Not those that scripts and emoji are
/// written with: joiners (U+200C, U+200D) and variation selectors.
pub fn misleads(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn escaped(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_semantic_conventions_are_good() {
        for name in
            ["system.network.io", "git.branch", "system.cpu.load_average.1m", "a", "node_memory_MemTotal_bytes", "A_"]
        {
            assert_eq!(metric_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_bad_name_is_told_what_is_wrong_with_it() {
        for (name, part) in [
            ("", "empty"),
            ("_cpu", "start with a letter"),
            ("1m", "start with a letter"),
            ("größe", "'ö'"),
            ("a b", "' '"),
            ("a\u{0}", "'\\0'"),
            ("a..b", "empty part"),
            ("a.", "empty part"),
            (&"a".repeat(129), "129 bytes"),
        ] {
            let reason = metric_name(name).unwrap_err();
            assert!(reason.contains(part), "{name:?}: {reason}");
        }
    }

    #[test]
    fn units_and_texts_are_bounded() {
        assert_eq!(unit("{packet}/s"), Ok(()));
        assert!(unit("").unwrap_err().contains("`1`"));
        assert!(unit("a b").is_err());
        assert!(text("a\nb", 10).unwrap_err().contains("control"));
        assert!(text("abc", 2).unwrap_err().contains("3 bytes"));
        assert_eq!(text("größe", 10), Ok(()));
    }

    #[test]
    fn what_misleads_is_refused_and_what_is_written_with_joiners_is_not() {
        for good in
            ["größe", "שלום", "مرحبا", "می\u{200c}خواهم", "👩\u{200d}💻", "❤\u{fe0f}", "葛\u{e0100}", "e\u{301}"]
        {
            assert_eq!(plain_text(good, 100), Ok(()), "{good}");
            assert_eq!(shown(good, 100), good);
        }
        for (bad, name) in [
            ("main\u{202e}txt", "U+202E"),
            ("a\u{2066}b", "U+2066"),
            ("a\u{200f}", "U+200F"),
            ("\u{61c}a", "U+061C"),
            ("\u{feff}a", "U+FEFF"),
            ("a\u{2028}b", "U+2028"),
            ("a\u{200b}b", "U+200B"),
            ("ad\u{ad}min", "U+00AD"),
            ("a\u{e0041}", "U+E0041"),
        ] {
            let reason = plain_text(bad, 100).unwrap_err();
            assert!(reason.contains(name), "{bad:?}: {reason}");
            assert_eq!(text(bad, 100), Ok(()), "{bad:?} from agents of any make");
            assert!(shown(bad, 100).is_ascii(), "{bad:?}");
        }
        assert!(plain_text("a\u{7}", 10).is_err() && plain_text("abc", 2).is_err());
    }

    #[test]
    fn ids_are_safe_in_a_path() {
        for id in ["sbox-1", &"a".repeat(MAX_SANDBOX_ID)] {
            assert_eq!(sandbox_id(id), Ok(()));
        }
        for id in ["", "a/b", "..", "a_b", "é", &"x".repeat(129)] {
            assert!(sandbox_id(id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn what_is_shown_cannot_break_a_line() {
        assert_eq!(shown("a\nb\u{1b}[0m", 100), "a\\nb\\u{1b}[0m");
        assert_eq!(shown("a\u{202e}b\u{2028}c\u{2066}", 100), "a\\u{202e}b\\u{2028}c\\u{2066}");
        assert_eq!(shown("äöü", 4), "äö…");
    }
}
