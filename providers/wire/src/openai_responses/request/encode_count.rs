//! A request that counts a prompt's tokens: `POST /responses/input_tokens`.

use serde_json::{Map, Value};

use super::{Dialect, encode_request};
use crate::{chat::ChatRequest, encode::Encoded, json::put_value};

/// What of a request counts: all that the model is shown, and nothing of how the answer is made or kept.
const COUNTED: [&str; 11] = [
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "parallel_tool_calls",
    "truncation",
    "conversation",
    "previous_response_id",
];

/// Writes a request that counts the tokens of the prompt; see [`encode_request`].
pub fn encode_count(request: &ChatRequest, provider: &str, model: &str, dialect: &Dialect) -> Encoded {
    let encoded = encode_request(request, provider, model, dialect);
    let mut map: Map<String, Value> = serde_json::from_slice(&encoded.body).expect("what was encoded is an object");
    map.retain(|key, _| COUNTED.contains(&key.as_str()));
    let mut body = Vec::new();
    put_value(&mut body, &map);
    Encoded { body, ..encoded }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::openai_responses::decode_request;

    #[test]
    fn a_count_has_what_the_model_is_shown_and_nothing_else() {
        let body = json!({"model": "m", "stream": true, "max_output_tokens": 9, "temperature": 0.5, "store": false,
            "instructions": "be brief", "input": [{"role": "user", "content": "hi"}], "metadata": {"a": "b"},
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": false}]});
        let request = decode_request(body.to_string().as_bytes()).unwrap().request;
        let counted = encode_count(&request, "openai", "m", &Dialect::OPENAI);
        let counted: Map<String, Value> = serde_json::from_slice(&counted.body).unwrap();
        let keys: Vec<_> = counted.keys().map(String::as_str).collect();
        assert_eq!(keys, ["model", "tools", "instructions", "input"]);
        assert_eq!(counted["tools"][0]["name"], "f");
        assert!(counted["input"].to_string().contains("hi"));
    }
}
