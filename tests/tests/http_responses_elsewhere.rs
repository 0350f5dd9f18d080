//! `/v1/responses` with the tools of a coding agent, which only that API has words for, before providers that are spoken to
//! in another.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod anthropic_support;
mod http_support;

use anthropic_support::claude;
use greenroom_tests::client::{self, Connection, Event, Response};
use greenroom_tests::responses::{self, RESPONSES};
use greenroom_tests::{Script, ScriptedProvider, anthropic, openai};
use http_support::{Api, Greenroom, chats_asked, events, message, provider, refusal, scripted, with};
use serde_json::{Value, json};

const PATCH: &str = "*** Begin Patch\n*** Add File: é\n+\u{2028}\"x\"\n*** End Patch\n";

fn function(name: &str) -> Value {
    json!({"type": "function", "name": name, "description": "Does it.", "strict": false,
        "parameters": {"type": "object", "properties": {"of": {"type": "string"}}, "additionalProperties": false}})
}

/// What such an agent offers and says, in each of its requests.
fn ask(model: &str, input: &[Value]) -> Value {
    let text = |role: &str, text: &str| {
        json!({"type": "message", "id": "msg_00000000-0000-7000-8000-000000000000", "role": role,
            "content": [{"type": "input_text", "text": text}]})
    };
    let first = [text("developer", "You are an agent."), text("user", "<cwd>/work</cwd>"), text("user", "go on")];
    let input = [&first, input].concat();
    let tools = json!([
        function("exec"),
        {"type": "custom", "name": "apply_patch", "description": "Edits files.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}},
        {"type": "namespace", "name": "team_v1", "description": "Others.", "tools": [function("list"), function("close")]},
        {"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": {"type": "object"}},
        {"type": "web_search", "external_web_access": true, "search_content_types": ["text", "image"]},
    ]);
    json!({"model": model, "instructions": "Be brief.", "input": input, "tools": tools,
        "tool_choice": "auto", "parallel_tool_calls": true, "reasoning": {"effort": "medium", "summary": "auto"},
        "text": {"verbosity": "low"}, "include": ["reasoning.encrypted_content"], "store": false,
        "prompt_cache_key": "0199", "client_metadata": {"thread_id": "0199"}, "service_tier": "auto"})
}

async fn post(api: &Api, body: &Value) -> Response {
    client::post_json(&api.url, RESPONSES, Some(&api.token), body).await.unwrap()
}

async fn stream(api: &Api, body: &Value) -> Vec<Event> {
    let mut connection = Connection::open(&api.url).await.unwrap();
    connection.post_json(RESPONSES, Some(&api.token), &with(body.clone(), json!({"stream": true}))).await.unwrap();
    assert_eq!(connection.head().await.unwrap().status, 200);
    events(&mut connection).await
}

/// The items of a streamed response, each told at its end as in the whole.
fn items(events: &[Event]) -> Vec<Value> {
    let ends = events.iter().filter(|event| event.event.as_deref() == Some("response.output_item.done"));
    let items: Vec<Value> = ends.map(|event| event.json()["item"].clone()).collect();
    let last = events.last().unwrap().json();
    assert_eq!((&last["type"], &last["response"]["output"]), (&json!("response.completed"), &json!(items)));
    items
}

/// The item of a call, without its own id.
fn without_id(item: &Value) -> Value {
    let mut item = item.clone();
    item.as_object_mut().unwrap().shift_remove("id");
    item
}

/// Holds that the calls of an answer are those of the tools that were offered, gives the input of the next request.
async fn check_calls(greenroom: &Greenroom, model: &str) -> Vec<Value> {
    let said = stream(&greenroom.api, &ask(model, &[])).await;
    let deltas: String = said
        .iter()
        .filter(|event| event.event.as_deref() == Some("response.custom_tool_call_input.delta"))
        .map(|event| event.json()["delta"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(deltas, PATCH);
    let mut input = items(&said);
    let want = [
        json!({"type": "custom_tool_call", "status": "completed", "call_id": "call_a", "name": "apply_patch", "input": PATCH}),
        json!({"type": "function_call", "status": "completed", "call_id": "call_b", "name": "close",
            "arguments": "{\"of\":\"a\"}", "namespace": "team_v1"}),
        json!({"type": "function_call", "status": "completed", "call_id": "call_c", "name": "exec",
            "arguments": "{\"of\":\"b\"}"}),
    ];
    assert_eq!(input.iter().map(without_id).collect::<Vec<_>>(), want);
    assert!(
        input.iter().all(|item| item["id"].as_str().is_some_and(|id| id.starts_with("fc_") || id.starts_with("ctc_")))
    );
    for (kind, call) in [("custom_tool_call", "call_a"), ("function_call", "call_b"), ("function_call", "call_c")] {
        input.push(json!({"type": format!("{kind}_output"), "call_id": call, "output": format!("of {call}")}));
    }
    input
}

fn arguments() -> [(&'static str, &'static str, Vec<String>); 3] {
    let patch = json!({"input": PATCH}).to_string();
    let (begin, end) = patch.split_at(20);
    [
        ("call_a", "apply_patch", vec![begin.to_owned(), end.to_owned()]),
        ("call_b", "team_v1__close", vec!["{\"of\":".to_owned(), "\"a\"}".to_owned()]),
        ("call_c", "exec", vec!["{\"of\":\"b\"}".to_owned()]),
    ]
}

#[tokio::test]
async fn a_coding_agent_works_before_chat_completions() {
    let answer = arguments().iter().fold(openai::Answer::new(), |answer, (id, name, arguments)| {
        answer.tool_call(id, name, arguments.iter().map(String::as_str))
    });
    let lab = scripted([answer, openai::Answer::text(["Done."])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let input = check_calls(&greenroom, "lab/m1").await;
    let said = items(&stream(&greenroom.api, &ask("lab/m1", &input)).await);
    assert_eq!(said[0]["content"][0]["text"], "Done.");

    let [first, second] = [chats_asked(&lab)[0].json(), chats_asked(&lab)[1].json()];
    let names: Vec<&Value> = first["tools"].as_array().unwrap().iter().map(|tool| &tool["function"]["name"]).collect();
    assert_eq!(names, ["exec", "apply_patch", "team_v1__list", "team_v1__close"]);
    assert_eq!(first["tools"][1]["function"]["parameters"]["required"], json!(["input"]));
    assert_eq!(first["tools"], second["tools"]);
    let messages = second["messages"].as_array().unwrap();
    let calls = messages.iter().find(|message| message["role"] == "assistant").unwrap()["tool_calls"].clone();
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let want = arguments().map(|(id, name, arguments)| call(id, name, &arguments.concat()));
    assert_eq!(calls, json!(want));
    let results: Vec<&Value> =
        messages.iter().filter(|message| message["role"] == "tool").map(|message| &message["content"]).collect();
    assert_eq!(results, ["of call_a", "of call_b", "of call_c"]);
}

#[tokio::test]
async fn a_coding_agent_works_before_anthropics_messages() {
    let answer = arguments().iter().fold(anthropic::Answer::new(), |answer, (id, name, arguments)| {
        answer.tool_use(id, name, arguments.iter().map(String::as_str))
    });
    let answers = anthropic::messages([answer, anthropic::Answer::text(["Done."])]);
    let theirs = ScriptedProvider::start(Script::new([answers, anthropic::models(["m"])])).await;
    let greenroom = Greenroom::start(&claude(&theirs)).await;
    let input = check_calls(&greenroom, "claude/m").await;
    let said = items(&stream(&greenroom.api, &ask("claude/m", &input)).await);
    assert_eq!(said[0]["content"][0]["text"], "Done.");

    let [first, second] = [anthropic_support::asked(&theirs)[0].json(), anthropic_support::asked(&theirs)[1].json()];
    let names: Vec<&Value> = first["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["exec", "apply_patch", "team_v1__list", "team_v1__close"]);
    let messages = second["messages"].as_array().unwrap();
    let calls = messages.iter().find(|message| message["role"] == "assistant").unwrap()["content"].clone();
    assert_eq!((&calls[0]["name"], &calls[0]["input"]), (&json!("apply_patch"), &json!({"input": PATCH})));
    assert_eq!((&calls[1]["name"], &calls[1]["input"]), (&json!("team_v1__close"), &json!({"of": "a"})));
}

#[tokio::test]
async fn a_provider_of_the_same_api_is_asked_first_and_another_stands_in_for_it() {
    let gpt = Script::new([
        responses::responses([openai::error(500, "server_error", None, "down").always()]),
        openai::models(["m"]),
    ]);
    let gpt = ScriptedProvider::start(gpt).await;
    let lab = scripted([openai::Answer::text(["Hi."])]).await;
    let config = [
        "[models.aliases]\nsmart = [\"lab/m1\", \"gpt/m\"]\n".to_owned(),
        provider("gpt", &gpt) + "wire = \"responses\"\n",
        provider("lab", &lab),
    ];
    let greenroom = Greenroom::start(&config.concat()).await;
    let response = post(&greenroom.api, &ask("smart", &[])).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("x-greenroom-provider"), Some("lab"));
    let asked = gpt.requests().into_iter().find(|request| request.path() == RESPONSES).unwrap();
    assert_eq!(asked.json()["tools"], ask("smart", &[])["tools"], "it was asked first, in the client's own words");
}

#[tokio::test]
async fn a_kept_response_goes_on_with_calls_that_another_wire_made() {
    let calls = openai::Answer::new().tool_call("call_b", "team_v1__close", ["{}"]);
    let lab = scripted([calls, openai::Answer::text(["Closed."])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let kept = with(ask("lab/m1", &[]), json!({"store": true}));
    let first = post(&greenroom.api, &kept).await.json();
    assert_eq!((&first["output"][0]["name"], &first["output"][0]["namespace"]), (&json!("close"), &json!("team_v1")));
    let result = json!([{"type": "function_call_output", "call_id": "call_b", "output": "it is"}]);
    let next = with(kept, json!({"previous_response_id": first["id"], "input": result}));
    let second = post(&greenroom.api, &next).await;
    assert_eq!(second.status, 200, "{}", second.text());
    let sent = chats_asked(&lab)[1].json();
    let call = sent["messages"].as_array().unwrap().iter().find_map(|message| message.get("tool_calls")).unwrap();
    assert_eq!(call[0]["function"], json!({"name": "team_v1__close", "arguments": "{}"}));
}

#[tokio::test]
async fn what_no_other_wire_can_be_told_is_refused_with_a_reason() {
    let lab = scripted([openai::Answer::text(["never"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let search = json!({"type": "web_search"});
    let cases = [
        json!({"tools": [search]}),
        json!({"tools": [function("f"), search], "tool_choice": {"type": "web_search"}}),
        json!({"tools": [function("f"), {"type": "mcp", "server_label": "s", "server_url": "https://s.example"}]}),
    ];
    for fields in cases {
        let body = with(json!({"model": "lab/m1", "input": "hi", "store": false}), fields);
        let response = post(&greenroom.api, &body).await;
        assert_eq!(refusal(&response).0, 400, "{}", response.text());
        assert!(message(&response).contains("tools of the Responses API"), "{}", response.text());
    }
    assert!(chats_asked(&lab).is_empty());
}

#[tokio::test]
async fn a_picture_in_the_form_of_chat_completions_is_seen() {
    let lab = scripted([openai::Answer::text(["A cat."])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let picture = json!({"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"});
    let parts = json!([{"type": "input_image", "image_url": picture}, {"type": "image_url", "image_url": picture}]);
    let body = json!({"model": "lab/m1", "input": [{"role": "user", "content": parts}], "store": false});
    assert_eq!(post(&greenroom.api, &body).await.status, 200);
    let want = json!({"type": "image_url", "image_url": picture});
    assert_eq!(chats_asked(&lab)[0].json()["messages"][0]["content"], json!([want, want]));
}
