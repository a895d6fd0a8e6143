//! `/v1/processes/config`: the limits on what is created and run here. A change lasts until the agent ends.

use std::time::Duration;

use axum::extract::{Request, State as Known};
use axum::response::Json;
use sandbeat_supervisor::Limits;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shape::millis;
use super::{Shared, Trusted};
use crate::api::extract;
use crate::api::problem::{Problem, ProblemBody};

/// Six numbers.
const MAX_CONFIG: usize = 16 * 1024;

/// The limits, all of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProcessConfig {
    /// Created processes that run at the same time, and commands that are run at the same time.
    max_concurrent_processes: usize,
    /// For a command that is run and names no timeout, in milliseconds; no longer than the longest.
    default_run_timeout_ms: u64,
    /// The longest timeout of a command that is run, in milliseconds.
    max_run_timeout_ms: u64,
    /// What is kept of each output of a command that is run, in bytes.
    max_output_bytes: usize,
    /// What is kept of a created process's output, in bytes.
    max_log_bytes_per_process: usize,
    /// What one request can write to a process, in bytes.
    max_input_bytes_per_request: usize,
}

/// The limits on what is created and run.
#[utoipa::path(get, path = "/v1/processes/config", tag = "processes", responses((status = 200, body = ProcessConfig)))]
pub(super) async fn get_limits(Known(shared): Known<Shared>) -> Json<ProcessConfig> {
    Json(shared.state.sources.processes.limits().into())
}

/// Sets all of the limits for what is created and run from now on.
#[utoipa::path(post, path = "/v1/processes/config", tag = "processes", request_body = ProcessConfig,
    responses(
        (status = 200, description = "As they are now", body = ProcessConfig),
        (status = 400, body = ProblemBody), (status = 403, body = ProblemBody), (status = 413, body = ProblemBody),
        (status = 415, body = ProblemBody), (status = 422, body = ProblemBody),
    ))]
pub(super) async fn set_limits(
    Known(shared): Known<Shared>,
    _: Trusted,
    request: Request,
) -> Result<Json<ProcessConfig>, Problem> {
    let wanted: ProcessConfig = extract::json(request, MAX_CONFIG).await?;
    let limits = shared.state.sources.processes.set_limits(wanted.into()).map_err(Problem::invalid)?;
    Ok(Json(limits.into()))
}

impl From<Limits> for ProcessConfig {
    fn from(limits: Limits) -> Self {
        ProcessConfig {
            max_concurrent_processes: limits.max_concurrent,
            default_run_timeout_ms: millis(limits.default_run_timeout),
            max_run_timeout_ms: millis(limits.max_run_timeout),
            max_output_bytes: limits.max_output,
            max_log_bytes_per_process: limits.max_log,
            max_input_bytes_per_request: limits.max_input,
        }
    }
}

impl From<ProcessConfig> for Limits {
    fn from(config: ProcessConfig) -> Self {
        let max_run_timeout = Duration::from_millis(config.max_run_timeout_ms);
        Limits {
            max_concurrent: config.max_concurrent_processes,
            // As long as the longest one where it is longer, also than what is bearable.
            default_run_timeout: Duration::from_millis(config.default_run_timeout_ms).min(max_run_timeout),
            max_run_timeout,
            max_output: config.max_output_bytes,
            max_log: config.max_log_bytes_per_process,
            max_input: config.max_input_bytes_per_request,
        }
    }
}
