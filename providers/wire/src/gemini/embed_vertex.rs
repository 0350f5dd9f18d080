//! Embeddings as Vertex is asked for them: `predict`, and `embedContent` for one text.

use serde_json::{Map, Value, json};

use super::request::take_any;
use crate::{
    chat::{Extra, Wire},
    embed::EmbedRequest,
    error::{ChatError, ErrorKind},
    extras::Extras,
    json::{put_key, put_str, put_value},
    reader::{array, count, object, string, wrong},
};

/// What is said of each text, in the words of the Gemini API, and in those of `predict`.
const OF_TEXTS: [(&str, &str); 2] = [("taskType", "task_type"), ("title", "title")];

/// Writes the body of `POST …:predict` for these of a request's texts.
pub fn encode_predict(request: &EmbedRequest, texts: &[&str]) -> Vec<u8> {
    let extra = |key: &str| {
        let own = request.extra.iter().filter(|extra| extra.wire == Wire::Gemini);
        own.rev().find(|extra| extra.path.strip_prefix('/') == Some(key)).map(|extra| extra.json.clone())
    };
    let said: Vec<_> = OF_TEXTS.iter().filter_map(|(key, name)| Some(((*name).to_owned(), extra(key)?))).collect();
    let instances = texts.iter().map(|text| {
        let mut instance = Map::from_iter([("content".to_owned(), (*text).into())]);
        instance.extend(said.iter().cloned());
        Value::Object(instance)
    });
    let mut body = json!({"instances": instances.collect::<Value>()});
    let dimensions = request.dimensions.map(Value::from);
    for (key, value) in [("outputDimensionality", dimensions), ("autoTruncate", extra("autoTruncate"))] {
        if let Some(value) = value {
            body["parameters"][key] = value;
        }
    }
    body.to_string().into_bytes()
}

/// Writes the body of `POST …:embedContent` for one of a request's texts.
pub fn encode_embed_content(request: &EmbedRequest, text: &str) -> Vec<u8> {
    let mut out = b"{\"content\":{\"parts\":[{\"text\":".to_vec();
    put_str(&mut out, text);
    out.extend_from_slice(b"}]}");
    if let Some(dimensions) = request.dimensions {
        put_key(&mut out, "outputDimensionality");
        put_value(&mut out, &dimensions);
    }
    Extras::new(Wire::Gemini, &request.extra).put_keys(&mut out, "", &["model", "content", "outputDimensionality"]);
    out.push(b'}');
    out
}

/// Reads the body of `predict`; `model` is the one in the path.
///
/// # Errors
///
/// The body is not such a request, or asks for something else than texts to be made vectors in one way
/// (`InvalidRequest`); `details.param` names the parameter.
pub fn decode_predict(body: &[u8], model: &str) -> Result<EmbedRequest, ChatError> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(body) else {
        return Err(ChatError::new(ErrorKind::InvalidRequest, "the body must be a JSON object"));
    };
    let mut read = EmbedRequest { model: model.to_owned(), ..EmbedRequest::default() };
    let instances = array("instances", map.shift_remove("instances").unwrap_or_default())?;
    for (index, one) in instances.into_iter().enumerate() {
        let at = format!("instances[{index}]");
        let mut one = object(&at, one)?;
        let content = string(&format!("{at}.content"), one.shift_remove("content").unwrap_or_default())?;
        read.input.push(content.into());
        let said = OF_TEXTS.iter().filter_map(|(key, name)| Some(own(key, one.shift_remove(*name)?)));
        let said: Vec<Extra> = said.collect();
        if index > 0 && said != read.extra {
            return Err(wrong(&at, format!("'{at}' must differ from the first in its text alone")));
        }
        read.extra = said;
    }
    if let Some(parameters) = map.shift_remove("parameters").filter(|value| !value.is_null()) {
        let mut parameters = object("parameters", parameters)?;
        if let Some(value) = take_any(&mut parameters, "outputDimensionality") {
            let at = "parameters.outputDimensionality";
            let most = |_| wrong(at, format!("'{at}' is larger than any model's"));
            read.dimensions = Some(u32::try_from(count(at, &value)?).map_err(most)?);
        }
        read.extra.extend(take_any(&mut parameters, "autoTruncate").map(|value| own("autoTruncate", value)));
    }
    Ok(read)
}

fn own(key: &str, json: Value) -> Extra {
    Extra { wire: Wire::Gemini, path: format!("/{key}"), json }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_that_is_read_and_written_is_the_same() {
        let instance = |text: &str| json!({"content": text, "task_type": "RETRIEVAL_QUERY", "title": "t"});
        let body = json!({"instances": [instance("a"), instance("b")],
            "parameters": {"outputDimensionality": 8, "autoTruncate": false}});
        let read = decode_predict(body.to_string().as_bytes(), "m").unwrap();
        assert_eq!((read.input.len(), read.dimensions, read.model.as_str()), (2, Some(8), "m"));
        let again: Value = serde_json::from_slice(&encode_predict(&read, &read.texts().unwrap())).unwrap();
        assert_eq!(again, body);
        let plain = EmbedRequest::default();
        let again: Value = serde_json::from_slice(&encode_predict(&plain, &["a"])).unwrap();
        assert_eq!(again, json!({"instances": [{"content": "a"}]}));
    }

    #[test]
    fn one_text_is_asked_for_in_the_words_of_the_other_interface() {
        let request = EmbedRequest {
            dimensions: Some(8),
            extra: vec![own("taskType", "CLUSTERING".into())],
            ..EmbedRequest::default()
        };
        let body: Value = serde_json::from_slice(&encode_embed_content(&request, "a \"b\"")).unwrap();
        let want =
            json!({"content": {"parts": [{"text": "a \"b\""}]}, "outputDimensionality": 8, "taskType": "CLUSTERING"});
        assert_eq!(body, want);
    }

    #[test]
    fn the_wrong_parameter_is_named() {
        for (body, param) in [
            ("{}", "instances"),
            ("{\"instances\":[{\"content\":3}]}", "instances[0].content"),
            ("{\"instances\":[{\"content\":\"a\"},{\"content\":\"b\",\"title\":\"t\"}]}", "instances[1]"),
            ("{\"instances\":[],\"parameters\":{\"outputDimensionality\":-1}}", "parameters.outputDimensionality"),
        ] {
            let error = decode_predict(body.as_bytes(), "m").unwrap_err();
            assert_eq!(
                (error.kind, error.details.param.as_deref()),
                (ErrorKind::InvalidRequest, Some(param)),
                "{body}"
            );
        }
    }
}
