//! Keeps keys and prompts out of what a provider says of a failure: some servers echo both.

use greenroom_wire::{ChatError, ChatRequest, EmbedInput, EmbedRequest, Part};

use crate::Credential;

/// A key is looked for in an error from this length on, in bytes.
const SHORTEST_KEY: usize = 4;
/// The same of the value of a header, which may as well be a name that says what is wrong.
const SHORTEST_HEADER: usize = 12;
/// A prompt text is looked for in an error from this length on; shorter ones are words that any message may hold.
const SHORTEST_PROMPT: usize = 12;
/// How much of a prompt is compared at a time, so that an echo of a piece of it is found as well.
const PIECE: usize = 48;

/// Takes the credential, the values of the user's own headers and the prompt's texts out of `error`'s message.
pub(crate) fn scrub(
    mut error: ChatError,
    credential: &Credential,
    headers: &[&str],
    request: Option<&ChatRequest>,
) -> ChatError {
    clean(&mut error.message, credential, headers, request);
    for text in [&mut error.details.code, &mut error.details.param].into_iter().flatten() {
        clean(text, credential, headers, request);
    }
    error
}

fn clean(message: &mut String, credential: &Credential, headers: &[&str], request: Option<&ChatRequest>) {
    let keys = credential.expose().filter(|secret| secret.len() >= SHORTEST_KEY).map(|secret| (secret, "[key]"));
    let headers =
        headers.iter().copied().filter(|value| value.len() >= SHORTEST_HEADER).map(|value| (value, "[header]"));
    for (secret, shown) in keys.into_iter().chain(headers) {
        if message.contains(secret) {
            *message = message.replace(secret, shown);
        }
    }
    for text in request.into_iter().flat_map(|request| &request.messages).flat_map(|message| &message.parts) {
        if let Part::Text { text } = text {
            hide(message, text);
        }
    }
}

/// Keeps what was to be embedded out of an error.
pub(crate) fn hide_input(mut error: ChatError, request: &EmbedRequest) -> ChatError {
    for text in request.input.iter().filter_map(EmbedInput::text).filter(|text| text.len() >= SHORTEST_PROMPT) {
        error.message = error.message.replace(text, "[…]");
    }
    error
}

/// Replaces what `message` quotes of `prompt`.
fn hide(message: &mut String, prompt: &str) {
    let mut rest = prompt;
    while rest.len() >= SHORTEST_PROMPT {
        let piece = &rest[..rest.floor_char_boundary(PIECE.min(rest.len()))];
        if message.contains(piece) {
            *message = message.replace(piece, "[…]");
        }
        rest = &rest[piece.len()..];
    }
    while message.contains("[…][…]") {
        *message = message.replace("[…][…]", "[…]");
    }
}

#[cfg(test)]
mod tests {
    use greenroom_wire::{ErrorKind, Message};

    use super::*;
    use crate::AccessToken;

    #[test]
    fn keys_and_prompts_do_not_stay_in_an_error() {
        let prompt = "my diary says that the treasure is under the old oak behind the mill, three feet deep";
        let request = ChatRequest { messages: vec![Message::user(prompt)], ..ChatRequest::default() };
        let key = Credential::Key("sk-very-secret-1234".into());
        let said =
            format!("key sk-very-secret-1234 of token-in-a-header may not send {{\"input\": \"{prompt}\"}} as title");
        let headers = ["token-in-a-header", "title"];
        let error = scrub(ChatError::new(ErrorKind::InvalidRequest, said), &key, &headers, Some(&request));
        assert_eq!(error.message, "key [key] of [header] may not send {\"input\": \"[…]\"} as title");
    }

    #[test]
    fn tokens_do_not_stay_in_an_error_either() {
        let token = AccessToken { token: "gho_very-secret-1234".into(), account: None, base: None };
        let mut error = ChatError::new(ErrorKind::Auth, "gho_very-secret-1234 is over");
        error.details.code = Some("bad gho_very-secret-1234".into());
        let error = scrub(error, &Credential::Token(token), &[], None);
        assert_eq!((error.message.as_str(), error.details.code.as_deref()), ("[key] is over", Some("bad [key]")));
    }
}
