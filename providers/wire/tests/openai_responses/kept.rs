//! Answers that are kept, and told again.

use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind, FinishReason,
    openai_responses::{Echo, Kept, Status, StreamWriter, decode_request, input_items},
};
use serde_json::{Value, json};

use crate::harness::*;

fn kept() -> Kept {
    Kept { background: true, conversation: Some("conv_1".into()) }
}

fn echo(body: &Value) -> Echo {
    decode_request(body.to_string().as_bytes()).unwrap().echo
}

fn writer() -> StreamWriter {
    let echo = echo(&json!({"model": "m", "input": "hi", "instructions": "brief"}));
    StreamWriter::new("resp_1", 7, "m", echo).keeping(kept())
}

fn said() -> [ChatEvent; 4] {
    [started(), text("one"), text(" two"), finished(FinishReason::Stop)]
}

fn stream(mut writer: StreamWriter) -> String {
    let mut out = Vec::new();
    writer.write_beginning(&mut out);
    said().iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out).unwrap()
}

fn numbers(stream: &str) -> Vec<u64> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str::<Value>(data).unwrap()["sequence_number"].as_u64().unwrap()).collect()
}

#[test]
fn what_a_request_repeats_is_kept_and_told_as_it_was() {
    let body = json!({"model": "m", "input": "hi", "tools": [{"type": "function", "name": "f"}], "top_p": 0.1,
        "metadata": {"a": "\u{2028}"}, "previous_response_id": "resp_0"});
    let echo = echo(&body);
    assert_eq!(Echo::from_value(&echo.to_value()), echo);
    assert_eq!(echo.to_value()["previous_response_id"], "resp_0");
    assert_eq!(Echo::from_value(&Value::Null), Echo::default());
}

#[test]
fn a_stream_that_is_gone_on_with_says_what_comes_after_byte_for_byte() {
    let whole = stream(writer());
    let all = numbers(&whole);
    assert_eq!(all, (0..all.len() as u64).collect::<Vec<_>>());
    for last in 0..all.len() {
        let rest = stream(writer().after(Some(last as u64)));
        assert!(whole.ends_with(&rest), "{last}");
        assert_eq!(numbers(&rest), all[last + 1..]);
    }
    assert_eq!(stream(writer().after(Some(u64::MAX))), "");
}

#[test]
fn numbers_that_are_left_out_are_no_clients() {
    let of = |last: Option<u64>| {
        let mut writer = writer().after(last);
        let mut out = Vec::new();
        writer.write_beginning(&mut out);
        let has_none = writer.leave_out(1000);
        writer.write(&started(), &mut out);
        writer.write(&text("a"), &mut out);
        (has_none, numbers(std::str::from_utf8(&out).unwrap()))
    };
    assert_eq!(of(None), (true, vec![0, 1, 1002, 1003, 1004]));
    assert_eq!(of(Some(0)), (true, vec![1, 1002, 1003, 1004]));
    assert_eq!(of(Some(1)), (true, vec![1002, 1003, 1004]));
    assert!(!of(Some(2)).0);
    assert!(!of(Some(1001)).0);
    assert_eq!(of(Some(1002)), (true, vec![1003, 1004]));
}

#[test]
fn a_response_is_told_as_far_as_it_is() {
    let error = ChatError::new(ErrorKind::Server, "it failed");
    let of = |status: Status<'_>, count: usize| {
        let mut writer = writer().silent();
        let mut out = Vec::new();
        said()[..count].iter().for_each(|event| writer.write(event, &mut out));
        assert!(out.is_empty());
        serde_json::from_slice::<Value>(&writer.response(status)).unwrap()
    };
    let cases = [
        (Status::Queued, 0, "queued"),
        (Status::InProgress, 2, "in_progress"),
        (Status::Finished(&FinishReason::Stop), 3, "completed"),
        (Status::Finished(&FinishReason::Length), 3, "incomplete"),
        (Status::Failed(&error), 2, "failed"),
        (Status::Cancelled, 2, "cancelled"),
    ];
    for (status, count, word) in cases {
        let response = of(status, count);
        assert_eq!(response["status"], word);
        assert_eq!((&response["store"], &response["background"]), (&json!(true), &json!(true)));
        assert_eq!((&response["conversation"], &response["instructions"]), (&json!({"id": "conv_1"}), &json!("brief")));
        let texts: Vec<_> =
            response["output"].as_array().unwrap().iter().map(|item| &item["content"][0]["text"]).collect();
        assert_eq!(texts, [&json!(["", "", "one", "one two"][count])][..usize::from(count > 0)]);
        assert_eq!(response["error"]["message"], if word == "failed" { json!("it failed") } else { Value::Null });
    }
    assert_eq!(of(Status::InProgress, 2)["output"][0]["status"], "in_progress");
    assert_eq!(of(Status::Cancelled, 2)["output"][0]["status"], "incomplete");
}

#[test]
fn a_cancelled_answer_ends_with_an_event_that_clients_know() {
    let mut writer = writer();
    let mut out = Vec::new();
    said()[..2].iter().for_each(|event| writer.write(event, &mut out));
    writer.write_cancelled(&mut out);
    let last = String::from_utf8(out).unwrap();
    let last: Value = serde_json::from_str(last.trim_end().rsplit_once("data: ").unwrap().1).unwrap();
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.incomplete"), &json!("cancelled")));
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "one");
}

#[test]
fn the_input_is_listed_as_items_with_ids() {
    let input = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
        {"type": "message", "id": "msg_own", "role": "user", "content": [{"type": "input_text", "text": "see"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}]},
        {"type": "function_call_output", "call_id": "call_1", "output": "24"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"role": "assistant", "content": "well"},
        {"type": "function_call", "call_id": "call_2", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_2", "output": "25"},
    ]);
    let served = decode_request(json!({"model": "m", "input": input}).to_string().as_bytes()).unwrap();
    let items = input_items(&served.request.messages, "t");
    let kinds: Vec<_> = items.iter().map(|item| item["type"].as_str().unwrap()).collect();
    let want = [
        "message",
        "message",
        "message",
        "function_call_output",
        "reasoning",
        "message",
        "function_call",
        "function_call_output",
    ];
    assert_eq!(kinds, want, "{items:#?}");
    let ids: Vec<_> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    assert_eq!((ids[1], ids[2], ids[4]), ("msg_ti0001", "msg_own", "rs_1"));
    assert_eq!(items[0]["role"], "system");
    assert_eq!(items[1]["content"], json!([{"type": "input_text", "text": "hi"}]));
    assert_eq!(items[2]["content"][1]["image_url"], "data:image/png;base64,AAAA");
    assert_eq!((&items[3]["call_id"], &items[3]["output"]), (&json!("call_1"), &json!("24")));
    assert_eq!(items[6]["arguments"], "{}");
}
