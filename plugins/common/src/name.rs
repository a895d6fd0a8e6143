//! Names that somebody in the sandbox chose, with any characters, in the forms in which a report can carry them.

use std::fmt::Write as _;

/// With U+FFFD for what the agent takes in no attribute and no metadata ([`is_plain`]).
pub fn plain(name: &str) -> String {
    name.chars().map(|c| if is_plain(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Whether the agent takes a character in an attribute or metadata: not control characters, nor those that make a text look
/// like another one (the direction of writing, separators of lines, format characters that cannot be seen).
pub fn is_plain(c: char) -> bool {
    let misleads = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !misleads
}

/// With all but ASCII letters, digits and `-._~+@/` percent-encoded (RFC 3986), so that it can look like nothing else in a
/// list, and `decodeURIComponent` reads it.
pub fn encoded(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~+@/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use sandbeat_status::names;

    use super::*;

    #[test]
    fn a_name_is_shown_and_listed_without_what_could_mislead() {
        assert_eq!(plain("a b\n7\u{1b}é"), "a b\u{fffd}7\u{fffd}é");
        assert_eq!(plain("a\u{202e}b\u{200d}\u{feff}"), "a\u{fffd}b\u{200d}\u{fffd}");
        assert_eq!(encoded("next server 4:5 +1"), "next%20server%204%3A5%20+1");
        assert_eq!(encoded("é%\n/usr/bin~"), "%C3%A9%25%0A/usr/bin~");
    }

    #[test]
    fn what_is_plain_is_what_the_agent_takes() {
        for c in '\0'..=char::MAX {
            assert_eq!(names::plain_text(&c.to_string(), 4).is_ok(), is_plain(c), "{c:?}");
        }
    }
}
