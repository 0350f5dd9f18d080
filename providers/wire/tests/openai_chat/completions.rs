//! Texts in place of chats: what is asked, and what a client reads.

use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind, Usage,
    chat::{Extra, Part, Role, Wire},
    event::FinishReason,
    openai_chat::{CompletionWriter, ServedCompletion, decode_completion, whole_completion},
};
use serde_json::{Value, json};

fn read(body: &Value) -> Result<ServedCompletion, ChatError> {
    decode_completion(body.to_string().as_bytes())
}

fn with(fields: Value) -> Value {
    let mut body = json!({"model": "m", "prompt": "Once"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[test]
fn each_text_is_asked_for_as_one_message() {
    let body = json!({"model": "m", "prompt": ["Once", "Twice"], "n": 2, "max_tokens": 7, "temperature": 0.5, "stop": "\n",
        "seed": 3, "user": "u", "logit_bias": {"50256": -100}, "best_of": 2, "suffix": "", "logprobs": null});
    let served = read(&body).unwrap();
    assert_eq!((served.texts(), served.model()), (4, "m"));
    let prompts: Vec<_> = (0..4).map(|text| served.prompt(text).unwrap()).collect();
    assert_eq!(prompts, ["Once", "Once", "Twice", "Twice"]);
    assert!(served.prompt(4).is_none() && served.request(4).is_none());
    let request = served.request(2).unwrap();
    let [message] = &request.messages[..] else { panic!("{:?}", request.messages) };
    assert_eq!((message.role, &message.parts[..]), (Role::User, &[Part::text("Twice")][..]));
    assert_eq!(
        (request.max_tokens, request.temperature, &request.stop[..]),
        (Some(7), Some(0.5), &["\n".to_owned()][..])
    );
    let extras: Vec<_> = request.extra.iter().map(|extra| (extra.wire, extra.path.as_str())).collect();
    let want = ["/seed", "/user", "/logit_bias"].map(|path| (Wire::OpenaiChat, path));
    assert_eq!(extras, want, "what a provider of this wire may know goes on, and nothing of the texts does");
}

#[test]
fn what_a_chat_can_not_give_is_refused_by_name() {
    let cases = [
        (json!({"prompt": null}), "prompt", "missing"),
        (json!({"prompt": 3}), "prompt", "array"),
        (json!({"prompt": ""}), "prompt", "empty"),
        (json!({"prompt": []}), "prompt", "empty"),
        (json!({"prompt": [1, 2]}), "prompt", "tokens"),
        (json!({"prompt": [[1, 2], [3]]}), "prompt", "tokens"),
        (json!({"prompt": ["a", " "]}), "prompt[1]", "empty"),
        (json!({"prompt": ["a", null]}), "prompt[1]", "string"),
        (json!({"n": 0}), "n", "at least 1"),
        (json!({"n": 129}), "n", "128"),
        (json!({"prompt": ["a", "b"], "n": 65}), "n", "128"),
        (json!({"n": "many"}), "n", "whole number"),
        (json!({"best_of": 3}), "best_of", "as many as"),
        (json!({"suffix": "end"}), "suffix", "insert"),
        (json!({"logprobs": 0}), "logprobs", "can't be told"),
        (json!({"echo": "yes"}), "echo", "boolean"),
        (json!({"echo": true, "prompt": "a".repeat(1 << 20), "n": 17}), "echo", "bytes"),
        (json!({"messages": []}), "messages", "prompt"),
        (json!({"tools": []}), "tools", "calls no tools"),
        (json!({"stream": 1}), "stream", "boolean"),
        (json!({"max_tokens": -1}), "max_tokens", "not negative"),
        (json!({"model": null}), "model", "missing"),
    ];
    for (fields, param, told) in cases {
        let error = read(&with(fields)).unwrap_err();
        assert_eq!((error.kind, error.details.param.as_deref()), (ErrorKind::InvalidRequest, Some(param)));
        assert!(error.message.contains(told), "{param}: {}", error.message);
    }
    for body in ["", "[]", "{\"model\"", "\"a\""] {
        assert_eq!(decode_completion(body.as_bytes()).unwrap_err().kind, ErrorKind::InvalidRequest, "{body}");
    }
}

fn answer(words: &[&str], output: u64) -> Vec<ChatEvent> {
    let mut events = vec![ChatEvent::Started { id: "chatcmpl-1".into(), model: "m-1".into() }];
    events.push(ChatEvent::Thinking { delta: "hm".into() });
    events.extend(words.iter().map(|word| ChatEvent::Text { delta: (*word).into() }));
    events.push(ChatEvent::Usage(Usage { input: 3, output, ..Usage::default() }));
    events.push(ChatEvent::Finished { reason: FinishReason::Stop });
    events
}

fn streamed(answers: &[Vec<ChatEvent>], beginnings: [&str; 2], usage: bool) -> Vec<String> {
    let beginnings = beginnings.map(str::to_owned).into();
    let mut writer = CompletionWriter::new("cmpl-1".into(), 7, beginnings, usage);
    let mut out = Vec::new();
    answers.iter().flatten().for_each(|event| writer.write(event, &mut out));
    let text = String::from_utf8(out).unwrap();
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    events.map(|event| event.strip_prefix("data: ").unwrap().to_owned()).collect()
}

#[test]
fn a_stream_has_one_text_after_another_and_ends_once() {
    let answers = [answer(&["a \"b\"", "c"], 2), answer(&["d"], 5)];
    let events = streamed(&answers, ["Once ", ""], true);
    let (last, chunks) = events.split_last().unwrap();
    assert_eq!(last, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    let first = json!({"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m-1", "usage": null,
        "choices": [{"text": "Once ", "index": 0, "logprobs": null, "finish_reason": null}]});
    assert_eq!(chunks[0], first);
    let told: Vec<_> = chunks[..chunks.len() - 1].iter().map(|chunk| &chunk["choices"][0]).collect();
    let told: Vec<_> = told.iter().map(|c| (c["index"].as_u64(), &c["text"], &c["finish_reason"])).collect();
    let (none, stop) = (Value::Null, json!("stop"));
    let want =
        [(0, "Once ", &none), (0, "a \"b\"", &none), (0, "c", &none), (0, "", &stop), (1, "d", &none), (1, "", &stop)];
    let want: Vec<_> = want.iter().map(|(index, text, reason)| (Some(*index), json!(text), *reason)).collect();
    assert_eq!(told, want.iter().map(|(index, text, reason)| (*index, text, *reason)).collect::<Vec<_>>());
    let usage = chunks.last().unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(7)));
    assert_eq!(usage["usage"]["prompt_tokens"], 6, "each text was asked for by itself");
    let without = streamed(&answers, ["", ""], false);
    assert!(without.iter().all(|event| !event.contains("usage")), "{without:?}");
}

#[test]
fn a_model_that_goes_on_repeats_no_prompt() {
    let mut events = answer(&["a", "b"], 2);
    events.insert(3, ChatEvent::Started { id: "other".into(), model: "m-2".into() });
    let chunks = streamed(&[events], ["Once ", "unused"], false);
    let texts: Vec<Value> = chunks.iter().filter_map(|chunk| serde_json::from_str(chunk).ok()).collect();
    let texts: Vec<_> =
        texts.iter().map(|c| (c["model"].as_str().unwrap(), c["choices"][0]["text"].as_str().unwrap())).collect();
    assert_eq!(texts, [("m-1", "Once "), ("m-1", "a"), ("m-2", "b"), ("m-2", "")]);
}

#[test]
fn a_whole_answer_has_all_texts_in_their_order() {
    let fingerprint = Extra { wire: Wire::OpenaiChat, path: "/system_fingerprint".into(), json: "fp".into() };
    let mut second = answer(&["d"], 5);
    second.insert(1, ChatEvent::Extra(fingerprint));
    second.pop();
    second.push(ChatEvent::Finished { reason: FinishReason::Length });
    let answers = [answer(&["a", "b"], 2), second];
    let texts = [(Some("Once "), answers[0].as_slice()), (None, answers[1].as_slice())];
    let whole: Value = serde_json::from_slice(&whole_completion(texts, "cmpl-1", 7, "m-1")).unwrap();
    let want = json!({"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m-1",
        "choices": [
            {"text": "Once ab", "index": 0, "logprobs": null, "finish_reason": "stop"},
            {"text": "d", "index": 1, "logprobs": null, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 6, "completion_tokens": 7, "total_tokens": 13,
            "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}},
        "system_fingerprint": "fp"});
    assert_eq!(whole, want);
}
