//! Names what ended a call, and blames the one who can do something about it.

use sandbeat_status::{Failure, names};
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};

use crate::bindings::types;
use crate::call::{Breach, Failed, MAX_WORDS};
use crate::guest::{Host, MAX_RESOURCES};
use crate::http::TooManyRequests;
use crate::limiter::Refusal;

/// The most functions of a backtrace.
const MAX_FRAMES: usize = 16;
/// The longest name of one, in bytes.
const MAX_FRAME: usize = 120;

/// What the reason begins with where a collector says that what it measures is not there.
pub(crate) const UNAVAILABLE: &str = "unavailable: ";

/// What a call's error was, for the operator or the collector's author.
pub(crate) fn classify(error: &wasmtime::Error, host: &Host) -> Failed {
    let failed = cause(error, host);
    Failed { trace: backtrace(error), ..failed }
}

fn cause(error: &wasmtime::Error, host: &Host) -> Failed {
    let limits = host.limits();
    if let Some(Breach(failed)) = error.downcast_ref::<Breach>() {
        return failed.clone();
    }
    if error.is::<TooManyRequests>() {
        return Failed::new(Failure::Http, error.root_cause().to_string());
    }
    if matches!(error.downcast_ref::<Trap>(), Some(Trap::StackOverflow)) {
        return Failed::new(
            Failure::Stack,
            format!("its calls nested deeper than limits.stack ({})", size(limits.stack)),
        );
    }
    let cause = error.root_cause().to_string();
    // wasmtime 48 gives this error no type of its own; a test with a hostile guest watches over the words.
    if cause.contains("fuel allocated for hostcalls") {
        let reason = format!("handed over more than limits.output ({}) at once", size(limits.output));
        return Failed::new(Failure::Output, reason);
    }
    if let Some(failed) = out_of_memory(host) {
        return failed;
    }
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
        return Failed::new(
            Failure::Memory,
            format!("held more handles at once than an instance may ({MAX_RESOURCES})"),
        );
    }
    let (failure, what) = match error.downcast_ref::<Trap>() {
        Some(trap) => (Failure::Trap, trap.to_string()),
        None if error.is::<wasmtime_wasi::I32Exit>() => (Failure::Trap, format!("ended itself: {cause}")),
        None => (Failure::Invalid, format!("what it handed over cannot be taken: {}", names::shown(&cause, MAX_WORDS))),
    };
    let said = host.stderr.text().map(|text| format!("; it said: {text}")).unwrap_or_default();
    let noted = [host.denied.as_deref(), host.http.denied(), host.http.trouble()];
    let noted: String = noted.into_iter().flatten().map(|text| format!("; {text}")).collect();
    Failed::new(failure, format!("{what}{said}{noted}"))
}

/// What it wanted and did not get, whether or not it ended over that.
fn out_of_memory(host: &Host) -> Option<Failed> {
    match host.memory.refused()? {
        Refusal::Own => {
            let reason = format!("wanted more memory than limits.memory ({})", size(host.limits().memory));
            Some(Failed::new(Failure::Memory, reason))
        }
        Refusal::Everyones => {
            let most = size(host.shared.budget.memory() as u64);
            let reason =
                format!("there was no memory left: all collectors together have plugins.budget.memory ({most})");
            Some(Failed { blameless: true, ..Failed::new(Failure::Memory, reason) })
        }
    }
}

/// A collector that says itself what went wrong. Where the host stood in its way, the host's words are the better ones.
pub(crate) fn own_error(error: types::Error, host: &Host) -> Failed {
    let words = |text: &str| names::shown(text, MAX_WORDS);
    // A language with exceptions makes one of memory that it does not get.
    if let (types::Error::Internal(text), Some(failed)) = (&error, out_of_memory(host)) {
        return Failed { reason: format!("{}; it said: {}", failed.reason, words(text)), ..failed };
    }
    let (failure, reason) = match error {
        types::Error::Config(text) => {
            (Failure::Collector, format!("[config] in its sidecar is wrong: {}", words(&text)))
        }
        types::Error::Denied(text) => (Failure::Denied, words(&text)),
        types::Error::Unavailable(text) => (Failure::Collector, format!("{UNAVAILABLE}{}", words(&text))),
        types::Error::Internal(text) => (Failure::Collector, words(&text)),
    };
    match (host.http.denied(), host.http.trouble()) {
        // It says so itself.
        (Some(denied), _) if failure == Failure::Denied => Failed::new(failure, denied.to_owned()),
        (Some(denied), _) => Failed::new(Failure::Denied, format!("{denied}; it said: {reason}")),
        (None, Some(trouble)) => Failed::new(failure, format!("{reason} ({trouble})")),
        (None, None) => Failed::new(failure, reason),
    }
}

/// The guest's functions, innermost first, as far as the component names them.
fn backtrace(error: &wasmtime::Error) -> Option<String> {
    let trace = error.downcast_ref::<WasmBacktrace>()?;
    let frames = trace.frames().iter().take(MAX_FRAMES).map(|frame| {
        let name = frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), demangled);
        names::shown(&name, MAX_FRAME)
    });
    let frames: Vec<String> = frames.collect();
    (!frames.is_empty()).then(|| frames.join(" < "))
}

/// As it is written in a sidecar.
fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string().replace(' ', "")
}

fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
