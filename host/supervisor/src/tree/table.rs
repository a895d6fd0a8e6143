//! The processes of the machine, and which of them belong to whom.
//!
//! [`look`] reads `/proc` once; [`owned`] is pure. A look is no snapshot: what is started while it is taken may be
//! missing, so that nobody may conclude from one look that nothing is left of something that was just running.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use rustix::process::geteuid;

use super::mark::{self, Agent, VARIABLE};

/// The most of an environment that is read, in bytes. One that is larger is looked at this far.
const MAX_ENVIRONMENT: u64 = 1 << 20;

/// The parent of the kernel's own threads, in the machine's first PID namespace.
const KERNEL: i32 = 2;

/// A process, as `/proc` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) state: char,
    /// When it was started, in clock ticks since the machine's start.
    pub(crate) start: u64,
    /// What its environment says of whose it is.
    pub(crate) mark: Option<String>,
}

/// What somebody owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// What one start of a process led to. The child and its group are named only as long as their numbers are taken.
    Start { child: Option<i32>, group: Option<i32>, known: Vec<Known>, token: String },
    /// All that an agent started, and where `below` says so, all else that is below it now but for these children.
    Agent { agent: Agent, below: Option<Vec<i32>> },
}

/// One process and no later one of its number: that, and when it was started.
pub(crate) type Known = (i32, u64);

impl Seen {
    /// Which one it is.
    pub(crate) fn known(&self) -> Known {
        (self.pid, self.start)
    }

    /// Reads a `/proc/PID/stat`. The name in it is in parentheses and may contain any.
    pub(crate) fn parse(stat: &str) -> Option<Self> {
        let (head, rest) = stat.rsplit_once(')')?;
        let pid = head.split_ascii_whitespace().next()?.parse().ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        // The 22nd field of all, counted from 1.
        let start = fields.nth(16)?.parse().ok()?;
        Some(Seen { pid, parent, group, state, start, mark: None })
    }

    /// Whether it has ended, and only waits to be reaped.
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

impl Claim {
    /// Whether what it names can be killed before all that is below it has been found, which then is nobody's.
    pub(crate) fn is_headless(&self) -> bool {
        matches!(self, Claim::Start { child: None, .. })
    }

    /// Whether a process is claimed for what is known of it alone.
    pub(crate) fn names(&self, seen: &Seen) -> bool {
        match self {
            Claim::Start { child, group, known, token } => {
                *child == Some(seen.pid)
                    || *group == Some(seen.group)
                    || known.contains(&seen.known())
                    || seen.mark.as_deref().is_some_and(|mark| mark::tokens(mark).any(|named| named == token))
            }
            Claim::Agent { agent, below } => {
                below.as_ref().is_some_and(|spared| seen.parent == agent.pid && !spared.contains(&seen.pid))
                    || seen.mark.as_deref().is_some_and(|mark| mark::agents(mark).any(|named| named == *agent))
            }
        }
    }
}

/// Which of the processes belong to each claim: those that it names, and all below them. The dead are left out.
pub(crate) fn owned<'a>(table: &'a [Seen], claims: &[Claim]) -> Vec<Vec<&'a Seen>> {
    let places: HashMap<i32, usize> = table.iter().enumerate().map(|(place, seen)| (seen.pid, place)).collect();
    let parents: Vec<Option<usize>> = table.iter().map(|seen| places.get(&seen.parent).copied()).collect();
    claims.iter().map(|claim| owned_by(table, &parents, claim)).collect()
}

fn owned_by<'a>(table: &'a [Seen], parents: &[Option<usize>], claim: &Claim) -> Vec<&'a Seen> {
    let mut verdicts: Vec<Option<bool>> = table.iter().map(|seen| claim.names(seen).then_some(true)).collect();
    for place in 0..table.len() {
        let mut path = Vec::new();
        let mut at = Some(place);
        let verdict = loop {
            let Some(here) = at else { break false };
            match verdicts.get(here) {
                Some(Some(known)) => break *known,
                // As long as that is a circle, which only a look during changes can show.
                Some(None) if path.len() <= table.len() => path.push(here),
                _ => break false,
            }
            at = parents.get(here).copied().flatten();
        };
        for here in path {
            if let Some(unknown) = verdicts.get_mut(here) {
                *unknown = Some(verdict);
            }
        }
    }
    table
        .iter()
        .zip(verdicts)
        .filter(|(seen, mine)| *mine == Some(true) && !seen.is_dead())
        .map(|(seen, _)| seen)
        .collect()
}

/// Looks at every process once, and hands each out as soon as it is read. The marks of those that were started before
/// `since` are not read: who looks for what was started later needs them not.
///
/// # Errors
/// There is no `/proc`.
pub(crate) fn look(since: u64, mut each: impl FnMut(&Seen)) -> io::Result<Vec<Seen>> {
    let (mut table, mut bare) = (Vec::new(), Vec::new());
    let mut buffer = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Some(mut seen) = seen_with(pid, &mut buffer) else { continue };
        if seen.start >= since && !seen.is_dead() {
            seen.mark = mark_of(pid, &mut buffer);
            if buffer.is_empty() && seen.parent != KERNEL {
                bare.push(seen);
                continue;
            }
        }
        each(&seen);
        table.push(seen);
    }
    // What was just becoming another program had no environment for a moment.
    for mut seen in bare {
        seen.mark = mark_of(seen.pid, &mut buffer);
        each(&seen);
        table.push(seen);
    }
    Ok(table)
}

/// One process; `None` where there is none of this number.
pub(crate) fn seen(pid: i32) -> Option<Seen> {
    seen_with(pid, &mut Vec::new())
}

/// What the environment of a process says of whose it is; `None` also where that is not for us to see.
pub(crate) fn mark_of(pid: i32, buffer: &mut Vec<u8>) -> Option<String> {
    buffer.clear();
    let file = environment_of(pid).ok()?;
    file.take(MAX_ENVIRONMENT).read_to_end(buffer).ok()?;
    let found = buffer.split(|byte| *byte == 0).find_map(|pair| {
        let value = pair.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value).ok()
    });
    found.map(str::to_owned)
}

/// The children that a process's first thread has: for us, the orphans that came to us and what that thread forked.
/// `None` where the kernel does not tell.
pub(crate) fn children_of_first_thread(pid: i32) -> Option<Vec<i32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Some(text.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect())
}

/// Opens the environment of a process. Root without `CAP_SYS_PTRACE`, as containers have it, sees that of another
/// user's process only as that user.
fn environment_of(pid: i32) -> io::Result<File> {
    let path = format!("/proc/{pid}/environ");
    match File::open(&path) {
        Err(failed) if failed.kind() == io::ErrorKind::PermissionDenied && geteuid().is_root() => {
            // Those of a process that lets nobody look belong to root.
            let owner = fs::metadata(format!("/proc/{pid}"))?;
            let _borrowed = Borrowed::of(owner.uid(), owner.gid());
            File::open(&path)
        }
        opened => opened,
    }
}

/// This thread's identity towards files is another's until this is dropped. Only while the agent is root.
struct Borrowed {
    user: libc::c_int,
    group: libc::c_int,
}

impl Borrowed {
    #[expect(unsafe_code, reason = "there is no safe interface to a thread's identity towards files")]
    fn of(user: u32, group: u32) -> Self {
        // SAFETY: plain system calls without pointers, which change nothing but this thread's own identity towards
        // files. The group goes first, since to change it takes the user's privilege.
        unsafe {
            let group = libc::setfsgid(group);
            Borrowed { user: libc::setfsuid(user), group }
        }
    }
}

impl Drop for Borrowed {
    #[expect(unsafe_code, reason = "there is no safe interface to a thread's identity towards files")]
    fn drop(&mut self) {
        // SAFETY: as above. Root as the real and effective user may always set back what was there before.
        unsafe {
            libc::setfsuid(self.user.cast_unsigned());
            libc::setfsgid(self.group.cast_unsigned());
        }
    }
}

fn seen_with(pid: i32, buffer: &mut Vec<u8>) -> Option<Seen> {
    buffer.clear();
    File::open(format!("/proc/{pid}/stat")).ok()?.read_to_end(buffer).ok()?;
    Seen::parse(&String::from_utf8_lossy(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Agent = Agent { namespace: 1, pid: 10, start: 100 };

    fn process(pid: i32, parent: i32, group: i32, mark: Option<&str>) -> Seen {
        Seen { pid, parent, group, state: 'S', start: 200, mark: mark.map(str::to_owned) }
    }

    fn start(child: Option<i32>, group: Option<i32>) -> Claim {
        Claim::Start { child, group, known: vec![(50, 200), (51, 199)], token: "1.10.100/web.1".into() }
    }

    fn pids(table: &[Seen], claim: Claim) -> Vec<i32> {
        owned(table, &[claim]).concat().iter().map(|seen| seen.pid).collect()
    }

    #[test]
    fn a_process_is_found_behind_any_name() {
        let rest = "1 10 10 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 1 1";
        let seen = Seen::parse(&format!("12 (a) Z 9 (b)) S {rest}")).unwrap();
        assert_eq!((seen.pid, seen.state, seen.parent, seen.group, seen.start), (12, 'S', 1, 10, 777));
        assert_eq!(Seen::parse("12 (sh"), None);
        assert_eq!(Seen::parse("12 (sh) S 1 10"), None);
    }

    #[test]
    fn a_start_owns_its_child_its_group_its_marked_and_all_below_them() {
        let mark = Some("9.9.9/outer.1 1.10.100/web.1");
        let table = [
            process(35, 34, 34, None),
            process(20, 10, 20, None),
            process(21, 20, 21, None),
            process(22, 1, 20, None),
            process(34, 33, 34, None),
            process(33, 10, 33, mark),
            process(40, 10, 40, Some("1.10.100/web.10")),
            process(41, 40, 41, None),
            process(50, 10, 50, None),
            process(51, 10, 51, None),
        ];
        assert_eq!(pids(&table, start(Some(20), Some(20))), [35, 20, 21, 22, 34, 33, 50]);
        assert_eq!(pids(&table, start(None, None)), [35, 34, 33, 50]);
    }

    #[test]
    fn an_agent_owns_what_it_marked_and_what_is_below_it_but_for_the_spared() {
        let table = [
            process(10, 1, 10, None),
            process(11, 10, 11, None),
            process(12, 10, 12, None),
            process(13, 12, 13, None),
            process(20, 1, 20, Some("1.10.100/web.1")),
            process(21, 1, 21, Some("1.10.101/web.1")),
        ];
        assert_eq!(pids(&table, Claim::Agent { agent: OWN, below: None }), [20]);
        assert_eq!(pids(&table, Claim::Agent { agent: OWN, below: Some(vec![11]) }), [12, 13, 20]);
    }

    #[test]
    fn the_dead_are_left_out_and_a_circle_ends() {
        let mut table = [process(20, 21, 20, None), process(21, 20, 20, None), process(22, 1, 22, None)];
        assert_eq!(pids(&table, start(Some(22), None)), [22]);
        assert_eq!(pids(&table, start(Some(21), None)), [20, 21]);
        table[1].state = 'Z';
        assert_eq!(pids(&table, start(Some(21), None)), [20]);
    }

    #[test]
    fn a_look_finds_this_process_and_its_environment() {
        let own = Agent::own().unwrap();
        let table = look(0, |_| {}).unwrap();
        let seen = table.iter().find(|seen| seen.pid == own.pid).unwrap();
        assert_eq!(seen.start, own.start);
        assert!(!seen.is_dead());
    }
}
