//! The columns of a table, from the statement that made it, which is all that a database says of them.

/// Words that begin a constraint of the whole table, behind its columns.
const CONSTRAINTS: [&str; 5] = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];

/// The names of the columns in the order in which rows have them, without those that are computed whenever they are read;
/// nothing for a table that is not kept by rowid, that is virtual, or whose statement is not understood.
pub(super) fn columns(sql: &str) -> Option<Vec<String>> {
    let words = words(sql);
    let begin = words.iter().position(|word| word == "(")?;
    let is = |word: &str, other: &str| word.eq_ignore_ascii_case(other);
    if words.iter().take(begin).any(|word| is(word, "VIRTUAL") || is(word, "AS")) {
        return None;
    }
    let mut columns: Vec<(String, bool)> = Vec::new();
    let (mut depth, mut is_first) = (0_usize, false);
    for (i, word) in words.iter().enumerate().skip(begin) {
        match word.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            let is_without = words.iter().skip(i).any(|word| is(word, "WITHOUT"));
            let kept: Vec<String> = columns.into_iter().filter(|(_, is_kept)| *is_kept).map(|(name, _)| name).collect();
            return (!is_without && !kept.is_empty()).then_some(kept);
        }
        match columns.last_mut() {
            _ if is_first && depth == 1 && !CONSTRAINTS.iter().any(|constraint| is(word, constraint)) => {
                columns.push((name(word), true));
            }
            Some((_, is_kept)) if depth == 1 && is(word, "AS") => *is_kept = false,
            Some((_, is_kept)) if depth == 1 && is(word, "STORED") => *is_kept = true,
            _ => {}
        }
        is_first = depth == 1 && (word == "," || i == begin);
    }
    None
}

/// A name without what it is quoted with.
fn name(word: &str) -> String {
    let mut inner = word.chars();
    match (inner.next(), inner.next_back()) {
        (Some(quote @ ('"' | '`' | '\'')), Some(_)) => {
            inner.as_str().replace(&format!("{quote}{quote}"), &quote.to_string())
        }
        (Some('['), Some(_)) => inner.as_str().to_owned(),
        _ => word.to_owned(),
    }
}

/// Words, quoted texts and signs, without comments.
fn words(sql: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = sql.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' | '`' | '\'' => quoted(rest, first),
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            c if is_of_word(c) => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (word, after) = rest.split_at(end);
        if !word.starts_with("--") && !word.starts_with("/*") {
            words.push(word.to_owned());
        }
        rest = after.trim_start();
    }
    words
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The end of a quoted text, in which the quote itself is doubled.
fn quoted(text: &str, quote: char) -> usize {
    let mut quotes = text.char_indices().skip(1).filter(|(_, c)| *c == quote).map(|(at, _)| at).peekable();
    while let Some(at) = quotes.next() {
        if quotes.next_if_eq(&(at + 1)).is_none() {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::columns;

    fn names(sql: &str) -> String {
        columns(sql).unwrap_or_default().join(" ")
    }

    #[test]
    fn columns_are_found_as_sqlite_names_them() {
        let drizzle = "CREATE TABLE `message` (\n\t`id` text PRIMARY KEY,\n\t`session_id` text NOT NULL,\n\t`time` integer \
                       DEFAULT (max(1, 2)) NOT NULL,\n\t`data` text NOT NULL,\n\tCONSTRAINT `fk` FOREIGN KEY (`session_id`) \
                       REFERENCES `session`(`id`) ON DELETE CASCADE\n)";
        assert_eq!(names(drizzle), "id session_id time data");
        assert_eq!(
            names(r#"create table t("a, b" text default 'x,)y', [c d], 'e''f', `primary`, g)"#),
            "a, b c d e'f primary g"
        );
        assert_eq!(names("CREATE TABLE t(a -- b,\n , c /* ,d */, UNIQUE(a, c), CHECK (a > 1))"), "a c");
        assert_eq!(names("CREATE TABLE \"a(b\" (c)"), "c");
        assert_eq!(
            names(
                "CREATE TABLE t(a, b int GENERATED ALWAYS AS (a + 1) VIRTUAL, c AS (a), d as (b) stored, `as` text, e)"
            ),
            "a d as e"
        );
    }

    #[test]
    fn what_is_no_table_of_rows_is_not_understood() {
        for sql in [
            "",
            "CREATE TABLE t",
            "CREATE TABLE t(",
            "CREATE TABLE t()",
            "CREATE TABLE t(a",
            "CREATE TABLE t(a PRIMARY KEY) WITHOUT ROWID",
            "CREATE VIRTUAL TABLE t USING fts5(a)",
            "CREATE TABLE t(a, 'b",
            "ä(\u{0}",
        ] {
            assert_eq!(columns(sql), None, "{sql}");
        }
    }
}
