//! A running `sandbeat`.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use super::wait_for;

/// A started binary, whose output is read as it comes. It is killed when the test ends.
pub(crate) struct Process {
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// How it ended, with all it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts the binary in a folder, with nothing of this process's environment but `PATH`.
    pub(crate) fn start<A: AsRef<OsStr>>(dir: &Path, environment: &[(String, String)], arguments: &[A]) -> Process {
        Process::start_by(&[], dir, environment, arguments)
    }

    /// The same, by a command that takes the binary and its arguments behind its own.
    pub(crate) fn start_by<A: AsRef<OsStr>>(
        wrapper: &[&str],
        dir: &Path,
        environment: &[(String, String)],
        arguments: &[A],
    ) -> Process {
        let mut words = wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_sandbeat")]);
        let mut child = Command::new(words.next().expect("a program"))
            .args(words)
            .args(arguments)
            .current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = Output::read(child.stdout.take().expect("piped"));
        let stderr = Output::read(child.stderr.take().expect("piped"));
        Process { child, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The lines on standard output so far.
    pub(crate) fn stdout(&self) -> Vec<String> {
        self.stdout.lines()
    }

    /// The lines on standard error so far.
    pub(crate) fn stderr(&self) -> Vec<String> {
        self.stderr.lines()
    }

    /// Waits for a line on standard error that contains all parts.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) -> String {
        wait_for(&format!("{parts:?} on standard error"), || {
            self.stderr().into_iter().find(|line| parts.iter().all(|part| line.contains(part)))
        })
    }

    /// How many lines on standard error contain a part.
    pub(crate) fn said(&self, part: &str) -> usize {
        self.stderr().iter().filter(|line| line.contains(part)).count()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("our own child can be signalled");
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our own child can be asked").is_none()
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ended {
        let status = wait_for("the end of the process", || self.child.try_wait().expect("our own child can be asked"));
        Ended { status, stdout: self.stdout.all(), stderr: self.stderr.all() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has usually ended; a test that failed half-way leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("its standard error:\n{}", self.stderr().join("\n"));
        }
    }
}

impl Output {
    fn read(stream: impl Read + Send + 'static) -> Output {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                sink.lock().expect("no reader panics").push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Output { lines, reader: Some(reader) }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no reader panics").clone()
    }

    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no reader panics");
        }
        self.lines().join("\n")
    }
}
