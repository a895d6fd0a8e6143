//! The whole run, as the command line asks for it.

use std::time::Duration;

use anyhow::bail;

use crate::agent::Binary;
use crate::collects::Repeated;
use crate::machine::Machine;
use crate::receiving::Beside;
use crate::table::{Row, markdown};
use crate::{collects, document, footprint, large, latency, punctuality, receiving, supervision};

/// How long agents run before their memory is looked at, unless something else is asked for.
const SETTLE: Duration = Duration::from_secs(60);

/// How many sandboxes the hub has, unless something else is asked for.
const FLEETS: [u32; 2] = [100_000, 1_000_000];

const REPEAT: Duration = Duration::from_secs(10);

const USAGE: &str = "\
usage: cargo bench … [-- [PART…] [--settle SECONDS] [--fleet SIZE]… [--beside NAME=HOST:PORT] [--write]]
       cargo bench … -- --repeat warm|fresh|load

PART      collects, footprint, latency, punctuality, supervision, large or hub; all but the last two without one
--settle  how long agents run before their memory is looked at (60)
--fleet   how many sandboxes the hub has; may be repeated (100000 and 1000000)
--beside  a running server that the hub's rate is held against as well
--write   puts the figures into docs/performance.md
--repeat  does nothing but that for ten seconds, for a profiler to look at

SANDBEAT_BIN names another binary than the one that is built from these sources.";

#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    parts: Vec<Part>,
    settle: Duration,
    fleets: Vec<u32>,
    beside: Option<Beside>,
    write: bool,
    repeat: Option<Repeated>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Collects,
    Footprint,
    Latency,
    Punctuality,
    Supervision,
    Large,
    Hub,
}

/// Measures what the arguments ask for, and prints it.
///
/// # Errors
/// The arguments are wrong, or something does not run.
pub fn run(arguments: Vec<String>) -> anyhow::Result<()> {
    if let [word, folder, mode] = arguments.as_slice()
        && word == footprint::EXTISM_HOST
    {
        return footprint::extism_host(folder.as_ref(), mode);
    }
    if let [word, rest @ ..] = arguments.as_slice()
        && word == supervision::CHILD
    {
        return supervision::child(rest);
    }
    if arguments == [receiving::BARE] {
        return receiving::bare();
    }
    let Some(wanted) = parse(arguments) else { bail!("{USAGE}") };
    let binary = Binary::released()?;
    if let Some(what) = wanted.repeat {
        return collects::repeat(&binary, what, REPEAT);
    }
    let (machine, mut rows) = (Machine::here(), Vec::new());
    let measured = measure(&binary, &wanted, &mut rows);
    let figures = format!("{machine}.\n\n{}", markdown(&rows));
    println!("\n{figures}");
    measured?;
    if wanted.write { document::update(&figures) } else { Ok(()) }
}

/// Adds what is wanted to `rows`.
fn measure(binary: &Binary, wanted: &Wanted, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    for part in &wanted.parts {
        eprintln!("measuring: {part:?}");
        match part {
            Part::Collects => rows.extend(collects::measure(binary)?),
            Part::Footprint => rows.extend(footprint::measure(binary, wanted.settle)?),
            Part::Latency => {
                rows.push(latency::file_to_report(binary)?);
                rows.extend(latency::start_to_report(binary)?);
            }
            Part::Punctuality => rows.extend(punctuality::measure(binary)?),
            Part::Supervision => rows.extend(supervision::measure(binary, wanted.settle)?),
            Part::Large => rows.extend(large::measure(binary, wanted.settle)?),
            Part::Hub => receiving::measure(binary, &wanted.fleets, wanted.beside.as_ref(), rows)?,
        }
    }
    Ok(())
}

fn parse(arguments: Vec<String>) -> Option<Wanted> {
    let mut wanted =
        Wanted { parts: Vec::new(), settle: SETTLE, fleets: Vec::new(), beside: None, write: false, repeat: None };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo's own.
            "--bench" => {}
            "collects" => wanted.parts.push(Part::Collects),
            "footprint" => wanted.parts.push(Part::Footprint),
            "latency" => wanted.parts.push(Part::Latency),
            "punctuality" => wanted.parts.push(Part::Punctuality),
            "supervision" => wanted.parts.push(Part::Supervision),
            "large" => wanted.parts.push(Part::Large),
            "hub" => wanted.parts.push(Part::Hub),
            "--fleet" => wanted.fleets.push(arguments.next()?.parse().ok()?),
            "--beside" => {
                let argument = arguments.next()?;
                let (name, address) = argument.split_once('=')?;
                wanted.beside = Some(Beside { name: name.to_owned(), address: address.parse().ok()? });
            }
            "--settle" => wanted.settle = Duration::from_secs(arguments.next()?.parse().ok()?),
            "--write" => wanted.write = true,
            "--repeat" => {
                wanted.repeat = Some(match arguments.next()?.as_str() {
                    "warm" => Repeated::Warm,
                    "fresh" => Repeated::Fresh,
                    "load" => Repeated::Load,
                    _ => return None,
                });
            }
            _ => return None,
        }
    }
    if wanted.parts.is_empty() {
        wanted.parts = vec![Part::Collects, Part::Footprint, Part::Latency, Part::Punctuality, Part::Supervision];
    }
    if wanted.fleets.is_empty() {
        wanted.fleets = FLEETS.to_vec();
    }
    Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_arguments_everything_is_wanted() {
        let parse = |words: &str| parse(words.split_whitespace().map(str::to_owned).collect());
        assert_eq!(parse("--bench").unwrap().parts.len(), 5);
        let wanted = parse("--bench latency --settle 5 --write").unwrap();
        assert_eq!(wanted.parts, [Part::Latency]);
        assert_eq!((wanted.settle.as_secs(), wanted.write), (5, true));
        assert_eq!(parse("hub --fleet 5 --fleet 7").unwrap().fleets, [5, 7]);
        let beside = parse("hub --beside other=127.0.0.1:3000").unwrap().beside.unwrap();
        assert_eq!((beside.name.as_str(), beside.address.port()), ("other", 3000));
        assert_eq!(parse("--beside 127.0.0.1:3000"), None);
        assert_eq!(parse("--repeat warm").unwrap().repeat, Some(Repeated::Warm));
        assert_eq!(parse("--settle"), None);
        assert_eq!(parse("nonsense"), None);
    }
}
