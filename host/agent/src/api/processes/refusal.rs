//! The supervisor's refusals as problems. The statuses are those that sandbox-agent 0.4 answers in the same case.

use axum::http::StatusCode;
use sandbeat_status::names::shown;
use sandbeat_supervisor::{Details, Handle, InputError, RequestError};

use crate::api::problem::Problem;

/// The most bytes of a request's own words in a problem.
const MAX_WORDS: usize = 100;

/// What is known of a process.
pub(super) fn find(processes: &Handle, id: &str) -> Result<Details, Problem> {
    processes.get(id).ok_or_else(|| unknown(id))
}

pub(super) fn unknown(id: &str) -> Problem {
    let detail = format!("no process is called `{}`; GET /v1/processes lists them", shown(id, MAX_WORDS));
    Problem::new(StatusCode::NOT_FOUND, "process_not_found", "Process not found", detail)
}

pub(super) fn request(e: RequestError) -> Problem {
    match e {
        RequestError::Unknown(id) => unknown(&id),
        RequestError::Busy(_) => Problem::crowded(e.to_string()),
        RequestError::Over => Problem::ending(),
        RequestError::Running(_) => conflict("process_running", "Process is running", e.to_string()),
        RequestError::Configured(_) => conflict("process_configured", "Process is configured", e.to_string()),
        RequestError::TooMany(_) => conflict("too_many_processes", "Too many processes", e.to_string()),
        RequestError::Wrong(detail) => Problem::invalid(detail),
        RequestError::NotStarted(e) => {
            Problem::new(StatusCode::BAD_GATEWAY, "process_not_started", "Process not started", e.to_string())
        }
    }
}

pub(super) fn input(e: InputError) -> Problem {
    match e {
        InputError::Unknown(id) => unknown(&id),
        InputError::NotRunning(_) => not_running(e.to_string()),
        InputError::NoInput(_) => conflict("no_input", "Process takes no input", e.to_string()),
        InputError::NoTerminal(_) => no_terminal(e.to_string()),
        InputError::Closed => conflict("input_closed", "Input is closed", e.to_string()),
        InputError::Full(_) => conflict("input_full", "Input is full", e.to_string()),
    }
}

pub(super) fn not_running(detail: String) -> Problem {
    conflict("process_not_running", "Process is not running", detail)
}

pub(super) fn no_terminal(detail: String) -> Problem {
    conflict("no_terminal", "Process has no terminal", detail)
}

fn conflict(name: &'static str, title: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, name, title, detail)
}
