//! Embeddings: `/api/embed`, and `/api/embeddings` of servers before it.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::request::{extra, own_extras};
use crate::{
    chat::Extra,
    embed::{EmbedInput, EmbedRequest, Embeddings},
    error::{ChatError, ErrorKind},
    error_response::not_json,
    extras::pointer,
    json::{put_key, put_str, put_value},
    reader::{array, count, string, take, wrong},
};

/// Writes the body of `POST /api/embed`; `model` is the provider's own id of it.
///
/// # Errors
///
/// As [`EmbedRequest::texts`].
pub fn encode_embed_request(request: &EmbedRequest, model: &str) -> Result<Vec<u8>, ChatError> {
    let mut out = vec![b'{'];
    put_key(&mut out, "model");
    put_str(&mut out, model);
    put_key(&mut out, "input");
    put_value(&mut out, &request.texts()?);
    if let Some(dimensions) = request.dimensions {
        put_key(&mut out, "dimensions");
        put_value(&mut out, &dimensions);
    }
    put_extras(&mut out, &request.extra, &["model", "input", "dimensions"]);
    Ok(out)
}

/// Writes the body of `POST /api/embeddings`, which takes one text at a time.
pub fn encode_legacy_embed_request(request: &EmbedRequest, model: &str, text: &str) -> Vec<u8> {
    let mut out = vec![b'{'];
    put_key(&mut out, "model");
    put_str(&mut out, model);
    put_key(&mut out, "prompt");
    put_str(&mut out, text);
    put_extras(&mut out, &request.extra, &["model", "prompt", "input", "dimensions"]);
    out
}

fn put_extras(out: &mut Vec<u8>, extras: &[Extra], written: &[&str]) {
    for (key, json) in own_extras(extras, "").filter(|(key, _)| !written.contains(&key.as_str())) {
        put_key(out, &key);
        put_value(out, json);
    }
    out.push(b'}');
}

/// Reads the body of either address.
///
/// # Errors
///
/// The body is not such a request (`InvalidRequest`); `details.param` names the parameter.
pub fn decode_embed_request(body: &[u8]) -> Result<EmbedRequest, ChatError> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(body) else {
        return Err(ChatError::new(ErrorKind::InvalidRequest, "the body must be a JSON object"));
    };
    let model = string("model", take(&mut map, "", "model")?)?;
    let input = match map.shift_remove("prompt").filter(|_| !map.contains_key("input")) {
        Some(prompt) => vec![string("prompt", prompt)?.into()],
        None => match take(&mut map, "", "input")? {
            Value::String(text) => vec![text.into()],
            list => array("input", list)?
                .into_iter()
                .enumerate()
                .map(|(index, text)| string(&format!("input[{index}]"), text).map(EmbedInput::Text))
                .collect::<Result<_, _>>()?,
        },
    };
    let dimensions = match map.shift_remove("dimensions").filter(|value| !value.is_null()) {
        None => None,
        Some(value) => Some(
            u32::try_from(count("dimensions", &value)?)
                .map_err(|_| wrong("dimensions", "'dimensions' is larger than any model's"))?,
        ),
    };
    Ok(EmbedRequest { model, input, dimensions, extra: extras(map) })
}

fn extras(map: Map<String, Value>) -> Vec<Extra> {
    let said = map.into_iter().filter(|(_, value)| !value.is_null());
    said.map(|(key, json)| extra(format!("/{}", pointer(&key)), json)).collect()
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    model: Option<String>,
    embeddings: Option<Vec<Vec<f32>>>,
    embedding: Option<Vec<f32>>,
    prompt_eval_count: Option<u64>,
}

/// Reads the answer of either address.
///
/// # Errors
///
/// The body is not such an answer (`Protocol`).
pub fn decode_embeddings(body: &[u8]) -> Result<Embeddings, ChatError> {
    let wrong = || ChatError::new(ErrorKind::Protocol, "the provider answered with no embeddings");
    let answer: Answer = serde_json::from_slice(body).map_err(|error| match error.is_data() {
        true => wrong(),
        false => not_json(body.trim_ascii(), 200),
    })?;
    let vectors = answer.embeddings.or_else(|| Some(vec![answer.embedding?])).ok_or_else(wrong)?;
    Ok(Embeddings { model: answer.model.unwrap_or_default(), vectors, tokens: answer.prompt_eval_count })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::Wire;

    #[test]
    fn a_request_that_is_read_and_written_is_the_same() {
        let body = json!({"model": "m", "input": ["a", "b"], "dimensions": 8, "truncate": false, "keep_alive": "5m"});
        let request = decode_embed_request(body.to_string().as_bytes()).unwrap();
        assert_eq!((request.input.len(), request.dimensions, request.extra.len()), (2, Some(8), 2));
        let again: Value = serde_json::from_slice(&encode_embed_request(&request, "m").unwrap()).unwrap();
        assert_eq!(again, body);
        let foreign = Extra { wire: Wire::OpenaiChat, path: "/user".into(), json: json!("u") };
        let other = EmbedRequest { extra: vec![foreign], ..request };
        let again: Value = serde_json::from_slice(&encode_embed_request(&other, "m").unwrap()).unwrap();
        assert_eq!(again, json!({"model": "m", "input": ["a", "b"], "dimensions": 8}));
    }

    #[test]
    fn one_text_has_two_forms() {
        let request = decode_embed_request(br#"{"model":"m","input":"a"}"#).unwrap();
        assert_eq!(request.input, ["a".into()]);
        let request = decode_embed_request(br#"{"model":"m","prompt":"a","options":{"num_ctx":9},"keep_alive":null}"#);
        let request = request.unwrap();
        let again: Value = serde_json::from_slice(&encode_legacy_embed_request(&request, "m", "a")).unwrap();
        assert_eq!(again, json!({"model": "m", "prompt": "a", "options": {"num_ctx": 9}}));
    }

    #[test]
    fn the_wrong_parameter_is_named() {
        let bodies = [
            ("{\"input\":\"a\"}", "model"),
            ("{\"model\":\"m\"}", "input"),
            ("{\"model\":\"m\",\"input\":[1]}", "input[0]"),
        ];
        for (body, param) in bodies {
            let error = decode_embed_request(body.as_bytes()).unwrap_err();
            assert_eq!(
                (error.kind, error.details.param.as_deref()),
                (ErrorKind::InvalidRequest, Some(param)),
                "{body}"
            );
        }
    }

    #[test]
    fn both_answers_are_read() {
        let new = decode_embeddings(br#"{"model":"m","embeddings":[[0.5,1],[2,3]],"prompt_eval_count":4}"#).unwrap();
        assert_eq!((new.vectors, new.tokens), (vec![vec![0.5, 1.0], vec![2.0, 3.0]], Some(4)));
        assert_eq!(decode_embeddings(br#"{"embedding":[0.5]}"#).unwrap().vectors, [[0.5]]);
        for body in ["{}", "[]", "<html>", "{\"embeddings\":[3]}"] {
            assert_eq!(decode_embeddings(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
