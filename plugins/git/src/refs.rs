//! What `HEAD` is: a branch, a commit, or both. Loose refs are asked before `packed-refs`, because git writes a ref
//! into the latter before it removes the former.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use sandbeat_sdk::Error;

use crate::repository::{Repository, read_text};

/// The largest `packed-refs`: about 700,000 refs.
const MAX_PACKED_REFS: u64 = 64 << 20;
/// How often a ref may name another ref, as in git.
const MAX_SYMREFS: usize = 5;

/// What is checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The branch, without `refs/heads/`.
    pub(crate) branch: Option<String>,
    /// The commit's full id, in hexadecimal digits.
    pub(crate) commit: Option<String>,
}

/// Reads `HEAD`.
///
/// # Errors
/// The repository keeps its refs in another way, or they cannot be read.
pub(crate) fn head(repository: &Repository) -> Result<Head, Error> {
    if !repository.settings.ref_files {
        return Err(Error::unavailable("the repository keeps its refs in a `reftable`, which is not understood"));
    }
    let path = repository.git_dir.join("HEAD");
    let text = read_text(&path)?.ok_or_else(|| Error::unavailable(format_args!("{} is missing", path.display())))?;
    match target(&text)? {
        Target::Commit(commit) => Ok(Head { branch: None, commit: Some(commit) }),
        Target::Ref(name) => Ok(Head {
            branch: name.strip_prefix("refs/heads/").map(ToOwned::to_owned),
            commit: resolve(repository, &name, MAX_SYMREFS)?,
        }),
    }
}

enum Target {
    Commit(String),
    Ref(String),
}

/// The commit that a ref names; nothing when there is no such ref, as before the first commit.
fn resolve(repository: &Repository, name: &str, depth: usize) -> Result<Option<String>, Error> {
    let Some(depth) = depth.checked_sub(1) else { return Err(Error::unavailable("HEAD leads through too many refs")) };
    let own = ["refs/worktree/", "refs/bisect/", "refs/rewritten/"].iter().any(|prefix| name.starts_with(prefix));
    let folder = if own { &repository.git_dir } else { &repository.common_dir };
    let Some(text) = read_text(&folder.join(name))? else {
        return packed(&repository.common_dir.join("packed-refs"), name);
    };
    match target(&text)? {
        Target::Commit(commit) => Ok(Some(commit)),
        Target::Ref(name) => resolve(repository, &name, depth),
    }
}

fn packed(path: &Path, name: &str) -> Result<Option<String>, Error> {
    let wrong = |error: std::io::Error| Error::unavailable(format_args!("{}: {error}", path.display()));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error)),
    };
    let mut lines = BufReader::with_capacity(64 << 10, file.take(MAX_PACKED_REFS));
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).map_err(wrong)? > 0 {
        if let Some((commit, ref_name)) =
            std::str::from_utf8(&line).ok().and_then(|line| line.trim_end().split_once(' '))
            && ref_name == name
            && is_id(commit)
        {
            return Ok(Some(commit.to_owned()));
        }
        line.clear();
    }
    Ok(None)
}

fn target(text: &str) -> Result<Target, Error> {
    let text = text.trim_end();
    if let Some(name) = text.strip_prefix("ref:").map(str::trim) {
        let inside = name.starts_with("refs/") && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        return match inside {
            true => Ok(Target::Ref(name.to_owned())),
            false => Err(Error::unavailable(format_args!("HEAD leads to {name:?}, which is not the name of a ref"))),
        };
    }
    match is_id(text) {
        true => Ok(Target::Commit(text.to_owned())),
        false => Err(Error::unavailable("HEAD, or the ref that it names, is neither a commit nor a ref")),
    }
}

/// SHA-1 or SHA-256.
fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ref_cannot_lead_out_of_the_repository() {
        for text in ["ref: ../../etc/passwd", "ref: refs/../../x", "ref: /etc/passwd", "ref: refs//x", "ref:", "x", ""]
        {
            assert!(target(text).is_err(), "{text:?}");
        }
        assert!(matches!(target("ref: refs/heads/a/b\n"), Ok(Target::Ref(name)) if name == "refs/heads/a/b"));
        assert!(matches!(target(&format!("{}\n", "0a".repeat(20))), Ok(Target::Commit(_))));
        assert!(matches!(target(&"0a".repeat(32)), Ok(Target::Commit(_))));
    }
}
