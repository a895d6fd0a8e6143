//! A process as clients see it.

use jiff::Timestamp;
use sandbeat_status::ProcessState;
use sandbeat_supervisor::{Details, Exit, Kind, Phase, Stdio};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A process at one moment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process {
    /// Its name in the configuration, or `proc_N` where it was created here.
    id: String,
    /// The program.
    command: String,
    args: Vec<String>,
    /// The directory that it starts in; absent where that is the agent's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    /// Whether it has a terminal.
    tty: bool,
    /// Whether its creator means to write to it; of a configured one, whether it has a terminal.
    interactive: bool,
    owner: Owner,
    /// Whether it exists right now.
    status: Existence,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// The code that it ended with; absent while it runs, and where a signal ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    /// The signal that ended it, such as `SIGKILL`; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_signal: Option<String>,
    /// Whether the kernel ended it because memory ran out; absent otherwise.
    #[serde(skip_serializing_if = "is_false")]
    out_of_memory: bool,
    /// When it came under supervision, by the wall clock; milliseconds since 1970.
    created_at_ms: i64,
    /// When it ended, by the wall clock; milliseconds since 1970. Absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    exited_at_ms: Option<i64>,

    kind: ProcessKind,
    state: ProcessState,
    /// Where in its life it is, finer than `state`.
    phase: Phase,
    /// Where it serves, as configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    base_url: Option<String>,
    /// How long it has been running, in milliseconds, by a monotonic clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_ms: Option<u64>,
    /// Starts after the first one.
    restart_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// In how many milliseconds it is started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_restart_ms: Option<u64>,
    /// What it comes after and still waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting_for: Vec<String>,
    /// Whether the agent ends when it has ended for good.
    essential: bool,
}

/// Whose a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Owner {
    /// It was created here.
    User,
    /// Nobody's: there is no desktop.
    Desktop,
    /// It is configured.
    System,
}

/// Whether a process exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Existence {
    Running,
    Exited,
}

/// Which table of the configuration it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ProcessKind {
    /// `[processes.NAME]`.
    Process,
    /// `[agents.NAME]`: a coding agent.
    Agent,
    /// None: it was created here.
    Created,
}

impl From<Kind> for ProcessKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Process => ProcessKind::Process,
            Kind::Agent => ProcessKind::Agent,
            Kind::Created => ProcessKind::Created,
        }
    }
}

impl Owner {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Created => Owner::User,
            Kind::Process | Kind::Agent => Owner::System,
        }
    }
}

impl From<Details> for Process {
    fn from(details: Details) -> Self {
        let Details { id, kind, command, cwd, stdio, interactive, essential, status, phase, .. } = details;
        let mut words = command.into_iter();
        let running = phase.is_running();
        let ended = |at: Timestamp| (!running).then(|| at.as_millisecond());
        Process {
            id,
            command: words.next().unwrap_or_default(),
            args: words.collect(),
            cwd: cwd.map(|cwd| cwd.to_string_lossy().into_owned()),
            tty: matches!(stdio, Stdio::Terminal(_)),
            interactive,
            owner: Owner::of(kind),
            status: if running { Existence::Running } else { Existence::Exited },
            pid: status.pid,
            exit_code: status.exit_code.filter(|_| !running),
            exit_signal: status.exit_signal.filter(|_| !running),
            out_of_memory: status.out_of_memory && !running,
            created_at_ms: details.created.as_millisecond(),
            exited_at_ms: details.exited.and_then(ended),
            kind: kind.into(),
            state: status.status,
            phase,
            base_url: status.base_url,
            uptime_ms: status.uptime_ms,
            restart_count: status.restart_count,
            last_error: status.last_error,
            next_restart_ms: status.next_restart_ms,
            waiting_for: details.waiting_for,
            essential,
        }
    }
}

/// The code of an end that had one.
pub(super) fn code(exit: &Exit) -> Option<i32> {
    match exit {
        Exit::Code(code) => Some(*code),
        Exit::Signal { .. } => None,
    }
}

/// The signal of an end that had one.
pub(super) fn signal(exit: &Exit) -> Option<String> {
    match exit {
        Exit::Code(_) => None,
        Exit::Signal { name, .. } => Some(name.clone()),
    }
}

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
