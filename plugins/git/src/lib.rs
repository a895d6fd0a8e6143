//! The collector `git`: branch, commit and dirty state of a granted workspace, as metadata.
//!
//! It reads the repository's own files through a granted folder and needs no `git`. What it says:
//!
//! - `git.branch`: the branch that `HEAD` names; absent when `HEAD` is detached.
//! - `git.commit`: the full id of the commit at `HEAD`; absent before the first commit.
//! - `git.dirty`: `true` when a tracked file differs from `HEAD`, in the index or in the working tree, else `false`;
//!   untracked files do not count. This is what `git describe --dirty` says, with the exceptions in `dirty.rs`.
//!   Absent when it could not be found out within the bounds; the log then says why, once per reason.
//!
//! No repository, or one whose refs cannot be read, is `unavailable`; a folder that is not granted looks to a guest
//! like one that is not there. Other processes may write the repository at the same time: what was read is used only
//! when `HEAD` and the index were the same before and after.

mod attributes;
mod budget;
mod dirty;
mod index;
mod objects;
mod oid;
mod pack;
mod refs;
mod repository;
#[cfg(test)]
mod tests;
mod tree;
mod worktree;

use std::path::Path;

use budget::{Budget, Unknown};
use repository::Repository;
use sandbeat_common::plain_within;
use sandbeat_sdk::export;
use sandbeat_sdk::prelude::*;

const BRANCH: Metadata = Metadata::new("git.branch", "The branch that is checked out; absent when HEAD is detached.");
const COMMIT: Metadata = Metadata::new("git.commit", "The full id of the commit that is checked out.");
const DIRTY: Metadata = Metadata::new(
    "git.dirty",
    "Whether a tracked file differs from the commit, staged or not: true or false; untracked files do not count.",
);

/// The longest metadata value that the agent takes, in bytes.
const MAX_VALUE: usize = 1024;

struct Git;

impl Collector for Git {
    fn describe() -> Description {
        Description::new(env!("CARGO_PKG_VERSION"), "Branch, commit and dirty state of a git workspace.")
            .with(&BRANCH)
            .with(&COMMIT)
            .with(&DIRTY)
    }

    fn collect() -> Result<Contribution, Error> {
        config::only(&["path"])?;
        let path = config::string("path")?.unwrap_or_else(|| "/workspace".to_owned());
        if !path.starts_with('/') {
            return Err(Error::config("path", format_args!("is {path:?}; it has to be an absolute path")));
        }
        let repository = Repository::open(Path::new(&path))?;
        let (head, dirty) = dirty::observe(&repository, &mut Budget::new())?;
        say_why_unknown(dirty.as_ref().err());
        Ok(Contribution::new()
            .with(head.branch.map(|branch| BRANCH.value(plain_within(&branch, MAX_VALUE))))
            .with(head.commit.map(|commit| COMMIT.value(commit)))
            .with(dirty.ok().map(|dirty| DIRTY.value(if dirty { "true" } else { "false" }))))
    }
}

export!(Git);

/// One line per change, so the reason that was said last is kept.
fn say_why_unknown(reason: Option<&Unknown>) {
    const KEY: &str = "unknown";
    let said = state::get(KEY);
    match reason {
        None if said.is_some() => state::delete(KEY),
        None => {}
        Some(reason) => {
            let reason = reason.to_string();
            if said.as_deref() != Some(reason.as_bytes()) && state::set(KEY, reason.as_bytes()).is_ok() {
                log::info!("dirty state unknown: {reason}");
            }
        }
    }
}
