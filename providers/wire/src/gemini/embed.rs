//! Embeddings: `batchEmbedContents`, and the answers of `embedContent` and of Vertex's `predict`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{request::take_any, stream::number};
use crate::{
    chat::Wire,
    embed::{EmbedRequest, Embeddings},
    error::{ChatError, ErrorKind},
    error_response::not_json,
    extras::Extras,
    json::{put_comma, put_key, put_str, put_value},
    reader::{array, count, object, rest, string, wrong},
};

/// Writes the body of `POST …:batchEmbedContents`; `model` is the provider's own id of it. What only extras say
/// (`taskType`, `title`) is said of each text.
///
/// # Errors
///
/// As [`EmbedRequest::texts`].
pub fn encode_embed_request(request: &EmbedRequest, model: &str) -> Result<Vec<u8>, ChatError> {
    let mut out = b"{\"requests\":[".to_vec();
    for text in request.texts()? {
        put_comma(&mut out);
        out.extend_from_slice(b"{\"model\":");
        put_str(&mut out, &super::request::resource(model));
        out.extend_from_slice(b",\"content\":{\"parts\":[{\"text\":");
        put_str(&mut out, text);
        out.extend_from_slice(b"}]}");
        if let Some(dimensions) = request.dimensions {
            put_key(&mut out, "outputDimensionality");
            put_value(&mut out, &dimensions);
        }
        let written = ["model", "content", "outputDimensionality"];
        Extras::new(Wire::Gemini, &request.extra).put_keys(&mut out, "", &written);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

/// Reads the body of `batchEmbedContents`, or of `embedContent` with one text; `model` is the one in the path.
///
/// # Errors
///
/// The body is not such a request, or asks for something else than texts to be made vectors in one way
/// (`InvalidRequest`); `details.param` names the parameter.
pub fn decode_embed_request(body: &[u8], model: &str) -> Result<EmbedRequest, ChatError> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(body) else {
        return Err(ChatError::new(ErrorKind::InvalidRequest, "the body must be a JSON object"));
    };
    let requests = match map.shift_remove("requests") {
        Some(list) => array("requests", list)?,
        None => vec![Value::Object(std::mem::take(&mut map))],
    };
    let mut read = EmbedRequest { model: model.to_owned(), ..EmbedRequest::default() };
    for (index, one) in requests.into_iter().enumerate() {
        let at = format!("requests[{index}]");
        let mut one = object(&at, one)?;
        one.shift_remove("model");
        read.input.push(read_text(&format!("{at}.content"), &mut one)?.into());
        let dimensions = match take_any(&mut one, "outputDimensionality") {
            None => None,
            Some(value) => {
                let at = format!("{at}.outputDimensionality");
                let most = |_| wrong(&at, format!("'{at}' is larger than any model's"));
                Some(u32::try_from(count(&at, &value)?).map_err(most)?)
            }
        };
        let mut extra = Vec::new();
        rest(Wire::Gemini, &mut extra, "", one);
        if index == 0 {
            (read.dimensions, read.extra) = (dimensions, extra);
        } else if (read.dimensions, &read.extra) != (dimensions, &extra) {
            return Err(wrong(&at, format!("'{at}' must differ from the first in its text alone")));
        }
    }
    Ok(read)
}

fn read_text(at: &str, one: &mut Map<String, Value>) -> Result<String, ChatError> {
    let mut content = object(at, one.shift_remove("content").unwrap_or_default())?;
    let at = format!("{at}.parts");
    let parts = array(&at, content.shift_remove("parts").unwrap_or_default())?;
    let mut text = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        let mut part = object(&at, part)?;
        text += &string(&format!("{at}.text"), part.shift_remove("text").unwrap_or_default())?;
    }
    Ok(text)
}

#[derive(Deserialize)]
struct Values {
    values: Vec<f32>,
    statistics: Option<Statistics>,
}

#[derive(Deserialize)]
struct Statistics {
    token_count: Option<f64>,
}

#[derive(Deserialize)]
struct Prediction {
    embeddings: Values,
}

#[derive(Deserialize)]
struct Answer {
    embeddings: Option<Vec<Values>>,
    embedding: Option<Values>,
    predictions: Option<Vec<Prediction>>,
    #[serde(rename = "usageMetadata")]
    usage: Option<Map<String, Value>>,
}

/// Reads the answer of any of the addresses.
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
    let predicted = |list: Vec<Prediction>| list.into_iter().map(|one| one.embeddings).collect();
    let list = answer.embeddings.or_else(|| answer.embedding.map(|one| vec![one]));
    let list: Vec<Values> = list.or_else(|| answer.predictions.map(predicted)).ok_or_else(wrong)?;
    let each = list.iter().filter_map(|one| one.statistics.as_ref()?.token_count);
    let each: Vec<u64> = each.map(|tokens| tokens as u64).collect();
    let of_all = answer.usage.and_then(|usage| number(usage.get("promptTokenCount")?));
    let tokens =
        of_all.or_else(|| (!each.is_empty()).then(|| each.iter().fold(0u64, |sum, one| sum.saturating_add(*one))));
    Ok(Embeddings { model: String::new(), vectors: list.into_iter().map(|one| one.values).collect(), tokens })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::Extra;

    #[test]
    fn a_request_that_is_read_and_written_is_the_same() {
        let one = |text: &str| {
            json!({"model": "models/m", "content": {"parts": [{"text": text}]}, "outputDimensionality": 8,
                "taskType": "RETRIEVAL_QUERY"})
        };
        let body = json!({"requests": [one("a"), one("b")]});
        let request = decode_embed_request(body.to_string().as_bytes(), "m").unwrap();
        assert_eq!((request.input.len(), request.dimensions, request.extra.len()), (2, Some(8), 1));
        let again: Value = serde_json::from_slice(&encode_embed_request(&request, "m").unwrap()).unwrap();
        assert_eq!(again, body);
        let foreign = Extra { wire: Wire::OpenaiChat, path: "/user".into(), json: json!("u") };
        let other = EmbedRequest { extra: vec![foreign], input: vec!["a".into()], dimensions: None, ..request };
        let again: Value = serde_json::from_slice(&encode_embed_request(&other, "models/m").unwrap()).unwrap();
        assert_eq!(again, json!({"requests": [{"model": "models/m", "content": {"parts": [{"text": "a"}]}}]}));
        let single = decode_embed_request(br#"{"content":{"parts":[{"text":"a"},{"text":"b"}]}}"#, "m").unwrap();
        assert_eq!(single.input, ["ab".into()]);
    }

    #[test]
    fn the_wrong_parameter_is_named() {
        for (body, param) in [
            ("{}", "requests[0].content"),
            ("{\"requests\":3}", "requests"),
            ("{\"requests\":[{\"content\":{}}]}", "requests[0].content.parts"),
            ("{\"requests\":[{\"content\":{\"parts\":[{\"inlineData\":{}}]}}]}", "requests[0].content.parts[0].text"),
            (
                "{\"requests\":[{\"content\":{\"parts\":[]}},{\"content\":{\"parts\":[]},\"taskType\":\"X\"}]}",
                "requests[1]",
            ),
        ] {
            let error = decode_embed_request(body.as_bytes(), "m").unwrap_err();
            assert_eq!(
                (error.kind, error.details.param.as_deref()),
                (ErrorKind::InvalidRequest, Some(param)),
                "{body}"
            );
        }
    }

    #[test]
    fn all_answers_are_read() {
        let read = |body: &str| decode_embeddings(body.as_bytes());
        let batch = read(r#"{"embeddings":[{"values":[0.5,1]},{"values":[2,3]}]}"#).unwrap();
        assert_eq!((batch.vectors, batch.tokens), (vec![vec![0.5, 1.0], vec![2.0, 3.0]], None));
        let one = read(r#"{"embedding":{"values":[0.5]},"usageMetadata":{"promptTokenCount":9}}"#).unwrap();
        assert_eq!((one.vectors, one.tokens), (vec![vec![0.5]], Some(9)));
        let predicted = r#"{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":4,"truncated":false}}},
            {"embeddings":{"values":[2],"statistics":{"token_count":3.0}}}]}"#;
        let predicted = read(predicted).unwrap();
        assert_eq!((predicted.vectors, predicted.tokens), (vec![vec![1.0], vec![2.0]], Some(7)));
        for body in ["{}", "[]", "<html>", "{\"embeddings\":[3]}"] {
            assert_eq!(read(body).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
