//! The names of signals, for settings and for messages.

use rustix::process::Signal;

/// Signals that ask a process to end, or that a program is known to take as such (nginx: QUIT, httpd: WINCH).
const STOPPING: [(&str, Signal); 10] = [
    ("ABRT", Signal::ABORT),
    ("ALRM", Signal::ALARM),
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("KILL", Signal::KILL),
    ("QUIT", Signal::QUIT),
    ("TERM", Signal::TERM),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("WINCH", Signal::WINCH),
];

/// Signals that end a process where it does not catch them.
const ENDING: [(&str, Signal); 14] = [
    ("BUS", Signal::BUS),
    ("FPE", Signal::FPE),
    ("ILL", Signal::ILL),
    ("IO", Signal::IO),
    ("PIPE", Signal::PIPE),
    ("PROF", Signal::PROF),
    ("PWR", Signal::POWER),
    ("SEGV", Signal::SEGV),
    ("STKFLT", Signal::STKFLT),
    ("SYS", Signal::SYS),
    ("TRAP", Signal::TRAP),
    ("VTALRM", Signal::VTALARM),
    ("XCPU", Signal::XCPU),
    ("XFSZ", Signal::XFSZ),
];

/// The signal that stops a process, by its name with or without `SIG`, in any case.
pub(crate) fn stopping(name: &str) -> Option<Signal> {
    let name = name.to_ascii_uppercase();
    let bare = name.strip_prefix("SIG").unwrap_or(&name);
    STOPPING.iter().find(|(known, _)| *known == bare).map(|(_, signal)| *signal)
}

/// The names that [`stopping`] knows.
pub(crate) fn stopping_names() -> impl Iterator<Item = &'static str> {
    STOPPING.iter().map(|(name, _)| *name)
}

/// A signal's name as people know it, such as `SIGKILL`; `signal 40` for one without a name.
pub(crate) fn name(number: i32) -> String {
    let known = STOPPING.iter().chain(&ENDING).find(|(_, signal)| signal.as_raw() == number);
    known.map_or_else(|| format!("signal {number}"), |(name, _)| format!("SIG{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_its_name_with_and_without_its_prefix() {
        for text in ["TERM", "SIGTERM", "sigterm", "term"] {
            assert_eq!(stopping(text), Some(Signal::TERM), "{text}");
        }
        for text in ["", "SIG", "STOP", "15", "SEGV"] {
            assert_eq!(stopping(text), None, "{text}");
        }
    }

    #[test]
    fn every_number_has_a_name() {
        assert_eq!(name(9), "SIGKILL");
        assert_eq!(name(11), "SIGSEGV");
        assert_eq!(name(40), "signal 40");
    }
}
