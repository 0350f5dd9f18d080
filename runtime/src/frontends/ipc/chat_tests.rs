use serde_json::json;

use super::*;

fn lines(chat: &mut Chat, events: impl IntoIterator<Item = EventBody>) -> (Vec<Value>, Option<End>) {
    let mut out = Vec::new();
    let end = events.into_iter().find_map(|event| {
        let end = chat.write(event, &mut out);
        while chat.go_on(&mut out) {}
        end
    });
    let text = String::from_utf8(out).unwrap();
    (text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["data"].take()).collect(), end)
}

fn text(delta: &str) -> EventBody {
    EventBody::Text { delta: delta.to_owned() }
}

fn thinking(delta: &str) -> EventBody {
    EventBody::Thinking { delta: delta.to_owned() }
}

fn call(index: u32, kind: ToolCallKind) -> EventBody {
    EventBody::ToolCall { index, id: format!("c{index}"), name: "look".into(), kind }
}

fn args(index: u32, delta: &str) -> EventBody {
    EventBody::ToolCallArgs { index, delta: delta.to_owned() }
}

#[test]
fn thinking_is_shown_to_who_asked_for_it_alone() {
    let said = || [thinking("hm"), text("yes")];
    let content = json!({"type": "content", "content": "yes"});
    assert_eq!(lines(&mut Chat::new(true), said()).0, [json!({"type": "thinking", "content": "hm"}), content.clone()]);
    assert_eq!(lines(&mut Chat::new(false), said()).0, [content]);
}

#[test]
fn a_call_is_told_once_it_is_whole() {
    let mut chat = Chat::new(false);
    let function = ToolCallKind::Function;
    let begun = [call(0, function), args(0, "{\"b\":1,"), call(1, function), text("meanwhile"), args(0, "\"a\":2}")];
    assert_eq!(lines(&mut chat, begun).0, [json!({"type": "content", "content": "meanwhile"})]);
    let whole = json!({"type": "tool_call", "tool_call": {"id": "c0", "name": "look", "arguments": {"b": 1, "a": 2}}});
    assert_eq!(lines(&mut chat, [EventBody::ToolCallDone { index: 0 }]).0, [whole]);
    let empty = json!({"type": "tool_call", "tool_call": {"id": "c1", "name": "look", "arguments": {}}});
    assert_eq!(lines(&mut chat, [EventBody::ToolCallDone { index: 1 }]).0, [empty]);
    let custom = [call(2, ToolCallKind::Custom), args(2, "free"), EventBody::ToolCallDone { index: 2 }];
    assert_eq!(lines(&mut chat, custom).0[0]["tool_call"]["arguments"], json!({"input": "free"}));
}

#[test]
fn a_call_that_is_taken_back_is_never_told_and_one_that_is_no_object_ends_the_answer() {
    let mut chat = Chat::new(false);
    let dropped = [call(0, ToolCallKind::Function), args(0, "{"), EventBody::ToolCallDropped { index: 0 }];
    assert_eq!(lines(&mut chat, dropped).0, [Value::Null; 0]);
    for written in ["{\"a\":", "[1]", "7"] {
        let cut = [call(1, ToolCallKind::Function), args(1, written), EventBody::ToolCallDone { index: 1 }];
        let (said, end) = lines(&mut Chat::new(false), cut);
        assert!(said.is_empty());
        assert!(matches!(end, Some(End::Failed(refusal)) if refusal.code() == "protocol"), "{written}");
    }
}

#[test]
fn an_answer_made_anew_goes_unnoticed_until_something_was_said() {
    let mut chat = Chat::new(false);
    let (_, end) = lines(&mut chat, [thinking("hm"), call(0, ToolCallKind::Function), EventBody::AnswerRestarted]);
    assert!(end.is_none());
    let (_, end) = lines(&mut chat, [text("a"), EventBody::AnswerRestarted]);
    assert!(matches!(end, Some(End::Failed(refusal)) if refusal.code() == "protocol"));
}

#[test]
fn a_long_text_is_cut_between_letters() {
    let long = "é".repeat(PIECE);
    let (said, _) = lines(&mut Chat::new(false), [text(&format!("x{long}"))]);
    assert_eq!(said.len(), 3);
    let whole: String = said.iter().map(|line| line["content"].as_str().unwrap()).collect();
    assert_eq!(whole, format!("x{long}"));
}
