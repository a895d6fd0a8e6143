//! Whether git converts contents between the index and the working tree.
//!
//! A file whose time is new is hashed, and with a conversion the hash of its bytes is not the id of its blob. Line ends
//! can be undone here; what a filter, an encoding or `$Id$` makes of a file cannot, and then nothing is said.

use crate::repository::{Repository, read_text};

/// How far contents are converted, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Conversion {
    /// The blob is the file.
    None,
    /// The blob may have LF where the file has CRLF.
    LineEnds,
    /// The blob may be anything.
    Any,
}

/// The most that any of the repository's rules asks for; the folders are those with a tracked `.gitattributes`.
pub(crate) fn conversion(repository: &Repository, folders: &[String]) -> Conversion {
    let configured = if repository.settings.autocrlf { Conversion::LineEnds } else { Conversion::None };
    let tracked = folders.iter().map(|folder| repository.worktree.join(folder).join(".gitattributes"));
    let files = tracked.chain([repository.common_dir.join("info/attributes")]);
    files
        .map(|path| read_text(&path).map_or(Conversion::Any, |text| in_text(&text.unwrap_or_default())))
        .fold(configured, Ord::max)
}

/// A content with every CRLF replaced by LF.
pub(crate) fn without_cr(content: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(content.len());
    let mut bytes = content.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if !(byte == b'\r' && bytes.peek() == Some(&b'\n')) {
            result.push(byte);
        }
    }
    result
}

fn in_text(text: &str) -> Conversion {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| line.split_ascii_whitespace().skip(1)).map(of_attribute).max().unwrap_or(Conversion::None)
}

fn of_attribute(attribute: &str) -> Conversion {
    match attribute.split('=').next().unwrap_or_default() {
        "text" | "eol" | "crlf" => Conversion::LineEnds,
        "filter" | "ident" | "working-tree-encoding" => Conversion::Any,
        _ => Conversion::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_rule_counts() {
        assert_eq!(in_text("# *.bin filter=lfs\n*.png binary\n*.sh -text !eol\n"), Conversion::None);
        assert_eq!(in_text("* text=auto\n*.rs diff=rust\n"), Conversion::LineEnds);
        assert_eq!(in_text("* text=auto\n*.bin filter=lfs diff=lfs merge=lfs -text\n"), Conversion::Any);
        assert_eq!(in_text("filter=lfs\n"), Conversion::None, "that is a pattern");
    }

    #[test]
    fn only_a_cr_before_an_lf_goes() {
        assert_eq!(without_cr(b"a\r\nb\rc\r\r\n\r"), b"a\nb\rc\r\n\r");
    }
}
