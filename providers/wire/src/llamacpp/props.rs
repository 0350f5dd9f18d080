//! `GET /props`: what a server was started with.

use serde_json::Value;

use crate::{
    error::{ChatError, ErrorKind},
    error_response::not_json,
};

/// What is told of the model that is loaded. `None` is what it does not say, as older servers don't.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Props {
    /// The window of one slot, in tokens.
    pub context: Option<u64>,
    /// Whether it is shown images.
    pub images: Option<bool>,
    /// Whether it is given sound.
    pub audio: Option<bool>,
    /// Whether it is shown videos.
    pub video: Option<bool>,
    /// Whether its template has a place for tools.
    pub tools: Option<bool>,
}

/// Reads the body of `GET /props`.
///
/// # Errors
///
/// It is no such object (`Protocol`).
pub fn decode_props(body: &[u8]) -> Result<Props, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|_| not_json(body.trim_ascii(), 200))?;
    if !json.is_object() {
        return Err(ChatError::new(ErrorKind::Protocol, "the server answered with no properties"));
    }
    let says = |path: &str| json.pointer(path).and_then(Value::as_bool);
    Ok(Props {
        context: json.pointer("/default_generation_settings/n_ctx").and_then(Value::as_u64).filter(|n| *n > 0),
        images: says("/modalities/vision"),
        audio: says("/modalities/audio"),
        video: says("/modalities/video"),
        tools: says("/chat_template_caps/supports_tools").or_else(|| says("/chat_template_caps/supports_tool_calls")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_tells_its_window_and_what_it_takes() {
        let body = br#"{"default_generation_settings": {"n_ctx": 4096}, "modalities": {"vision": true, "audio": false},
            "chat_template_caps": {"supports_tools": true}, "total_slots": 4}"#;
        let props = decode_props(body).unwrap();
        let want =
            Props { context: Some(4096), images: Some(true), audio: Some(false), video: None, tools: Some(true) };
        assert_eq!(props, want);
    }

    #[test]
    fn what_an_older_server_does_not_say_is_not_known() {
        let body = br#"{"default_generation_settings": {"n_ctx": "many"}, "modalities": 3, "chat_template": "x"}"#;
        assert_eq!(decode_props(body).unwrap(), Props::default());
        for body in ["<html>", "[]", "3", ""] {
            assert_eq!(decode_props(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
