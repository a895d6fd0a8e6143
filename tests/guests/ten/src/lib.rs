//! A collector that reports ten points and does nothing else, so that what is measured around it is the host.

use sandbeat_sdk::prelude::*;

const TEMPERATURE: Gauge = Gauge::new("hw.temperature", "Cel", "How hot a sensor says it is.");

struct Ten;

impl Collector for Ten {
    fn describe() -> Description {
        Description::new("1.0.0", "Ten temperatures that nobody measured.").with(&TEMPERATURE)
    }

    fn collect() -> Result<Contribution, Error> {
        let mut contribution = Contribution::new();
        contribution.extend((0..10).map(|id| TEMPERATURE.value(40 + id).attribute("hw.id", id)));
        Ok(contribution)
    }
}

sandbeat_sdk::export!(Ten);
