//! Taking a client's JSON apart, with errors that say where.

use serde_json::{Map, Value};

use crate::{
    chat::{Extra, Wire},
    error::{ChatError, ErrorKind},
    extras::pointer,
};

/// A request that is wrong at `param`, in the wire's own notation: `messages[0].content`, `messages.0.content`.
pub(crate) fn wrong(param: &str, message: impl Into<String>) -> ChatError {
    let mut error = ChatError::new(ErrorKind::InvalidRequest, message);
    error.details.param = Some(param.to_owned());
    error
}

fn wants(param: &str, what: &str, value: &Value) -> ChatError {
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    wrong(param, format!("'{param}' must be {what}, not {is}"))
}

pub(crate) fn string(param: &str, value: Value) -> Result<String, ChatError> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(wants(param, "a string", &other)),
    }
}

pub(crate) fn object(param: &str, value: Value) -> Result<Map<String, Value>, ChatError> {
    match value {
        Value::Object(map) => Ok(map),
        other => Err(wants(param, "an object", &other)),
    }
}

pub(crate) fn array(param: &str, value: Value) -> Result<Vec<Value>, ChatError> {
    match value {
        Value::Array(list) => Ok(list),
        other => Err(wants(param, "an array", &other)),
    }
}

pub(crate) fn boolean(param: &str, value: &Value) -> Result<bool, ChatError> {
    value.as_bool().ok_or_else(|| wants(param, "a boolean", value))
}

pub(crate) fn number(param: &str, value: &Value) -> Result<f64, ChatError> {
    value.as_f64().ok_or_else(|| wants(param, "a number", value))
}

/// A count; clients of languages without integers write `100.0`.
pub(crate) fn count(param: &str, value: &Value) -> Result<u64, ChatError> {
    let float = || value.as_f64().filter(|float| float.fract() == 0.0 && (0.0..9e15).contains(float));
    let count = value.as_u64().or_else(|| float().map(|float| float as u64));
    count.ok_or_else(|| wrong(param, format!("'{param}' must be a whole number that is not negative")))
}

/// Takes a required key out of an object.
pub(crate) fn take(map: &mut Map<String, Value>, param: &str, key: &str) -> Result<Value, ChatError> {
    match map.shift_remove(key) {
        Some(value) if !value.is_null() => Ok(value),
        _ => {
            let param = if param.is_empty() { key.to_owned() } else { format!("{param}.{key}") };
            Err(wrong(&param, format!("missing required parameter: '{param}'")))
        }
    }
}

/// Takes an optional string out of an object; null is absent.
pub(crate) fn take_string(map: &mut Map<String, Value>, param: &str, key: &str) -> Result<Option<String>, ChatError> {
    match map.shift_remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => string(&format!("{param}.{key}"), value).map(Some),
    }
}

/// What is left of an object, as extras.
pub(crate) fn rest(wire: Wire, extras: &mut Vec<Extra>, at: &str, map: Map<String, Value>) {
    extras.extend(map.into_iter().map(|(key, json)| Extra { wire, path: format!("{at}/{}", pointer(&key)), json }));
}
