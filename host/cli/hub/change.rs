//! `sandbeat hub add|rm|token`: what changes the fleet.
//!
//! A token is printed alone on standard output, so that it can go where it belongs; what a person wants to know besides
//! goes to standard error.

use serde_json::{Map, Value, json};

use super::args::{HubAdd, HubRm, HubToken};
use super::client::{Hub, Refused, of_sandbox, unknown};
use crate::output::{self, Several};
use crate::show::{self, text};

/// Registers a sandbox and prints its token.
pub(super) fn add(options: &HubAdd) -> anyhow::Result<()> {
    let hub = Hub::new(&options.access)?;
    let mut body = Map::new();
    for (field, value) in [("id", &options.id), ("name", &options.name), ("image", &options.image)] {
        if let Some(value) = value {
            body.insert(field.to_owned(), Value::from(value.as_str()));
        }
    }
    if !options.metadata.is_empty() {
        let entries = options.metadata.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
        body.insert("metadata".to_owned(), Value::Object(entries.collect()));
    }
    let answer = hub.post("/api/v1/sandboxes", &Value::Object(body))?;
    if options.access.json {
        return output::json(&answer);
    }
    output::note(format_args!("registered {}; its token is shown this once:", text(&answer["sandbox"]["id"])));
    output::line(text(&answer["token"]))
}

/// Deletes sandboxes; each is tried.
pub(super) fn remove(options: &HubRm) -> anyhow::Result<()> {
    let hub = Hub::new(&options.access)?;
    let mut reasons = Vec::new();
    let mut results = Vec::new();
    for id in &options.ids {
        match hub.delete(&format!("/api/v1/sandboxes/{id}")) {
            Ok(_) if options.access.json => results.push(json!({"id": id, "deleted": true})),
            Ok(_) => output::line(format_args!("{id}: deleted"))?,
            Err(error) => match error.downcast_ref::<Refused>() {
                Some(refused) if refused.is_unknown() => {
                    reasons.push(unknown(id));
                    results.push(json!({"id": id, "deleted": false}));
                }
                // It will be the same for all the others.
                _ => return Err(error.context(format!("{id} is not deleted"))),
            },
        }
    }
    if options.access.json {
        output::json(&json!({"sandboxes": results}))?;
    }
    if reasons.is_empty() { Ok(()) } else { Err(Several(reasons).into()) }
}

/// Gives a sandbox a new token and prints it.
pub(super) fn rotate(options: &HubToken) -> anyhow::Result<()> {
    let hub = Hub::new(&options.access)?;
    let body = match options.overlap {
        Some(overlap) => json!({"overlapSecs": overlap.as_secs_f64()}),
        None => json!({}),
    };
    let answer = hub.post(&format!("/api/v1/sandboxes/{}/token", options.id), &body);
    let answer = answer.map_err(|error| of_sandbox(&options.id, error))?;
    if options.access.json {
        return output::json(&answer);
    }
    if options.overlap.is_some_and(|overlap| overlap.is_zero()) {
        output::note("the token before this one has ended; this one is shown this once:");
    } else if !answer["previousUntil"].is_string() {
        output::note("it had no token before; this one is shown this once:");
    } else {
        let until = show::moment(&answer["previousUntil"]);
        output::note(format_args!("the token before this one goes on until {until}; this one is shown this once:"));
    }
    output::line(text(&answer["token"]))
}
