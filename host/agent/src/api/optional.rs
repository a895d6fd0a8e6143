//! What may be absent, and what never comes, in `/openapi.json`.
//!
//! Pure. `utoipa` describes an `Option` as something that may be null; what the agent answers leaves it out instead. And
//! what the types of a report read as `unknown` are the words of a later version, which an agent does not say of itself.
//! A client that is generated from the document would otherwise have to expect what never comes.

use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Object, Schema, SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr};

/// What [`sandbeat_status`] has for a word of a later version.
const LATER: &str = "unknown";

/// Takes null from the type of every property that is not required, in all schemas of a document, and `unknown` from all
/// enumerations. A property that is required and may be null keeps it.
pub(super) fn only_what_comes(document: &mut OpenApi) {
    if let Some(components) = &mut document.components {
        components.schemas.values_mut().for_each(visit);
    }
}

fn visit(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => visit_object(object),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                visit(items);
            }
        }
        Schema::OneOf(one_of) => one_of.items.iter_mut().for_each(visit),
        Schema::AllOf(all_of) => all_of.items.iter_mut().for_each(visit),
        Schema::AnyOf(any_of) => any_of.items.iter_mut().for_each(visit),
        _ => {}
    }
}

fn visit_object(object: &mut Object) {
    if let Some(words) = &mut object.enum_values {
        words.retain(|word| word != LATER);
    }
    if let Some(Schema::Object(names)) = object.property_names.as_deref_mut() {
        visit_object(names);
    }
    for (name, property) in &mut object.properties {
        if !object.required.contains(name) {
            take_null(property);
        }
        visit(property);
    }
    if let Some(AdditionalProperties::RefOr(values)) = object.additional_properties.as_deref_mut() {
        visit(values);
    }
}

fn take_null(property: &mut RefOr<Schema>) {
    match property {
        RefOr::T(Schema::Object(object)) => take_null_type(&mut object.schema_type),
        RefOr::T(Schema::Array(array)) => take_null_type(&mut array.schema_type),
        RefOr::T(Schema::OneOf(one_of)) => {
            one_of.items.retain(|item| !is_null(item));
            if one_of.items.len() == 1
                && let Some(only) = one_of.items.pop()
            {
                *property = only;
            }
        }
        _ => {}
    }
}

fn take_null_type(schema_type: &mut SchemaType) {
    let SchemaType::Array(types) = schema_type else { return };
    types.retain(|one| *one != Type::Null);
    if let [only] = types.as_slice() {
        *schema_type = SchemaType::Type(only.clone());
    }
}

fn is_null(item: &RefOr<Schema>) -> bool {
    matches!(item, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::{OpenApi as _, ToSchema};

    use super::*;

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its description is looked at")]
    struct Whole {
        text: Option<String>,
        part: Option<Part>,
        parts: Option<Vec<Part>>,
        #[schema(required = true)]
        null: Option<i32>,
        word: String,
    }

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its description is looked at")]
    struct Part {
        number: Option<u8>,
    }

    #[derive(utoipa::OpenApi)]
    #[openapi(components(schemas(Whole, sandbeat_status::PluginStatus)))]
    struct Document;

    #[test]
    fn only_what_is_required_can_be_null() {
        let mut document = Document::openapi();
        only_what_comes(&mut document);
        let schemas = serde_json::to_value(document.components.unwrap()).unwrap()["schemas"].take();
        let properties = &schemas["Whole"]["properties"];
        assert_eq!(properties["text"]["type"], "string");
        assert_eq!(properties["part"]["$ref"], "#/components/schemas/Part");
        assert_eq!(properties["parts"]["type"], "array");
        assert_eq!(properties["null"]["type"], json!(["integer", "null"]));
        assert_eq!(properties["word"]["type"], "string");
        assert_eq!(schemas["Whole"]["required"], json!(["null", "word"]));
        assert_eq!(schemas["Part"]["properties"]["number"]["type"], "integer");
    }

    #[test]
    fn the_words_of_a_later_version_do_not_come() {
        let mut document = Document::openapi();
        let written = |document: &OpenApi| serde_json::to_string(document).unwrap();
        assert!(written(&document).contains(r#""unknown""#));
        only_what_comes(&mut document);
        assert!(!written(&document).contains(r#""unknown""#) && written(&document).contains(r#""quarantined""#));
    }
}
