//! Looks at the directory, keeps one task per plugin, and fans out to them what is asked of the runtime.
//!
//! Owner: the runtime's thread. What hangs (a directory, a disk that is written to) is waited for beside everything
//! else; a task that ends by itself is a fault of the host's, said and shown.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sandbeat_status::{Failure, PluginState, PluginStatus};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{self, AbortHandle, JoinError, JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::Config;
use crate::archive::Archive;
use crate::board::Board;
use crate::load::Loader;
use crate::plugin::{Asked, Plugin, Request};
use crate::runtime::{Ask, INBOX, LEAVE};
use crate::scan::{self, Change, Look};
use crate::watch::{Identity, Watch};

/// How many may wait for a reload of one plugin.
const MAX_ASKED: usize = 64;
/// How often what is to outlive the agent is written, where it has changed.
const FLUSH: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Manager {
    config: Config,
    loader: Arc<Loader>,
    pool: runtime::Handle,
    board: Arc<Board>,
    /// Opened with the first look at the directory.
    archive: Option<Archive>,
    /// It is being written.
    writing: Option<JoinHandle<()>>,
    seen: Look,
    /// The directory cannot be read, and that has been said.
    unreadable: bool,
    plugins: BTreeMap<String, Running>,
    tasks: JoinSet<()>,
}

type Looked = std::io::Result<(Look, Identity)>;

/// The end of a look at the directory; none where there is no look.
async fn ended(looking: &mut Option<JoinHandle<Looked>>) -> Result<Looked, JoinError> {
    match looking {
        Some(looking) => looking.await,
        None => std::future::pending().await,
    }
}

/// A plugin's task, from outside.
struct Running {
    requests: mpsc::Sender<Request>,
    asked: Asked,
    /// Changes whenever its files are to be loaded again.
    load: watch::Sender<()>,
    task: AbortHandle,
}

impl Manager {
    pub(crate) fn new(config: Config, loader: Loader, pool: runtime::Handle, board: Arc<Board>) -> Self {
        Manager {
            config,
            loader: Arc::new(loader),
            pool,
            board,
            archive: None,
            writing: None,
            seen: Look::default(),
            unreadable: false,
            plugins: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    pub(crate) async fn run(mut self, asks: mpsc::Receiver<Ask>, stopped: oneshot::Receiver<()>) {
        tokio::select! {
            // A directory that does not answer must not hold up the end.
            _ = stopped => {}
            () = self.serve(asks) => {}
        }
        self.plugins.clear();
        self.tasks.shutdown().await;
        if let Some(archive) = self.archive {
            let last = self.pool.spawn_blocking(move || archive.flush());
            if tokio::time::timeout(LEAVE, last).await.is_err() {
                tracing::warn!(
                    "what collectors keep could not be written within {LEAVE:?}; the last of it may be lost"
                );
            }
        }
    }

    async fn serve(&mut self, mut asks: mpsc::Receiver<Ask>) {
        let mut watch = Watch::new(&self.config.dir, self.config.scan_interval);
        let mut looking = None;
        let mut flush = tokio::time::interval(FLUSH);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Before any request, so that the first report finds the plugins at work.
        watch.follow(self.looked(self.look().await).await);
        loop {
            tokio::select! {
                // A directory that does not answer holds up nothing but this.
                () = watch.due(), if looking.is_none() => looking = Some(self.look()),
                looked = ended(&mut looking) => {
                    looking = None;
                    watch.follow(self.looked(looked).await);
                }
                Some(ask) = asks.recv() => match ask {
                    Ask::Measure(request) => self.pass_on(&request),
                    Ask::Reload(name, asked) => self.reload(&name, asked),
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                _ = flush.tick() => self.flush(),
            }
        }
    }

    /// Has written what has changed, unless a disk that hangs is still at the last time.
    fn flush(&mut self) {
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            return;
        }
        if let Some(archive) = self.archive.clone() {
            self.writing = Some(self.pool.spawn_blocking(move || archive.flush()));
        }
    }

    /// Opens what outlives the agent. The directory is there, so that its true name is known.
    async fn open_archive(&mut self, look: &Look) {
        if self.archive.is_some() {
            return;
        }
        let present = look.plugins.keys().cloned().collect();
        let (state_dir, dir) = (self.config.state_dir.clone(), self.config.dir.clone());
        let opened = self.pool.spawn_blocking(move || Archive::open(state_dir.as_deref(), &dir, &present)).await;
        self.archive = Some(opened.unwrap_or_else(|e| {
            tracing::error!("what collectors keep cannot be opened: {e}; please report this");
            Archive::in_memory()
        }));
    }

    fn pass_on(&self, request: &Request) {
        for plugin in self.plugins.values() {
            // One that is behind by a whole inbox contributes what it has.
            let _ = plugin.requests.try_send(request.clone());
        }
    }

    /// The plugin's task answers; where there is none, the answer's end is the answer.
    fn reload(&mut self, name: &str, answer: oneshot::Sender<PluginStatus>) {
        let Some(plugin) = self.plugins.get(name) else { return };
        let mut asked = plugin.asked.lock().unwrap_or_else(PoisonError::into_inner);
        // Those who have given up waiting make room.
        asked.retain(|answer| !answer.is_closed());
        if asked.len() < MAX_ASKED {
            asked.push(answer);
        }
        drop(asked);
        // A task that has ended closes what it was asked.
        let _ = plugin.load.send(());
    }

    /// Begins to look at the directory.
    fn look(&self) -> JoinHandle<Looked> {
        let dir = self.config.dir.clone();
        self.pool.spawn_blocking(move || scan::look(&dir))
    }

    /// Tells the tasks what was seen; says which directory it was.
    async fn looked(&mut self, looked: Result<Looked, JoinError>) -> Option<Identity> {
        match looked.map_err(std::io::Error::other).flatten() {
            Ok((look, identity)) => {
                if std::mem::take(&mut self.unreadable) {
                    tracing::info!(dir = %self.config.dir.display(), "the plugins directory can be read again");
                }
                self.open_archive(&look).await;
                self.apply(look);
                Some(identity)
            }
            Err(e) => {
                if !std::mem::replace(&mut self.unreadable, true) {
                    tracing::warn!(dir = %self.config.dir.display(),
                        "the plugins directory cannot be read: {e}; create it or change plugins.dir");
                }
                // One that is gone has no plugins. Any other trouble, such as too many open files, says nothing.
                if e.kind() == std::io::ErrorKind::NotFound {
                    self.apply(Look::default());
                }
                None
            }
        }
    }

    fn apply(&mut self, look: Look) {
        for name in self.seen.misnamed.keys().filter(|name| !look.misnamed.contains_key(*name)) {
            self.board.close(name);
        }
        for change in scan::changes(&self.seen, &look) {
            match change {
                Change::Appeared(name) => self.appear(&name),
                Change::Changed(name) => self.tell(&name),
                Change::Vanished(name) => self.vanish(&name),
            }
        }
        for (name, reason) in look.misnamed.iter().filter(|(name, _)| !self.seen.misnamed.contains_key(*name)) {
            tracing::warn!(plugin = name, "not a plugin: {reason}");
            self.board.open(PluginStatus {
                state: PluginState::Rejected,
                failure: Some(Failure::Invalid),
                reason: Some(reason.clone()),
                ..PluginStatus::found(name)
            });
        }
        self.seen = look;
    }

    fn appear(&mut self, name: &str) {
        let Some(archive) = self.archive.clone() else { return };
        let slot = self.board.open(PluginStatus::found(name));
        let asked = Asked::default();
        let plugin = Plugin::new(name, &self.config.dir, self.loader.clone(), archive, slot, asked.clone());
        let (requests, inbox) = mpsc::channel(INBOX);
        let (load, loads) = watch::channel(());
        let task = self.tasks.spawn(plugin.run(inbox, loads));
        self.plugins.insert(name.to_owned(), Running { requests, asked, load, task });
    }

    fn tell(&mut self, name: &str) {
        if self.plugins.get(name).is_none_or(|plugin| plugin.load.send(()).is_err()) {
            // Its task has ended by a fault of the host's: the changed file is a new start.
            self.appear(name);
        }
    }

    fn vanish(&mut self, name: &str) {
        if let Some(plugin) = self.plugins.remove(name) {
            plugin.task.abort();
            self.loader.artifacts.unpin(name);
            if let Some(archive) = &self.archive {
                archive.note_gone(name);
            }
            tracing::info!(plugin = name, "collector removed");
        }
        self.board.close(name);
    }

    /// A task ends by itself only when the host has a fault.
    fn ended(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let Err(failed) = ended else { return };
        let by_task = |(_, plugin): &(&String, &Running)| plugin.task.id() == failed.id();
        let Some(name) = self.plugins.iter().find(by_task).map(|(name, _)| name.clone()) else { return };
        tracing::error!(plugin = name, "the task of this collector has ended: {failed}; please report this");
        self.plugins.remove(&name);
        self.board.open(PluginStatus {
            state: PluginState::Rejected,
            failure: Some(Failure::Invalid),
            reason: Some("the host failed on it; change its file, or restart the agent, to try again".into()),
            ..PluginStatus::found(&name)
        });
    }
}
