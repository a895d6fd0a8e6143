//! Which names and texts are accepted from outside.
//!
//! Every function returns the reason, in words for the person who chose the name, when one is not acceptable. The
//! rules for metrics are those of OpenTelemetry's naming guidelines, narrowed so that a name survives every backend.

use sandbeat_text::judged;

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

/// Free text that reads as what it is, as [`sandbeat_text`] has it, of at most `max` bytes.
pub fn plain_text(text: &str, max: usize) -> Result<(), String> {
    self::text(text, max)?;
    match judged(text).find(|(_, is_plain)| !is_plain) {
        Some((c, _)) => Err(format!(
            "the value contains U+{:04X}, which cannot be seen there or changes how text is read",
            u32::from(c)
        )),
        None => Ok(()),
    }
}

/// Free text without control characters, at most `max` bytes: what is taken from agents of any make, whose beat is worth
/// more than a character. Who shows it writes out what is not [plain](plain_text), as [`shown`] does.
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

/// A text from outside as a log line or an error may show it: escaped where it is not [plain](plain_text), at most `max`
/// bytes.
pub fn shown(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (c, is_plain) in judged(text) {
        let before = out.len();
        if is_plain {
            out.push(c)
        } else {
            out.extend(c.escape_default())
        }
        if out.len() > max {
            out.truncate(before);
            // They join nothing any more, and would not be seen.
            out.truncate(out.trim_end_matches(['\u{200c}', '\u{200d}']).len());
            out.push('…');
            break;
        }
    }
    out
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
    fn what_hides_is_refused_of_collectors_and_written_out_for_everybody() {
        for good in ["größe", "می\u{200c}خواهم", "👩\u{200d}💻"] {
            assert_eq!(plain_text(good, 100), Ok(()), "{good}");
            assert_eq!(shown(good, 100), good);
        }
        for (bad, name) in [("main\u{202e}txt", "U+202E"), ("ad\u{200d}min", "U+200D"), ("a\u{e0041}", "U+E0041")] {
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
        assert_eq!(shown("👩\u{200d}👩", 8), "👩…");
    }
}
