//! Puts the figures into docs/performance.md, between two lines that mark their place.

use anyhow::Context;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");
const BEGIN: &str = "<!-- figures: begin -->\n";
const END: &str = "<!-- figures: end -->";

/// Replaces what lies between the marks.
///
/// # Errors
/// The document cannot be read or written, or has no marks.
pub fn update(figures: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(PATH).context(PATH)?;
    let text = replaced(&text, figures).with_context(|| format!("{PATH} has no place for figures"))?;
    std::fs::write(PATH, text).context(PATH)
}

fn replaced(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{figures}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_marks_changes() {
        let text = format!("a\n{BEGIN}old\n{END}\nb\n");
        assert_eq!(replaced(&text, "new\n"), Some(format!("a\n{BEGIN}new\n{END}\nb\n")));
        assert_eq!(replaced("a\n", "new\n"), None);
    }
}
