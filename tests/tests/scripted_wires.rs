//! The chat wire that is built, and the recordings that are played back.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fs};

use greenroom_tests::client::{ClientError, Connection, Event, get, post_json};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::replay::{Pieces, ReplayError, replay, replay_in};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, When};
use serde_json::{Value, json};

/// The events of a stream, and how it ended.
async fn events_of(attempt: impl Into<Attempt>) -> (Vec<Event>, Result<(), ClientError>) {
    let provider = ScriptedProvider::start(openai::chat([attempt])).await;
    let mut connection = Connection::open(&provider.url()).await.unwrap();
    connection.set_limit(Duration::from_millis(500));
    connection.post_json(openai::CHAT, Some("key"), &json!({"stream": true})).await.unwrap();
    let head = connection.head().await.unwrap();
    assert_eq!(head.status, 200);
    assert!(head.headers.get("content-type").unwrap().starts_with("text/event-stream"));
    let mut events = Vec::new();
    loop {
        match connection.event().await {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, Ok(())),
            Err(error) => return (events, Err(error)),
        }
    }
}

/// The deltas of a field of the message.
fn deltas(events: &[Event], field: &str) -> Vec<Value> {
    events
        .iter()
        .map(|event| event.json()["choices"][0]["delta"][field].clone())
        .filter(|text| !text.is_null())
        .collect()
}

#[tokio::test]
async fn a_stream_has_role_text_finish_usage_and_done() {
    let (events, end) = events_of(Answer::text(["Hel", "lo"]).model("m").usage(7, 2)).await;
    end.unwrap();
    assert_eq!(events.len(), 6);
    assert_eq!(events[0].json()["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(deltas(&events, "content"), ["", "Hel", "lo"]);
    assert_eq!(events[3].json()["choices"][0]["finish_reason"], "stop");
    assert!(events[..3].iter().all(|event| event.json()["choices"][0]["finish_reason"].is_null()));
    assert_eq!(events[4].json()["choices"], json!([]));
    assert_eq!(events[4].json()["usage"], json!({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}));
    assert_eq!(events[5].text(), "[DONE]");
    assert!(events[..5].iter().all(|event| event.json()["model"] == "m"
        && event.json()["object"] == "chat.completion.chunk"
        && event.json()["id"] == events[0].json()["id"]));
}

#[tokio::test]
async fn usage_and_done_can_be_left_out() {
    let (events, end) = events_of(Answer::text(["a"]).without_usage().without_done().finish("length")).await;
    end.unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!(events[2].json()["choices"][0]["finish_reason"], "length");
    let details = json!({"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}});
    let (events, _) = events_of(Answer::text(["a"]).usage_details(details.clone())).await;
    assert_eq!(events[3].json()["usage"], details);
}

#[tokio::test]
async fn parallel_tool_calls_come_fragment_by_fragment_in_turn() {
    let calls = [("c1", "sum", vec!["{\"a\":", "1}"]), ("c2", "now", vec!["{"])];
    let answer = Answer::new().parallel_tool_calls(calls).tool_call("c3", "last", []);
    let (events, end) = events_of(answer.clone()).await;
    end.unwrap();
    let fragments: Vec<(u64, String)> = deltas(&events, "tool_calls")
        .iter()
        .map(|calls| {
            (calls[0]["index"].as_u64().unwrap(), calls[0]["function"]["arguments"].as_str().unwrap().to_owned())
        })
        .collect();
    let want = [(0, ""), (1, ""), (0, "{\"a\":"), (1, "{"), (0, "1}"), (2, "")];
    assert_eq!(fragments, want.map(|(index, text)| (index, text.to_owned())));
    assert_eq!(events[1].json()["choices"][0]["delta"]["tool_calls"][0]["id"], "c1");
    assert_eq!(events[7].json()["choices"][0]["finish_reason"], "tool_calls");

    let provider = ScriptedProvider::start(openai::chat([answer.whole()])).await;
    let whole = post_json(&provider.url(), openai::CHAT, None, &json!({})).await.unwrap().json();
    let calls = &whole["choices"][0]["message"]["tool_calls"];
    assert_eq!(calls[0]["function"], json!({"name": "sum", "arguments": "{\"a\":1}"}));
    assert_eq!((&calls[1]["id"], &calls[1]["function"]["arguments"]), (&json!("c2"), &json!("{")));
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn thinking_and_refusal_have_their_fields() {
    let answer = Answer::new().reasoning(["hm", "m"]).refusal(["no"]).then_text(["t"]);
    let (events, _) = events_of(answer.clone()).await;
    assert_eq!(deltas(&events, "reasoning_content"), ["hm", "m"]);
    assert_eq!(deltas(&events, "refusal"), ["no"]);
    let provider = ScriptedProvider::start(openai::chat([answer.whole()])).await;
    let whole = post_json(&provider.url(), openai::CHAT, None, &json!({})).await.unwrap().json();
    let message = &whole["choices"][0]["message"];
    assert_eq!((&message["reasoning_content"], &message["refusal"]), (&json!("hmm"), &json!("no")));
    assert_eq!((&message["content"], &whole["object"]), (&json!("t"), &json!("chat.completion")));
    assert_eq!(whole["usage"]["total_tokens"], 15);
}

#[tokio::test]
async fn an_answer_can_stop_after_any_piece() {
    let answer = Answer::text(["a", "b", "c"]);
    for pieces in 0..=3 {
        let shown = ["", "a", "b", "c"][..=pieces].to_vec();

        let (events, end) = events_of(answer.clone().cut_after(pieces)).await;
        assert!(end.unwrap_err().is_incomplete());
        assert_eq!((deltas(&events, "content"), events.len()), (shown.iter().map(|t| json!(t)).collect(), pieces + 1));

        let (events, end) = events_of(answer.clone().stall_after(pieces)).await;
        assert!(matches!(end, Err(ClientError::TimedOut(_))));
        assert_eq!(events.len(), pieces + 1);

        let (events, end) = events_of(answer.clone().error_after(pieces, "server_error", None, "oh")).await;
        end.unwrap();
        assert_eq!(events.len(), pieces + 2);
        assert_eq!(events[pieces + 1].json()["error"]["type"], "server_error");

        let (_, end) = events_of(answer.clone().reset_after(pieces)).await;
        assert!(end.unwrap_err().is_reset());
    }
}

#[tokio::test]
async fn pauses_fall_before_the_first_token_and_between_tokens() {
    let provider = ScriptedProvider::start(openai::chat([Answer::text(["a", "b"])
        .first_token_after(Duration::from_millis(200))
        .pace(Duration::from_millis(100))]))
    .await;
    let mut connection = Connection::open(&provider.url()).await.unwrap();
    connection.post_json(openai::CHAT, None, &json!({})).await.unwrap();
    let begun = Instant::now();
    connection.head().await.unwrap();
    let mut at = Vec::new();
    while connection.event().await.unwrap().is_some() {
        at.push(begun.elapsed());
    }
    // No upper bounds: a busy machine may delay any of them.
    assert!(at[1] >= Duration::from_millis(190), "{at:?}");
    assert!(at[2] >= Duration::from_millis(290), "{at:?}");
    assert!(at[0] < at[1], "the role chunk does not wait: {at:?}");
}

#[tokio::test]
async fn errors_and_models_have_their_form() {
    let limited = openai::error(429, "requests", Some("rate_limit_exceeded"), "slow down").header("retry-after", "3");
    let script = Script::new([
        openai::chat([limited.when(When::bearer("key-1")), Answer::text(["ok"]).whole()]),
        openai::models(["m1", "m2"]),
    ]);
    let provider = ScriptedProvider::start(script).await;
    let url = provider.url();
    let refused = post_json(&url, openai::CHAT, Some("key-1"), &json!({})).await.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("3")));
    assert_eq!(refused.json()["error"]["code"], "rate_limit_exceeded");
    let answered = post_json(&url, openai::CHAT, Some("key-2"), &json!({})).await.unwrap();
    assert_eq!(answered.json()["choices"][0]["message"]["content"], "ok");
    let models = get(&url, openai::MODELS, None).await.unwrap().json();
    assert_eq!((&models["data"][0]["id"], &models["data"][1]["id"]), (&json!("m1"), &json!("m2")));
}

fn recording(response: Value) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.json");
    let request = json!({"method": "POST", "host": null, "path": "/v1/a?b=c", "headers": {"x": "y"}, "body": {"k": 1}});
    let whole = json!({"source": {}, "features": [], "request": request, "response": response});
    fs::write(&path, whole.to_string()).unwrap();
    (folder, path)
}

async fn chunks_of(attempt: Attempt) -> (greenroom_tests::Headers, Vec<Vec<u8>>) {
    let provider = ScriptedProvider::start(Route::new("POST", "/v1/a", [attempt])).await;
    let mut connection = Connection::open(&provider.url()).await.unwrap();
    connection.send("POST", "/v1/a?b=c", &[], b"").await.unwrap();
    let headers = connection.head().await.unwrap().headers;
    let mut chunks = Vec::new();
    while let Some(chunk) = connection.chunk().await.unwrap() {
        chunks.push(chunk);
    }
    (headers, chunks)
}

#[tokio::test]
async fn a_recording_is_played_in_the_pieces_in_which_it_came() {
    let headers =
        json!({"Content-Type": "text/plain", "Transfer-Encoding": "chunked", "content-length": "9", "x-a": "1"});
    let (_folder, path) =
        recording(json!({"status": 203, "headers": headers, "body": "aébc", "chunk_lengths": [2, 3]}));
    let replayed = replay(&path).unwrap();
    let request = replayed.request.clone().unwrap();
    assert_eq!(
        (request.method.as_str(), request.path.as_str(), &request.body),
        ("POST", "/v1/a?b=c", &json!({"k": 1}))
    );
    assert_eq!((replayed.route().method.as_str(), replayed.route().path.as_str()), ("POST", "/v1/a"));

    let (headers, chunks) = chunks_of(replayed.attempt).await;
    assert_eq!(chunks, [b"a\xc3".to_vec(), b"\xa9bc".to_vec()]);
    assert_eq!((headers.get("content-type"), headers.get("x-a")), (Some("text/plain"), Some("1")));
    assert_eq!(headers.get("content-length"), None);

    let (headers, chunks) = chunks_of(replay_in(&path, Pieces::Whole).unwrap().attempt).await;
    assert_eq!((chunks.concat(), headers.get("content-length")), ("aébc".as_bytes().to_vec(), Some("5")));
    let (_, chunks) = chunks_of(replay_in(&path, Pieces::Bytes(1)).unwrap().attempt).await;
    assert_eq!(chunks.len(), 5);
}

#[tokio::test]
async fn a_recording_may_hold_any_bytes_and_is_checked() {
    let (_folder, path) = recording(json!({"status": 200, "headers": {}, "body_base64": "/wAB"}));
    assert_eq!(chunks_of(replay(&path).unwrap().attempt).await.1.concat(), [0xff, 0, 1]);

    let (_folder, path) = recording(json!({"status": 200, "headers": {}, "body": "abc", "chunk_lengths": [2]}));
    assert!(matches!(replay(&path), Err(ReplayError::Chunks { .. })));
    let (_folder, path) = recording(json!({"status": 200, "headers": {}, "body_base64": "!"}));
    assert!(matches!(replay(&path), Err(ReplayError::Base64 { .. })));
    let (_folder, path) = recording(json!({"headers": {}}));
    assert!(matches!(replay(&path), Err(ReplayError::Form { .. })));
    assert!(matches!(replay(path.with_extension("none")), Err(ReplayError::Read { .. })));
}

#[tokio::test]
async fn every_recording_is_played_byte_for_byte() {
    let Some(folder) = env::var_os("GREENROOM_RECORDINGS") else {
        println!("passed over: GREENROOM_RECORDINGS names no folder of recordings");
        return;
    };
    let provider = ScriptedProvider::start(Script::default()).await;
    let mut played = 0;
    for case in fs::read_dir(folder).unwrap().filter_map(|api| fs::read_dir(api.unwrap().path()).ok()).flatten() {
        let path = case.unwrap().path();
        let text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let response = &text["response"];
        for pieces in [Pieces::AsRecorded, Pieces::Bytes(7)] {
            let attempt = replay_in(&path, pieces).unwrap().attempt;
            provider.set_script(Route::new("GET", "/x", [attempt]));
            let got = get(&provider.url(), "/x", None).await.unwrap();
            assert_eq!(json!(got.status), response["status"], "{}", path.display());
            if let Some(body) = response["body"].as_str() {
                assert_eq!(got.text(), body, "{}", path.display());
            }
            for name in ["content-type", "x-request-id", "retry-after"] {
                let want = response["headers"].get(name).and_then(Value::as_str);
                assert_eq!(got.header(name), want, "{} {name}", path.display());
            }
        }
        played += 1;
    }
    assert!(played > 0, "no recording was found");
}
