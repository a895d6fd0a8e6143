//! Write a collector for sandbeat in Rust.
//!
//! A collector measures something in a sandbox; the agent calls it at each interval and merges what it returns into
//! the next status report. This is a whole one:
//!
//! ```
//! use sandbeat_sdk::prelude::*;
//!
//! const JOBS: Gauge = Gauge::new("queue.length", "{job}", "Jobs that wait in the queue.");
//!
//! struct Queue;
//!
//! impl Collector for Queue {
//!     fn describe() -> Description {
//!         Description::new(env!("CARGO_PKG_VERSION"), "The length of the job queue.").with(&JOBS)
//!     }
//!
//!     fn collect() -> Result<Contribution, Error> {
//!         let jobs: u32 = files::read_to_string("/run/queue/length")?.trim().parse()?;
//!         Ok(Contribution::new().with(JOBS.value(jobs)))
//!     }
//! }
//!
//! sandbeat_sdk::export!(Queue);
//! ```
//!
//! Built with `crate-type = ["cdylib", "rlib"]` for the target `wasm32-wasip2`, it is the file `queue.wasm` that one
//! drops into the plugins directory, beside a `queue.toml` that says `[grant] read = ["/run/queue/length"]`.
//!
//! - **What it can report**: [`Gauge`], [`Counter`], [`Histogram`] and [`Metadata`] are constants that carry the
//!   name, the unit and the meaning, written once and used by both `describe` and `collect`.
//! - **What it can reach**: [`files`], [`config`], [`state`], [`native`] and [`log`], and for some purposes
//!   [`filesystems`], [`processes`] and [`certificates`], each bounded by the agent; and `std::fs` for folders that the
//!   sidecar grants under `dirs`.
//! - **What can go wrong**: [`Error`] says who must act. `?` turns a refused file, a missing one or a number that does
//!   not parse into the right one. A value that could not be measured is left out, never made up: `with` takes an
//!   `Option`, too.
//! - **How it is tested**: natively, with `cargo test`. What is `files` and `config` in the agent is there a
//!   `testing::Sandbox` that the test fills.

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[path = "guest.rs"]
pub mod host;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
#[cfg(not(target_family = "wasm"))]
use testing as host;

pub mod certificates;
pub mod config;
mod contribution;
mod description;
mod error;
pub mod files;
pub mod filesystems;
mod json;
pub mod limits;
pub mod log;
mod metric;
pub mod native;
pub mod processes;
pub mod state;

pub use contribution::{Contribute, Contribution};
pub use description::{Describe, Description, Kind, MetadataInfo, MetricInfo};
pub use error::Error;
pub use metric::{Attribute, Counter, Distribution, Entry, Gauge, Histogram, Key, Metadata, Number, Point, Value};

/// What a collector is. [`export!`] makes a component of it.
pub trait Collector {
    /// Says what this collector measures. Called once per load, before the first `collect`. The answer must not
    /// depend on what is granted or on the machine: documentation is made from it.
    fn describe() -> Description;

    /// Measures once. Called at each interval, by default in a fresh instance, so what has to survive belongs into
    /// [`state`].
    ///
    /// # Errors
    /// There is nothing to report; the error says why, and who must act. Where a part could be measured, return that
    /// part.
    fn collect() -> Result<Contribution, Error>;
}

/// Everything that most collectors name.
pub mod prelude {
    pub use crate::{
        Collector, Contribution, Counter, Description, Error, Gauge, Histogram, Key, Metadata, config, files, log,
        native, state,
    };
}

/// Makes a [`Collector`] the one that this component exports. Once per crate; natively it only checks the type.
#[macro_export]
macro_rules! export {
    ($collector:ty) => {
        const _: () = {
            const fn is_collector<T: $crate::Collector>() {}
            is_collector::<$collector>();
        };
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::host::Exported<$collector>;
    $crate::host::bindings::export_guest!(Exported with_types_in $crate::host::bindings);
        };
    };
}
