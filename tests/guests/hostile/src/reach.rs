//! Reaches for what it was not granted: files and variables.

use std::fs::OpenOptions;
use std::io::Write;

use sandbeat_sdk::prelude::*;

use crate::{name, told};

const LOOT: Gauge = Gauge::new("test.loot", "1", "What it got, as an attribute.");

/// `None`: not a behaviour of this kind.
pub(crate) fn misbehave(behaviour: &str, good: &Contribution) -> Option<Result<Contribution, Error>> {
    let good = good.clone();
    let loot = match behaviour {
        "read" => told("path").and_then(|path| Ok(files::read(&path)?)).map(|bytes| shown(&bytes)),
        "read on and on" => told("path").and_then(|path| read_on_and_on(&path)),
        "list" => told("path").and_then(|path| Ok(format!("{:?}", files::list(&path)?))),
        "open" => told("path").and_then(|path| Ok(std::fs::read(path)?)).map(|bytes| shown(&bytes)),
        "write" => told("path").and_then(|path| write(&path)),
        "look around" => Ok(surroundings()),
        _ => return None,
    };
    let carried = |loot| LOOT.value(1).attribute("test.plugin", name()).attribute("test.text", loot);
    Some(loot.map(|loot| good.with(carried(loot))))
}

fn read_on_and_on(path: &str) -> Result<String, Error> {
    loop {
        files::read(path)?;
    }
}

fn write(path: &str) -> Result<String, Error> {
    OpenOptions::new().write(true).create(true).truncate(true).open(path)?.write_all(b"owned")?;
    Ok("written".to_owned())
}

/// Everything that it was started with.
fn surroundings() -> String {
    let mut variables: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    variables.sort();
    let arguments = std::env::args().count();
    let input = std::io::stdin().lines().count();
    let root = std::fs::read_dir("/").map_or(0, Iterator::count);
    format!("variables {variables:?}, {arguments} arguments, {input} lines of input, {root} entries in /")
}

/// A little of it, as an attribute can carry it.
fn shown(bytes: &[u8]) -> String {
    bytes.iter().take(200).map(|byte| char::from(*byte)).filter(|c| !c.is_control()).collect()
}
