//! Embeddings: `POST /embeddings`, both sides of it.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::error::not_json;
use crate::{
    chat::Wire,
    embed::{EmbedInput, EmbedRequest, Embeddings},
    error::{ChatError, ErrorKind},
    extras::Extras,
    json::{put_comma, put_key, put_str, put_value},
    reader::{array, count, rest, string, take, take_string, wrong},
};

/// Writes the body of `POST /embeddings`; `model` is the provider's own id of it. Vectors are asked for as numbers: not
/// every compatible server knows another form.
pub fn encode_embed_request(request: &EmbedRequest, model: &str) -> Vec<u8> {
    let mut out = vec![b'{'];
    put_key(&mut out, "model");
    put_str(&mut out, model);
    put_key(&mut out, "input");
    put_value(&mut out, &request.input);
    if let Some(dimensions) = request.dimensions {
        put_key(&mut out, "dimensions");
        put_value(&mut out, &dimensions);
    }
    let written = ["model", "input", "dimensions", "encoding_format"];
    Extras::new(Wire::OpenaiChat, &request.extra).put_keys(&mut out, "", &written);
    out.push(b'}');
    out
}

/// A client's request, and how it wants its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedEmbed {
    /// What it asks.
    pub request: EmbedRequest,
    /// Whether vectors are wanted as base64 of their bytes, as the official clients ask, in place of lists of numbers.
    pub base64: bool,
}

/// Reads a client's body.
///
/// # Errors
///
/// The body is not such a request (`InvalidRequest`); `details.param` names the parameter.
pub fn decode_embed_request(body: &[u8]) -> Result<ServedEmbed, ChatError> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(body) else {
        return Err(ChatError::new(ErrorKind::InvalidRequest, "the body must be a JSON object"));
    };
    let model = string("model", take(&mut map, "", "model")?)?;
    let input = decode_input(take(&mut map, "", "input")?)?;
    let dimensions = match map.shift_remove("dimensions").filter(|value| !value.is_null()) {
        None => None,
        Some(value) => match count("dimensions", &value)?.try_into() {
            Ok(0) => return Err(wrong("dimensions", "'dimensions' must be at least 1")),
            Ok(dimensions) => Some(dimensions),
            Err(_) => return Err(wrong("dimensions", "'dimensions' is larger than any model's")),
        },
    };
    let base64 = match take_string(&mut map, "", "encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(wrong("encoding_format", "'encoding_format' must be 'float' or 'base64'")),
    };
    let mut extra = Vec::new();
    map.retain(|_, value| !value.is_null());
    rest(Wire::OpenaiChat, &mut extra, "", map);
    Ok(ServedEmbed { request: EmbedRequest { model, input, dimensions, extra }, base64 })
}

/// A text, several, the tokens of one, or those of several.
fn decode_input(input: Value) -> Result<Vec<EmbedInput>, ChatError> {
    let list = match input {
        Value::String(text) => return Ok(vec![text.into()]),
        other => array("input", other)?,
    };
    if list.is_empty() {
        return Err(wrong("input", "'input' must not be empty"));
    }
    if list.iter().all(Value::is_number) {
        return Ok(vec![tokens("input", list)?]);
    }
    let each = list.into_iter().enumerate().map(|(index, one)| {
        let at = format!("input[{index}]");
        match one {
            Value::Array(list) => tokens(&at, list),
            other => string(&at, other).map(EmbedInput::Text),
        }
    });
    each.collect()
}

fn tokens(at: &str, list: Vec<Value>) -> Result<EmbedInput, ChatError> {
    let each = list.iter().enumerate().map(|(index, one)| {
        let at = format!("{at}[{index}]");
        let token = count(&at, one)?;
        u32::try_from(token).map_err(|_| wrong(&at, format!("'{at}' is larger than any token")))
    });
    each.collect::<Result<_, _>>().map(EmbedInput::Tokens)
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    model: Option<String>,
    data: Vec<Entry>,
    #[serde(default)]
    usage: Option<Value>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    index: Option<usize>,
    #[serde(deserialize_with = "vector")]
    embedding: Vec<f32>,
}

/// A list of numbers, or base64 of their bytes, the lowest first (the official clients' form).
fn vector<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Numbers(Vec<f32>),
        Base64(String),
    }
    let text = match Form::deserialize(deserializer)? {
        Form::Numbers(numbers) => return Ok(numbers),
        Form::Base64(text) => text,
    };
    let bytes = STANDARD.decode(text).map_err(de::Error::custom)?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(de::Error::custom("the bytes of a vector are no whole numbers"));
    }
    Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Reads the provider's answer, and puts the vectors into the order of the texts.
///
/// # Errors
///
/// The body is not such an answer, or says twice what one text became (`Protocol`).
pub fn decode_embeddings(body: &[u8]) -> Result<Embeddings, ChatError> {
    let wrong = |what: &str| ChatError::new(ErrorKind::Protocol, what);
    let answer: Answer = serde_json::from_slice(body).map_err(|error| match error.is_data() {
        true => wrong("the provider answered with no embeddings"),
        false => not_json(body.trim_ascii(), 200),
    })?;
    let mut vectors = vec![None; answer.data.len()];
    for (position, entry) in answer.data.into_iter().enumerate() {
        let place = vectors.get_mut(entry.index.unwrap_or(position));
        let place =
            place.ok_or_else(|| wrong("the provider answered with an embedding of a text that was not sent"))?;
        if place.replace(entry.embedding).is_some() {
            return Err(wrong("the provider answered with two embeddings of one text"));
        }
    }
    let prompt = |usage: &Value| usage.get("prompt_tokens").or_else(|| usage.get("total_tokens"))?.as_u64();
    Ok(Embeddings {
        model: answer.model.unwrap_or_default(),
        vectors: vectors.into_iter().flatten().collect(),
        tokens: answer.usage.as_ref().and_then(prompt),
    })
}

/// Writes the answer to a client; `model` is the one to be told.
pub fn embeddings_body(embeddings: &Embeddings, model: &str, base64: bool) -> Vec<u8> {
    let mut out = b"{\"object\":\"list\",\"data\":[".to_vec();
    for (index, vector) in embeddings.vectors.iter().enumerate() {
        put_comma(&mut out);
        out.extend_from_slice(b"{\"object\":\"embedding\"");
        put_key(&mut out, "index");
        put_value(&mut out, &index);
        put_key(&mut out, "embedding");
        if base64 {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            put_str(&mut out, &STANDARD.encode(bytes));
        } else {
            put_value(&mut out, vector);
        }
        out.push(b'}');
    }
    out.push(b']');
    put_key(&mut out, "model");
    put_str(&mut out, model);
    let tokens = embeddings.tokens.unwrap_or(0);
    put_key(&mut out, "usage");
    put_value(&mut out, &serde_json::json!({"prompt_tokens": tokens, "total_tokens": tokens}));
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn again(body: &Value) -> Value {
        let served = decode_embed_request(body.to_string().as_bytes()).unwrap();
        serde_json::from_slice(&encode_embed_request(&served.request, &served.request.model)).unwrap()
    }

    #[test]
    fn a_request_that_is_read_and_written_is_the_same() {
        let texts =
            json!({"model": "m", "input": ["a", "b"], "dimensions": 8, "user": "u", "provider": {"only": ["x"]}});
        assert_eq!(again(&texts), texts);
        let of_tokens = json!({"model": "m", "input": [[1, 2], [4294967295u32]]});
        assert_eq!(again(&of_tokens), of_tokens);
        let one = json!({"model": "m", "input": [1, 2], "encoding_format": "base64", "user": null});
        assert_eq!(again(&one), json!({"model": "m", "input": [[1, 2]]}));
        let text = json!({"model": "m", "input": "a", "encoding_format": "float"});
        assert_eq!(again(&text), json!({"model": "m", "input": ["a"]}));
    }

    #[test]
    fn the_wrong_parameter_is_named() {
        for (body, param) in [
            (r#"{"input":"a"}"#, "model"),
            (r#"{"model":"m"}"#, "input"),
            (r#"{"model":"m","input":[]}"#, "input"),
            (r#"{"model":"m","input":{}}"#, "input"),
            (r#"{"model":"m","input":["a",{}]}"#, "input[1]"),
            (r#"{"model":"m","input":["a",1]}"#, "input[1]"),
            (r#"{"model":"m","input":[1,-1]}"#, "input[1]"),
            (r#"{"model":"m","input":[[1],[2,4294967296]]}"#, "input[1][1]"),
            (r#"{"model":"m","input":"a","dimensions":-1}"#, "dimensions"),
            (r#"{"model":"m","input":"a","dimensions":0}"#, "dimensions"),
            (r#"{"model":"m","input":"a","encoding_format":"int8"}"#, "encoding_format"),
        ] {
            let error = decode_embed_request(body.as_bytes()).unwrap_err();
            assert_eq!(
                (error.kind, error.details.param.as_deref()),
                (ErrorKind::InvalidRequest, Some(param)),
                "{body}"
            );
        }
    }

    #[test]
    fn tokens_are_for_no_other_wire() {
        let request = EmbedRequest { input: vec!["a".into(), EmbedInput::Tokens(vec![1])], ..EmbedRequest::default() };
        assert_eq!(request.texts().unwrap_err().kind, ErrorKind::InvalidRequest);
        assert!(crate::gemini::encode_embed_request(&request, "m").is_err());
        assert!(crate::ollama::encode_embed_request(&request, "m").is_err());
    }

    #[test]
    fn an_answer_that_is_written_and_read_is_the_same_in_both_forms() {
        let vectors = vec![vec![0.1, -2.5e-8, f32::MAX], vec![0.0, 1.0, 3.5]];
        let made = Embeddings { model: "m".into(), vectors, tokens: Some(7) };
        for base64 in [false, true] {
            assert_eq!(decode_embeddings(&embeddings_body(&made, "m", base64)).unwrap(), made);
        }
    }

    #[test]
    fn the_order_is_that_of_the_texts() {
        let body =
            br#"{"data":[{"index":1,"embedding":[1]},{"index":0,"embedding":"AAAAAA=="}],"usage":{"total_tokens":3}}"#;
        let made = decode_embeddings(body).unwrap();
        assert_eq!((made.vectors, made.tokens), (vec![vec![0.0], vec![1.0]], Some(3)));
        let made = decode_embeddings(br#"{"data":[{"embedding":[1]},{"embedding":[2]}],"usage":null}"#).unwrap();
        assert_eq!((made.vectors, made.tokens), (vec![vec![1.0], vec![2.0]], None));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for body in [
            "{}",
            "[]",
            "<html>",
            r#"{"data":[{"embedding":{}}]}"#,
            r#"{"data":[{"embedding":"AAA"}]}"#,
            r#"{"data":[{"embedding":"AAA="}]}"#,
            r#"{"data":[{"index":1,"embedding":[1]}]}"#,
            r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#,
        ] {
            assert_eq!(decode_embeddings(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
