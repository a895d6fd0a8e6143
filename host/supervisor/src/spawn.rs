//! Starting children, on threads that do nothing else.
//!
//! Every child asks the kernel to be killed when its parent dies (`PR_SET_PDEATHSIG`), so that a killed agent leaves
//! no child behind. The kernel means the *thread* that forked, and the threads of a runtime come and go; therefore a
//! thread does nothing but start children, and lives as long as any [`Spawner`] does. [`crate::Supervisor`] owns it:
//! it ends after the last child was stopped, or, where the supervisor is merely dropped, takes the children with it.
//!
//! A program on a file system that does not answer holds its thread up, in the fork's wait for the exec. One that has
//! waited for [`SLOW`] while nothing at all was started has another thread be started beside it, up to [`MAX_THREADS`],
//! so that others do not wait for it.
//!
//! The limits of that signal: it is not inherited, so what a child started in turn outlives a killed agent unless the
//! [`crate::Guard`] ends it; and the kernel forgets it when a child executes a set-user-id program.
//!
//! A child starts as the leader of its own process group, no signal blocked or ignored, as the user, in the cgroup and
//! with the limits that `attributes` sees to, and with a mark, but without the agent's own secrets, in its environment.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::getpid;
use sandbeat_status::names::shown;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::error;

use crate::attributes::{Attributes, Failed};
use crate::config::Command;
use crate::guard;
use crate::nursery::{Born, Nursery};
use crate::stdio;
use crate::tree::Tree;
use crate::tree::mark::{self, Agent, VARIABLE};
use crate::tree::memory::Memory;
use crate::tree::sweep::Sweeper;
use crate::users::User;

/// A start that takes longer has failed; a program on a file system that does not answer must not hang a task.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// What no start has come to in this time is held up by another one.
const SLOW: Duration = Duration::from_millis(500);

/// The most threads, and thereby the most starts that can hang while others go on.
const MAX_THREADS: usize = 8;

/// The longest program, directory or URL in a message, in bytes.
pub(crate) const MAX_SHOWN: usize = 256;

/// Starts children; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Spawner {
    jobs: mpsc::Sender<Job>,
    pool: Arc<Pool>,
}

/// What the threads share.
#[derive(Debug)]
struct Pool {
    runtime: Handle,
    nursery: Mutex<Nursery>,
    /// Held by the thread that waits for the next one.
    jobs: Mutex<mpsc::Receiver<Job>>,
    /// Starts that were begun.
    begun: AtomicU64,
    threads: Mutex<Vec<JoinHandle<()>>>,
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
    haste: Haste,
    reply: oneshot::Sender<Result<Tree, NotStarted>>,
}

/// Whether a child must be in its cgroup before it runs. To enter one from outside takes the kernel some milliseconds
/// (it waits until no process of the machine is half-way through a fork), which a replacement must not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Haste {
    /// It enters first, so that nothing of it is ever outside.
    None,
    /// It is moved in when it runs; what it has forked by then is held together by its mark.
    Great,
}

/// The threads behind a [`Spawner`].
#[derive(Debug)]
pub(crate) struct Threads {
    pool: Arc<Pool>,
    sweeping: Option<JoinHandle<()>>,
}

impl Spawner {
    /// Starts the threads. They register children with the given runtime and end with the last clone of the spawner.
    /// Where there can be no thread, that is logged, and every start fails.
    pub(crate) fn start(runtime: Handle) -> (Self, Threads) {
        let agent = Agent::own();
        let memory = Memory::watch();
        let (sweeper, sweeping) = Sweeper::start(agent.map_or(0, |agent| agent.start), memory.clone());
        let nursery = Nursery::new(agent, sweeper, memory);
        let (jobs, received) = mpsc::channel();
        let pool = Arc::new(Pool {
            runtime,
            nursery: Mutex::new(nursery),
            jobs: Mutex::new(received),
            begun: AtomicU64::new(0),
            threads: Mutex::default(),
        });
        if let Err(failed) = pool.grow() {
            error!("no process can be started: the thread for it was refused: {failed}");
        }
        (Spawner { jobs, pool: Arc::clone(&pool) }, Threads { pool, sweeping })
    }

    /// Starts a child of the process with this id. Dropping the future kills a child that is started meanwhile.
    pub(crate) async fn spawn(&self, command: &Command, id: &str) -> Result<Tree, NotStarted> {
        self.order(command, id, Haste::None).await
    }

    /// The same, for one that is missed already.
    pub(crate) async fn respawn(&self, command: &Command, id: &str) -> Result<Tree, NotStarted> {
        self.order(command, id, Haste::Great).await
    }

    async fn order(&self, command: &Command, id: &str, haste: Haste) -> Result<Tree, NotStarted> {
        let failed = |reason: &str| NotStarted::new(command, "command", reason.to_owned());
        let (reply, started) = oneshot::channel();
        let job = Job { command: command.clone(), id: id.to_owned(), haste, reply };
        self.jobs.send(job).map_err(|_| failed("the agent has no thread to start it with"))?;
        let begun = self.pool.begun.load(Ordering::Relaxed);
        let mut started = pin!(started);
        let mut result = timeout(SLOW, &mut started).await;
        if result.is_err() {
            if self.pool.begun.load(Ordering::Relaxed) == begun
                && let Err(failed) = self.pool.grow()
            {
                error!("a start that hangs holds up others: a thread for them was refused: {failed}");
            }
            result = timeout(START_TIMEOUT, started).await;
        }
        match result {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(failed("the agent's thread that starts processes has ended")),
            Err(_) => Err(failed("the start took longer than 30s")),
        }
    }
}

impl Threads {
    /// Waits for their end; whether they ended as they should.
    pub(crate) fn join(self) -> bool {
        let starting = std::mem::take(&mut *lock(&self.pool.threads));
        let ended = |threads: Vec<JoinHandle<()>>| threads.into_iter().all(|thread| thread.join().is_ok());
        let started_well = ended(starting);
        // What they share holds a sweeper, whose last one the sweeping thread waits for.
        drop(self.pool);
        ended(self.sweeping.into_iter().collect()) && started_well
    }
}

impl Pool {
    /// Starts another thread, unless there are as many as may be.
    fn grow(self: &Arc<Self>) -> io::Result<()> {
        let mut threads = lock(&self.threads);
        if threads.len() < MAX_THREADS {
            let pool = Arc::clone(self);
            threads.push(std::thread::Builder::new().name("sandbeat-spawn".into()).spawn(move || pool.serve())?);
        }
        Ok(())
    }

    fn serve(&self) {
        let _runtime = self.runtime.enter();
        // The lock is held until there is a job, and given up before it is done.
        while let Some(job) = self.next() {
            self.begun.fetch_add(1, Ordering::Relaxed);
            let born = lock(&self.nursery).bear(&job.id, job.haste == Haste::None);
            let started = start(&job.command, born);
            // Nobody waits any more: the tree is handed back and its drop kills the child.
            drop(job.reply.send(started));
        }
        lock(&self.nursery).close();
    }

    fn next(&self) -> Option<Job> {
        lock(&self.jobs).recv().ok()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl NotStarted {
    fn new(command: &Command, key: &'static str, reason: String) -> Self {
        NotStarted { program: command.program.clone(), reason, key }
    }
}

/// An I/O error without the number, as a part of a sentence.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn start(command: &Command, mut born: Born) -> Result<Tree, NotStarted> {
    let door = born.door.take();
    let prepared = Attributes::of(command, getpid(), door);
    let (attributes, ear, user) = prepared.map_err(|unknown| NotStarted::new(command, unknown.key, unknown.reason))?;
    let mut built = tokio::process::Command::new(&command.program);
    built.args(&command.args).kill_on_drop(true);
    let attached =
        stdio::attach(&mut built, command.stdio, attributes.user()).map_err(|error| explain(command, &[], &error))?;
    if let Some(cwd) = &command.cwd {
        built.current_dir(cwd);
    }
    surround(&mut built, command, user.as_ref(), &born.kin.token);
    prepare(&mut built, attributes);
    let started = built.spawn();
    let heard = ear.heard();
    let mut child = started.map_err(|error| {
        guard::sift();
        explain(command, &heard, &error)
    })?;
    if born.kin.sealed && heard.contains(&Failed::Cgroup) {
        born.kin.sealed = false;
    }
    let ends = attached.ends(&mut child);
    let tree = Tree::new(child, ends, born.kin).map_err(|error| explain(command, &[], &error))?;
    if born.late {
        tree.move_in();
    }
    Ok(tree)
}

/// The child's environment.
fn surround(built: &mut tokio::process::Command, command: &Command, user: Option<&User>, token: &str) {
    if command.env_clear {
        built.env_clear();
    } else if let Some(user) = user {
        built.env("HOME", &user.home).env("USER", &user.name).env("LOGNAME", &user.name).env("SHELL", &user.shell);
    }
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_secret(name)) {
        built.env_remove(name);
    }
    built.envs(stdio::variables(command.stdio)).envs(&command.env);
    if !token.is_empty() {
        let inherited = std::env::var(VARIABLE).ok();
        built.env(VARIABLE, mark::chained(inherited.as_deref(), token));
    }
}

#[expect(unsafe_code, reason = "a parent-death signal and signal dispositions can only be set between fork and exec")]
fn prepare(command: &mut tokio::process::Command, attributes: Attributes) {
    // SAFETY: `apply` runs in the forked child, where only async-signal-safe functions may be called: it makes plain
    // system calls and neither allocates, locks nor panics. The standard library has emptied the signal mask.
    unsafe {
        command.pre_exec(move || attributes.apply());
    }
}

/// Whether a variable of the agent's environment is one of the agent's own secrets, or where that is read from.
fn is_secret(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    let is_secret =
        |key: &str| ["TOKEN", "KEY", "SECRET", "PASSWORD", "PROXY"].into_iter().any(|word| key.contains(word));
    name == "AGENT_TOKEN" || name == "AGENT_TOKEN_FILE" || name.strip_prefix("SANDBEAT_").is_some_and(is_secret)
}

fn explain(command: &Command, heard: &[Failed], error: &io::Error) -> NotStarted {
    if let Some((failed, key)) = heard.iter().find_map(|failed| Some((failed, failed.key()?))) {
        return NotStarted::new(command, key, failed.reason(command, error));
    }
    if let Some(cwd) = command.cwd.as_deref().filter(|cwd| !cwd.is_dir()) {
        let cwd = shown(&cwd.to_string_lossy(), MAX_SHOWN);
        return NotStarted::new(command, "cwd", format!("its directory `{cwd}` does not exist or is none"));
    }
    let program = &command.program;
    let exists = program.contains('/') && Path::new(program).exists();
    let reason = match error.kind() {
        io::ErrorKind::NotFound if exists => "the interpreter or loader that it names does not exist".to_owned(),
        _ => plain(error),
    };
    NotStarted::new(command, "command", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_secrets_are_known_by_their_names() {
        for name in [
            "AGENT_TOKEN",
            "AGENT_TOKEN_FILE",
            "SANDBEAT_API__TOKEN",
            "SANDBEAT_REPORT__TOKEN_FILE",
            "SANDBEAT_HUB__ADMIN_KEY",
            "SANDBEAT_REPORT__PROXY",
        ] {
            assert!(is_secret(OsStr::new(name)), "{name}");
        }
        assert!(is_secret(OsStr::new("SANDBEAT_HUB__ADMIN_KEY")));
        for name in
            ["PATH", "HTTPS_PROXY", "OPENAI_API_KEY", "AGENT_SERVER_URL", "GITHUB_TOKEN", "SANDBEAT_REPORT__INTERVAL"]
        {
            assert!(!is_secret(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn an_error_is_told_as_a_part_of_a_sentence() {
        assert_eq!(plain(&io::Error::from_raw_os_error(libc::ENOENT)), "no such file or directory");
        assert_eq!(plain(&io::Error::other("Odd")), "odd");
    }
}
