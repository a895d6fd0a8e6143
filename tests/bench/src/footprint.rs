//! How much memory an agent holds with so many collectors, beside a host of as many Extism plugins that does nothing
//! else: no heartbeat, no supervision, no limits, no reload.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::agent::{Agent, Binary, Folder};
use crate::collector::{Collector, fleet, renamed};
use crate::hub::{Hub, active};
use crate::memory::Memory;
use crate::peer::{self, PLUGIN, Source};
use crate::stats::Distribution;
use crate::table::{Row, Target, Unit};

/// The word that makes this program be [`extism_host`].
pub const EXTISM_HOST: &str = "extism-host";

const COUNTS: [usize; 3] = [0, 10, 100];
/// How many there are of what has targets, and of the peer's plugins.
const TEN: usize = 10;
const FIGURES: [Figure; 3] = [
    Figure { what: "resident memory", target: Some(12.0), of: |memory| memory.resident },
    Figure { what: "private memory", target: Some(4.0), of: |memory| memory.private_dirty },
    Figure { what: "pages of files that nobody shares", target: None, of: |memory| memory.private_clean },
];
/// Looks, one second apart, once an agent has settled.
pub(crate) const LOOKS: usize = 10;
const INTERVAL: Duration = Duration::from_secs(1);

struct Figure {
    what: &'static str,
    /// For ten collectors, in megabytes.
    target: Option<f64>,
    of: fn(&Memory) -> f64,
}

/// Lets agents with 0, 10 and 100 collectors and a host of ten Extism plugins run so long, all at an interval of one
/// second, and looks at their memory.
///
/// # Errors
/// One of them does not run.
pub fn measure(binary: &Binary, settle: Duration) -> anyhow::Result<Vec<Row>> {
    let start = |count| Running::start(binary, |folder| fleet(count, &folder.repository()));
    let mut agents = COUNTS.map(start).into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut host = ExtismHost::start()?;
    let settling = Instant::now();
    while settling.elapsed() < settle {
        looks(&mut agents, &mut host)?;
    }
    let rounds = (0..LOOKS).map(|_| looks(&mut agents, &mut host)).collect::<anyhow::Result<Vec<_>>>()?;
    let column = |at: usize, of: fn(&Memory) -> f64| {
        Distribution::of(rounds.iter().map(|round| of(&round[at]))).context("no looks")
    };
    let mut rows = Vec::new();
    for Figure { what, target, of } in FIGURES {
        for (at, count) in COUNTS.into_iter().enumerate() {
            let ten = count == TEN;
            let peer = ten.then(|| column(COUNTS.len(), of)).transpose()?;
            rows.push(Row {
                what: format!("{what}, {count} collectors"),
                unit: Unit::Megabytes,
                ours: column(at, of)?,
                peer: peer.map(|peer| ("Extism host".into(), peer)),
                target: Target { at_most: target.filter(|_| ten), ..Target::default() },
            });
        }
    }
    Ok(rows)
}

/// An agent that has everything compiled, and reports each second.
pub(crate) struct Running {
    hub: Hub,
    count: usize,
    agent: Agent,
    _folder: Folder,
}

impl Running {
    /// Starts one with the collectors that are made for its folder.
    ///
    /// # Errors
    /// It does not run, or they do not.
    pub(crate) fn start(
        binary: &Binary,
        collectors: impl FnOnce(&Folder) -> anyhow::Result<Vec<Collector>>,
    ) -> anyhow::Result<Self> {
        let (hub, folder) = (Hub::start()?, Folder::new(binary)?);
        let collectors = collectors(&folder)?;
        collectors.iter().try_for_each(|collector| folder.drop_in(collector))?;
        let count = collectors.len();
        // What compiling leaves behind is not to be seen in what runs for days.
        let compiling = folder.start(&hub, "1s")?;
        hub.wait_for("all collectors", |report| active(report) == count).with_context(|| folder.log())?;
        drop(compiling);
        hub.forget();
        let agent = folder.start(&hub, "1s")?;
        hub.wait_for("all collectors", |report| active(report) == count).with_context(|| folder.log())?;
        Ok(Running { hub, count, agent, _folder: folder })
    }

    /// Waits for a report, and looks at its memory.
    ///
    /// # Errors
    /// It has ended, or one of its collectors does not work.
    pub(crate) fn look(&mut self) -> anyhow::Result<Memory> {
        self.agent.check()?;
        self.hub.wait_for("all collectors at work", |report| active(report) == self.count)?;
        Memory::of(self.agent.id())
    }
}

/// Waits for a report of each, and looks at all of them: the agents in their order, then the host.
fn looks(agents: &mut [Running], host: &mut ExtismHost) -> anyhow::Result<Vec<Memory>> {
    let mut all = agents.iter_mut().map(Running::look).collect::<anyhow::Result<Vec<_>>>()?;
    all.push(host.memory()?);
    Ok(all)
}

/// This program again, as a host of Extism plugins.
struct ExtismHost {
    child: Child,
    _folder: tempfile::TempDir,
}

impl ExtismHost {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sandbeat-bench-").tempdir()?;
        // As with the agents: a copy, on disk, so that nobody else maps it.
        let program = folder.path().join(EXTISM_HOST);
        std::fs::copy(std::env::current_exe()?, &program)?;
        std::fs::File::open(&program)?.sync_all()?;
        let spawn = |mode: &str| {
            let mut command = Command::new(&program);
            command.arg(EXTISM_HOST).arg(folder.path()).arg(mode);
            // Its standard input is open as long as this process lives.
            command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
        };
        let status = spawn("once")?.wait()?;
        anyhow::ensure!(status.success(), "the host of Extism plugins ended with {status}");
        let child = spawn("stay")?;
        Ok(ExtismHost { child, _folder: folder })
    }

    fn memory(&mut self) -> anyhow::Result<Memory> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the host of Extism plugins has ended with {status}");
        }
        Memory::of(self.child.id())
    }
}

impl Drop for ExtismHost {
    fn drop(&mut self) {
        // It may have ended; either way there is nothing left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The host of ten Extism plugins: `once` fills the cache and ends; otherwise it calls each of them every second until
/// its standard input is closed.
///
/// # Errors
/// Extism's, and those of the file system.
pub fn extism_host(folder: &Path, mode: &str) -> anyhow::Result<()> {
    let plugin = |number: usize| Source::write(folder, &number.to_string(), &renamed(PLUGIN, number)?)?.load();
    let mut plugins = (0..TEN).map(plugin).collect::<anyhow::Result<Vec<_>>>()?;
    if mode == "once" {
        return Ok(());
    }
    std::thread::spawn(|| {
        let _closed = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    loop {
        for plugin in &mut plugins {
            peer::collect(plugin)?;
        }
        std::thread::sleep(INTERVAL);
    }
}
