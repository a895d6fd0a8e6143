//! The collectors that come with sandbeat: each as a component and with its sidecar, ready to be written into a
//! plugins directory. The build script builds them from their crates beside this one.

/// A collector that comes with sandbeat.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// Its name: of the files `NAME.wasm` and `NAME.toml`.
    pub name: &'static str,
    /// What it measures, as the component itself says it.
    pub summary: &'static str,
    /// The component.
    pub wasm: &'static [u8],
    /// The sidecar, in TOML: its settings, grants and limits.
    pub sidecar: &'static str,
}

/// All of them, by name.
pub const COLLECTORS: &[Bundled] = &[
    bundled!("agent-usage", "Tokens, requests and cost of Claude Code, Codex and OpenCode, from their session logs."),
    bundled!(
        "cgroup",
        "CPU, throttling, memory and its events, tasks and pressure of the sandbox's own control group."
    ),
    bundled!("disk", "I/O per block device, and how full file systems are."),
    bundled!("git", "Branch, commit and dirty state of a git workspace."),
    bundled!("http-probe", "Status, latency and certificate of web servers."),
    bundled!("load", "Load averages and pressure-stall figures of the machine."),
    bundled!("net", "Traffic, errors and drops per network interface."),
    bundled!("ports", "Open TCP and UDP ports, who can reach them, and whose they are."),
    bundled!("textfile", "Metrics from text files in Prometheus' format."),
    bundled!("top", "The processes that use most CPU and memory."),
];

macro_rules! bundled {
    ($name:literal, $summary:literal) => {
        Bundled {
            name: $name,
            summary: $summary,
            wasm: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")),
            sidecar: include_str!(concat!("../../", $name, "/", $name, ".toml")),
        }
    };
}
use bundled;

#[cfg(test)]
mod tests {
    use super::COLLECTORS;

    #[test]
    fn each_is_a_small_component() {
        for collector in COLLECTORS {
            // A module has the version 1; a component 13 in layer 1.
            assert!(collector.wasm.starts_with(b"\0asm\x0d\0\x01\0"), "{}", collector.name);
            // It reads three programs' JSON and a database, and keeps books; half of it is code that serde makes.
            let most = if collector.name == "agent-usage" { 700_000 } else { 350_000 };
            assert!(collector.wasm.len() < most, "{}: {} bytes", collector.name, collector.wasm.len());
        }
    }

    #[test]
    fn each_sidecar_grants_something_and_not_everything() {
        for collector in COLLECTORS {
            let sidecar: toml::Table = collector.sidecar.parse().unwrap();
            let grants = sidecar["grant"].as_table().unwrap();
            assert!(!grants.is_empty(), "{}", collector.name);
            // Of a file system only the size is told, so its root may be granted.
            let paths = grants.iter().filter(|(key, _)| *key != "filesystems").map(|(_, grant)| grant);
            let paths: Vec<_> = paths.filter_map(toml::Value::as_array).flatten().collect();
            let is_everything = |path: &str| path == "/" || path.ends_with("**");
            assert!(!paths.iter().any(|path| is_everything(path.as_str().unwrap())), "{}: {paths:?}", collector.name);
        }
    }
}
