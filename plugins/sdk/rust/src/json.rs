//! Just enough JSON for an array of strings, so that a collector that takes a list needs no JSON library.

use std::iter::Peekable;
use std::str::Chars;

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
        strings.push(string(&mut rest)?);
        skip_space(&mut rest);
        match rest.next()? {
            ',' => {}
            ']' => return at_end(&mut rest).then_some(strings),
            _ => return None,
        }
    }
}

fn string(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
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
    use super::strings;

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
