//! Just enough JSON for strings and arrays of them, so that a collector that takes those needs no JSON library.

use std::iter::{self, Peekable};
use std::str::Chars;

/// The JSON of the value under a key with dots for nested tables; nothing when there is none.
pub(crate) fn find<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    key.split('.').try_fold(object, member)
}

/// A JSON string; nothing when the text is anything else.
pub(crate) fn string(text: &str) -> Option<String> {
    let mut rest = text.chars().peekable();
    let string = quoted(&mut rest)?;
    at_end(&mut rest).then_some(string)
}

/// The strings of a JSON array; nothing when the text is anything else.
pub(crate) fn strings(text: &str) -> Option<Vec<String>> {
    let mut rest = text.chars().peekable();
    let mut strings = Vec::new();
    skip_space(&mut rest);
    expect(&mut rest, '[')?;
    if skip_space(&mut rest) == Some(']') {
        rest.next();
        return at_end(&mut rest).then_some(strings);
    }
    loop {
        skip_space(&mut rest);
        strings.push(quoted(&mut rest)?);
        skip_space(&mut rest);
        match rest.next()? {
            ',' => {}
            ']' => return at_end(&mut rest).then_some(strings),
            _ => return None,
        }
    }
}

fn member<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    members(object).find(|(name, _)| name == key).map(|(_, value)| value)
}

/// The members of an object: their names, and the JSON of their values.
pub(crate) fn members(object: &str) -> impl Iterator<Item = (String, &str)> {
    let mut rest = object.trim_start().strip_prefix('{');
    iter::from_fn(move || {
        let (name, after) = split_value(rest.take()?)?;
        let (value, after) = split_value(after.trim_start().strip_prefix(':')?)?;
        rest = after.trim_start().strip_prefix(',');
        Some((string(name)?, value))
    })
}

/// The value at the beginning of a text, and what follows it.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut depth = 0_usize;
    let (mut is_string, mut is_escaped) = (false, false);
    for (at, c) in text.char_indices() {
        let is_last = match c {
            _ if is_escaped => {
                is_escaped = false;
                false
            }
            '\\' if is_string => {
                is_escaped = true;
                false
            }
            '"' => {
                is_string = !is_string;
                !is_string && depth == 0
            }
            _ if is_string => false,
            '{' | '[' => {
                depth += 1;
                false
            }
            // The end of what a number or a word stands in, which is not its own.
            '}' | ']' | ',' if depth == 0 => return (at > 0).then(|| (text[..at].trim_end(), &text[at..])),
            '}' | ']' => {
                depth -= 1;
                depth == 0
            }
            _ => false,
        };
        if is_last {
            return Some(text.split_at(at + 1));
        }
    }
    None
}

fn quoted(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    expect(rest, '"')?;
    let mut string = String::new();
    loop {
        match rest.next()? {
            '"' => return Some(string),
            '\\' => string.push(escape(rest)?),
            c if c.is_control() => return None,
            c => string.push(c),
        }
    }
}

fn escape(rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    Some(match rest.next()? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return unicode(rest),
        c @ ('"' | '\\' | '/') => c,
        _ => return None,
    })
}

fn unicode(rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    let first = code_unit(rest)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    expect(rest, '\\')?;
    expect(rest, 'u')?;
    let second = code_unit(rest)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + second)
}

fn code_unit(rest: &mut Peekable<Chars<'_>>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit * 16 + rest.next()?.to_digit(16)?))
}

fn expect(rest: &mut Peekable<Chars<'_>>, wanted: char) -> Option<()> {
    (rest.next()? == wanted).then_some(())
}

fn skip_space(rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    while rest.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).is_some() {}
    rest.peek().copied()
}

fn at_end(rest: &mut Peekable<Chars<'_>>) -> bool {
    skip_space(rest).is_none()
}

#[cfg(test)]
mod tests {
    use super::{find, string, strings};

    #[test]
    fn a_value_is_found_by_its_key() {
        let json = r#" {"a": 1, "b" :{"c":"x\"},{", "d.e":2} , "f":[{"a":3}], "\u0067": "é", "h":-1.5e3}"#;
        for (key, expected) in [
            ("a", Some("1")),
            ("b.c", Some(r#""x\"},{""#)),
            ("f", Some(r#"[{"a":3}]"#)),
            ("g", Some("\"é\"")),
            ("h", Some("-1.5e3")),
            ("b.d.e", None),
            ("a.b", None),
            ("f.a", None),
            ("c", None),
            ("", None),
        ] {
            assert_eq!(find(json, key), expected, "{key}");
        }
        for broken in ["", "{", "{}", "[1]", r#"{"a"}"#, r#"{"a":}"#, r#"{"a":"x"#] {
            assert_eq!(find(broken, "a"), None, "{broken}");
        }
    }

    #[test]
    fn a_string_is_told_from_all_else() {
        assert_eq!(string(r#""x\"},{""#).as_deref(), Some(r#"x"},{"#));
        assert_eq!((string("5"), string("true"), string(r#""a" "b""#), string("[\"a\"]")), (None, None, None, None));
    }

    #[test]
    fn an_array_of_strings_is_read() {
        assert_eq!(strings("[]").unwrap(), [""; 0]);
        assert_eq!(strings(" [ ] ").unwrap(), [""; 0]);
        assert_eq!(strings(r#"["eth*"]"#).unwrap(), ["eth*"]);
        assert_eq!(strings(r#" [ "eth*" , "wlan?" ] "#).unwrap(), ["eth*", "wlan?"]);
        assert_eq!(strings(r#"["a\"\\\/\n\t\r\b\f"]"#).unwrap(), ["a\"\\/\n\t\r\u{8}\u{c}"]);
        assert_eq!(strings(r#"["\u00e9\ud83d\ude00é"]"#).unwrap(), ["é😀é"]);
    }

    #[test]
    fn anything_else_is_not() {
        for text in [
            "",
            "[",
            "[\"",
            "]",
            "[1]",
            "[\"a\",]",
            "[\"a\" \"b\"]",
            "[\"a\"]x",
            "[\"\\x\"]",
            "[\"\\u12\"]",
            "[\"\\ud800\"]",
            "[\"\\ud800\\u0041\"]",
            "[\"\\udc00\"]",
            "[[\"a\"]]",
            "{}",
            "\"a\"",
            "[\"a\nb\"]",
        ] {
            assert_eq!(strings(text), None, "{text}");
        }
    }
}
