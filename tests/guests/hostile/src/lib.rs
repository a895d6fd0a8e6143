//! A collector that does what `[config] behaviour` says, none of it good.
//!
//! Each behaviour is what one hostile collector would do; the tests name the behaviour and the outcome that it has to
//! have. What returns at all returns a good point beside the bad, so that a test can tell one from the other.

mod limits;
mod output;
mod reach;

use sandbeat_sdk::prelude::*;

/// Good beside bad.
const GOOD: Gauge = Gauge::new("test.good", "1", "A good point beside the bad ones.").with_keys(&[PLUGIN]);
const PLUGIN: Key = Key::new("test.plugin", "Which of these collectors it is.");

struct Hostile;

impl Collector for Hostile {
    fn describe() -> Description {
        let described = Description::new("6.6.6", "Misbehaves as it is told to.").with(&GOOD);
        match behaviour().as_str() {
            "trap in describe" => std::process::abort(),
            "loop in describe" => limits::forever(),
            "megabytes in describe" => Description::new("6.6.6", &"x".repeat(8 << 20)),
            "flawed in describe" => output::flawed(described),
            "control characters in describe" => Description::new("6.6.6", "\u{1b}[2J"),
            _ => described,
        }
    }

    fn collect() -> Result<Contribution, Error> {
        let behaviour = behaviour();
        let good = Contribution::new().with(GOOD.value(1).attribute("test.plugin", name()));
        let [of_limits, of_output, of_reach] = [limits::misbehave, output::misbehave, reach::misbehave];
        of_limits(&behaviour, &good)
            .or_else(|| of_output(&behaviour, &good))
            .or_else(|| of_reach(&behaviour, &good))
            .unwrap_or_else(|| Err(Error::config("behaviour", format_args!("`{behaviour}` is not known"))))
    }
}

sandbeat_sdk::export!(Hostile);

/// The name that it goes by in the test. A report takes each series once, and there are several of this collector.
fn name() -> String {
    config::get("name").unwrap_or_default()
}

fn behaviour() -> String {
    config::get("behaviour").unwrap_or_default()
}

/// The value under a key of `[config]`, which the test has to give.
fn told(key: &str) -> Result<String, Error> {
    config::get(key).ok_or_else(|| Error::config(key, "is missing"))
}
