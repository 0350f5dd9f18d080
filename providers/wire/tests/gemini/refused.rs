//! What a client misspells is told.

use greenroom_wire::{ErrorKind, gemini::decode_request};
use serde_json::{Value, json};

#[test]
fn the_wrong_parameter_is_named() {
    let with = |key: &str, value: Value| {
        let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]});
        body[key] = value;
        body
    };
    let config = |key: &str, value: Value| with("generationConfig", json!({key: value}));
    let part = |part: Value| with("contents", json!([{"role": "user", "parts": [part]}]));
    let answer = |part: Value| with("contents", json!([{"role": "model", "parts": [part]}]));
    for (body, param) in [
        (json!({}), "contents"),
        (with("contents", json!([])), "contents"),
        (with("contents", json!("x")), "contents"),
        (with("contents", json!([3])), "contents[0]"),
        (with("contents", json!([{"role": "system", "parts": []}])), "contents[0].role"),
        (with("contents", json!([{"parts": 3}])), "contents[0].parts"),
        (with("systemInstruction", json!(3)), "systemInstruction"),
        (with("systemInstruction", json!({"parts": [{"inlineData": {}}]})), "systemInstruction.parts[0].text"),
        (with("tools", json!({})), "tools"),
        (with("tools", json!([{"functionDeclarations": [{}]}])), "tools[0].functionDeclarations[0].name"),
        (
            with("tools", json!([{"functionDeclarations": [{"name": "f", "parameters": 3}]}])),
            "tools[0].functionDeclarations[0].parameters",
        ),
        (with("toolConfig", json!([])), "toolConfig"),
        (with("toolConfig", json!({"functionCallingConfig": {"mode": 3}})), "toolConfig.functionCallingConfig.mode"),
        (with("generationConfig", json!([])), "generationConfig"),
        (config("temperature", json!("hot")), "generationConfig.temperature"),
        (config("maxOutputTokens", json!(-1)), "generationConfig.maxOutputTokens"),
        (config("stopSequences", json!([1])), "generationConfig.stopSequences[0]"),
        (config("responseMimeType", json!(1)), "generationConfig.responseMimeType"),
        (config("thinkingConfig", json!({"thinkingBudget": -2})), "generationConfig.thinkingConfig.thinkingBudget"),
        (config("thinkingConfig", json!({"thinkingLevel": 2})), "generationConfig.thinkingConfig.thinkingLevel"),
        (part(json!({"text": 3})), "contents[0].parts[0].text"),
        (part(json!({"inlineData": {"mimeType": "image/png"}})), "contents[0].parts[0].inlineData.data"),
        (part(json!({"inlineData": {"data": "A"}})), "contents[0].parts[0].inlineData.mimeType"),
        (part(json!({"fileData": {}})), "contents[0].parts[0].fileData.fileUri"),
        (part(json!({"functionResponse": {"response": "x"}})), "contents[0].parts[0].functionResponse.response"),
        (answer(json!({"functionCall": {}})), "contents[0].parts[0].functionCall.name"),
        (answer(json!({"functionCall": {"name": "f", "args": []}})), "contents[0].parts[0].functionCall.args"),
        (answer(json!({"text": "x", "thoughtSignature": 3})), "contents[0].parts[0].thoughtSignature"),
    ] {
        let error = decode_request(body.to_string().as_bytes(), "m").unwrap_err();
        assert_eq!((error.kind, error.details.param.as_deref()), (ErrorKind::InvalidRequest, Some(param)), "{body}");
    }
    for body in ["", "[]", "{\"contents\":"] {
        assert_eq!(decode_request(body.as_bytes(), "m").unwrap_err().kind, ErrorKind::InvalidRequest, "{body}");
    }
}
