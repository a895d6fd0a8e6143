//! Who is told of events, once they are stored: the log, clients that listen, and webhooks.

use crate::event::{Event, Kind};

/// One line per change of state.
pub(crate) fn announce(event: &Event) {
    let sandbox = event.sandbox_id.as_deref();
    match event.kind {
        Kind::Lost => tracing::warn!(sandbox, "lost: no report for too long"),
        Kind::Overdue => tracing::warn!(sandbox, "registered, but never reported"),
        Kind::Stopped => tracing::info!(sandbox, "stopped, as it said"),
        Kind::Recovered => tracing::info!(sandbox, "recovered: it reports again"),
        Kind::Started => tracing::info!(sandbox, "started again"),
        Kind::Reported => tracing::info!(sandbox, "first report"),
        Kind::Registered => tracing::info!(sandbox, "registered"),
        Kind::Deleted => tracing::info!(sandbox, "deleted"),
        Kind::TokenRotated => tracing::info!(sandbox, "has a new token"),
        _ => tracing::info!(sandbox, name = event.name, detail = event.detail, "{}", event.kind.as_str()),
    }
}
