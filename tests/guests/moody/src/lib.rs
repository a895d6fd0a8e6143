//! A collector that reads its mood from a granted file at each call, and counts in its instance and in its state.

use std::sync::atomic::{AtomicU64, Ordering};

use sandbeat_sdk::prelude::*;

const CALLS: Counter = Counter::new("test.calls", "{call}", "Calls since the state was empty.");
const INSTANCE: Gauge = Gauge::new("test.instance_calls", "{call}", "Calls of this instance.");

static CALLED: AtomicU64 = AtomicU64::new(0);

struct Moody;

impl Collector for Moody {
    fn describe() -> Description {
        Description::new("1.0.0", "Fails when its file says so.").with(&CALLS).with(&INSTANCE)
    }

    fn collect() -> Result<Contribution, Error> {
        let calls = state::get("calls").and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes) + 1;
        state::set("calls", &calls.to_le_bytes()).map_err(Error::internal)?;
        let in_instance = CALLED.fetch_add(1, Ordering::Relaxed) + 1;
        match files::read_to_string(&config::get("file").unwrap_or_default()).unwrap_or_default().trim() {
            "trap" => std::process::abort(),
            "error" => Err(Error::unavailable("not in the mood")),
            _ => {
                // Beside others of its kind, each reports series of its own.
                let tag = config::get("tag").unwrap_or_else(|| "moody".to_owned());
                Ok(Contribution::new()
                    .with(CALLS.value(calls).attribute("test.tag", &tag))
                    .with(INSTANCE.value(in_instance).attribute("test.tag", &tag)))
            }
        }
    }
}

sandbeat_sdk::export!(Moody);
