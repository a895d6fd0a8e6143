//! What is known of the calls of one plugin: what came of them, what it contributes, when it may be called again.
//!
//! Owner: the plugin's task. It outlives versions of the files; what a new version starts without is in
//! [`Calls::begin`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use sandbeat_status::{Failure, LastError, PluginStatus, Rejected, names};

use crate::bindings::types;
use crate::board::Values;
use crate::call::Failed;
use crate::policy::Record;
use crate::series::Series;
use crate::sidecar::Sidecar;
use crate::validate;

/// The longest reason that is kept, in bytes.
const MAX_REASON: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Calls {
    plugin: String,
    /// Why the last call gave nothing.
    failed: Option<Failed>,
    record: Record,
    series: Series,
    values: Option<Values>,
    ended: u64,
    failures: BTreeMap<Failure, u64>,
    points_rejected: u64,
    peak_memory: Option<u64>,
    last_error: Option<LastError>,
}

impl Calls {
    pub(crate) fn new(plugin: &str) -> Self {
        Calls {
            plugin: plugin.to_owned(),
            failed: None,
            record: Record::default(),
            series: Series::default(),
            values: None,
            ended: 0,
            failures: BTreeMap::new(),
            points_rejected: 0,
            peak_memory: None,
            last_error: None,
        }
    }

    /// Other files are at work, or someone asked for a reload: what was wrong is forgiven, and values that were
    /// measured under other grants and settings are not theirs.
    pub(crate) fn begin(&mut self) {
        self.record = Record::default();
        (self.failed, self.values, self.peak_memory) = (None, None, None);
    }

    pub(crate) fn may_call(&self, now: Instant) -> bool {
        self.record.may_call(now)
    }

    pub(crate) fn is_quarantined(&self) -> bool {
        self.record.is_quarantined()
    }

    pub(crate) fn rests_until(&self) -> Option<Instant> {
        self.record.rests_until()
    }

    /// Why the last call gave nothing.
    pub(crate) fn failed(&self) -> Option<&Failed> {
        self.failed.as_ref()
    }

    pub(crate) fn values(&self) -> Option<Values> {
        self.values.clone()
    }

    /// A call has ended with an instance that had so much memory at most.
    pub(crate) fn ended(&mut self, peak_memory: u64) {
        self.ended += 1;
        self.peak_memory = self.peak_memory.max(Some(peak_memory));
    }

    /// It went well.
    pub(crate) fn take(&mut self, raw: types::Contribution, sidecar: &Sidecar) {
        let now = Instant::now();
        let judged = validate::contribution(&self.plugin, raw, &sidecar.limits, &mut self.series, now);
        let points: u64 = judged.rejected.iter().map(|rejected| rejected.count).sum();
        if points > 0 && self.points_rejected == 0 {
            let first = judged.rejected.first().map(|Rejected { name, reason, .. }| format!("`{name}`: {reason}"));
            tracing::warn!(plugin = %self.plugin, points, "points of it are not accepted, the first: {}",
                first.unwrap_or_default());
        }
        self.points_rejected += points;
        self.record.succeeded(&sidecar.failing);
        if self.failed.take().is_some() {
            tracing::info!(plugin = %self.plugin, "collector recovered");
        }
        self.values = Some(Values { contribution: Arc::new(judged), until: None });
    }

    /// It gave nothing.
    pub(crate) fn fail(&mut self, failed: Failed, sidecar: &Sidecar) {
        let now = Instant::now();
        let failed = Failed { reason: names::shown(&failed.reason, MAX_REASON), ..failed };
        let Failed { failure, reason, .. } = &failed;
        if self.failed.as_ref().is_none_or(|before| before.failure != *failure) {
            tracing::warn!(plugin = %self.plugin, failure = failure.as_str(), "collect failed: {reason}{}", failed.at());
        }
        *self.failures.entry(*failure).or_default() += 1;
        self.last_error = Some(LastError { failure: *failure, reason: reason.clone(), at: Timestamp::now() });
        match failed.blameless {
            true => self.record.failed_by_others(&sidecar.failing, now),
            false => self.record.failed(*failure, &sidecar.failing, now, fastrand::f64()),
        }
        if self.record.is_quarantined() {
            tracing::warn!(plugin = %self.plugin, failure = failure.as_str(),
                "collector quarantined: it has failed too often; change its file or sidecar, or reload it");
        }
        self.failed = Some(failed);
        let fresh_for = sidecar.interval.unwrap_or_default().saturating_add(sidecar.failing.stale);
        if let Some(values) = &mut self.values {
            values.until = values.contribution.measured_at.checked_add(fresh_for);
        }
    }

    /// Fills in what the status says of calls.
    pub(crate) fn describe(&self, status: &mut PluginStatus) {
        status.calls = self.ended;
        status.failures = self.failures.values().sum();
        status.failures_by_name.clone_from(&self.failures);
        status.points_rejected = self.points_rejected;
        status.peak_memory_bytes = self.peak_memory;
        status.last_error.clone_from(&self.last_error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::Ceiling;

    fn contribution() -> types::Contribution {
        types::Contribution { metrics: Vec::new(), metadata: Vec::new() }
    }

    #[test]
    fn values_stay_for_a_while_after_a_failure() {
        let sidecar = Sidecar::parse("interval = \"10s\"\n[failure]\nstale = \"20s\"", &Ceiling::default()).unwrap();
        let mut calls = Calls::new("a");
        calls.take(contribution(), &sidecar);
        let values = calls.values().unwrap();
        assert_eq!(values.until, None);
        calls.fail(Failed::new(Failure::Trap, "trapped"), &sidecar);
        let until = calls.values().unwrap().until.unwrap();
        assert_eq!((until - values.contribution.measured_at).as_secs(), 30);
        calls.take(contribution(), &sidecar);
        assert_eq!(calls.values().unwrap().until, None);
    }

    #[test]
    fn other_files_start_anew_and_the_count_goes_on() {
        let sidecar = Sidecar::parse("", &Ceiling::default()).unwrap();
        let mut calls = Calls::new("a");
        for _ in 0..10 {
            calls.ended(1000);
            calls.fail(Failed::new(Failure::Memory, "too much"), &sidecar);
        }
        assert!(calls.is_quarantined() && !calls.may_call(Instant::now()));
        calls.begin();
        assert!(calls.may_call(Instant::now()) && calls.failed().is_none());
        let mut status = PluginStatus::found("a");
        calls.describe(&mut status);
        assert_eq!((status.calls, status.failures), (10, 10));
        assert_eq!(status.failures_by_name[&Failure::Memory], 10);
        assert_eq!(status.last_error.unwrap().reason, "too much");
    }
}
