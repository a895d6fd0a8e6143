//! A running `sandbeat` on a terminal, and what can be seen there.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::wait_for;

const BINARY: &str = env!("CARGO_BIN_EXE_sandbeat");
/// What begins a frame, and what ends it.
const FRAME: (&str, &str) = ("\u{1b}[?2026h\u{1b}[H", "\u{1b}[?2026l");

/// A started binary whose output and errors go to a terminal of its own. It is killed when the test ends.
pub(crate) struct Terminal {
    child: Child,
    master: OwnedFd,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts the binary in a folder on a terminal of so many columns and lines, by a command that takes it and its
    /// arguments behind its own.
    pub(super) fn start_by(
        wrapper: &[&str],
        dir: &Path,
        environment: &[(String, String)],
        arguments: &[&str],
        (columns, lines): (u16, u16),
    ) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal of our own");
        let name = ptsname(&master, Vec::new()).expect("a name");
        let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("the other end");
        tcsetwinsize(&slave, size(columns, lines)).expect("a size");
        let mut words = wrapper.iter().chain([&BINARY]).chain(arguments);
        let child = Command::new(words.next().expect("a program"))
            .args(words)
            .current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TERM", "xterm")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            // As a shell starts it.
            .process_group(0)
            .stdout(slave.try_clone().expect("a copy"))
            .stderr(slave)
            .spawn()
            .expect("the binary starts");
        let written = Arc::new(Mutex::new(Vec::new()));
        let (sink, mut reader) = (written.clone(), File::from(master.try_clone().expect("a copy")));
        // Ends with the last of those who may write there.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                sink.lock().expect("no reader panics").extend_from_slice(&bytes[..read]);
            }
        });
        Terminal { child, master, written }
    }

    /// All that has been written, with its control sequences.
    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().expect("no reader panics")).into_owned()
    }

    /// Each frame that has been drawn, as the lines that it shows.
    pub(crate) fn frames(&self) -> Vec<Vec<String>> {
        let written = self.written();
        let frames = written.split(FRAME.0).skip(1).filter_map(|rest| Some(rest.split_once(FRAME.1)?.0));
        let plain = |line: &str| line.trim_end_matches('\r').replace("\u{1b}[K", "").replace("\u{1b}[J", "");
        frames.map(|frame| frame.split('\n').map(plain).collect()).collect()
    }

    /// Waits for a frame, drawn after so many, that satisfies a condition.
    #[track_caller]
    pub(crate) fn frame(&self, after: usize, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        wait_for(what, || self.frames().into_iter().skip(after).map(|lines| lines.join("\n")).find(|text| is_it(text)))
    }

    pub(crate) fn resize(&self, columns: u16, lines: u16) {
        tcsetwinsize(&self.master, size(columns, lines)).expect("a size");
    }

    /// Asks it to stop as Ctrl-Z does.
    pub(crate) fn suspend(&self) {
        kill_process(self.id(), Signal::TSTP).expect("our own child can be signalled");
    }

    /// Waits until it has stopped.
    pub(crate) fn stopped(&self) {
        let stat = format!("/proc/{}/stat", self.id());
        wait_for("that it stops", || std::fs::read_to_string(&stat).ok().filter(|stat| stat.contains(") T ")));
    }

    /// Lets it go on as `fg` does.
    pub(crate) fn resume(&self) {
        kill_process(self.id(), Signal::CONT).expect("our own child can be signalled");
    }

    /// Asks it to end as Ctrl-C does, and waits for that: the exit code, and what it has written.
    pub(crate) fn interrupted(mut self) -> (Option<i32>, String) {
        kill_process(self.id(), Signal::INT).expect("our own child can be signalled");
        let status = wait_for("the end", || self.child.try_wait().expect("our own child can be asked"));
        (status.code(), self.written())
    }

    /// The binary's number, which is not the child's where something else has started it.
    fn id(&self) -> Pid {
        let is_it = |id: &u32| std::fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|exe| exe == Path::new(BINARY));
        let child_of = |id: u32| -> Option<u32> {
            std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))
                .ok()?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        };
        let find = || std::iter::successors(Some(self.child.id()), |id| child_of(*id)).find(is_it);
        let id = wait_for("the binary", find);
        i32::try_from(id).ok().and_then(Pid::from_raw).expect("a number")
    }
}

fn size(columns: u16, lines: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: lines, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("on its terminal:\n{}", self.written());
        }
    }
}
