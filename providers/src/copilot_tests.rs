use greenroom_wire::{Message, chat::MediaSource, chat::Tool};

use super::*;

fn asked(messages: Vec<Message>) -> HeaderMap {
    headers_of(&ChatRequest { messages, ..ChatRequest::default() })
}

#[test]
fn a_person_is_billed_and_a_model_that_goes_on_is_not() {
    let by = |messages: Vec<Message>| asked(messages)["x-initiator"].to_str().unwrap().to_owned();
    let user = || Message::user("hi");
    let said = || Message::text(Role::Assistant, "so");
    let result = |role| Message::new(role, vec![Part::ToolResult { id: "c".into(), parts: Vec::new(), error: false }]);
    assert_eq!(by(vec![user()]), "user");
    assert_eq!(by(vec![user(), said(), user()]), "user");
    assert_eq!(by(vec![user(), said(), result(Role::Tool)]), "agent");
    assert_eq!(by(vec![user(), said(), result(Role::User)]), "agent", "Anthropic's clients send results so");
    assert_eq!(by(vec![user(), said()]), "agent", "an answer that was cut goes on");
    assert_eq!(by(Vec::new()), "user");
}

#[test]
fn an_image_anywhere_is_told_and_so_are_tools() {
    let image = || Part::Image { source: MediaSource::Url { url: "https://a.example/b.png".into() }, detail: None };
    let plain = asked(vec![Message::user("hi")]);
    assert!(!plain.contains_key("copilot-vision-request"));
    assert_eq!(plain["openai-intent"], "conversation-panel");
    assert_eq!(asked(vec![Message::new(Role::User, vec![image()])])["copilot-vision-request"], "true");
    let result = Part::ToolResult { id: "c".into(), parts: vec![image()], error: false };
    assert_eq!(asked(vec![Message::new(Role::Tool, vec![result])])["copilot-vision-request"], "true");
    let tool =
        Tool::Function { name: "f".into(), description: None, parameters: None, strict: None, extra: Vec::new() };
    let request = ChatRequest { tools: vec![tool], ..ChatRequest::default() };
    assert_eq!(headers_of(&request)["openai-intent"], "conversation-agent");
}

#[test]
fn each_request_has_an_id_of_its_own() {
    let (one, other) = (request_id(), request_id());
    assert_ne!(one, other);
    assert_eq!(one.len(), 36);
    assert_eq!((one.as_bytes()[14], one.chars().filter(|char| *char == '-').count()), (b'4', 4), "{one}");
    assert!(matches!(one.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{one}");
}

#[test]
fn a_list_says_in_which_language_a_model_is_asked() {
    let listed = |endpoints: &[&str]| {
        let endpoints = endpoints.iter().map(|one| (*one).to_owned()).collect();
        in_responses_of(&CopilotModel { endpoints, ..CopilotModel::default() })
    };
    assert_eq!(listed(&["/responses", "ws:/responses"]), Some(true));
    assert_eq!(listed(&["/chat/completions", "/responses"]), Some(false));
    assert_eq!(listed(&["/v1/messages"]), None, "it is asked in neither");
    assert_eq!(listed(&[]), None);
}
