//! Compiles components in a child process of the same binary, so that the memory and the faults of a compiler never
//! are the agent's.
//!
//! The protocol: the component on standard input, the artifact on standard output, a reason on standard error, and an
//! exit code: 0, or 1 when the component is at fault, or another when the machine is. The child is started without environment, is the first to be stopped when memory runs out, gives way
//! to everything else on the machine, and dies with the agent.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use sandbeat_status::names;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::engine;

/// The largest component, in bytes.
pub(crate) const MAX_COMPONENT: u64 = 64 << 20;
/// The child's exit codes; a panic has 101.
const AT_FAULT: u8 = 1;
const NOT_AT_FAULT: u8 = 3;
/// How long one compilation may take.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How much address space the child may use, in bytes.
const CHILD_MEMORY: u64 = 4 << 30;
/// How much of the child's reason is kept, in bytes.
const MAX_REASON: u64 = 4096;

/// How to start the child: a program and its arguments.
#[derive(Clone, Debug)]
pub struct CompilerCommand {
    /// The program, usually `/proc/self/exe`.
    pub program: OsString,
    /// Arguments that make it call [`compile_stdin`].
    pub args: Vec<OsString>,
}

/// Why there is no artifact.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    /// The component is at fault.
    #[error("{0}")]
    Component(String),
    /// There is no place for artifacts. For the operator.
    #[error("{0}")]
    Cache(String),
    /// The host or the machine is.
    #[error("the compiler could not do its work: {0}")]
    Host(String),
}

/// The child's side: reads a component from standard input and writes its artifact to standard output. The answer is
/// the process's exit code; where it is not 0, the reason is on standard error.
pub fn compile_stdin() -> ExitCode {
    restrict();
    let (code, reason) = match compile_bytes() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(CompileError::Component(reason)) => (AT_FAULT, reason),
        Err(CompileError::Host(reason) | CompileError::Cache(reason)) => (NOT_AT_FAULT, reason),
    };
    // Where standard error is gone, the exit code has to do.
    let _ = writeln!(std::io::stderr(), "{reason}");
    ExitCode::from(code)
}

fn compile_bytes() -> Result<(), CompileError> {
    let host = |what: &str, e: std::io::Error| CompileError::Host(format!("{what}: {e}"));
    let mut component = Vec::new();
    let stdin = std::io::stdin().take(MAX_COMPONENT + 1).read_to_end(&mut component);
    stdin.map_err(|e| host("cannot read the component", e))?;
    let engine = engine::compiling().map_err(|e| CompileError::Host(format!("cannot make a compiler: {e:#}")))?;
    let artifact = engine.precompile_component(&component).map_err(|e| CompileError::Component(format!("{e:#}")))?;
    let mut stdout = std::io::stdout();
    stdout.write_all(&artifact).and_then(|()| stdout.flush()).map_err(|e| host("cannot write the artifact", e))
}

/// The agent's side: compiles `component` into `artifact`.
pub(crate) async fn compile(
    command: &CompilerCommand,
    component: Vec<u8>,
    artifact: &File,
) -> Result<(), CompileError> {
    let host = |what: &str, e: std::io::Error| CompileError::Host(format!("{what}: {e}"));
    let stdout = artifact.try_clone().map_err(|e| host("its output file", e))?;
    let mut child = Command::new(&command.program)
        .args(&command.args)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| host("it cannot be started", e))?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A child that ends early closes its input; its exit code says more than the broken pipe.
            let _ = stdin.write_all(&component).await;
        }
    };
    let listen = async move {
        let mut reason = Vec::new();
        if let Some(stderr) = stderr {
            let _ = stderr.take(MAX_REASON).read_to_end(&mut reason).await;
        }
        String::from_utf8_lossy(&reason).trim().to_owned()
    };
    let all = async { tokio::join!(feed, listen, child.wait()) };
    let Ok(((), reason, status)) = tokio::time::timeout(TIMEOUT, all).await else {
        return Err(CompileError::Component(format!("compiling it took longer than {TIMEOUT:?}")));
    };
    let status = status.map_err(|e| host("it cannot be waited for", e))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) if code == i32::from(AT_FAULT) => Err(CompileError::Component(names::shown(&reason, 1024))),
        Some(code) if code == i32::from(NOT_AT_FAULT) => Err(CompileError::Host(names::shown(&reason, 1024))),
        _ => Err(CompileError::Host(format!("it ended with {status}; {}", names::shown(&reason, 1024)))),
    }
}

/// Best effort: where one of these is refused, compiling still works.
fn restrict() {
    use rustix::process::{Resource, Rlimit, Signal, setpriority_process, setrlimit};
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let _ = setpriority_process(None, 19);
    let _ = setrlimit(Resource::As, Rlimit { current: Some(CHILD_MEMORY), maximum: Some(CHILD_MEMORY) });
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}
