//! A load as its caller has it: told what to do, started on a thread of its own, watched, and ended.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};

use crate::beats::{Beats, DIRECTED, Manner};
use crate::engine::{Engine, Target};
use crate::enrol::Enrol;
use crate::figures::Figures;
use crate::fleet::{Fleet, spread};
use crate::report::{Shape, Template};

/// How long a report may take, as with the agent.
const TIMEOUT: Duration = Duration::from_secs(10);
/// All of a fleet, in thousandths of it.
pub(crate) const ALL: u32 = 1000;

/// A load that is to be made.
#[derive(Clone, Debug)]
pub struct Load {
    target: Target,
    key: Option<String>,
    image: Option<String>,
    length: Option<Duration>,
    manner: Manner,
    plugins: usize,
    processes: usize,
}

/// A load that is being made; it ends with this.
pub struct Running {
    shared: Arc<Shared>,
    fleet: Arc<Fleet>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

/// What the caller's and the load's thread both see.
pub(crate) struct Shared {
    pub(crate) origin: Instant,
    pub(crate) stop: AtomicBool,
    /// So many in a thousand agents say nothing.
    pub(crate) silent: AtomicU32,
    pub(crate) accepted: AtomicU64,
    so_far: Mutex<SoFar>,
}

#[derive(Default)]
struct SoFar {
    total: Figures,
    rates: Vec<f64>,
    each_second: Option<EachSecond>,
}

type EachSecond = Box<dyn FnMut(&Figures) + Send>;

impl Load {
    /// On the hub that listens there: every 30 s, on up to 64 connections, as the agent reports by default, until it is
    /// stopped.
    pub fn to(address: SocketAddr) -> Self {
        Load {
            target: Target { address, from: None, connections: 64, timeout: TIMEOUT },
            key: None,
            image: None,
            length: None,
            manner: Manner {
                interval: Duration::from_secs(30),
                jitter: 0.1,
                gzip: true,
                closed: false,
                directed: DIRECTED,
            },
            plugins: 0,
            processes: 1,
        }
    }

    /// The hub's admin key, for registering.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// What registrations name as image. Without this they name none, where some servers demand one.
    pub fn image(mut self, image: &str) -> Self {
        self.image = Some(image.to_owned());
        self
    }

    /// How many connections there may be at once.
    pub fn connections(mut self, connections: usize) -> Self {
        self.target.connections = connections;
        self
    }

    /// The address that connections come from.
    pub fn from(mut self, from: IpAddr) -> Self {
        self.target.from = Some(from);
        self
    }

    /// How long an answer may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.target.timeout = timeout;
        self
    }

    /// Between an agent's reports.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.manner.interval = interval;
        self
    }

    /// How far a report may be from its place, as a part of the interval.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.manner.jitter = jitter;
        self
    }

    /// The shortest and the longest interval that the hub may direct; 1 s and 1 h without this.
    pub fn directed_within(mut self, least: Duration, most: Duration) -> Self {
        self.manner.directed = (least.as_secs_f64(), most.as_secs_f64());
        self
    }

    /// Each connection's next report as soon as its last was answered, by the agents in turn, whatever the interval.
    pub fn closed(mut self) -> Self {
        self.manner.closed = true;
        self
    }

    /// Large reports are not compressed.
    pub fn uncompressed(mut self) -> Self {
        self.manner.gzip = false;
        self
    }

    /// How many collectors each agent has.
    pub fn plugins(mut self, plugins: usize) -> Self {
        self.plugins = plugins;
        self
    }

    /// How many processes each agent supervises; one without this.
    pub fn processes(mut self, processes: usize) -> Self {
        self.processes = processes;
        self
    }

    /// The load ends by itself after so long.
    pub fn length(mut self, length: Duration) -> Self {
        self.length = Some(length);
        self
    }

    /// Registers a fleet, within a time. What was not answered with a token in it is not in the fleet.
    ///
    /// # Errors
    /// A registration is refused in a way that trying again does not help against.
    pub fn register(&self, prefix: &str, agents: u32, within: Duration) -> anyhow::Result<(Fleet, Figures)> {
        let start = Instant::now();
        let host = self.target.address.to_string();
        let mut enrol = Enrol::new(prefix, agents, host, start + within).with(self.key.clone(), self.image.clone());
        Engine::new(self.target)?.run(&mut enrol)?;
        if let Some(refused) = enrol.refused {
            bail!("a registration was refused: {refused}");
        }
        enrol.figures.elapsed = start.elapsed();
        Ok((Fleet::registered(prefix, enrol.tokens, enrol.renamed), enrol.figures))
    }

    /// Starts the agents of a fleet, anew where they have been there before.
    ///
    /// # Errors
    /// The system has no thread or no socket to give.
    pub fn start(&self, fleet: &Arc<Fleet>) -> anyhow::Result<Running> {
        self.start_with(fleet, None)
    }

    /// The same; after each second the caller is told of its figures.
    ///
    /// # Errors
    /// Those of [`Load::start`].
    pub fn start_with(&self, fleet: &Arc<Fleet>, each_second: Option<EachSecond>) -> anyhow::Result<Running> {
        let shape = Shape {
            interval_secs: self.manner.interval.as_secs_f64(),
            plugins: self.plugins,
            processes: self.processes,
        };
        let (template, mut engine) = (Template::of(&shape)?, Engine::new(self.target)?);
        let shared = Arc::new(Shared {
            origin: Instant::now(),
            stop: AtomicBool::new(false),
            silent: AtomicU32::new(0),
            accepted: AtomicU64::new(0),
            so_far: Mutex::new(SoFar { each_second, ..SoFar::default() }),
        });
        let host = self.target.address.to_string();
        let mut beats = Beats::new(self.manner, template, Arc::clone(fleet), Arc::clone(&shared), host, self.length);
        let thread = std::thread::Builder::new().name("load".to_owned()).spawn(move || {
            let result = engine.run(&mut beats);
            beats.finish();
            result
        })?;
        Ok(Running { shared, fleet: Arc::clone(fleet), thread: Some(thread) })
    }
}

impl Running {
    /// Whose reports they are.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// When the load began.
    pub fn origin(&self) -> Instant {
        self.shared.origin
    }

    /// Whether an agent says nothing where this part of the fleet is silent.
    pub fn is_silent(number: u32, part: f64) -> bool {
        is_silent(number, thousandths(part))
    }

    /// Lets this part of the fleet (from 0 to 1) say nothing from now on; 0 lets all of them go on. The larger part
    /// has all of the smaller one in it.
    pub fn silence(&self, part: f64) {
        self.shared.silent.store(thousandths(part), Relaxed);
    }

    /// Up to the last full second.
    pub fn figures(&self) -> Figures {
        self.shared.so_far.lock().unwrap_or_else(PoisonError::into_inner).total.clone()
    }

    /// How many reports were accepted up to now.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Relaxed)
    }

    /// How many reports were accepted in each full second.
    pub fn rates(&self) -> Vec<f64> {
        self.shared.so_far.lock().unwrap_or_else(PoisonError::into_inner).rates.clone()
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Ends it when everything that was sent is answered or has failed.
    ///
    /// # Errors
    /// It had ended in an error.
    pub fn stop(self) -> anyhow::Result<Figures> {
        self.shared.stop.store(true, Relaxed);
        self.wait()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// It ended in an error.
    pub fn wait(mut self) -> anyhow::Result<Figures> {
        self.join()?;
        Ok(self.figures())
    }

    fn join(&mut self) -> anyhow::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow!("the load ended in a panic"))?.context("the load's sockets")
    }
}

/// Spread over the fleet, and more of it with a larger part.
pub(crate) fn is_silent(number: u32, thousandths: u32) -> bool {
    thousandths == ALL
        || u64::from(thousandths) * u64::from(u32::MAX) / u64::from(ALL) > spread(!u64::from(number)) >> 32
}

fn thousandths(part: f64) -> u32 {
    // From 0 to 1,000.
    (part.clamp(0.0, 1.0) * f64::from(ALL)).round() as u32
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        // Whoever wants to know how it ended asks before.
        let _ = self.join();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn end_second(&self, second: Figures) {
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        so_far.total.add(&second);
        so_far.rates.push(second.rate());
        if let Some(told) = &mut so_far.each_second {
            told(&second);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("origin", &self.origin).finish_non_exhaustive()
    }
}
