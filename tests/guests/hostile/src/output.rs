//! Returns what no report may carry, or more of it than one may carry.

use sandbeat_sdk::Point;
use sandbeat_sdk::prelude::*;

use crate::name;

const ABSURD: Gauge = Gauge::new("Absurd Name\u{7}", "1", "A name that no backend takes.");
const BAD: Gauge = Gauge::new("test.bad", "1", "A point with a bad value.");
const SHRINKING: Counter = Counter::new("test.bad.total", "1", "A total that is negative.");
const TEXT: Metadata = Metadata::new("test.text", "Too long, or no text.");

/// New values of an attribute in one call.
const NEW_SERIES: u64 = 50;

/// A description with four mistakes.
pub(crate) fn flawed(described: Description) -> Description {
    const SPACED: Gauge =
        Gauge::new("test.spaced", "two words", "A unit that is none.\n").with_keys(&[Key::new("", "")]);
    described.with(&ABSURD).with(&SPACED)
}

/// `None`: not a behaviour of this kind.
pub(crate) fn misbehave(behaviour: &str, good: &Contribution) -> Option<Result<Contribution, Error>> {
    let good = good.clone();
    Some(match behaviour {
        "not finite" => Ok([("nan", f64::NAN), ("plus", f64::INFINITY), ("minus", f64::NEG_INFINITY)]
            .into_iter()
            .fold(good, |all, (sign, value)| all.with(BAD.value(value).attribute("sign", sign)))),
        "negative counter" => Ok(good.with(SHRINKING.value(-1.0))),
        "flawed in describe" => Ok(good),
        "otherwise than described" => {
            const OTHER: Counter = Counter::new("test.good", "s", "");
            let other = OTHER.value(1).attribute("test.plugin", name()).attribute("test.secret", "x");
            Ok(Contribution::new().with(other).with(BAD.value(1)).with(TEXT.value("text")))
        }
        "absurd name" => Ok(good.with(ABSURD.value(1))),
        "control characters" => Ok(good
            .with(BAD.value(1).attribute("text", "\u{1b}]0;owned\u{7}"))
            .with(BAD.value(2).attribute("Key\n", "1"))
            .with(TEXT.value("two\nlines"))),
        "long text" => {
            Ok(good.with(TEXT.value("x".repeat(2000))).with(BAD.value(1).attribute("text", "x".repeat(300))))
        }
        "megabytes" => Ok(good.with(TEXT.value("x".repeat(8 << 20)))),
        "many" => Ok((0..50_000).fold(good, |all, n| all.with(BAD.value(n).attribute("n", n)))),
        "two thousand" => Ok((0..2_000).fold(good, |all, n| all.with(numbered(n)))),
        "new series" => new_series(good),
        _ => return None,
    })
}

/// One of this collector's own, whatever others of its kind report.
fn numbered(n: u64) -> Point {
    BAD.value(n).attribute("n", n).attribute("test.plugin", name())
}

/// Attribute values that were never there before, at every call.
fn new_series(good: Contribution) -> Result<Contribution, Error> {
    let before = state::get("series").and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    let after = before + NEW_SERIES;
    state::set("series", &after.to_le_bytes())?;
    Ok((before..after).fold(good, |all, n| all.with(BAD.value(n).attribute("request.id", n))))
}
