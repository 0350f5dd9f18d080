//! `greenroom chat` with a question: what reaches the provider, and what reaches the person.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cli_support::{LIMIT, answering, assert_failed, home_of, lines, run_well, saying};
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Script, ScriptedProvider, When};
use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

fn last_request(provider: &ScriptedProvider) -> Value {
    provider.requests().iter().rfind(|request| request.method == "POST").unwrap().json()
}

fn asked(provider: &ScriptedProvider) -> String {
    last_request(provider)["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_answer_is_printed_as_it_comes() {
    let slow = Answer::text(["first ", "second"]).pace(Duration::from_secs(30)).stream();
    let provider = answering([slow]).await;
    let home = home_of(&provider);
    let mut child = home.command(&["chat", "hello"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut piece = [0; 6];
    let read = child.stdout.as_mut().unwrap().read_exact(&mut piece);
    tokio::time::timeout(LIMIT, read).await.expect("the first words come before the last").unwrap();
    assert_eq!(&piece, b"first ");
}

#[tokio::test]
async fn what_is_piped_in_is_the_prompt_or_follows_it() {
    let provider = saying("ok\n").await;
    let home = home_of(&provider);
    let output = home.run_with_input(&["chat"], "from a pipe\n").await.succeeded();
    assert_eq!(output.stdout, "ok\n", "no second line end");
    assert_eq!(asked(&provider), "from a pipe");
    run_well(&home, &["chat", "Sum up:"], "line one\nline two\n").await;
    assert_eq!(asked(&provider), "Sum up:\n\nline one\nline two");
    run_well(&home, &["chat", "alone"], "").await;
    assert_eq!(asked(&provider), "alone");

    // A device is no text that somebody piped in; this one would never end.
    let zero = std::fs::File::open("/dev/zero").unwrap();
    let mut child = home.command(&["chat", "with a device"]).stdin(zero).stdout(Stdio::null()).spawn().unwrap();
    assert!(tokio::time::timeout(LIMIT, child.wait()).await.expect("it does not read the device").unwrap().success());
    assert_eq!(asked(&provider), "with a device");
}

#[tokio::test]
async fn nothing_asked_is_a_matter_of_usage() {
    assert_failed(&Home::new().run_with_input(&["chat"], " \n").await, 2, "nothing was asked", "greenroom chat");
    let output = Home::new().command(&["chat"]).stdin(Stdio::null()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn model_and_instructions_are_sent() {
    let provider = saying("ok").await;
    let home = home_of(&provider);
    run_well(&home, &["chat", "hello", "-m", "other-model", "--system", "Be brief."], "").await;
    let request = last_request(&provider);
    assert_eq!(request["model"], "other-model");
    assert_eq!(request["messages"][0], json!({"role": "system", "content": "Be brief."}));
    assert_eq!(request["messages"][1]["content"], "hello");
    run_well(&home, &["chat", "hello", "--model", "openai/any-other"], "").await;
    assert_eq!(last_request(&provider)["model"], "any-other");
}

#[tokio::test]
async fn pictures_are_sent_by_what_they_hold() {
    let provider = saying("a picture").await;
    let home = home_of(&provider);
    let png = b"\x89PNG\r\n\x1a\nrest of it";
    std::fs::write(home.path().join("misnamed.txt"), png).unwrap();
    std::fs::write(home.path().join("a.gif"), b"GIF89a rest").unwrap();
    run_well(&home, &["chat", "what is it?", "--image", "misnamed.txt", "--image", "a.gif"], "").await;
    let content = last_request(&provider)["messages"][0]["content"].clone();
    assert_eq!(content[0]["text"], "what is it?");
    assert_eq!(content[1]["image_url"]["url"], format!("data:image/png;base64,{}", STANDARD.encode(png)));
    assert!(content[2]["image_url"]["url"].as_str().unwrap().starts_with("data:image/gif;base64,"), "{content}");
}

#[tokio::test]
async fn json_is_a_line_for_each_event_and_ends_with_the_end() {
    let separators = "one\u{2028}two\u{2029}three\u{85}four";
    let provider = answering([Answer::new().reasoning(["hm"]).then_text([separators]).usage(7, 3)]).await;
    let output = home_of(&provider).run(&["chat", "hello", "--json"]).await.succeeded();
    assert!(!output.stdout.contains(['\u{2028}', '\u{2029}', '\u{85}']), "{output:?}");
    let events = lines(&output.stdout);
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("thinking")[0]["delta"], "hm");
    let text: String = of("text").iter().map(|event| event["delta"].as_str().unwrap()).collect();
    assert_eq!(text, separators);
    assert_eq!(of("route")[0]["provider"], "openai");
    assert_eq!((&of("usage")[0]["input"], &of("usage")[0]["output"]), (&json!(7), &json!(3)));
    assert_eq!(events.last().unwrap()["type"], "turn.finished");
    assert_eq!(events.last().unwrap()["reason"], "stop");
    let (mut last, mut turns) = (0, Vec::new());
    for event in &events {
        assert!(event["position"].as_u64().unwrap() >= last && event["next"].as_u64() > event["position"].as_u64());
        last = event["next"].as_u64().unwrap();
        turns.push(event["turn"].clone());
    }
    turns.dedup();
    assert_eq!(turns.len(), 1, "one turn: {turns:?}");
}

#[tokio::test]
async fn a_failure_in_json_is_the_last_event_and_still_told() {
    let provider = answering([openai::error(401, "invalid_request_error", Some("invalid_api_key"), "bad key")]).await;
    let output = home_of(&provider).run(&["chat", "hello", "--json"]).await;
    assert_failed(&output, 1, "bad key", "key");
    let last = lines(&output.stdout).pop().unwrap();
    assert_eq!((&last["type"], &last["error"]["kind"]), (&json!("turn.failed"), &json!("auth")));
}

#[tokio::test]
async fn an_alias_is_answered_by_the_next_where_the_first_refuses() {
    let refusing = ScriptedProvider::start(Script::from(openai::chat([openai::error(
        429,
        "insufficient_quota",
        Some("insufficient_quota"),
        "no credit",
    )])))
    .await;
    let serving = saying("from the second").await;
    let home = Home::new();
    home.config(&format!(
        "[providers.one]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n\
         [providers.two]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n\
         [models]\ndefault = \"smart\"\n[models.aliases]\nsmart = [\"one/big\", \"two/small\"]\n",
        refusing.url(),
        serving.url()
    ));
    let output = home.run(&["chat", "hello"]).await.succeeded();
    assert_eq!(output.stdout, "from the second\n");
    assert!(output.stderr.contains("one/big") && output.stderr.contains("two/small"), "{}", output.stderr);
    assert_eq!(refusing.stats().route(openai::CHAT).requests, 1);
    assert_eq!(last_request(&serving)["model"], "small");
}

#[tokio::test]
async fn when_all_fail_each_attempt_is_told() {
    let error = |message| [openai::error(402, "billing", None, message).always()];
    let one = ScriptedProvider::start(Script::from(openai::chat(error("first is broke")))).await;
    let two = ScriptedProvider::start(Script::from(openai::chat(error("second is broke")))).await;
    let home = Home::new();
    home.config(&format!(
        "[providers.one]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n\
         [providers.two]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n\
         [models.aliases]\nsmart = [\"one/big\", \"two/small\"]\n",
        one.url(),
        two.url()
    ));
    let output = home.run(&["chat", "hello", "-m", "smart"]).await;
    assert_failed(&output, 1, "none of one/big, two/small could answer", "");
    let attempts: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with("  - ")).collect();
    assert_eq!(attempts, ["  - one/big: first is broke", "  - two/small: second is broke"], "{}", output.stderr);
    assert_eq!(output.stdout, "");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_kept_and_called_incomplete() {
    let provider = answering([Answer::text(["half an ", "answer"]).cut_after(1).stream().always()]).await;
    let mut home = home_of(&provider);
    home.env("GREENROOM__FAILOVER__CONTINUATIONS", "0");
    let output = home.run(&["chat", "hello"]).await;
    assert!(output.stdout.starts_with("half an "), "{output:?}");
    assert_failed(&output, 1, "incomplete", "");
}

#[tokio::test]
async fn an_answer_that_breaks_off_goes_on_and_comes_out_whole() {
    let rest = Answer::text(["answer"]).stream().when(When::body_contains("cut off")).always();
    let provider = answering([rest, Answer::text(["half an ", "answer"]).cut_after(1).stream().always()]).await;
    let home = home_of(&provider);
    let output = home.run(&["chat", "hello"]).await.succeeded();
    assert_eq!(output.stdout, "half an answer\n");
    assert!(output.stderr.contains("broke off (protocol)"), "{}", output.stderr);
    let told = home.run(&["chat", "hello", "--json"]).await.succeeded().stdout;
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let want = ["turn.started", "route", "text", "failover", "route", "text", "usage", "turn.finished"];
    assert_eq!(&kinds[kinds.len() - want.len()..], want);
    assert!(events.windows(2).all(|pair| pair[0]["next"] == pair[1]["position"]), "{told}");
}

#[tokio::test]
async fn an_end_that_is_no_plain_end_is_told() {
    for (reason, told) in [("length", "cut off"), ("content_filter", "content filter")] {
        let provider = answering([Answer::text(["some"]).finish(reason)]).await;
        let output = home_of(&provider).run(&["chat", "hello"]).await.succeeded();
        assert_eq!(output.stdout, "some\n");
        assert!(output.stderr.contains(told), "{reason}: {}", output.stderr);
    }
    let provider = answering([Answer::new().refusal(["I'd rather not."])]).await;
    let output = home_of(&provider).run(&["chat", "hello"]).await.succeeded();
    assert_eq!(output.stdout, "I'd rather not.\n");
    assert!(output.stderr.contains("refused"), "{}", output.stderr);
}

#[tokio::test]
async fn thinking_stays_out_of_what_is_piped() {
    let provider = answering([Answer::new().reasoning(["let me see"]).then_text(["42"])]).await;
    let output = home_of(&provider).run(&["chat", "hello"]).await.succeeded();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("42\n", ""));
}

/// Starts a question, waits for the first words, and sends SIGINT.
async fn interrupted(arguments: &[&str]) -> (i32, String, ScriptedProvider) {
    let provider = answering([Answer::text(["some words", "never"]).stall_after(1)]).await;
    let home = home_of(&provider);
    let mut child = home.command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("some words") {
        let piece = tokio::time::timeout(LIMIT, output.fill_buf()).await.unwrap().unwrap().to_vec();
        assert!(!piece.is_empty(), "it ended: {}", String::from_utf8_lossy(&seen));
        output.consume(piece.len());
        seen.extend(piece);
    }
    kill_process(Pid::from_raw(child.id().unwrap().cast_signed()).unwrap(), Signal::INT).unwrap();
    let status = tokio::time::timeout(LIMIT, child.wait()).await.expect("it ends").unwrap();
    output.read_to_end(&mut seen).await.unwrap();
    (status.code().unwrap(), String::from_utf8(seen).unwrap(), provider)
}

#[tokio::test]
async fn an_interrupt_cancels_up_to_the_provider() {
    let (code, text, provider) = interrupted(&["chat", "hello"]).await;
    assert_eq!((code, text.as_str()), (130, "some words\n"));
    provider.wait_for(|stats| stats.route(openai::CHAT).cancelled == 1, LIMIT).await.unwrap();
}

#[tokio::test]
async fn an_interrupt_is_an_event_in_json() {
    let (code, text, _provider) = interrupted(&["chat", "hello", "--json"]).await;
    assert_eq!(code, 130);
    assert_eq!(lines(&text).last().unwrap()["type"], "turn.cancelled");
}

#[tokio::test]
async fn a_reader_that_leaves_ends_it_quietly() {
    let many = vec!["a line of some length\n"; 20_000];
    let provider = answering([Answer::text(many)]).await;
    let home = home_of(&provider);
    let mut command = home.command(&["chat", "hello"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    tokio::time::timeout(LIMIT, reader.read_line(&mut line)).await.unwrap().unwrap();
    drop(reader);
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!(line, "a line of some length\n");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
