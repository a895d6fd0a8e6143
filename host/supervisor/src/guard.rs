//! A process that outlives the agent for a moment, so that a killed agent leaves nothing behind.
//!
//! The parent-death signal reaches the agent's own children and nothing that they have started. So the agent forks this
//! process before it does anything else: it has next to no memory of its own, a session of its own, is told by each
//! child of its group, before that becomes the program (what never left the group is found by it, even where it has
//! erased its environment), and waits for the agent's end. When the agent has ended without having said that it is done,
//! it kills everything that carries the agent's mark and the agent's cgroups, says so on standard error, and ends. It
//! ends with the agent in every case, and of what the agent had open it keeps standard error only.
//!
//! It is a convenience of the agent's and no part of what is supervised: without it (there is none where the agent is
//! PID 1, whose end ends all, or where the fork was refused) the next start finds what was left behind. What neither
//! finds after `kill -9`: what has left its group and its cgroup and has erased its environment.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, WaitOptions, getpid, getppid, pidfd_open, setsid, test_kill_process_group, waitpid,
};
use rustix::thread::set_name;
use tracing::warn;

use crate::leftovers::told;
use crate::orphans;
use crate::tree::leaf::Home;
use crate::tree::mark::Agent;
use crate::tree::sweep;
use crate::tree::table::Claim;

/// As `ps` shows it; fifteen bytes are the most.
const NAME: &CStr = c"sandbeat-guard";

/// How long the guard tries to end what is left, and how long the agent waits for the guard's end.
const GRACE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(1);

/// What the agent and its children write: a group of a child, above zero while it has members and below when it has
/// none any more; zero when the agent is done. Each is written in one piece.
const RECORD: usize = size_of::<i32>();
const DONE: i32 = 0;
/// Groups may have lost their last member unseen.
const SIFT: i32 = i32::MIN;

/// Where they write. What does not fit any more (the guard is stopped) is lost.
static TOLD: OnceLock<fs::File> = OnceLock::new();

/// Tells the guard of the calling process, a child that leads a group: what never leaves that is found without a mark,
/// too. For between fork and exec, since the agent may be killed before it knows of the child. Async-signal-safe.
pub(crate) fn note_own() {
    tell(getpid().as_raw_nonzero().get());
}

/// Tells the guard to forget the groups that have no member: after a start that has failed, and when nobody waits for
/// the end of one.
pub(crate) fn sift() {
    tell(SIFT);
}

/// Tells the guard that a group has no member any more, so that its number may become somebody else's.
pub(crate) fn forget(group: i32) {
    tell(-group);
}

fn tell(record: i32) {
    if let Some(mut guard) = TOLD.get() {
        // Without a guard there is nobody to be told.
        let _ = guard.write(&record.to_ne_bytes());
    }
}

/// The agent's side. Dropped, as in a panic, it says nothing, and the guard does what it is there for.
#[derive(Debug)]
pub struct Guard {
    pid: Pid,
    done: fs::File,
}

impl Guard {
    /// Starts it; `None` where it is not needed. To be called before the process has a second thread.
    ///
    /// # Errors
    /// There is a second thread, no `/proc`, or the system refuses.
    #[expect(unsafe_code, reason = "there is no safe way to fork")]
    pub fn start() -> io::Result<Option<Self>> {
        if getpid() == Pid::INIT {
            return Ok(None);
        }
        if fs::read_dir("/proc/self/task")?.count() != 1 {
            return Err(io::Error::other("the process has more than one thread"));
        }
        let agent = Agent::own().ok_or_else(|| io::Error::other("/proc does not show this process"))?;
        let (told, done) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // SAFETY: this is the only thread, as was just seen, so that the child finds every lock free and every
        // structure whole, and may go on as any process.
        match unsafe { libc::fork() } {
            0 => {
                drop(done);
                watch(&agent, told);
                // Neither what the agent had to run at its exit nor its buffers are the guard's to see to.
                // SAFETY: it ends the process.
                unsafe { libc::_exit(0) }
            }
            pid => match Pid::from_raw(pid).filter(|_| pid > 0) {
                Some(pid) => {
                    let _ = TOLD.set(fs::File::from(done.try_clone()?));
                    Ok(Some(Guard { pid, done: done.into() }))
                }
                None => Err(io::Error::last_os_error()),
            },
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Tells it that nothing is left to be done, and waits for its end. For when the agent has stopped everything.
    pub fn dismiss(mut self) {
        // One that has been killed needs not to be told.
        let _ = self.done.write_all(&DONE.to_ne_bytes());
        let started = Instant::now();
        while let Ok(None) = waitpid(Some(self.pid), WaitOptions::NOHANG) {
            if started.elapsed() >= GRACE {
                warn!("the guard does not end; it has process id {}", self.pid());
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// The guard's life.
fn watch(agent: &Agent, told: OwnedFd) {
    let parent = Pid::from_raw(agent.pid);
    // Before anything else: from here on the descriptor is the agent's, or the agent has ended.
    let end = parent.and_then(|parent| pidfd_open(parent, PidfdFlags::empty()).ok());
    let end = end.filter(|_| getppid() == parent);
    stand_apart(&[Some(told.as_raw_fd()), end.as_ref().map(AsRawFd::as_raw_fd)]);
    let mut told = fs::File::from(told);
    let mut groups = BTreeSet::new();
    if is_dismissed(&mut told, end.as_ref(), &mut groups) {
        return;
    }
    // A look can meet a process whose memory the kernel has locked, and wait with it.
    end_after(GRACE * 2);
    let deadline = Instant::now() + GRACE;
    let home = Home::of(agent);
    let in_cgroups = home.as_ref().is_some_and(Home::is_populated);
    let in_group = |group| Claim::Start { child: None, group: Some(group), known: Vec::new(), token: String::new() };
    let claims: Vec<Claim> =
        std::iter::once(Claim::Agent { agent: *agent, below: None }).chain(groups.into_iter().map(in_group)).collect();
    let (ended, _) = sweep::end(&claims, agent.start, deadline);
    if let Some(home) = home {
        home.end(deadline);
    }
    if !ended.is_empty() || in_cgroups {
        warn!("the agent has ended without stopping its processes; killed what was left: {}", told_of(&ended));
    }
}

/// Has the kernel end this process, unless that is over before.
#[expect(unsafe_code, reason = "there is no safe interface to the alarm clock")]
fn end_after(within: Duration) {
    let seconds = u32::try_from(within.as_secs()).unwrap_or(u32::MAX);
    // SAFETY: it only sets a timer, whose signal's disposition is put to the default, which ends the process.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::alarm(seconds);
    }
}

fn told_of(ended: &[crate::tree::table::Seen]) -> String {
    if ended.is_empty() { "what was in its cgroups".to_owned() } else { told(ended) }
}

/// Waits for the agent's end or its word; whether it was its word.
fn is_dismissed(told: &mut fs::File, end: Option<&OwnedFd>, groups: &mut BTreeSet<i32>) -> bool {
    let mut listening = true;
    loop {
        let mut descriptors = Vec::new();
        if listening {
            descriptors.push(PollFd::new(&*told, PollFlags::IN));
        }
        descriptors.extend(end.map(|end| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN)));
        match poll(&mut descriptors, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return false,
        }
        match hear(told, groups) {
            Ok(Heard::Done) => return true,
            Ok(Heard::Groups) => {}
            // It let go of its side, in a panic; what is left is ended when it has.
            Ok(Heard::Nothing) if end.is_some_and(|end| !orphans::is_over(end)) => listening = false,
            // Without a word, even where somebody else holds its side open.
            _ => return false,
        }
    }
}

enum Heard {
    Done,
    Groups,
    /// The agent has let go of its side.
    Nothing,
}

/// Takes in what the agent has written.
fn hear(told: &mut fs::File, groups: &mut BTreeSet<i32>) -> io::Result<Heard> {
    let mut records = [0; 256 * RECORD];
    let count = told.read(&mut records)?;
    let records = records.get(..count).unwrap_or_default();
    for record in records.chunks_exact(RECORD).filter_map(|record| record.try_into().ok()).map(i32::from_ne_bytes) {
        match record {
            DONE => return Ok(Heard::Done),
            SIFT => groups.retain(|group| has_members(*group)),
            1.. => drop(groups.insert(record)),
            _ => drop(groups.remove(&-record)),
        }
    }
    Ok(if count == 0 { Heard::Nothing } else { Heard::Groups })
}

fn has_members(group: i32) -> bool {
    Pid::from_raw(group).is_some_and(|group| test_kill_process_group(group) != Err(Errno::SRCH))
}

/// Away from the agent's session, terminal, files and signals.
#[expect(unsafe_code, reason = "there is no safe way to close what others have opened, or to ignore a signal")]
fn stand_apart(kept: &[Option<RawFd>]) {
    // Whatever of this fails makes the guard more visible and no less of a guard.
    let _ = setsid();
    let _ = set_name(NAME);
    let _ = std::env::set_current_dir("/");
    for signal in
        [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2, libc::SIGPIPE]
    {
        // SAFETY: to ignore a signal needs no handler that would have to stay valid.
        unsafe {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
    if let Ok(null) = fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
    }
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<RawFd> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2 && !kept.contains(&Some(*descriptor))) {
        // SAFETY: nothing in this process, which only ever calls [`watch`], uses any descriptor but those kept; one
        // that the listing itself had open is closed already, which does no harm.
        unsafe {
            libc::close(descriptor);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_told_is_known_until_it_is_over() {
        let (told, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let (mut told, mut write) = (fs::File::from(told), fs::File::from(write));
        let mut groups = BTreeSet::new();
        let mut after = |records: &[i32]| {
            records.iter().for_each(|record| write.write_all(&record.to_ne_bytes()).unwrap());
            let heard = hear(&mut told, &mut groups).unwrap();
            (matches!(heard, Heard::Done), groups.iter().copied().collect::<Vec<_>>())
        };
        let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let lives = i32::try_from(child.id()).unwrap();
        assert_eq!(after(&[lives, lives]), (false, vec![lives]));
        assert_eq!(after(&[SIFT]), (false, vec![lives]));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(after(&[SIFT]), (false, vec![]));
        assert_eq!(after(&[7, -7]), (false, vec![]));
        assert_eq!(after(&[DONE]), (true, vec![]));
    }
}
