//! OpenAI's Responses API, where a server of OpenAI's is to be spoken to in it.

use greenroom_wire::{
    ChatError,
    openai_responses::{Dialect, OpenaiResponsesDecoder, decode_answer, decode_error, encode_request},
};
use reqwest::RequestBuilder;
use url::Url;

use crate::{
    ChatCall, ModelInfo, Sink,
    drive::{self, Language},
    endpoint::Endpoint,
};

/// Asks for one answer, by a request that has its address and its credential.
///
/// # Errors
/// Why the attempt failed; what had come before it is in `sink`.
pub(crate) async fn chat(
    endpoint: &Endpoint,
    request: RequestBuilder,
    dialect: &Dialect,
    call: ChatCall<'_>,
    sink: &mut dyn Sink,
) -> Result<(), ChatError> {
    let encoded = encode_request(call.request, call.provider, call.model, dialect);
    for left_out in &encoded.left_out {
        tracing::debug!(provider = call.provider, at = left_out.at, "left out of a request: {}", left_out.what);
    }
    let request = request.header("content-type", "application/json").header("accept", "text/event-stream");
    let names = encoded.names;
    let language = Language {
        decoder: &mut OpenaiResponsesDecoder::new(names.clone()),
        whole: &|body| decode_answer(body, &names),
        error: &decode_error,
    };
    let outcome = drive::chat(request.body(encoded.body), language, call.deadlines, sink).await;
    outcome.map_err(|error| endpoint.scrub(error, call.credential, Some(call.request)))
}

/// What a server takes, guessed from its address, and what the model takes, by what is known of it and by its id.
pub(crate) fn dialect(base: &Url, model: &str, info: &ModelInfo) -> Dialect {
    let host = base.host_str().unwrap_or_default();
    let dialect = match host {
        "chatgpt.com" => Dialect::CODEX,
        "api.openai.com" => Dialect::OPENAI,
        host if host.ends_with(".azure.com") || host.ends_with(".githubcopilot.com") => Dialect::OPENAI,
        _ => Dialect::COMPATIBLE,
    };
    of_model(dialect, model, info)
}

/// What is left of what a server takes once the model is known.
pub(crate) fn of_model(dialect: Dialect, model: &str, info: &ModelInfo) -> Dialect {
    let by_id = dialect.of_model(model);
    Dialect { encrypted_reasoning: by_id.encrypted_reasoning && info.reasoning.unwrap_or(true), ..by_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_model_say_what_is_taken() {
        let of = |base: &str, model: &str, reasoning| {
            let info = ModelInfo { reasoning, ..ModelInfo::named(model) };
            dialect(&base.parse().expect("it is an address"), model, &info)
        };
        assert_eq!(of("https://api.openai.com/v1", "gpt-5", None), Dialect::OPENAI);
        assert_eq!(of("https://x.openai.azure.com/openai/v1", "mine", Some(true)), Dialect::OPENAI);
        assert_eq!(of("https://chatgpt.com/backend-api/codex", "gpt-5.4", None), Dialect::CODEX);
        assert_eq!(of("https://openrouter.ai/api/v1", "google/gemini-3", None), Dialect::COMPATIBLE);
        assert!(!of("https://api.openai.com/v1", "gpt-4o", None).encrypted_reasoning);
        assert!(!of("http://127.0.0.1:8080/v1", "m", Some(false)).encrypted_reasoning);
    }
}
