use serde_json::{Value, json};

use super::*;
use crate::{
    chat::{ChatRequest, Message, Part, Role, Tool, ToolCallKind, ToolChoice},
    event::ChatEvent,
    openai_responses::decode_request,
};

fn read(fields: Value) -> ChatRequest {
    let mut body = json!({"model": "m", "input": "hi"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    decode_request(body.to_string().as_bytes()).unwrap().request
}

fn weather() -> Value {
    json!({"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}})
}

fn patch() -> Value {
    json!({"type": "custom", "name": "patch", "description": "Changes files.",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}})
}

fn team() -> Value {
    json!({"type": "namespace", "name": "team", "description": "Others.", "tools": [weather(), patch()]})
}

/// The name, description and parameters of each tool, all of which are functions.
fn functions_of(request: &ChatRequest) -> Vec<(String, Option<String>, Option<Value>)> {
    let of = |tool: &Tool| match tool {
        Tool::Function { name, description, parameters, .. } => (name.clone(), description.clone(), parameters.clone()),
        Tool::Native { json, .. } => panic!("it is no function: {json}"),
    };
    request.tools.iter().map(of).collect()
}

fn names(request: &ChatRequest) -> Vec<String> {
    functions_of(request).into_iter().map(|(name, ..)| name).collect()
}

fn started(index: u32, name: &str, kind: ToolCallKind) -> ChatEvent {
    ChatEvent::ToolCallStarted { index, id: format!("call_{index}"), name: name.into(), kind }
}

fn call(index: u32, name: &str, arguments: &[&str]) -> Vec<ChatEvent> {
    let more = arguments.iter().map(|delta| ChatEvent::ToolCallArgs { index, delta: (*delta).into() });
    [started(index, name, ToolCallKind::Function)].into_iter().chain(more).chain([done(index)]).collect()
}

fn done(index: u32) -> ChatEvent {
    ChatEvent::ToolCallDone { index }
}

/// What an answer is told back as, if it comes in one read, which is the same as if it came event by event.
fn back(tools: Value, events: &[ChatEvent]) -> Vec<ChatEvent> {
    let request = read(json!({"tools": tools}));
    let mut at_once = events.to_vec();
    tell(&request).unwrap().1.tell_back(&mut at_once);
    let mut forms = tell(&request).unwrap().1;
    let one_by_one = events.iter().flat_map(|event| {
        let mut events = vec![event.clone()];
        forms.tell_back(&mut events);
        events
    });
    assert_eq!(one_by_one.collect::<Vec<_>>(), at_once);
    at_once
}

#[test]
fn a_request_without_such_tools_stays_as_it_is() {
    for fields in [json!({}), json!({"tools": [weather()], "tool_choice": "required"})] {
        let request = read(fields);
        assert!(tell(&request).is_none() && !only_here(&request));
    }
}

#[test]
fn a_custom_tool_is_told_as_a_function_of_one_text() {
    let request = read(json!({"tools": [weather(), patch()], "tool_choice": {"type": "custom", "name": "patch"}}));
    assert!(!only_here(&request));
    let (told, _) = tell(&request).unwrap();
    let functions = functions_of(&told);
    assert_eq!(functions[0].0, "weather");
    let (name, description, parameters) = &functions[1];
    assert_eq!(name, "patch");
    let described = description.as_deref().unwrap();
    assert!(described.starts_with("Changes files.\n\n") && described.ends_with("(lark):\nstart: /.+/"), "{described}");
    assert_eq!(parameters.as_ref().unwrap()["required"], json!(["input"]));
    assert_eq!(told.tool_choice, Some(ToolChoice::Function { name: "patch".into() }));
}

#[test]
fn the_functions_of_a_namespace_are_told_each_by_itself() {
    let choice = json!({"type": "function", "name": "weather", "namespace": "team"});
    let request = read(json!({"tools": [weather(), team()], "tool_choice": choice}));
    assert!(!only_here(&request));
    let (told, _) = tell(&request).unwrap();
    assert_eq!(names(&told), ["weather", "team__weather", "team__patch"]);
    assert_eq!(told.tool_choice, Some(ToolChoice::Function { name: "team__weather".into() }));
}

#[test]
fn what_is_offered_on_the_side_is_left_out_where_there_is_another_tool() {
    for kind in ["web_search", "web_search_preview_2025_03_11", "tool_search"] {
        let beside = json!({"type": kind});
        let with_another = read(json!({"tools": [beside, weather()]}));
        assert!(!only_here(&with_another), "{kind}");
        assert_eq!(names(&tell(&with_another).unwrap().0), ["weather"]);
        assert!(only_here(&read(json!({"tools": [beside]}))), "{kind} is all there is");
        let chosen = read(json!({"tools": [beside, weather()], "tool_choice": {"type": kind}}));
        assert!(only_here(&chosen), "{kind} is what is to be called");
        let allowed = json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": kind}]});
        assert!(only_here(&read(json!({"tools": [beside, weather()], "tool_choice": allowed}))), "{kind} alone may be");
    }
}

#[test]
fn what_has_no_words_elsewhere_is_asked_here_alone() {
    let odd = json!({"type": "namespace", "name": "team", "tools": [{"type": "mcp", "server_label": "s"}]});
    for tool in [json!({"type": "file_search"}), json!({"type": "mcp", "server_label": "s"}), odd] {
        assert!(only_here(&read(json!({"tools": [weather(), tool]}))), "{tool}");
    }
}

#[test]
fn a_choice_between_tools_names_what_is_told() {
    let allowed = json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "patch"}]});
    let request = read(json!({"tools": [weather(), patch()], "tool_choice": allowed}));
    assert!(!only_here(&request));
    let Some(ToolChoice::Native { json, .. }) = tell(&request).unwrap().0.tool_choice else { panic!("it narrows") };
    assert_eq!(json["tools"], json!([{"type": "function", "name": "patch"}]));
}

#[test]
fn a_call_is_told_back_as_one_of_the_tool_that_was_meant() {
    let events = [call(0, "weather", &["{}"]), call(1, "patch", &[r#"{"input":"*** a"#, "\\n\\u2028\"}"])].concat();
    let custom = ChatEvent::ToolCallArgs { index: 1, delta: "*** a\n\u{2028}".into() };
    let want = [call(0, "weather", &["{}"]), vec![started(1, "patch", ToolCallKind::Custom), custom, done(1)]].concat();
    assert_eq!(back(json!([weather(), patch()]), &events), want);

    let told = back(json!([team()]), &call(3, "team__weather", &["{", "}"]));
    let [ChatEvent::Extra(head), rest @ .., ChatEvent::Opaque { data }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(head.json, json!({"type": "function_call", "id": "fc_call_3", "call_id": "call_3"}));
    assert_eq!(rest, call(3, "weather", &["{", "}"]));
    assert_eq!(*data, json!({"call": {"call_id": "call_3", "namespace": "team"}}));
}

#[test]
fn a_text_in_place_of_arguments_is_the_text() {
    for written in ["*** a", r#"{"input":"cut"#, r#"{"input":7}"#, r#"{"input":"a","more":1}"#] {
        let told = back(json!([patch()]), &call(0, "patch", &[written]));
        assert_eq!(told[1], ChatEvent::ToolCallArgs { index: 0, delta: written.into() });
    }
    assert_eq!(back(json!([patch()]), &call(0, "patch", &[r#"{"input":""}"#])).len(), 2, "no delta is empty");
}

#[test]
fn the_calls_of_the_conversation_are_told_as_the_tools_are() {
    let input = json!([{"role": "user", "content": "hi"},
        {"type": "custom_tool_call", "call_id": "a", "name": "patch", "input": "*** \"a\""},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "done"},
        {"type": "function_call", "call_id": "b", "name": "weather", "namespace": "team", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "b", "output": "rain"}]);
    let (told, _) = tell(&read(json!({"input": input, "tools": [patch(), team()]}))).unwrap();
    let of = |message: &Message| match &message.parts[0] {
        Part::ToolCall { name, arguments, kind, .. } => Some((name.clone(), arguments.clone(), *kind)),
        _ => None,
    };
    let calls: Vec<_> = told.messages.iter().filter(|message| message.role == Role::Assistant).filter_map(of).collect();
    let call = |name: &str, arguments: &str| (name.to_owned(), arguments.to_owned(), ToolCallKind::Function);
    assert_eq!(calls, [call("patch", r#"{"input":"*** \"a\""}"#), call("team__weather", "{}")]);
    assert!(tell(&read(json!({"input": input}))).is_some(), "also where the tools are not there any more");
}

#[test]
fn a_text_without_an_end_is_not_held_for_ever() {
    let mut forms = tell(&read(json!({"tools": [patch()]}))).unwrap().1;
    let mut told = |event| {
        let mut events = vec![event];
        forms.tell_back(&mut events);
        events
    };
    told(started(0, "patch", ToolCallKind::Function));
    let piece = || ChatEvent::ToolCallArgs { index: 0, delta: "x".repeat(answer::MOST_HELD / 4) };
    for _ in 0..4 {
        assert_eq!(told(piece()), []);
    }
    let whole = "x".repeat(answer::MOST_HELD / 4 * 5);
    assert_eq!(told(piece()), [ChatEvent::ToolCallArgs { index: 0, delta: whole }]);
    assert_eq!(told(piece()), [piece()], "from then on as it comes");
    assert_eq!(told(done(0)), [done(0)]);
}
