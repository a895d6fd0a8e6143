//! `sandbeat plugin run`: collects once and prints what would be merged, or again and again while its files are worked
//! on ([`watch`]).

mod screen;
mod view;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::anyhow;
use sandbeat_collectors::workbench::{Failing, Measured, Mismatch, Specimen};
use sandbeat_status::{Metric, Rejected, Sample};
use serde::Serialize;

use super::{Fault, name, output_bytes, sample, start, told};
use crate::args::RunOptions;
use crate::output;

pub(super) fn run(options: &RunOptions) -> anyhow::Result<()> {
    if options.watch {
        return watch::run(options);
    }
    let subject = &options.subject;
    let (bench, source) = start(subject)?;
    let ran = match bench.load(&subject.wasm, subject.sidecar.as_deref()) {
        Ok(mut specimen) => Ran::of(&mut specimen, name(&subject.wasm), &sample(&source, Instant::now())),
        Err(failing) => Ran { plugin: name(&subject.wasm), loaded: None, result: Err(failing) },
    };
    if subject.print.json {
        output::json(&Json::of(&ran))?;
    }
    match &ran.result {
        Ok(_) if subject.print.json => Ok(()),
        Ok(gathered) => output::line(view::of(&ran.plugin, gathered).printed()),
        Err(failing) => Err(anyhow!(told(failing))),
    }
}

/// One load and collect.
struct Ran {
    plugin: String,
    /// The collector's own version and the component's digest, once it was loaded.
    loaded: Option<(String, String)>,
    result: Result<Gathered, Failing>,
}

/// One collect, and how it departs from what the collector describes.
struct Gathered {
    measured: Measured,
    mismatches: Vec<Mismatch>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    ok: bool,
    plugin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    #[serde(flatten)]
    collected: Option<Collected<'a>>,
    #[serde(flatten)]
    fault: Option<Fault>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Collected<'a> {
    metrics: &'a [Metric],
    metadata: &'a BTreeMap<String, String>,
    rejected: &'a [Rejected],
    mismatches: Vec<Departs<'a>>,
    took_ms: f64,
    cpu_ms: f64,
    peak_memory_bytes: u64,
    output_bytes: usize,
}

/// What was returned and is described otherwise or not at all.
#[derive(Serialize)]
struct Departs<'a> {
    name: &'a str,
    reason: &'a str,
    count: u64,
}

impl Ran {
    /// Collects once.
    fn of(specimen: &mut Specimen<'_>, plugin: String, sample: &Arc<Sample>) -> Ran {
        let about = specimen.about();
        let result = specimen.collect(sample).map(|measured| {
            let mismatches = specimen.mismatches(&measured.contribution);
            Gathered { measured, mismatches }
        });
        Ran { plugin, loaded: Some((about.version, about.digest)), result }
    }
}

impl<'a> Json<'a> {
    fn of(ran: &'a Ran) -> Self {
        Json {
            ok: ran.result.is_ok(),
            plugin: &ran.plugin,
            version: ran.loaded.as_ref().map(|(version, _)| version.as_str()),
            digest: ran.loaded.as_ref().map(|(_, digest)| digest.as_str()),
            collected: ran.result.as_ref().ok().map(Collected::of),
            fault: ran.result.as_ref().err().map(Fault::of),
        }
    }
}

impl<'a> Collected<'a> {
    fn of(gathered: &'a Gathered) -> Self {
        let Gathered { measured: Measured { contribution, took, cpu, peak_memory }, mismatches } = gathered;
        let departs = |Mismatch { name, reason, count }: &'a Mismatch| Departs { name, reason, count: *count };
        Collected {
            metrics: &contribution.metrics,
            metadata: &contribution.metadata,
            rejected: &contribution.rejected,
            mismatches: mismatches.iter().map(departs).collect(),
            took_ms: took.as_secs_f64() * 1e3,
            cpu_ms: cpu.as_secs_f64() * 1e3,
            peak_memory_bytes: *peak_memory,
            output_bytes: output_bytes(contribution),
        }
    }
}

#[cfg(test)]
mod tests {
    use sandbeat_status::Failure;

    use super::*;

    #[test]
    fn a_failure_is_json_as_well() {
        let failing = Failing { failure: Failure::CpuTimeout, reason: "why".into(), trace: Some("f < g".into()) };
        let ran = Ran { plugin: "p".into(), loaded: None, result: Err(failing) };
        assert_eq!(
            serde_json::to_value(Json::of(&ran)).unwrap(),
            serde_json::json!(
                {"ok": false, "plugin": "p", "failure": "cpu-timeout", "reason": "why", "trace": ["f", "g"]}
            )
        );
    }
}
