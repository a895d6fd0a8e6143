//! The WIT package as Rust, and the conversions between its words and the shared ones.
//!
//! Everything else in this crate sees the generated types only through the names that this file re-exports.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "collector",
    imports: {
        "sandbeat:collector/files": async | trappable,
        "sandbeat:collector/filesystems.stat": async | trappable,
        "sandbeat:collector/processes": async | trappable,
    },
    exports: { default: async },
});

pub(crate) use exports::sandbeat::collector::guest::Guest;
pub(crate) use sandbeat::collector::{
    certificates, config, files, filesystems, limits, log, native, processes, state, types,
};

use sandbeat_status::{Kind, Sample};

/// The export that makes a component a collector, without its version.
pub(crate) const GUEST: &str = "sandbeat:collector/guest";
/// What it has to hold: name and signature.
pub(crate) const FUNCTIONS: [(&str, &str); 2] = [
    ("describe", "describe: func() -> result<description, error>"),
    ("collect", "collect: func() -> result<contribution, error>"),
];
/// The version of the world that this host speaks.
pub(crate) const WORLD_VERSION: &str = "0.1.0";

impl From<types::Kind> for Kind {
    fn from(kind: types::Kind) -> Self {
        match kind {
            types::Kind::Gauge => Kind::Gauge,
            types::Kind::Counter => Kind::Counter,
            types::Kind::Histogram => Kind::Histogram,
        }
    }
}

impl From<&Sample> for native::Sample {
    fn from(sample: &Sample) -> Self {
        let processes = sample.processes.iter().map(|(name, process)| native::Process {
            name: name.clone(),
            status: process.status.as_str().to_owned(),
            pid: process.pid,
            restart_count: process.restart_count,
        });
        native::Sample {
            sandbox_id: sample.sandbox_id.clone(),
            hostname: sample.hostname.clone(),
            uptime_secs: sample.uptime_secs,
            cpu_percent: sample.cpu_percent,
            cpu_limit_cores: sample.cpu_limit_cores,
            memory_bytes: sample.memory_bytes,
            memory_limit_bytes: sample.memory_limit_bytes,
            session_count: sample.session_count,
            processes: processes.collect(),
        }
    }
}
