//! `/v1/responses` behind the built program where nothing is kept, before a provider of the same API and before one of chat
//! completions.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use greenroom_tests::client::{self, Connection, Event, Response};
use greenroom_tests::responses::{self, Answer, RESPONSES};
use greenroom_tests::{Attempt, Recorded, Script, ScriptedProvider, openai};
use http_support::{
    Api, CHAT, ENDS_WHERE_CUT, Greenroom, chats_asked, events, message, provider, refusal, until, with,
};
use serde_json::{Value, json};

/// A provider of the Responses API.
async fn gpt<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> ScriptedProvider {
    ScriptedProvider::start(Script::new([responses::responses(attempts), openai::models(["m"])])).await
}

/// A daemon before it, which knows it as `gpt`.
async fn before(gpt: &ScriptedProvider) -> Greenroom {
    Greenroom::start(&(provider("gpt", gpt) + "wire = \"responses\"\n")).await
}

fn asked(scripted: &ScriptedProvider) -> Vec<Recorded> {
    scripted.requests().into_iter().filter(|request| request.path() == RESPONSES).collect()
}

fn ask(model: &str, fields: Value) -> Value {
    with(json!({"model": model, "input": "hi", "store": false}), fields)
}

async fn post(api: &Api, body: &Value) -> Response {
    client::post_json(&api.url, RESPONSES, Some(&api.token), body).await.unwrap()
}

async fn begin(api: &Api, body: &Value) -> Connection {
    let mut connection = Connection::open(&api.url).await.unwrap();
    connection.post_json(RESPONSES, Some(&api.token), body).await.unwrap();
    connection
}

/// All events of a streamed answer, which are numbered through and named by their types.
async fn stream(api: &Api, body: &Value) -> Vec<Event> {
    let mut connection = begin(api, &with(body.clone(), json!({"stream": true}))).await;
    assert_eq!(connection.head().await.unwrap().status, 200);
    let events = events(&mut connection).await;
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event.json()["sequence_number"], number, "{}", event.text());
        assert_eq!(event.event.as_deref(), event.json()["type"].as_str());
    }
    events
}

/// What the last event says of the response.
fn last(events: &[Event]) -> Value {
    events.last().unwrap().json()["response"].clone()
}

fn types(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.event.clone().unwrap()).collect()
}

fn text_of(response: &Value) -> String {
    let parts = response["output"].as_array().unwrap().iter().flat_map(|item| item["content"].as_array().into_iter());
    parts.flatten().filter_map(|part| part["text"].as_str()).collect()
}

const TOOL: &str = r#"{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": false}"#;

fn tool() -> Value {
    serde_json::from_str(TOOL).unwrap()
}

#[tokio::test]
async fn what_the_same_api_said_goes_back_as_it_was() {
    let usage = json!({"input_tokens": 14, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 23});
    let answer = Answer::new()
        .reasoning(["h", "m"], "hidden")
        .then_text(["Let me ", "see\u{2028}."])
        .whole_item(json!({"type": "web_search_call", "id": "ws_1", "status": "completed"}))
        .call("call_1", "weather", ["{\"city\":", "\"Rome\"}"])
        .usage(usage.clone());
    let lab = gpt([answer, Answer::text(["Sunny."])]).await;
    let greenroom = before(&lab).await;
    let body = ask(
        "gpt/m",
        json!({"instructions": "brief", "tools": [tool(), {"type": "web_search"}], "odd": {"a": 1},
        "reasoning": {"effort": "low", "summary": "auto"}, "parallel_tool_calls": true}),
    );
    let events = stream(&greenroom.api, &body).await;
    let response = last(&events);
    assert_eq!(
        (&response["id"], &response["status"], &response["usage"]),
        (&json!("resp_scripted"), &json!("completed"), &usage)
    );
    assert_eq!((&response["model"], &response["store"]), (&json!("scripted-model"), &json!(false)));
    assert_eq!((&response["instructions"], &response["reasoning"]["effort"]), (&json!("brief"), &json!("low")));
    let items: Vec<_> = response["output"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(items, ["rs_0", "msg_1", "ws_1", "fc_3"]);
    assert_eq!(response["output"][0]["encrypted_content"], "hidden");
    let said: Vec<_> = types(&events).into_iter().filter(|kind| kind.ends_with(".delta")).collect();
    assert!(said.iter().any(|kind| kind == "response.reasoning_summary_text.delta"), "{said:?}");

    let mut input = vec![json!({"role": "user", "content": "hi"})];
    input.extend(response["output"].as_array().unwrap().clone());
    input.push(json!({"type": "function_call_output", "call_id": "call_1", "output": "24°"}));
    let response = post(&greenroom.api, &with(body, json!({"input": input, "store": false}))).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("x-greenroom-provider"), Some("gpt"));
    assert_eq!((response.header("x-greenroom-model"), response.header("x-greenroom-attempts")), (Some("m"), Some("1")));
    assert_eq!(text_of(&response.json()), "Sunny.");

    let [first, second] = [asked(&lab)[0].json(), asked(&lab)[1].json()];
    assert_eq!(
        (&first["store"], &first["odd"], &first["reasoning"]["summary"]),
        (&json!(false), &json!({"a": 1}), &json!("auto"))
    );
    assert_eq!(first["tools"], json!([tool(), {"type": "web_search"}]));
    let kinds: Vec<_> = second["input"].as_array().unwrap().iter().map(|item| item["type"].clone()).collect();
    let want = ["message", "reasoning", "message", "web_search_call", "function_call", "function_call_output"];
    assert_eq!(kinds, want);
    assert_eq!(
        second["input"][1],
        json!({"type": "reasoning", "id": "rs_0", "encrypted_content": "hidden",
        "summary": [{"type": "summary_text", "text": "hm"}]})
    );
    assert_eq!((&second["input"][2]["id"], &second["input"][4]["id"]), (&json!("msg_1"), &json!("fc_3")));
}

#[tokio::test]
async fn chat_completions_answer_as_well() {
    let call = openai::Answer::new().reasoning(["h", "m"]).then_text(["I ", "look."]).tool_call(
        "call_a",
        "weather",
        ["{\"city\":", "\"Oslo\"}"],
    );
    let lab = http_support::scripted([call, openai::Answer::text(["It rains."])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let format = json!({"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}});
    let picture = json!({"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="});
    let file = json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="});
    let question = json!({"role": "user", "content": [{"type": "input_text", "text": "see"}, picture, file]});
    let body = ask("lab/m1", json!({"input": [question], "tools": [tool()], "text": format, "max_output_tokens": 99}));
    let events = stream(&greenroom.api, &body).await;
    let want = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ];
    let mut said = types(&events);
    said.dedup();
    assert_eq!(said, want);
    let response = last(&events);
    assert!(response["id"].as_str().unwrap().starts_with("resp_"), "{response}");
    assert_eq!(response["usage"]["total_tokens"], 15);
    let called = &response["output"][2];
    assert_eq!((&called["call_id"], &called["arguments"]), (&json!("call_a"), &json!("{\"city\":\"Oslo\"}")));

    let mut input = vec![question];
    input.extend(response["output"].as_array().unwrap().clone());
    input.push(json!({"type": "function_call_output", "call_id": "call_a", "output": "rain"}));
    let response = post(&greenroom.api, &with(body, json!({"input": input}))).await;
    assert_eq!((response.status, text_of(&response.json())), (200, "It rains.".into()), "{}", response.text());
    assert_eq!(response.json()["output"][0]["role"], "assistant");

    let [first, second] = [chats_asked(&lab)[0].json(), chats_asked(&lab)[1].json()];
    assert_eq!(first["response_format"]["json_schema"]["schema"], json!({"type": "object"}));
    assert_eq!(first["messages"][0]["content"][1]["image_url"]["url"], "data:image/png;base64,iVBORw0KGgo=");
    assert_eq!(first["messages"][0]["content"][2]["file"]["filename"], "a.pdf");
    assert_eq!(first["tools"][0]["function"]["name"], "weather");
    let said = &second["messages"][1];
    assert_eq!((&said["content"], &said["tool_calls"][0]["id"]), (&json!("I look."), &json!("call_a")));
    assert_eq!((&second["messages"][2]["role"], &second["messages"][2]["content"]), (&json!("tool"), &json!("rain")));
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_and_nobody_is_asked() {
    let lab = http_support::scripted([openai::Answer::text(["a"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let cases = [
        (json!({"store": "yes"}), "store"),
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"background": true}), "background"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"prompt": {"id": "p"}}), "prompt"),
        (json!({"input": []}), "input"),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input"),
        (json!({"input": [{"role": "user", "content": 7}]}), "input[0].content"),
        (json!({"temperature": "hot"}), "temperature"),
    ];
    for (fields, param) in cases {
        for stream in [false, true] {
            let response = post(&greenroom.api, &with(ask("m1", fields.clone()), json!({"stream": stream}))).await;
            assert_eq!(
                (response.status, &response.json()["error"]["param"]),
                (400, &json!(param)),
                "{}",
                response.text()
            );
            assert_eq!(response.json()["error"]["type"], "invalid_request_error");
            message(&response);
        }
    }
    let gone = post(&greenroom.api, &ask("m1", json!({"previous_response_id": "resp_1"}))).await;
    assert_eq!(refusal(&gone).2, "previous_response_not_found");
    for own in
        [json!({"tools": [{"type": "web_search"}]}), json!({"tools": [tool()], "tool_choice": {"type": "web_search"}})]
    {
        let response = post(&greenroom.api, &ask("m1", own)).await;
        assert_eq!(response.status, 400, "{}", response.text());
        assert!(message(&response).contains("lab/m1 can't take tools of the Responses API"), "{}", response.text());
    }
    assert_eq!(greenroom.api.get("/api/sessions").await.json()["sessions"], json!([]), "nothing is kept");
    let kept = greenroom.api.get("/v1/responses/resp_1").await;
    assert_eq!((kept.status, refusal(&kept).2.as_str()), (404, "not_found"));
    let nowhere = post(&greenroom.api, &ask("nobody/nothing", json!({}))).await;
    assert_eq!((nowhere.status, refusal(&nowhere).2.as_str()), (404, "model_not_found"));
    assert_eq!(chats_asked(&lab).len(), 0);
}

#[tokio::test]
async fn an_answer_that_fails_midway_says_so_and_why() {
    let limited = Answer::text(["Hel", "lo"]).error_after(1, "rate_limit_exceeded", "slow down");
    let lab = gpt([Answer::text(["Hel", "lo"]).cut_after(1).stream(), limited.stream()]).await;
    let greenroom = Greenroom::start(&format!("{ENDS_WHERE_CUT}{}wire = \"responses\"\n", provider("gpt", &lab))).await;
    for code in ["server_error", "rate_limit_exceeded"] {
        let events = stream(&greenroom.api, &ask("gpt/m", json!({}))).await;
        let said = types(&events);
        assert_eq!(said[said.len() - 2..], ["error", "response.failed"], "{code}");
        let error = events[events.len() - 2].json();
        assert_eq!((&error["code"], &error["error"]["code"]), (&json!(code), &json!(code)), "{error}");
        let response = last(&events);
        assert_eq!((&response["status"], &response["error"]["code"]), (&json!("failed"), &json!(code)));
        assert_eq!(response["id"], "resp_scripted");
    }
}

#[tokio::test]
async fn an_answer_that_another_goes_on_with_is_one_response() {
    let words = "It stands on the hill above the sea, and has stood there for longer than anyone remembers, they say.";
    let cut = openai::Answer::text([words]).cut_after(1);
    let first = http_support::scripted([cut]).await;
    let second = http_support::scripted([openai::Answer::text([" And so it is."])]).await;
    let config = format!(
        "[models.aliases]\nsmart = [\"one/m1\", \"two/m1\"]\n{}{}",
        provider("one", &first),
        provider("two", &second)
    );
    let greenroom = Greenroom::start(&config).await;
    let events = stream(&greenroom.api, &ask("smart", json!({}))).await;
    let response = last(&events);
    assert_eq!(text_of(&response), format!("{words} And so it is."));
    assert_eq!((response["output"].as_array().unwrap().len(), &response["status"]), (1, &json!("completed")));
    assert_eq!(events[0].json()["response"]["id"], response["id"]);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_answer() {
    let answer = || openai::Answer::text(["Hel", "lo"]).stall_after(1).stream();
    let lab = http_support::scripted([answer(), answer()]).await;
    let greenroom = Greenroom::before(&lab).await;
    for (number, streamed) in [(1, true), (2, false)] {
        let mut connection = begin(&greenroom.api, &ask("lab/m1", json!({"stream": streamed}))).await;
        until(&lab, |stats| stats.route(CHAT).open == 1).await;
        if streamed {
            assert_eq!(connection.head().await.unwrap().status, 200);
            while connection.event().await.unwrap().unwrap().event.as_deref() != Some("response.output_text.delta") {}
        }
        drop(connection);
        let stats = until(&lab, |stats| stats.route(CHAT).cancelled == number).await;
        assert_eq!(stats.route(CHAT).open, 0);
    }
    assert_eq!(chats_asked(&lab).len(), 2, "nothing is asked for anew");
}
