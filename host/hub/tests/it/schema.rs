//! Holds JSON against the schemas of `/openapi.json`: as far as they are used there, and stricter in one thing: an object
//! with properties has no others, so that nothing is answered that is not described.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use serde_json::{Map, Value};

/// What is wrong with a value, with its path; nothing when it is as the schema says.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let check = Check { document };
    check.value(schema, value, "", &mut faults);
    check.surplus(schema, value, "", &mut faults);
    faults
}

struct Check<'a> {
    document: &'a Value,
}

impl<'a> Check<'a> {
    fn value(&self, schema: &'a Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = self.resolved(schema);
        if let Some(kind) = schema["type"].as_str()
            && !is_a(value, kind)
        {
            return faults.push(format!("{at}: {value} is no {kind}"));
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            faults.push(format!("{at}: {value} is not of {words:?}"));
        }
        if let (Some(text), Some("date-time")) = (value.as_str(), schema["format"].as_str())
            && text.parse::<jiff::Timestamp>().is_err()
        {
            faults.push(format!("{at}: {text} is no time"));
        }
        for part in list(&schema["allOf"]) {
            self.value(part, value, at, faults);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let fits = choices.iter().filter(|choice| {
                let mut wrong = Vec::new();
                self.value(choice, value, at, &mut wrong);
                wrong.is_empty()
            });
            let fits = fits.count();
            if fits != 1 {
                faults.push(format!("{at}: {fits} choices fit {value}"));
            }
        }
        for name in list(&schema["required"]).filter_map(Value::as_str) {
            if value.get(name).is_none() {
                faults.push(format!("{at}: `{name}` is missing"));
            }
        }
        for (name, property) in fields(&schema["properties"]) {
            if let Some(value) = value.get(name) {
                self.value(property, value, &format!("{at}.{name}"), faults);
            }
        }
        if schema["additionalProperties"].is_object() {
            for (name, entry) in fields(value) {
                self.value(&schema["additionalProperties"], entry, &format!("{at}.{name}"), faults);
            }
        }
        for (index, item) in list(value).enumerate() {
            self.value(&schema["items"], item, &format!("{at}[{index}]"), faults);
        }
    }

    /// Fields that no part of the schema knows.
    fn surplus(&self, schema: &'a Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        for (index, item) in list(value).enumerate() {
            self.surplus(&self.resolved(schema)["items"], item, &format!("{at}[{index}]"), faults);
        }
        let mut known = Map::new();
        self.properties(schema, &mut known);
        let others = &self.resolved(schema)["additionalProperties"];
        for (name, field) in fields(value) {
            match known.get(name) {
                Some(property) => self.surplus(property, field, &format!("{at}.{name}"), faults),
                None if others.is_object() => self.surplus(others, field, &format!("{at}.{name}"), faults),
                None => faults.push(format!("{at}.{name} is not described")),
            }
        }
    }

    fn properties(&self, schema: &'a Value, known: &mut Map<String, Value>) {
        let schema = self.resolved(schema);
        known.extend(fields(&schema["properties"]).map(|(name, property)| (name.clone(), property.clone())));
        for part in list(&schema["allOf"]).chain(list(&schema["oneOf"])) {
            self.properties(part, known);
        }
    }

    fn resolved(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(path) => self.resolved(self.document.pointer(path.trim_start_matches('#')).unwrap()),
            None => schema,
        }
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
