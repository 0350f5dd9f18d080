//! Keeps keys and prompts out of what a provider says of a failure: some servers echo both.

use greenroom_wire::{ChatError, ChatRequest, Part};

use crate::Credential;

/// A prompt text is looked for in an error from this length on; shorter ones are words that any message may hold.
const SHORTEST_PROMPT: usize = 12;
/// How much of a prompt is compared at a time, so that an echo of a piece of it is found as well.
const PIECE: usize = 48;

/// Takes the credential and the prompt's texts out of `error`'s message.
pub(crate) fn scrub(mut error: ChatError, credential: &Credential, request: Option<&ChatRequest>) -> ChatError {
    clean(&mut error.message, credential, request);
    for text in [&mut error.details.code, &mut error.details.param].into_iter().flatten() {
        clean(text, credential, request);
    }
    error
}

fn clean(message: &mut String, credential: &Credential, request: Option<&ChatRequest>) {
    if let Some(secret) = credential.expose().filter(|secret| secret.len() >= 4 && message.contains(*secret)) {
        *message = message.replace(secret, "[key]");
    }
    for text in request.into_iter().flat_map(|request| &request.messages).flat_map(|message| &message.parts) {
        if let Part::Text { text } = text {
            hide(message, text);
        }
    }
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

    #[test]
    fn keys_and_prompts_do_not_stay_in_an_error() {
        let prompt = "my diary says that the treasure is under the old oak behind the mill, three feet deep";
        let request = ChatRequest { messages: vec![Message::user(prompt)], ..ChatRequest::default() };
        let key = Credential::Key("sk-very-secret-1234".into());
        let said = format!("key sk-very-secret-1234 may not send {{\"input\": \"{prompt}\"}}");
        let error = scrub(ChatError::new(ErrorKind::InvalidRequest, said), &key, Some(&request));
        assert_eq!(error.message, "key [key] may not send {\"input\": \"[…]\"}");
    }
}
