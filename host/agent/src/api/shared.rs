//! What all routes of one listener have in common: what they read, who may start programs, and the places for what
//! lasts.
//!
//! A request that lasts (one that follows, waits or is a terminal) holds one of a bounded number of places until it
//! ends. All of them together are fewer than the connections that are served, so that whoever only asks is always
//! answered. When the agent ends, those that last are told and end at once.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::State;
use super::preview::Preview;
use super::problem::Problem;

/// Followers of logs.
const MAX_FOLLOWERS: usize = 64;
/// Terminals.
const MAX_TERMINALS: usize = 32;
/// Requests that wait for a process, or for a command to end.
const MAX_WAITING: usize = 96;
/// The places of all kinds together.
pub(super) const MAX_LASTING: usize = MAX_FOLLOWERS + MAX_TERMINALS + MAX_WAITING;

/// What routes get to know. Cheap to clone.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) state: State,
    /// Whether whoever got past the guard may start programs and feed them.
    pub(super) trusted: bool,
    pub(super) places: Places,
    pub(super) closing: Closing,
    pub(super) preview: Preview,
}

/// Places for what lasts.
#[derive(Clone, Debug)]
pub(super) struct Places {
    followers: Arc<Semaphore>,
    terminals: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Whether the agent is ending.
#[derive(Clone, Debug)]
pub(super) struct Closing(pub(super) watch::Receiver<bool>);

/// One who may start programs and feed them.
#[derive(Debug)]
pub(super) struct Trusted;

impl Places {
    pub(super) fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Places { followers: places(MAX_FOLLOWERS), terminals: places(MAX_TERMINALS), waiting: places(MAX_WAITING) }
    }

    pub(super) fn follower(&self) -> Result<OwnedSemaphorePermit, Problem> {
        take(&self.followers, || format!("{MAX_FOLLOWERS} logs are being followed, as many as can be at once"))
    }

    pub(super) fn terminal(&self) -> Result<OwnedSemaphorePermit, Problem> {
        take(&self.terminals, || format!("{MAX_TERMINALS} terminals are open, as many as can be at once"))
    }

    pub(super) fn waiting(&self) -> Result<OwnedSemaphorePermit, Problem> {
        take(&self.waiting, || format!("{MAX_WAITING} requests are waiting for processes, as many as can at once"))
    }
}

impl Closing {
    /// Returns when the agent ends.
    pub(super) async fn closed(&mut self) {
        // A sender that is gone means the same.
        let _ = self.0.wait_for(|closing| *closing).await;
    }

    /// What comes of it, or nothing when the agent ends before.
    pub(super) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.closed() => None,
        }
    }
}

impl FromRef<Shared> for State {
    fn from_ref(shared: &Shared) -> State {
        shared.state.clone()
    }
}

impl FromRef<Shared> for Preview {
    fn from_ref(shared: &Shared) -> Preview {
        shared.preview.clone()
    }
}

impl FromRequestParts<Shared> for Trusted {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        match shared.trusted {
            true => Ok(Trusted),
            false => Err(untrusted()),
        }
    }
}

/// Whoever may not start or feed programs here.
pub(super) fn untrusted() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "token_required",
        "Token required",
        "whoever reaches this address without a token cannot start programs or write to them; set api.token_file, \
         listen on a Unix socket, or allow it to anyone on this machine with api.processes = \"anyone\"",
    )
}

fn take(places: &Arc<Semaphore>, full: impl FnOnce() -> String) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(places).try_acquire_owned().map_err(|_| Problem::crowded(full() + "; end one, or ask again later"))
}
