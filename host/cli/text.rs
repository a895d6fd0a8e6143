//! Texts in lines of a terminal's width. Pure.

/// A text in lines of at most so many letters, broken between words where that can be.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    hanging(text, 0, width)
}

/// The same where all lines but the first of each of the text's own begin with so many spaces.
pub(crate) fn hanging(text: &str, indent: usize, width: usize) -> Vec<String> {
    let width = width.max(1);
    // A margin that leaves no room for words is none.
    let margin = if indent < width / 2 { " ".repeat(indent) } else { String::new() };
    let mut lines = Vec::new();
    for line in text.lines() {
        let (mut rest, mut before): (Vec<char>, &str) = (line.chars().collect(), "");
        loop {
            let room = width - before.len();
            if rest.len() <= room {
                break;
            }
            let (end, next) = place_to_break(&rest, room);
            lines.push(format!("{before}{}", rest[..end].iter().collect::<String>().trim_end()));
            rest.drain(..next + rest[next..].iter().take_while(|c| **c == ' ').count());
            before = &margin;
        }
        lines.push(format!("{before}{}", rest.iter().collect::<String>()));
    }
    lines
}

/// Where a line of so many letters ends and the next one begins: at a space, else behind a comma or a slash.
fn place_to_break(letters: &[char], room: usize) -> (usize, usize) {
    let last = |upto: usize, of: &[char]| letters[..upto].iter().rposition(|c| of.contains(c)).filter(|at| *at > 0);
    match last(room + 1, &[' ']) {
        Some(space) => (space, space + 1),
        None => {
            let end = last(room, &[',', '/']).map_or(room, |at| at + 1);
            (end, end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_between_words() {
        assert_eq!(wrapped("one two three\nfour", 8), ["one two", "three", "four"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
        assert_eq!(wrapped("/sys/memory.{peak,max} b", 13), ["/sys/", "memory.{peak,", "max} b"]);
    }

    #[test]
    fn what_belongs_to_a_line_hangs_below_it() {
        assert_eq!(hanging("net: one two\nload: a", 2, 8), ["net: one", "  two", "load: a"]);
        assert_eq!(hanging("file     a-long-name b", 9, 21), ["file     a-long-name", "         b"]);
        assert_eq!(hanging("one two", 9, 4), ["one", "two"]);
    }
}
