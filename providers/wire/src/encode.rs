//! What every wire's writing of a request has in common.

pub(crate) mod allowed;
mod blocks;
pub(crate) mod identifiers;
pub(crate) mod marks;
pub(crate) mod order;
pub(crate) mod tools;
pub(crate) mod words;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use allowed::narrowed;
use blocks::in_words;

use crate::{
    chat::{ChatRequest, Extra, Part, Wire},
    extras::Extras,
    json::{put_key, put_value},
    names::ToolNames,
};

/// A request's body, and what could not be said in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The JSON body.
    pub body: Vec<u8>,
    /// What was left out or said differently.
    pub left_out: Vec<LeftOut>,
    /// The tools that were renamed, which the decoder of the answer must know.
    pub names: ToolNames,
}

impl Encoded {
    /// The same with these fields, which go with every request to a provider; what the request says of one itself, as an
    /// extra of `wire`, stays as it is. They stand first, so that the body of the next turn still begins with this one's.
    #[must_use]
    pub fn with_fields(mut self, fields: &Map<String, Value>, wire: Wire, request: &ChatRequest) -> Self {
        let extras = Extras::new(wire, &request.extra);
        let mut first = vec![b'{'];
        for (key, json) in fields.iter().filter(|(key, _)| extras.keys_at("").all(|(own, _)| own != **key)) {
            put_key(&mut first, key);
            put_value(&mut first, json);
        }
        if first.len() > 1 {
            // No body is empty: a request names its model.
            first.push(b',');
            self.body.splice(..1, first);
        }
        self
    }
}

/// Something that this wire or this server does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stands in the request: `messages[3].parts[0]`, `tools[1]`, `thinking.budget`.
    pub at: String,
    /// What was left out, or what became of it; for a log.
    pub what: &'static str,
}

/// The request in words that this wire has, where another has words for what it says that this one can tell otherwise.
pub(crate) fn adapted<'r>(request: &'r ChatRequest, wire: Wire, left_out: &mut Vec<LeftOut>) -> Cow<'r, ChatRequest> {
    in_words(narrowed(request, wire, left_out), wire)
}

/// Reports the extras of a holder that are of other wires.
pub(crate) fn report_foreign(wire: Wire, at: &str, extras: &[Extra], left_out: &mut Vec<LeftOut>) {
    for extra in extras.iter().filter(|extra| extra.wire != wire) {
        left_out.push(LeftOut { at: format!("{at}{}", extra.path), what: "another wire's own field" });
    }
}

/// Reports how closely to look at a picture, on a wire that has no word for it.
pub(crate) fn report_detail(at: &str, part: &Part, left_out: &mut Vec<LeftOut>) {
    if let Part::Image { detail: Some(_), .. } = part {
        left_out.push(LeftOut { at: format!("{at}.detail"), what: "this wire has no word for it" });
    }
}

/// Whole numbers without a fraction, as people write them and strict servers want them.
pub(crate) fn put_number(out: &mut Vec<u8>, number: f64) {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        put_value(out, &(number as i64));
    } else {
        put_value(out, &number);
    }
}

/// Writes a key if there is something under it.
pub(crate) fn put_some<T: Serialize>(out: &mut Vec<u8>, key: &str, value: Option<&T>) {
    if let Some(value) = value {
        put_key(out, key);
        put_value(out, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_every_request_stand_first_and_never_over_what_a_request_says() {
        let fields = json!({"provider": {"order": ["a"]}, "route": "fallback"});
        let body = |extra: Vec<Extra>| {
            let encoded =
                Encoded { body: br#"{"model":"m"}"#.to_vec(), left_out: Vec::new(), names: ToolNames::default() };
            let request = ChatRequest { extra, ..ChatRequest::default() };
            let encoded = encoded.with_fields(fields.as_object().unwrap(), Wire::OpenaiChat, &request);
            String::from_utf8(encoded.body).unwrap()
        };
        let extra = |wire, path: &str| Extra { wire, path: path.into(), json: json!({"only": ["b"]}) };
        let both = r#"{"provider":{"order":["a"]},"route":"fallback","model":"m"}"#;
        assert_eq!(body(Vec::new()), both);
        assert_eq!(body(vec![extra(Wire::OpenaiResponses, "/provider")]), both, "another wire's is not sent");
        let own = extra(Wire::OpenaiChat, "/provider");
        assert_eq!(body(vec![own.clone()]), r#"{"route":"fallback","model":"m"}"#);
        assert_eq!(body(vec![own, extra(Wire::OpenaiChat, "/route")]), r#"{"model":"m"}"#);
    }
}
