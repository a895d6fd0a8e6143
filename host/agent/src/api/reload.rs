//! `POST /v1/reload`: has the configuration read again, and waits until that is done or refused.

use axum::extract::State as Known;
use axum::http::StatusCode;
use axum::response::Json;
use tokio::sync::oneshot;

use super::State;
use super::problem::{Problem, ProblemBody};
use crate::{ReloadRequest, Reloaded};

/// Has the configuration read again: 200 with what changed; 422 with every problem in `problems` when the configuration
/// is refused; 409 where the agent has none that could be read again, or is ending.
#[utoipa::path(post, path = "/v1/reload", tag = "agent",
    responses((status = 200, body = Reloaded), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn reload(Known(state): Known<State>) -> Result<Json<Reloaded>, Problem> {
    let (answer, told) = oneshot::channel();
    let nobody = |_| {
        let detail = "this agent was started without a configuration that could be read again, or it is ending";
        Problem::new(StatusCode::CONFLICT, "not_reloadable", "Nothing to reload", detail)
    };
    state.sources.reload.send(ReloadRequest { answer }).await.map_err(|_| nobody(()))?;
    let result = told.await.map_err(|_| nobody(()))?;
    result.map(Json).map_err(|problems| {
        let detail = "the configuration is refused whole, and the one before goes on; mend what `problems` names";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_configuration", "Bad configuration", detail)
            .with_problems(problems)
    })
}
