//! OpenAI's Responses API, where a server of OpenAI's is to be spoken to in it.

use greenroom_wire::{
    ChatError,
    chat::{Extra, Wire},
    openai_responses::{
        Dialect, OpenaiResponsesDecoder, decode_answer, decode_count, decode_error, encode_count, encode_request,
    },
};
use reqwest::{Method, RequestBuilder, header::HeaderValue};
use url::Url;

use crate::{
    ChatCall, ModelInfo, Sink,
    drive::Language,
    endpoint::Endpoint,
    exchange::{self, log_left_out, streamed},
    openai_chat::Asked,
    provider::unsupported,
};

/// Asks for one answer; see [`Provider::chat`](crate::Provider::chat).
///
/// # Errors
/// Why the attempt failed; what had come before it is in `sink`.
pub(crate) async fn chat(asked: Asked<'_>, call: ChatCall<'_>, sink: &mut dyn Sink) -> Result<(), ChatError> {
    let dialect = dialect(asked.endpoint.base(call.credential), call.model, call.info);
    send(asked, asked.request(call.credential)?, &dialect, call, sink).await
}

/// The same by a request that has its address, its credential and its headers.
///
/// # Errors
/// As [`chat`].
pub(crate) async fn send(
    asked: Asked<'_>,
    request: RequestBuilder,
    dialect: &Dialect,
    call: ChatCall<'_>,
    sink: &mut dyn Sink,
) -> Result<(), ChatError> {
    let encoded = encode_request(call.request, call.provider, call.model, dialect);
    log_left_out(call.provider, &encoded.left_out);
    let encoded = encoded.with_fields(asked.fields, Wire::OpenaiResponses, call.request);
    let request = streamed(request);
    let request = match is_chatgpt(asked.endpoint.base(call.credential)) {
        true => for_chatgpt(request, &call),
        false => request,
    };
    let names = encoded.names;
    let language = Language {
        decoder: &mut OpenaiResponsesDecoder::new(names.clone()),
        whole: &|body| decode_answer(body, &names),
        error: &asked.error.unwrap_or(decode_error),
    };
    exchange::chat(asked.endpoint, request.body(encoded.body), language, call, sink).await
}

/// How many tokens a prompt has; see [`Provider::count_tokens`](crate::Provider::count_tokens).
///
/// # Errors
/// Why they can't be counted: a server that has no such address counts none.
pub(crate) async fn count(kind: &str, endpoint: &Endpoint, call: ChatCall<'_>) -> Result<u64, ChatError> {
    let dialect = dialect(endpoint.base(call.credential), call.model, call.info);
    let encoded = encode_count(call.request, call.provider, call.model, &dialect);
    let request = endpoint.bearer(Method::POST, "responses/input_tokens", call.credential)?;
    match exchange::count(endpoint, request, encoded.body, call, &decode_error).await {
        Ok(body) => decode_count(&body),
        Err(error) if matches!(error.details.status, Some(404 | 405 | 501)) && error.details.code.is_none() => {
            Err(unsupported(kind, "count tokens"))
        }
        Err(error) => Err(error),
    }
}

/// Whether that is where a ChatGPT subscription is asked, which knows this API alone and wants to be told whose it is.
pub(crate) fn is_chatgpt(base: &Url) -> bool {
    base.host_str() == Some("chatgpt.com")
}

/// With the headers that ChatGPT's backend wants; a conversation is told by the key of its prompt cache, if it has one.
fn for_chatgpt(request: RequestBuilder, call: &ChatCall<'_>) -> RequestBuilder {
    let mut request = request.header("openai-beta", "responses=experimental").header("originator", "greenroom");
    if let Some(account) = call.credential.account() {
        request = request.header("chatgpt-account-id", account);
    }
    let own = |extra: &&Extra| extra.wire == Wire::OpenaiResponses && extra.path == "/prompt_cache_key";
    match call.request.extra.iter().find(own).and_then(|extra| extra.json.as_str()) {
        Some(key) if HeaderValue::from_str(key).is_ok() => request.header("session_id", key),
        _ => request,
    }
}

/// What a server takes, guessed from its address, and what the model takes, by what is known of it and by its id.
pub(crate) fn dialect(base: &Url, model: &str, info: &ModelInfo) -> Dialect {
    let host = base.host_str().unwrap_or_default();
    let dialect = match host {
        _ if is_chatgpt(base) => Dialect::CODEX,
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
    use std::time::Duration;

    use greenroom_wire::ChatRequest;

    use super::*;
    use crate::{AccessToken, Credential, Deadlines};

    #[test]
    fn chatgpt_is_told_whose_the_subscription_is() {
        let base: Url = crate::openai::CHATGPT_BASE.parse().expect("it is an address");
        assert!(is_chatgpt(&base));
        let token = AccessToken { token: "t".into(), account: Some("acct-1".into()), base: Some(base.clone()) };
        let credential = Credential::Token(token);
        let key = Extra { wire: Wire::OpenaiResponses, path: "/prompt_cache_key".into(), json: "talk-1".into() };
        let request = ChatRequest { extra: vec![key], ..ChatRequest::default() };
        let second = Duration::from_secs(1);
        let call = ChatCall {
            request: &request,
            model: "gpt-5.4",
            info: &ModelInfo::named("gpt-5.4"),
            provider: "openai",
            credential: &credential,
            deadlines: &Deadlines { first_content: second, idle: second, silent: second, finish: second },
        };
        let made = for_chatgpt(reqwest::Client::new().post(base), &call).build().expect("it can be made");
        for (name, value) in [
            ("chatgpt-account-id", "acct-1"),
            ("openai-beta", "responses=experimental"),
            ("originator", "greenroom"),
            ("session_id", "talk-1"),
        ] {
            assert_eq!(made.headers()[name], value);
        }
    }

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
