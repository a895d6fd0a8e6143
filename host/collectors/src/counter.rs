//! Counts in the compiling child how many functions are compiled, and says so while it goes on.
//!
//! The count is taken where the work is done: Cranelift calls a profiler at the beginning and at the end of each of its
//! passes, on the thread that compiles. A function of the component is one that is translated from WebAssembly and then
//! goes through the compiler on the same thread; the trampolines that wasmtime adds are not translated, and not counted.
//! The profiler belongs to a thread, so that the compiler's threads are made here.
//!
//! Owner: the child. Should a later wasmtime compile in another order, or with another Cranelift than ours, nothing is
//! counted, the test below fails, and people see how long it takes and no more.

use std::any::Any;
use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cranelift_codegen::timing::{self, Pass, Profiler};
use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

use crate::progress::Progress;

/// The least time between two lines.
const PAUSE: Duration = Duration::from_millis(250);
/// The stack of each thread, in bytes: as much as the first thread of a process usually has.
const STACK: usize = 8 << 20;

/// Counts for one compilation.
pub(crate) struct Counter {
    functions: u64,
    tell: fn(Progress),
    count: Mutex<Count>,
}

struct Count {
    compiled: u64,
    told: Instant,
}

impl Counter {
    /// Does `work` on threads whose compiling is counted, as many as `RAYON_NUM_THREADS` says or else as there are
    /// processors, and tells how far it is of `functions` functions.
    ///
    /// # Errors
    /// There are no threads.
    pub(crate) fn during<T: Send>(
        functions: u64,
        tell: fn(Progress),
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, ThreadPoolBuildError> {
        tell(Progress { compiled: 0, functions });
        let count = Mutex::new(Count { compiled: 0, told: Instant::now() });
        let counter = Arc::new(Counter { functions, tell, count });
        let profiled = move |_| {
            let profile = Profile { counter: counter.clone(), is_translated: Cell::new(false) };
            timing::set_thread_profiler(Box::new(profile));
        };
        Ok(ThreadPoolBuilder::new().stack_size(STACK).start_handler(profiled).build()?.install(work))
    }

    fn one_more(&self) {
        // Held while it is told, so that no line is behind the one before it.
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        count.compiled += 1;
        // Adapters between components within the component are compiled like its functions, and are none of them.
        let progress = Progress { compiled: count.compiled.min(self.functions), functions: self.functions };
        if count.compiled == self.functions || count.told.elapsed() >= PAUSE {
            count.told = Instant::now();
            (self.tell)(progress);
        }
    }
}

/// What one thread does.
struct Profile {
    counter: Arc<Counter>,
    /// A function of the component, which has yet to be compiled.
    is_translated: Cell<bool>,
}

impl Profiler for Profile {
    fn start_pass(&self, pass: Pass) -> Box<dyn Any> {
        match pass {
            Pass::wasm_translate_function => self.is_translated.set(true),
            Pass::compile if self.is_translated.take() => return Box::new(Compiled(self.counter.clone())),
            _ => {}
        }
        Box::new(())
    }
}

/// Ends with the pass that compiles a function of the component.
struct Compiled(Arc<Counter>);

impl Drop for Compiled {
    fn drop(&mut self) {
        self.0.one_more();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{engine, shape};

    static TOLD: Mutex<Vec<Progress>> = Mutex::new(Vec::new());

    #[test]
    fn each_function_is_counted_once_and_nothing_else() {
        // Each export takes two trampolines, the memory's segment a start function.
        let functions: String =
            (0..300).map(|i| format!("(func (export \"f{i}\") (result i32) i32.const {i})")).collect();
        let component = format!("(component (core module (memory 1) (data (i32.const 9) \"x\") {functions}))");
        let component = wat::parse_str(component).unwrap();
        let counted = shape::of(&component).unwrap().functions;
        assert_eq!(counted, 300);
        let tell = |progress| TOLD.lock().unwrap().push(progress);
        let engine = engine::compiling().unwrap();
        Counter::during(counted, tell, || engine.precompile_component(&component)).unwrap().unwrap();
        let told = std::mem::take(&mut *TOLD.lock().unwrap());
        let progress = |compiled| Progress { compiled, functions: 300 };
        assert_eq!((told.first(), told.last()), (Some(&progress(0)), Some(&progress(300))), "{told:?}");
        let lines = told.len();
        assert!(lines < 250, "{lines} lines");
    }
}
