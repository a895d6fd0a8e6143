//! Which process holds a socket. The agent looks through the descriptors of all processes to answer that, so it is asked
//! only when the sockets are others than before, and now and then because a socket can be handed on.
//!
//! The last answer is kept in the state. It is not used when anything about it is not as it was written, and where it
//! does not fit the agent is asked each time. Without the grant, or when the agent cannot tell, ports have no names.

use std::collections::BTreeMap;

use sandbeat_common::plain;
use sandbeat_sdk::prelude::*;
use sandbeat_sdk::processes::{self, ProcessError};

/// After so many collects the agent is asked although nothing has changed.
const REFRESH: u32 = 20;
/// Bytes of a name; the kernel's own bound for processes that have sockets is 15.
const MAX_NAME: usize = 64;
const KEY: &str = "owners";

/// Names of processes by inode.
pub(crate) type Owners = BTreeMap<u64, String>;

/// What was last answered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    /// Collects since then.
    age: u32,
    /// Nothing for a socket that nobody is known to hold.
    names: BTreeMap<u64, Option<String>>,
}

/// Who holds these sockets, as far as that is known; sorted and at most as many as the agent answers at once.
pub(crate) fn of(inodes: &[u64]) -> Owners {
    let kept = state::get(KEY).and_then(|bytes| Answer::parse(str::from_utf8(&bytes).ok()?));
    let answer = match kept {
        Some(kept) if kept.age < REFRESH && kept.names.keys().eq(inodes) => Answer { age: kept.age + 1, ..kept },
        _ => match ask(inodes) {
            Ok(names) => Answer { age: 0, names },
            Err(error) => {
                log::debug!("ports without names of processes: {error}");
                state::delete(KEY);
                return Owners::new();
            }
        },
    };
    if let Err(error) = state::set(KEY, answer.to_string().as_bytes()) {
        log::debug!("the owners of ports are not kept: {error}");
        state::delete(KEY);
    }
    answer.names.into_iter().filter_map(|(inode, name)| Some((inode, name?))).collect()
}

fn ask(inodes: &[u64]) -> Result<BTreeMap<u64, Option<String>>, ProcessError> {
    if inodes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let owners = processes::socket_owners(inodes)?;
    let name =
        |owner: Option<processes::Owner>| owner.map(|owner| attribute(&owner.name)).filter(|name| !name.is_empty());
    Ok(inodes.iter().copied().zip(owners.into_iter().map(name)).collect())
}

/// A name as an attribute can carry it: a process chooses its own.
fn attribute(name: &str) -> String {
    plain(&name[..name.floor_char_boundary(MAX_NAME)])
}

/// The age, then a line per socket: its inode, and behind a space the name where there is one.
impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.age)?;
        for (inode, name) in &self.names {
            write!(f, "\n{inode}")?;
            if let Some(name) = name {
                write!(f, " {name}")?;
            }
        }
        Ok(())
    }
}

impl Answer {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let age = lines.next()?.parse().ok()?;
        let socket = |line: &str| {
            let (inode, name) =
                line.split_once(' ').map_or((line, None), |(inode, name)| (inode, Some(name.to_owned())));
            Some((inode.parse().ok()?, name))
        };
        Some(Self { age, names: lines.map(socket).collect::<Option<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::processes::Owner;
    use sandbeat_sdk::testing::Sandbox;

    fn sandbox(owners: &[(u64, &str)]) -> Sandbox {
        let owner = |(inode, name): &(u64, &str)| (*inode, Owner { pid: 1, name: (*name).to_owned() });
        Sandbox::new().processes(owners.iter().map(owner))
    }

    fn names(sandbox: &mut Sandbox, inodes: &[u64]) -> Vec<(u64, String)> {
        sandbox.run(|| of(inodes)).into_iter().collect()
    }

    #[test]
    fn the_agent_is_asked_again_when_the_sockets_are_others_or_after_a_while() {
        let mut sandbox = sandbox(&[(1, "node")]);
        assert_eq!(names(&mut sandbox, &[1, 2]), [(1, "node".into())]);
        // An owner that is found meanwhile shows when it was asked.
        let mut sandbox = sandbox.processes([(2, Owner { pid: 2, name: "sshd".into() })]);
        for _ in 0..REFRESH {
            assert_eq!(names(&mut sandbox, &[1, 2]), [(1, "node".into())]);
        }
        assert_eq!(names(&mut sandbox, &[1, 2]).len(), 2);
        let mut sandbox = sandbox.processes([(3, Owner { pid: 3, name: "redis".into() })]);
        assert_eq!(names(&mut sandbox, &[1, 3]), [(1, "node".into()), (3, "redis".into())]);
        assert_eq!(names(&mut sandbox, &[]), []);
    }

    #[test]
    fn without_the_grant_there_are_no_names() {
        let mut sandbox = Sandbox::new();
        assert_eq!(names(&mut sandbox, &[1]), []);
        assert!(sandbox.lines()[0].1.contains("`processes = true`"), "{:?}", sandbox.lines());
    }

    #[test]
    fn names_that_processes_gave_themselves_break_nothing() {
        let hostile = "a b\n7 c\u{7}\u{202e}";
        let mut sandbox = sandbox(&[(1, hostile), (2, ""), (3, &"ä".repeat(100))]);
        let expected = vec![(1, "a b\u{fffd}7 c\u{fffd}\u{fffd}".into()), (3, "ä".repeat(32))];
        assert_eq!(names(&mut sandbox, &[1, 2, 3]), expected);
        assert_eq!(names(&mut sandbox, &[1, 2, 3]), expected, "from the state");
    }

    #[test]
    fn what_was_kept_otherwise_is_not_used() {
        for text in ["", "x", "0\n", "0\nx node", "-1\n1 node", "0\n1 node\n"] {
            assert_eq!(Answer::parse(text), None, "{text:?}");
        }
        assert_eq!(Answer::parse("7").map(|answer| answer.age), Some(7));
    }

    #[test]
    fn what_does_not_fit_into_the_state_is_asked_each_time() {
        let inodes: Vec<u64> = (0..1000).collect();
        let owners = inodes.iter().map(|inode| (*inode, Owner { pid: 1, name: "x".repeat(64) }));
        let mut sandbox = Sandbox::new().processes(owners);
        assert_eq!(names(&mut sandbox, &inodes).len(), 1000);
        assert_eq!(names(&mut sandbox, &inodes).len(), 1000);
    }
}
