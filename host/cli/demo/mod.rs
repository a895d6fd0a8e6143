//! `sandbeat demo`: the whole way on loopback, in one process, to look at and to play with.

mod changes;
mod collectors;
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

use self::collectors::Scene;
use crate::args::DemoOptions;
use crate::config::{Config, Source};
use crate::run::{BLOCKED, agent, guard};
use crate::signals::Terminate;
use crate::{logging, output};

/// How wide lines become where there is no terminal, in letters.
const USUAL_WIDTH: usize = 120;

/// The folder of the plugins and, where it is temporary, of what they are compiled to. The temporary one is removed at
/// the end.
struct Folder {
    plugins: PathBuf,
    is_kept: bool,
    temporary: tempfile::TempDir,
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
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(play(options, guard, &folder));
    runtime.shutdown_timeout(BLOCKED);
    folder.temporary.close().context("cannot remove the temporary folder")?;
    result
}

async fn play(options: &DemoOptions, guard: Option<&Guard>, folder: &Folder) -> anyhow::Result<()> {
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
    // A port that is free now; should somebody take it first, the sample's restarts show that.
    let web = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let files = folder.temporary.path().join("textfiles");
    fs::create_dir(&files).with_context(|| format!("cannot make the folder {}", files.display()))?;
    let scene = Scene { workspace: repository()?, files, hub: address, web };
    let added = collectors::fill(&folder.plugins, options.all, &scene)?;
    let config = config(options, folder, &scene)?;
    introduce(address, folder, &added)?;
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
fn config(options: &DemoOptions, folder: &Folder, scene: &Scene) -> anyhow::Result<Config> {
    let (hub, sample) = (scene.hub, scene.web);
    let program = std::env::current_exe().context("cannot find the own binary")?;
    let mut plugins = serde_json::json!({ "dir": folder.plugins, "scan_interval": "1s" });
    if !folder.is_kept {
        plugins["state_dir"] = folder.temporary.path().join("state").to_string_lossy().into();
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
    let width = output::terminal_width().map_or(USUAL_WIDTH, usize::from);
    for (at, names) in changes::wrapped(added, ", ", width.saturating_sub(11)).iter().enumerate() {
        output::line(format_args!("{:<11}{names}", if at == 0 { "collectors" } else { "" }))?;
    }
    output::hanging("Drop, replace or delete a .wasm there and watch the next lines. Ctrl-C ends it.", 0)?;
    output::line("")
}

/// Prints each accepted report, until the hub is gone; waits for whoever reads them.
fn print(mut reports: Receiver<Accepted>) -> anyhow::Result<()> {
    let mut lines = line::Lines::new(output::terminal_width().map_or(USUAL_WIDTH, usize::from));
    loop {
        match reports.blocking_recv() {
            Ok(Accepted { report, .. }) => {
                for line in lines.next(&report) {
                    output::hanging(&line, line::INDENT)?;
                }
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
        let temporary = tempfile::Builder::new().prefix("sandbeat-demo-").tempdir()?;
        let plugins = kept.map_or_else(|| temporary.path().join("plugins"), Path::to_owned);
        fs::create_dir_all(&plugins).with_context(|| format!("cannot make the folder {}", plugins.display()))?;
        let plugins = plugins.canonicalize()?;
        Ok(Folder { plugins, is_kept: kept.is_some(), temporary })
    }
}

/// The repository around the working directory.
fn repository() -> anyhow::Result<Option<PathBuf>> {
    let here = std::env::current_dir().context("the working directory is gone")?;
    Ok(here.ancestors().find(|dir| dir.join(".git").exists()).map(Path::to_owned))
}
