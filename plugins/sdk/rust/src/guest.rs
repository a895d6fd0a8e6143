//! The host as the component model offers it: the only file that names the raw bindings.
//!
//! Its functions have the same names and types as those of `testing`, which stands in for them natively.

use std::marker::PhantomData;
use std::time::Duration;

use crate::files::{Entry, EntryKind, Info, Reason};
use crate::filesystems::Usage;
use crate::limits::Limits;
use crate::log::Level;
use crate::native::{Process, Sample};
use crate::processes::{Owner, ProcessError};
use crate::state::StateError;
use crate::{Collector, Contribution, Description, Distribution, Error, Kind, Point, Value};

/// What wit-bindgen makes of `wit/`: in the repository a link to the one at its top, in a project a copy of that.
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "collector",
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "sandbeat_sdk::host::bindings",
    });
}

use bindings::exports::sandbeat::collector::guest;
use bindings::sandbeat::collector::{
    certificates, config, files, filesystems, limits, log, native, processes, state, types,
};

/// A [`Collector`] behind the exports of the world.
#[derive(Debug)]
pub struct Exported<T>(PhantomData<T>);

impl<T: Collector> guest::Guest for Exported<T> {
    fn describe() -> Result<types::Description, types::Error> {
        Ok(T::describe().into())
    }

    fn collect() -> Result<types::Contribution, types::Error> {
        T::collect().map(Into::into).map_err(Into::into)
    }
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => log::Level::Trace,
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::write(level, message);
}

pub(crate) fn config_get(key: &str) -> Option<String> {
    config::get(key)
}

pub(crate) fn config_json() -> String {
    config::json()
}

pub(crate) fn state_get(key: &str) -> Option<Vec<u8>> {
    state::get(key)
}

pub(crate) fn state_set(key: &str, value: &[u8]) -> Result<(), StateError> {
    state::set(key, value).map_err(|error| match error {
        state::StateError::BadKey => StateError::BadKey,
        state::StateError::Full(limit) => StateError::Full(limit),
    })
}

pub(crate) fn state_delete(key: &str) {
    state::delete(key);
}

pub(crate) fn state_keys() -> Vec<String> {
    state::keys()
}

pub(crate) fn limits() -> Limits {
    let limits = limits::current();
    Limits {
        memory: limits.memory,
        timeout: Duration::from_nanos(limits.timeout),
        cpu: Duration::from_nanos(limits.cpu),
        output: limits.output,
        metrics: limits.metrics,
        metadata: limits.metadata,
        attributes: limits.attributes,
        series: limits.series,
        state: limits.state,
        file_calls: limits.file_calls,
        file_bytes: limits.file_bytes,
        http_requests: limits.http_requests,
        http_bytes: limits.http_bytes,
        http_timeout: Duration::from_nanos(limits.http_timeout),
    }
}

pub(crate) fn current() -> Sample {
    let sample = native::current();
    let process = |process: native::Process| Process {
        name: process.name,
        status: process.status,
        pid: process.pid,
        restart_count: process.restart_count,
    };
    Sample {
        sandbox_id: sample.sandbox_id,
        hostname: sample.hostname,
        uptime_secs: sample.uptime_secs,
        cpu_percent: sample.cpu_percent,
        cpu_limit_cores: sample.cpu_limit_cores,
        memory_bytes: sample.memory_bytes,
        memory_limit_bytes: sample.memory_limit_bytes,
        session_count: sample.session_count,
        processes: sample.processes.into_iter().map(process).collect(),
    }
}

pub(crate) fn read(path: &str) -> Result<Vec<u8>, Reason> {
    files::read(path).map_err(Into::into)
}

pub(crate) fn read_at(path: &str, offset: u64, length: u32) -> Result<Vec<u8>, Reason> {
    files::read_at(path, offset, length).map_err(Into::into)
}

pub(crate) fn list(directory: &str) -> Result<Vec<Entry>, Reason> {
    let entry = |entry: files::Entry| Entry { name: entry.name, kind: entry.kind.into() };
    Ok(files::list(directory)?.into_iter().map(entry).collect())
}

pub(crate) fn stat(path: &str) -> Result<Info, Reason> {
    let info = files::stat(path)?;
    Ok(Info { kind: info.kind.into(), size: info.size, modified: info.modified.map(Duration::from_nanos) })
}

pub(crate) fn granted_filesystems() -> Vec<String> {
    filesystems::granted()
}

pub(crate) fn stat_filesystem(path: &str) -> Result<Usage, Reason> {
    let usage = filesystems::stat(path)?;
    Ok(Usage {
        size: usage.size,
        free: usage.free,
        available: usage.available,
        inodes: usage.inodes,
        inodes_free: usage.inodes_free,
        read_only: usage.read_only,
    })
}

pub(crate) fn socket_owners(inodes: &[u64]) -> Result<Vec<Option<Owner>>, ProcessError> {
    let owner = |owner: processes::Owner| Owner { pid: owner.pid, name: owner.name };
    let owners = processes::socket_owners(inodes).map_err(|error| match error {
        processes::ProcessError::Denied => ProcessError::Denied,
        processes::ProcessError::TooMany(limit) => ProcessError::TooMany(limit),
        processes::ProcessError::Io(error) => ProcessError::Io(error),
    })?;
    Ok(owners.into_iter().map(|found| found.map(owner)).collect())
}

pub(crate) fn certificate(origin: &str) -> Option<Vec<u8>> {
    certificates::shown(origin)
}

impl From<files::EntryKind> for EntryKind {
    fn from(kind: files::EntryKind) -> Self {
        match kind {
            files::EntryKind::File => Self::File,
            files::EntryKind::Directory => Self::Directory,
            files::EntryKind::Symlink => Self::Symlink,
            files::EntryKind::Other => Self::Other,
        }
    }
}

impl From<files::FileError> for Reason {
    fn from(error: files::FileError) -> Self {
        match error {
            files::FileError::Denied => Self::Denied,
            files::FileError::NotFound => Self::NotFound,
            files::FileError::WrongType => Self::WrongType,
            files::FileError::TooLarge(limit) => Self::TooLarge(limit),
            files::FileError::Io(error) => Self::Io(error),
        }
    }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Config(text) => Self::Config(text),
            Error::Denied(text) => Self::Denied(text),
            Error::Unavailable(text) => Self::Unavailable(text),
            Error::Internal(text) => Self::Internal(text),
        }
    }
}

impl From<Contribution> for types::Contribution {
    fn from(contribution: Contribution) -> Self {
        let entry = |entry: crate::Entry| types::MetadataEntry { key: entry.key.to_owned(), value: entry.value };
        Self {
            metrics: contribution.points.into_iter().map(Into::into).collect(),
            metadata: contribution.metadata.into_iter().map(entry).collect(),
        }
    }
}

impl From<Point> for types::Metric {
    fn from(point: Point) -> Self {
        let attribute =
            |attribute: crate::Attribute| types::Attribute { key: attribute.key.into_owned(), value: attribute.value };
        Self {
            name: point.name.into_owned(),
            unit: point.unit.into_owned(),
            value: match point.value {
                Value::Gauge(value) => types::Value::Gauge(value),
                Value::Counter(total) => types::Value::Counter(total),
                Value::Histogram(distribution) => types::Value::Histogram(distribution.into()),
            },
            attributes: point.attributes.into_iter().map(attribute).collect(),
        }
    }
}

impl From<Distribution> for types::Histogram {
    fn from(distribution: Distribution) -> Self {
        Self { bounds: distribution.bounds.into_owned(), counts: distribution.counts, sum: distribution.sum }
    }
}

impl From<Description> for types::Description {
    fn from(description: Description) -> Self {
        let attribute = |key: &crate::Key| types::AttributeInfo {
            key: key.key.to_owned(),
            description: key.description.to_owned(),
        };
        let metric = |info: crate::MetricInfo| types::MetricInfo {
            name: info.name.to_owned(),
            unit: info.unit.to_owned(),
            kind: match info.kind {
                Kind::Gauge => types::Kind::Gauge,
                Kind::Counter => types::Kind::Counter,
                Kind::Histogram => types::Kind::Histogram,
            },
            description: info.description.to_owned(),
            attributes: info.keys.iter().map(attribute).collect(),
        };
        let metadata = |info: crate::MetadataInfo| types::MetadataInfo {
            key: info.key.to_owned(),
            description: info.description.to_owned(),
        };
        Self {
            version: description.version,
            summary: description.summary,
            metrics: description.metrics.into_iter().map(metric).collect(),
            metadata: description.metadata.into_iter().map(metadata).collect(),
            others: description.others,
        }
    }
}
