//! The agent's own figures as families: what it supervises, its plugins, how its reports fare.

use std::time::Duration;

use sandbeat_status::exposition::{Form, Labels, labels};
use sandbeat_status::{PluginState, PluginStatus, ProcessState, ProcessStatus, Value};

use super::family::{Families, whole};
use crate::api::preview::Snapshot;

pub(super) fn add(families: &mut Families, snapshot: &Snapshot) {
    let build = labels([
        ("version", env!("CARGO_PKG_VERSION")),
        ("os", std::env::consts::OS),
        ("arch", std::env::consts::ARCH),
    ]);
    let build = vec![(build, Value::Gauge(1.0))];
    families.own("sandbeat.build", "", Form::Info, "Which sandbeat this is.", build);
    processes(families, snapshot);
    plugins(families, &snapshot.report.plugins);
    ages(families, snapshot);
    beat(families, snapshot);
    reports(families, snapshot);
    for family in snapshot.usage.families("the agent itself", snapshot.about.since) {
        families.push(family);
    }
}

fn processes(families: &mut Families, snapshot: &Snapshot) {
    let processes = &snapshot.sample.processes;
    let of = |name: &str| -> Labels { labels([("process", name)]) };
    let states = processes.iter().flat_map(|(name, process)| {
        let state = |state: ProcessState| {
            let of = labels([("process", name.as_str()), ("state", state.as_str())]);
            (of, f64::from(process.status == state))
        };
        [ProcessState::Running, ProcessState::Stopped, ProcessState::Error].map(state)
    });
    families.gauges("sandbeat.process.state", "", "1 for the state that a supervised process is in.", states);
    let restarts = processes.iter().map(|(name, process)| (of(name), f64::from(process.restart_count)));
    families.counters("sandbeat.process.restarts", "", "Starts of a supervised process after the first.", restarts);
    let uptime = |(name, process): (&String, &ProcessStatus)| Some((of(name), process.uptime_ms? as f64 / 1e3));
    let uptimes = processes.iter().filter_map(uptime);
    families.gauges("sandbeat.process.uptime", "s", "Time since its last start, while it runs.", uptimes);
}

fn plugins(families: &mut Families, plugins: &[PluginStatus]) {
    let of = |plugin: &PluginStatus| -> Labels { labels([("plugin", &plugin.name)]) };
    let info = plugins.iter().map(|plugin| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (version, digest) = (text(&plugin.version), text(&plugin.digest));
        let world = text(&plugin.world);
        let of = [("plugin", plugin.name.as_str()), ("version", &version), ("digest", &digest), ("world", &world)];
        (labels(of), Value::Gauge(1.0))
    });
    families.own("sandbeat.plugin", "", Form::Info, "Which collectors there are.", info.collect());
    let states = plugins.iter().flat_map(|plugin| {
        let state = |state: PluginState| {
            let of = labels([("plugin", &plugin.name), ("state", state.as_str())]);
            (of, f64::from(plugin.state == state))
        };
        use PluginState::{Active, Compiling, Failing, Quarantined, Rejected};
        [Compiling, Active, Failing, Quarantined, Rejected].map(state)
    });
    families.gauges("sandbeat.plugin.state", "", "1 for the state that a collector is in.", states);
    let calls = plugins.iter().map(|plugin| (of(plugin), plugin.calls as f64));
    families.counters("sandbeat.plugin.calls", "", "Finished calls of a collector, failed ones included.", calls);
    let failures = plugins.iter().flat_map(|plugin| {
        let of = |failure: &str| labels([("plugin", &plugin.name), ("failure", failure)]);
        plugin.failures_by_name.iter().map(move |(failure, count)| (of(failure.as_str()), *count as f64))
    });
    families.counters("sandbeat.plugin.failures", "", "Failed calls of a collector, by what went wrong.", failures);
    let rejected = plugins.iter().map(|plugin| (of(plugin), plugin.points_rejected as f64));
    let help = "Metrics and metadata entries that were not accepted from a collector.";
    families.counters("sandbeat.plugin.points.rejected", "", help, rejected);
    let durations =
        plugins.iter().filter_map(|plugin| Some((plugin, plugin.duration_ms?))).flat_map(|(plugin, took)| {
            let figure = |(statistic, millis): (&str, f64)| {
                (labels([("plugin", &plugin.name), ("statistic", statistic)]), millis / 1e3)
            };
            [("last", took.last), ("p50", took.p50), ("p99", took.p99)].map(figure)
        });
    let help = "How long a collector's last call took, and its last 256 calls at most.";
    families.gauges("sandbeat.plugin.call.duration", "s", help, durations);
    let peak = plugins.iter().filter_map(|plugin| Some((of(plugin), plugin.peak_memory_bytes? as f64)));
    families.gauges("sandbeat.plugin.memory.peak", "By", "The most memory that an instance of it has had.", peak);
}

fn ages(families: &mut Families, snapshot: &Snapshot) {
    let ages = snapshot.seen.contributions.iter().map(|contribution| {
        let age = snapshot.now.saturating_duration_since(contribution.measured_at);
        (labels([("plugin", &contribution.plugin)]), age.as_secs_f64())
    });
    families.gauges("sandbeat.plugin.measurement.age", "s", "How old a collector's values are.", ages);
}

fn beat(families: &mut Families, snapshot: &Snapshot) {
    let interval = snapshot.report.interval_secs;
    families.gauges(
        "sandbeat.beating",
        "",
        "1 while reports are made when they are due, 0 when one is overdue.",
        whole(f64::from(!snapshot.seen.is_overdue(snapshot.now))),
    );
    families.gauges("sandbeat.uptime", "s", "Time since the agent started.", whole(snapshot.uptime().as_secs_f64()));
    families.gauges("sandbeat.report.interval", "s", "Time between reports.", whole(interval));
    let lateness = vec![(Labels::new(), Value::Histogram(snapshot.seen.lateness.histogram()))];
    let help = "How late reports were made, against when they were due.";
    families.own("sandbeat.report.lateness", "s", Form::Histogram, help, lateness);
    let rejected: u64 = snapshot.report.rejected.iter().map(|rejected| rejected.count).sum();
    families.gauges(
        "sandbeat.report.points.rejected",
        "",
        "Metrics and metadata entries that have no place in the present report.",
        whole(rejected as f64),
    );
}

fn reports(families: &mut Families, snapshot: &Snapshot) {
    let delivery = &snapshot.delivery;
    let counts = &delivery.counts;
    for (name, help, count) in [
        ("sandbeat.reports.made", "Reports that were made.", counts.made),
        ("sandbeat.reports.accepted", "Reports that the hub accepted.", delivery.accepted),
        ("sandbeat.reports.superseded", "Reports that a newer one replaced before they arrived.", counts.superseded),
        ("sandbeat.reports.given_up", "Reports that are not tried again.", counts.given_up),
        ("sandbeat.report.attempts", "Attempts to deliver a report.", counts.attempts),
    ] {
        families.counters(name, "", help, whole(count as f64));
    }
    let failures = counts.failures.iter().map(|(kind, count)| (labels([("kind", kind)]), *count as f64));
    families.counters("sandbeat.report.failures", "", "Failed attempts, by the kind of failure.", failures);
    let failing = delivery.failing.as_ref().map_or(0, |failing| failing.attempts);
    let help = "Failed attempts in a row; 0 while reports arrive.";
    families.gauges("sandbeat.report.failing", "{attempt}", help, whole(f64::from(failing)));
    let exchanges = vec![(Labels::new(), Value::Histogram(delivery.exchanges.histogram()))];
    let help = "How long exchanges with the hub took, well or not.";
    families.own("sandbeat.report.exchange.duration", "s", Form::Histogram, help, exchanges);
    let accepted = delivery.last_accepted.map(|at| at.as_millisecond() as f64 / 1e3);
    let help = "When the hub last accepted a report, by the sandbox's clock, since 1970.";
    families.gauges("sandbeat.report.last_accepted.timestamp", "s", help, whole(accepted));
}

impl Snapshot {
    fn uptime(&self) -> Duration {
        self.now.saturating_duration_since(self.about.started)
    }
}
