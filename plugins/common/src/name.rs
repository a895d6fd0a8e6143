//! Names that somebody in the sandbox chose, with any characters, in the forms in which a report can carry them.

use std::fmt::Write as _;

use sandbeat_text::judged;

/// With U+FFFD for what the agent takes in no attribute and no metadata.
pub fn plain(name: &str) -> String {
    let plain = |(c, is_plain)| if is_plain { c } else { char::REPLACEMENT_CHARACTER };
    judged(name).map(plain).collect()
}

/// The same, cut off after so many bytes.
pub fn plain_within(name: &str, max: usize) -> String {
    let mut name = plain(name);
    if name.len() <= max {
        return name;
    }
    name.truncate(name.floor_char_boundary(max));
    // What a cut leaves without what it joins takes three bytes at least, as U+FFFD does.
    plain(&name)
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
        assert_eq!(plain("a\u{202e}b\u{200d}\u{feff}👩\u{200d}💻"), "a\u{fffd}b\u{fffd}\u{fffd}👩\u{200d}💻");
        assert_eq!(encoded("next server 4:5 +1"), "next%20server%204%3A5%20+1");
        assert_eq!(encoded("é%\n/usr/bin~"), "%C3%A9%25%0A/usr/bin~");
    }

    #[test]
    fn a_name_that_is_cut_is_plain_and_no_longer_than_it_may_be() {
        assert_eq!(plain_within("a👩\u{200d}💻", 12), "a👩\u{200d}💻");
        assert_eq!(plain_within("a👩\u{200d}💻", 11), "a👩\u{fffd}");
        assert_eq!(plain_within("a👩\u{200d}💻", 7), "a👩");
        assert_eq!(plain_within("\n\n", 4), "\u{fffd}");
    }
}
