//! What collectors cost that bring their interpreter with them: the example in Python and in JavaScript, as
//! `tests/corpus` keeps it.
//!
//! Memory is what an agent with one of them has more than an agent without, both at an interval of a second.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use lzma_rust2::XzReader;
use sandbeat_status::Sample;

use crate::agent::{Binary, Folder};
use crate::collector::{Collector, variant};
use crate::collects::workbench;
use crate::footprint::{LOOKS, Running};
use crate::memory::Memory;
use crate::race::{Entrant, race};
use crate::stats::Distribution;
use crate::table::{Row, Target, Unit};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/0.1.0");
const ROUNDS: usize = 100;
/// For so long a file is young.
const YOUNG: Duration = Duration::from_secs(3);
/// In milliseconds.
const LOAD: f64 = 10.0;
const FIGURES: [Figure; 2] = [
    Figure { what: "resident memory", target: 25.0, of: |memory| memory.resident },
    Figure { what: "private memory", target: 6.0, of: |memory| memory.private_dirty },
];

struct Figure {
    what: &'static str,
    /// In megabytes.
    target: f64,
    of: fn(&Memory) -> f64,
}

/// What a collector is written in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Language {
    JavaScript,
    Python,
}

impl Language {
    fn words(self) -> &'static str {
        match self {
            Language::JavaScript => "JavaScript",
            Language::Python => "Python",
        }
    }

    fn component(self) -> anyhow::Result<Vec<u8>> {
        let path = Path::new(CORPUS).join(self.words().to_lowercase()).with_extension("wasm.xz");
        let packed = File::open(&path).with_context(|| path.display().to_string())?;
        let mut component = Vec::new();
        XzReader::new(packed, false).read_to_end(&mut component)?;
        Ok(component)
    }
}

/// So many collectors of one language that no cache knows, each under a digest of its own.
///
/// # Errors
/// The component cannot be read.
pub(crate) fn variants(language: Language, count: usize) -> anyhow::Result<Vec<Collector>> {
    let component = language.component()?;
    let collector = |number: usize| Collector {
        name: format!("large-{number}"),
        wasm: variant(&component, number),
        sidecar: String::new(),
    };
    Ok((0..count).map(collector).collect())
}

/// Loads and collects of both languages, then the memory of agents that have let them run so long.
///
/// # Errors
/// They do not run.
pub fn measure(binary: &Binary, settle: Duration) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for language in [Language::Python, Language::JavaScript] {
        rows.extend(calls(binary, language)?);
    }
    rows.extend(memory(binary, settle)?);
    Ok(rows)
}

fn sidecar(folder: &Path, instance: &str) -> anyhow::Result<String> {
    let file = folder.join("length");
    std::fs::write(&file, "42\n")?;
    Ok(format!("instance = {instance:?}\nconfig.path = {file:?}\ngrant.read = [{file:?}]\n"))
}

fn calls(binary: &Binary, language: Language) -> anyhow::Result<[Row; 4]> {
    let folder = tempfile::Builder::new().prefix("sandbeat-bench-").tempdir()?;
    let workbench = workbench(binary, folder.path())?;
    let wasm = folder.path().join("queue.wasm");
    std::fs::write(&wasm, language.component()?)?;
    std::fs::write(wasm.with_extension("toml"), sidecar(folder.path(), "fresh")?)?;
    // The digest of a file that has just been written is not remembered.
    std::thread::sleep(YOUNG);
    let loaded = workbench.load(&wasm, None)?;
    let (mut fresh, mut kept) = (workbench.load(&wasm, None)?, workbench.load(&wasm, None)?);
    fresh.keep_instance(false);
    kept.keep_instance(true);
    let sample = Arc::new(Sample::default());
    let times = race(
        vec![
            Entrant::of(|| workbench.load(&wasm, None)),
            Entrant::of(|| loaded.open_again()),
            Entrant::of(|| fresh.collect(&sample)),
            Entrant::of(|| kept.collect(&sample)),
        ],
        ROUNDS,
    )?;
    let [load, open, fresh, kept]: [Distribution; 4] = times.try_into().ok().context("as many times as entrants")?;
    let row = |what: &str, ours, millis: Option<f64>| Row {
        what: format!("{what}, {}", language.words()),
        unit: Unit::Microseconds,
        ours,
        peer: None,
        target: Target { at_most: millis.map(|millis| millis * 1000.0), ..Target::default() },
    };
    Ok([
        row("load of a cached collector, from its file to its description", load, Some(LOAD)),
        row("of that, opening and linking what is cached", open, Some(LOAD)),
        row("collect in a fresh instance", fresh, None),
        row("collect in a kept instance", kept, None),
    ])
}

fn memory(binary: &Binary, settle: Duration) -> anyhow::Result<Vec<Row>> {
    let mut without = Running::start(binary, |_| Ok(Vec::new()))?;
    let mut agents = Vec::new();
    for language in [Language::Python, Language::JavaScript] {
        for instance in ["fresh", "keep"] {
            let collector = |folder: &Folder| {
                let sidecar = sidecar(&folder.path("repository"), instance)?;
                Ok(vec![Collector { name: "queue".into(), wasm: language.component()?, sidecar }])
            };
            let running = Running::start(binary, collector)?;
            agents.push((format!("a collector in {}, instance = \"{instance}\"", language.words()), running));
        }
    }
    let settling = Instant::now();
    while settling.elapsed() < settle {
        without.look()?;
    }
    let mut rounds = Vec::new();
    for _ in 0..LOOKS {
        let without = without.look()?;
        let with = agents.iter_mut().map(|(_, running)| running.look()).collect::<anyhow::Result<Vec<_>>>()?;
        rounds.push((without, with));
    }
    let mut rows = Vec::new();
    for Figure { what, target, of } in FIGURES {
        for (at, (words, _)) in agents.iter().enumerate() {
            let more = rounds.iter().map(|(without, with)| of(&with[at]) - of(without));
            rows.push(Row {
                what: format!("{what}, {words}"),
                unit: Unit::Megabytes,
                ours: Distribution::of(more).context("no looks")?,
                peer: None,
                target: Target { at_most: Some(target), ..Target::default() },
            });
        }
    }
    Ok(rows)
}
