//! A running `sandbeat` on a terminal, and what can be seen there.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::wait_for;

/// What begins a frame, and what ends it.
const FRAME: (&str, &str) = ("\u{1b}[?2026h\u{1b}[H", "\u{1b}[?2026l");

/// A started binary whose output and errors go to a terminal of its own. It is killed when the test ends.
pub(crate) struct Terminal {
    child: Child,
    master: OwnedFd,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts the binary in a folder on a terminal of so many columns and lines.
    pub(super) fn start(
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
        let child = Command::new(env!("CARGO_BIN_EXE_sandbeat"))
            .args(arguments)
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

    /// Asks it to stop as Ctrl-Z does, and waits until it does.
    pub(crate) fn suspend(&self) {
        let child = Pid::from_child(&self.child);
        kill_process(child, Signal::TSTP).expect("our own child can be signalled");
        let options = WaitOptions::UNTRACED | WaitOptions::NOHANG;
        let stopped = || waitpid(Some(child), options).expect("our own child can be asked");
        wait_for("that it stops", || stopped().filter(|(_, status)| status.stopped()));
    }

    /// Lets it go on as `fg` does.
    pub(crate) fn resume(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).expect("our own child can be signalled");
    }

    /// Asks it to end as Ctrl-C does, and waits for that: the exit code, and what it has written.
    pub(crate) fn interrupted(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("our own child can be signalled");
        let status = wait_for("the end", || self.child.try_wait().expect("our own child can be asked"));
        (status.code(), self.written())
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
