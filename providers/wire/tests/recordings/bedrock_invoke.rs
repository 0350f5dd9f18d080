//! Answers of Bedrock's InvokeModel, in which a model speaks the wire of its maker: taken out of Bedrock's frames, they are
//! read by the decoder of that wire. This project itself asks every model through Converse; what the recordings show is that
//! the wires read what these makers say, wherever it is served.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{anthropic, check, load::Recording};

/// The wire of its model and whether it is explained; `None` if no wire of this project is that model's own.
pub(crate) fn explain(recording: &Recording) -> Option<(&'static str, Result<(), String>)> {
    if recording.status >= 400 {
        return None;
    }
    let own = |end: &str| Recording { body: own_stream(&recording.body, end), chunks: None, ..recording.clone() };
    match recording.path() {
        path if path.contains("anthropic.") => Some(("anthropic", anthropic::answer(&own("")))),
        path if path.contains("openai.") => Some(("openai-chat", check::check(&own("data: [DONE]\n\n")))),
        _ => None,
    }
}

/// The stream as the maker itself sends it; what is no frames stays as it is.
fn own_stream(body: &[u8], end: &str) -> Vec<u8> {
    if body.starts_with(b"{") {
        return body.to_vec();
    }
    let mut text = String::new();
    let mut rest = body;
    while let [a, b, c, d, e, f, g, h, ..] = *rest {
        let (length, headers) = (u32::from_be_bytes([a, b, c, d]) as usize, u32::from_be_bytes([e, f, g, h]) as usize);
        // Twelve bytes stand before the headers, four after the payload.
        let payload: Value = serde_json::from_slice(&rest[12 + headers..length - 4]).expect("a payload is JSON");
        let said = STANDARD.decode(payload["bytes"].as_str().expect("a chunk has bytes")).expect("they are base64");
        let said = String::from_utf8(said).expect("what is said is text");
        if let Some(kind) = serde_json::from_str::<Value>(&said).expect("and JSON")["type"].as_str() {
            text += &format!("event: {kind}\n");
        }
        text += &format!("data: {said}\n\n");
        rest = &rest[length..];
    }
    (text + end).into_bytes()
}
