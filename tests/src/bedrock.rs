//! Attempts that speak Bedrock's wire (`POST …/model/MODEL/converse-stream`), as its API reference describes it: frames with
//! checksums, of which each holds an event.

use serde_json::{Value, json};

use crate::script::{Attempt, Route};

/// The content type of a stream of frames.
const FRAMES: &str = "application/vnd.amazon.eventstream";

/// The path of a model's streamed answers; what is no letter or digit is to be escaped in it.
pub fn path(model: &str) -> String {
    format!("/model/{model}/converse-stream")
}

/// The route of a model's streamed answers, with these attempts.
pub fn stream<A: Into<Attempt>>(model: &str, attempts: impl IntoIterator<Item = A>) -> Route {
    Route::new("POST", &path(model), attempts)
}

/// The routes that list these models, and no inference profile.
pub fn models<'a>(ids: impl IntoIterator<Item = &'a str>) -> [Route; 2] {
    let entry = |id: &str| {
        json!({"modelId": id, "modelName": id, "inputModalities": ["TEXT", "IMAGE"], "outputModalities": ["TEXT"],
            "inferenceTypesSupported": ["ON_DEMAND"], "modelLifecycle": {"status": "ACTIVE"}})
    };
    let list: Vec<Value> = ids.into_iter().map(entry).collect();
    let route = |path: &str, body: Value| Route::new("GET", path, [Attempt::json(200, &body).always()]);
    [
        route("/foundation-models", json!({ "modelSummaries": list })),
        route("/inference-profiles", json!({"inferenceProfileSummaries": []})),
    ]
}

/// An error answer of this type.
pub fn error(status: u16, kind: &str, message: &str) -> Attempt {
    let body = json!({ "message": message }).to_string();
    let attempt = Attempt::new().status(status).header("content-type", "application/json");
    attempt.header("x-amzn-errortype", &format!("{kind}:http://internal.amazon.com/coral/")).body(body)
}

/// An answer, to be played as a stream.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    frames: Vec<Vec<u8>>,
    cut: bool,
}

impl Answer {
    /// An answer without content, to add to.
    pub fn new() -> Self {
        Self::default().event("messageStart", json!({"role": "assistant"}))
    }

    /// An answer of this text, an event for each piece, with its end.
    pub fn text<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Self {
        let delta = |text: &str| json!({"contentBlockIndex": 0, "delta": {"text": text}, "p": "abcdef"});
        let said = pieces.into_iter().fold(Self::new(), |answer, text| answer.event("contentBlockDelta", delta(text)));
        said.event("contentBlockStop", json!({"contentBlockIndex": 0})).end("end_turn")
    }

    /// Adds an event.
    #[must_use]
    pub fn event(self, kind: &str, payload: Value) -> Self {
        self.framed(
            &[(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")],
            &payload,
        )
    }

    /// Adds an exception, which ends the stream.
    #[must_use]
    pub fn exception(self, kind: &str, message: &str) -> Self {
        let headers =
            [(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")];
        self.framed(&headers, &json!({ "message": message }))
    }

    /// Adds the model's end, and what was used.
    #[must_use]
    pub fn end(self, reason: &str) -> Self {
        let usage = json!({"inputTokens": 10, "outputTokens": 5, "totalTokens": 19, "cacheReadInputTokens": 4});
        self.event("messageStop", json!({"stopReason": reason}))
            .event("metadata", json!({"usage": usage, "metrics": {"latencyMs": 7}}))
    }

    /// Leaves out all frames after so many, and closes the connection.
    #[must_use]
    pub fn cut_after(mut self, frames: usize) -> Self {
        self.frames.truncate(frames);
        self.cut = true;
        self
    }

    fn framed(mut self, headers: &[(&str, &str)], payload: &Value) -> Self {
        self.frames.push(frame(headers, payload.to_string().as_bytes()));
        self
    }
}

impl From<Answer> for Attempt {
    fn from(answer: Answer) -> Self {
        let head = Attempt::new().status(200).header("content-type", FRAMES).header("x-amzn-requestid", "scripted");
        let sent = answer.frames.into_iter().fold(head, Attempt::send);
        if answer.cut { sent.cut() } else { sent.end() }
    }
}

/// A frame with these headers, all of them text.
///
/// # Panics
/// A header's name has more than 255 bytes, or its value more than 65,535.
pub fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    const TEXT: u8 = 7;
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).expect("names are short"));
        head.extend_from_slice(name.as_bytes());
        head.push(TEXT);
        head.extend_from_slice(&u16::try_from(value.len()).expect("values are short").to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).expect("frames are small").to_be_bytes();
    let mut frame = [length(16 + head.len() + payload.len()), length(head.len())].concat();
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame
}

/// The checksum of IEEE 802.3, a bit at a time.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
