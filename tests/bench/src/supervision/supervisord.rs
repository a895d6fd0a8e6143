//! supervisord, the peer: installed from PyPI into a folder of the build, unless `SUPERVISORD` names one.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::{Supervised, ask, text};

const VERSION: &str = "4.3.0";
const PATIENCE: Duration = Duration::from_secs(30);

/// A supervisord that can be started.
pub(super) struct Supervisors(PathBuf);

/// A running one, ended in the end with all it supervises.
pub(super) struct Supervisord {
    child: Child,
    folder: tempfile::TempDir,
}

impl Supervisors {
    /// # Errors
    /// There is no Python with `venv`, or PyPI cannot be reached.
    pub(super) fn find() -> anyhow::Result<Self> {
        if let Some(path) = std::env::var_os("SUPERVISORD") {
            return Ok(Supervisors(path.into()));
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/supervisor-{VERSION}"));
        let found = folder.join("bin/supervisord");
        if !found.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            let package = format!("supervisor=={VERSION}");
            run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", &package]))?;
        }
        Ok(Supervisors(found))
    }

    /// Starts one with these processes, which logs as it does by default.
    pub(super) fn start(&self, processes: &[Supervised]) -> anyhow::Result<Supervisord> {
        let folder = tempfile::Builder::new().prefix("sandbeat-bench-").tempdir()?;
        let dir = text(folder.path())?;
        let mut config = format!(
            "[supervisord]\nnodaemon = true\nlogfile = {dir}/log\npidfile = {dir}/pid\nchildlogdir = {dir}\n\
             [unix_http_server]\nfile = {dir}/sock\n\
             [rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        );
        for Supervised { name, command, restart } in processes {
            let command = command.join(" ");
            // Without a second that a process must run, so that a crash is restarted at once.
            write!(config, "[program:{name}]\ncommand = {command}\nautorestart = {restart}\nstartsecs = 0\n")?;
        }
        let file = folder.path().join("conf");
        std::fs::write(&file, config)?;
        let child = Command::new(&self.0)
            .arg("-c")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| self.0.display().to_string())?;
        Ok(Supervisord { child, folder })
    }
}

impl Supervisord {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("supervisord has ended with {status}: {}", self.log()),
        }
    }

    /// What it says of all processes; nothing while it does not listen yet.
    pub(super) fn list(&self) -> anyhow::Result<String> {
        let socket = self.folder.path().join("sock");
        if !socket.exists() {
            return Ok(String::new());
        }
        let call = "<?xml version='1.0'?><methodCall><methodName>supervisor.getAllProcessInfo</methodName>\
                    <params></params></methodCall>";
        ask(&socket, "POST /RPC2", call)
    }
}

impl Drop for Supervisord {
    fn drop(&mut self) {
        // It ends what it supervises; killed, it would not.
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdout(Stdio::null()).status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
