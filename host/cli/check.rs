//! `sandbeat check`: everything that `run` would refuse, all at once, without starting anything.

use sandbeat_collectors::{CheckError, Checked};
use serde::Serialize;

use crate::args::Print;
use crate::config::Source;
use crate::output::{self, Problems};

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
    if let Err(Problems(problems)) = source.agent() {
        findings.problems = problems.iter().map(ToString::to_string).collect();
    }
    // Wrong settings elsewhere do not keep the collectors from being looked at.
    if let Ok(plugins) = source.plugins() {
        match sandbeat_collectors::check(&plugins) {
            Ok(checked) => findings.plugins = checked.into_iter().map(plugin).collect(),
            // `run` waits for it to come.
            Err(error @ CheckError::Directory { .. }) => findings.notes.push(error.to_string()),
            Err(error) => findings.problems.push(error.to_string()),
        }
    }
    findings.ok = findings.problems.is_empty() && findings.plugins.iter().all(|plugin| plugin.ok);
    findings
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
            reason: None,
        },
        Err(reason) => {
            Plugin { name, ok: false, version: None, summary: None, grants: Vec::new(), reason: Some(reason) }
        }
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
