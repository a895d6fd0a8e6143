//! What a child does to itself between fork and exec: memory pressure, limits, cgroup, user, mask, signals.
//!
//! All that can be found out before is found out before ([`Attributes::of`]); what is left is system calls. A call that
//! fails is told to the agent through a pipe, as one byte that names what was being done, because the error that the
//! standard library hands over is a bare number.
//!
//! The order is the privileges': what spares the agent when memory runs out is given up, limits are raised and the
//! cgroup entered as the agent's user, then the groups, the group and the user change, and only then is the
//! parent-death signal asked for, which the kernel forgets at a change of user.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, fchown};
use rustix::io::{read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Gid, Pid, Resource, Rlimit, Signal, Uid, getegid, geteuid, getppid, getrlimit, set_parent_process_death_signal,
    setrlimit, umask,
};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use crate::config::{Command, Limit, Stdio};
use crate::guard;
use crate::memory_pressure;
use crate::users::{self, Unknown, User};

/// The signals whose dispositions are reset: the standard ones. What the agent was started with ignoring (`nohup`, a
/// shell's background job) would otherwise be ignored by its children, too, a configured stop signal among them.
const LAST_STANDARD_SIGNAL: i32 = 31;

/// Ready to be done in the child.
#[derive(Debug)]
pub(crate) struct Attributes {
    limits: Vec<(Resource, Rlimit)>,
    groups: Option<Vec<Gid>>,
    group: Option<Gid>,
    user: Option<Uid>,
    mask: Option<Mode>,
    /// How many of the standard descriptors, from standard error downwards, are pipes of the child's own.
    pipes: usize,
    agent: Pid,
    door: Option<OwnedFd>,
    told: OwnedFd,
}

/// What a child could not do, as it told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    Limits,
    Groups,
    Group,
    User,
    /// To enter its cgroup, without which it goes on.
    Cgroup,
}

/// Where a child tells what it could not do.
#[derive(Debug)]
pub(crate) struct Ear(OwnedFd);

impl Attributes {
    /// Whom the child becomes, where that is somebody else.
    pub(crate) fn user(&self) -> Option<Uid> {
        self.user
    }

    /// Looks up what a command's user and group are, and prepares the rest. `door` is what a child enters its cgroup
    /// through. With it comes the user that the command is run as, where one is configured.
    ///
    /// # Errors
    /// No such user or group; or no pipe, with the key `command`.
    pub(crate) fn of(
        command: &Command,
        agent: Pid,
        door: Option<OwnedFd>,
    ) -> Result<(Self, Ear, Option<User>), Unknown> {
        let identity = users::identity(command.user.as_deref(), command.group.as_deref())?;
        let (heard, told) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(|failed| Unknown { key: "command", reason: failed.to_string() })?;
        let user = identity.user.as_ref().map(|user| Uid::from_raw(user.id)).filter(|user| *user != geteuid());
        let group = identity.group.map(Gid::from_raw).filter(|group| *group != getegid());
        let groups = identity.groups.map(|groups| groups.into_iter().map(Gid::from_raw).collect::<Vec<_>>());
        // An agent that may not change them runs a process as itself all the same.
        let groups = groups.filter(|_| user.is_some() || is_root());
        let mask = command.umask.map(Mode::from_raw_mode);
        let limits = limits(&command.limits);
        let pipes = match command.stdio {
            Stdio::Output => 2,
            Stdio::Piped => 3,
            Stdio::Null | Stdio::Terminal(_) => 0,
        };
        Ok((Attributes { limits, groups, group, user, mask, pipes, agent, door, told }, Ear(heard), identity.user))
    }

    /// Does all of it. Async-signal-safe: plain system calls, and nothing is allocated or locked.
    ///
    /// # Errors
    /// One of them failed; which one is told.
    #[expect(unsafe_code, reason = "there is no safe interface to signal dispositions")]
    pub(crate) fn apply(&self) -> io::Result<()> {
        if let Some(original) = memory_pressure::original() {
            // Refused, it lives longer than it should, and works.
            let _ = memory_pressure::give_back(original);
        }
        for (resource, limit) in &self.limits {
            setrlimit(*resource, *limit).map_err(|failed| self.tell(Failed::Limits, failed))?;
        }
        if let Some(door) = &self.door
            && let Err(failed) = write(door, b"0")
        {
            self.tell(Failed::Cgroup, failed);
        }
        if let Some(groups) = &self.groups {
            set_thread_groups(groups).map_err(|failed| self.tell(Failed::Groups, failed))?;
        }
        if let Some(group) = self.group {
            set_thread_gid(group).map_err(|failed| self.tell(Failed::Group, failed))?;
        }
        if let Some(user) = self.user {
            // So that it can open them by their names, as in `/dev/stderr`; where that is refused it can do without.
            for pipe in [stderr(), stdout(), stdin()].into_iter().take(self.pipes) {
                let _ = fchown(pipe, Some(user), None);
            }
            set_thread_uid(user).map_err(|failed| self.tell(Failed::User, failed))?;
        }
        if let Some(mask) = self.mask {
            umask(mask);
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The agent may have died between the fork and the line above; its signal would then never come.
        if getppid() != Some(self.agent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        // SAFETY: to ignore a signal needs no handler that would have to stay valid. The standard library has put it to
        // the default, which would end this process where the guard is gone.
        unsafe {
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        }
        guard::note_own();
        for signal in 1..=LAST_STANDARD_SIGNAL {
            // SAFETY: the default disposition needs no handler that would have to stay valid; for KILL and STOP, whose
            // disposition is fixed, the call fails and changes nothing.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        Ok(())
    }

    fn tell(&self, what: Failed, failed: rustix::io::Errno) -> rustix::io::Errno {
        // The agent then knows the number alone.
        let _ = write(&self.told, &[what as u8]);
        failed
    }
}

impl Failed {
    const ALL: [Failed; 5] = [Failed::Limits, Failed::Groups, Failed::Group, Failed::User, Failed::Cgroup];

    /// The key of the process to be looked at, where it is one's.
    pub(crate) fn key(self) -> Option<&'static str> {
        match self {
            Failed::Limits => Some("limits"),
            Failed::Group => Some("group"),
            Failed::Groups | Failed::User => Some("user"),
            Failed::Cgroup => None,
        }
    }

    /// What is wrong, and who can do something about it.
    pub(crate) fn reason(self, command: &Command, error: &io::Error) -> String {
        match self {
            Failed::Limits => too_high(&command.limits).unwrap_or_else(|| format!("its limits are refused: {error}")),
            Failed::Groups | Failed::User if !is_root() => {
                "the agent must run as root to start processes as another user".to_owned()
            }
            Failed::Group if !is_root() => "the agent must run as root to start processes as another group".to_owned(),
            Failed::Groups | Failed::User => format!("the change to its user is refused: {error}"),
            Failed::Group => format!("the change to its group is refused: {error}"),
            Failed::Cgroup => format!("its cgroup is refused: {error}"),
        }
    }
}

impl Ear {
    /// What the child told so far, in order.
    pub(crate) fn heard(&self) -> Vec<Failed> {
        let mut bytes = [0; Failed::ALL.len()];
        // Nothing to read, most of the time.
        let count = read(self.0.as_fd(), &mut bytes).unwrap_or_default();
        let told = bytes.iter().take(count);
        told.filter_map(|byte| Failed::ALL.into_iter().find(|failed| *failed as u8 == *byte)).collect()
    }
}

fn limits(limits: &BTreeMap<Limit, Option<u64>>) -> Vec<(Resource, Rlimit)> {
    limits.iter().map(|(limit, value)| (limit.resource(), limit.bounds(*value))).collect()
}

/// The first limit that is above the one that the agent itself has, in words.
fn too_high(limits: &BTreeMap<Limit, Option<u64>>) -> Option<String> {
    let above = |value: Option<u64>, most: Option<u64>| most.is_some_and(|most| value.is_none_or(|value| value > most));
    let plain = |value: Option<u64>| value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string());
    limits.iter().find_map(|(limit, value)| {
        let most = getrlimit(limit.resource()).maximum;
        above(*value, most).then(|| {
            let (name, value, most) = (limit.as_str(), plain(*value), plain(most));
            format!(
                "the limit `{name}` of {value} is above the agent's own hard limit of {most}; lower it, raise the \
                 agent's, or run the agent as root"
            )
        })
    })
}

fn is_root() -> bool {
    geteuid() == Uid::ROOT
}

impl Limit {
    /// Soft and hard at once, but for the time: at the soft limit the kernel sends SIGXCPU, which says what has
    /// happened, only where the hard one, at which it kills, is not the same.
    fn bounds(self, value: Option<u64>) -> Rlimit {
        let maximum = match (self, value) {
            (Limit::Cpu, Some(seconds)) => {
                let most = getrlimit(Resource::Cpu).maximum.filter(|most| *most >= seconds);
                let above = seconds.saturating_add(1);
                Some(most.map_or(above, |most| most.min(above)))
            }
            _ => value,
        };
        Rlimit { current: value, maximum }
    }

    fn resource(self) -> Resource {
        match self {
            Limit::As => Resource::As,
            Limit::Core => Resource::Core,
            Limit::Cpu => Resource::Cpu,
            Limit::Data => Resource::Data,
            Limit::Fsize => Resource::Fsize,
            Limit::Memlock => Resource::Memlock,
            Limit::Nice => Resource::Nice,
            Limit::Nofile => Resource::Nofile,
            Limit::Nproc => Resource::Nproc,
            Limit::Stack => Resource::Stack,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_above_the_agents_own_is_named() {
        let most = getrlimit(Resource::Nofile).maximum.unwrap();
        let message = too_high(&BTreeMap::from([(Limit::Core, Some(0)), (Limit::Nofile, Some(most + 1))])).unwrap();
        assert!(message.starts_with(&format!("the limit `nofile` of {} is above", most + 1)), "{message}");
        assert_eq!(too_high(&BTreeMap::from([(Limit::Nofile, Some(most))])), None);
        assert!(too_high(&BTreeMap::from([(Limit::Nofile, None)])).unwrap().contains("`nofile` of unlimited"));
    }

    #[test]
    fn the_hard_limit_of_time_leaves_room_for_the_signal() {
        let limits = limits(&BTreeMap::from([(Limit::Cpu, Some(1)), (Limit::Core, Some(1))]));
        let bounds: Vec<_> = limits.iter().map(|(_, limit)| (limit.current, limit.maximum)).collect();
        assert_eq!(bounds, [(Some(1), Some(1)), (Some(1), Some(2))]);
    }

    #[test]
    fn what_a_child_tells_is_heard_in_order() {
        let (heard, told) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        let ear = Ear(heard);
        assert_eq!(ear.heard(), []);
        write(&told, &[Failed::Cgroup as u8, Failed::User as u8]).unwrap();
        assert_eq!(ear.heard(), [Failed::Cgroup, Failed::User]);
    }
}
