//! An answer that is cut after its first word goes on with the next model, and is one exact answer to the client.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use greenroom::config::{Environment, Source, load};
use greenroom_tests::client::Event;
use greenroom_tests::harness::Home;
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, Script, ScriptedProvider, When, anthropic};
use http_support::{Greenroom, ask, ask_streamed, chats_asked, is_done, last_error, provider, scripted, text, with};
use serde_json::{Value, json};

const WHOLE: &str = "The river rises in the hills above the town, and ends in the sea \u{1f30a} after forty miles.";
/// In bytes; the first answer ends here.
const CUT: usize = 45;

/// An answer of `WHOLE` that ends too early.
fn begun() -> Answer {
    Answer::text([&WHOLE[..20], &WHOLE[20..CUT], &WHOLE[CUT..]]).model("m1").cut_after(2)
}

/// `smart` is `first/m1`, then each of the others.
fn alias(providers: &[(&str, &ScriptedProvider)]) -> String {
    let sections: String = providers.iter().map(|(name, scripted)| provider(name, scripted)).collect();
    let models: Vec<String> = providers.iter().map(|(name, _)| format!("\"{name}/m1\"")).collect();
    format!("{sections}[models.aliases]\nsmart = [{}]\n", models.join(", "))
}

/// A daemon before a provider whose answer is cut, and one that goes on with these.
async fn pair<A: Into<Attempt>>(
    first: impl Into<Attempt>,
    second: impl IntoIterator<Item = A>,
    more: &str,
) -> (Greenroom, ScriptedProvider, ScriptedProvider) {
    let first = scripted([first.into().always()]).await;
    let second = scripted(second).await;
    let config = format!("{}{more}", alias(&[("first", &first), ("second", &second)]));
    (Greenroom::start(&config).await, second, first)
}

/// The text of the whole answer, asked for once streamed and once not.
async fn both_ways(greenroom: &Greenroom, body: Value) -> [String; 2] {
    let events = greenroom.api.events(&with(body.clone(), json!({"stream": true}))).await;
    assert!(is_done(&events), "{events:?}");
    let whole = greenroom.api.chat(&body).await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    [text(&events), whole.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()]
}

fn messages(scripted: &ScriptedProvider) -> Vec<Value> {
    chats_asked(scripted).last().unwrap().json()["messages"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_next_model_goes_on_from_exactly_there_however_it_begins() {
    let tail = &WHOLE[CUT - 30..];
    for (how, answer) in [("at the cut", &WHOLE[CUT..]), ("at the start", WHOLE), ("before the cut", tail)] {
        let pieces: Vec<String> = answer.chars().map(String::from).collect();
        let second = Answer::text(pieces.iter().map(String::as_str)).model("m2").stream().always();
        let (greenroom, second, _first) = pair(begun().stream(), [second], "").await;
        assert_eq!(both_ways(&greenroom, ask("smart")).await, [WHOLE, WHOLE], "it begins {how}");
        let asked = messages(&second);
        assert_eq!(asked[1], json!({"role": "assistant", "content": &WHOLE[..CUT]}));
        assert_eq!((asked.len(), &asked[2]["role"]), (3, &json!("user")));
    }
}

#[tokio::test]
async fn every_way_to_break_off_is_gone_on_from() {
    let cases = [
        ("cut", begun().stream()),
        ("reset", Answer::text([&WHOLE[..20], &WHOLE[20..CUT]]).reset_after(2).stream()),
        (
            "an error event",
            Answer::text([&WHOLE[..20], &WHOLE[20..CUT]]).error_after(2, "server_error", None, "oops").stream(),
        ),
        ("silence", Answer::text([&WHOLE[..20], &WHOLE[20..CUT]]).stall_after(2).stream()),
    ];
    let quick = "[timeouts]\nidle = \"300ms\"\nidle_reasoning = \"300ms\"\n";
    for (what, first) in cases {
        for body in [ask_streamed("smart"), ask("smart")] {
            let second = Answer::text([&WHOLE[CUT..]]).model("m2").stream().always();
            let (greenroom, _second, _first) = pair(first.clone(), [second], quick).await;
            let answer = if body["stream"] == true {
                text(&greenroom.api.events(&body).await)
            } else {
                let whole = greenroom.api.chat(&body).await;
                whole.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
            };
            if what == "reset" {
                // What of it had not been read is lost with the connection, and so was not shown.
                assert!(answer.ends_with(&WHOLE[CUT..]), "{answer:?}");
            } else {
                assert_eq!(answer, WHOLE, "{what}, {body}");
            }
        }
    }
}

#[tokio::test]
async fn the_client_is_told_who_answered_and_of_one_usage() {
    let second = Answer::text([&WHOLE[CUT..]]).model("m2").usage(200, 7).stream().always();
    let (greenroom, _second, _first) = pair(begun().stream(), [second], "").await;
    let mut connection =
        greenroom.api.begin(&with(ask_streamed("smart"), json!({"stream_options": {"include_usage": true}}))).await;
    let head = connection.head().await.unwrap();
    assert_eq!(head.headers.get("x-greenroom-provider"), Some("first"), "known when the first word came");
    let events = http_support::events(&mut connection).await;
    let chunks: Vec<Value> = events.iter().filter(|event| event.text() != "[DONE]").map(Event::json).collect();
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"]), "one answer");
    assert_eq!((&chunks[0]["model"], &chunks[chunks.len() - 1]["model"]), (&json!("m1"), &json!("m2")));
    let roles = chunks.iter().filter(|chunk| chunk["choices"][0]["delta"]["role"].is_string());
    assert_eq!(roles.count(), 1);
    let usage = &chunks[chunks.len() - 1]["usage"];
    let whole = greenroom.api.chat(&ask("smart")).await;
    assert_eq!(whole.json()["usage"], *usage);
    assert_eq!(
        (whole.header("x-greenroom-provider"), whole.header("x-greenroom-attempts")),
        (Some("second"), Some("2"))
    );
    // 45 bytes were shown by the first, which told nothing: about 12 tokens.
    assert_eq!(usage["completion_tokens"], 7 + 12);
    let prompt = usage["prompt_tokens"].as_u64().unwrap();
    assert!(prompt < 150, "what was added to the prompt is not the client's: {prompt}");
}

#[tokio::test]
async fn a_model_that_takes_the_beginning_is_given_it_and_one_that_does_not_is_asked() {
    let cut = format!("{} ", WHOLE[..CUT].trim_end());
    let first = Answer::text([cut.as_str(), "x"]).cut_after(1).stream();
    let rest = WHOLE[CUT..].trim_start();
    let prefill = "[providers.second.models.m1]\nprefill = true\n";
    for refuses in [false, true] {
        let answer = Answer::text([&format!(" {rest}")[..]]).stream();
        let refusal = openai::error(400, "invalid_request_error", None, "the last message must be the user's");
        let second = if refuses { vec![refusal, Answer::text([rest]).stream()] } else { vec![answer] };
        let (greenroom, second, _first) = pair(first.clone(), second, prefill).await;
        let events = greenroom.api.events(&ask_streamed("smart")).await;
        assert_eq!(text(&events), format!("{cut}{rest}"));
        let asked: Vec<Value> = chats_asked(&second).iter().map(|request| request.json()["messages"].clone()).collect();
        assert_eq!(asked[0][1], json!({"role": "assistant", "content": cut.trim_end()}));
        assert_eq!((asked[0].as_array().unwrap().len(), asked.len()), (2, if refuses { 2 } else { 1 }));
        if refuses {
            assert_eq!(asked[1].as_array().unwrap().len(), 3, "asked in words");
        }
    }
}

#[tokio::test]
async fn a_lone_provider_goes_on_with_its_own_answer() {
    let rest = Answer::text([&WHOLE[CUT..]]).model("m1").stream().when(When::body_contains("cut off")).always();
    let lab = scripted([rest, begun().stream().always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    assert_eq!(both_ways(&greenroom, ask("lab/m1")).await, [WHOLE, WHOLE]);
}

#[tokio::test]
async fn an_answer_begun_anew_that_differs_is_not_mixed_in() {
    let first = scripted([begun().stream().always()]).await;
    let anew = format!("{}lakes beyond them.", &WHOLE[..30]);
    let second = scripted([Answer::text([&anew[..10], &anew[10..]]).stream().always()]).await;
    let third = scripted([Answer::text([&WHOLE[CUT..]]).stream().always()]).await;
    let config = alias(&[("first", &first), ("second", &second), ("third", &third)]);
    let greenroom = Greenroom::start(&config).await;
    assert_eq!(both_ways(&greenroom, ask("smart")).await, [WHOLE, WHOLE]);
}

#[tokio::test]
async fn it_goes_on_again_within_the_budget_and_then_says_so() {
    let mut providers = Vec::new();
    for piece in ["one, ", "two, ", "three, ", "four, ", "five."] {
        providers.push(scripted([Answer::text([piece, "x"]).cut_after(1).stream().always()]).await);
    }
    let names = ["a", "b", "c", "d", "e"];
    let config = alias(&names.into_iter().zip(&providers).collect::<Vec<_>>());
    let greenroom = Greenroom::start(&config).await;
    let events = greenroom.api.events(&ask_streamed("smart")).await;
    assert_eq!(text(&events), "one, two, three, four, ", "the first, and three that went on");
    let error = last_error(&events);
    assert!(error["message"].as_str().unwrap().contains("could answer"), "{error}");
    assert!(!is_done(&events));

    let greenroom = Greenroom::start(&format!("{config}[failover]\ncontinuations = 1\n")).await;
    assert_eq!(text(&greenroom.api.events(&ask_streamed("smart")).await), "one, two, ");
}

#[tokio::test]
async fn a_half_made_call_is_not_seen_and_a_whole_one_ends_it() {
    let half =
        Answer::text(["Let me look. "]).tool_call("call_a", "look", ["{\"pla", "ce\": \"he"]).cut_after(4).stream();
    let made = Answer::new().tool_call("call_b", "look", ["{\"place\":", " \"here\"}"]).stream().always();
    let (greenroom, _second, _first) = pair(half, [made], "").await;
    let tools =
        json!({"tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]});
    let whole = greenroom.api.chat(&with(ask("smart"), tools.clone())).await.json();
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["content"], "Let me look. ");
    let call = json!([{"id": "call_b", "type": "function", "function": {"name": "look", "arguments": "{\"place\": \"here\"}"}}]);
    assert_eq!((&message["tool_calls"], &whole["choices"][0]["finish_reason"]), (&call, &json!("tool_calls")));
    let events = greenroom.api.events(&with(ask_streamed("smart"), tools.clone())).await;
    let deltas: Vec<Value> = events
        .iter()
        .filter(|event| event.text() != "[DONE]")
        .map(|event| event.json()["choices"][0]["delta"]["tool_calls"][0].clone())
        .filter(|call| !call.is_null())
        .collect();
    assert!(deltas.iter().all(|call| call["index"] == 0), "{deltas:?}");
    assert_eq!(deltas.iter().filter(|call| call["id"].is_string()).count(), 1);
    let arguments: String = deltas.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert_eq!(arguments, "{\"place\": \"here\"}");

    let handed_out =
        Answer::new().tool_call("call_a", "look", ["{}"]).tool_call("call_b", "look", ["{\"pla"]).cut_after(4);
    let (greenroom, second, _first) = pair(handed_out.stream(), [Answer::text(["no"]).stream().always()], "").await;
    let response = greenroom.api.chat(&with(ask("smart"), tools.clone())).await;
    assert_eq!((response.status, chats_asked(&second).len()), (502, 0), "{}", response.text());
    // Where nothing follows, what came is not kept back.
    let events = greenroom.api.events(&with(ask_streamed("smart"), tools)).await;
    assert!(events.iter().any(|event| event.text().contains("{\\\"pla")), "{events:?}");
}

#[tokio::test]
async fn thinking_that_was_shown_stays_and_the_answer_is_made_anew() {
    let first = Answer::new().reasoning(["hm, "]).then_text(["x"]).cut_after(1).stream();
    let (greenroom, second, _first) = pair(first, [Answer::text(["So."]).stream().always()], "").await;
    let whole = greenroom.api.chat(&ask("smart")).await.json();
    let message = &whole["choices"][0]["message"];
    assert_eq!((&message["reasoning_content"], &message["content"]), (&json!("hm, "), &json!("So.")));
    assert_eq!(messages(&second), [json!({"role": "user", "content": "hi"})]);
}

#[tokio::test]
async fn json_goes_on_without_its_form_and_must_be_whole() {
    let first = || Answer::text(["{\"rivers\": [\"Elbe\", ", "x"]).cut_after(1).stream();
    let form = json!({"response_format": {"type": "json_object"}});
    let (greenroom, second, _first) = pair(first(), [Answer::text(["\"Oder\"]}"]).stream().always()], "").await;
    let json = "{\"rivers\": [\"Elbe\", \"Oder\"]}";
    assert_eq!(both_ways(&greenroom, with(ask("smart"), form.clone())).await, [json, json]);
    assert!(chats_asked(&second)[0].json().get("response_format").is_none());

    let (greenroom, _second, _first) = pair(first(), [Answer::text(["and so on"]).stream().always()], "").await;
    let response = greenroom.api.chat(&with(ask("smart"), form.clone())).await;
    assert_eq!(response.status, 502, "{}", response.text());
    assert!(http_support::message(&response).contains("JSON"));

    // At its bound an answer ends where it is, JSON or not.
    let (greenroom, _second, _first) = pair(first(), [Answer::text(["\"Od"]).finish("length").stream()], "").await;
    let response = greenroom.api.chat(&with(ask("smart"), form)).await.json();
    assert_eq!(response["choices"][0]["finish_reason"], "length", "{response}");
}

#[tokio::test]
async fn at_its_bound_in_time_an_answer_keeps_what_was_shown() {
    let silent = Answer::text(["x"]).stall_after(0).stream();
    let (greenroom, _second, _first) = pair(begun().stream(), [silent], "[sessions]\nmax_turn_time = \"1s\"\n").await;
    let response = greenroom.api.chat(&ask("smart")).await.json();
    let choice = &response["choices"][0];
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!(WHOLE[..CUT]), &json!("length")));
}

#[tokio::test]
async fn several_answers_at_once_are_not_gone_on_with() {
    let (greenroom, second, _first) = pair(begun().stream(), [Answer::text(["no"]).stream()], "").await;
    assert_eq!(greenroom.api.chat(&with(ask("smart"), json!({"n": 2}))).await.status, 502);
    assert_eq!(chats_asked(&second).len(), 0);
}

#[tokio::test]
async fn what_is_filtered_is_told_and_not_routed_around() {
    let filtered =
        Answer::text(["one", "x"]).error_after(1, "invalid_request_error", Some("content_filter"), "no such talk");
    let (greenroom, second, _first) = pair(filtered.stream(), [Answer::text(["no"]).stream().always()], "").await;
    for word in ["continue", "restart"] {
        let headers = [("x-greenroom-on-interrupt", word)];
        let response = greenroom.api.chat_with(&ask_streamed("smart"), &headers).await;
        let last = response.text();
        assert!(last.contains("no such talk") && !last.contains("[DONE]"), "{last}");
    }
    assert_eq!(chats_asked(&second).len(), 0);
}

#[tokio::test]
async fn a_library_is_given_one_answer() {
    let first = Answer::text(["old, ", "x"]).cut_after(1).stream();
    let first = scripted([first.always()]).await;
    let thinking = anthropic::Answer::new().thinking(["hm"], "sig").then_text(["new."]).stream().always();
    let second = ScriptedProvider::start(Script::new([anthropic::messages([thinking])])).await;
    let config = format!(
        "{}[providers.second]\nkind = \"anthropic\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [models]\ndefault = \"smart\"\n[models.aliases]\nsmart = [\"first/m1\", \"second/claude-x\"]\n",
        provider("first", &first),
        second.url()
    );
    for (on_interrupt, want) in [("continue", "old, new."), ("restart", "new.")] {
        let home = Home::new();
        home.config(&format!("{config}[failover]\non_interrupt = \"{on_interrupt}\"\n"));
        let settings = load(&Source::locate(Some(&home.config_path()), Environment::empty())).unwrap().settings;
        let runtime = greenroom::Runtime::builder().settings(settings).start().await.unwrap();
        let turn = runtime.session("s").await.unwrap().send("hi").await.unwrap();
        assert_eq!(turn.text().await.unwrap(), want);
        let request = greenroom::ChatRequest { messages: vec![greenroom::Message::user("hi")], ..Default::default() };
        let folded = runtime.chat(request).await.unwrap();
        let signed = folded.message.parts.iter().find_map(|part| match part {
            greenroom::Part::Opaque { provider, model, .. } => Some((provider.as_str(), model.as_str())),
            _ => None,
        });
        assert_eq!(signed, Some(("second", "claude-x")), "it may go back to who said it");
        let text: String = folded
            .message
            .parts
            .iter()
            .filter_map(|part| match part {
                greenroom::Part::Text { text } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(text, want);
        runtime.shutdown(std::time::Duration::ZERO).await;
    }
}

#[tokio::test]
async fn what_is_done_can_be_chosen() {
    let second = || Answer::text(["All anew."]).stream().always();
    let (greenroom, scripted, _first) =
        pair(begun().stream(), [second()], "[failover]\non_interrupt = \"restart\"\n").await;
    let whole = greenroom.api.chat(&ask("smart")).await;
    assert_eq!(whole.json()["choices"][0]["message"]["content"], "All anew.");
    assert_eq!(messages(&scripted).len(), 1);
    let events = greenroom.api.events(&ask_streamed("smart")).await;
    assert_eq!(text(&events), &WHOLE[..CUT], "a stream can't be taken back");
    assert!(last_error(&events)["message"].as_str().unwrap().contains("anew"));

    let (greenroom, scripted, _first) =
        pair(begun().stream(), [second()], "[failover]\non_interrupt = \"fail\"\n").await;
    assert_eq!(greenroom.api.chat(&ask("smart")).await.status, 502);
    assert_eq!(chats_asked(&scripted).len(), 0);

    let (greenroom, _second, _first) = pair(begun().stream(), [second()], "").await;
    for (word, status) in [("fail", 502), ("restart", 200), ("continue", 200), ("perhaps", 400)] {
        let headers = [("x-greenroom-on-interrupt", word)];
        let response = greenroom.api.chat_with(&ask("smart"), &headers).await;
        assert_eq!(response.status, status, "{word}: {}", response.text());
    }
}

#[tokio::test]
async fn an_answer_in_another_language_goes_on() {
    let first =
        anthropic::Answer::new().thinking(["hm"], "sig").then_text([&WHOLE[..20], &WHOLE[20..CUT], "x"]).cut_after(4);
    let script = Script::new([anthropic::messages([first.stream().always()])]);
    let first = ScriptedProvider::start(script).await;
    let second = scripted([Answer::text([&WHOLE[CUT..]]).stream().always()]).await;
    let config = format!(
        "[providers.first]\nkind = \"anthropic\"\nbase_url = \"{}\"\nkey = \"k\"\n{}[models.aliases]\nsmart = [\"first/claude-x\", \"second/m1\"]\n",
        first.url(),
        provider("second", &second)
    );
    let greenroom = Greenroom::start(&config).await;
    assert_eq!(both_ways(&greenroom, ask("smart")).await, [WHOLE, WHOLE]);
    let whole = greenroom.api.chat(&ask("smart")).await.json();
    assert_eq!(whole["usage"]["prompt_tokens"], 10, "as the first one told");
}

#[tokio::test]
async fn a_model_that_the_catalogue_knows_to_take_the_beginning_is_given_it() {
    let first = scripted([begun().stream().always()]).await;
    let rest = anthropic::Answer::text([&WHOLE[CUT..]]).stream().always();
    let second = ScriptedProvider::start(Script::new([anthropic::messages([rest])])).await;
    let config = format!(
        "{}[providers.second]\nkind = \"anthropic\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [models.aliases]\nsmart = [\"first/m1\", \"second/claude-sonnet-4-5\"]\n",
        provider("first", &first),
        second.url()
    );
    let greenroom = Greenroom::start(&config).await;
    assert_eq!(both_ways(&greenroom, ask("smart")).await, [WHOLE, WHOLE]);
    let sent = second.requests().last().unwrap().json();
    let messages = sent["messages"].as_array().unwrap();
    assert_eq!((messages.len(), &messages[1]["role"]), (2, &json!("assistant")), "{sent}");
    let given = messages[1]["content"].as_str().or(messages[1]["content"][0]["text"].as_str());
    assert_eq!(given, Some(WHOLE[..CUT].trim_end()));
}
