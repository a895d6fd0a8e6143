//! A supervisor under test: started from the text of a configuration, and waited for with a deadline.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sandbeat_status::ProcessState;
use sandbeat_status::settings::Settings;
use sandbeat_supervisor::{Config, Details, Exit, Handle, Line, New, RawProcess, Request, Stdio, Supervisor, resolve};
use serde::Deserialize;

/// Long enough for the slowest machine; no test that passes comes near it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(2);

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tables {
    processes: BTreeMap<String, RawProcess>,
    agents: BTreeMap<String, RawProcess>,
}

pub(crate) struct Sandbox {
    supervisor: Supervisor,
    pub(crate) handle: Handle,
}

impl Sandbox {
    /// Starts what the text configures.
    pub(crate) fn start(text: &str) -> Self {
        let supervisor = Supervisor::start(config(text));
        Sandbox { handle: supervisor.handle(), supervisor }
    }

    /// Starts one process called `web`: a shell script, and further keys of its table.
    pub(crate) fn script(script: &str, keys: &str) -> Self {
        Self::start(&process("web", script, keys))
    }

    /// Asks for something to be done with `web`, and does not wait for it.
    pub(crate) async fn ask(&self, request: Request) {
        self.handle.ask("web", request, Duration::ZERO).await.unwrap();
    }

    pub(crate) fn web(&self) -> Details {
        self.details("web")
    }

    pub(crate) fn details(&self, name: &str) -> Details {
        self.handle.get(name).unwrap()
    }

    /// Waits until `web` is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&Details) -> bool) -> Details {
        self.until_of("web", wanted).await
    }

    /// Waits until a process is as wanted.
    pub(crate) async fn until_of(&self, name: &str, wanted: impl Fn(&Details) -> bool) -> Details {
        eventually(|| Some(self.details(name)).filter(|details| wanted(details)), || self.details(name)).await
    }

    /// Waits until a process is as wanted, or nobody is told of it any more.
    pub(crate) async fn until_gone_or(&self, id: &str, wanted: impl Fn(&Details) -> bool) {
        let done = || self.handle.get(id).is_none_or(|details| wanted(&details)).then_some(());
        eventually(done, || self.handle.get(id)).await;
    }

    /// Waits until a process has written a line, and returns the first one.
    pub(crate) async fn first_line(&self, name: &str) -> String {
        eventually(|| self.lines(name).first().cloned(), || self.details(name)).await
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let lines = self.handle.log(name).unwrap().after(0, usize::MAX);
        lines.iter().map(|line| String::from_utf8_lossy(&line.bytes).into_owned()).collect()
    }

    /// Waits until what a process has written, of all streams and with its line ends, is as wanted.
    pub(crate) async fn text_of(&self, name: &str, wanted: impl Fn(&str) -> bool) -> String {
        eventually(|| Some(self.text(name)).filter(|text| wanted(text)), || self.text(name)).await
    }

    fn text(&self, name: &str) -> String {
        let lines = self.handle.log(name).unwrap().after(0, usize::MAX);
        let end = |line: &Line| if line.partial { "" } else { "\n" };
        lines.iter().map(|line| String::from_utf8_lossy(&line.bytes).into_owned() + end(line)).collect()
    }

    /// Creates a process that runs a shell script, and returns its id.
    pub(crate) async fn create(&self, script: &str, stdio: Stdio) -> String {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        self.handle
            .create(New { command, cwd: None, env: BTreeMap::new(), stdio, interactive: false })
            .await
            .unwrap()
            .id
    }

    pub(crate) async fn shutdown(self) {
        self.supervisor.shutdown().await;
    }
}

/// What a text configures.
pub(crate) fn config(text: &str) -> Config {
    let (tables, problems) = Settings::parse(text).unwrap().read::<Tables>();
    assert_eq!(problems, []);
    let tables = tables.unwrap();
    let (config, problems) = resolve(tables.processes, tables.agents);
    assert_eq!(problems, []);
    config
}

/// The table of a process that runs a shell script.
pub(crate) fn process(name: &str, script: &str, keys: &str) -> String {
    format!("[processes.{name}]\ncommand = [\"sh\", \"-c\", '''{script}''']\n{keys}\n")
}

/// Waits until something is there; else shows what was there instead.
pub(crate) async fn eventually<T, S: std::fmt::Debug>(look: impl Fn() -> Option<T>, shown: impl Fn() -> S) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "still not as wanted: {:?}", shown());
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until processes are gone.
pub(crate) async fn gone(pids: &[u32]) {
    eventually(|| pids.iter().all(|pid| !alive(*pid)).then_some(()), || pids.to_vec()).await;
}

/// Whether a process exists and is not merely waiting to be reaped.
pub(crate) fn alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Whether a process exists at all.
pub(crate) fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

pub(crate) fn running(details: &Details) -> bool {
    details.status.status == ProcessState::Running
}

pub(crate) fn failed(details: &Details) -> bool {
    details.status.status == ProcessState::Error
}

/// An end by a signal that nobody sent for want of memory.
pub(crate) fn signal(name: &str) -> Exit {
    let number = if name == "SIGKILL" { 9 } else { 15 };
    Exit::Signal { number, name: name.to_owned(), out_of_memory: false }
}

pub(crate) fn last_error(details: &Details) -> &str {
    details.status.last_error.as_deref().unwrap_or_default()
}
