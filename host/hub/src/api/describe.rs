//! `GET /openapi.json`: the interface for machines, made from the routes themselves.
//!
//! Pure. Each handler describes what is its own; what is the same for every route of a kind (who may ask, validators,
//! unknown ids, bodies that cannot be read) is added here, when all routes are known. So is what the derives cannot say:
//! nothing in an answer is ever `null`, it is absent.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::{managed, open};

/// Made once: it depends on the code alone.
static DESCRIPTION: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(description_of_all().to_string()));

/// The scheme of who manages and reads.
const ADMIN: &str = "adminKey";
/// The scheme of who reports.
const TOKEN: &str = "sandboxToken";

/// What is said of the whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "sandbeat, the hub",
        description = "Receives the status reports of a fleet of sandboxes, keeps its state, and notices who falls \
                       silent. Errors are `{code,message,details?}`. What is not known is absent, never `null`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "sandboxes", description = "Registering, listing, showing and deleting sandboxes"),
        (name = "events", description = "What happened"),
        (name = "reports", description = "What the agents send"),
        (name = "hub", description = "The hub as a whole"),
    )
)]
struct Document;

/// This description.
#[utoipa::path(get, path = "/openapi.json", operation_id = "get_description", tag = "hub",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
pub(super) async fn description() -> Response {
    let headers =
        [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, DESCRIPTION.clone()).into_response()
}

fn description_of_all() -> Value {
    let managed = managed().into_openapi();
    let of_admin: Vec<String> = managed.paths.paths.keys().cloned().collect();
    let mut document = Document::openapi();
    document.merge(managed);
    document.merge(open().into_openapi());
    // Names and words: this cannot fail.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    without_null(&mut document);
    readable(&mut document);
    document["components"]["securitySchemes"] = json!({
        ADMIN: {"type": "http", "scheme": "bearer",
            "description": "The hub's admin key. A hub without one listens on loopback only and answers everyone there, \
                            under a loopback name."},
        TOKEN: {"type": "http", "scheme": "bearer",
            "description": "The sandbox's own token, as its registration answered it. Where the hub takes reports \
                            without one (`enroll = \"open\"`), it is needed from the first report with it on."},
    });
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                complete(path, method, operation, of_admin.contains(path));
            }
        }
    }
    document
}

/// Adds to an operation what its handler does not say.
fn complete(path: &str, method: &str, operation: &mut Value, of_admin: bool) {
    let of_token = path.ends_with("/status");
    let security = match (of_admin, of_token) {
        // The second one: nothing is needed.
        (true, _) => json!([{ADMIN: []}, {}]),
        (false, true) => json!([{TOKEN: []}, {}]),
        (false, false) => json!([]),
    };
    operation["security"] = security;
    let has_body = operation.get("requestBody").is_some();
    let validated = of_admin && method == "get" && path.starts_with("/api/v1/");
    let mut more: Vec<(&str, &str)> = Vec::new();
    if of_admin {
        more.push(("401", "The admin key is missing or wrong"));
        more.push(("403", "The hub has no admin key, and the request does not name a loopback host"));
    }
    if of_token {
        more.push(("401", "The sandbox's token is missing or wrong"));
        more.push(("403", "Without a token, and the hub has no admin key and is not addressed by a loopback name"));
        more.push((
            "429",
            "Two large reports of this sandbox are arriving already, or its address brings in too many sandboxes",
        ));
    }
    if path.contains("{id}") {
        more.push(("400", "The id has another form"));
        more.push(("404", "There is no such sandbox"));
    }
    if has_body {
        more.push(("408", "The body came too slowly"));
        more.push(("413", "The body is too large"));
        more.push(("415", "The body is not `application/json`, or in another coding than gzip"));
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, description) in more {
        responses.entry(status).or_insert_with(|| problem(description));
    }
    if validated {
        let tag = json!({"description": "For `If-None-Match`; weak when compressed", "schema": {"type": "string"}});
        responses["200"]["headers"] = json!({"ETag": tag});
        let known = "Nothing has changed since the answer with this `ETag`";
        responses.insert("304".to_owned(), json!({"description": known}));
        let parameter = json!({"name": "If-None-Match", "in": "header", "required": false,
            "description": "`ETag` of an answer that the client has", "schema": {"type": "string"}});
        match operation["parameters"].as_array_mut() {
            Some(parameters) => parameters.push(parameter),
            None => operation["parameters"] = json!([parameter]),
        }
    }
}

fn problem(description: &str) -> Value {
    json!({"description": description,
           "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}})
}

/// Takes `null` out of what schemas allow.
fn without_null(value: &mut Value) {
    let is_null = |schema: &Value| schema["type"] == "null";
    match value {
        Value::Array(values) => values.iter_mut().for_each(without_null),
        Value::Object(schema) => {
            if let Some(Value::Array(types)) = schema.get_mut("type") {
                types.retain(|name| name != "null");
                if let [one] = types.as_mut_slice() {
                    let one = one.take();
                    schema.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(choices)) = schema.get_mut("oneOf")
                && choices.iter().any(is_null)
            {
                choices.retain(|choice| !is_null(choice));
                if let [one] = choices.as_mut_slice()
                    && let Value::Object(one) = one.take()
                {
                    schema.remove("oneOf");
                    under(schema, one);
                }
            }
            schema.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

/// Takes out of descriptions what is for readers of the code: where its lines end, and where its links lead.
fn readable(value: &mut Value) {
    const LINKS: [&str; 2] = ["; see [`crate::", "; [`crate::"];
    match value {
        Value::Array(values) => values.iter_mut().for_each(readable),
        Value::Object(fields) => {
            for name in ["description", "summary"] {
                let Some(Value::String(text)) = fields.get_mut(name) else { continue };
                while let Some(start) = LINKS.iter().find_map(|link| text.find(link))
                    && let Some(length) = text[start..].find("`]")
                {
                    text.replace_range(start..start + length + 2, "");
                }
                let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
                *text = paragraphs.collect::<Vec<_>>().join("\n\n");
            }
            fields.values_mut().for_each(readable);
        }
        _ => {}
    }
}

/// Adds what is not there yet.
fn under(schema: &mut Map<String, Value>, more: Map<String, Value>) {
    for (key, value) in more {
        schema.entry(key).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_says_who_it_is_for_and_has_a_name_of_its_own() {
        let document = description_of_all();
        let mut names = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{name} twice");
                assert!(operation["security"].is_array() && operation["tags"][0].is_string(), "{method} {path}");
                assert!(operation["summary"].is_string() || operation["description"].is_string(), "{method} {path}");
            }
        }
        assert_eq!(document["paths"]["/health"]["get"]["security"], json!([]));
    }

    #[test]
    fn nothing_is_null_and_every_reference_leads_somewhere() {
        fn look(value: &Value, document: &Value) {
            match value {
                Value::Array(values) => values.iter().for_each(|value| look(value, document)),
                Value::Object(fields) => {
                    assert_ne!(fields.get("type"), Some(&json!("null")), "{value}");
                    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                        let path = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(path).is_some(), "{reference}");
                    }
                    fields.values().for_each(|value| look(value, document));
                }
                other => assert_ne!(*other, json!("null")),
            }
        }
        let document = description_of_all();
        look(&document, &document);
    }

    #[test]
    fn descriptions_are_for_readers_of_the_interface() {
        let mut value = json!({"description": "One; see [`crate::names::x`]. Two\nlines.\n\nMore.", "x": ["a\nb"]});
        readable(&mut value);
        assert_eq!(value, json!({"description": "One. Two lines.\n\nMore.", "x": ["a\nb"]}));
        assert!(!description_of_all().to_string().contains("crate::"));
    }

    #[test]
    fn an_optional_reference_keeps_what_is_said_of_it() {
        let mut schema = json!({"description": "one", "oneOf": [{"type": "null"}, {"$ref": "#/a"}]});
        without_null(&mut schema);
        assert_eq!(schema, json!({"description": "one", "$ref": "#/a"}));
        let mut schema = json!({"oneOf": [{"type": "null"}, {"description": "x", "$ref": "#/a"}], "description": "y"});
        without_null(&mut schema);
        assert_eq!(schema, json!({"description": "y", "$ref": "#/a"}));
        let mut schema = json!({"type": ["string", "null"], "items": [{"type": ["null", "integer"]}]});
        without_null(&mut schema);
        assert_eq!(schema, json!({"type": "string", "items": [{"type": "integer"}]}));
    }
}
