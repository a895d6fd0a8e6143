//! The memory of bodies that are arriving or being read, shared out.
//!
//! A body is counted before it is read, by the length that it declares or else by the limit, so that it waits in the
//! network rather than here; and again by what it inflates to. Small ones are not counted: connections bound those.
//! One origin gets at most half, so that what it sends slowly leaves the other half to the others. Who waits does so
//! for half the time that a request has, and is then asked to come again.
//!
//! Who waits for an origin's own half does not stand in line for the whole, so it holds nobody else up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::api::reply::Problem;
use crate::config::Limits;
use crate::server::crowd::Origin;

/// Bodies up to this are not counted, in bytes. Nearly all reports are smaller.
const SMALL: usize = 16 << 10;
/// What is counted in, in bytes.
const UNIT: usize = 1 << 10;

/// The memory of bodies.
#[derive(Debug)]
pub(crate) struct Bodies {
    all: Arc<Semaphore>,
    /// In units.
    half: u32,
    patience: Duration,
    /// Those of which there are bodies.
    origins: Mutex<HashMap<Origin, Arc<Semaphore>>>,
}

/// What bodies from one origin may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share<'a> {
    bodies: &'a Arc<Bodies>,
    origin: Origin,
}

/// The room of one body, for as long as this lives.
#[derive(Debug, Default)]
pub(crate) struct Held {
    _room: Option<Room>,
}

#[derive(Debug)]
struct Room {
    bodies: Arc<Bodies>,
    origin: Origin,
    /// Of the origin's half, and of all.
    permits: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl Bodies {
    /// As much as the limits say.
    pub(crate) fn new(limits: &Limits) -> Self {
        let half = u32::try_from(limits.body_memory / UNIT / 2).unwrap_or(u32::MAX).max(1);
        Bodies {
            all: Arc::new(Semaphore::new(half as usize * 2)),
            half,
            patience: limits.request_timeout / 2,
            origins: Mutex::default(),
        }
    }

    /// What bodies from there may take.
    pub(crate) fn share(self: &Arc<Self>, origin: Origin) -> Share<'_> {
        Share { bodies: self, origin }
    }

    fn of_origin(&self, origin: Origin) -> Arc<Semaphore> {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(origins.entry(origin).or_insert_with(|| Arc::new(Semaphore::new(self.half as usize))))
    }

    /// Forgets an origin of which there are no bodies any more.
    fn forget(&self, origin: Origin) {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody waits there, since whoever does has a clone, which is only made under this lock.
        if origins.get(&origin).is_some_and(|own| Arc::strong_count(own) == 1) {
            origins.remove(&origin);
        }
    }
}

impl Share<'_> {
    /// Waits for the room that a body of so many bytes takes. One that would not even fit into half of all gets that.
    ///
    /// # Errors
    /// 503 when there is none for too long.
    pub(crate) async fn hold(&self, bytes: usize) -> Result<Held, Problem> {
        if bytes <= SMALL {
            return Ok(Held::default());
        }
        let Share { bodies, origin } = *self;
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(bodies.half);
        // Made first, so that the origin is forgotten whichever way this ends.
        let mut room = Room { bodies: Arc::clone(bodies), origin, permits: None };
        let permits = async {
            let own = bodies.of_origin(origin).acquire_many_owned(units).await.ok()?;
            Some((own, Arc::clone(&bodies.all).acquire_many_owned(units).await.ok()?))
        };
        room.permits = timeout(bodies.patience, permits).await.ok().flatten();
        match room.permits {
            Some(_) => Ok(Held { _room: Some(room) }),
            None => Err(full()),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.permits = None;
        self.bodies.forget(self.origin);
    }
}

fn full() -> Problem {
    let message = "the hub reads as many large bodies as it has memory for; come again, or raise `hub.body_memory`";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).with_header(RETRY_AFTER, "5")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;

    const KIB: usize = 1 << 10;

    fn bodies(kib: usize) -> Arc<Bodies> {
        Arc::new(Bodies::new(&Limits { body_memory: kib * KIB, ..Limits::default() }))
    }

    fn origin(last: u8) -> Origin {
        Origin::V4([10, 0, 0, last].into())
    }

    #[tokio::test(start_paused = true)]
    async fn one_origin_gets_half_and_another_the_rest() {
        let bodies = bodies(256);
        let (one, other) = (bodies.share(origin(1)), bodies.share(origin(2)));
        let first = one.hold(100 * KIB).await.unwrap();
        assert!(one.hold(29 * KIB).now_or_never().is_none(), "more than its half");
        let _second = one.hold(28 * KIB).await.unwrap();
        let _others = other.hold(128 * KIB).await.unwrap();
        assert!(bodies.share(origin(3)).hold(17 * KIB).now_or_never().is_none(), "all is taken");
        drop(first);
        let _third = bodies.share(origin(3)).hold(100 * KIB).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_asked_to_come_again() {
        let bodies = bodies(256);
        let one = bodies.share(origin(1));
        let held = one.hold(KIB << 20).await.unwrap();
        let start = Instant::now();
        let refused = format!("{:?}", one.hold(20 * KIB).await.unwrap_err());
        assert!(refused.contains("503") && refused.contains("retry-after"), "{refused}");
        assert_eq!(start.elapsed(), Limits::default().request_timeout / 2);
        let (waited, ()) = tokio::join!(one.hold(20 * KIB), async { drop(held) });
        waited.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn small_bodies_never_wait_and_nothing_is_kept_of_who_has_none() {
        let bodies = bodies(256);
        let one = bodies.share(origin(1));
        let held = one.hold(128 * KIB).await.unwrap();
        assert!(one.hold(SMALL).now_or_never().is_some());
        assert!(one.hold(SMALL + 1).await.is_err());
        assert_eq!(bodies.origins.lock().unwrap().len(), 1);
        drop(held);
        assert!(bodies.origins.lock().unwrap().is_empty());
        assert_eq!(bodies.all.available_permits(), 256);
    }
}
