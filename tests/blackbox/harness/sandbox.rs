//! A sandbox's folder: its configuration and its plugins directory.

use std::path::{Path, PathBuf};

use super::{FakeHub, Process, Terminal};

/// A folder that is removed when the test ends.
pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
    environment: Vec<(String, String)>,
    config: String,
}

/// A bundled collector's component.
pub(crate) fn bundled(name: &str) -> &'static [u8] {
    let found = sandbeat_bundled::COLLECTORS.iter().find(|bundled| bundled.name == name);
    found.unwrap_or_else(|| panic!("no bundled collector {name}")).wasm
}

/// A test collector's component.
pub(crate) fn guest(name: &str) -> &'static [u8] {
    let found = sandbeat_test_guests::GUESTS.iter().find(|(guest, _)| *guest == name);
    found.unwrap_or_else(|| panic!("no guest {name}")).1
}

impl Sandbox {
    /// An empty plugins directory, no configuration, and the artifacts that earlier tests compiled.
    pub(crate) fn new() -> Sandbox {
        let dir = tempfile::Builder::new().prefix("sandbeat-test-").tempdir().expect("a temporary folder");
        std::fs::create_dir(dir.path().join("plugins")).expect("a folder");
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("artifacts");
        let environment = vec![
            ("SANDBEAT_PLUGINS__CACHE_DIR".to_owned(), cache.display().to_string()),
            ("SANDBEAT_PLUGINS__STATE_DIR".to_owned(), dir.path().join("state").display().to_string()),
            ("SANDBEAT_API__LISTEN".to_owned(), format!("unix:{}", dir.path().join("api.sock").display())),
        ];
        Sandbox { dir, environment, config: String::new() }
    }

    /// One that reports to a hub ten times a second.
    pub(crate) fn reporting_to(hub: &FakeHub) -> Sandbox {
        Sandbox::new()
            .env("AGENT_SERVER_URL", &hub.url())
            .env("AGENT_SANDBOX_ID", "test")
            .env("AGENT_REPORT_INTERVAL", "100ms")
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Sandbox {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds to `sandbeat.toml`.
    pub(crate) fn config(mut self, text: &str) -> Sandbox {
        self.config.push_str(text);
        self.config.push('\n');
        std::fs::write(self.path("sandbeat.toml"), &self.config).expect("a file");
        self
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(crate) fn plugin(&self, file: &str) -> PathBuf {
        self.path("plugins").join(file)
    }

    /// Puts a file into the plugins directory in one step.
    pub(crate) fn drop_in(&self, file: &str, content: impl AsRef<[u8]>) -> &Sandbox {
        let beside = self.path("new");
        std::fs::write(&beside, content).expect("a file");
        std::fs::rename(beside, self.plugin(file)).expect("the same file system");
        self
    }

    /// Puts a collector and its sidecar there; the sidecar first, so that it is never seen without.
    pub(crate) fn drop_collector(&self, name: &str, wasm: &[u8], sidecar: &str) -> &Sandbox {
        self.drop_in(&format!("{name}.toml"), sidecar).drop_in(&format!("{name}.wasm"), wasm)
    }

    /// Puts the test collector there that misbehaves in one way. More of its `[config]` has to be in dotted form.
    pub(crate) fn drop_hostile(&self, name: &str, behaviour: &str, more: &str) -> &Sandbox {
        self.drop_collector(
            name,
            guest("hostile"),
            &format!("config.name = \"{name}\"\nconfig.behaviour = \"{behaviour}\"\n{more}"),
        )
    }

    /// Starts `sandbeat` with arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.dir.path(), &self.environment, arguments)
    }

    /// The same, by a command that takes the binary and its arguments behind its own.
    pub(crate) fn start_by(&self, wrapper: &[&str], arguments: &[&str]) -> Process {
        Process::start_by(wrapper, self.dir.path(), &self.environment, arguments)
    }

    /// Starts it on a terminal of so many columns and lines.
    pub(crate) fn start_on_terminal(&self, size: (u16, u16), arguments: &[&str]) -> Terminal {
        self.start_on_terminal_by(&[], size, arguments)
    }

    /// The same, by a command that takes the binary and its arguments behind its own.
    pub(crate) fn start_on_terminal_by(&self, wrapper: &[&str], size: (u16, u16), arguments: &[&str]) -> Terminal {
        Terminal::start_by(wrapper, self.dir.path(), &self.environment, arguments, size)
    }
}
