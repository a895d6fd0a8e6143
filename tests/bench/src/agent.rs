//! The released binary, and an agent of it in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::collector::Collector;
use crate::hub::Hub;

/// How it is built.
const BUILD: [&str; 7] = ["build", "--release", "--locked", "--package", "sandbeat", "--bin", "sandbeat"];

/// The program under test.
#[derive(Clone, Debug)]
pub struct Binary(PathBuf);

/// A sandbox's folder, removed in the end.
pub struct Folder {
    dir: tempfile::TempDir,
    /// A copy of the program: what is mapped from its file is then this agent's alone, as in a sandbox.
    binary: PathBuf,
}

/// A running agent, killed in the end.
pub struct Agent {
    child: Child,
}

impl Binary {
    /// The file that `SANDBEAT_BIN` names; without it, what `cargo build --release` makes of the sources around.
    ///
    /// # Errors
    /// It is not there, or they do not build.
    pub fn released() -> anyhow::Result<Self> {
        let build = || format!("cargo {}", BUILD.join(" "));
        if let Some(path) = std::env::var_os("SANDBEAT_BIN") {
            let found = std::fs::canonicalize(&path);
            return found.map(Binary).with_context(|| {
                format!("SANDBEAT_BIN names {}; `{}` builds the binary under test", path.display(), build())
            });
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let output = Command::new(cargo)
            .args(BUILD)
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(root)
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "the binary under test does not build: {}", build());
        let text = String::from_utf8(output.stdout)?;
        let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let path = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
        path.map(Binary).context("cargo does not say where the binary under test is")
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Folder {
    /// One with an empty plugins directory, an empty cache and a small repository.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn new(binary: &Binary) -> anyhow::Result<Self> {
        Folder::within(binary, &std::env::temp_dir())
    }

    /// The same, in a folder that is there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn within(binary: &Binary, parent: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("sandbeat-bench-").tempdir_in(parent)?;
        for folder in ["plugins", "repository/.git/objects", "repository/.git/refs/heads"] {
            std::fs::create_dir_all(dir.path().join(folder))?;
        }
        std::fs::write(dir.path().join("repository/.git/HEAD"), "ref: refs/heads/main\n")?;
        let copy = dir.path().join("sandbeat");
        std::fs::copy(binary.path(), &copy)?;
        // Until its pages are on disk, the kernel counts them as written to by whoever maps them.
        std::fs::File::open(&copy)?.sync_all()?;
        Ok(Folder { dir, binary: copy })
    }

    /// The repository for `git`.
    pub fn repository(&self) -> PathBuf {
        self.dir.path().join("repository")
    }

    /// Puts a collector into the plugins directory in one step, the sidecar first.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn drop_in(&self, collector: &Collector) -> anyhow::Result<()> {
        let plugins = self.dir.path().join("plugins");
        for (extension, content) in [("toml", collector.sidecar.as_bytes()), ("wasm", &collector.wasm)] {
            let beside = self.dir.path().join("new");
            std::fs::write(&beside, content)?;
            std::fs::rename(beside, plugins.join(format!("{}.{extension}", collector.name)))?;
        }
        Ok(())
    }

    /// Removes a collector.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self, collector: &Collector) -> anyhow::Result<()> {
        for extension in ["wasm", "toml"] {
            std::fs::remove_file(self.dir.path().join("plugins").join(format!("{}.{extension}", collector.name)))?;
        }
        Ok(())
    }

    /// Writes the configuration.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn configure(&self, text: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.path("sandbeat.toml"), text)?)
    }

    /// A path in it.
    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Makes all files of the plugins directory an hour old, as those of an image are.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn age(&self) -> anyhow::Result<()> {
        let then = SystemTime::now() - Duration::from_secs(3600);
        for entry in std::fs::read_dir(self.dir.path().join("plugins"))? {
            std::fs::File::options().write(true).open(entry?.path())?.set_modified(then)?;
        }
        Ok(())
    }

    /// Starts an agent that reports to the hub at an interval. It has a local API, since users have one.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, hub: &Hub, interval: &str) -> anyhow::Result<Agent> {
        let path = |below: &str| self.path(below);
        let child = Command::new(&self.binary)
            .arg("run")
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("AGENT_SERVER_URL", hub.url())
            .env("AGENT_SANDBOX_ID", "bench")
            .env("AGENT_REPORT_INTERVAL", interval)
            .env("SANDBEAT_API__LISTEN", format!("unix:{}", path("api.sock").display()))
            .env("SANDBEAT_PLUGINS__CACHE_DIR", path("artifacts"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(path("log"))?)
            .spawn()
            .with_context(|| self.binary.display().to_string())?;
        Ok(Agent { child })
    }

    /// What the last agent said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Agent {
    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks whether it still runs.
    ///
    /// # Errors
    /// It has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the agent has ended with {status}"),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended; either way there is nothing left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
