//! Embeddings by `InvokeModel`, whose bodies are each model's own.

use serde_json::{Map, Value, json};

use crate::{
    chat::Wire,
    embed::{EmbedRequest, Embeddings},
    error::{ChatError, ErrorKind},
    json::put_value,
};

/// Which body a model of embeddings takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbedForm {
    /// Amazon Titan's first: one text, and no wishes.
    FirstTitan,
    /// Amazon Titan since the second: one text.
    Titan,
    /// Cohere's: many texts.
    Cohere,
    /// Amazon Nova's: one text.
    Nova,
}

impl EmbedForm {
    /// The form of a model, by its id; `None` if none is known.
    pub fn of_model(id: &str) -> Option<Self> {
        if !id.contains("embed") {
            return None;
        }
        if id.contains("cohere.") {
            Some(Self::Cohere)
        } else if id.contains("titan") {
            let first = id.contains("titan-embed-text-v1") || id.contains("titan-embed-g1-text");
            Some(if first { Self::FirstTitan } else { Self::Titan })
        } else if id.contains("nova") {
            Some(Self::Nova)
        } else {
            None
        }
    }

    /// How many texts one request may have.
    pub fn most_texts(self) -> usize {
        match self {
            Self::Cohere => 96,
            Self::FirstTitan | Self::Titan | Self::Nova => 1,
        }
    }
}

/// Writes the body for some texts, at most as many as the form takes in one.
pub fn encode_embed_request(form: EmbedForm, texts: &[&str], request: &EmbedRequest) -> Vec<u8> {
    let text = texts.first().copied().unwrap_or_default();
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
    match form {
        EmbedForm::FirstTitan => {
            put("inputText", text.into());
        }
        EmbedForm::Titan => {
            put("inputText", text.into());
            request.dimensions.map(|dimensions| put("dimensions", dimensions.into()));
        }
        EmbedForm::Cohere => {
            put("texts", texts.into());
            put("input_type", "search_document".into());
            request.dimensions.map(|dimensions| put("output_dimension", dimensions.into()));
        }
        EmbedForm::Nova => {
            let mut params = json!({"embeddingPurpose": "GENERIC_INDEX"});
            if let Some(dimensions) = request.dimensions {
                params["embeddingDimension"] = dimensions.into();
            }
            params["text"] = json!({"truncationMode": "END", "value": text});
            put("taskType", "SINGLE_EMBEDDING".into());
            put("singleEmbeddingParams", params);
        }
    }
    for extra in request.extra.iter().filter(|extra| extra.wire == Wire::Bedrock) {
        // Only fields of the body itself; what they replace keeps its place.
        if let Some(key) = extra.path.strip_prefix('/').filter(|key| !key.contains('/')) {
            body.insert(key.replace("~1", "/").replace("~0", "~"), extra.json.clone());
        }
    }
    let mut out = Vec::with_capacity(256);
    put_value(&mut out, &body);
    out
}

/// Reads vectors in any of the forms. How many tokens the texts had is told by Titan only; of others a header tells.
///
/// # Errors
/// The body holds no vectors (`Protocol`).
pub fn decode_embeddings(body: &[u8]) -> Result<Embeddings, ChatError> {
    let wrong = || ChatError::new(ErrorKind::Protocol, "the provider answered with no embeddings");
    let json: Value = serde_json::from_slice(body).map_err(|_| wrong())?;
    let list = match (json.get("embedding"), json.get("embeddings")) {
        (Some(one), _) => vec![one],
        (None, Some(Value::Array(list))) => list.iter().map(|one| one.get("embedding").unwrap_or(one)).collect(),
        (None, Some(by_type)) => {
            by_type.get("float").and_then(Value::as_array).ok_or_else(wrong)?.iter().collect::<Vec<_>>()
        }
        (None, None) => match json.pointer("/embeddingsByType/float") {
            Some(one) => vec![one],
            None => return Err(wrong()),
        },
    };
    let number = |value: &Value| value.as_f64().map(|number| number as f32);
    let vector = |one: &Value| -> Option<Vec<f32>> { one.as_array()?.iter().map(number).collect() };
    let vectors = list.into_iter().map(vector).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
    let tokens = json.get("inputTextTokenCount").and_then(Value::as_u64);
    Ok(Embeddings { model: String::new(), vectors, tokens })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Extra;

    #[test]
    fn each_model_has_its_body() {
        let form = |id| EmbedForm::of_model(id);
        assert_eq!(form("amazon.titan-embed-text-v2:0"), Some(EmbedForm::Titan));
        assert_eq!(form("amazon.titan-embed-text-v1"), Some(EmbedForm::FirstTitan));
        assert_eq!(form("us.cohere.embed-v4:0"), Some(EmbedForm::Cohere));
        assert_eq!(form("amazon.nova-2-multimodal-embeddings-v1:0"), Some(EmbedForm::Nova));
        assert_eq!((form("amazon.nova-lite-v1:0"), form("acme.embed-1")), (None, None));
        let extra = Extra { wire: Wire::Bedrock, path: "/input_type".into(), json: "search_query".into() };
        let foreign = Extra { wire: Wire::OpenaiChat, path: "/user".into(), json: "u".into() };
        let request = EmbedRequest { dimensions: Some(256), extra: vec![extra, foreign], ..EmbedRequest::default() };
        let plain = EmbedRequest { extra: Vec::new(), ..request.clone() };
        let body =
            |form, request: &EmbedRequest| String::from_utf8(encode_embed_request(form, &["a", "b"], request)).unwrap();
        assert_eq!(body(EmbedForm::Titan, &plain), r#"{"inputText":"a","dimensions":256}"#);
        assert_eq!(body(EmbedForm::FirstTitan, &plain), r#"{"inputText":"a"}"#);
        let cohere = r#"{"texts":["a","b"],"input_type":"search_query","output_dimension":256}"#;
        assert_eq!(body(EmbedForm::Cohere, &request), cohere);
        let nova = r#"{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"GENERIC_INDEX","embeddingDimension":256,"text":{"truncationMode":"END","value":"a"}}}"#;
        assert_eq!(body(EmbedForm::Nova, &plain), nova);
    }

    #[test]
    fn vectors_are_read_in_every_form() {
        let of = |body: &str| decode_embeddings(body.as_bytes()).map(|made| (made.vectors, made.tokens));
        let one = vec![vec![0.5, -1.0]];
        assert_eq!(of(r#"{"embedding":[0.5,-1],"inputTextTokenCount":3}"#).unwrap(), (one.clone(), Some(3)));
        assert_eq!(of(r#"{"embeddingsByType":{"float":[0.5,-1]}}"#).unwrap(), (one.clone(), None));
        assert_eq!(of(r#"{"embeddings":[{"embeddingType":"TEXT","embedding":[0.5,-1]}]}"#).unwrap().0, one);
        assert_eq!(of(r#"{"embeddings":[[0.5,-1],[1]]}"#).unwrap().0, [vec![0.5, -1.0], vec![1.0]]);
        assert_eq!(of(r#"{"embeddings":{"float":[[0.5,-1]]}}"#).unwrap().0, one);
        for body in ["", "{}", r#"{"embedding":"x"}"#, r#"{"embeddings":{"int8":[[1]]}}"#, r#"{"embeddings":[["a"]]}"#]
        {
            assert_eq!(of(body).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
