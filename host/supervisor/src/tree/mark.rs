//! Whose a process is: what each agent puts into the environment of all that it starts.
//!
//! The variable [`VARIABLE`] holds one token per start, `AGENT/ID.N`, and is inherited by whatever the child starts,
//! whichever session, group or parent that is in. An agent that is itself supervised adds its token behind the one
//! that it was started with, so that the outer agent finds the whole. `AGENT` names one agent for good: its process
//! id is unique within its PID namespace together with the time of its start, and the namespace is in the name because
//! ids say nothing elsewhere. A program can erase its environment, so that a mark proves whose a process is and its
//! absence proves nothing.
//!
//! Pure but for [`Agent::own`] and [`Agent::is_alive`], which read `/proc`.

use std::fmt;
use std::fs;
use std::str::FromStr;

use super::table::{self, Seen};

/// The variable's name.
pub(crate) const VARIABLE: &str = "SANDBEAT_PROCESS";

/// One agent, of all that ever ran on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Agent {
    /// The inode of its PID namespace.
    pub(crate) namespace: u64,
    pub(crate) pid: i32,
    /// When it was started, in clock ticks since the machine's start.
    pub(crate) start: u64,
}

impl Agent {
    /// This process; `None` where `/proc` is missing or shows another PID namespace than our own.
    pub(crate) fn own() -> Option<Self> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let seen = Seen::parse(&fs::read_to_string("/proc/self/stat").ok()?)?;
        let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
        let namespace = namespace.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()?;
        (seen.pid == pid).then_some(Agent { namespace, pid, start: seen.start })
    }

    /// Whether it runs. Only for an agent of the PID namespace that `/proc` shows.
    pub(crate) fn is_alive(&self) -> bool {
        table::seen(self.pid).is_some_and(|seen| seen.start == self.start && !seen.is_dead())
    }

    /// The token of one start of a process.
    pub(crate) fn token(&self, id: &str, number: u64) -> String {
        format!("{self}/{id}.{number}")
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.namespace, self.pid, self.start)
    }
}

impl FromStr for Agent {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(());
        let agent = Agent {
            namespace: next()?.parse().map_err(drop)?,
            pid: next()?.parse().map_err(drop)?,
            start: next()?.parse().map_err(drop)?,
        };
        if parts.next().is_none() { Ok(agent) } else { Err(()) }
    }
}

/// The tokens of a mark.
pub(crate) fn tokens(mark: &str) -> impl Iterator<Item = &str> {
    mark.split(' ').filter(|token| !token.is_empty())
}

/// The agents that a mark names.
pub(crate) fn agents(mark: &str) -> impl Iterator<Item = Agent> {
    tokens(mark).filter_map(|token| token.split_once('/')?.0.parse().ok())
}

/// The process that a mark names last: the id without the number of its start.
pub(crate) fn id(mark: &str) -> Option<&str> {
    Some(tokens(mark).last()?.split_once('/')?.1.rsplit_once('.')?.0)
}

/// The value for a child: the token behind what we were started with.
pub(crate) fn chained(inherited: Option<&str>, token: &str) -> String {
    match inherited {
        // One that is longer than any nesting makes it is nobody's.
        Some(inherited) if !inherited.is_empty() && inherited.len() < MAX_INHERITED => format!("{inherited} {token}"),
        _ => token.to_owned(),
    }
}

const MAX_INHERITED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_read_from_what_it_writes() {
        let agent = Agent { namespace: 4_026_531_836, pid: 12, start: 3456 };
        assert_eq!(agent.to_string().parse(), Ok(agent));
        for text in ["", "1.2", "1.2.3.4", "1.x.3", "-1.2.3"] {
            assert_eq!(text.parse::<Agent>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_mark_names_every_agent_that_it_went_through() {
        let outer = Agent { namespace: 1, pid: 2, start: 3 };
        let inner = Agent { pid: 20, ..outer };
        let mark = chained(Some(&outer.token("agent", 1)), &inner.token("web.check", 7));
        assert_eq!(mark, "1.2.3/agent.1 1.20.3/web.check.7");
        assert_eq!(agents(&mark).collect::<Vec<_>>(), [outer, inner]);
        assert_eq!(id(&mark), Some("web.check"));
        assert_eq!(agents("nonsense a/b  1.2.3").count(), 0);
    }

    #[test]
    fn this_process_lives_and_an_earlier_one_of_its_number_does_not() {
        let own = Agent::own().unwrap();
        assert!(own.is_alive());
        assert!(!Agent { start: own.start.wrapping_sub(1), ..own }.is_alive());
    }
}
