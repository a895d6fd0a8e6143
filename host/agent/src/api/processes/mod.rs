//! `/v1/processes…`: what is supervised, and what is created and run through the API.
//!
//! The shapes are those of sandbox-agent 0.4, whose clients work here unchanged, with more fields beside theirs;
//! docs/api.md lists what differs. Everything is read from, and asked of, the supervisor's handle; nothing is kept
//! here. Starting programs and writing to them wants a token or a Unix socket, see [`Trusted`]; reading, stopping, and
//! starting again what the operator has configured do not.

mod follow;
mod handshake;
mod input;
mod limits;
mod logs;
mod manage;
mod program;
mod refusal;
mod run;
mod shape;
mod terminal;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use self::handshake::Afterlives;
use super::shared::{Shared, Trusted};

/// All routes below `/v1/processes`.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(manage::list, manage::create))
        .routes(routes!(run::run))
        .routes(routes!(limits::get_limits, limits::set_limits))
        .routes(routes!(manage::get, manage::delete))
        .routes(routes!(manage::start))
        .routes(routes!(manage::stop))
        .routes(routes!(manage::restart))
        .routes(routes!(manage::kill))
        .routes(routes!(logs::logs))
        .routes(routes!(input::input))
        .routes(routes!(input::resize))
        .routes(routes!(terminal::terminal))
}
