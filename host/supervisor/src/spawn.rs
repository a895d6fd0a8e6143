//! Starting children, all on one thread.
//!
//! Every child asks the kernel to be killed when its parent dies (`PR_SET_PDEATHSIG`), so that a killed agent leaves
//! no child behind. The kernel means the *thread* that forked, and the threads of a runtime come and go; therefore one
//! thread does nothing but start children, and lives as long as any [`Spawner`] does. [`crate::Supervisor`] owns it:
//! it ends after the last child was stopped, or, where the supervisor is merely dropped, takes the children with it.
//!
//! The limits of that signal: it is not inherited, so what a child started in turn outlives a killed agent unless the
//! child takes it along; and the kernel forgets it when a child executes a set-user-id program.
//!
//! A child starts as the leader of its own process group, with `/dev/null` as its input, no signal blocked or ignored,
//! and without the agent's own secrets in its environment.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use sandbeat_status::names::shown;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::error;

use crate::config::Command;
use crate::group::Group;
use crate::stdio;

/// A start that takes longer has failed; a program on a file system that does not answer must not hang a task.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The signals whose dispositions are reset: the standard ones. What the agent was started with ignoring (`nohup`, a
/// shell's background job) would otherwise be ignored by its children, too, a configured stop signal among them.
const LAST_STANDARD_SIGNAL: i32 = 31;

/// The longest program, directory or URL in a message, in bytes.
pub(crate) const MAX_SHOWN: usize = 256;

/// Starts children; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Spawner {
    jobs: mpsc::Sender<Job>,
}

/// Why a child could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot start `{}`: {reason}", shown(program, MAX_SHOWN))]
pub struct NotStarted {
    program: String,
    reason: String,
    /// The key of the process whose value is to be looked at.
    pub(crate) key: &'static str,
}

#[derive(Debug)]
struct Job {
    command: Command,
    id: String,
    reply: oneshot::Sender<Result<Group, NotStarted>>,
}

impl Spawner {
    /// Starts the thread. It registers children with the given runtime and ends with the last clone of the spawner.
    /// Where there can be no thread, that is logged, and every start fails.
    pub(crate) fn start(runtime: Handle) -> (Self, Option<JoinHandle<()>>) {
        let (jobs, received) = mpsc::channel();
        let thread =
            std::thread::Builder::new().name("sandbeat-spawn".into()).spawn(move || serve(&runtime, &received));
        let thread = thread
            .inspect_err(|failed| error!("no process can be started: the thread for it was refused: {failed}"))
            .ok();
        (Spawner { jobs }, thread)
    }

    /// Starts a child of the process with this id. Dropping the future kills a child that is started meanwhile.
    pub(crate) async fn spawn(&self, command: &Command, id: &str) -> Result<Group, NotStarted> {
        let failed =
            |reason: &str| NotStarted { program: command.program.clone(), reason: reason.to_owned(), key: "command" };
        let (reply, started) = oneshot::channel();
        let job = Job { command: command.clone(), id: id.to_owned(), reply };
        self.jobs.send(job).map_err(|_| failed("the agent has no thread to start it with"))?;
        match timeout(START_TIMEOUT, started).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(failed("the agent's thread that starts processes has ended")),
            Err(_) => Err(failed("the start took longer than 30s")),
        }
    }
}

/// An I/O error without the number, as a part of a sentence.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn serve(runtime: &Handle, jobs: &mpsc::Receiver<Job>) {
    let _runtime = runtime.enter();
    while let Ok(job) = jobs.recv() {
        let started = spawn_here(&job.command, &job.id).map_err(|error| explain(&job.command, &error));
        // Nobody waits any more: the group is handed back and its drop kills the child.
        drop(job.reply.send(started));
    }
}

fn spawn_here(command: &Command, _id: &str) -> io::Result<Group> {
    let mut built = tokio::process::Command::new(&command.program);
    built.args(&command.args).kill_on_drop(true);
    let attached = stdio::attach(&mut built, command.stdio)?;
    if let Some(cwd) = &command.cwd {
        built.current_dir(cwd);
    }
    if command.env_clear {
        built.env_clear();
    }
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_secret(name)) {
        built.env_remove(name);
    }
    built.envs(stdio::variables(command.stdio)).envs(&command.env);
    prepare(&mut built);
    let mut child = built.spawn()?;
    let ends = attached.ends(&mut child);
    Group::new(child, ends)
}

#[expect(unsafe_code, reason = "a parent-death signal and signal dispositions can only be set between fork and exec")]
fn prepare(command: &mut tokio::process::Command) {
    let agent = getpid();
    // SAFETY: `in_child` runs in the forked child, where only async-signal-safe functions may be called: it makes
    // plain system calls (prctl, getppid, sigaction) and neither allocates, locks nor panics.
    unsafe {
        command.pre_exec(move || in_child(agent));
    }
}

/// What a child does to itself before it becomes the program. The standard library has emptied its signal mask.
#[expect(unsafe_code, reason = "there is no safe interface to signal dispositions")]
fn in_child(agent: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The agent may have died between the fork and the line above; its signal would then never come.
    if getppid() != Some(agent) {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    for signal in 1..=LAST_STANDARD_SIGNAL {
        // SAFETY: the default disposition needs no handler that would have to stay valid; for KILL and STOP, whose
        // disposition is fixed, the call fails and changes nothing.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
    Ok(())
}

/// Whether a variable of the agent's environment is the agent's own secret: its token, or where that is read from.
fn is_secret(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    name == "AGENT_TOKEN" || name == "AGENT_TOKEN_FILE" || (name.starts_with("SANDBEAT_") && name.contains("TOKEN"))
}

fn explain(command: &Command, error: &io::Error) -> NotStarted {
    let program = command.program.clone();
    if let Some(cwd) = command.cwd.as_deref().filter(|cwd| !cwd.is_dir()) {
        let cwd = shown(&cwd.to_string_lossy(), MAX_SHOWN);
        let reason = format!("its directory `{cwd}` does not exist or is none");
        return NotStarted { program, reason, key: "cwd" };
    }
    let exists = program.contains('/') && Path::new(&program).exists();
    let reason = match error.kind() {
        io::ErrorKind::NotFound if exists => "the interpreter or loader that it names does not exist".to_owned(),
        _ => plain(error),
    };
    NotStarted { program, reason, key: "command" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_secrets_are_known_by_their_names() {
        for name in ["AGENT_TOKEN", "AGENT_TOKEN_FILE", "SANDBEAT_API__TOKEN", "SANDBEAT_REPORT__TOKEN_FILE"] {
            assert!(is_secret(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "AGENT_SERVER_URL", "GITHUB_TOKEN", "SANDBEAT_REPORT__INTERVAL"] {
            assert!(!is_secret(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn an_error_is_told_as_a_part_of_a_sentence() {
        assert_eq!(plain(&io::Error::from_raw_os_error(libc::ENOENT)), "no such file or directory");
        assert_eq!(plain(&io::Error::other("Odd")), "odd");
    }
}
