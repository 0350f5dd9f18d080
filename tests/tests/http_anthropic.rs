//! Answers over `POST /v1/messages`, before a provider of that wire and one of another.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod anthropic_support;
mod http_support;

use anthropic_support::{accumulated, ask, ask_streamed, asked, claude, refusal};
use greenroom_tests::anthropic::{self, Answer, COUNT, MESSAGES};
use greenroom_tests::{Attempt, openai};
use http_support::{Greenroom, chats_asked, provider, with};
use serde_json::{Value, json};

fn plain(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[tokio::test]
async fn a_message_has_the_shape_that_clients_know_whole_and_streamed() {
    let start = json!({"input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 6,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 1}, "output_tokens": 1,
        "service_tier": "standard"});
    let end = json!({"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 3}});
    let answer = Answer::text(["Hel", "lo"]).id("msg_1").model("m-2026").usage_details(start, end);
    let lab = anthropic_support::scripted([answer]).await;
    let greenroom = Greenroom::start(&claude(&lab)).await;
    let response = greenroom.api.message(&ask("claude/m")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let headers =
        ["content-type", "cache-control", "x-greenroom-provider", "x-greenroom-model", "x-greenroom-attempts"];
    assert_eq!(
        headers.map(|name| response.header(name)),
        [Some("application/json"), Some("no-store"), Some("claude"), Some("m"), Some("1")]
    );
    assert!(response.header("request-id").is_some_and(|id| id.starts_with("req_")));
    assert_eq!(response.header("request-id"), response.header("x-request-id"));
    let usage = json!({"input_tokens": 10, "cache_creation_input_tokens": 6, "cache_read_input_tokens": 4,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 1}, "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 3}, "service_tier": "standard"});
    let want = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m-2026",
        "content": [plain("Hello")], "stop_reason": "end_turn", "stop_sequence": null, "usage": usage});
    assert_eq!(response.json(), want);

    let mut connection = greenroom.api.begin_message(MESSAGES, &ask_streamed("claude/m"), &[]).await;
    let head = connection.head().await.unwrap();
    let header = |name| head.headers.get(name);
    assert_eq!((head.status, header("content-type")), (200, Some("text/event-stream; charset=utf-8")));
    assert_eq!((header("x-greenroom-provider"), header("x-greenroom-model")), (Some("claude"), Some("m")));
    assert!(header("request-id").is_some_and(|id| id.starts_with("req_")));
    let events = http_support::events(&mut connection).await;
    let names: Vec<_> = events.iter().map(|event| event.event.as_deref().unwrap()).collect();
    let (first, last) = (names.first(), &names[names.len() - 3..]);
    assert_eq!((first, last), (Some(&"message_start"), &["content_block_stop", "message_delta", "message_stop"][..]));
    assert_eq!(accumulated(&events), want);
}

#[tokio::test]
async fn what_a_client_asks_arrives_at_a_provider_of_the_same_wire() {
    let lab = anthropic_support::scripted([Answer::text(["{\"a\":1}"])]).await;
    let greenroom = Greenroom::start(&claude(&lab)).await;
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
        "cache_control": {"type": "ephemeral", "ttl": "1h"}});
    let fields = json!({
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [plain("what is this?"), image]}],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}},
        "temperature": 0.5, "top_k": 20, "max_tokens": 100, "stop_sequences": ["END"],
        "metadata": {"user_id": "u1"}, "service_tier": "auto", "context_management": {"edits": []}, "brand_new": [1],
    });
    let betas = [("anthropic-beta", "context-management-2025-06-27, a-1"), ("anthropic-beta", "b-2")];
    let body = with(ask("claude/m"), fields.clone());
    let response = greenroom.api.begin_message("/v1/messages?beta=true", &body, &betas).await.response().await.unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
    let sent = &asked(&lab)[0];
    assert_eq!(sent.header("x-api-key"), Some("claude-key"), "the provider sees its own key, not our token");
    assert_eq!(sent.header("anthropic-beta"), Some("context-management-2025-06-27,a-1,b-2"));
    assert_eq!(sent.json().get("anthropic_beta"), None);
    for (key, value) in fields.as_object().unwrap() {
        assert_eq!(&sent.json()[key], value, "{key} in {}", sent.json());
    }
}

#[tokio::test]
async fn everything_that_goes_back_goes_there_and_back() {
    let search = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "x"}]});
    let hidden = json!({"type": "redacted_thinking", "data": "d"});
    let answer = Answer::new()
        .thinking(["h", "m"], "sig")
        .whole_block(hidden.clone())
        .whole_block(search.clone())
        .whole_block(found.clone())
        .then_text(["Let me ", "see."])
        .tool_use("toolu_1", "weather", ["{\"city\":", "\"Rome\"}"])
        .tool_use("toolu_2", "time", [""]);
    let lab = anthropic_support::scripted([answer.clone(), answer, Answer::text(["Sunny."])]).await;
    let greenroom = Greenroom::start(&claude(&lab)).await;
    let tool = |name: &str| json!({"name": name, "description": "…", "input_schema": {"type": "object"}});
    let thinking = json!({"type": "enabled", "budget_tokens": 2000});
    let tools = json!({"tools": [tool("weather"), tool("time")], "thinking": thinking, "max_tokens": 4000});
    let body = with(ask("claude/m"), tools);
    let whole = greenroom.api.message(&body).await.json();
    assert_eq!(greenroom.api.message_streamed(&body).await["content"], whole["content"]);
    let call = |id: &str, name: &str, input: Value| json!({"type": "tool_use", "id": id, "name": name, "input": input});
    let content = json!([
        {"type": "thinking", "thinking": "hm", "signature": "sig"}, hidden, search, found, plain("Let me see."),
        call("toolu_1", "weather", json!({"city": "Rome"})), call("toolu_2", "time", json!({})),
    ]);
    assert_eq!((&whole["content"], &whole["stop_reason"]), (&content, &json!("tool_use")));

    let result = |id: &str, text: &str| json!({"type": "tool_result", "tool_use_id": id, "content": text});
    let messages = json!([
        {"role": "user", "content": [plain("how is it?")]},
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result("toolu_1", "24°"), result("toolu_2", "noon")]},
    ]);
    let last = greenroom.api.message(&with(body, json!({"messages": messages}))).await.json();
    assert_eq!(last["content"], json!([plain("Sunny.")]));
    assert_eq!(asked(&lab)[2].json()["messages"], messages);
}

#[tokio::test]
async fn a_provider_of_another_wire_is_asked_in_its_words_and_answers_in_these() {
    let tools = openai::Answer::text(["Let me see."])
        .parallel_tool_calls([("call_a", "weather", vec!["{\"city\":", "\"Oslo\"}"]), ("call_b", "time", vec!["{}"])])
        .usage_details(json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}));
    let lab = http_support::scripted([tools.clone(), tools, openai::Answer::text(["It ", "rains."])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object", "properties": {}}});
    let image =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}});
    let fields = json!({
        "system": "Be brief.", "tools": [tool("weather"), tool("time")], "tool_choice": {"type": "any"},
        "messages": [{"role": "user", "content": [plain("weather and time?"), image]}], "stop_sequences": ["END"],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}},
    });
    let body = with(ask("lab/m1"), fields);
    let whole = greenroom.api.message(&body).await.json();
    let streamed = greenroom.api.message_streamed(&body).await;
    for message in [&whole, &streamed] {
        let call =
            |id: &str, name: &str, input: Value| json!({"type": "tool_use", "id": id, "name": name, "input": input});
        let calls = [call("call_a", "weather", json!({"city": "Oslo"})), call("call_b", "time", json!({}))];
        let content = json!([plain("Let me see."), calls[0], calls[1]]);
        assert_eq!((&message["content"], &message["stop_reason"]), (&content, &json!("tool_use")));
        let usage = &message["usage"];
        assert_eq!((&usage["input_tokens"], &usage["cache_read_input_tokens"]), (&json!(6), &json!(4)));
        assert_eq!(
            (&usage["output_tokens"], &usage["output_tokens_details"]["thinking_tokens"]),
            (&json!(5), &json!(2))
        );
    }
    let sent = chats_asked(&lab)[0].json();
    assert_eq!((&sent["tool_choice"], &sent["stop"]), (&json!("required"), &json!(["END"])));
    assert_eq!(sent["response_format"]["type"], "json_schema");
    assert_eq!(sent["messages"][0], json!({"role": "system", "content": "Be brief."}));
    assert_eq!(sent["messages"][1]["content"][1]["image_url"]["url"], "data:image/png;base64,iVBORw0KGgo=");

    let result = |id: &str, text: &str| json!({"type": "tool_result", "tool_use_id": id, "content": text});
    let messages = json!([
        body["messages"][0],
        {"role": "assistant", "content": whole["content"]},
        {"role": "user", "content": [result("call_a", "rain"), result("call_b", "noon"), plain("and?")]},
    ]);
    let last = greenroom.api.message(&with(body, json!({"messages": messages}))).await.json();
    assert_eq!((&last["content"], &last["stop_reason"]), (&json!([plain("It rains.")]), &json!("end_turn")));
    let sent = chats_asked(&lab)[2].json();
    let roles: Vec<_> =
        sent["messages"].as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "user"]);
    assert_eq!(sent["messages"][2]["tool_calls"][0]["function"]["arguments"], "{\"city\":\"Oslo\"}");
}

#[tokio::test]
async fn what_a_model_is_to_read_reaches_one_of_another_wire_as_text() {
    let lab = http_support::scripted([openai::Answer::text(["Read."])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let search = json!({"type": "tool_use", "id": "toolu_1", "name": "find_tools", "input": {}});
    let found =
        json!([{"type": "tool_reference", "tool_name": "weather"}, {"type": "tool_reference", "tool_name": "time"}]);
    let page =
        json!({"type": "search_result", "source": "https://a.example", "title": "A", "content": [plain("It rains.")]});
    let parts =
        json!({"type": "document", "title": "B", "source": {"type": "content", "content": [plain("It is noon.")]}});
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}, "defer_loading": true});
    let body = with(
        ask("lab/m1"),
        json!({"tools": [tool("weather"), tool("time")], "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": [search]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": found},
                plain("Read this:"), page, parts, plain("Well?")]},
        ]}),
    );
    assert_eq!(greenroom.api.message(&body).await.json()["content"], json!([plain("Read.")]));
    let messages = chats_asked(&lab)[0].json()["messages"].clone();
    let texts = |message: &Value| -> Vec<Value> {
        message["content"].as_array().unwrap().iter().map(|part| part["text"].clone()).collect()
    };
    assert_eq!(texts(&messages[2]), ["weather", "time"]);
    let want = ["Read this:", "A\n\nhttps://a.example\n\nIt rains.", "B\n\nIt is noon.", "Well?"];
    assert_eq!(texts(&messages[3]), want);
}

#[tokio::test]
async fn thinking_of_another_wire_is_shown_to_those_who_ask_for_it_and_never_taken_for_signed() {
    let thought = openai::Answer::new().reasoning(["hm, ", "yes"]).then_text(["Yes."]);
    let lab = http_support::scripted([thought.stream().always()]).await;
    let claude_lab = anthropic_support::scripted([Answer::text(["On."])]).await;
    let greenroom = Greenroom::start(&[provider("lab", &lab), claude(&claude_lab)].concat()).await;
    let body = ask("lab/m1");
    assert_eq!(greenroom.api.message(&body).await.json()["content"], json!([plain("Yes.")]));
    assert_eq!(greenroom.api.message_streamed(&body).await["content"], json!([plain("Yes.")]));
    let wish = json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000});
    let body = with(body, wish.clone());
    let content = json!([{"type": "thinking", "thinking": "hm, yes", "signature": ""}, plain("Yes.")]);
    assert_eq!(greenroom.api.message(&body).await.json()["content"], content);
    assert_eq!(greenroom.api.message_streamed(&body).await["content"], content);

    let messages = json!([{"role": "user", "content": [plain("a")]}, {"role": "assistant", "content": content},
        {"role": "user", "content": [plain("b")]}]);
    let next = with(with(ask("claude/m"), wish), json!({"messages": messages}));
    assert_eq!(greenroom.api.message(&next).await.status, 200);
    assert_eq!(asked(&claude_lab)[0].json()["messages"][1]["content"], json!([plain("Yes.")]));
}

#[tokio::test]
async fn refusals_lengths_and_stop_texts_have_their_words() {
    let stopped = anthropic::event(&json!({"type": "message_delta",
        "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"}, "usage": {"output_tokens": 2}}));
    let stream = Attempt::new().status(200).header("content-type", "text/event-stream");
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}});
    let at_stop = [
        anthropic::event(&json!({"type": "message_start", "message": message})),
        anthropic::event(&json!({"type": "content_block_start", "index": 0, "content_block": plain("")})),
        anthropic::event(
            &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
        ),
        anthropic::event(&json!({"type": "content_block_stop", "index": 0})),
        stopped,
        anthropic::event(&json!({"type": "message_stop"})),
    ];
    let at_stop = at_stop.into_iter().fold(stream, Attempt::send).always();
    let theirs = anthropic_support::scripted([at_stop]).await;
    let refused = openai::Answer::new().refusal(["I ", "won't."]);
    let long = openai::Answer::text(["a"]).finish("length");
    let filtered = openai::Answer::text(["a"]).finish("content_filter");
    let others =
        http_support::scripted([refused.clone(), refused, long.clone(), long, filtered.clone(), filtered]).await;
    let greenroom = Greenroom::start(&[claude(&theirs), provider("lab", &others)].concat()).await;
    for (model, text, reason, met) in [
        ("claude/m", "a", "stop_sequence", json!("END")),
        ("lab/m1", "I won't.", "refusal", Value::Null),
        ("lab/m1", "a", "max_tokens", Value::Null),
        ("lab/m1", "a", "refusal", Value::Null),
    ] {
        let whole = greenroom.api.message(&ask(model)).await.json();
        let streamed = greenroom.api.message_streamed(&ask(model)).await;
        for message in [whole, streamed] {
            let said = (&message["content"], &message["stop_reason"], &message["stop_sequence"]);
            assert_eq!(said, (&json!([plain(text)]), &json!(reason), &met));
        }
    }
}

#[tokio::test]
async fn an_agent_that_was_made_for_other_models_asks_for_no_more_than_its_model_can() {
    let lab = http_support::scripted([openai::Answer::text(["a"])]).await;
    let models = "[providers.lab.models.m1]\nmax_output = 16384\nreasoning = false\n\
        [models.aliases]\n\"claude-*\" = \"lab/m1\"\n";
    let greenroom = Greenroom::start(&[provider("lab", &lab), models.to_owned()].concat()).await;
    for kind in ["adaptive", "disabled"] {
        let wish = json!({"max_tokens": 64_000, "thinking": {"type": kind}, "output_config": {"effort": "high"}});
        assert_eq!(greenroom.api.message(&with(ask("claude-opus-4-8"), wish)).await.status, 200);
    }
    for sent in chats_asked(&lab) {
        let sent = sent.json();
        assert_eq!((&sent["model"], &sent["max_tokens"]), (&json!("m1"), &json!(16_384)));
        assert_eq!(sent.get("reasoning_effort"), None, "it does not think");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_goes_on_as_one_message() {
    let first = anthropic_support::scripted([Answer::text(["Hel", "lo, "]).cut_after(2).stream().always()]).await;
    let second = http_support::scripted([openai::Answer::text(["wor", "ld"])]).await;
    let chain = "[models.aliases]\nsmart = [\"claude/m\", \"lab/m1\"]\n";
    let config = [claude(&first), provider("lab", &second), chain.to_owned()].concat();
    let greenroom = Greenroom::start(&config).await;
    let message = greenroom.api.message_streamed(&ask("smart")).await;
    let text: String =
        message["content"].as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap()).collect();
    assert_eq!((text.as_str(), &message["stop_reason"]), ("Hello, world", &json!("end_turn")));
    assert_eq!(message["content"].as_array().unwrap().len(), 1, "it is one text: {message}");
}

#[tokio::test]
async fn tokens_are_counted_by_whoever_would_be_asked() {
    let theirs = anthropic_support::scripted([Answer::text(["a"])]).await;
    let others = http_support::scripted([openai::Answer::text(["a"])]).await;
    let greenroom = Greenroom::start(&[claude(&theirs), provider("lab", &others)].concat()).await;
    let body = json!({"model": "claude/m", "messages": [{"role": "user", "content": "hi"}], "tools": []});
    let api = &greenroom.api;
    let count = |body: Value| async move { api.begin_message(COUNT, &body, &[]).await.response().await.unwrap() };
    let response = count(body.clone()).await;
    assert_eq!((response.status, response.json()), (200, json!({"input_tokens": 43})), "{}", response.text());
    assert_eq!(response.header("x-greenroom-estimated"), None);
    let response = count(with(body.clone(), json!({"model": "lab/m1"}))).await;
    assert!(response.json()["input_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{}", response.text());
    assert_eq!(response.header("x-greenroom-estimated"), Some("true"));
    let (status, kind, _) = refusal(&count(with(body, json!({"model": "nobody/m"}))).await);
    assert_eq!((status, kind.as_str()), (404, "not_found_error"));
    assert!(asked(&theirs).is_empty() && chats_asked(&others).is_empty(), "nothing was answered");
}

#[tokio::test]
async fn a_client_that_leaves_the_version_out_of_the_path_reaches_the_same() {
    let lab = anthropic_support::scripted([Answer::text(["Hello"])]).await;
    let greenroom = Greenroom::start(&claude(&lab)).await;
    let post =
        async |path: &str, body: Value| greenroom.api.begin_message(path, &body, &[]).await.response().await.unwrap();
    assert_eq!(post("/messages", ask("claude/m")).await.json()["content"], json!([plain("Hello")]));
    assert_eq!(post("/messages/count_tokens", ask("claude/m")).await.json()["input_tokens"], 43);
    let unknown = post("/messages", ask("nobody/nothing")).await;
    let (status, kind, _) = refusal(&unknown);
    assert_eq!((status, kind.as_str()), (404, "not_found_error"));
    let stranger = greenroom_tests::client::post_json(&greenroom.api.url, "/messages", None, &ask("claude/m")).await;
    let (status, kind, _) = refusal(&stranger.unwrap());
    assert_eq!((status, kind.as_str()), (401, "authentication_error"));
}

#[tokio::test]
async fn models_are_listed_in_the_words_of_whoever_asks() {
    let lab = anthropic_support::scripted([Answer::text(["a"])]).await;
    let config = format!("{}[models.aliases]\nsmart = \"claude/m\"\n", claude(&lab));
    let greenroom = Greenroom::start(&config).await;
    let get = |path: &'static str| async {
        let mut connection = greenroom_tests::client::Connection::open(&greenroom.api.url).await.unwrap();
        let headers = [("x-api-key", greenroom.api.token.as_str()), ("anthropic-version", "2023-06-01")];
        connection.send("GET", path, &headers, b"").await.unwrap();
        connection.response().await.unwrap()
    };
    let ids = |list: &Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    let list = get("/v1/models").await.json();
    assert_eq!(ids(&list), ["smart", "claude/m", "claude/n"]);
    assert_eq!(list["data"][1]["type"], "model");
    assert_eq!(list["data"][1]["created_at"], "1970-01-01T00:00:00Z");
    assert_eq!(
        (&list["has_more"], &list["first_id"], &list["last_id"]),
        (&json!(false), &json!("smart"), &json!("claude/n"))
    );
    let page = get("/v1/models?limit=1&after_id=smart").await.json();
    assert_eq!((ids(&page), &page["has_more"]), (vec!["claude/m".to_owned()], &json!(true)));
    assert_eq!(get("/v1/models/claude%2Fm").await.json()["id"], "claude/m");
    assert_eq!(get("/v1/models/m").await.json()["display_name"].as_str().map(str::is_empty), Some(false));
    let (status, kind, message) = refusal(&get("/v1/models/claude/x").await);
    assert_eq!((status, kind.as_str()), (404, "not_found_error"));
    assert!(message.contains("claude/x"), "{message}");
    let (status, kind, _) = refusal(&get("/v1/models?limit=0").await);
    assert_eq!((status, kind.as_str()), (400, "invalid_request_error"));
    // Without that header, whoever asks is a client of OpenAI's.
    assert_eq!(greenroom.api.get("/v1/models").await.json()["object"], "list");
}

/// The counts that a message begins with, and those that it ends with.
async fn counts(greenroom: &Greenroom, body: &Value) -> (Value, Value) {
    let mut connection = greenroom.api.begin_message(MESSAGES, body, &[]).await;
    assert_eq!(connection.head().await.unwrap().status, 200);
    let events = http_support::events(&mut connection).await;
    let of = |name: &str| events.iter().find(|event| event.event.as_deref() == Some(name)).unwrap().json();
    (of("message_start")["message"]["usage"].clone(), of("message_delta")["usage"].clone())
}

#[tokio::test]
async fn a_message_begins_with_the_length_of_its_prompt_and_is_booked_once() {
    let start = json!({"input_tokens": 10, "cache_read_input_tokens": 400, "output_tokens": 1});
    let told = Answer::text(["Hel", "lo"]).usage_details(start, json!({"output_tokens": 9}));
    let lab = anthropic_support::scripted([told]).await;
    let other = http_support::scripted([openai::Answer::text(["Hi"])]).await;
    let greenroom = Greenroom::start(&format!("{}{}", claude(&lab), provider("other", &other))).await;

    let (begun, ended) = counts(&greenroom, &ask_streamed("claude/m")).await;
    assert_eq!((&begun["input_tokens"], &begun["cache_read_input_tokens"]), (&json!(10), &json!(400)), "{begun}");
    assert_eq!((&ended["input_tokens"], &ended["cache_read_input_tokens"]), (&json!(10), &json!(400)), "{ended}");
    assert_eq!(ended["output_tokens"], 9);

    let long = json!({"messages": [{"role": "user", "content": "many words ".repeat(400)}]});
    let (begun, ended) = counts(&greenroom, &with(ask_streamed("other/m1"), long)).await;
    let estimate = begun["input_tokens"].as_u64().unwrap();
    assert!((900..1600).contains(&estimate), "about a token each four bytes: {begun}");
    assert_eq!(ended["input_tokens"], 10, "what the provider counts takes the place of the estimate: {ended}");

    let usage = greenroom.api.get("/api/usage").await.json();
    let sums: Vec<_> = usage["usage"].as_array().unwrap_or_else(|| panic!("{usage}")).clone();
    let sum = |key: &str| sums.iter().map(|row| row[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("requests"), sum("input"), sum("cache_read"), sum("output")), (2, 20, 400, 14), "{usage}");
}
