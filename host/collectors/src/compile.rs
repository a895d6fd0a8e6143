//! Compiles components in a child process of the same binary, so that the memory and the faults of a compiler never
//! are the agent's.
//!
//! The protocol: the component on standard input, the artifact on standard output, and an exit code (see
//! [`crate::child`]). On standard error, lines that say how far it is (see [`crate::progress`]) are taken out as they
//! come. Of the others, with exit code 0 the last one is the component's [`Shape`]; otherwise the first one is the reason.
//! The child is started with two variables of ours and nothing else.
//!
//! Owner: whoever awaits [`compile`]; dropping that future kills the child. Who is at fault decides what follows: a
//! component that is invalid, too expensive, or that the compiler fails on is not compiled again until its file
//! changes; what the machine could not do is tried again.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use sandbeat_status::names;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::child::{INVALID, MEMORY_VARIABLE, NOT_AT_FAULT, OUT_OF_MEMORY, PANICKED, TOO_LARGE};
use crate::progress::{Compilation, Progress, Told};
use crate::shape::Shape;

/// The largest component, in bytes.
pub const MAX_COMPONENT: u64 = 64 << 20;
/// The largest artifact, in bytes: what a child may write to a file. An artifact is a few times its component.
pub(crate) const MAX_ARTIFACT: u64 = 1 << 30;
/// How much of the child's standard error is kept, in bytes; the rest is read and dropped.
const MAX_SAID: u64 = 4096;
/// How much of a reason is shown, in bytes.
const MAX_REASON: usize = 300;
/// The compiler's threads: more of them only need more memory at once.
const MAX_THREADS: usize = 4;
/// How long a killed child may take to be gone.
const REAPED: Duration = Duration::from_secs(5);

/// How to start the child: a program and its arguments.
#[derive(Clone, Debug)]
pub struct CompilerCommand {
    /// The program, usually `/proc/self/exe`.
    pub program: OsString,
    /// Arguments that make it call [`compile_stdin`](crate::compile_stdin).
    pub args: Vec<OsString>,
}

/// What one compilation may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Wall clock.
    pub timeout: Duration,
    /// The child's address space, in bytes.
    pub memory: u64,
}

/// Measured: address space and resident memory are 20 to 30 times the component, and up to 90 times when it is a few
/// very large functions. 18 MB of Python or the like needs 0.6 GiB, 23 MB in 128 functions 1.7 GiB.
impl Default for CompileLimits {
    fn default() -> Self {
        CompileLimits { timeout: Duration::from_secs(120), memory: 2 << 30 }
    }
}

/// Why there is no artifact. The texts are for people, and whole sentences.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CompileError {
    /// The component is not one.
    #[error("not a valid component: {0}")]
    Invalid(String),
    /// Compiling or running it would cost more than it may.
    #[error("{0}")]
    TooExpensive(String),
    /// The compiler ended itself over this component.
    #[error("the compiler failed on it: {0}")]
    Compiler(String),
    /// There is no place for artifacts. For the operator.
    #[error("{0}")]
    Cache(String),
    /// The host or the machine is at fault.
    #[error("the compiler could not do its work: {0}")]
    Host(String),
}

impl CompileError {
    /// The same component would fail in the same way: it is not worth trying again before it changes.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            CompileError::Invalid(_) | CompileError::TooExpensive(_) | CompileError::Compiler(_) => true,
            CompileError::Cache(_) | CompileError::Host(_) => false,
        }
    }
}

/// Compiles `component` into `artifact`, which is empty and open for writing; how far that is, `told` has.
///
/// # Errors
/// Who is at fault, and why. The content of `artifact` is then without meaning.
pub(crate) async fn compile(
    command: &CompilerCommand,
    limits: CompileLimits,
    component: Vec<u8>,
    artifact: &File,
    told: &watch::Sender<Told>,
) -> Result<Shape, CompileError> {
    Compilation::begin(told);
    let mut child = spawn(command, limits, artifact)?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A child that ends early closes its input; its exit code says more than the broken pipe.
            let _ = stdin.write_all(&component).await;
        }
    };
    let listen = async move {
        match stderr {
            Some(stderr) => listen(stderr, |progress| Compilation::advance(told, progress)).await,
            None => String::new(),
        }
    };
    let ended = async { tokio::join!(feed, listen, child.wait()) };
    let Ok(((), said, status)) = tokio::time::timeout(limits.timeout, ended).await else {
        let used = child.id().and_then(cpu_time);
        // Should it not be gone by then, it still is when the handle is dropped.
        let _ = tokio::time::timeout(REAPED, child.kill()).await;
        return Err(too_late(used, limits.timeout));
    };
    let status = status.map_err(|e| CompileError::Host(format!("it cannot be waited for: {e}")))?;
    verdict(status, &said, limits)
}

fn spawn(command: &CompilerCommand, limits: CompileLimits, artifact: &File) -> Result<Child, CompileError> {
    let host = |what: &str, e: std::io::Error| CompileError::Host(format!("{what}: {e}"));
    let stdout = artifact.try_clone().map_err(|e| host("its output file", e))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    Command::new(&command.program)
        .args(&command.args)
        .env_clear()
        .env(MEMORY_VARIABLE, limits.memory.to_string())
        .env("RAYON_NUM_THREADS", threads.to_string())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(Stdio::piped())
        // A terminal's Ctrl-C is for the agent, which ends this itself.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| host("it cannot be started", e))
}

/// What the child says, until it is gone, but for how far it is. One that says more than is kept is not held up by a full
/// pipe.
async fn listen(stderr: impl AsyncRead + Unpin, advance: impl Fn(Progress)) -> String {
    let mut stderr = BufReader::new(stderr);
    let (mut said, mut line) = (Vec::new(), Vec::new());
    while (&mut stderr).take(MAX_SAID).read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        match Progress::read(&line) {
            Some(progress) => advance(progress),
            None => said.extend(line.iter().take((MAX_SAID as usize).saturating_sub(said.len()))),
        }
        line.clear();
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// The CPU time that a process has used.
fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name, which may contain anything; user and system time are the 14th and 15th.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    // A tick of this file is 10 ms on every Linux that we run on.
    Some(Duration::from_millis(ticks * 10))
}

/// Whether a component takes too long to compile, or a child that gives way to everything else had no turn.
fn too_late(used: Option<Duration>, timeout: Duration) -> CompileError {
    match used {
        Some(used) if used < timeout / 4 => CompileError::Host(format!(
            "the machine is too busy: it left {used:?} of CPU within {timeout:?}; raise plugins.compile_timeout if that \
             is usual"
        )),
        _ => CompileError::TooExpensive(format!(
            "compiling it takes longer than {timeout:?}; make it smaller, or raise plugins.compile_timeout"
        )),
    }
}

/// What the end of the child means.
fn verdict(status: ExitStatus, said: &str, limits: CompileLimits) -> Result<Shape, CompileError> {
    let reason = || first_line(said).unwrap_or_else(|| format!("it ended with {status} and gave no reason"));
    let out_of_memory = || {
        CompileError::TooExpensive(format!(
            "compiling it needs more than {} MiB of memory; make it smaller, or raise plugins.compile_memory",
            limits.memory >> 20
        ))
    };
    if let Some(signal) = status.signal() {
        return Err(match Signal::from_named_raw(signal) {
            // How Rust's allocator ends a process.
            Some(Signal::ABORT) if said.contains("memory allocation of") => out_of_memory(),
            Some(
                Signal::ABORT | Signal::SEGV | Signal::BUS | Signal::ILL | Signal::FPE | Signal::TRAP | Signal::SYS,
            ) => CompileError::Compiler(reason()),
            Some(Signal::XFSZ) => CompileError::TooExpensive(format!(
                "what it is compiled to is larger than {} MiB; make it smaller",
                MAX_ARTIFACT >> 20
            )),
            Some(Signal::KILL) => {
                CompileError::Host("it was killed, as happens when the machine runs out of memory".into())
            }
            _ => CompileError::Host(format!("it ended with {status}")),
        });
    }
    // What `exit` takes is eight bits.
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(0) => said
            .lines()
            .next_back()
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or_else(|| CompileError::Host(format!("it did not say what the artifact costs: {}", reason()))),
        Some(INVALID) => Err(CompileError::Invalid(reason())),
        Some(TOO_LARGE) => Err(CompileError::TooExpensive(reason())),
        Some(OUT_OF_MEMORY) => Err(out_of_memory()),
        Some(PANICKED) => Err(CompileError::Compiler(reason())),
        Some(NOT_AT_FAULT) => Err(CompileError::Host(reason())),
        _ => Err(CompileError::Host(format!("it ended with {status}: {}", reason()))),
    }
}

/// The first line that says something, as people may see it.
fn first_line(said: &str) -> Option<String> {
    said.lines().map(str::trim).find(|line| !line.is_empty()).map(|line| names::shown(line, MAX_REASON))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const LIMITS: CompileLimits = CompileLimits { timeout: Duration::from_secs(20), memory: 512 << 20 };
    const SHAPE: &str = r#"{"host_bytes":1,"loaded_bytes":2,"core_instances":3,"memories":4,"memory_bytes":5,"tables":6,"table_entries":7}"#;

    /// What a shell script in the place of the compiler leads to.
    async fn by(script: &str, limits: CompileLimits) -> Result<Shape, CompileError> {
        let command = CompilerCommand { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] };
        let artifact = tempfile::NamedTempFile::new().unwrap();
        let told = watch::Sender::new(None);
        let shape = compile(&command, limits, vec![7; 300_000], artifact.as_file(), &told).await?;
        let mut written = Vec::new();
        artifact.reopen().unwrap().read_to_end(&mut written).unwrap();
        assert_eq!(written, [7; 300_000]);
        Ok(shape)
    }

    #[tokio::test]
    async fn the_artifact_is_what_the_child_writes_and_the_shape_what_it_says_last() {
        let shape = by(&format!("cat; echo note >&2; echo '{SHAPE}' >&2"), LIMITS).await.unwrap();
        assert_eq!((shape.host_bytes, shape.table_entries), (1, 7));
    }

    #[tokio::test]
    async fn the_end_of_the_child_says_who_is_at_fault() {
        for (script, expected) in [
            ("echo 'bad magic' >&2; echo more >&2; exit 1", "not a valid component: bad magic"),
            ("echo 'it nests' >&2; exit 4", "it nests"),
            ("exit 5", "compiling it needs more than 512 MiB of memory"),
            ("echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$", "compiling it needs more than 512 MiB"),
            (
                "echo >&2; echo 'out of bounds (x.rs:1)' >&2; exit 101",
                "the compiler failed on it: out of bounds (x.rs:1)",
            ),
            ("ulimit -c 0; ulimit -f 8; exec cat", "what it is compiled to is larger than 1024 MiB"),
            ("kill -SEGV $$", "the compiler failed on it: it ended with signal: 11"),
        ] {
            let error = by(script, LIMITS).await.unwrap_err();
            assert!(error.is_final() && error.to_string().starts_with(expected), "{script}: {error}");
        }
        for (script, part) in [
            ("echo 'no disk' >&2; exit 3", "no disk"),
            ("exit 2", "exit status: 2"),
            ("kill -KILL $$", "runs out of memory"),
            ("kill -TERM $$", "signal: 15"),
            ("exit 0", "did not say what the artifact costs"),
            ("echo '{}' >&2", "did not say what the artifact costs"),
        ] {
            let error = by(script, LIMITS).await.unwrap_err();
            assert!(!error.is_final() && error.to_string().contains(part), "{script}: {error}");
        }
    }

    #[tokio::test]
    async fn a_child_without_end_is_killed() {
        let limits = CompileLimits { timeout: Duration::from_millis(300), ..LIMITS };
        for script in ["exec sleep 1000", "while :; do echo flood >&2; done"] {
            let error = by(script, limits).await.unwrap_err();
            assert!(error.to_string().contains("plugins.compile_timeout"), "{error}");
        }
    }

    #[test]
    fn only_one_that_had_its_turn_took_too_long() {
        let timeout = Duration::from_secs(8);
        assert!(!too_late(Some(Duration::from_millis(1990)), timeout).is_final());
        assert!(too_late(Some(Duration::from_secs(2)), timeout).is_final());
        assert!(too_late(None, timeout).is_final());
        assert!(cpu_time(std::process::id()).is_some_and(|used| used < Duration::from_secs(3600)));
        assert_eq!(cpu_time(0), None);
    }

    #[tokio::test]
    async fn how_far_it_is_is_told_and_taken_out_of_what_the_child_says() {
        let said = "progress 0 9\nodd\nprogress 4 9\nprogress 9 9\nlast";
        let advanced = std::cell::RefCell::new(Vec::new());
        let rest = listen(said.as_bytes(), |progress| advanced.borrow_mut().push(progress.compiled)).await;
        assert_eq!((rest.as_str(), advanced.into_inner()), ("odd\nlast", vec![0, 4, 9]));
        // However much of it there is, what else is said has room.
        let script = format!("cat; for i in $(seq 2000); do echo progress $i 2000 >&2; done; echo '{SHAPE}' >&2");
        assert_eq!(by(&script, LIMITS).await.unwrap().host_bytes, 1);
    }

    #[tokio::test]
    async fn what_a_child_says_is_bounded_and_shown_on_one_line() {
        let error = by("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1", LIMITS).await.unwrap_err();
        assert!(error.to_string().len() < 400, "{error}");
        let error = by("printf 'a\\033[31mb\\n' >&2; exit 1", LIMITS).await.unwrap_err();
        assert_eq!(error, CompileError::Invalid("a\\u{1b}[31mb".into()));
    }

    #[tokio::test]
    async fn the_child_gets_two_variables_and_nothing_else() {
        let names = "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= | cut -d= -f1 | sort | tr '\\n' ' ' >&2; exit 1";
        let error = by(names, LIMITS).await.unwrap_err();
        assert_eq!(error, CompileError::Invalid("RAYON_NUM_THREADS SANDBEAT_COMPILE_MEMORY".into()));
        let error = by("echo $SANDBEAT_COMPILE_MEMORY >&2; exit 1", LIMITS).await.unwrap_err();
        assert_eq!(error, CompileError::Invalid("536870912".into()));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_no_fault_of_the_component() {
        let command = CompilerCommand { program: "/nowhere".into(), args: vec![] };
        let artifact = tempfile::tempfile().unwrap();
        let error = compile(&command, LIMITS, vec![], &artifact, &watch::Sender::new(None)).await.unwrap_err();
        assert!(!error.is_final() && error.to_string().contains("cannot be started"), "{error}");
    }
}
