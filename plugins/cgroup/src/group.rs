//! The control groups that the agent is in, and reading their files.
//!
//! Each hierarchy is looked at by itself, so that version 1, version 2 and both at once (hybrid) come out right. The root
//! of a hierarchy is no group: nothing is limited there, and what is counted is the machine's. What cannot be found is
//! absent, with its reason; a missing grant ends the collect, because what it hides is not known.

use std::collections::BTreeMap;

use sandbeat_sdk::files::{self, EntryKind, FileError, Reason};
use sandbeat_sdk::prelude::*;

use crate::mount::{Membership, Mount, Place};
use crate::text;

/// The controllers of version 1 that have figures to report.
const CONTROLLERS: [&str; 4] = ["memory", "cpu", "cpuacct", "pids"];
/// Levels of groups above the own one that are looked at for limits; with more, limits are not known.
const MAX_LEVELS: usize = 32;
/// Bytes of `mountinfo`; the most that the host hands over at once.
const MAX_MOUNTINFO: u32 = 1 << 20;

/// The groups that mean less than the whole machine.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Of version 2.
    pub(crate) v2: Option<Group>,
    /// Of version 1, by controller.
    pub(crate) v1: BTreeMap<&'static str, Group>,
    /// Controllers that version 1 has, so that version 2 cannot have them.
    taken: Vec<&'static str>,
    /// Why there is no group, by hierarchy.
    pub(crate) reasons: Vec<String>,
}

/// A group's directory, and those above it that can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    place: Place,
}

/// Where a controller's figures are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    V1(&'a Group),
    V2(&'a Group),
}

impl Groups {
    /// Finds those of the agent's process.
    ///
    /// # Errors
    /// A file is not granted, or `/proc` says nothing of groups.
    pub(crate) fn locate() -> Result<Self, Error> {
        let text = files::read_to_string("/proc/self/cgroup")?;
        let mounts = files::read_at("/proc/self/mountinfo", 0, MAX_MOUNTINFO)?;
        let mounts = Mount::parse(&String::from_utf8_lossy(&mounts));
        let mut groups = Self::default();
        for membership in Membership::parse(&text) {
            if membership.controllers.is_empty() {
                groups.v2 = groups.find(&membership, &mounts, None)?;
            }
            for controller in CONTROLLERS.into_iter().filter(|one| membership.controllers.contains(one)) {
                groups.taken.push(controller);
                if let Some(group) = groups.find(&membership, &mounts, Some(controller))? {
                    groups.v1.insert(controller, group);
                }
            }
        }
        Ok(groups)
    }

    /// Where a controller's figures are.
    pub(crate) fn with(&self, controller: &str) -> Option<Source<'_>> {
        match self.v1.get(controller) {
            Some(group) => Some(Source::V1(group)),
            None if self.taken.contains(&controller) => None,
            None => self.v2.as_ref().map(Source::V2),
        }
    }

    /// The one that stands for all, and its version's name: where both are, version 2's is that of every controller
    /// that version 1 does not have.
    pub(crate) fn own(&self) -> Option<(&Group, &'static str)> {
        let v1 = CONTROLLERS.iter().find_map(|controller| self.v1.get(controller));
        match (&self.v2, v1) {
            (Some(v2), None) => Some((v2, "2")),
            (None, Some(v1)) => Some((v1, "1")),
            (Some(_), Some(v1)) => Some((v1, "1+2")),
            (None, None) => None,
        }
    }

    fn find(
        &mut self,
        membership: &Membership<'_>,
        mounts: &[Mount],
        controller: Option<&str>,
    ) -> Result<Option<Group>, Error> {
        let found = match membership.places(mounts.iter().filter(|mount| mount.shows(controller))) {
            Ok(places) => first_there(places)?.ok_or("the group's directory is not there"),
            Err(why) => Err(why),
        };
        let found = match found {
            Ok(group) if group.is_root(controller.is_none())? => Err("it is in the root, which limits nothing"),
            found => found,
        };
        let name = controller.unwrap_or("version 2");
        Ok(found.map_err(|why| self.reasons.push(format!("{name}: {why}"))).ok())
    }
}

impl Group {
    /// Its directory.
    pub(crate) fn dir(&self) -> &str {
        &self.place.dir
    }

    /// A file of its own; nothing when it is not there or cannot be read.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        text_of(&self.place.dir, name)
    }

    /// A number of its own.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        text::number(&self.text(name)?)
    }

    /// The least that a file says here and in each group above that can be seen, with the directory that says it: a
    /// limit above holds here, too.
    pub(crate) fn least<T: PartialOrd>(&self, of: impl Fn(&str) -> Option<T>) -> Option<(T, &str)> {
        let mut dirs = Some(self.dir());
        let upward = std::iter::from_fn(|| {
            let dir = dirs?;
            dirs = dir.rsplit_once('/').map(|(above, _)| above).filter(|_| dir != self.place.top);
            Some(dir)
        });
        let upward: Vec<&str> = upward.take(MAX_LEVELS + 1).collect();
        if upward.len() > MAX_LEVELS {
            log::debug!("{} has more than {MAX_LEVELS} groups above it; limits are not known", self.dir());
            return None;
        }
        let found = upward.into_iter().filter_map(|dir| Some((of(dir)?, dir)));
        found.reduce(|least, one| if one.0 < least.0 { one } else { least })
    }

    /// Only the root of version 2 lacks `cgroup.events`, and only those of version 1 have `cgroup.sane_behavior`; the
    /// top of a namespace is like any other group.
    fn is_root(&self, is_v2: bool) -> Result<bool, Error> {
        let name = if is_v2 { "cgroup.events" } else { "cgroup.sane_behavior" };
        match files::stat(&format!("{}/{name}", self.dir())) {
            Ok(_) => Ok(!is_v2),
            Err(FileError { reason: Reason::NotFound, .. }) => Ok(is_v2),
            Err(error) => Err(error.into()),
        }
    }
}

/// A file in a group's directory; nothing when it is not there or cannot be read.
pub(crate) fn text_of(dir: &str, name: &str) -> Option<String> {
    match files::read_to_string(&format!("{dir}/{name}")) {
        Ok(text) => Some(text),
        Err(FileError { reason: Reason::NotFound, .. }) => None,
        Err(error) => {
            log::debug!("a figure is absent: {error}");
            None
        }
    }
}

fn first_there(places: Vec<Place>) -> Result<Option<Group>, Error> {
    for place in places {
        match files::stat(&place.dir) {
            Ok(info) if info.kind == EntryKind::Directory => return Ok(Some(Group { place })),
            Ok(_) | Err(FileError { reason: Reason::NotFound | Reason::WrongType, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
