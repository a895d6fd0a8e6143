//! The collector {{name}}: the length of a job queue, from a file that holds it as one decimal integer.
//!
//! It keeps three things in its state: how often it looked, how long the queue was each time, and whether it has said
//! that the queue is empty.

use sandbeat_sdk::export;
use sandbeat_sdk::prelude::*;

const QUEUE: Key = Key::new("{{ident}}.name", "The queue's name, as configured.");
const LENGTH: Gauge = Gauge::new("{{ident}}.length", "{job}", "Jobs that wait in the queue.").with_keys(&[QUEUE]);
const OBSERVATIONS: Counter =
    Counter::new("{{ident}}.observations", "{observation}", "How often the queue was looked at.").with_keys(&[QUEUE]);
const DISTRIBUTION: Histogram = Histogram::new(
    "{{ident}}.length.distribution",
    "{job}",
    "How long the queue was when it was looked at.",
    &[0.0, 10.0, 100.0, 1000.0],
)
.with_keys(&[QUEUE]);
const PATH: Metadata = Metadata::new("{{ident}}.path", "The file that says it.");

struct Collected;

impl Collector for Collected {
    fn describe() -> Description {
        Description::new(env!("CARGO_PKG_VERSION"), "The length of a job queue, as a file says it.")
            .with(&LENGTH)
            .with(&OBSERVATIONS)
            .with(&DISTRIBUTION)
            .with(&PATH)
    }

    fn collect() -> Result<Contribution, Error> {
        let Settings { path, name } = Settings::read()?;
        let length = parse(&path, &files::read_to_string(&path)?)?;
        log::debug!("read {length} from {path}");
        tell_when_empty(length)?;

        Ok(Contribution::new()
            .with(LENGTH.value(length).attribute(QUEUE, &name))
            .with(OBSERVATIONS.count("observations", 1)?.attribute(QUEUE, &name))
            .with(DISTRIBUTION.observe("distribution", length)?.attribute(QUEUE, &name))
            .with(PATH.value(path)))
    }
}

export!(Collected);

/// The sidecar's `[config]`.
struct Settings {
    path: String,
    name: String,
}

impl Settings {
    fn read() -> Result<Self, Error> {
        config::only(&["path", "name"])?;
        let path = config::string("path")?.unwrap_or_else(|| "/run/{{name}}/length".to_owned());
        let name = config::string("name")?.unwrap_or_else(|| "default".to_owned());
        if !path.starts_with('/') {
            return Err(Error::config("path", format_args!("is {path:?}; it has to start with `/`")));
        }
        if name.is_empty() || name.len() > 256 {
            return Err(Error::config("name", format_args!("has {} bytes; it has to have 1 to 256", name.len())));
        }
        Ok(Self { path, name })
    }
}

fn parse(path: &str, text: &str) -> Result<u64, Error> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let wrong = || Error::internal(format_args!("`{path}` does not hold one non-negative integer"));
    text.parse().ok().filter(|_| is_number).ok_or_else(wrong)
}

/// Says that the queue is empty when it becomes so, and not again while it stays so.
fn tell_when_empty(length: u64) -> Result<(), Error> {
    let was_empty = state::load("empty").unwrap_or(false);
    let is_empty = length == 0;
    if is_empty && !was_empty {
        log::info!("the queue is empty");
    }
    if is_empty != was_empty {
        state::save("empty", &is_empty)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sandbeat_sdk::log::Level;
    use sandbeat_sdk::testing::Sandbox;

    use super::*;

    const FILE: &str = "/run/{{name}}/length";

    /// What it reports of a queue that had these lengths, one after the other.
    fn collect(sandbox: &mut Sandbox, lengths: &[&str]) -> Contribution {
        let mut last = Contribution::new();
        for length in lengths {
            *sandbox = sandbox.clone().file(FILE, length);
            last = sandbox.run(Collected::collect).unwrap();
        }
        last
    }

    #[test]
    fn it_reports_the_length() {
        let mut sandbox = Sandbox::new();
        let contribution = collect(&mut sandbox, &[" 42\n"]);
        assert_eq!(contribution.points[0], LENGTH.value(42).attribute(QUEUE, "default"));
        assert_eq!(contribution.metadata, [PATH.value(FILE)]);
        assert_eq!(sandbox.lines(), [(Level::Debug, format!("read 42 from {FILE}"))]);
    }

    #[test]
    fn it_goes_on_counting_from_what_it_kept() {
        let lengths = ["0", "10", "11", "5000"];
        let contribution = collect(&mut Sandbox::new(), &lengths);
        let mut distribution = DISTRIBUTION.empty();
        lengths.iter().for_each(|length| distribution.record(length.parse::<f64>().unwrap()));
        assert_eq!(distribution.counts, [1, 1, 1, 0, 1]);
        assert_eq!(contribution.points[1], OBSERVATIONS.value(4).attribute(QUEUE, "default"));
        assert_eq!(contribution.points[2], DISTRIBUTION.value(&distribution).attribute(QUEUE, "default"));
    }

    #[test]
    fn what_another_version_kept_counts_as_none() {
        let mut sandbox = Sandbox::new();
        sandbox.run(|| {
            state::set("observations", b"many").unwrap();
            state::set("distribution", b"").unwrap();
        });
        let contribution = collect(&mut sandbox, &["7"]);
        assert_eq!(contribution.points[1], OBSERVATIONS.value(1).attribute(QUEUE, "default"));
    }

    #[test]
    fn it_says_once_that_the_queue_is_empty() {
        let mut sandbox = Sandbox::new();
        for (length, lines) in [("0", 1), ("0", 1), ("3", 1), ("0", 2)] {
            collect(&mut sandbox, &[length]);
            let said = sandbox.lines().iter().filter(|(level, _)| *level == Level::Info);
            assert_eq!(said.count(), lines, "{:?}", sandbox.lines());
        }
    }

    #[test]
    fn an_error_says_who_must_act() {
        let of = |mut sandbox: Sandbox| sandbox.run(Collected::collect).unwrap_err();
        let denied = format!("`{FILE}` is not granted; add it to `read` under `[grant]` in the sidecar");
        assert_eq!(of(Sandbox::new()), Error::Denied(denied));
        assert_eq!(of(Sandbox::new().missing(FILE)), Error::Unavailable(format!("`{FILE}` is not there")));
        for broken in ["", "three", "-1", "+1", "1.5", "1 2", "99999999999999999999"] {
            let error = of(Sandbox::new().file(FILE, broken));
            assert!(matches!(&error, Error::Internal(text) if text.contains(FILE)), "{broken}: {error:?}");
        }
    }

    #[test]
    fn it_is_configured() {
        let mut sandbox = Sandbox::new().file("/srv/jobs", "1").config("path", "/srv/jobs").config("name", "mäil");
        let contribution = sandbox.run(Collected::collect).unwrap();
        assert_eq!(contribution.points[0], LENGTH.value(1).attribute(QUEUE, "mäil"));
        for wrong in [
            Sandbox::new().config("pth", "/srv/jobs"),
            Sandbox::new().config_json("path", "5"),
            Sandbox::new().config("path", "jobs"),
            Sandbox::new().config("name", ""),
            Sandbox::new().config_json("name", "5"),
        ] {
            let error = wrong.clone().file(FILE, "1").run(Collected::collect).unwrap_err();
            assert!(matches!(error, Error::Config(_)), "{wrong:?}: {error:?}");
        }
    }
}
