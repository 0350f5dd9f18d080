//! Schemas: JSON Schema as everyone writes it, and the subset of OpenAPI's that this wire had before it took that.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Keys of the subset, beside those whose values are looked at.
const PLAIN: [&str; 17] = [
    "title",
    "description",
    "nullable",
    "default",
    "example",
    "pattern",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "propertyOrdering",
    "property_ordering",
    "required",
];
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];
/// How deep references are followed; what is deeper, such as a schema that holds itself, is any object.
const DEEPEST: usize = 16;

/// Whether a schema is of the subset, so that it can be sent in that form and mean the same.
pub(super) fn fits(schema: &Value) -> bool {
    let Some(map) = schema.as_object() else { return false };
    let kind = map.get("type").and_then(Value::as_str).map(str::to_ascii_lowercase);
    map.iter().all(|(key, value)| match key.as_str() {
        "type" => kind.as_deref().is_some_and(|kind| TYPES.contains(&kind)),
        "format" => match kind.as_deref() {
            Some("string") => value.as_str().is_some_and(|format| matches!(format, "enum" | "date-time")),
            _ => value.is_string(),
        },
        "enum" => {
            let texts = value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
            texts && kind.as_deref() == Some("string")
        }
        "items" => fits(value),
        "anyOf" => value.as_array().is_some_and(|list| list.iter().all(fits)),
        "properties" => value.as_object().is_some_and(|map| map.values().all(fits)),
        "required" => {
            let has = |name: &Value| map.get("properties").and_then(|all| all.get(name.as_str()?)).is_some();
            value.as_array().is_some_and(|list| list.iter().all(has))
        }
        key => PLAIN.contains(&key),
    })
}

/// A schema of the subset as JSON Schema: the names of its types are in lower case there.
pub(super) fn read(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    for (key, value) in map.iter_mut() {
        match (key.as_str(), &mut *value) {
            ("type", Value::String(kind)) if TYPES.contains(&kind.to_ascii_lowercase().as_str()) => {
                kind.make_ascii_lowercase();
            }
            ("items", value) => read(value),
            ("properties", Value::Object(all)) => all.values_mut().for_each(read),
            ("anyOf", Value::Array(list)) => list.iter_mut().for_each(read),
            _ => {}
        }
    }
}

/// A schema made to fit the subset, for models that take nothing else: references are put in, `oneOf` becomes `anyOf`,
/// `const` an `enum`, a type or null a nullable type, and what has no word is left out.
pub(super) fn made_to_fit(schema: &Value) -> Value {
    make(schema, schema, DEEPEST)
}

fn make(schema: &Value, root: &Value, depth: usize) -> Value {
    let any = || Value::Object(Map::from_iter([("type".to_owned(), Value::from("object"))]));
    let Some(map) = schema.as_object() else { return any() };
    let Some(depth) = depth.checked_sub(1) else { return any() };
    if let Some(found) = map.get("$ref").and_then(Value::as_str).and_then(|at| root.pointer(at.strip_prefix('#')?)) {
        return make(found, root, depth);
    }
    let each = |list: &Vec<Value>| Value::Array(list.iter().map(|one| make(one, root, depth)).collect());
    let mut made = Map::new();
    for (key, value) in map {
        match (key.as_str(), value) {
            ("type", Value::Array(kinds)) => {
                let mut kinds = kinds.iter().filter(|kind| *kind != "null");
                if kinds.clone().count() < map["type"].as_array().map_or(0, Vec::len) {
                    made.insert("nullable".into(), true.into());
                }
                made.extend(kinds.next().map(|kind| ("type".to_owned(), kind.clone())));
            }
            ("const", Value::String(_)) => {
                made.insert("enum".into(), Value::Array(vec![value.clone()]));
                made.entry("type").or_insert_with(|| "string".into());
            }
            ("enum", Value::Array(list)) => {
                let texts = list.iter().map(|one| match one {
                    Value::String(text) => Cow::Borrowed(text.as_str()),
                    other => Cow::Owned(other.to_string()),
                });
                made.insert("enum".into(), texts.map(|text| Value::from(text.into_owned())).collect());
                // Only texts can be enumerated.
                made.insert("type".into(), "string".into());
            }
            ("type", _) if made.contains_key("enum") => {}
            ("items", items) => drop(made.insert("items".into(), make(items, root, depth))),
            ("anyOf" | "oneOf", Value::Array(list)) => drop(made.insert("anyOf".into(), each(list))),
            ("allOf", Value::Array(list)) if list.len() == 1 => {
                if let Value::Object(only) = make(&list[0], root, depth) {
                    made.extend(only);
                }
            }
            ("properties", Value::Object(all)) => {
                let all = all.iter().map(|(name, one)| (name.clone(), make(one, root, depth)));
                made.insert("properties".into(), Value::Object(all.collect()));
            }
            ("required", Value::Array(names)) => {
                let has = |name: &&Value| map.get("properties").and_then(|all| all.get(name.as_str()?)).is_some();
                made.insert("required".into(), names.iter().filter(has).cloned().collect());
            }
            ("format", Value::String(format))
                if map.get("type").is_some_and(|kind| kind == "string")
                    && !matches!(format.as_str(), "enum" | "date-time") => {}
            ("format", Value::String(_)) => drop(made.insert("format".into(), value.clone())),
            ("type", Value::String(_)) => drop(made.insert("type".into(), value.clone())),
            (key, _) if PLAIN.contains(&key) => drop(made.insert(key.into(), value.clone())),
            _ => {}
        }
    }
    Value::Object(made)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_subset_is_told_from_what_it_cannot_say() {
        for schema in [
            json!({"type": "object", "properties": {"a": {"type": "STRING", "enum": ["x"]}}, "required": ["a"]}),
            json!({"type": "array", "items": {"anyOf": [{"type": "integer", "format": "int32"}, {"type": "null"}]}}),
            json!({"type": "string", "format": "date-time", "nullable": true}),
            json!({}),
        ] {
            assert!(fits(&schema), "{schema}");
        }
        for schema in [
            json!({"type": "object", "additionalProperties": false}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}}),
            json!({"type": ["string", "null"]}),
            json!({"type": "string", "format": "uri"}),
            json!({"type": "integer", "enum": [1]}),
            json!({"type": "object", "required": ["gone"]}),
            json!({"oneOf": []}),
            json!(true),
        ] {
            assert!(!fits(&schema), "{schema}");
        }
    }

    #[test]
    fn names_of_types_are_read_in_lower_case() {
        let mut schema = json!({"type": "OBJECT", "properties": {"type": {"type": "ARRAY", "items": {"type": "STRING"}}},
            "title": "OBJECT", "anyOf": [{"type": "NUMBER"}]});
        read(&mut schema);
        let want = json!({"type": "object", "properties": {"type": {"type": "array", "items": {"type": "string"}}},
            "title": "OBJECT", "anyOf": [{"type": "number"}]});
        assert_eq!(schema, want);
    }

    #[test]
    fn anything_is_made_to_fit() {
        let schema = json!({
            "$defs": {"p": {"type": "object", "properties": {"next": {"$ref": "#/$defs/p"}}, "x-odd": 1}},
            "type": "object", "additionalProperties": false, "required": ["p", "gone"],
            "properties": {
                "p": {"$ref": "#/$defs/p"}, "c": {"const": "x"}, "n": {"enum": [1, "2"], "type": "integer"},
                "o": {"oneOf": [{"type": "string", "format": "uri"}, {"type": ["integer", "null"]}]},
                "a": {"allOf": [{"type": "string"}], "description": "d"}, "t": true,
            },
        });
        let made = made_to_fit(&schema);
        assert!(fits(&made), "{made}");
        let properties = &made["properties"];
        assert_eq!(properties["c"], json!({"enum": ["x"], "type": "string"}));
        assert_eq!(properties["n"], json!({"enum": ["1", "2"], "type": "string"}));
        assert_eq!(properties["o"], json!({"anyOf": [{"type": "string"}, {"nullable": true, "type": "integer"}]}));
        assert_eq!(properties["a"], json!({"type": "string", "description": "d"}));
        assert_eq!((&made["required"], &properties["t"]), (&json!(["p"]), &json!({"type": "object"})));
        assert_eq!(
            made_to_fit(&json!({"type": "object", "properties": {}})),
            json!({"type": "object", "properties": {}})
        );
    }
}
