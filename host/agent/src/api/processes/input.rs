//! Writing to a process, and giving its terminal another size.

use axum::extract::{Request, State as Known};
use axum::response::Json;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandbeat_supervisor::{Handle, InputError, Size};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Shared, Trusted, refusal};
use crate::api::extract::{self, Id};
use crate::api::problem::{Problem, ProblemBody};

/// Two numbers.
const MAX_RESIZE: usize = 4096;

/// What to write.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Input {
    pub(super) data: String,
    /// How `data` is to be understood: `base64`, which is meant where this is absent, or `utf8` or `text`, as it is.
    pub(super) encoding: Option<String>,
    /// Whether nothing more comes: what reads its input to the end then goes on.
    #[serde(default)]
    pub(super) close: bool,
}

/// What was written.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    bytes_written: usize,
}

/// A terminal's size.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct TerminalSize {
    #[schema(minimum = 1)]
    cols: u16,
    #[schema(minimum = 1)]
    rows: u16,
}

/// Writes to a process's standard input or terminal; answers when it has taken all.
#[utoipa::path(post, path = "/v1/processes/{id}/input", tag = "processes", params(("id" = String, Path)),
    request_body = Input,
    responses(
        (status = 200, body = Written), (status = 400, body = ProblemBody), (status = 403, body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 413, body = ProblemBody),
        (status = 415, body = ProblemBody), (status = 422, body = ProblemBody),
    ))]
pub(super) async fn input(
    Known(mut shared): Known<Shared>,
    _: Trusted,
    Id(id): Id,
    request: Request,
) -> Result<Json<Written>, Problem> {
    let processes = shared.state.sources.processes.clone();
    refusal::find(&processes, &id)?;
    let most = processes.limits().max_input;
    let wanted: Input = extract::json(request, longest_body(most)).await?;
    let close = wanted.close;
    let bytes = wanted.bytes("base64")?;
    if bytes.len() > most {
        return Err(extract::too_large(format!(
            "{} bytes of input are more than maxInputBytesPerRequest, which is {most}",
            bytes.len()
        )));
    }
    let _place = shared.places.waiting()?;
    let written = shared.closing.or(write(&processes, &id, &bytes, close)).await.ok_or_else(Problem::ending)?;
    written.map_err(refusal::input)?;
    Ok(Json(Written { bytes_written: bytes.len() }))
}

/// Gives a process's terminal another size.
#[utoipa::path(post, path = "/v1/processes/{id}/terminal/resize", tag = "processes",
    params(("id" = String, Path)), request_body = TerminalSize,
    responses(
        (status = 200, body = TerminalSize), (status = 400, body = ProblemBody), (status = 403, body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 413, body = ProblemBody),
        (status = 415, body = ProblemBody), (status = 422, body = ProblemBody),
    ))]
pub(super) async fn resize(
    Known(shared): Known<Shared>,
    _: Trusted,
    Id(id): Id,
    request: Request,
) -> Result<Json<TerminalSize>, Problem> {
    let processes = &shared.state.sources.processes;
    refusal::find(processes, &id)?;
    let wanted: TerminalSize = extract::json(request, MAX_RESIZE).await?;
    processes.resize(&id, wanted.size()?).map_err(refusal::input)?;
    Ok(Json(wanted))
}

/// Writes to a process, and then closes its input where that is asked for.
pub(super) async fn write(processes: &Handle, id: &str, bytes: &[u8], close: bool) -> Result<(), InputError> {
    processes.input(id, bytes).await?;
    match close {
        true => processes.close_input(id).await,
        false => Ok(()),
    }
}

impl Input {
    /// The bytes that are meant; `usual` is the encoding where none is named.
    ///
    /// # Errors
    /// The encoding is not known, or `data` is not in it.
    pub(super) fn bytes(self, usual: &str) -> Result<Vec<u8>, Problem> {
        match self.encoding.as_deref().unwrap_or(usual) {
            "base64" => {
                let bytes = STANDARD.decode(&self.data);
                bytes.map_err(|e| Problem::invalid(format!("data is not base64, as encoding says: {e}")))
            }
            "utf8" | "text" => Ok(self.data.into_bytes()),
            _ => Err(Problem::invalid("encoding must be one of: base64, utf8, text")),
        }
    }
}

impl TerminalSize {
    /// # Errors
    /// One of them is zero.
    pub(super) fn size(self) -> Result<Size, Problem> {
        match self {
            TerminalSize { cols: 0, .. } | TerminalSize { rows: 0, .. } => {
                Err(Problem::invalid("cols and rows must be at least 1"))
            }
            TerminalSize { cols, rows } => Ok(Size { cols, rows }),
        }
    }
}

/// The largest body that can carry so many bytes: twice as many for base64 and some escapes, and a little.
pub(super) fn longest_body(input: usize) -> usize {
    2 * input + 64 * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_base64_unless_it_says_otherwise() {
        let bytes = |data: &str, encoding: Option<&str>| {
            Input { data: data.to_owned(), encoding: encoding.map(str::to_owned), close: false }.bytes("base64").ok()
        };
        assert_eq!(bytes("aGk=", None), Some(b"hi".to_vec()));
        assert_eq!(bytes("aGk=", Some("base64")), Some(b"hi".to_vec()));
        assert_eq!(bytes("hi", Some("utf8")), Some(b"hi".to_vec()));
        assert_eq!(bytes("hi", Some("text")), Some(b"hi".to_vec()));
        assert_eq!(bytes("h i", None), None);
        assert_eq!(bytes("hi", Some("latin1")), None);
    }

    #[test]
    fn a_terminal_has_at_least_one_cell() {
        assert!(TerminalSize { cols: 0, rows: 1 }.size().is_err());
        assert!(TerminalSize { cols: 1, rows: 0 }.size().is_err());
        assert!(TerminalSize { cols: 1, rows: 1 }.size().is_ok());
    }
}
