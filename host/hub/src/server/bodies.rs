//! The memory of bodies that are arriving or being read, shared out.
//!
//! A body is counted in steps as it arrives, so that one that is announced and does not come takes nothing from others,
//! and by what it inflates to as well. Small ones are not counted: connections bound those. One origin gets at most half,
//! so that what it sends slowly leaves the other half to the others. Who waits does so for half the time that a request
//! has, while the rest of the body waits in the network, and is then asked to come again.
//!
//! Who has room never waits for more of it: it gets that at once or is asked to come again, so that two can never wait
//! for each other. Who waits for an origin's own half does not stand in line for the whole, so it holds nobody else up.
//!
//! Many sandboxes may share an origin, so one of them has few bodies at a time that take or wait for room.

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
pub(crate) const SMALL: usize = 16 << 10;
/// So many bodies of one sandbox take or wait for room at a time: the one that its agent has given up, and the next.
const OF_SANDBOX: usize = 2;
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
    /// How many bodies each sandbox has that take or wait for room.
    sandboxes: Mutex<HashMap<String, usize>>,
}

/// What bodies from one origin may take.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    bodies: Arc<Bodies>,
    origin: Origin,
    sandbox: Option<String>,
}

/// The room of one body, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Held {
    share: Share,
    /// Of the origin's half, and of all. Once there are some, the sandbox has one body more.
    permits: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
    counted: bool,
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
            sandboxes: Mutex::default(),
        }
    }

    /// What bodies from there may take.
    pub(crate) fn share(self: &Arc<Self>, origin: Origin) -> Share {
        Share { bodies: Arc::clone(self), origin, sandbox: None }
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

impl Share {
    /// The same for reports of one sandbox, whose token has been checked.
    pub(crate) fn of_sandbox(self, id: &str) -> Self {
        Share { sandbox: Some(id.to_owned()), ..self }
    }

    /// Waits for the room that a body of so many bytes takes. One that would not even fit into half of all gets that.
    ///
    /// # Errors
    /// 503 when there is none for too long; 429 when the sandbox has too many of them.
    pub(crate) async fn hold(&self, bytes: usize) -> Result<Held, Problem> {
        let mut held = Held { share: self.clone(), permits: None, counted: false };
        held.grow(bytes).await?;
        Ok(held)
    }
}

impl Held {
    /// Makes it the room of so many bytes, if it is less. Waits only where there is none yet.
    ///
    /// # Errors
    /// As [`Share::hold`]; 503 at once when there is some already and no more.
    pub(crate) async fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        if bytes <= SMALL {
            return Ok(());
        }
        self.count()?;
        let bodies = &self.share.bodies;
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(bodies.half);
        let own = bodies.of_origin(self.share.origin);
        let all = Arc::clone(&bodies.all);
        let Some((had_own, had_all)) = &mut self.permits else {
            let permits =
                async { Some((own.acquire_many_owned(units).await.ok()?, all.acquire_many_owned(units).await.ok()?)) };
            self.permits = timeout(bodies.patience, permits).await.ok().flatten();
            return self.permits.is_some().then_some(()).ok_or_else(full);
        };
        let had = u32::try_from(had_own.num_permits()).unwrap_or(u32::MAX);
        let more = units.saturating_sub(had);
        let permits = (own.try_acquire_many_owned(more), all.try_acquire_many_owned(more));
        let (Ok(more_own), Ok(more_all)) = permits else { return Err(full()) };
        had_own.merge(more_own);
        had_all.merge(more_all);
        Ok(())
    }

    fn count(&mut self) -> Result<(), Problem> {
        let (false, Some(id)) = (self.counted, &self.share.sandbox) else { return Ok(()) };
        let mut sandboxes = self.share.bodies.sandboxes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sandboxes.entry(id.clone()).or_default();
        if *count >= OF_SANDBOX {
            return Err(too_many());
        }
        *count += 1;
        self.counted = true;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.permits = None;
        let Share { bodies, origin, sandbox } = &self.share;
        bodies.forget(*origin);
        let (true, Some(id)) = (self.counted, sandbox) else { return };
        let mut sandboxes = bodies.sandboxes.lock().unwrap_or_else(PoisonError::into_inner);
        match sandboxes.get_mut(id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(sandboxes.remove(id)),
        }
    }
}

fn too_many() -> Problem {
    let message = "two large reports of this sandbox are arriving already; come again when they have";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, message).with_header(RETRY_AFTER, "5")
}

fn full() -> Problem {
    let message = "the hub reads as many large bodies as it has memory for; come again, or raise `hub.body_memory`";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).with_header(RETRY_AFTER, "5")
}

/// Room that nothing else takes.
#[cfg(test)]
pub(crate) fn ample() -> Share {
    Arc::new(Bodies::new(&Limits::default())).share(Origin::V4([10, 0, 0, 1].into()))
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

    #[tokio::test(start_paused = true)]
    async fn a_sandbox_has_two_large_bodies_at_a_time_and_leaves_the_rest_to_others() {
        let bodies = bodies(256);
        let of = |id: &str| bodies.share(origin(1)).of_sandbox(id);
        let (first, _second) = (of("a").hold(20 * KIB).await.unwrap(), of("a").hold(20 * KIB).await.unwrap());
        let refused = of("a").hold(20 * KIB).now_or_never().expect("at once").unwrap_err();
        assert!(format!("{refused:?}").contains("429") && format!("{refused:?}").contains("retry-after"));
        assert!(of("a").hold(SMALL).now_or_never().is_some_and(|held| held.is_ok()), "small ones are not counted");
        let _other = of("b").hold(20 * KIB).now_or_never().unwrap().unwrap();
        drop(first);
        drop(of("a").hold(20 * KIB).await.unwrap());
        drop((_second, _other));
        assert!(bodies.sandboxes.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_room_never_waits_for_more() {
        let bodies = bodies(256);
        let one = bodies.share(origin(1));
        let (mut first, mut second) = (one.hold(SMALL).await.unwrap(), one.hold(60 * KIB).await.unwrap());
        first.grow(60 * KIB).await.unwrap();
        second.grow(50 * KIB).await.unwrap();
        second.grow(68 * KIB).now_or_never().unwrap().unwrap();
        assert!(first.grow(61 * KIB).now_or_never().expect("at once").is_err());
        drop((first, second));
        assert_eq!(bodies.all.available_permits(), 256);
        assert!(bodies.origins.lock().unwrap().is_empty());
    }
}
