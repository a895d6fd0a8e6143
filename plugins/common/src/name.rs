//! Names that somebody in the sandbox chose, with any characters, in the forms in which a report can carry them.

use std::fmt::Write as _;

/// With U+FFFD for control characters, which an attribute must not have.
pub fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
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
    use super::*;

    #[test]
    fn a_name_is_shown_and_listed_without_what_could_mislead() {
        assert_eq!(plain("a b\n7\u{1b}é"), "a b\u{fffd}7\u{fffd}é");
        assert_eq!(encoded("next server 4:5 +1"), "next%20server%204%3A5%20+1");
        assert_eq!(encoded("é%\n/usr/bin~"), "%C3%A9%25%0A/usr/bin~");
    }
}
