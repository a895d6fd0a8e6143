//! A server under load, in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::bare::BARE;
use crate::agent::Binary;
use crate::memory::Memory;

const PATIENCE: Duration = Duration::from_secs(60);
/// Connections that the load may have, and some for looks.
const CONNECTIONS: usize = 1100;

/// A server, killed in the end.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    child: Child,
    folder: tempfile::TempDir,
}

impl Server {
    /// A hub with room for so many sandboxes, its data on disk, and more of its configuration.
    pub(super) fn hub(binary: &Binary, sandboxes: u32, more: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sandbeat-bench-").tempdir()?;
        let config = format!(
            "[hub]\nlisten = \"127.0.0.1:0\"\ndata = \"data\"\nmax_sandboxes = {sandboxes}\nmax_connections = \
             {CONNECTIONS}\n{more}"
        );
        std::fs::write(folder.path().join("sandbeat.toml"), config)?;
        let mut command = Command::new(binary.path());
        command.arg("hub").current_dir(folder.path()).env_clear();
        Server::start(command, folder)
    }

    /// The least that can receive a report.
    pub(super) fn bare() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sandbeat-bench-").tempdir()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(BARE);
        Server::start(command, folder)
    }

    /// Its standard input stays open as long as this process lives; both write into a file, and say there where they
    /// listen.
    fn start(mut command: Command, folder: tempfile::TempDir) -> anyhow::Result<Self> {
        let log = folder.path().join("log");
        let file = std::fs::File::create(&log)?;
        command.stdin(Stdio::piped()).stdout(file.try_clone()?).stderr(file);
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let start = std::time::Instant::now();
        let address = loop {
            let said = std::fs::read_to_string(&log)?;
            let word = said.split("address=").nth(1).and_then(|rest| rest.split(['\n', ' ']).next());
            if let Some(address) = word.and_then(|word| word.parse().ok()) {
                break address;
            }
            if let Some(status) = child.try_wait()? {
                bail!("the server has ended with {status}: {said}");
            }
            anyhow::ensure!(start.elapsed() < PATIENCE, "the server does not say where it listens: {said}");
            std::thread::sleep(Duration::from_millis(5));
        };
        Ok(Server { address, child, folder })
    }

    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        Memory::of(self.child.id())
    }

    /// The processor time that it has used, in seconds. Source: `proc_pid_stat(5)`, fields 14 and 15.
    pub(super) fn cpu(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).context("/proc/PID/stat");
        Ok((ticks(11)? + ticks(12)?) / rustix::param::clock_ticks_per_second() as f64)
    }

    /// What is under its folder, in megabytes of 10⁶ bytes.
    pub(super) fn disk(&self) -> anyhow::Result<f64> {
        fn under(path: &Path) -> std::io::Result<u64> {
            std::fs::read_dir(path)?.try_fold(0, |sum, entry| {
                let entry = entry?;
                let meta = entry.metadata()?;
                Ok(sum + if meta.is_dir() { under(&entry.path())? } else { meta.len() })
            })
        }
        Ok(under(self.folder.path())? as f64 / 1e6)
    }

    /// `GET`, and the answer's body, a line at a time.
    pub(super) fn get(&self, path: &str, accept: &str) -> anyhow::Result<BufReader<TcpStream>> {
        self.ask("GET", path, accept)
    }

    /// `DELETE`.
    pub(super) fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.ask("DELETE", path, "application/json").map(drop)
    }

    /// In HTTP/1.0, which knows no chunks.
    fn ask(&self, method: &str, path: &str, accept: &str) -> anyhow::Result<BufReader<TcpStream>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "{method} {path} HTTP/1.0\r\nhost: {}\r\naccept: {accept}\r\n\r\n", self.address)?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        anyhow::ensure!(line.split(' ').nth(1) == Some("200"), "{method} {path}: {line}");
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        Ok(reader)
    }

    /// The same as JSON.
    pub(super) fn json(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let mut text = String::new();
        self.get(path, "application/json")?.read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; either way there is nothing left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
