//! What happened to a sandbox, or to the hub's view of all of them: the words in which it is stored, streamed, posted
//! to webhooks and logged.
//!
//! An event is made by a change of state (a registration, a report, silence), gets its number from the store, and is
//! told to nobody before it is on disk. Numbers grow; a gap between two means nothing.

use std::sync::Arc;

use jiff::Timestamp;
use sandbeat_status::report::milliseconds;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// Its number; 0 until it is stored.
    pub id: u64,
    /// When, by the hub's wall clock; RFC 3339 in UTC with milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Whose; absent where it concerns the hub as a whole.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    #[schema(value_type = Option<String>)]
    pub sandbox_id: Option<Arc<str>>,
    /// What.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Which process or collector; at most 255 bytes, without control characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More, for a person; at most 1,024 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The sandbox was registered, by a request or by its first report.
    Registered,
    /// It was deleted.
    Deleted,
    /// It has a new token.
    TokenRotated,
    /// Its first report came.
    Reported,
    /// It was registered and has not reported in time.
    Overdue,
    /// It has been silent for too long.
    Lost,
    /// It was lost, and reports again.
    Recovered,
    /// It said that it stops.
    Stopped,
    /// It had stopped, and reports again.
    Started,
    /// Its agent started anew without having said that it stops.
    Restarted,
    /// A supervised process is in `error`.
    ProcessFailed,
    /// It is not any more.
    ProcessRecovered,
    /// A collector fails, was quarantined or rejected.
    CollectorFailed,
    /// It is active again.
    CollectorRecovered,
    /// A sandbox's reports and silence made more events than are kept of one, 60 in an hour; the next ones are left out.
    /// How it stands is right all the same, and what still fails is told later. That it is lost is always told, but it is
    /// waited for until there is room: two minutes at most.
    Suppressed,
    /// So many sandboxes are silent at once that the hub doubts its own network and calls none of them lost.
    Suspect,
    /// It does not doubt it any more.
    Trusted,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Kind; 17] = [
        Kind::Registered,
        Kind::Deleted,
        Kind::TokenRotated,
        Kind::Reported,
        Kind::Overdue,
        Kind::Lost,
        Kind::Recovered,
        Kind::Stopped,
        Kind::Started,
        Kind::Restarted,
        Kind::ProcessFailed,
        Kind::ProcessRecovered,
        Kind::CollectorFailed,
        Kind::CollectorRecovered,
        Kind::Suppressed,
        Kind::Suspect,
        Kind::Trusted,
    ];

    /// The word that clients see, and that is stored.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Registered => "registered",
            Kind::Deleted => "deleted",
            Kind::TokenRotated => "token-rotated",
            Kind::Reported => "reported",
            Kind::Overdue => "overdue",
            Kind::Lost => "lost",
            Kind::Recovered => "recovered",
            Kind::Stopped => "stopped",
            Kind::Started => "started",
            Kind::Restarted => "restarted",
            Kind::ProcessFailed => "process-failed",
            Kind::ProcessRecovered => "process-recovered",
            Kind::CollectorFailed => "collector-failed",
            Kind::CollectorRecovered => "collector-recovered",
            Kind::Suppressed => "suppressed",
            Kind::Suspect => "suspect",
            Kind::Trusted => "trusted",
        }
    }

    /// The kind of a word.
    pub(crate) fn parse(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Event {
    /// An event of a sandbox, not stored yet.
    pub(crate) fn of(sandbox_id: &Arc<str>, kind: Kind, at: Timestamp) -> Self {
        Event { id: 0, at, sandbox_id: Some(Arc::clone(sandbox_id)), kind, name: None, detail: None }
    }
}

fn text<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_serde() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("no-such"), None);
    }
}
