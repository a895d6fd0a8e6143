//! `sandbeat check`: everything that `run` or `hub` would refuse, all at once, without starting anything.
//!
//! A configuration is judged for the hub where it has `[hub]`, and for the agent where it has anything else, or nothing.

mod processes;

use std::path::Path;

use sandbeat_collectors::{BudgetConfig, CheckError, Checked, CompileLimits, Config};
use sandbeat_status::names::shown;
use serde::Serialize;

use crate::args::Print;
use crate::config::Source;
use crate::output::{self, Problems};
use crate::plugin::Set;

/// The most sidecars without a component that are named.
const MAX_ORPHANS: usize = 32;

#[derive(Serialize)]
struct Findings {
    ok: bool,
    config: Option<String>,
    problems: Vec<String>,
    notes: Vec<String>,
    plugins: Vec<Plugin>,
}

#[derive(Serialize)]
struct Plugin {
    name: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    grants: Vec<String>,
    /// What its sidecar sets otherwise than by default.
    settings: Vec<Set>,
    /// What may be meant, such as an import of which nothing is granted.
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(crate) fn run(options: &Print) -> anyhow::Result<()> {
    let findings = find(options);
    if options.json {
        output::json(&findings)?;
    } else {
        print(&findings)?;
    }
    let bad = findings.problems.len() + findings.plugins.iter().filter(|plugin| !plugin.ok).count();
    anyhow::ensure!(findings.ok, "{bad} problem{} found", if bad == 1 { "" } else { "s" });
    Ok(())
}

fn find(options: &Print) -> Findings {
    let mut findings =
        Findings { ok: false, config: None, problems: Vec::new(), notes: Vec::new(), plugins: Vec::new() };
    let source = match Source::read(&options.file) {
        Ok(source) => source,
        Err(error) => {
            findings.config = options.file.config.as_ref().map(|file| file.display().to_string());
            findings.problems.push(format!("{error:#}"));
            return findings;
        }
    };
    findings.config = source.file.as_ref().map(|file| file.display().to_string());
    if let Err(Problems(problems)) = source.check() {
        findings.problems = problems.iter().map(ToString::to_string).collect();
    }
    if source.readers().agent {
        findings.notes = processes::notes(&source);
        look_at_plugins(&source, &mut findings);
    }
    findings.ok = findings.problems.is_empty() && findings.plugins.iter().all(|plugin| plugin.ok);
    findings
}

/// Wrong settings, even of the plugins themselves, do not keep the collectors from being looked at.
fn look_at_plugins(source: &Source, findings: &mut Findings) {
    let (mut config, problems) = source.plugins_anyway();
    let is_wrong = |key: &str| problems.iter().any(|problem| problem.key == key);
    if is_wrong("plugins") || is_wrong("plugins.dir") {
        return findings.notes.push("the plugins are not looked at as long as it is not known where they lie".into());
    }
    if !problems.is_empty() {
        findings.notes.push("the plugins are judged as if what is wrong under [plugins] were not written".to_owned());
        // A figure that is out of range would be blamed on the collectors.
        (config.compile, config.budget) = (CompileLimits::default(), BudgetConfig::default());
    }
    match sandbeat_collectors::check(&config) {
        Ok(checked) => findings.plugins = checked.into_iter().map(plugin).collect(),
        // `run` waits for it to come.
        Err(error @ CheckError::Directory { .. }) => findings.notes.push(error.to_string()),
        Err(error) => findings.problems.push(error.to_string()),
    }
    findings.notes.extend(orphans(&config));
}

/// Sidecars without a component.
fn orphans(config: &Config) -> Vec<String> {
    let is_orphan = |file: &Path| {
        let is_sidecar = file.extension().is_some_and(|extension| extension == "toml");
        // A dangling link is a plugin's file, and told of as such.
        is_sidecar && file.with_extension("wasm").symlink_metadata().is_err()
    };
    let entries = std::fs::read_dir(&config.dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|file| is_orphan(file))
        .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
        .filter(|name| !name.starts_with('.'))
        .map(|name| shown(&name, 80))
        .collect();
    names.sort();
    names.truncate(MAX_ORPHANS);
    let note = |name: String| {
        format!(
            "{name}.toml is the sidecar of no plugin; put {name}.wasm beside it, give it that one's name, or remove it"
        )
    };
    names.into_iter().map(note).collect()
}

fn plugin(checked: Checked) -> Plugin {
    let name = checked.name;
    match checked.result {
        Ok(accepted) => Plugin {
            name,
            ok: true,
            version: Some(accepted.version),
            summary: Some(accepted.summary),
            grants: accepted.grants,
            settings: accepted.settings.into_iter().map(Set::from).collect(),
            warnings: accepted.ungranted,
            reason: None,
        },
        Err(reason) => Plugin {
            name,
            ok: false,
            version: None,
            summary: None,
            grants: Vec::new(),
            settings: Vec::new(),
            warnings: Vec::new(),
            reason: Some(reason),
        },
    }
}

fn print(findings: &Findings) -> anyhow::Result<()> {
    output::line(match &findings.config {
        Some(file) => format!("configuration: {file}"),
        None => "configuration: no file, defaults and environment".to_owned(),
    })?;
    for problem in &findings.problems {
        output::line(format_args!("  wrong  {problem}"))?;
    }
    for note in &findings.notes {
        output::line(format_args!("  note   {note}"))?;
    }
    for plugin in &findings.plugins {
        match (&plugin.version, &plugin.summary, &plugin.reason) {
            (Some(version), Some(summary), _) => {
                output::line(format_args!("  ok     plugin {} {version}: {summary}", plugin.name))?;
                for grant in &plugin.grants {
                    output::line(format_args!("           may {grant}"))?;
                }
                for setting in &plugin.settings {
                    output::line(format_args!("           set {setting}"))?;
                }
                for warning in &plugin.warnings {
                    output::line(format_args!("           note {warning}"))?;
                }
            }
            (.., reason) => {
                let reason = reason.as_deref().unwrap_or("no reason is known");
                output::line(format_args!("  wrong  plugin {}: {reason}", plugin.name))?;
            }
        }
    }
    if findings.ok {
        output::line("everything is fine")?;
    }
    Ok(())
}
