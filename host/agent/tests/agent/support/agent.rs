//! An agent in this process, with real collectors and a real supervisor, and no plugins unless a test adds some.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sandbeat_agent::config::{ApiSection, DisksSection, ReportSection, SandboxSection, SessionsSection};
use sandbeat_agent::{Error, Listen, Listener, Sections, Sources, resolve, run};
use sandbeat_collectors::{Ceiling, Collectors, CompilerCommand};
use sandbeat_supervisor::{RawProcess, Supervisor};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::http::{self, Message};
use super::{DEADLINE, eventually, logs};

/// What to start.
pub(crate) struct Builder {
    pub(crate) sections: Sections,
    pub(crate) processes: BTreeMap<String, RawProcess>,
    /// Files of the plugins directory.
    pub(crate) plugins: Vec<(&'static str, &'static [u8])>,
    compiler: CompilerCommand,
}

pub(crate) struct Agent {
    pub(crate) listen: Listen,
    ask: oneshot::Sender<()>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), Error>>,
    supervisor: Supervisor,
    collectors: Collectors,
    _dir: TempDir,
}

impl Builder {
    pub(crate) fn new(server_url: &str) -> Self {
        let sections = Sections {
            sandbox: SandboxSection { id: Some("sbox-1".to_owned()) },
            report: ReportSection {
                server_url: Some(server_url.to_owned()),
                token: Some("s3cret".to_owned().into()),
                interval: Duration::from_millis(100),
                timeout: Duration::from_secs(5),
                min_interval: Duration::from_millis(10),
                // Whatever this process's environment says.
                proxy: Some("off".to_owned().into()),
                ..ReportSection::default()
            },
            metadata: BTreeMap::from([("region".to_owned(), "eu-1".to_owned())]),
            api: ApiSection { listen: "127.0.0.1:0".to_owned(), ..ApiSection::default() },
            sessions: SessionsSection::default(),
            disks: DisksSection::default(),
        };
        let compiler = CompilerCommand { program: "/bin/false".into(), args: Vec::new() };
        Builder { sections, processes: BTreeMap::new(), plugins: Vec::new(), compiler }
    }

    pub(crate) fn interval(mut self, millis: u64) -> Self {
        self.sections.report.interval = Duration::from_millis(millis);
        self
    }

    pub(crate) fn timeout(mut self, millis: u64) -> Self {
        self.sections.report.timeout = Duration::from_millis(millis);
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Sections)) -> Self {
        change(&mut self.sections);
        self
    }

    pub(crate) fn plugin(mut self, name: &'static str, bytes: &'static [u8]) -> Self {
        self.plugins.push((name, bytes));
        self
    }

    /// Compiles nothing, and takes very long for it.
    pub(crate) fn slow_compiler(mut self) -> Self {
        self.compiler = CompilerCommand { program: "/bin/sleep".into(), args: vec!["600".into()] };
        self
    }

    pub(crate) fn process(mut self, name: &str, command: &[&str]) -> Self {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        self.processes.insert(name.to_owned(), RawProcess { command, ..RawProcess::default() });
        self
    }

    pub(crate) async fn start(self) -> Agent {
        logs::capture();
        let (config, problems) = resolve(self.sections);
        assert!(problems.is_empty(), "{problems:?}");
        let config = config.unwrap();
        let dir = TempDir::new().unwrap();
        for (name, bytes) in self.plugins {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        let collectors = Collectors::start(sandbeat_collectors::Config {
            dir: dir.path().to_owned(),
            cache_dir: Some(dir.path().join("cache")),
            cache_size: 1 << 20,
            state_dir: Some(dir.path().join("state")),
            compile: Default::default(),
            scan_interval: Duration::from_secs(1),
            ceiling: Ceiling::default(),
            budget: Default::default(),
            compiler: self.compiler,
        })
        .unwrap();
        let (processes, problems) = sandbeat_supervisor::resolve(self.processes, BTreeMap::new());
        assert!(problems.is_empty(), "{problems:?}");
        let supervisor = Supervisor::start(processes);
        let listener = Listener::bind(&config.api.listen.clone().unwrap()).await.unwrap();
        let listen = listener.bound().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let sources =
            Sources { collectors: collectors.handle(), processes: supervisor.handle(), reload: mpsc::channel(1).0 };
        let stopped = async {
            let _ = stopped.await;
        };
        let (ask, asked) = oneshot::channel::<()>();
        let asked = async {
            let _ = asked.await;
        };
        let running = tokio::spawn(run(config, sources, Some(listener), asked, stopped, std::future::ready(())));
        Agent { listen, ask, stop, running, supervisor, collectors, _dir: dir }
    }
}

impl Agent {
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.listen {
            Listen::Tcp(address) => *address,
            Listen::Unix(_) => panic!("listens on a Unix socket"),
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        match &self.listen {
            Listen::Unix(path) => path.clone(),
            Listen::Tcp(_) => panic!("listens on TCP"),
        }
    }

    pub(crate) async fn ask(&self, request: &str, headers: &[(&str, &str)]) -> Message {
        match &self.listen {
            Listen::Tcp(address) => http::ask(TcpStream::connect(address).await.unwrap(), request, headers).await,
            Listen::Unix(path) => http::ask(UnixStream::connect(path).await.unwrap(), request, headers).await,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ask(&format!("GET {path}"), &[]).await.json()
    }

    /// `reports` of `/v1/health`, as soon as it is as wanted.
    pub(crate) async fn health(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || async {
            let health = self.get("/v1/health").await;
            wanted(&health["reports"]).then(|| health["reports"].clone())
        })
        .await
    }

    /// The kind of failure, as soon as there is one.
    pub(crate) async fn failing(&self) -> Value {
        self.health("a failure", |reports| reports.get("failing").is_some()).await["failing"].clone()
    }

    /// Asks it to stop, and lets it stop its processes for a while.
    pub(crate) async fn ask_to_stop(self, meanwhile: impl Future<Output = ()>) -> Result<(), Error> {
        let Agent { listen, ask, stop, running, supervisor, collectors, _dir } = self;
        let _ = ask.send(());
        meanwhile.await;
        let ask = oneshot::channel().0;
        Agent { listen, ask, stop, running, supervisor, collectors, _dir }.stop().await
    }

    pub(crate) async fn stop(self) -> Result<(), Error> {
        let _ = self.stop.send(());
        let ended = tokio::time::timeout(DEADLINE, self.running).await.expect("the agent ends").unwrap();
        self.supervisor.shutdown().await;
        let collectors = self.collectors;
        tokio::task::spawn_blocking(|| collectors.shutdown()).await.unwrap();
        ended
    }
}
