//! The log lines of this process, so that a test can see what an operator would.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, Once};

use tracing_subscriber::fmt::MakeWriter;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static INIT: Once = Once::new();

/// Lines about one hub at the default level. Tests share the process, so a hub is known by its address.
pub(crate) fn about(hub: &str) -> Vec<String> {
    LINES.lock().unwrap().iter().filter(|line| line.contains(hub)).cloned().collect()
}

/// Forgets what was said of an address that another server of another test had before.
pub(crate) fn forget(address: SocketAddr) {
    LINES.lock().unwrap().retain(|line| !line.contains(&address.to_string()));
}

/// Starts to listen; to be called before the agent starts.
pub(crate) fn capture() {
    INIT.call_once(|| {
        tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::INFO).with_writer(Lines).init();
    });
}

struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        Lines
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().push(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
