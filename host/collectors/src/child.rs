//! The compiling child's side: reads a component from standard input and writes its artifact to standard output.
//!
//! It gives way to everything else on the machine, is the first to be stopped when memory runs out, and dies with the
//! agent. What it read is judged before it is compiled: how much it costs to run is the [`Shape`] that it reports, in
//! JSON, as the last line of standard error. Where there is no artifact, the exit code says who is at fault and the
//! first line of standard error why. Lines between say how far it is (see [`Progress`]) and nothing else.

use std::io::{self, Read, Write};
use std::panic::PanicHookInfo;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, Signal};

use crate::compile::{CompileLimits, MAX_ARTIFACT, MAX_COMPONENT};
use crate::counter::Counter;
use crate::engine;
use crate::progress::Progress;
use crate::shape::{self, Shape, ShapeError};

/// The component is not valid.
pub(crate) const INVALID: u8 = 1;
/// The machine or the agent is at fault.
pub(crate) const NOT_AT_FAULT: u8 = 3;
/// The component's shape is beyond what is bearable.
pub(crate) const TOO_LARGE: u8 = 4;
/// The compiler was refused memory.
pub(crate) const OUT_OF_MEMORY: u8 = 5;
/// What Rust ends with after a panic.
pub(crate) const PANICKED: u8 = 101;

/// How much of an artifact is written at once, in bytes. What is written at once, the page cache keeps in pieces of up
/// to 2 MiB, and such a piece is mapped, and counts as resident, as a whole when a byte of it is touched.
const PIECE: usize = 64 << 10;

/// How much address space the child may use, in bytes: a decimal number.
pub(crate) const MEMORY_VARIABLE: &str = "SANDBEAT_COMPILE_MEMORY";

/// Compiles standard input to standard output. The answer is the process's exit code.
pub fn compile_stdin() -> ExitCode {
    std::panic::set_hook(Box::new(|info| say(panicked(info))));
    match memory().and_then(|memory| {
        restrict(memory);
        compile()
    }) {
        Ok(shape) => {
            say(shape);
            ExitCode::SUCCESS
        }
        Err(failed) => {
            say(failed.reason);
            ExitCode::from(failed.code)
        }
    }
}

struct Failed {
    code: u8,
    reason: String,
}

impl Failed {
    fn host(what: &str, e: impl std::fmt::Display) -> Self {
        Failed { code: NOT_AT_FAULT, reason: format!("{what}: {e}") }
    }
}

/// The shape, in JSON.
fn compile() -> Result<String, Failed> {
    let mut component = Vec::new();
    let read = io::stdin().take(MAX_COMPONENT + 1).read_to_end(&mut component);
    read.map_err(|e| match e.kind() {
        io::ErrorKind::OutOfMemory => Failed { code: OUT_OF_MEMORY, reason: e.to_string() },
        _ => Failed::host("it cannot read the component", e),
    })?;
    let shape = shape_of(&component)?;
    let engine = engine::compiling().map_err(|e| Failed::host("it cannot make a compiler", format!("{e:#}")))?;
    let compiled = Counter::during(shape.functions, say::<Progress>, || engine.precompile_component(&component));
    let artifact = compiled.map_err(|e| Failed::host("it cannot start its threads", e))?.map_err(|e| refused(&e))?;
    let mut stdout = io::stdout();
    artifact
        .chunks(PIECE)
        .try_for_each(|piece| stdout.write_all(piece))
        .and_then(|()| stdout.flush())
        .map_err(|e| Failed::host("it cannot write the artifact", e))?;
    serde_json::to_string(&shape).map_err(|e| Failed::host("it cannot write the shape", e))
}

fn shape_of(component: &[u8]) -> Result<Shape, Failed> {
    shape::of(component).map_err(|e| match e {
        ShapeError::Unreadable(reason) => Failed { code: INVALID, reason: plainly(&reason) },
        ShapeError::TooLarge(reason) => Failed { code: TOO_LARGE, reason },
    })
}

fn refused(error: &wasmtime::Error) -> Failed {
    let io_refused = |e: &io::Error| e.kind() == io::ErrorKind::OutOfMemory;
    let out_of_memory = error.is::<wasmtime::error::OutOfMemory>()
        || error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(io_refused));
    let code = if out_of_memory { OUT_OF_MEMORY } else { INVALID };
    Failed { code, reason: plainly(&error.root_cause().to_string()) }
}

/// The parser's words, and what they most often mean.
fn plainly(words: &str) -> String {
    if words.contains("unexpected end") { format!("it is cut off or damaged: {words}") } else { words.to_owned() }
}

/// In one line: what, and where in the source.
fn panicked(info: &PanicHookInfo<'_>) -> String {
    let what = info.payload_as_str().unwrap_or("a panic without words");
    let what = what.lines().next().unwrap_or_default();
    match info.location() {
        Some(at) => format!("{what} ({}:{})", source(at.file()), at.line()),
        None => what.to_owned(),
    }
}

/// The crate's folder and below, not where the sources lay when this was built.
fn source(file: &str) -> &str {
    let Some((before, _)) = file.rsplit_once("/src/") else { return file };
    &file[before.rfind('/').map_or(0, |slash| slash + 1)..]
}

/// Where standard error is gone, the exit code has to do.
fn say<T: std::fmt::Display>(line: T) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The limit that the agent set, or the usual one when a person calls this.
fn memory() -> Result<u64, Failed> {
    let Some(text) = std::env::var_os(MEMORY_VARIABLE) else { return Ok(CompileLimits::default().memory) };
    let bytes = text.to_str().and_then(|text| text.parse().ok());
    bytes.ok_or_else(|| Failed::host(MEMORY_VARIABLE, format!("{text:?} is not a number of bytes")))
}

/// Best effort: where one of these is refused, compiling still works.
fn restrict(memory: u64) {
    use rustix::process::{set_parent_process_death_signal, setpriority_process, setrlimit};
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // The kernel derives the priority of input and output from this one.
    let _ = setpriority_process(None, 19);
    let _ = setrlimit(Resource::As, Rlimit { current: Some(memory), maximum: Some(memory) });
    let _ = setrlimit(Resource::Fsize, Rlimit { current: Some(MAX_ARTIFACT), maximum: Some(MAX_ARTIFACT) });
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_off_is_called_that() {
        let whole = wat::parse_str("(component (core module (func)))").unwrap();
        let Err(failed) = shape_of(&whole[..whole.len() - 1]) else { panic!() };
        assert_eq!(failed.code, INVALID);
        assert!(failed.reason.starts_with("it is cut off or damaged: "), "{}", failed.reason);
    }

    #[test]
    fn what_the_compiler_refuses_is_told_apart() {
        // The shape is fine, the code is not.
        let wasm = wat::parse_str("(component (core module (func (result i32))))").unwrap();
        assert!(shape_of(&wasm).is_ok());
        let failed = refused(&engine::compiling().unwrap().precompile_component(&wasm).err().unwrap());
        assert_eq!(failed.code, INVALID);
        assert!(failed.reason.contains("type mismatch"), "{}", failed.reason);
        let no_memory = wasmtime::Error::from(io::Error::from(io::ErrorKind::OutOfMemory)).context("mapping");
        assert_eq!(refused(&no_memory).code, OUT_OF_MEMORY);
    }

    #[test]
    fn a_place_in_the_source_is_short() {
        assert_eq!(source("/home/x/registry/src/index/crate-1.0/src/isa/lower.rs"), "crate-1.0/src/isa/lower.rs");
        assert_eq!(source("host/collectors/src/child.rs"), "collectors/src/child.rs");
        assert_eq!(source("main.rs"), "main.rs");
    }
}
