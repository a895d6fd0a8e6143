//! The runtime as the fuzz targets in `tests/fuzz` drive it: without a directory, a cache or a child, so that one input
//! costs little; everything else is the production code.
//!
//! Only compiled with `--cfg fuzzing`, which cargo-fuzz sets. A broken invariant is a panic, which the fuzzer reports.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbeat_status::Sample;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use wasmtime::component::Component;

use crate::budget::{Budget, BudgetConfig};
use crate::call::Callable;
use crate::compile::MAX_COMPONENT;
use crate::engine::{self, Class, Engines, Ticker, TickerHandle};
use crate::files::Granted;
use crate::guest::Shared;
use crate::http::{self, Connector, HttpLimits, Origins};
use crate::series::Series;
use crate::sidecar::{Ceiling, Limits, RawCeiling, Sidecar};
use crate::state::State;
use crate::{Contribution, validate, world};

/// What a collector returns.
pub mod types {
    pub use crate::bindings::types::{Attribute, Contribution, Histogram, MetadataEntry, Metric, Value};
}

/// Tight, so that an input cannot take long.
const SIDECAR: &str = "instance = \"keep\"\n[config]\na = \"b\"\n[limits]\nmemory = \"2MiB\"\ncpu = \"20ms\"\n\
                       timeout = \"200ms\"\noutput = \"64KiB\"\nseries = 100\nlog_lines = 3\nfile_calls = 10";
/// How long one call may take beyond its own limit, in a fuzzer's build.
const LATE: Duration = Duration::from_secs(5);
/// Calls of one component.
const CALLS: usize = 3;

thread_local! {
    static BENCH: OnceCell<Bench> = const { OnceCell::new() };
}

/// Any bytes as a component: recognised, compiled, checked, described, collected, judged.
pub fn component(bytes: &[u8]) {
    if bytes.len() as u64 > MAX_COMPONENT || world::recognise(bytes).is_err() {
        return;
    }
    BENCH.with(|bench| bench.get_or_init(Bench::new).run(bytes));
}

/// Any text as a sidecar under a ceiling. What it grants may not be more than the ceiling names, neither as a whole
/// nor for any of these paths and names.
pub fn sidecar(text: &str, ceiling: RawCeiling, paths: &[String]) {
    let (ceiling, _) = ceiling.resolve();
    let Ok(sidecar) = Sidecar::parse(text, &ceiling) else { return };
    let grant = &sidecar.grant;
    if let Some(allowed) = &ceiling.dirs {
        assert!(grant.dirs.iter().all(|dir| allowed.matches(&dir.path.to_string_lossy())), "{grant:?}");
    }
    if let Some(allowed) = &ceiling.env {
        assert!(grant.env.iter().all(|name| allowed.matches(name)), "{grant:?}");
    }
    if let Some(allowed) = &ceiling.http {
        assert!(grant.http.canonical().all(|(_, origin)| allowed.matches(origin)), "{grant:?}");
    }
    assert!(!grant.env.iter().any(|name| name.starts_with("AGENT_") || name.starts_with("SANDBEAT_")), "{grant:?}");
    if let Some(allowed) = &ceiling.read {
        let literal = grant.read.iter().filter_map(|pattern| pattern.literal());
        let above = literal.into_iter().find(|path| !allowed.iter().any(|pattern| pattern.matches(path)));
        assert_eq!(above, None, "{grant:?}");
        // Nothing that the ceiling does not name is read, even where it is there.
        let granted = Granted::new(grant.read.clone(), Some(allowed.clone()));
        for path in paths.iter().filter(|path| !allowed.iter().any(|pattern| pattern.matches(path))) {
            assert!(granted.read(path).is_err() || !path.starts_with("/etc/"), "{path} is read; {grant:?}");
        }
    }
    let Limits { memory, timeout, cpu, output, .. } = sidecar.limits;
    assert!((64 << 10..=4 << 30).contains(&memory) && (1 << 10..=16 << 20).contains(&output));
    assert!(timeout <= Duration::from_secs(60) && cpu <= Duration::from_secs(60));
    // What is shown of it has to be one line each.
    assert!(grant.lines().iter().all(|line| !line.contains('\n') || text.contains("\\n") || text.contains("\"\"\"")));
}

/// What the host takes of any values that a collector returned.
pub fn judge(plugin: &str, raw: types::Contribution) -> Contribution {
    let (limits, now) = (Limits::default(), Instant::now());
    let points = (raw.metrics.len() + raw.metadata.len()) as u64;
    let judged = validate::contribution(plugin, raw, &limits, &mut Series::default(), now);
    let taken = (judged.metrics.len() + judged.metadata.len()) as u64;
    let rejected: u64 = judged.rejected.iter().map(|rejected| rejected.count).sum();
    assert_eq!(taken + rejected, points, "a point is neither taken nor rejected");
    assert!(judged.metrics.len() as u64 <= limits.metrics && judged.metadata.len() as u64 <= limits.metadata);
    Contribution {
        plugin: plugin.to_owned(),
        metrics: judged.metrics,
        metadata: judged.metadata,
        rejected: judged.rejected,
        measured_at: now,
    }
}

/// What is kept from one input to the next.
struct Bench {
    runtime: Runtime,
    compiler: wasmtime::Engine,
    class: Class,
    ticker: TickerHandle,
    sidecar: Sidecar,
    /// Nothing is granted, so that no input speaks to anybody.
    http: Arc<http::Granted>,
    places: Arc<Semaphore>,
    _ticker: Ticker,
}

impl Bench {
    fn new() -> Self {
        let good = "the fuzzer's own surroundings are good";
        let (ticker, handle) = Ticker::start().expect(good);
        let sidecar = Sidecar::parse(SIDECAR, &Ceiling::default()).expect(good);
        let class = Engines::new(handle.clone()).and_then(|engines| engines.with_stack(sidecar.limits.stack));
        Bench {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect(good),
            compiler: engine::compiling().expect(good),
            class: class.expect(good),
            ticker: handle,
            sidecar,
            http: Arc::new(http::Granted {
                origins: Origins::default(),
                limits: HttpLimits { requests: 1, bytes: 1024, timeout: Duration::from_millis(50) },
                connector: Arc::new(Connector::system()),
            }),
            places: Arc::new(Semaphore::new(1)),
            _ticker: ticker,
        }
    }

    fn run(&self, bytes: &[u8]) {
        let Ok(artifact) = self.compiler.precompile_component(bytes) else { return };
        #[expect(unsafe_code, reason = "wasmtime trusts an artifact's content")]
        // SAFETY: our own compiler has just made it.
        let component = unsafe { Component::deserialize(&self.class.engine, &artifact) };
        let component = component.expect("an artifact of the compiling engine loads into the running one");
        let Ok(pre) = world::check(&self.class, &component) else { return };
        let budget = Budget::new(&BudgetConfig { memory: 64 << 20, cpu: 64.0 });
        let shared = Shared {
            name: "fuzzed".to_owned(),
            files: Granted::default(),
            folders: None,
            filesystems: None,
            asked: Default::default(),
            sidecar: self.sidecar.clone(),
            config_json: serde_json::json!({ "a": "b" }),
            http: self.http.clone(),
            log: Arc::default(),
            budget: budget.clone(),
            base: 0,
        };
        let callable = Callable {
            engine: self.class.engine.clone(),
            ticker: self.ticker.clone(),
            places: self.places.clone(),
            budget: budget.clone(),
            pre,
            shared: Arc::new(shared),
        };
        self.runtime.block_on(call(&callable));
        drop(callable);
        assert!(budget.take_memory(64 << 20), "memory of the instance is not given back");
    }
}

async fn call(callable: &Callable) {
    let started = Instant::now();
    if let Ok(description) = callable.describe().await {
        // Either answer is fine; it must not panic.
        let _ = world::flaws(&description);
    }
    let (mut kept, mut state) = (None, State::default());
    for _ in 0..CALLS {
        let collected = callable.collect(&mut kept, Arc::new(Sample::default()), state.clone()).await;
        state = collected.state.unwrap_or(state);
        match collected.result {
            Ok(raw) => drop(judge("fuzzed", raw)),
            Err(failed) => {
                assert!(!failed.reason.is_empty(), "a failure without a reason");
                assert!(!failed.reason.contains(char::is_control), "{:?}", failed.reason);
                assert!(kept.is_none(), "a store that has failed is kept");
            }
        }
    }
    let most = callable.shared.sidecar.limits.timeout * (CALLS as u32 + 1) + LATE;
    assert!(started.elapsed() < most, "the calls took {:?}", started.elapsed());
}
