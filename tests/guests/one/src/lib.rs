//! A collector that behaves, to be put beside hostile ones and to be replaced by `two`.

use sandbeat_sdk::prelude::*;

const VALUE: Gauge = Gauge::new("test.value", "1", "Tells one version of the collector from another.");
const CALLS: Counter = Counter::new("test.calls", "{call}", "Calls since the state was empty.");

struct Version;

impl Collector for Version {
    fn describe() -> Description {
        Description::new("1.0.0", "Reports 1 and how often it was called.").with(&VALUE).with(&CALLS)
    }

    fn collect() -> Result<Contribution, Error> {
        let calls = state::get("calls").map_or(0, |bytes| u64::from(bytes.first().copied().unwrap_or(0))) + 1;
        state::set("calls", &[u8::try_from(calls).unwrap_or(u8::MAX)]).map_err(Error::internal)?;
        Ok(Contribution::new().with(VALUE.value(1)).with(CALLS.value(calls)))
    }
}

sandbeat_sdk::export!(Version);
