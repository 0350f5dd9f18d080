use greenroom_wire::{
    Message, Part, Role,
    chat::{Extra, MediaSource, ResponseFormat, Tool, Wire},
};
use proptest::prelude::*;
use serde_json::json;

use super::{vocabulary::Vocabulary, *};

fn of(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { messages, ..ChatRequest::default() }
}

fn weather() -> Tool {
    Tool::Function {
        name: "weather".into(),
        description: Some("Tells the weather.".into()),
        parameters: Some(json!({
            "type": "object", "required": ["city"],
            "properties": {
                "city": {"type": "string", "description": "Where"},
                "days": {"type": "array", "items": {"type": "integer"}},
                "unit": {"enum": ["C", "F"]},
                "at": {"anyOf": [{"type": "string"}, {"type": ["number", "null"]}]},
                "place": {"type": "object", "properties": {"zip": {"type": "boolean"}}},
            },
        })),
        strict: None,
        extra: vec![],
    }
}

#[test]
fn a_model_has_its_vocabulary_whoever_serves_it() {
    let o200k = [
        "gpt-4o",
        "gpt-4o-2024-08-06",
        "chatgpt-4o-latest",
        "gpt-4.1-mini",
        "gpt-4.5-preview",
        "gpt-5",
        "gpt-5.6-sol",
        "o1",
        "o3-mini",
        "o4-mini",
        "codex-mini-latest",
        "openai/gpt-4o",
        "openai.gpt-5.6-luna",
        "ft:gpt-4o-mini-2024-07-18:us::id",
        "GPT-4o",
    ];
    let cl100k = ["gpt-4", "gpt-4-0613", "gpt-4-turbo", "gpt-3.5-turbo-0125", "gpt-35-turbo", "openai/gpt-4"];
    let text = "Wie spät ist es in 東京? مرحبا";
    assert_ne!(Vocabulary::O200k.count(text), Vocabulary::Cl100k.count(text), "it tells them apart");
    for (models, vocabulary) in [(&o200k[..], Vocabulary::O200k), (&cl100k[..], Vocabulary::Cl100k)] {
        for model in models {
            let request = of(vec![Message::user(text)]);
            let count = count(model, &request);
            let frame = count.tokens - vocabulary.count(text).tokens;
            assert!(count.error.is_none() && (6..=7).contains(&frame), "{model}: {count:?}");
            assert!(counts_exactly(model, &request));
        }
    }
    for model in [
        "gpt-40",
        "o1x",
        "gpt-6",
        "claude-sonnet-4-5",
        "gemini-3-pro",
        "gpt-oss-120b",
        "openai.gpt-oss-20b-1:0",
        "my-gpt-4o",
        "",
    ] {
        assert!(count(model, &of(vec![Message::user("hi")])).error.is_some(), "{model}");
    }
}

#[test]
fn a_message_stands_in_the_frame_that_openai_describes() {
    let tokens = |model, messages| count(model, &of(messages)).tokens;
    // 3 around it, its role, its text, 3 before the answer.
    assert_eq!(tokens("gpt-4o", vec![Message::user("hi")]), 8);
    assert_eq!(tokens("gpt-4", vec![Message::user("hi")]), 8);
    assert_eq!(tokens("gpt-5", vec![Message::user("hi")]), 7, "one less where the model reasons");
    let both = vec![Message::text(Role::System, "hi"), Message::user("hi")];
    assert_eq!(tokens("gpt-4o", both), 13);
    let named = Message { name: Some("Ann".into()), ..Message::user("hi") };
    assert_eq!(tokens("gpt-4o", vec![named]), 10);
    assert_eq!(tokens("gpt-4o", vec![]), 3);
}

#[test]
fn what_is_not_published_is_never_called_exact() {
    let hi = || of(vec![Message::user("hi")]);
    let with = |change: fn(&mut ChatRequest)| {
        let mut request = hi();
        change(&mut request);
        (count("gpt-4o", &request), counts_exactly("gpt-4o", &request))
    };
    let extra = |path: &str| Extra { wire: Wire::OpenaiResponses, path: path.into(), json: true.into() };
    let inexact: [fn(&mut ChatRequest); 6] = [
        |request| request.tools.push(weather()),
        |request| request.messages[0].parts.push(Part::text("you")),
        |request| request.messages[0].parts[0] = Part::Refusal { text: "no".into() },
        |request| request.messages.push(Message::new(Role::Tool, vec![])),
        |request| {
            request.response_format =
                Some(ResponseFormat::JsonSchema { name: "a".into(), description: None, schema: None, strict: None });
        },
        |request| request.extra.push(Extra { wire: Wire::OpenaiChat, path: "/new".into(), json: true.into() }),
    ];
    for (at, change) in inexact.into_iter().enumerate() {
        let (count, said) = with(change);
        assert!(count.error.is_some_and(|error| error > 0.0) && !said, "{at}: {count:?}");
    }
    let mut known = hi();
    known.extra.extend([extra("/store"), extra("/n")]);
    assert_eq!(count("gpt-4o", &known), TokenCount::exact(8));
    let mut kept = hi();
    kept.extra.push(extra("/previous_response_id"));
    assert!(count("gpt-4o", &kept).error.is_some_and(|error| error >= 1.0), "who knows what is kept");
}

#[test]
fn tools_are_declared_by_their_schemas() {
    let declared = tools::declared(&[weather()]);
    for line in [
        "// Tells the weather.",
        "type weather = (_: {",
        "// Where",
        "city: string,",
        "days?: number[],",
        "unit?: \"C\" | \"F\",",
        "at?: string | number | null,",
        "place?: {\nzip?: boolean,\n},",
        "}) => any;",
    ] {
        assert!(declared.contains(line), "{line:?} in {declared}");
    }
    let without =
        Tool::Function { name: "now".into(), description: None, parameters: None, strict: None, extra: vec![] };
    assert!(tools::declared(&[without]).contains("type now = () => any;"));
}

#[test]
fn a_schema_that_is_too_deep_is_written_as_it_is() {
    let mut schema = json!({"type": "string"});
    for _ in 0..200 {
        schema = json!({"type": "object", "properties": {"a": schema}});
    }
    let deep = Tool::Function {
        name: "deep".into(),
        description: None,
        parameters: Some(schema),
        strict: None,
        extra: vec![],
    };
    assert!(tools::declared(&[deep]).len() > 200);
}

#[test]
fn texts_for_vectors_have_no_frame_and_tokens_are_themselves() {
    let request = |input| EmbedRequest { input, ..EmbedRequest::default() };
    let texts = request(vec!["hello world".into(), EmbedInput::Tokens(vec![1, 2, 3]), "".into()]);
    assert_eq!(count_texts("text-embedding-3-small", &texts), TokenCount::exact(5));
    assert_eq!(count_texts("nomic-embed-text", &request(vec![EmbedInput::Tokens(vec![7; 9])])), TokenCount::exact(9));
    assert!(count_texts("nomic-embed-text", &texts).error.is_some());
    assert_eq!(count("text-embedding-3-large", &of(vec![Message::user("hello world")])), TokenCount::exact(2));
}

#[test]
fn a_document_of_text_is_counted_and_another_is_not_known() {
    let document = |media_type: &str, data: &str| {
        let source = MediaSource::Base64 { media_type: media_type.into(), data: data.into() };
        count("gpt-4o", &of(vec![Message::new(Role::User, vec![Part::Document { source, name: None }])])).tokens
    };
    // "hello world", 160 times.
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "hello world ".repeat(160));
    assert!((320..360).contains(&document("text/plain", &text)));
    assert!(document("application/pdf", &text) > 1000);
    assert!(document("text/plain", "not base64!") > 1000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn more_is_never_less_and_an_error_is_a_share(
        texts in prop::collection::vec("\\PC{0,40}", 1..5),
        model in prop::sample::select(vec!["gpt-4o", "gpt-4", "gpt-5", "claude-haiku-4-5", "gemini-2.5-flash", "deepseek-chat", "grok-4", "x"]),
    ) {
        let mut before = 0;
        for until in 1..=texts.len() {
            let messages: Vec<_> = texts[..until].iter().map(|text| Message::user(text.as_str())).collect();
            let counted = count(model, &of(messages.clone()));
            prop_assert!(counted.tokens >= before);
            prop_assert!(counted.error.is_none_or(|error| error.is_finite() && error > 0.0));
            before = counted.tokens;
            let tools = ChatRequest { tools: vec![weather()], ..of(messages) };
            prop_assert!(count(model, &tools).tokens > counted.tokens);
        }
    }
}
