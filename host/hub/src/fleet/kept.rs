//! What the hub keeps of a sandbox's last report, in a form that many of them fit into memory.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sandbeat_status::{Part, Report, SandboxStatus};

use super::beat::{Boot, Tally};
use super::codec::{self, Identity};

/// An accepted report. It is small and shares its parts with the fleet; each look at them reads them from bytes.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// When it arrived, by the hub's monotonic clock; after a restart of the hub, when that was.
    pub at: Instant,
    /// When it arrived, by the hub's wall clock, to the millisecond; for showing only.
    pub received: Timestamp,
    /// Where it came from.
    pub peer: IpAddr,
    /// When the next one is expected: what the hub directed, else what the agent says, else the default.
    pub interval: Duration,
    /// The parts that it left out and that are not known.
    pub missing: Vec<Part>,
    /// How many of its parts do well.
    pub tally: Tally,
    /// Its metrics, processes, collectors, metadata and file systems are not kept, because all reports together have no
    /// more room.
    pub dropped: bool,
    pub(super) sandbox_id: Arc<str>,
    pub(super) stopped: bool,
    pub(super) boot: Option<Boot>,
    pub(super) seq: Option<u64>,
    /// Base and lists, as [`codec`] has them.
    pub(super) bytes: Arc<[u8]>,
    pub(super) extra: Option<Arc<Extra>>,
}

/// What many sandboxes do not have: parts of a report that are not empty, and that the next one may leave out.
#[derive(Debug)]
pub(super) struct Extra {
    pub metadata: Option<Arc<[u8]>>,
    pub plugins: Option<Arc<[u8]>>,
}

impl Kept {
    /// Whether it is the last before the agent's exit.
    pub(crate) fn is_last(&self) -> bool {
        self.stopped
    }

    /// What its parts take, in bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + self.extra.as_ref().map_or(0, |extra| extra.size())
    }

    /// The report without `metadata`, `metrics`, `processes`, `plugins` and `rejected`: what a list shows.
    pub(crate) fn base(&self) -> Report {
        codec::read_base(self.identity(), &self.bytes)
    }

    /// The report, with the parts that it left out where they are known.
    pub(crate) fn report(&self) -> Report {
        let mut report = codec::read_report(self.identity(), &self.bytes);
        if let Some(Extra { metadata, plugins }) = self.extra.as_deref() {
            report.metadata = codec::read(metadata.as_deref());
            report.plugins = codec::read(plugins.as_deref());
        }
        report
    }

    fn identity(&self) -> Identity {
        Identity {
            sandbox_id: self.sandbox_id.to_string(),
            status: if self.stopped { SandboxStatus::Stopped } else { SandboxStatus::Running },
            boot_id: self.boot.as_ref().map(Boot::text),
            seq: self.seq,
        }
    }
}

impl Extra {
    /// `None` where there is nothing in it.
    pub(super) fn of(metadata: Option<Arc<[u8]>>, plugins: Option<Arc<[u8]>>) -> Option<Arc<Self>> {
        let is_empty = metadata.is_none() && plugins.is_none();
        (!is_empty).then(|| Arc::new(Extra { metadata, plugins }))
    }

    /// What it takes, in bytes of memory.
    pub(super) fn size(&self) -> usize {
        let length = |part: &Option<Arc<[u8]>>| part.as_ref().map_or(0, |bytes| bytes.len());
        size_of::<Self>() + length(&self.metadata) + length(&self.plugins)
    }
}
