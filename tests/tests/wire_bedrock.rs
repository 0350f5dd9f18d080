//! Bedrock behind the built program: scripted and recorded answers of its wire, asked for over OpenAI's.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use aws_lc_rs::{digest, hmac};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use greenroom_tests::bedrock::{self, Answer};
use greenroom_tests::client::Event;
use greenroom_tests::harness::Home;
use greenroom_tests::replay::replay;
use greenroom_tests::{Attempt, Recorded, Script, ScriptedProvider, openai};
use http_support::{Greenroom, ask_streamed, is_done, last_error, text, with};
use serde_json::{Value, json};

const KEY: &str = "bedrock-api-key-sentinel";
const ID: &str = "AKIASENTINEL";
const SECRET: &str = "aws-secret-sentinel/with+signs";
const TOKEN: &str = "aws-session-token-sentinel==";
const MODEL: &str = "us.amazon.nova-2-lite-v1:0";
const ESCAPED: &str = "us.amazon.nova-2-lite-v1%3A0";

fn bed(scripted: &ScriptedProvider, more: &str) -> String {
    format!("[providers.bed]\nkind = \"bedrock\"\nbase_url = \"{}\"\n{more}", scripted.url())
}

fn with_key(scripted: &ScriptedProvider) -> String {
    bed(scripted, &format!("key = \"{KEY}\"\n"))
}

fn script<A: Into<Attempt>>(model: &str, listed: &str, attempts: impl IntoIterator<Item = A>) -> Script {
    Script::new([bedrock::stream(model, attempts)].into_iter().chain(bedrock::models([listed])))
}

async fn scripted<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> ScriptedProvider {
    ScriptedProvider::start(script("m", "m", attempts)).await
}

/// The requests for an answer.
fn asked(scripted: &ScriptedProvider) -> Vec<Recorded> {
    scripted.requests().into_iter().filter(|request| request.path().ends_with("/converse-stream")).collect()
}

/// All deltas of a text field.
fn field(events: &[Event], name: &str) -> String {
    let delta = |event: &Event| event.json()["choices"][0]["delta"][name].as_str().map(str::to_owned);
    events.iter().filter_map(delta).collect()
}

/// Id, name and arguments of each tool call.
fn calls(events: &[Event]) -> Vec<[String; 3]> {
    let mut calls: Vec<[String; 3]> = Vec::new();
    for event in events {
        for call in event.json()["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            calls.resize(calls.len().max(index + 1), Default::default());
            let said = [&call["id"], &call["function"]["name"], &call["function"]["arguments"]];
            for (slot, more) in calls[index].iter_mut().zip(said) {
                slot.push_str(more.as_str().unwrap_or_default());
            }
        }
    }
    calls
}

fn finish(events: &[Event]) -> Option<String> {
    events.iter().find_map(|event| event.json()["choices"][0]["finish_reason"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn a_conversation_with_tools_goes_there_and_back() {
    let delta = |delta: Value| json!({"contentBlockIndex": 1, "delta": delta});
    let start = json!({"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "tooluse_1", "name": "weather"}}});
    let answer = Answer::new()
        .event("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}))
        .event("contentBlockStop", json!({"contentBlockIndex": 0}))
        .event("contentBlockStart", start)
        .event("contentBlockDelta", delta(json!({"toolUse": {"input": "{\"city\":"}})))
        .event("contentBlockDelta", delta(json!({"toolUse": {"input": "\"Rome\"}"}})))
        .event("contentBlockStop", json!({"contentBlockIndex": 1}))
        .end("tool_use");
    let lab = scripted([answer, Answer::text(["Sun", "ny."])]).await;
    let greenroom = Greenroom::start(&with_key(&lab)).await;
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}});
    let system = json!({"role": "system", "content": "be brief"});
    let question = json!({"role": "user", "content": "how is it?"});
    let body = with(
        ask_streamed("bed/m"),
        json!({"tools": [tool], "messages": [system, question], "stream_options": {"include_usage": true}}),
    );
    let events = greenroom.api.events(&body).await;
    assert!(is_done(&events));
    assert_eq!(field(&events, "reasoning_content"), "hm");
    let want = ["tooluse_1", "weather", "{\"city\":\"Rome\"}"].map(str::to_owned);
    assert_eq!((calls(&events), finish(&events)), (vec![want], Some("tool_calls".into())));
    let usage = &events[events.len() - 2].json()["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(14), &json!(5)));
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 4);

    let call = json!({"id": "tooluse_1", "type": "function",
        "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"}});
    let said = json!({"role": "assistant", "content": "Let me see.", "tool_calls": [call]});
    let result = json!({"role": "tool", "tool_call_id": "tooluse_1", "content": "24°"});
    let events = greenroom.api.events(&with(body, json!({"messages": [system, question, said, result]}))).await;
    assert_eq!((text(&events), finish(&events)), ("Sunny.".into(), Some("stop".into())));

    let asked = asked(&lab);
    assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let want = json!([
        {"role": "user", "content": [{"text": "how is it?"}]},
        {"role": "assistant", "content": [{"text": "Let me see."},
            {"toolUse": {"toolUseId": "tooluse_1", "name": "weather", "input": {"city": "Rome"}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "24°"}]}}]},
    ]);
    let sent = asked[1].json();
    assert_eq!((&sent["messages"], &sent["system"]), (&want, &json!([{"text": "be brief"}])));
    // What was said before stands at the beginning of what is said now, byte for byte: prompt caches depend on it.
    let (first, second) = (asked[0].body.clone(), asked[1].body.clone());
    assert!(second.starts_with(&first[..first.len() - 2]));
}

#[tokio::test]
async fn a_provider_that_fails_is_stood_in_for_and_what_was_said_goes_on() {
    let chain = "[models.aliases]\nsmart = [\"bed/m\", \"lab/m1\"]\n";
    let throttled = bedrock::error(429, "ThrottlingException", "Too many requests, please wait before trying again.");
    let failing: [(Attempt, &str); 3] = [
        (throttled, "hello"),
        (Answer::default().exception("throttlingException", "Too many requests").into(), "hello"),
        (Answer::text(["It goes ", "on"]).cut_after(2).into(), "It goes hello"),
    ];
    for (attempt, want) in failing {
        let lab = scripted([attempt.always()]).await;
        let other = http_support::scripted([openai::Answer::text(["hello"])]).await;
        let greenroom = Greenroom::start(&(with_key(&lab) + &http_support::provider("lab", &other) + chain)).await;
        let events = greenroom.api.events(&ask_streamed("smart")).await;
        assert_eq!((text(&events).as_str(), is_done(&events)), (want, true));
        assert_eq!(other.requests().iter().filter(|request| request.path() == openai::CHAT).count(), 1);
    }
}

#[tokio::test]
async fn each_failure_is_told_as_what_it_is() {
    let rows = [
        (bedrock::error(400, "ValidationException", "Malformed input request"), 400),
        (
            bedrock::error(
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
            401,
        ),
        (bedrock::error(404, "ResourceNotFoundException", "This model has reached the end of its life."), 404),
    ];
    for (attempt, status) in rows {
        let lab = scripted([attempt.always()]).await;
        let greenroom = Greenroom::start(&with_key(&lab)).await;
        let refused = greenroom.api.chat(&ask_streamed("bed/m")).await;
        let shown = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(refused.json()["error"]["message"].is_string() && !shown.contains(KEY), "{shown}");
        assert!(
            refused.status == status || refused.status == 502 || refused.status == 503,
            "{} {shown}",
            refused.status
        );
    }
}

/// Keyed hashes, one under the other.
fn hashed(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Checks a signature as AWS documents it ("Signature Version 4"), with the secret that it should be made with.
fn check_signature(request: &Recorded, region: &str) {
    let authorization = request.header("authorization").unwrap();
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ").unwrap();
    let mut parts = rest.split(", ").map(|part| part.split_once('=').unwrap().1);
    let (credential, signed, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let date = request.header("x-amz-date").unwrap();
    let scope = format!("{}/{region}/bedrock/aws4_request", &date[..8]);
    assert_eq!(credential, format!("{ID}/{scope}"));
    assert!(
        ["host", "x-amz-date", "x-amz-security-token"].iter().all(|name| signed.split(';').any(|one| one == *name))
    );
    // What is escaped in the path is escaped once more.
    let path = request.path().replace('%', "%25");
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let headers: String =
        signed.split(';').map(|name| format!("{name}:{}\n", request.header(name).unwrap().trim())).collect();
    let canonical = format!("{}\n{path}\n{query}\n{headers}\n{signed}\n{}", request.method, sha256(&request.body));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let keys = [&date[..8], region, "bedrock", "aws4_request"];
    let key = keys.iter().fold(format!("AWS4{SECRET}").into_bytes(), |key, part| hashed(&key, part));
    assert_eq!(signature, hex(&hashed(&key, &text)));
}

#[tokio::test]
async fn credentials_of_the_environment_sign_and_are_shown_nowhere() {
    let lab = ScriptedProvider::start(script(ESCAPED, MODEL, [Answer::text(["hel", "lo"])])).await;
    let mut home = Home::new();
    home.env("AWS_ACCESS_KEY_ID", ID).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_SESSION_TOKEN", TOKEN);
    home.env("AWS_REGION", "eu-west-3").env("GREENROOM_LOG", "trace");
    let greenroom = Greenroom::start_in(home, &bed(&lab, "")).await;
    let events = greenroom.api.events(&ask_streamed(&format!("bed/{MODEL}"))).await;
    assert_eq!((text(&events), is_done(&events)), ("hello".into(), true));
    let listed = greenroom.api.get("/v1/models").await;
    assert!(String::from_utf8_lossy(&listed.body).contains(MODEL));
    let requests = lab.requests();
    let answered = asked(&lab);
    assert_eq!(answered[0].path(), bedrock::path(ESCAPED));
    assert_eq!(answered[0].header("x-amz-security-token"), Some(TOKEN));
    for request in &requests {
        check_signature(request, "eu-west-3");
    }
    assert!(requests.iter().any(|request| request.path() == "/foundation-models"), "lists are signed for, too");
    let said = greenroom.daemon.output();
    assert!(said.contains("TRACE") || said.contains("DEBUG"), "it says all that it can");
    for secret in [SECRET, TOKEN] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

#[tokio::test]
async fn a_profile_of_awss_own_files_lets_in_and_says_the_region() {
    let lab = scripted([Answer::text(["hello"])]).await;
    let mut home = Home::new();
    let files = home.path().join("aws");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("config"), "[profile team]\nregion = ap-southeast-2\n").unwrap();
    let team =
        format!("[team]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\naws_session_token = {TOKEN}\n");
    fs::write(files.join("credentials"), team).unwrap();
    home.env("AWS_CONFIG_FILE", files.join("config").to_str().unwrap());
    home.env("AWS_SHARED_CREDENTIALS_FILE", files.join("credentials").to_str().unwrap());
    let greenroom = Greenroom::start_in(home, &bed(&lab, "aws_profile = \"team\"\n")).await;
    let events = greenroom.api.events(&ask_streamed("bed/m")).await;
    assert_eq!(text(&events), "hello");
    check_signature(&asked(&lab)[0], "ap-southeast-2");
}

#[tokio::test]
async fn who_has_no_credentials_is_told_where_to_get_some() {
    let lab = scripted([Answer::text(["hello"])]).await;
    let mut home = Home::new();
    // There may be a machine around that gives credentials out to all that run on it.
    home.env("AWS_EC2_METADATA_DISABLED", "true");
    let greenroom = Greenroom::start_in(home, &bed(&lab, "region = \"us-east-1\"\n")).await;
    let refused = greenroom.api.chat(&ask_streamed("bed/m")).await;
    let message = http_support::message(&refused);
    assert!(refused.status >= 400 && message.contains("no AWS credentials were found"), "{} {message}", refused.status);
    assert!(asked(&lab).is_empty(), "nobody is asked without");

    let mut home = Home::new();
    home.env("AWS_ACCESS_KEY_ID", ID).env("AWS_SECRET_ACCESS_KEY", SECRET);
    let greenroom = Greenroom::start_in(home, &bed(&lab, "")).await;
    let refused = greenroom.api.chat(&ask_streamed("bed/m")).await;
    let message = http_support::message(&refused);
    assert!(refused.status >= 400 && message.contains("no AWS region is known"), "{} {message}", refused.status);
}

#[tokio::test]
async fn the_usual_variable_finds_it() {
    let lab = scripted([Answer::text(["hello"])]).await;
    let mut home = Home::new();
    home.env("AWS_BEARER_TOKEN_BEDROCK", KEY).env("AWS_DEFAULT_REGION", "us-west-2");
    home.env("GREENROOM__PROVIDERS__BEDROCK__KIND", "bedrock");
    home.env("GREENROOM__PROVIDERS__BEDROCK__KEY", "env:AWS_BEARER_TOKEN_BEDROCK");
    home.env("GREENROOM__PROVIDERS__BEDROCK__BASE_URL", &lab.url());
    let said = home.run(&["chat", "--model", "bedrock/m", "hi"]).await.succeeded();
    assert!(said.stdout.contains("hello"), "{}", said.stdout);
    assert_eq!(asked(&lab)[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let listed = home.run(&["models"]).await.succeeded();
    assert!(listed.stdout.contains("bedrock/m"), "{}", listed.stdout);
}

/// What a recorded stream says, read in the simplest way.
#[derive(Debug, Default)]
struct Reading {
    text: String,
    calls: Vec<(String, Value)>,
    finish: Option<String>,
}

fn read(bytes: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let mut calls = std::collections::BTreeMap::<u64, (String, String)>::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
        let payload: Value = serde_json::from_slice(&rest[12 + number(4)..number(0) - 4]).unwrap();
        rest = &rest[number(0)..];
        let block = payload["contentBlockIndex"].as_u64().unwrap_or_default();
        let (start, delta) = (&payload["start"]["toolUse"], &payload["delta"]);
        if start["name"].is_string() && start["type"] != "server_tool_use" {
            calls.insert(block, (start["name"].as_str().unwrap().to_owned(), String::new()));
        }
        reading.text += delta["text"].as_str().unwrap_or_default();
        if let (Some(input), Some(call)) = (delta["toolUse"]["input"].as_str(), calls.get_mut(&block)) {
            call.1 += input;
        }
        if let Some(word) = payload["stopReason"].as_str() {
            reading.finish = Some(word.to_owned());
        }
    }
    let parsed = |input: String| if input.is_empty() { json!({}) } else { serde_json::from_str(&input).unwrap() };
    reading.calls = calls.into_values().map(|(name, input)| (name, parsed(input))).collect();
    reading
}

/// The recorded streams of this wire.
fn recordings(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for case in fs::read_dir(folder.join("bedrock-converse")).unwrap() {
        let path = case.unwrap().path();
        let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if let Some(coded) = json["response"]["body_base64"].as_str() {
            found.push((path, STANDARD.decode(coded).unwrap()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn recorded_streams_come_through_the_program() {
    // Written past the harness, which shows nothing of a test that passes.
    let say = |line: String| writeln!(std::io::stdout(), "{line}").unwrap();
    let Some(folder) = env::var_os("GREENROOM_RECORDINGS") else {
        return say("wire_bedrock: passed over, since GREENROOM_RECORDINGS is not set".into());
    };
    let recordings = recordings(folder.as_ref());
    assert!(!recordings.is_empty(), "the folder has streams of this wire");
    let lab = scripted([Attempt::json(500, &json!({}))]).await;
    let greenroom = Greenroom::start(&(with_key(&lab) + http_support::ENDS_WHERE_CUT)).await;
    for (path, body) in &recordings {
        let case = path.display();
        lab.set_script(script("m", "m", [replay(path).unwrap().attempt.always()]));
        let want = read(body);
        let Some(word) = want.finish.as_deref() else {
            let refused = greenroom.api.chat(&ask_streamed("bed/m")).await;
            assert!(refused.status >= 400 && refused.json()["error"].is_object(), "{case}");
            continue;
        };
        let word = match word {
            "tool_use" => "tool_calls",
            "end_turn" if !want.calls.is_empty() => "tool_calls",
            "max_tokens" => "length",
            "guardrail_intervened" => "content_filter",
            _ => "stop",
        };
        let events = greenroom.api.events(&ask_streamed("bed/m")).await;
        assert_eq!(text(&events), want.text, "{case}");
        assert_eq!((is_done(&events), last_error(&events).is_object()), (true, false), "{case}");
        assert_eq!(finish(&events).as_deref(), Some(word), "{case}");
        let calls =
            calls(&events).into_iter().map(|[_, name, arguments]| (name, serde_json::from_str(&arguments).unwrap()));
        assert_eq!(calls.collect::<Vec<(String, Value)>>(), want.calls, "{case}");
    }
    say(format!("wire_bedrock: {} recorded streams came through the program", recordings.len()));
}
