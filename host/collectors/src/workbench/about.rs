//! What a collector says of itself. Pure.

use crate::bindings::types;
use crate::load::Loaded;
use crate::sidecar::Instance;

/// What a collector says of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// Its own version.
    pub version: String,
    /// What it measures.
    pub summary: String,
    /// `sha256:` and the component's digest in hexadecimal.
    pub digest: String,
    /// What its sidecar grants, one line each.
    pub grants: Vec<String>,
    /// Its metrics.
    pub metrics: Vec<MetricAbout>,
    /// Its metadata keys.
    pub metadata: Vec<KeyAbout>,
    /// What it can report beside these, because the names come from elsewhere.
    pub others: Option<String>,
    /// Whether its instances are kept from one call to the next.
    pub keeps_instance: bool,
}

/// What a metric means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricAbout {
    /// Its name.
    pub name: String,
    /// In UCUM's notation.
    pub unit: String,
    /// `gauge`, `counter` or `histogram`.
    pub kind: String,
    /// One sentence.
    pub description: String,
    /// Every attribute that a point of it can have.
    pub attributes: Vec<KeyAbout>,
}

/// What an attribute or a metadata key means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyAbout {
    /// Its name.
    pub key: String,
    /// One sentence.
    pub description: String,
}

impl About {
    pub(super) fn of(loaded: &Loaded) -> About {
        let description = &loaded.description;
        let sidecar = &loaded.callable.shared.sidecar;
        About {
            version: description.version.clone(),
            summary: description.summary.clone(),
            digest: format!("sha256:{}", loaded.version.digest),
            grants: sidecar.grant.lines(),
            metrics: description.metrics.iter().map(metric).collect(),
            metadata: description.metadata.iter().map(|info| key(&info.key, &info.description)).collect(),
            others: description.others.clone(),
            keeps_instance: sidecar.instance != Instance::Fresh,
        }
    }
}

fn metric(info: &types::MetricInfo) -> MetricAbout {
    MetricAbout {
        name: info.name.clone(),
        unit: info.unit.clone(),
        kind: format!("{:?}", sandbeat_status::Kind::from(info.kind)).to_lowercase(),
        description: info.description.clone(),
        attributes: info.attributes.iter().map(|info| key(&info.key, &info.description)).collect(),
    }
}

fn key(key: &str, description: &str) -> KeyAbout {
    KeyAbout { key: key.to_owned(), description: description.to_owned() }
}
