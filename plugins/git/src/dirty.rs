//! Whether a working tree differs from its `HEAD`: in the index (staged), or in the files (not staged).
//!
//! The answer is that of `git describe --dirty`, except that:
//!
//! - a change of the executable bit alone is not seen, because WASI does not tell a guest about it;
//! - a file counts as unchanged when its size and time are those in the index, as git does it with
//!   `core.checkStat=minimal`; git's other witnesses (inode, owner, time of change) are not asked;
//! - untracked files inside a submodule do not count, as they do not outside of one.
//!
//! Where something is not understood (a split or sparse index, SHA-256) or a bound is hit, nothing is said.

use sandbeat_sdk::Error;

use crate::budget::{Budget, Unknown};
use crate::index::{Index, Time};
use crate::oid::{self, Oid};
use crate::refs::{self, Head};
use crate::repository::Repository;
use crate::worktree::{self, Submodule};
use crate::{objects, tree};

/// How often it is looked anew when git wrote meanwhile.
const MAX_LOOKS: usize = 3;
/// Submodules inside submodules.
const MAX_DEPTH: usize = 4;

/// `HEAD`, and whether the working tree differs from it.
///
/// # Errors
/// `HEAD` cannot be read; where only the second cannot be known, that stands in its place.
pub(crate) fn observe(repository: &Repository, budget: &mut Budget) -> Result<(Head, Result<bool, Unknown>), Error> {
    observe_at(repository, budget, MAX_DEPTH)
}

fn observe_at(
    repository: &Repository,
    budget: &mut Budget,
    depth: usize,
) -> Result<(Head, Result<bool, Unknown>), Error> {
    let mut head = refs::head(repository)?;
    for _ in 0..MAX_LOOKS {
        let written = index_time(repository);
        let dirty = is_dirty(repository, &head, budget, depth);
        let now = refs::head(repository)?;
        if now == head && index_time(repository) == written {
            return Ok((head, dirty));
        }
        head = now;
    }
    Ok((head, Err(Unknown::new("git is writing the repository"))))
}

fn is_dirty(repository: &Repository, head: &Head, budget: &mut Budget, depth: usize) -> Result<bool, Unknown> {
    if !repository.settings.sha1 {
        return Err(Unknown::new("the repository names its objects by another hash than SHA-1"));
    }
    let index = Index::read(&repository.git_dir.join("index"))?;
    if is_staged(repository, head, &index, budget)? {
        return Ok(true);
    }
    let (changed, submodules) = worktree::is_changed(repository, &index, budget)?;
    if changed {
        return Ok(true);
    }
    let mut unknown = None;
    for submodule in submodules {
        match is_submodule_changed(&submodule, budget, depth) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(reason) => unknown = Some(reason),
        }
    }
    unknown.map_or(Ok(false), Err)
}

fn is_staged(repository: &Repository, head: &Head, index: &Index, budget: &Budget) -> Result<bool, Unknown> {
    let mut entries = index.entries();
    while let Some(entry) = entries.next()? {
        if entry.unmerged || entry.intent_to_add {
            return Ok(true);
        }
    }
    let committed = match &head.commit {
        // Before the first commit, everything that is staged is new.
        None => oid::hash("tree", b""),
        Some(commit) => objects::tree_of(repository, commit_id(commit)?, budget)?,
    };
    Ok(tree::of(index)? != committed)
}

/// One that is not checked out is as it should be.
fn is_submodule_changed(submodule: &Submodule, budget: &mut Budget, depth: usize) -> Result<bool, Unknown> {
    let Some(depth) = depth.checked_sub(1) else { return Err(Unknown::new("submodules are nested too deeply")) };
    if std::fs::symlink_metadata(submodule.path.join(".git")).is_err() {
        return Ok(false);
    }
    let repository = Repository::open(&submodule.path).map_err(Unknown::new)?;
    let (head, dirty) = observe_at(&repository, budget, depth).map_err(Unknown::new)?;
    match head.commit {
        Some(commit) if commit_id(&commit)? == submodule.commit => dirty,
        _ => Ok(true),
    }
}

fn commit_id(commit: &str) -> Result<Oid, Unknown> {
    Oid::from_hex(commit).ok_or_else(|| Unknown::new("HEAD is not the id of a commit"))
}

fn index_time(repository: &Repository) -> Option<(Time, u64)> {
    let metadata = std::fs::metadata(repository.git_dir.join("index")).ok()?;
    Some((Time::of(&metadata), metadata.len()))
}
