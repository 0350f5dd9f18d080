//! Where the many servers put what is wrong.

use serde_json::{Map, Value};

/// What an error body says.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Shape {
    pub(super) message: String,
    /// The provider's code, also where it is a number.
    pub(super) code: Option<String>,
    /// Codes that stand deeper (Azure's `innererror`).
    pub(super) inner: Option<String>,
    /// The provider's `type` of the error.
    pub(super) kind: Option<String>,
    pub(super) param: Option<String>,
    /// The HTTP status that the body names.
    pub(super) status: Option<u16>,
    /// OpenRouter's way: a code that is a status, and no type.
    pub(super) bare_status: bool,
    /// Why a request was refused (OpenRouter's `metadata.reasons`).
    pub(super) reasons: bool,
    /// What a gateway says that its own provider said, as it is.
    pub(super) raw: Option<String>,
    /// The same, where it can be read.
    pub(super) upstream: Option<Box<Shape>>,
    /// GitHub Copilot said it.
    pub(super) copilot: bool,
}

impl Shape {
    /// Reads any error body: OpenAI's `{error: {…}}`, `{error: "…"}`, a flat one, FastAPI's `detail`, a list of one of
    /// these (Gemini), or bare text.
    pub(super) fn read(body: &Value) -> Self {
        Self::read_at(body, 0)
    }

    fn read_at(body: &Value, depth: u8) -> Self {
        match body {
            Value::Array(list) => list.first().map(|first| Self::read_at(first, depth)).unwrap_or_default(),
            Value::String(text) => Self { message: text.clone(), ..Self::default() },
            Value::Object(body) => match body.get("error") {
                Some(Value::Object(error)) => Self::read_object(error, depth),
                Some(Value::String(text)) => Self { message: text.clone(), ..Self::read_object(body, depth) },
                _ => Self::read_object(body, depth),
            },
            _ => Self::default(),
        }
    }

    fn read_object(error: &Map<String, Value>, depth: u8) -> Self {
        let code = error.get("code").and_then(plain);
        let kind = error.get("type").and_then(plain);
        let number = |key: &str| {
            let value = error.get(key)?;
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
            u16::try_from(number).ok().filter(|status| (400..600).contains(status))
        };
        let inner = ["innererror", "inner_error"].iter().find_map(|key| error.get(*key)?.get("code").and_then(plain));
        let metadata = error.get("metadata");
        let raw = metadata.and_then(|metadata| metadata.get("raw"));
        let upstream = match raw {
            Some(Value::String(text)) if depth < 2 => serde_json::from_str(text).ok().filter(Value::is_object),
            Some(object @ Value::Object(_)) if depth < 2 => Some(object.clone()),
            _ => None,
        };
        Self {
            message: ["message", "detail", "msg", "details"]
                .iter()
                .find_map(|key| words(error.get(*key)?))
                .unwrap_or_default(),
            bare_status: kind.is_none() && error.get("code").is_some_and(Value::is_u64),
            status: number("code").or_else(|| number("status")).or_else(|| number("raw_status_code")),
            code,
            inner,
            kind,
            param: error.get("param").and_then(plain),
            reasons: metadata.and_then(|m| m.get("reasons")?.as_array()).is_some_and(|list| !list.is_empty()),
            raw: raw.map(|raw| raw.as_str().map_or_else(|| raw.to_string(), str::to_owned)),
            upstream: upstream.map(|body| Box::new(Self::read_at(&body, depth + 1))),
            copilot: false,
        }
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The words of a message, which may be a list of what is wrong (FastAPI's `[{loc, msg}]`) or nest once more.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Array(list) => {
            let each: Vec<_> = list.iter().filter_map(|one| one.get("msg").unwrap_or(one).as_str()).collect();
            (!each.is_empty()).then(|| each.join("; "))
        }
        Value::Object(map) => map.get("message").or_else(|| map.get("detail")).and_then(words),
        _ => None,
    }
}
