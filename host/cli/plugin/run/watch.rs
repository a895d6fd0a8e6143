//! Collects again at every change of the files, and from time to time, until a signal comes.
//!
//! On a terminal one screen shows the newest collect; elsewhere each is printed behind the one before it. The collector
//! is on a thread of its own, so that a signal ends the command whatever the collector does; what it is at is waited
//! for, but not for long. Files that cannot be used right after a change are taken for a build that is not finished:
//! what is shown stays for [`PATIENCE`], and only then is told what is wrong with them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use sandbeat_collectors::workbench::{Carried, Failing, Specimen, Stamps, Tell};

use super::screen::{Screen, Size};
use super::{Json, Ran, view};
use crate::args::{RunOptions, Subject};
use crate::config::Source;
use crate::plugin::{name, sample, start, told};
use crate::signals::{self, Suspend, Terminate};
use crate::text::{hanging, wrapped};
use crate::{format, logging, output};

/// How often the files are looked at. A change counts when the next look finds the same.
const LOOK: Duration = Duration::from_millis(100);
/// Where a collect is due earlier.
const MIN_LOOK: Duration = Duration::from_millis(10);
/// How long files that cannot be used may be a build that is not finished.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it collects on a terminal, unless the user says.
const EVERY: Duration = Duration::from_secs(2);
/// How long the end of what the collector is at is waited for after a signal.
const LEAVE: Duration = Duration::from_secs(1);
/// Lines of the collector's own that a screen shows; a long one takes several of the screen's.
const LOG_LINES: usize = 6;
/// How far the rest of a long one is indented.
const LOG_INDENT: usize = 2;

/// Collects until a signal comes.
pub(super) fn run(options: &RunOptions) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = channel();
    let subject = options.subject.clone();
    let screen = if subject.print.json { None } else { Screen::open()? };
    let every = options.every.or(screen.is_some().then_some(EVERY));
    let shown = Shown {
        screen: screen.clone(),
        subject: subject.clone(),
        last: None,
        meanwhile: None,
        log: VecDeque::new(),
        calls: 0,
    };
    if screen.is_some() {
        logging::set_aside();
    }
    let result = runtime.block_on(async {
        let mut terminate = Terminate::listen()?;
        let mut following = tokio::task::spawn_blocking(move || follow(&subject, every, shown, &stopped));
        tokio::select! {
            ended = &mut following => ended.context("the watch failed; please report this")?,
            Err(gone) = stop_when_asked(screen.as_ref()) => Err(gone),
            _ = terminate.received() => {
                drop(stop);
                match tokio::time::timeout(LEAVE, following).await {
                    Ok(ended) => ended.context("the watch failed; please report this")?,
                    // What it is at ends with the process.
                    Err(_) => Ok(None),
                }
            }
        }
    });
    screen.iter().for_each(Screen::close);
    for line in logging::put_back() {
        output::note(line.trim_end());
    }
    runtime.shutdown_background();
    match result? {
        // What was there last is not lost with the screen.
        Some(last) if screen.is_some() => output::line(last),
        _ => Ok(()),
    }
}

/// Gives the terminal back at each Ctrl-Z, and stops; where there is no screen a process stops by itself.
async fn stop_when_asked(screen: Option<&Screen>) -> anyhow::Result<Infallible> {
    let Some(screen) = screen else { return std::future::pending().await };
    let mut suspend = Suspend::listen()?;
    loop {
        suspend.received().await;
        screen.lent(signals::stop)?;
    }
}

/// Where it is shown, and what is.
struct Shown {
    screen: Option<Screen>,
    subject: Subject,
    last: Option<Last>,
    /// What is going on with the files.
    meanwhile: Option<String>,
    log: VecDeque<String>,
    calls: u64,
}

/// The newest that is worth being shown.
struct Last {
    ran: Ran,
    at: Timestamp,
}

/// What happened while nothing was to be done.
#[derive(Debug, PartialEq, Eq)]
enum Woken {
    /// The files are others than before.
    Changed,
    /// It is time.
    Due,
    Stopped,
}

/// Collects at every change and every so often until the other end of `stopped` is gone; what was shown last.
fn follow(
    subject: &Subject,
    every: Option<Duration>,
    mut shown: Shown,
    stopped: &Receiver<()>,
) -> anyhow::Result<Option<String>> {
    let started = Instant::now();
    let (mut bench, source) = start(subject)?;
    if let Some(screen) = shown.screen.clone() {
        bench = bench.telling(on_screen(screen));
    }
    let mut carried = Carried::default();
    loop {
        let stamps = Stamps::of(&subject.wasm, subject.sidecar.as_deref());
        shown.redraw(Some("loading"))?;
        let woken = match bench.load(&subject.wasm, subject.sidecar.as_deref()) {
            Ok(specimen) => {
                let mut specimen = specimen.carrying(carried);
                let woken = serve((&source, started), &mut specimen, every, &mut shown, stamps, stopped)?;
                carried = specimen.into_carried();
                woken
            }
            Err(failing) => refused(failing, &mut shown, stamps, stopped)?,
        };
        if woken == Woken::Stopped {
            return Ok(shown.last.map(|last| last.text()));
        }
    }
}

/// Shows how far a compilation is below the heading, where it was said that something is loaded.
fn on_screen(screen: Screen) -> Tell {
    Box::new(move |compiling| {
        if let Some(compiling) = compiling {
            // That a terminal is gone is noticed with the next frame.
            let _ = screen.set_line(1, format!("compiling: {}", format::compiling(&compiling)));
        }
    })
}

/// Collects with one version until its files change.
fn serve(
    (source, started): (&Source, Instant),
    specimen: &mut Specimen<'_>,
    every: Option<Duration>,
    shown: &mut Shown,
    stamps: Stamps,
    stopped: &Receiver<()>,
) -> anyhow::Result<Woken> {
    loop {
        let began = Instant::now();
        let ran = Ran::of(specimen, name(&shown.subject.wasm), &sample(source, started));
        if stopped.try_recv() == Err(TryRecvError::Disconnected) {
            return Ok(Woken::Stopped);
        }
        shown.show(ran)?;
        let due = every.map(|every| began + every);
        match wait(shown, stamps, due, stopped)? {
            Woken::Due => {}
            woken => return Ok(woken),
        }
    }
}

/// Files that cannot be used: waits for others, and says what is wrong with them when none come soon.
fn refused(failing: Failing, shown: &mut Shown, stamps: Stamps, stopped: &Receiver<()>) -> anyhow::Result<Woken> {
    if shown.last.is_some() {
        shown.redraw(Some(&format!("waiting for the build: {failing}")))?;
        match wait(shown, stamps, Some(Instant::now() + PATIENCE), stopped)? {
            Woken::Due => {}
            woken => return Ok(woken),
        }
    }
    // A signal has reached the compiler as well; that it failed then is no news.
    if stopped.try_recv() == Err(TryRecvError::Disconnected) {
        return Ok(Woken::Stopped);
    }
    shown.show(Ran { plugin: name(&shown.subject.wasm), loaded: None, result: Err(failing) })?;
    wait(shown, stamps, None, stopped)
}

/// Waits until the files are others than before, until a moment, or for the end.
fn wait(shown: &mut Shown, before: Stamps, due: Option<Instant>, stopped: &Receiver<()>) -> anyhow::Result<Woken> {
    let mut seen = before;
    loop {
        let rest = due.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()).clamp(MIN_LOOK, LOOK));
        if stopped.recv_timeout(rest) != Err(RecvTimeoutError::Timeout) {
            return Ok(Woken::Stopped);
        }
        let now = Stamps::of(&shown.subject.wasm, shown.subject.sidecar.as_deref());
        if now != before && now == seen {
            return Ok(Woken::Changed);
        }
        // Files that are being written are not left for a collect that is due.
        if now == before && due.is_some_and(|due| Instant::now() >= due) {
            return Ok(Woken::Due);
        }
        seen = now;
        shown.refresh()?;
    }
}

impl Shown {
    /// Takes what came of a load or a collect for the newest.
    fn show(&mut self, ran: Ran) -> anyhow::Result<()> {
        self.calls += u64::from(ran.loaded.is_some());
        let last = self.last.insert(Last { ran, at: Timestamp::now() });
        if self.screen.is_some() {
            return self.redraw(None);
        }
        if self.subject.print.json {
            return output::line(serde_json::to_string(&Json::of(&last.ran))?);
        }
        output::line(format_args!("--- {} {}", last.at.strftime("%H:%M:%SZ"), self.subject.wasm.display()))?;
        match &last.ran.result {
            Ok(gathered) => output::line(view::of(&last.ran.plugin, gathered).printed()),
            Err(failing) => {
                output::error(&anyhow!(told(failing)));
                Ok(())
            }
        }
    }

    /// Draws the newest, with what is going on meanwhile.
    fn redraw(&mut self, meanwhile: Option<&str>) -> anyhow::Result<()> {
        let Some(screen) = &self.screen else { return Ok(()) };
        self.meanwhile = meanwhile.map(str::to_owned);
        self.log.extend(logging::take());
        let further = self.log.len().saturating_sub(LOG_LINES);
        self.log.drain(..further);
        screen.draw(&self.frame(screen.size()))
    }

    /// Draws the same for a terminal that has another size, or with further lines of the log.
    fn refresh(&mut self) -> anyhow::Result<()> {
        let meanwhile = self.meanwhile.take();
        self.redraw(meanwhile.as_deref())
    }

    fn frame(&self, Size { width, height }: Size) -> Vec<String> {
        let mut lines = wrapped(&self.heading(), width);
        lines.extend(self.meanwhile.iter().flat_map(|text| wrapped(text, width)));
        let log = self.log_lines(width, height / 2);
        let room = height.saturating_sub(lines.len() + log.len());
        match self.last.as_ref().map(|last| (&last.ran.plugin, &last.ran.result)) {
            Some((plugin, Ok(gathered))) => lines.extend(view::of(plugin, gathered).fitted(room)),
            Some((_, Err(failing))) => lines.extend(wrapped(&format!("error: {}", told(failing)), width)),
            None => {}
        }
        lines.extend(log);
        lines
    }

    /// The collector's own lines below a heading, in so many lines of the screen at most: the newest.
    fn log_lines(&self, width: usize, most: usize) -> Vec<String> {
        if self.log.is_empty() {
            return Vec::new();
        }
        let mut lines: Vec<String> =
            self.log.iter().flat_map(|line| hanging(line.trim_end(), LOG_INDENT, width)).collect();
        lines.drain(..lines.len().saturating_sub(most.saturating_sub(2).max(1)));
        [vec![String::new(), "LOG".to_owned()], lines].concat()
    }

    fn heading(&self) -> String {
        let file = self.subject.wasm.display();
        match &self.last {
            None => format!("{file}  Ctrl-C ends it"),
            Some(Last { ran, at }) => {
                let version = ran.loaded.as_ref().map(|(version, _)| format!("  {version}")).unwrap_or_default();
                let (at, calls) = (at.strftime("%H:%M:%SZ"), self.calls);
                format!("{file}{version}  {at}  call {calls}  Ctrl-C ends it")
            }
        }
    }
}

impl Last {
    fn text(&self) -> String {
        match &self.ran.result {
            Ok(gathered) => view::of(&self.ran.plugin, gathered).printed(),
            Err(failing) => format!("error: {}", told(failing)),
        }
    }
}
