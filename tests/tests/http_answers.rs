//! Answers over `POST /v1/chat/completions`, whole and streamed.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use greenroom_tests::client::Event;
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider};
use http_support::{Greenroom, ask, ask_streamed, chats_asked, is_done, provider, scripted, text, with};
use serde_json::{Value, json};

/// Long enough for each piece to travel alone.
const PACE: Duration = Duration::from_millis(60);

fn is_now(created: &Value) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    created.as_u64().is_some_and(|created| created.abs_diff(now) < 600)
}

#[tokio::test]
async fn a_whole_answer_has_the_shape_that_clients_know() {
    let answer = Answer::text(["Hel", "lo"]).id("chatcmpl-1").model("m1-2026").usage(7, 2);
    let lab = scripted([answer]).await;
    let greenroom = Greenroom::before(&lab).await;
    let response = greenroom.api.chat(&ask("lab/m1")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let headers =
        ["content-type", "cache-control", "x-greenroom-provider", "x-greenroom-model", "x-greenroom-attempts"];
    assert_eq!(
        headers.map(|name| response.header(name)),
        [Some("application/json"), Some("no-store"), Some("lab"), Some("m1"), Some("1")]
    );
    assert!(response.header("x-request-id").is_some_and(|id| id.len() == 36), "{:?}", response.headers);
    let mut body = response.json();
    assert!(is_now(&body["created"].take()), "{body}");
    let usage = json!({
        "prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
    });
    let message = json!({"role": "assistant", "content": "Hello", "refusal": null});
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
    let want = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": null, "model": "m1-2026",
        "choices": [choice], "usage": usage,
    });
    assert_eq!(body, want);
    let chats = chats_asked(&lab);
    let asked = &chats[0];
    assert_eq!(asked.bearer(), Some("lab-key"), "the provider sees its own key, not our token");
    assert_eq!(asked.json()["model"], "m1");
}

#[tokio::test]
async fn a_stream_comes_piece_by_piece_in_order() {
    let answer = Answer::text(["Hel", "lo"]).id("chatcmpl-1").model("m1-2026").pace(PACE).first_token_after(PACE);
    let lab = scripted([answer]).await;
    let greenroom = Greenroom::before(&lab).await;
    let body = with(ask_streamed("lab/m1"), json!({"stream_options": {"include_usage": true}}));
    let mut connection = greenroom.api.begin(&body).await;
    let head = connection.head().await.unwrap();
    let header = |name| head.headers.get(name);
    assert_eq!(head.status, 200);
    assert_eq!(header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!((header("cache-control"), header("x-accel-buffering")), (Some("no-cache, no-store"), Some("no")));
    assert_eq!((header("x-greenroom-provider"), header("x-greenroom-model")), (Some("lab"), Some("m1")));
    assert_eq!((header("x-greenroom-attempts"), header("content-length")), (Some("1"), None));
    assert!(header("x-request-id").is_some_and(|id| id.starts_with("req_")));

    let text = String::from_utf8(connection.body().await.unwrap()).unwrap();
    let mut chunks: Vec<&str> = text.split_inclusive("\n\n").collect();
    assert_eq!(chunks.pop(), Some("data: [DONE]\n\n"));
    let mut datas: Vec<Value> = Vec::new();
    for chunk in chunks {
        let data = chunk.strip_prefix("data: ").and_then(|data| data.strip_suffix("\n\n")).unwrap();
        let mut data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["id"].take(), "chatcmpl-1");
        assert_eq!(data["object"].take(), "chat.completion.chunk");
        assert_eq!(data["model"].take(), "m1-2026");
        assert!(is_now(&data["created"].take()));
        datas.push(data);
    }
    let choice = |delta: Value, reason: Value| json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
    let got: Vec<Value> = datas.iter().map(|data| data["choices"].clone()).collect();
    assert_eq!(
        got,
        [
            choice(json!({"role": "assistant", "content": ""}), Value::Null),
            choice(json!({"content": "Hel"}), Value::Null),
            choice(json!({"content": "lo"}), Value::Null),
            choice(json!({}), "stop".into()),
            json!([]),
        ]
    );
    assert!(datas[..4].iter().all(|data| data.get("usage") == Some(&Value::Null)), "{datas:?}");
    assert_eq!(datas[4]["usage"]["total_tokens"], 15);
}

#[tokio::test]
async fn usage_is_streamed_only_to_those_who_asked() {
    let lab = scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let events = greenroom.api.events(&ask_streamed("m1")).await;
    assert!(is_done(&events) && text(&events) == "a");
    assert!(events.iter().all(|event| event.json().get("usage").is_none()), "{events:?}");
    let asked = chats_asked(&lab)[0].json();
    assert_eq!(asked["stream_options"]["include_usage"], true, "the provider is asked for it all the same");
}

/// The tool calls of a stream, put together as clients do it.
fn calls(events: &[Event]) -> Vec<Value> {
    let mut calls: Vec<Value> = Vec::new();
    for event in events {
        let json = event.json();
        for part in json["choices"][0]["delta"]["tool_calls"].as_array().unwrap_or(&Vec::new()) {
            let index = part["index"].as_u64().unwrap() as usize;
            if index == calls.len() {
                let mut call = part.clone();
                call.as_object_mut().unwrap().remove("index");
                calls.push(call);
                continue;
            }
            assert!(part.get("id").is_none() && part["function"].get("name").is_none(), "{part}");
            let more = part["function"]["arguments"].as_str().unwrap();
            let arguments = &mut calls[index]["function"]["arguments"];
            *arguments = Value::String(arguments.as_str().unwrap().to_owned() + more);
        }
    }
    calls
}

#[tokio::test]
async fn tools_are_called_in_parallel_and_their_results_go_back() {
    let answer = Answer::text(["Let me see."])
        .parallel_tool_calls([("call_a", "weather", vec!["{\"city\":", "\"Oslo\"}"]), {
            ("call_b", "time", vec!["{}"])
        }]);
    let lab = scripted([answer]).await;
    let greenroom = Greenroom::before(&lab).await;
    let tool = |name: &str| {
        json!({"type": "function", "function": {
            "name": name, "description": "…", "strict": true,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}
        }})
    };
    let tools =
        json!({"tools": [tool("weather"), tool("time")], "tool_choice": "required", "parallel_tool_calls": true});
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let want = [call("call_a", "weather", r#"{"city":"Oslo"}"#), call("call_b", "time", "{}")];

    let whole = greenroom.api.chat(&with(ask("m1"), tools.clone())).await.json();
    let choice = &whole["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&"tool_calls".into(), &"Let me see.".into())
    );
    assert_eq!(choice["message"]["tool_calls"], json!(want));

    let events = greenroom.api.events(&with(ask_streamed("m1"), tools.clone())).await;
    assert_eq!(calls(&events), want);
    assert_eq!(events[events.len() - 2].json()["choices"][0]["finish_reason"], "tool_calls");
    let asked = chats_asked(&lab)[1].json();
    for key in ["tools", "tool_choice", "parallel_tool_calls"] {
        assert_eq!(asked[key], tools[key], "{key}");
    }

    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "weather and time?"},
        {"role": "assistant", "content": null, "tool_calls": want},
        {"role": "tool", "tool_call_id": "call_a", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_b", "content": "noon"},
    ]);
    let response = greenroom.api.chat(&with(ask("m1"), json!({"messages": messages}))).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(chats_asked(&lab)[2].json()["messages"], messages);
}

#[tokio::test]
async fn what_a_client_asks_arrives_at_the_provider() {
    let lab = scripted([Answer::text(["{\"a\":1}"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let image =
        json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}});
    let fields = json!({
        "messages": [{"role": "user", "content": [{"type": "text", "text": "what is this?"}, image]}],
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "answer", "strict": true,
            "schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
        }},
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 100, "stop": ["x", "y"], "seed": 7, "user": "u1",
        "reasoning_effort": "low", "top_k": 20, "metadata": {"k": "v"},
    });
    let response = greenroom.api.chat(&with(ask("m1"), fields.clone())).await;
    assert_eq!(response.json()["choices"][0]["message"]["content"], "{\"a\":1}");
    let asked = chats_asked(&lab)[0].json();
    for (key, value) in fields.as_object().unwrap() {
        assert_eq!(&asked[key], value, "{key} in {asked}");
    }
}

#[tokio::test]
async fn thinking_and_refusals_are_kept_apart_from_text() {
    let thought = Answer::new().reasoning(["hm, ", "yes"]).then_text(["Yes."]);
    let refused = Answer::new().refusal(["I ", "won't."]);
    let lab = scripted([thought.clone(), refused.clone(), thought, refused]).await;
    let greenroom = Greenroom::before(&lab).await;
    let message = |body: &Value| body["choices"][0]["message"].clone();
    let whole = message(&greenroom.api.chat(&ask("m1")).await.json());
    assert_eq!((&whole["reasoning_content"], &whole["content"]), (&"hm, yes".into(), &"Yes.".into()));
    let whole = message(&greenroom.api.chat(&ask("m1")).await.json());
    assert_eq!((&whole["refusal"], &whole["content"]), (&"I won't.".into(), &Value::Null));

    let joined = |events: &[Event], key: &str| -> String {
        let delta = |event: &Event| event.json()["choices"][0]["delta"][key].as_str().map(str::to_owned);
        events.iter().filter_map(delta).collect()
    };
    let events = greenroom.api.events(&ask_streamed("m1")).await;
    assert_eq!((joined(&events, "reasoning_content").as_str(), text(&events).as_str()), ("hm, yes", "Yes."));
    let events = greenroom.api.events(&ask_streamed("m1")).await;
    assert_eq!((joined(&events, "refusal").as_str(), text(&events).as_str()), ("I won't.", ""));
    assert!(is_done(&events));
}

#[tokio::test]
async fn several_choices_and_log_probabilities_pass_through() {
    let chunk = |choices: Value| {
        openai::data(
            &json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m1",
            "system_fingerprint": "fp_1", "choices": choices})
            .to_string(),
        )
    };
    let said = |index: u32, text: &str| json!({"index": index, "delta": {"content": text}, "finish_reason": null});
    let ended = |index: u32| json!({"index": index, "delta": {}, "finish_reason": "stop"});
    let logprobs = json!({"content": [{"token": "A", "logprob": -0.5, "bytes": [65], "top_logprobs": []}]});
    let mut first = said(0, "A");
    first["logprobs"] = logprobs.clone();
    let stream = Attempt::new()
        .status(200)
        .header("content-type", "text/event-stream")
        .send(chunk(json!([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}])))
        .send(chunk(json!([first])))
        .send(chunk(json!([said(1, "B")])))
        .send(chunk(json!([ended(1)])))
        .send(chunk(json!([ended(0)])))
        .send(openai::data("[DONE]"));
    let lab = scripted([stream]).await;
    let greenroom = Greenroom::before(&lab).await;
    let whole = greenroom.api.chat(&with(ask("m1"), json!({"n": 2, "logprobs": true}))).await.json();
    assert_eq!(chats_asked(&lab)[0].json()["n"], 2);
    assert_eq!(whole["system_fingerprint"], "fp_1");
    let choices = whole["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 2, "{whole}");
    assert_eq!((&choices[0]["message"]["content"], &choices[0]["logprobs"]), (&"A".into(), &logprobs));
    assert_eq!((&choices[1]["message"]["content"], &choices[1]["finish_reason"]), (&"B".into(), &"stop".into()));
}

#[tokio::test]
async fn a_provider_without_ids_gets_one_that_is_new_each_time() {
    let lab = scripted([Answer::text(["a"]).id("")]).await;
    let greenroom = Greenroom::before(&lab).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let body = greenroom.api.chat(&ask("m1")).await.json();
        ids.push(body["id"].as_str().unwrap().to_owned());
    }
    let events = greenroom.api.events(&ask_streamed("m1")).await;
    ids.push(events[0].json()["id"].as_str().unwrap().to_owned());
    assert!(ids.iter().all(|id| id.starts_with("chatcmpl-") && id.len() > 20), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    let same = events.iter().filter(|event| event.text() != "[DONE]").all(|event| event.json()["id"] == ids[2]);
    assert!(same, "{events:?}");
}

#[tokio::test]
async fn models_are_named_in_every_way() {
    let lab = scripted([Answer::text(["a"])]).await;
    let config = format!(
        "{}[models]\ndefault = \"lab/m2\"\n[models.aliases]\nsmart = \"lab/m1\"\n\"gpt-*\" = \"smart\"\n",
        provider("lab", &lab)
    );
    let greenroom = Greenroom::start(&config).await;
    for (named, want) in
        [("", "m2"), ("default", "m2"), ("smart", "m1"), ("gpt-4o", "m1"), ("m1", "m1"), ("lab/x/y", "x/y")]
    {
        let response = greenroom.api.chat(&ask(named)).await;
        assert_eq!(response.status, 200, "{named}: {}", response.text());
        assert_eq!(chats_asked(&lab).last().unwrap().json()["model"], want, "{named}");
        assert_eq!(response.header("x-greenroom-model"), Some(want));
    }
}

#[tokio::test]
async fn the_list_has_aliases_and_the_models_of_those_who_list_them() {
    let lab = scripted([Answer::text(["a"])]).await;
    let script = Script::new([Route::new("GET", openai::MODELS, [openai::error(500, "server_error", None, "broken")])]);
    let broken = ScriptedProvider::start(script).await;
    let config = format!(
        "{}{}[models.aliases]\nsmart = \"lab/m1\"\n\"gpt-*\" = \"smart\"\n",
        provider("broken", &broken),
        provider("lab", &lab),
    );
    let greenroom = Greenroom::start(&config).await;
    let response = greenroom.api.get("/v1/models").await;
    let list = response.json();
    assert_eq!((response.status, &list["object"]), (200, &"list".into()), "{list}");
    let entry = |id: &str, owner: &str| json!({"id": id, "object": "model", "created": 0, "owned_by": owner});
    let want = [entry("smart", "greenroom"), entry("lab/m1", "lab"), entry("lab/m2", "lab")];
    assert_eq!(list["data"], json!(want));
    for (id, want) in [("lab/m2", "lab"), ("lab%2Fm2", "lab"), ("m2", "lab"), ("smart", "greenroom")] {
        let response = greenroom.api.get(&format!("/v1/models/{id}")).await;
        assert_eq!(response.status, 200, "{id}: {}", response.text());
        assert_eq!(response.json()["owned_by"], want, "{id}");
    }
    let unknown = greenroom.api.get("/v1/models/lab/m3").await;
    let code = (404, "invalid_request_error".to_owned(), "model_not_found".to_owned());
    assert_eq!(http_support::refusal(&unknown), code);
    assert!(http_support::message(&unknown).contains("lab/m3"));
}
