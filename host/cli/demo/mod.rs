//! `sandbeat demo`: the whole way on loopback, in one process, to look at and to play with.

mod line;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use sandbeat_hub::{Accepted, Enroll, Hub};
use sandbeat_status::SandboxStatus;
use sandbeat_supervisor::Guard;
use tokio::net::TcpListener;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::args::DemoOptions;
use crate::config::{Config, Source};
use crate::run::{BLOCKED, agent, guard};
use crate::signals::Terminate;
use crate::{logging, output};

/// The folder of the plugins and of what they are compiled to; removed at the end, where it is temporary.
struct Folder {
    plugins: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

pub(crate) fn run(options: &DemoOptions) -> anyhow::Result<()> {
    let guard = guard();
    let _log = logging::never_wait();
    let result = start(options, guard.as_ref());
    guard.into_iter().for_each(Guard::dismiss);
    result
}

fn start(options: &DemoOptions, guard: Option<&Guard>) -> anyhow::Result<()> {
    let folder = Folder::make(options.plugins.as_deref())?;
    let workspace = repository()?;
    let added = folder.fill(workspace.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(play(options, guard, &folder, &added));
    runtime.shutdown_timeout(BLOCKED);
    if let Some(temporary) = folder.temporary {
        temporary.close().context("cannot remove the temporary plugins directory")?;
    }
    result.map(|_| ())
}

async fn play(options: &DemoOptions, guard: Option<&Guard>, folder: &Folder, added: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(options.listen.ip().is_loopback(), "the demo listens on loopback only; choose such a --listen");
    let terminate = Terminate::listen()?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another with --listen", options.listen))?;
    let address = listener.local_addr()?;
    let hub =
        Hub::new(sandbeat_hub::Config { enroll: Enroll::Open, listen: address, ..sandbeat_hub::Config::default() });
    let reports = hub.accepted();
    let (stop_hub, hub_stopped) = oneshot::channel::<()>();
    // The end of the sender is the signal as well as a message from it.
    let hub = tokio::spawn(hub.serve(listener, async move { drop(hub_stopped.await) }));
    let config = config(options, folder, address).await?;
    introduce(address, folder, added)?;
    let printer = tokio::task::spawn_blocking(|| print(reports));
    let result = agent(config, None, guard, terminate).await;
    drop(stop_hub);
    hub.await.context("the hub did not end well")??;
    // The hub's end is the end of the stream of reports. A reader of standard output that stands still is left alone.
    if let Ok(printed) = timeout(BLOCKED, printer).await {
        printed.context("the printer did not end well")??;
    }
    result.map(|_| ())
}

/// The demo's settings go the way of a file's, so that they are judged like those.
async fn config(options: &DemoOptions, folder: &Folder, hub: SocketAddr) -> anyhow::Result<Config> {
    // A port that is free now; should somebody take it first, the sample's restarts show that.
    let sample = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let program = std::env::current_exe().context("cannot find the own binary")?;
    let mut plugins = serde_json::json!({ "dir": folder.plugins, "scan_interval": "1s" });
    if let Some(temporary) = &folder.temporary {
        plugins["state_dir"] = temporary.path().join("state").to_string_lossy().into();
    }
    let settings = serde_json::json!({
        "sandbox": { "id": "demo" },
        "report": {
            "server_url": format!("http://{hub}"),
            "interval": format!("{}ms", options.interval.as_millis()),
            // The hub is on loopback, whatever the environment says.
            "proxy": "off",
        },
        "api": { "listen": "off" },
        "plugins": plugins,
        "processes": { "web": {
            "command": [program.display().to_string(), "sample", "--listen", sample.to_string()],
            "restart": "always",
            "base_url": format!("http://{sample}"),
            "health": { "http": format!("http://{sample}/"), "interval": "1s", "start_period": "5s" },
        } },
    });
    let settings = toml::to_string(&settings).context("the demo's settings cannot be written")?;
    Ok(Source::of(&settings)?.agent()?)
}

fn introduce(hub: SocketAddr, folder: &Folder, added: &[String]) -> anyhow::Result<()> {
    output::line(format_args!("hub        http://{hub}/"))?;
    output::line(format_args!("plugins    {}", folder.plugins.display()))?;
    output::line(format_args!("collectors {}", added.join(", ")))?;
    output::line("Drop, replace or delete a .wasm there and watch the next lines. Ctrl-C ends it.")?;
    output::line("")
}

/// Prints each accepted report, until the hub is gone; waits for whoever reads them.
fn print(mut reports: Receiver<Accepted>) -> anyhow::Result<()> {
    let mut lines = line::Lines::default();
    loop {
        match reports.blocking_recv() {
            Ok(Accepted { report, .. }) => {
                output::line(lines.next(&report))?;
                if report.status == SandboxStatus::Stopped {
                    return Ok(());
                }
            }
            Err(RecvError::Lagged(missed)) => output::line(format_args!("({missed} reports are not shown)"))?,
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

impl Folder {
    fn make(kept: Option<&Path>) -> anyhow::Result<Folder> {
        let (plugins, temporary) = match kept {
            Some(dir) => (dir.to_owned(), None),
            None => {
                let dir = tempfile::Builder::new().prefix("sandbeat-demo-").tempdir()?;
                (dir.path().join("plugins"), Some(dir))
            }
        };
        fs::create_dir_all(&plugins).with_context(|| format!("cannot make the folder {}", plugins.display()))?;
        let plugins = plugins.canonicalize()?;
        Ok(Folder { plugins, temporary })
    }

    /// Writes the bundled collectors where they are not there yet; the answer is what to say of each.
    fn fill(&self, workspace: Option<&Path>) -> anyhow::Result<Vec<String>> {
        let mut added = Vec::new();
        for bundled in sandbeat_bundled::COLLECTORS {
            let sidecar = match (bundled.name, workspace) {
                ("git", Some(workspace)) => git_sidecar(workspace),
                ("git", None) => {
                    added.push("git (left out: the working directory is in no repository)".to_owned());
                    continue;
                }
                _ => bundled.sidecar.to_owned(),
            };
            // The sidecar first, so that the collector is never seen without its grants.
            self.write(&format!("{}.toml", bundled.name), sidecar.as_bytes())?;
            self.write(&format!("{}.wasm", bundled.name), bundled.wasm)?;
            added.push(bundled.name.to_owned());
        }
        Ok(added)
    }

    fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        let path = self.plugins.join(name);
        if path.exists() {
            return Ok(());
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The repository around the working directory.
fn repository() -> anyhow::Result<Option<PathBuf>> {
    let here = std::env::current_dir().context("the working directory is gone")?;
    Ok(here.ancestors().find(|dir| dir.join(".git").exists()).map(Path::to_owned))
}

/// The bundled sidecar grants `/workspace`; here the workspace is where the demo was started.
fn git_sidecar(workspace: &Path) -> String {
    let path = toml::Value::String(workspace.display().to_string());
    format!("[config]\npath = {path}\n[grant]\ndirs = [{path}]\n")
}
