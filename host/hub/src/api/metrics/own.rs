//! The hub's own figures as families.

use jiff::Timestamp;
use sandbeat_status::Value;
use sandbeat_status::exposition::{Family, Form, Labels, labels};
use sandbeat_status::usage::Usage;

use crate::api::Shared;
use crate::fleet::Counts;
use crate::measure::{Durations, Measures, WebhookMeasures};

/// All of them, at this moment. Reads files of `/proc`; to be called on a thread that may block.
pub(super) fn families(shared: &Shared) -> Vec<Family> {
    let measures = &*shared.measures;
    let mut families = Vec::new();
    let build = labels([
        ("version", env!("CARGO_PKG_VERSION")),
        ("os", std::env::consts::OS),
        ("arch", std::env::consts::ARCH),
    ]);
    let build = vec![(build, Value::Gauge(1.0))];
    families.push(Family::of("sandbeat_hub_build", "", Form::Info, "Which sandbeat the hub is.", build));
    fleet(&mut families, shared.store.counts());
    let help = "The most sandboxes that the hub keeps.";
    families.push(Family::gauge("sandbeat_hub_sandboxes_limit", "", help, shared.max_sandboxes as f64));
    reports(&mut families, measures);
    clients(&mut families, measures);
    webhooks(&mut families, measures);
    disk(&mut families, measures);
    families.extend(Usage::of_this_process().families("the hub", measures.since));
    families
}

fn fleet(families: &mut Vec<Family>, counts: Counts) {
    let Counts { never_reported, overdue, live, suspect, lost, stopped, .. } = counts;
    let by_liveness = [("never-reported", never_reported), ("live", live), ("lost", lost), ("stopped", stopped)];
    let by_liveness = by_liveness.map(|(word, count)| (labels([("liveness", word)]), Value::Gauge(count as f64)));
    let help = "Sandboxes by how they stand.";
    families.push(Family::of("sandbeat_hub_sandboxes", "", Form::Gauge, help, by_liveness.into()));
    for (name, help, count) in [
        ("sandbeat_hub_sandboxes_overdue", "Of those that never reported, the ones that should have.", overdue),
        ("sandbeat_hub_sandboxes_suspect", "Live ones that are silent while the hub doubts its network.", suspect),
    ] {
        families.push(Family::gauge(name, "", help, count as f64));
    }
}

fn reports(families: &mut Vec<Family>, measures: &Measures) {
    for (name, help, counter) in [
        ("sandbeat_hub_reports_accepted", "Reports that were taken.", &measures.accepted),
        ("sandbeat_hub_reports_duplicate", "Reports that were there already, or a later one.", &measures.duplicate),
    ] {
        families.push(Family::counter(name, help, vec![(Labels::new(), counter.get())]));
    }
    let refused = measures.refused().filter(|(_, count)| *count > 0).map(|(status, count)| {
        let status = if status == 0 { "other".to_owned() } else { status.to_string() };
        (labels([("status", &status)]), count)
    });
    let help = "Reports that were refused, by the status of the answer.";
    families.push(Family::counter("sandbeat_hub_reports_refused", help, refused.collect()));
    let help = "How long reports took, from their head to the answer, whatever came of them.";
    families.push(durations("sandbeat_hub_report_duration", help, &measures.handling));
    let events = measures.events().map(|(kind, count)| (labels([("type", kind.as_str())]), count));
    families.push(Family::counter("sandbeat_hub_events", "Events since the hub started.", events.collect()));
}

fn clients(families: &mut Vec<Family>, measures: &Measures) {
    for (name, help, gauge) in [
        ("sandbeat_hub_connections", "Connections that are open.", &measures.connections),
        ("sandbeat_hub_event_streams", "Of those, the ones that listen to events.", &measures.streams),
    ] {
        families.push(Family::gauge(name, "", help, gauge.get() as f64));
    }
}

/// By their hosts: the rest of an address may hold a secret.
fn webhooks(families: &mut Vec<Family>, measures: &Measures) {
    if measures.webhooks.is_empty() {
        return;
    }
    let of = |webhook: &WebhookMeasures| labels([("webhook", &webhook.name)]);
    let webhooks = || measures.webhooks.iter();
    let delivered = webhooks().map(|webhook| (of(webhook), webhook.delivered.get())).collect();
    let help = "Events that a webhook took, by its host.";
    families.push(Family::counter("sandbeat_hub_webhook_events_delivered", help, delivered));
    let failures = webhooks().map(|webhook| (of(webhook), webhook.failures.get())).collect();
    families.push(Family::counter("sandbeat_hub_webhook_failures", "Failed attempts to deliver one.", failures));
    let given_up = webhooks().map(|webhook| (of(webhook), webhook.given_up.get())).collect();
    let help = "Events that were given up because it has not taken them for a day.";
    families.push(Family::counter("sandbeat_hub_webhook_events_given_up", help, given_up));
    let newest = measures.newest_event();
    let behind = webhooks().map(|webhook| (of(webhook), Value::Gauge(webhook.behind(newest) as f64))).collect();
    let help = "Events that wait for a webhook; of a thousand and more, also those that it does not want.";
    families.push(Family::of("sandbeat_hub_webhook_events_behind", "", Form::Gauge, help, behind));
    let now = Timestamp::now();
    let ages = webhooks().map(|webhook| (of(webhook), Value::Gauge(webhook.oldest_age(now)))).collect();
    let help = "How long ago the oldest event happened that waits for a webhook; 0 where none does.";
    families.push(Family::of("sandbeat_hub_webhook_oldest_event_age", "seconds", Form::Gauge, help, ages));
}

fn disk(families: &mut Vec<Family>, measures: &Measures) {
    let disk = &measures.disk;
    let help = "How long commits of registrations, tokens and events took.";
    families.push(durations("sandbeat_hub_commit_duration", help, &disk.commits));
    families.push(durations("sandbeat_hub_snapshot_duration", "How long snapshots of beats took.", &disk.snapshots));
    for (name, help, value) in [
        ("sandbeat_hub_snapshot_sandboxes", "Sandboxes in the last snapshot.", disk.snapshot_sandboxes.get() as f64),
        ("sandbeat_hub_store_backlog", "Changes that wait to be written.", disk.backlog.get() as f64),
        (
            "sandbeat_hub_store_trouble",
            "1 while there is something that the disk does not take.",
            f64::from(disk.trouble()),
        ),
    ] {
        families.push(Family::gauge(name, "", help, value));
    }
    let lost = "Events that there was no room for while the disk took nothing.";
    let unreadable = "Times that an event was left out because it could not be read.";
    for (name, help, counter) in [
        ("sandbeat_hub_store_events_lost", lost, &disk.events_lost),
        ("sandbeat_hub_store_events_unreadable", unreadable, &disk.events_unreadable),
    ] {
        families.push(Family::counter(name, help, vec![(Labels::new(), counter.get())]));
    }
}

fn durations(name: &'static str, help: &'static str, durations: &Durations) -> Family {
    let samples = vec![(Labels::new(), Value::Histogram(durations.histogram()))];
    Family::of(name, "seconds", Form::Histogram, help, samples)
}
