//! Terminals: made for a child, which becomes the leader of a session that has it as its controlling terminal.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{InputModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use tokio::process::Command;

use crate::config::Size;

/// What programs are told that they write to, where nothing else is configured: what the clients of terminals in
/// browsers and editors understand.
pub(crate) const TERM: &str = "xterm-256color";

/// What closes the input of a program that reads lines from a terminal.
pub(crate) const END_OF_INPUT: u8 = 0x04;

/// Makes a terminal of a size. Returns this side and the child's.
///
/// # Errors
/// The system has none left, or no `/dev/ptmx`.
pub(crate) fn make(size: Size) -> io::Result<(OwnedFd, OwnedFd)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = other_side(&ours)?;
    resize(&ours, size)?;
    // What one character erases is a character and not a byte. Without it a terminal is as good as usable.
    if let Ok(mut modes) = tcgetattr(&theirs) {
        modes.input_modes |= InputModes::IUTF8;
        let _ = tcsetattr(&theirs, OptionalActions::Now, &modes);
    }
    Ok((ours, theirs))
}

/// Gives it another size; the kernel tells the programs that it shows.
pub(crate) fn resize(ours: impl std::os::fd::AsFd, size: Size) -> io::Result<()> {
    Ok(tcsetwinsize(ours, Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 })?)
}

/// Has a child lead a session whose terminal is the one that it has as its standard input. It must not be put into a
/// process group as well: the leader of one cannot lead a session.
#[expect(unsafe_code, reason = "a session and its terminal can only be made between fork and exec")]
pub(crate) fn lead_session(command: &mut Command) {
    // SAFETY: the closure runs in the forked child, where only async-signal-safe functions may be called: it makes
    // two plain system calls and neither allocates, locks nor panics. Standard input is open: it is the terminal.
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            Ok(ioctl_tiocsctty(rustix::stdio::stdin())?)
        });
    }
}

/// Without its path where the kernel can, so that the child needs no `/dev/pts` of this mount namespace.
fn other_side(ours: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    if let Ok(theirs) = ioctl_tiocgptpeer(ours, flags) {
        return Ok(theirs);
    }
    let path = ptsname(ours, Vec::new())?;
    Ok(open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?)
}
