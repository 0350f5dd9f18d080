//! Recorded requests, decoded and encoded again.

use greenroom_wire::openai_chat::{CallIdForm, Dialect, MaxTokensKey, ThinkingForm, decode_request, encode_request};
use serde_json::Value;

use crate::{load::Recording, rules::normalise};

pub(crate) fn check(recording: &Recording) -> Result<(), String> {
    let mut body = recording.request["body"].clone();
    if !body.is_object() {
        return Ok(());
    }
    // In Azure's deployment URLs the model stands in the path.
    if body["model"].is_null() {
        body["model"] = "deployment".into();
    }
    let served = match decode_request(body.to_string().as_bytes()) {
        Ok(served) => served,
        // What we refuse, the provider must have refused.
        Err(_) if matches!(recording.status, 400 | 422) => return Ok(()),
        Err(error) => return Err(format!("the request is refused: {error}")),
    };
    if served.stream != body["stream"].as_bool().unwrap_or(false) || served.choices != recording.choices() {
        return Err("stream or n is lost".into());
    }
    let encoded = encode_request(&served.request, "p", &served.request.model, &dialect(&body));
    if !encoded.left_out.is_empty() {
        return Err(format!("left out: {:?}", encoded.left_out));
    }
    let mut again: Value = serde_json::from_slice(&encoded.body).expect("an encoded request is JSON");
    normalise(&mut body);
    normalise(&mut again);
    match body == again {
        true => Ok(()),
        false => Err(format!("the request became another:\n{body}\n{again}")),
    }
}

/// The dialect that the recorded client spoke.
fn dialect(body: &Value) -> Dialect {
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let says = |key: &str| messages.iter().any(|message| message.get(key).is_some());
    let keys = ["reasoning_content", "reasoning", "reasoning_text"];
    Dialect {
        max_tokens: match body.get("max_completion_tokens") {
            Some(_) => MaxTokensKey::MaxCompletionTokens,
            None => MaxTokensKey::MaxTokens,
        },
        developer_role: true,
        thinking: if body["reasoning"].is_object() { ThinkingForm::Object } else { ThinkingForm::Effort },
        reasoning_key: keys.into_iter().find(|key| says(key)),
        reasoning_details: true,
        reasoning_opaque: true,
        refusal: true,
        cache_control: true,
        stream_options: true,
        json_object_schema: false,
        call_ids: CallIdForm::AtMost64,
    }
}
