//! What `sandbeat plugin check` finds out about a component, and how that becomes problems and warnings. Pure.

use sandbeat_collectors::workbench::{
    About, Failing, Import, Inspection, KeyAbout, Measured, MetricAbout, Mismatch, Setting, Terms,
};
use serde::Serialize;

use super::{Fault, told};
use crate::format;

/// Everything that was found out; also the JSON.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Findings {
    pub(super) ok: bool,
    pub(super) file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) world: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<String>,
    pub(super) imports: Vec<Imported>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sidecar: Option<String>,
    pub(super) grants: Vec<String>,
    pub(super) settings: Vec<Set>,
    pub(super) metrics: Vec<Metric>,
    pub(super) metadata: Vec<Key>,
    /// What it can report beside these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) others: Option<String>,
    /// Absent where it was not called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) collect: Option<Collect>,
    /// It is judged for a machine on which the granted folders are there.
    #[serde(skip)]
    pub(super) lacks_folders: bool,
    /// What the agent would refuse, and what its author did wrong.
    pub(super) problems: Vec<String>,
    /// What may be meant, or different on another machine.
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Imported {
    pub(super) name: String,
    pub(super) offered: bool,
    pub(super) note: String,
    /// The key under `[grant]` without which it gives nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<&'static str>,
}

/// A setting that is not the default.
#[derive(Debug, Serialize)]
pub(crate) struct Set {
    key: &'static str,
    value: String,
    default: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) unit: String,
    pub(super) attributes: Vec<Key>,
    pub(super) description: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Key {
    pub(super) key: String,
    pub(super) description: String,
}

/// What came of the one collect.
#[derive(Debug, Serialize)]
pub(super) struct Collect {
    ok: bool,
    #[serde(flatten)]
    figures: Option<Figures>,
    #[serde(flatten)]
    fault: Option<Fault>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    metrics: usize,
    metadata: usize,
    rejected: u64,
    took_ms: f64,
    cpu_ms: f64,
    peak_memory_bytes: u64,
}

impl Findings {
    pub(super) fn take_terms(&mut self, terms: Terms) {
        self.sidecar = terms.file.map(|file| file.display().to_string());
        self.grants = terms.grants;
        self.settings = terms.settings.into_iter().map(Set::from).collect();
        self.problems.extend(terms.problems.into_iter().map(|problem| format!("sidecar: {problem}")));
    }

    pub(super) fn take_inspection(&mut self, inspection: Inspection) {
        (self.bytes, self.digest, self.world) = (Some(inspection.bytes), Some(inspection.digest), inspection.world);
        self.imports = inspection.imports.into_iter().map(Imported::from).collect();
        self.problems.extend(inspection.unusable.iter().map(told));
        self.problems.extend(inspection.problems);
    }

    /// With what of its description breaks the rules.
    pub(super) fn take_about(&mut self, about: About, flaws: &[String]) {
        (self.version, self.summary, self.others) = (Some(about.version), Some(about.summary), about.others);
        self.metrics = about.metrics.into_iter().map(Metric::from).collect();
        self.metadata = about.metadata.into_iter().map(Key::from).collect();
        self.problems.extend(flaws.iter().map(|flaw| format!("describe: {flaw}")));
    }

    /// With how it departs from the description.
    pub(super) fn take_collect(&mut self, result: &Result<(Measured, Vec<Mismatch>), Failing>) {
        match result {
            Ok((measured, mismatches)) => {
                let rejected = &measured.contribution.rejected;
                let times = |count: u64| if count > 1 { format!(" ({count} points)") } else { String::new() };
                self.problems.extend(rejected.iter().map(|rejected| {
                    format!("collect: `{}` is rejected: {}{}", rejected.name, rejected.reason, times(rejected.count))
                }));
                self.problems.extend(
                    mismatches
                        .iter()
                        .map(|Mismatch { name, reason, count }| format!("collect: `{name}` {reason}{}", times(*count))),
                );
                self.collect = Some(Collect { ok: true, figures: Some(Figures::of(measured)), fault: None });
            }
            Err(failing) => {
                match failing.is_of_this_machine() {
                    true => self.warnings.push(format!("it could not collect here: {}", told(failing))),
                    false => self.problems.push(format!("collect: {}", told(failing))),
                }
                self.collect = Some(Collect { ok: false, figures: None, fault: Some(Fault::of(failing)) });
            }
        }
    }
}

impl Collect {
    /// In a line, where it worked.
    pub(super) fn line(&self) -> Option<String> {
        let Figures { metrics, metadata, rejected, took_ms, cpu_ms, peak_memory_bytes } = self.figures.as_ref()?;
        Some(format!(
            "{}, {}, {rejected} rejected; took {} (CPU {}), peak memory {}",
            format::count(*metrics, "metric", "metrics"),
            format::count(*metadata, "metadata entry", "metadata entries"),
            format::millis(*took_ms),
            format::millis(*cpu_ms),
            format::size(*peak_memory_bytes),
        ))
    }
}

impl Figures {
    fn of(measured: &Measured) -> Figures {
        let contribution = &measured.contribution;
        Figures {
            metrics: contribution.metrics.len(),
            metadata: contribution.metadata.len(),
            rejected: contribution.rejected.iter().map(|rejected| rejected.count).sum(),
            took_ms: measured.took.as_secs_f64() * 1e3,
            cpu_ms: measured.cpu.as_secs_f64() * 1e3,
            peak_memory_bytes: measured.peak_memory,
        }
    }
}

impl From<Import> for Imported {
    fn from(Import { name, offered, note, grant }: Import) -> Self {
        Imported { name, offered, note, grant }
    }
}

impl From<MetricAbout> for Metric {
    fn from(MetricAbout { name, unit, kind, description, attributes }: MetricAbout) -> Self {
        Metric { name, kind, unit, attributes: attributes.into_iter().map(Key::from).collect(), description }
    }
}

impl From<KeyAbout> for Key {
    fn from(KeyAbout { key, description }: KeyAbout) -> Self {
        Key { key, description }
    }
}

impl From<Setting> for Set {
    fn from(Setting { key, value, default }: Setting) -> Self {
        Set { key, value, default }
    }
}

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {} (default: {})", self.key, self.value, self.default)
    }
}

#[cfg(test)]
mod tests {
    use sandbeat_status::Failure;

    use super::*;

    #[test]
    fn only_what_may_be_otherwise_elsewhere_is_a_warning() {
        for (failure, reason, is_warning) in [
            (Failure::Denied, "`/a` is not granted", true),
            (Failure::Collector, "unavailable: `/a` is not there", true),
            (Failure::Collector, "[config] in its sidecar is wrong: `path` is 1", false),
            (Failure::CpuTimeout, "used more CPU than limits.cpu (200ms)", false),
        ] {
            let mut findings = Findings::default();
            findings.take_collect(&Err(Failing { failure, reason: reason.into(), trace: None }));
            assert_eq!((findings.warnings.len(), findings.problems.len()), (is_warning.into(), (!is_warning).into()));
            let told = findings.warnings.iter().chain(&findings.problems).next().unwrap();
            assert!(told.ends_with(&format!("{failure}: {reason}")), "{told}");
        }
    }
}
