//! Arguments of a call: objects that are read strictly, as their schema says them.

use rmcp::{ErrorData, model::JsonObject};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wrong;

/// Reads arguments that a schema describes.
///
/// # Errors
/// A field is missing, unknown or of another type; the error names it.
pub(super) fn read<T: DeserializeOwned>(schema: &JsonObject, arguments: JsonObject) -> Result<T, ErrorData> {
    let fields = schema.get("properties").and_then(Value::as_object);
    let known = |name: &str| fields.is_some_and(|fields| fields.contains_key(name));
    if let Some(unknown) = arguments.keys().find(|name| !known(name)) {
        let names: Vec<&str> = fields.into_iter().flat_map(|fields| fields.keys().map(String::as_str)).collect();
        let hint = if names.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", names.join(", ")) };
        return Err(wrong(format!("there is no argument '{unknown}'"), hint));
    }
    let required = schema.get("required").and_then(Value::as_array);
    let mut required = required.into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.find(|name| !arguments.contains_key(*name)) {
        return Err(wrong(format!("the argument '{missing}' is missing"), "the tool's inputSchema says what it takes"));
    }
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let message = format!("the argument '{}' can't be read: {}", error.path(), error.inner());
        wrong(message, "the tool's inputSchema says what it takes")
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Said {
        text: String,
        often: Option<u32>,
    }

    fn object(value: Value) -> JsonObject {
        match value {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    fn read_said(arguments: Value) -> Result<Said, ErrorData> {
        let schema = json!({"properties": {"text": {}, "often": {}}, "required": ["text"]});
        read(&object(schema), object(arguments))
    }

    #[test]
    fn what_is_wrong_with_arguments_is_told_by_name() {
        let said = read_said(json!({"text": "a", "often": 2})).unwrap();
        assert_eq!((said.text.as_str(), said.often), ("a", Some(2)));
        let wrong = [
            (json!({"often": 2}), "the argument 'text' is missing"),
            (json!({"text": "a", "more": 1}), "there is no argument 'more'"),
            (json!({"text": "a", "often": "twice"}), "the argument 'often' can't be read"),
            (json!({"text": {}}), "the argument 'text' can't be read"),
        ];
        for (arguments, told) in wrong {
            let error = read_said(arguments).unwrap_err();
            assert_eq!(error.code.0, -32602);
            assert!(error.message.starts_with(told), "{}", error.message);
        }
    }
}
