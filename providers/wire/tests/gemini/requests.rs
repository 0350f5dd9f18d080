//! Requests, from a client and to a server.

use greenroom_wire::{
    ChatRequest, Message, Part, Role,
    chat::{Extra, MediaSource, ResponseFormat, ThinkingRequest, Tool, ToolChoice, Wire},
    gemini::{Dialect, decode_request, encode_count, encode_request},
};
use serde_json::{Value, json};

use crate::harness::*;

fn read_body(body: &Value) -> ChatRequest {
    decode_request(body.to_string().as_bytes(), "m").unwrap()
}

fn function(name: &str, parameters: Option<Value>) -> Tool {
    Tool::Function { name: name.into(), description: None, parameters, strict: None, extra: Vec::new() }
}

fn asked(request: ChatRequest) -> ChatRequest {
    ChatRequest { messages: vec![Message::user("x")], ..request }
}

#[test]
fn every_field_has_its_place() {
    let body = json!({
        "generationConfig": {"temperature": 0.5, "topP": 1, "maxOutputTokens": 9, "stopSequences": ["END"],
            "responseMimeType": "application/json",
            "responseSchema": {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}},
            "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": true}, "topK": 40, "seed": 3, "candidateCount": 2},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/x",
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d",
                "parameters": {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "string"}}}, "behavior": "BLOCKING"},
            {"name": "g.h:i", "parametersJsonSchema": {"type": "object", "additionalProperties": false}}]},
            {"googleSearch": {"x": 1}}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}, "retrievalConfig": {"l": 1}},
        "systemInstruction": {"parts": [{"text": "s"}, {"text": "t"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA", "odd": 1}},
                {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x", "mimeType": "application/pdf"}, "videoMetadata": {"fps": 1}},
                {"inlineData": {"mimeType": "audio/wav", "data": "BBBB"}}, {"newKind": 1}], "odd": 2},
            {"role": "model", "parts": [{"text": "ok"}, {"functionCall": {"id": "c", "name": "f", "args": {"z": 1, "a": 2}}, "thoughtSignature": "s"}]},
            {"role": "user", "parts": [{"functionResponse": {"id": "c", "name": "f", "response": {"result": "1"}, "scheduling": "SILENT",
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}}, {"text": "and?"}]}]});
    let request = read_body(&body);
    assert_eq!((request.temperature, request.top_p, request.max_tokens), (Some(0.5), Some(1.0), Some(9)));
    assert_eq!((request.stop.as_slice(), request.tools.len()), (&["END".to_owned()][..], 3));
    assert_eq!(request.tool_choice, Some(ToolChoice::Function { name: "f".into() }));
    assert_eq!(request.thinking, Some(ThinkingRequest { effort: Some("low".into()), ..ThinkingRequest::default() }));
    let roles: Vec<_> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::User]);
    assert!(matches!(request.messages[1].parts[2], Part::Document { source: MediaSource::File { .. }, .. }));
    assert!(matches!(request.messages[1].parts[3], Part::Audio { .. }));
    let encoded = encode_request(&request, "p", "m", &Dialect::of_model("gemini-3-flash"));
    assert_eq!(encoded.left_out, []);
    assert_eq!(serde_json::from_slice::<Value>(&encoded.body).unwrap(), body);
    assert!(
        String::from_utf8(encoded.body).unwrap().contains(r#""properties":{"z":{"type":"string"},"a":"#),
        "in their order"
    );
}

#[test]
fn older_names_and_forms_are_taken() {
    let body = json!({
        "model": "models/x", "system_instruction": {"role": "user", "parts": {"text": "s"}}, "tool_config": null,
        "generation_config": {"max_output_tokens": 9, "response_mime_type": "application/json", "response_schema": {"type": "STRING"},
            "thinking_config": {"include_thoughts": true, "thinking_budget": 64}},
        "safety_settings": [1],
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}], "google_search": null}],
        "contents": [{"parts": [{"text": "a", "thought": false}, {"inline_data": {"mime_type": "image/png", "data": "AAAA"}}]},
            {"role": "model", "parts": [{"function_call": {"name": "f"}, "thought_signature": "s"}]},
            {"role": "function", "parts": [{"function_response": {"name": "f", "response": {"a": 1}}}]}]});
    let (again, left_out) = encode(&read_body(&body));
    let want = json!({
        "generationConfig": {"maxOutputTokens": 9, "thinkingConfig": {"thinkingBudget": 64, "includeThoughts": true}},
        "safetySettings": [1],
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "object"}}]}],
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [{"role": "user", "parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {"role": "model", "parts": [{"functionCall": {"id": "call_1_0", "name": "f", "args": {}}, "thoughtSignature": "s"}]},
            {"role": "user", "parts": [{"functionResponse": {"id": "call_1_0", "name": "f", "response": {"a": 1}}}]}]});
    // Beside tools, this model takes no form.
    assert_eq!((again, left_out), (want, vec!["response_format".to_owned()]));
}

#[test]
fn a_form_is_json_or_a_schema_of_either_kind() {
    let form = |model: &str, response_format: ResponseFormat| {
        let (body, left_out) =
            encode_for(model, &asked(ChatRequest { response_format: Some(response_format), ..ChatRequest::default() }));
        (body["generationConfig"].clone(), left_out)
    };
    let schema =
        |schema| ResponseFormat::JsonSchema { name: "n".into(), description: None, schema, strict: Some(true) };
    let strict = json!({"type": "object", "additionalProperties": false});
    let gemini = "gemini-2.5-flash";
    assert_eq!(form(gemini, ResponseFormat::Text), (Value::Null, vec![]));
    assert_eq!(form(gemini, ResponseFormat::JsonObject).0, json!({"responseMimeType": "application/json"}));
    assert_eq!(form(gemini, schema(None)).0, json!({"responseMimeType": "application/json"}));
    let any = json!({"responseMimeType": "application/json", "responseJsonSchema": strict});
    assert_eq!(form(gemini, schema(Some(strict.clone()))), (any, vec![]));
    let made = json!({"responseMimeType": "application/json", "responseSchema": {"type": "object"}});
    assert_eq!(form("gemini-2.0-flash", schema(Some(strict))), (made, vec!["response_format.schema".to_owned()]));
    let word = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}],
        "generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}}});
    let mut again = encode(&read_body(&word)).0;
    assert_eq!(
        again["generationConfig"].take(),
        json!({"responseSchema": {"type": "STRING", "enum": ["a"]}, "responseMimeType": "text/x.enum"})
    );
}

#[test]
fn the_choice_is_said_of_functions() {
    let choice = |tool_choice: ToolChoice| {
        let tools = vec![function("f", None), function("a b", None)];
        let (body, left_out) =
            encode(&asked(ChatRequest { tools, tool_choice: Some(tool_choice), ..ChatRequest::default() }));
        (body["toolConfig"]["functionCallingConfig"].clone(), left_out.len())
    };
    assert_eq!(choice(ToolChoice::Auto), (json!({"mode": "AUTO"}), 0));
    assert_eq!(choice(ToolChoice::None), (json!({"mode": "NONE"}), 0));
    assert_eq!(choice(ToolChoice::Required), (json!({"mode": "ANY"}), 0));
    let one = ToolChoice::Function { name: "a b".into() };
    assert_eq!(choice(one), (json!({"mode": "ANY", "allowedFunctionNames": ["a_b"]}), 0));
    let own = json!({"mode": "VALIDATED"});
    assert_eq!(choice(ToolChoice::Native { wire: Wire::Gemini, json: own.clone() }), (own.clone(), 0));
    assert_eq!(choice(ToolChoice::Native { wire: Wire::Anthropic, json: own }), (Value::Null, 1));
    let none = encode(&asked(ChatRequest { tool_choice: Some(ToolChoice::Required), ..ChatRequest::default() }));
    assert_eq!((none.0["toolConfig"].is_null(), none.1), (true, vec!["tool_choice".to_owned()]));
    let read_choice = |config: Value| {
        let body = json!({"contents": [{"parts": [{"text": "x"}]}], "toolConfig": {"functionCallingConfig": config}});
        read_body(&body).tool_choice
    };
    assert_eq!(read_choice(json!({"mode": "auto"})), Some(ToolChoice::Auto));
    assert_eq!(read_choice(json!({})), None);
    let several = json!({"mode": "ANY", "allowedFunctionNames": ["f", "g"]});
    assert_eq!(read_choice(several.clone()), Some(ToolChoice::Native { wire: Wire::Gemini, json: several }));
}

#[test]
fn roles_take_turns_and_the_user_begins() {
    let said = |role, text: &str| Message::text(role, text);
    let (contents, left_out) = encode_messages(
        "gemini-2.5-flash",
        vec![
            said(Role::Assistant, "a"),
            said(Role::User, "b"),
            said(Role::User, ""),
            said(Role::System, "c"),
            said(Role::User, "d"),
        ],
    );
    let want = json!([
        {"role": "user", "parts": [{"text": "Begin."}]},
        {"role": "model", "parts": [{"text": "a"}]},
        {"role": "user", "parts": [{"text": "b"}, {"text": "<system>\nc\n</system>"}, {"text": "d"}]},
    ]);
    assert_eq!((contents, left_out), (want, vec!["messages".to_owned(), "messages[3]".to_owned()]));
    let (contents, left_out) = encode_messages("gemini-2.5-flash", vec![said(Role::System, "s"), said(Role::User, "")]);
    assert_eq!((contents, left_out.len()), (json!([{"role": "user", "parts": [{"text": "Begin."}]}]), 0));
    let request =
        ChatRequest { messages: vec![said(Role::System, "s"), said(Role::User, "x")], ..ChatRequest::default() };
    let (body, left_out) = encode_for("gemma-3-27b-it", &request);
    assert_eq!(body["contents"][0]["parts"][0]["text"], "<system>\ns\n</system>");
    assert_eq!((body["systemInstruction"].is_null(), left_out), (true, vec!["messages[0]".to_owned()]));
}

#[test]
fn what_cannot_be_said_is_reported() {
    let data = || MediaSource::Base64 { media_type: "image/png".into(), data: "AAAA".into() };
    let url = |url: &str| MediaSource::Url { url: url.into() };
    let film = url("https://www.youtube.com/watch?v=x");
    let mut named = Message::new(
        Role::User,
        vec![
            Part::text("look"),
            Part::Image { source: url("https://example.org/a.png"), detail: None },
            Part::Image { source: data(), detail: Some("low".into()) },
            Part::Document { source: data(), name: Some("a.pdf".into()) },
            Part::Document { source: film, name: None },
            Part::Document { source: MediaSource::File { id: "file-abc".into() }, name: None },
            Part::Document { source: MediaSource::File { id: "files/x".into() }, name: None },
        ],
    );
    named.name = Some("Ann".into());
    let messages = vec![named];
    let (contents, left_out) = encode_messages("gemini-2.5-flash", messages.clone());
    let blob = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let own = "https://generativelanguage.googleapis.com/v1beta/files/x";
    let want = json!([{"text": "look"}, blob, blob, {"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}}, {"fileData": {"fileUri": own}}]);
    assert_eq!(contents[0]["parts"], want);
    let at = |what: &str| format!("messages[0].{what}");
    assert_eq!(left_out, [at("name"), at("parts[1]"), at("parts[2].detail"), at("parts[3].name"), at("parts[5]")]);

    let vertex = Dialect::of_model("gemini-2.5-flash").on_vertex();
    let request = ChatRequest { messages, ..ChatRequest::default() };
    let encoded = encode_request(&request, "p", "m", &vertex);
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    let parts = &body["contents"][0]["parts"];
    assert_eq!(parts[1], json!({"fileData": {"fileUri": "https://example.org/a.png", "mimeType": "image/png"}}));
    assert_eq!(parts[3]["inlineData"]["displayName"], "a.pdf");
    assert_eq!(encoded.left_out.len(), 3);
}

#[test]
fn what_other_wires_say_is_said_here_where_it_means_the_same() {
    let foreign = |wire, path: &str, json: Value| Extra { wire, path: path.into(), json };
    let request = asked(ChatRequest {
        parallel_tool_calls: Some(false),
        metadata: serde_json::Map::from_iter([("a".into(), json!("b"))]),
        tools: vec![
            Tool::Native { wire: Wire::Anthropic, json: json!({}) },
            Tool::Function { name: "f".into(), description: None, parameters: None, strict: Some(true), extra: vec![] },
        ],
        stop: vec!["1".into(), "2".into(), "".into(), "3".into(), "4".into(), "5".into(), "6".into()],
        extra: vec![
            foreign(Wire::OpenaiChat, "/logit_bias", json!({})),
            foreign(Wire::OpenaiChat, "/seed", json!(7)),
            foreign(Wire::Ollama, "/options/seed", json!(8)),
            foreign(Wire::Anthropic, "/top_k", json!(40)),
            foreign(Wire::OpenaiChat, "/presence_penalty", json!("x")),
        ],
        ..ChatRequest::default()
    });
    let (body, mut left_out) = encode(&request);
    left_out.sort();
    let want = json!({"stopSequences": ["1", "2", "3", "4", "5"], "seed": 7, "topK": 40});
    assert_eq!(body["generationConfig"], want);
    let lost = [
        "/logit_bias",
        "/presence_penalty",
        "metadata.a",
        "parallel_tool_calls",
        "stop",
        "stop",
        "tools[0]",
        "tools[1].strict",
    ];
    assert_eq!(left_out, lost);
}

#[test]
fn thinking_that_is_not_to_be_shown_stays_so() {
    let round = |thinking: Value| {
        let body = json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"thinkingConfig": thinking}});
        encode(&read_body(&body)).0["generationConfig"]["thinkingConfig"].clone()
    };
    assert_eq!(round(json!({"thinkingBudget": 0})), json!({"thinkingBudget": 0}));
    assert_eq!(round(json!({"thinkingBudget": -1})), json!({"thinkingBudget": -1, "includeThoughts": false}));
    assert_eq!(round(json!({"includeThoughts": true})), json!({"includeThoughts": true}));
    assert_eq!(
        round(json!({"thinkingBudget": 99, "includeThoughts": true})),
        json!({"thinkingBudget": 99, "includeThoughts": true})
    );
}

#[test]
fn tokens_are_counted_of_the_same_request() {
    let request =
        asked(ChatRequest { temperature: Some(1.0), tools: vec![function("f", None)], ..ChatRequest::default() });
    let dialect = Dialect::of_model("gemini-2.5-flash");
    let json = |encoded: greenroom_wire::gemini::Encoded| serde_json::from_slice::<Value>(&encoded.body).unwrap();
    let count = json(encode_count(&request, "p", "gemini-2.5-flash", &dialect));
    let inner = &count["generateContentRequest"];
    assert_eq!(inner["model"], "models/gemini-2.5-flash");
    let mut asked = json(encode_request(&request, "p", "gemini-2.5-flash", &dialect));
    asked["model"] = inner["model"].clone();
    assert_eq!(*inner, asked);
    let count = json(encode_count(&request, "p", "gemini-2.5-flash", &dialect.on_vertex()));
    assert!(
        count["contents"].is_array() && count["tools"].is_array() && count["generationConfig"].is_null(),
        "{count}"
    );
}
