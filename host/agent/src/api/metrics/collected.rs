//! What the collectors measured, as families. It is what the report has, with its bounds; the label `plugin` says whose
//! a sample is.

use std::collections::BTreeMap;

use sandbeat_status::exposition::{Form, Labels, labels};
use sandbeat_status::{Kind, ReportedMetric};

use super::family::{Families, Reason};
use super::name::{self, label};
use crate::api::preview::Snapshot;

/// The agent's own label.
const PLUGIN: &str = "plugin";
/// How many samples of collectors cannot be told.
const LEFT_OUT: &str = "sandbeat.scrape.left_out";

/// Takes the names that no collector may have and that are not told of yet.
pub(super) fn reserve(families: &mut Families) {
    families.gauges(LEFT_OUT, "", "", []);
}

/// The collectors' metrics.
pub(super) fn add(families: &mut Families, snapshot: &Snapshot) {
    for reported in &snapshot.report.metrics {
        let ReportedMetric { metric, plugin, .. } = reported;
        let form = match metric.value.kind() {
            Kind::Gauge => Form::Gauge,
            Kind::Counter => Form::Counter,
            Kind::Histogram => Form::Histogram,
        };
        let described = snapshot.descriptions.get(plugin).and_then(|of| of.get(&metric.name));
        let help = || match described {
            Some(described) if !described.is_empty() => described.clone(),
            _ => format!("Measured by the collector {plugin}."),
        };
        let name = name::of(&metric.name, &metric.unit, form);
        families.add(name, form, help, labels_of(plugin, &metric.attributes, form), metric.value.clone());
    }
}

/// How many of them are left out, and why.
pub(super) fn add_left_out(families: &mut Families) {
    let left_out = Reason::ALL.map(|reason| (labels([("reason", reason.as_str())]), families.left_out(reason) as f64));
    let help = "Samples of collectors that are in the report and cannot be in this answer, by the reason.";
    families.gauges(LEFT_OUT, "", help, left_out);
}

/// Two keys that become one label are told in it together, as the rules say: in their order, joined by `;`.
fn labels_of(plugin: &str, attributes: &BTreeMap<String, String>, form: Form) -> Labels {
    let reserved: &[&str] = if form == Form::Histogram { &[PLUGIN, "le"] } else { &[PLUGIN] };
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
        let joined = joined.entry(label(key, reserved)).or_default();
        if !joined.is_empty() {
            joined.push(';');
        }
        joined.push_str(value);
    }
    joined.insert(PLUGIN.to_owned(), plugin.to_owned());
    joined.into_iter().map(|(label, value)| (label.into(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(attributes: &[(&str, &str)], form: Form) -> String {
        let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let labels = labels_of("net", &attributes, form);
        labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn attributes_become_labels_beside_the_plugins() {
        assert_eq!(joined(&[("a.b", "1"), ("a_b", "2"), ("c", "")], Form::Gauge), "a_b=1;2 plugin=net");
        assert_eq!(joined(&[("plugin", "x"), ("le", "y")], Form::Gauge), "exported_plugin=x le=y plugin=net");
        assert_eq!(joined(&[("le", "y")], Form::Histogram), "exported_le=y plugin=net");
        assert_eq!(joined(&[("plugin", "x"), ("exported.plugin", "y")], Form::Gauge), "exported_plugin=y;x plugin=net");
    }
}
