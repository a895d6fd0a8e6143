//! The words of one line of Prometheus' text format.

use std::borrow::Cow;

/// What of a line is still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// At the beginning of a line, which does not include its line feed.
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Self(line)
    }

    /// Whether nothing is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a blank comes next.
    pub(crate) fn is_at_blank(&self) -> bool {
        self.0.first().is_some_and(is_blank)
    }

    /// Passes over blanks and tabs.
    pub(crate) fn skip_blanks(&mut self) {
        self.take_while(|byte| is_blank(&byte));
    }

    /// Passes over one byte, when it comes next.
    pub(crate) fn eat(&mut self, wanted: u8) -> bool {
        let rest = self.0.strip_prefix(&[wanted]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A metric's name; empty when there is none.
    pub(crate) fn metric_name(&mut self) -> &'a str {
        self.name(|byte| byte == b':')
    }

    /// A label's name; empty when there is none.
    pub(crate) fn label_name(&mut self) -> &'a str {
        self.name(|_| false)
    }

    /// Everything up to the next blank.
    pub(crate) fn token(&mut self) -> &'a [u8] {
        self.take_while(|byte| !is_blank(&byte))
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The rest of a text whose opening quote was passed, and its closing quote. Nothing when it does not end on this
    /// line, has an unknown escape or is not UTF-8.
    pub(crate) fn quoted(&mut self) -> Option<Cow<'a, str>> {
        let mut escaped = false;
        let end = self.0.iter().position(|byte| {
            let is_end = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            is_end
        })?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        unescape(text)
    }

    fn name(&mut self, also: impl Fn(u8) -> bool) -> &'a str {
        match self.0.first() {
            Some(first) if !first.is_ascii_digit() => {}
            _ => return "",
        }
        let name = self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || also(byte));
        std::str::from_utf8(name).unwrap_or_default()
    }

    fn take_while(&mut self, is_wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !is_wanted(*byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }
}

/// Whether a text has no escapes but `\\`, `\n` and `\"`.
pub(crate) fn has_known_escapes(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'\\' && !matches!(bytes.next(), Some(b'\\' | b'n' | b'"')) {
            return false;
        }
    }
    true
}

/// A text with its escapes replaced by what they stand for; nothing when it has an unknown one or is not UTF-8.
fn unescape(text: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(text).ok().filter(|text| has_known_escapes(text.as_bytes()))?;
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut chars = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => chars.next().map(|escaped| if escaped == 'n' { '\n' } else { escaped })?,
            c => c,
        });
    }
    Some(Cow::Owned(plain))
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_three() {
        for (text, plain) in [
            (r"", Some("")),
            (r"a b", Some("a b")),
            (r"a\nb", Some("a\nb")),
            (r#"\"a\""#, Some("\"a\"")),
            (r"\\", Some("\\")),
            (r"\\n", Some("\\n")),
            (r"\\\\x", Some("\\\\x")),
            (r"\\\n", Some("\\\n")),
            (r"\t", None),
            (r"a\", None),
            (r"\\\", None),
        ] {
            assert_eq!(unescape(text.as_bytes()).as_deref(), plain, "{text}");
        }
        assert_eq!(unescape(b"\xbd"), None);
    }

    #[test]
    fn a_quote_ends_a_text_unless_it_is_escaped() {
        let mut cursor = Cursor::new(br#"a\\" b"#);
        assert_eq!(cursor.quoted().as_deref(), Some("a\\"));
        assert_eq!(cursor.rest(), b" b");
        assert_eq!(Cursor::new(br#"a\" b"#).quoted(), None);
    }

    #[test]
    fn names_begin_with_no_digit() {
        for (text, metric, label) in [("a:b_1 x", "a:b_1", "a"), (":a", ":a", ""), ("1a", "", ""), ("", "", "")] {
            assert_eq!(Cursor::new(text.as_bytes()).metric_name(), metric);
            assert_eq!(Cursor::new(text.as_bytes()).label_name(), label);
        }
    }
}
