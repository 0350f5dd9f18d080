use serde_json::{Value, json};

use super::*;
use crate::{ErrorKind, Message, Role, Usage, anthropic, names::ToolNames, openai_chat, openai_responses};

fn line(json: &Value, model: Option<&str>) -> Result<BatchLine, crate::ChatError> {
    decode_line(json.to_string().as_bytes(), model)
}

fn chat(line: BatchLine) -> crate::ChatRequest {
    match line.asked {
        Asked::Chat(request) => *request,
        Asked::Vectors(_) => panic!("it asks for vectors"),
    }
}

#[test]
fn the_same_request_is_read_from_every_form() {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let forms = [
        json!({"id": "a", "model": "m", "prompt": "hi", "system": "be brief", "max_tokens": 5}),
        json!({"custom_id": "a", "model": "m", "messages": messages, "system": "be brief", "max_tokens": 5}),
        json!({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "max_tokens": 5,
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]}}),
        json!({"custom_id": "a", "params": {"model": "m", "max_tokens": 5, "system": "be brief", "messages": messages}}),
        json!({"custom_id": "a", "url": "/v1/responses", "body": {"model": "m", "max_output_tokens": 5,
            "instructions": "be brief", "input": "hi"}}),
    ];
    for form in forms {
        let read = line(&form, None).unwrap();
        assert_eq!(read.id.as_deref(), Some("a"));
        let request = chat(read);
        assert_eq!((request.model.as_str(), request.max_tokens), ("m", Some(5)), "{form}");
        assert_eq!(request.messages, [Message::text(Role::System, "be brief"), Message::user("hi")], "{form}");
        assert_eq!(chat(line(&form, Some("other")).unwrap()).model, "other", "what is asked for goes first");
    }
    let vectors = json!({"custom_id": "v", "url": "/v1/embeddings", "body": {"input": "hi"}});
    let Asked::Vectors(request) = line(&vectors, Some("e")).unwrap().asked else { panic!("no vectors") };
    assert_eq!((request.model.as_str(), request.input.len()), ("e", 1));
    assert_eq!(line(&json!({"prompt": "hi", "model": "m"}), None).unwrap().id, None);
    assert_eq!(line(&json!({"id": 7, "prompt": "hi", "model": "m"}), None).unwrap().id.as_deref(), Some("7"));
}

#[test]
fn a_line_that_is_none_says_why() {
    for (bad, why) in [
        (r#"{"prompt": "hi""#, "ends within its JSON"),
        ("[1]", "must be a JSON object"),
        ("nonsense", "not valid JSON"),
        (r#"{"prompt": "hi"}"#, "no model"),
        (r#"{"model": "m"}"#, "no request"),
        (r#"{"model": "m", "prompt": 1}"#, "'prompt' must be a string"),
        (r#"{"model": "m", "prompt": "a", "messages": []}"#, "both"),
        (r#"{"model": "m", "messages": []}"#, "must not be empty"),
        (r#"{"model": "m", "prompt": "a", "max_token": 1}"#, "max_token"),
        (r#"{"id": "a", "custom_id": "a", "model": "m", "prompt": "a"}"#, "two ids"),
        (r#"{"custom_id": "a", "url": "/v1/images", "body": {"model": "m"}}"#, "'url' must be"),
        (r#"{"custom_id": "a", "body": {"model": "m"}}"#, "'url' is missing"),
        (r#"{"custom_id": "a", "method": "GET", "url": "/v1/responses", "body": {"model": "m"}}"#, "method"),
        (r#"{"custom_id": "a", "params": {"model": "m", "messages": []}}"#, "must not be empty"),
    ] {
        let error = decode_line(bad.as_bytes(), None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
        assert!(error.message.contains(why), "{bad}: {}", error.message);
    }
}

#[test]
fn a_request_is_sent_in_its_providers_form_and_asks_for_no_stream() {
    let request = chat(line(&json!({"model": "m", "prompt": "hi", "max_tokens": 5}), None).unwrap());
    let body = anthropic::encode_request(&request, "p", "claude", &anthropic::Dialect::of_model("claude")).body;
    let sent: Value = serde_json::from_slice(&BatchForm::AnthropicMessages.encode("a", &body)).unwrap();
    assert_eq!((&sent["custom_id"], &sent["params"]["model"]), (&json!("a"), &json!("claude")));
    assert!(sent["params"].get("stream").is_none() && sent["params"]["messages"].is_array(), "{sent}");
    let body = openai_chat::encode_request(&request, "p", "gpt", &openai_chat::Dialect::OPENAI).body;
    let sent: Value = serde_json::from_slice(&BatchForm::OpenaiChat.encode("a\"b", &body)).unwrap();
    assert_eq!((&sent["custom_id"], &sent["url"]), (&json!("a\"b"), &json!("/v1/chat/completions")));
    assert_eq!((&sent["method"], &sent["body"]["model"]), (&json!("POST"), &json!("gpt")));
    assert!(sent["body"].get("stream").is_none() && sent["body"].get("stream_options").is_none(), "{sent}");
    let body = openai_responses::encode_request(&request, "p", "gpt", &openai_responses::Dialect::OPENAI).body;
    let sent: Value = serde_json::from_slice(&BatchForm::OpenaiResponses.encode("a", &body)).unwrap();
    assert_eq!((&sent["body"]["store"], sent["body"].get("stream")), (&json!(false), None));
}

#[test]
fn one_form_is_found_for_requests_of_chats_alone() {
    use BatchForm::{AnthropicMessages, OpenaiChat, OpenaiEmbeddings, OpenaiResponses};
    assert_eq!(OpenaiChat.with(OpenaiResponses), Some(OpenaiResponses));
    assert_eq!(OpenaiResponses.with(OpenaiChat), Some(OpenaiResponses));
    assert_eq!(AnthropicMessages.with(AnthropicMessages), Some(AnthropicMessages));
    assert_eq!(OpenaiChat.with(OpenaiEmbeddings), None);
    assert!(AnthropicMessages.takes_id("a-B_9") && !AnthropicMessages.takes_id("a b"));
    assert!(!AnthropicMessages.takes_id(&"a".repeat(65)) && OpenaiChat.takes_id("a b"));
}

#[test]
fn how_far_a_batch_is_has_one_word_at_both() {
    let anthropic = |status: &str, expired: u64, cancel: Option<&str>| {
        let body = json!({"id": "msgbatch_1", "type": "message_batch", "processing_status": status, "request_counts":
            {"processing": 1, "succeeded": 2, "errored": 3, "canceled": 4, "expired": expired}, "ended_at": null,
            "created_at": "1970-01-01T00:01:00.5Z", "expires_at": "1970-01-02T00:00:00Z",
            "cancel_initiated_at": cancel, "results_url": null});
        decode_anthropic_batch(body.to_string().as_bytes()).unwrap()
    };
    let begun = anthropic("in_progress", 0, None);
    assert_eq!(
        (begun.phase, begun.created, begun.expires, begun.ended),
        (BatchPhase::InProgress, Some(60), Some(86400), None)
    );
    assert_eq!(begun.counts, BatchCounts { total: 10, succeeded: 2, failed: 3, cancelled: 4, expired: 0 });
    assert_eq!(anthropic("canceling", 0, Some("1970-01-01T00:00:00Z")).phase, BatchPhase::Cancelling);
    assert_eq!(anthropic("ended", 0, Some("1970-01-01T00:00:00Z")).phase, BatchPhase::Cancelled);
    assert_eq!(anthropic("ended", 5, None).phase, BatchPhase::Expired);
    assert_eq!(anthropic("ended", 0, None).phase, BatchPhase::Completed);

    let openai = |status: &str| {
        let body = json!({"id": "batch_1", "object": "batch", "status": status, "created_at": 60, "expires_at": 86400,
            "expired_at": 90, "request_counts": {"total": 10, "completed": 2, "failed": 3}, "output_file_id": "file-o",
            "error_file_id": "file-e", "metadata": {"greenroom": "mine"}, "errors": {"object": "list", "data":
            [{"code": "x", "message": "bad json", "param": null, "line": 2}, {"code": "y", "message": "z"}]}});
        decode_openai_batch(body.to_string().as_bytes()).unwrap()
    };
    let expired = openai("expired");
    assert_eq!((expired.phase, expired.counts.expired, expired.ended), (BatchPhase::Expired, 5, Some(90)));
    assert_eq!((expired.files, expired.mark.as_deref()), (vec!["file-o".into(), "file-e".into()], Some("mine")));
    assert_eq!(expired.problem.as_deref(), Some("line 2: bad json (and 1 more)"));
    assert_eq!(openai("cancelled").counts.cancelled, 5);
    for (word, phase) in [
        ("validating", BatchPhase::Validating),
        ("in_progress", BatchPhase::InProgress),
        ("finalizing", BatchPhase::Finalizing),
        ("cancelling", BatchPhase::Cancelling),
        ("completed", BatchPhase::Completed),
        ("failed", BatchPhase::Failed),
    ] {
        assert_eq!(openai(word).phase, phase);
    }
    let bare =
        decode_openai_batch(br#"{"id":"b","status":"validating","metadata":null,"request_counts":null}"#).unwrap();
    assert_eq!((bare.counts, bare.files.len()), (BatchCounts::default(), 0));
    for bad in ["{}", "<html>", "[]"] {
        assert_eq!(decode_openai_batch(bad.as_bytes()).unwrap_err().kind, ErrorKind::Protocol);
        assert_eq!(decode_anthropic_batches(bad.as_bytes()).unwrap_err().kind, ErrorKind::Protocol);
    }
}

fn result(form: BatchForm, json: &Value) -> BatchResult {
    decode_result(form, json.to_string().as_bytes(), &ToolNames::default()).unwrap()
}

#[test]
fn answers_of_every_form_come_out_as_chat_completions() {
    let openai = |body: Value| {
        json!({"id": "r", "custom_id": "a", "error": null, "response":
        {"status_code": 200, "request_id": "q", "body": body}})
    };
    let answers = [
        (
            BatchForm::AnthropicMessages,
            json!({"custom_id": "a", "result": {"type": "succeeded", "message": {"id": "msg_1",
            "type": "message", "role": "assistant", "model": "claude", "content": [{"type": "text", "text": "hello"}],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 5}}}}),
        ),
        (
            BatchForm::OpenaiChat,
            openai(json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}})),
        ),
        (
            BatchForm::OpenaiResponses,
            openai(json!({"id": "resp_1", "object": "response", "status": "completed",
            "model": "gpt", "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "hello", "annotations": []}]}],
            "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}})),
        ),
    ];
    for (form, json) in answers {
        let read = result(form, &json);
        assert_eq!(read.id, "a");
        let answer = read.outcome.as_ref().unwrap();
        assert_eq!(answer.usage(), Some(Usage { input: 10, output: 5, ..Usage::default() }), "{form:?}");
        let line = encode_result(&read, 7);
        assert!(line.ends_with(b"}\n") && line.iter().filter(|byte| **byte == b'\n').count() == 1);
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&line["custom_id"], &line["ok"]["object"]), (&json!("a"), &json!("chat.completion")));
        assert_eq!(line["ok"]["choices"][0]["message"]["content"], "hello");
        assert_eq!(line["ok"]["usage"]["total_tokens"], 15);
    }
    let vectors = openai(json!({"object": "list", "model": "e", "data": [{"index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3}}));
    let read = result(BatchForm::OpenaiEmbeddings, &vectors);
    assert_eq!(read.outcome.as_ref().unwrap().usage(), Some(Usage { input: 3, ..Usage::default() }));
    let line: Value = serde_json::from_slice(&encode_result(&read, 7)).unwrap();
    assert_eq!((&line["ok"]["object"], &line["ok"]["data"][0]["embedding"][0]), (&json!("list"), &json!(0.5)));
}

#[test]
fn what_was_not_answered_says_why_in_one_language() {
    let anthropic = |result: Value| json!({"custom_id": "a", "result": result});
    let openai =
        |response: Value, error: Value| json!({"id": "r", "custom_id": "a", "response": response, "error": error});
    let refused = json!({"type": "errored", "error": {"type": "error", "error":
        {"type": "invalid_request_error", "message": "max_tokens: required"}}});
    for (form, json, kind) in [
        (BatchForm::AnthropicMessages, anthropic(refused), ErrorKind::InvalidRequest),
        (BatchForm::AnthropicMessages, anthropic(json!({"type": "canceled"})), ErrorKind::Cancelled),
        (BatchForm::AnthropicMessages, anthropic(json!({"type": "expired"})), ErrorKind::Timeout),
        (
            BatchForm::OpenaiChat,
            openai(
                json!({"status_code": 400, "body": {"error": {"message": "no", "type": "invalid_request_error"}}}),
                Value::Null,
            ),
            ErrorKind::InvalidRequest,
        ),
        (
            BatchForm::OpenaiChat,
            openai(Value::Null, json!({"code": "batch_expired", "message": "x"})),
            ErrorKind::Timeout,
        ),
        (
            BatchForm::OpenaiChat,
            openai(Value::Null, json!({"code": "batch_cancelled", "message": "x"})),
            ErrorKind::Cancelled,
        ),
        (BatchForm::OpenaiChat, openai(Value::Null, Value::Null), ErrorKind::Protocol),
    ] {
        let read = result(form, &json);
        assert_eq!(read.outcome.as_ref().unwrap_err().kind, kind, "{json}");
        let line: Value = serde_json::from_slice(&encode_result(&read, 7)).unwrap();
        assert_eq!((&line["custom_id"], &line["error"]["kind"]), (&json!("a"), &json!(kind.as_str())));
        assert!(line.get("ok").is_none() && line["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    let cut = decode_result(BatchForm::OpenaiChat, br#"{"custom_id": "a", "resp"#, &ToolNames::default());
    assert_eq!(cut.unwrap_err().kind, ErrorKind::Protocol);
}

#[test]
fn a_file_stands_between_what_frames_it() {
    let Upload { content_type, head, tail } = Upload::new("x1", "batch_1.jsonl");
    assert_eq!(content_type, "multipart/form-data; boundary=x1");
    let whole = String::from_utf8([&head[..], b"LINES", &tail].concat()).unwrap();
    assert!(whole.starts_with("--x1\r\n") && whole.ends_with("LINES\r\n--x1--\r\n"), "{whole}");
    assert!(
        whole.contains("name=\"purpose\"\r\n\r\nbatch\r\n--x1\r\n") && whole.contains("filename=\"batch_1.jsonl\"")
    );
    let create: Value = serde_json::from_slice(&encode_create(BatchForm::OpenaiChat, "file-1", "batch_1")).unwrap();
    assert_eq!((&create["input_file_id"], &create["metadata"]["greenroom"]), (&json!("file-1"), &json!("batch_1")));
    assert_eq!(decode_files(br#"{"data":[{"id":"file-1","filename":"f","bytes":3}]}"#).unwrap()[0].bytes, 3);
}

#[test]
fn names_of_tools_that_mean_two_things_are_not_merged() {
    let mut one = ToolNames::default();
    one.push("a_b".into(), "a.b".into());
    let mut other = ToolNames::default();
    other.push("a_b".into(), "a:b".into());
    assert!(one.merge(&one.clone()) && !one.merge(&other));
    assert_eq!(one.name("a_b"), "a.b");
}
