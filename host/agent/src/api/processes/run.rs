//! `POST /v1/processes/run`: a command run to its end, or to its timeout. Nothing of it is left then.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Request, State as Known};
use axum::response::Json;
use sandbeat_supervisor::{Limits, Ran, Run};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shape::{code, millis, signal};
use super::{Shared, Trusted, program, refusal};
use crate::api::extract::{self, MAX_BODY};
use crate::api::problem::{Problem, ProblemBody};

/// A command to be run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunRequest {
    /// The program: a path, or a name that is looked for in `PATH`.
    command: String,
    #[serde(default)]
    args: Vec<String>,
    /// The directory that it starts in; the agent's own where absent.
    cwd: Option<String>,
    /// Variables added to the agent's environment.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// It and all that it has started is killed after so many milliseconds. `defaultRunTimeoutMs` where absent or 0;
    /// `maxRunTimeoutMs` is the most.
    timeout_ms: Option<u64>,
    /// So many bytes of each of its outputs are kept, its first ones; `maxOutputBytes` where absent, and the most.
    max_output_bytes: Option<u64>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunResult {
    /// The code that it ended with; null where a signal or the timeout ended it.
    #[schema(required = true)]
    exit_code: Option<i32>,
    /// The signal that ended it, such as `SIGKILL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_signal: Option<String>,
    timed_out: bool,
    /// As UTF-8; what is none is replaced by U+FFFD.
    stdout: String,
    /// As UTF-8; what is none is replaced by U+FFFD.
    stderr: String,
    stdout_truncated: bool,
    stderr_truncated: bool,
    duration_ms: u64,
}

/// Runs a command and waits for its end.
#[utoipa::path(post, path = "/v1/processes/run", tag = "processes", request_body = RunRequest,
    responses(
        (status = 200, body = RunResult),
        (status = 400, body = ProblemBody), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody),
        (status = 413, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody),
        (status = 429, body = ProblemBody),
        (status = 502, description = "It could not be started", body = ProblemBody),
    ))]
pub(super) async fn run(
    Known(mut shared): Known<Shared>,
    _: Trusted,
    request: Request,
) -> Result<Json<RunResult>, Problem> {
    let wanted: RunRequest = extract::json(request, MAX_BODY).await?;
    program::cwd(wanted.cwd.as_deref())?;
    program::env(&wanted.env)?;
    let processes = shared.state.sources.processes.clone();
    let (timeout, max_output) = bounds(&wanted, &processes.limits());
    let run = Run {
        command: program::command(wanted.command, wanted.args)?,
        cwd: wanted.cwd.map(Into::into),
        env: wanted.env,
        timeout,
        max_output,
    };
    let _place = shared.places.waiting()?;
    let ran = shared.closing.or(processes.run(run)).await.ok_or_else(Problem::ending)?;
    Ok(Json(ran.map_err(refusal::request)?.into()))
}

fn bounds(wanted: &RunRequest, limits: &Limits) -> (Duration, usize) {
    let timeout = wanted.timeout_ms.filter(|timeout| *timeout > 0);
    let timeout = timeout.map_or(limits.default_run_timeout, Duration::from_millis).min(limits.max_run_timeout);
    let output =
        wanted.max_output_bytes.map_or(limits.max_output, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    (timeout, output.min(limits.max_output))
}

impl From<Ran> for RunResult {
    fn from(ran: Ran) -> Self {
        RunResult {
            // The code that was killed at the timeout is nobody's own.
            exit_code: ran.exit.as_ref().filter(|_| !ran.timed_out).and_then(code),
            exit_signal: ran.exit.as_ref().and_then(signal),
            timed_out: ran.timed_out,
            stdout: text(ran.stdout),
            stderr: text(ran.stderr),
            stdout_truncated: ran.stdout_truncated,
            stderr_truncated: ran.stderr_truncated,
            duration_ms: millis(ran.duration),
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}
