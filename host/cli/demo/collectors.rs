//! Which collectors the demo has, and their sidecars as they fit where it was started.
//!
//! What a bundled sidecar grants is meant for a sandbox: here the workspace is the repository around the working
//! directory, text files and probes are the demo's own, and logs are those of who started it. Nothing beyond is granted.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use sandbeat_bundled::{Bundled, COLLECTORS};
use toml::{Table, Value};

use crate::bundled::{Fate, Files, GivesWay, Put, put};

/// Those that it has unless all are wanted.
const FEW: &[&str] = &["git", "load", "net"];
/// What the text file says; the collector `textfile` reports it as it is.
const SAMPLE: &str = "# HELP demo_backup_age_seconds Age of the newest backup, as a cron job would write it.\n\
                      # TYPE demo_backup_age_seconds gauge\n\
                      demo_backup_age_seconds 3600\n\
                      # HELP demo_jobs_total Jobs that have ended, by result.\n\
                      # TYPE demo_jobs_total counter\n\
                      demo_jobs_total{result=\"ok\"} 41\n\
                      demo_jobs_total{result=\"failed\"} 1\n";

/// What there is around the demo for collectors to look at.
pub(super) struct Scene {
    /// The repository around the working directory.
    pub(super) workspace: Option<PathBuf>,
    /// A folder of the demo's own, for files to read.
    pub(super) files: PathBuf,
    pub(super) hub: SocketAddr,
    /// The sample process.
    pub(super) web: SocketAddr,
}

/// Puts the collectors into the plugins directory, and those anew that an earlier demo has left there; what to say of
/// each. What has been changed since, or comes from elsewhere, stays.
pub(super) fn fill(plugins: &Path, all: bool, scene: &Scene) -> anyhow::Result<Vec<String>> {
    let is_there = |name: &str| plugins.join(format!("{name}.wasm")).exists();
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for bundled in COLLECTORS.iter().filter(|one| all || FEW.contains(&one.name) || is_there(one.name)) {
        match sidecar(bundled, scene)? {
            Ok(sidecar) => files.push(Files { name: bundled.name, wasm: bundled.wasm, sidecar }),
            Err(why) if is_there(bundled.name) => left_out.push(format!("{} (as it was: {why})", bundled.name)),
            Err(why) => left_out.push(format!("{} (left out: {why})", bundled.name)),
        }
    }
    let put = put(plugins, &files, GivesWay::Own)?;
    Ok(put.iter().map(said).chain(left_out).collect())
}

fn said(put: &Put<'_>) -> String {
    let yours = match (put.component, put.sidecar) {
        (Fate::Kept, _) => " (your component)",
        (_, Fate::Kept) => " (your sidecar)",
        (_, Fate::Absent) => " (without a sidecar)",
        _ => "",
    };
    format!("{}{yours}", put.name)
}

/// A collector's sidecar in this place, or why there is nothing for it to look at.
fn sidecar(bundled: &Bundled, scene: &Scene) -> anyhow::Result<Result<String, &'static str>> {
    let mut sidecar: Table = bundled.sidecar.parse().with_context(|| format!("the sidecar of {}", bundled.name))?;
    match bundled.name {
        "git" => {
            let Some(workspace) = &scene.workspace else { return Ok(Err("the working directory is in no repository")) };
            set(&mut sidecar, "config", "path", text(workspace));
            set(&mut sidecar, "grant", "dirs", list([text(workspace)]));
        }
        "disk" => {
            let here = std::env::current_dir().context("the working directory is gone")?;
            set(&mut sidecar, "grant", "filesystems", list([text(scene.workspace.as_ref().unwrap_or(&here))]));
        }
        "textfile" => {
            let sample = scene.files.join("demo.prom");
            fs::write(&sample, SAMPLE).with_context(|| format!("cannot write {}", sample.display()))?;
            set(&mut sidecar, "config", "path", text(&scene.files));
            set(&mut sidecar, "grant", "read", list([text(&scene.files.join("*.prom"))]));
        }
        "http-probe" => {
            let origins = [scene.hub, scene.web].map(|address| format!("http://{address}"));
            let urls = origins.clone().map(|origin| Value::String(format!("{origin}/")));
            set(&mut sidecar, "config", "urls", list(urls));
            set(&mut sidecar, "grant", "http", list(origins.map(Value::String)));
        }
        "agent-usage" => {
            let Some(home) = std::env::home_dir() else { return Ok(Err("there is no home folder")) };
            at_home(&mut sidecar, &home);
        }
        _ => {}
    }
    Ok(Ok(toml::to_string(&sidecar).with_context(|| format!("the sidecar of {} cannot be written", bundled.name))?))
}

/// The bundled sidecar is for root.
fn at_home(sidecar: &mut Table, home: &Path) {
    let usual = sidecar.get("config").and_then(|config| config.get("home")).and_then(Value::as_str).map(str::to_owned);
    let globs = sidecar.get("grant").and_then(|grant| grant.get("read")).and_then(Value::as_array).cloned();
    let (Some(usual), Some(globs)) = (usual, globs) else { return };
    let moved = |glob: &Value| {
        let below = glob.as_str()?.strip_prefix(&usual)?.trim_start_matches('/');
        Some(text(&home.join(below)))
    };
    let globs: Vec<Value> = globs.iter().filter_map(moved).collect();
    set(sidecar, "grant", "read", Value::Array(globs));
    set(sidecar, "config", "home", text(home));
}

fn set(sidecar: &mut Table, table: &str, key: &str, value: Value) {
    let table = sidecar.entry(table).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(table) = table {
        table.insert(key.to_owned(), value);
    }
}

fn text(path: &Path) -> Value {
    Value::String(path.display().to_string())
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(values.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sidecar_grants_what_is_here_and_nothing_of_the_usual_places() {
        let scene = Scene {
            workspace: Some(PathBuf::from("/here")),
            files: tempfile::tempdir().unwrap().keep(),
            hub: "127.0.0.1:1".parse().unwrap(),
            web: "127.0.0.1:2".parse().unwrap(),
        };
        for bundled in COLLECTORS {
            let text = sidecar(bundled, &scene).unwrap().unwrap();
            let table: Table = text.parse().unwrap();
            let shipped: Table = bundled.sidecar.parse().unwrap();
            let keys = |of: &Table| of["grant"].as_table().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(&table), keys(&shipped), "{}: as much as is shipped", bundled.name);
            assert_eq!(table.get("limits"), shipped.get("limits"), "{}", bundled.name);
            assert!(!text.contains("/workspace") && !text.contains("/var/lib"), "{text}");
        }
        fs::remove_dir_all(&scene.files).unwrap();
    }

    #[test]
    fn logs_are_those_of_who_started_it() {
        let mut sidecar: Table =
            "[config]\nhome = \"/root\"\n[grant]\nread = [\"/root/.a/**/*.jsonl\"]".parse().unwrap();
        at_home(&mut sidecar, Path::new("/home/dev"));
        assert_eq!(
            sidecar,
            "[config]\nhome = \"/home/dev\"\n[grant]\nread = [\"/home/dev/.a/**/*.jsonl\"]".parse().unwrap()
        );
    }
}
