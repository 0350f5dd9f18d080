//! Responses that are kept: conversations of them, tools over several, and whose they are.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod kept_support;

use greenroom_tests::openai::Answer;
use greenroom_tests::{Attempt, ScriptedProvider, When};
use http_support::{CHAT, Greenroom, chats_asked, message, refusal, scripted, until};
use kept_support::{
    ask, asked, at, begin_stream, client, create, id, last, next, numbers, post, retrieve, session_of, stream,
    streamed_again, text_of, until_status,
};
use serde_json::{Value, json};

const TOOL: &str = r#"{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": false}"#;

fn tool() -> Value {
    serde_json::from_str(TOOL).unwrap()
}

/// Answers to requests that hold these words, as often as they come; the first that fits counts.
async fn answering(words: impl IntoIterator<Item = (&'static str, Answer)>) -> ScriptedProvider {
    let of = |(word, answer): (&str, Answer)| Attempt::from(answer).when(When::body_contains(word)).always();
    scripted(words.into_iter().map(of)).await
}

/// The roles and texts of the messages that were asked, oldest first.
fn messages(lab: &ScriptedProvider, nth: usize) -> Vec<(String, String)> {
    let body = chats_asked(lab)[nth].json();
    let said = |message: &Value| {
        let text = message["content"].as_str().unwrap_or_default().to_owned();
        (message["role"].as_str().unwrap().to_owned(), text)
    };
    body["messages"].as_array().unwrap().iter().map(said).collect()
}

fn pairs(said: &[(&str, &str)]) -> Vec<(String, String)> {
    said.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn a_response_goes_on_with_the_one_before_and_only_instructions_are_its_own() {
    let lab = answering([
        ("third", Answer::text(["3"])),
        ("second", Answer::text(["2"]).usage(20, 1)),
        ("first", Answer::text(["1"])),
    ])
    .await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let one = create(api, &ask("first", json!({"instructions": "be brief", "metadata": {"a": "b"}}))).await;
    assert_eq!((&one["status"], &one["store"], &one["background"]), (&json!("completed"), &json!(true), &json!(false)));
    assert_eq!((one.get("conversation"), &one["previous_response_id"]), (None, &Value::Null));
    assert!(id(&one).starts_with("resp_") && id(&one).len() == 53, "{one}");
    let input = json!([{"role": "developer", "content": "in French"}, {"role": "user", "content": "second"}]);
    let two = create(api, &ask("", json!({"input": input, "previous_response_id": id(&one)}))).await;
    assert_eq!((&two["previous_response_id"], text_of(&two)), (&one["id"], "2".to_owned()));
    assert_eq!(two["instructions"], Value::Null);
    let events = stream(
        api,
        &ask("third", json!({"previous_response_id": id(&two), "instructions": "be kind", "temperature": 0.5})),
    )
    .await;
    assert_eq!(numbers(&events), (0..events.len() as u64).collect::<Vec<_>>());
    let three = last(&events);
    assert_eq!((text_of(&three), &three["store"]), ("3".to_owned(), &json!(true)));

    assert_eq!(messages(&lab, 0), pairs(&[("system", "be brief"), ("user", "first")]));
    let second = [("user", "first"), ("assistant", "1"), ("system", "in French"), ("user", "second")];
    assert_eq!(messages(&lab, 1), pairs(&second));
    let mut third = vec![("system", "be kind")];
    third.extend(second);
    third.extend([("assistant", "2"), ("user", "third")]);
    assert_eq!(messages(&lab, 2), pairs(&third));
    assert_eq!(chats_asked(&lab)[2].json()["temperature"], 0.5);

    // All of it is one session, which other frontends read and go on with.
    let session = session_of(&id(&one));
    assert_eq!([session_of(&id(&two)), session_of(&id(&three))], [session.clone(), session.clone()]);
    let listed = api.get("/api/sessions").await.json();
    let ids: Vec<_> = listed["sessions"].as_array().unwrap().iter().map(|session| session["id"].clone()).collect();
    assert_eq!(ids, std::slice::from_ref(&session));
    let shown = greenroom.home.run(&["sessions", "show", &session]).await.succeeded();
    assert_eq!(shown.stdout, "> first\n1\n> second\n2\n> third\n3\n");
    let sent =
        asked(api, "POST", &format!("/api/sessions/{session}/messages"), Some(&json!({"text": "first again"}))).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    until(&lab, |stats| stats.route(CHAT).completed == 4).await;
    assert_eq!(messages(&lab, 3).last().unwrap().1, "first again");
    assert_eq!(messages(&lab, 3).len(), 8, "{:?}", messages(&lab, 3));

    let again = retrieve(api, &id(&two)).await;
    assert_eq!(again, two, "it is told again as it was");
    let told = streamed_again(api, &id(&three), "").await;
    assert_eq!(last(&told), three);
    assert_eq!(numbers(&told), (0..told.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn calls_are_answered_by_the_next_response_and_left_out_without() {
    let calls = Answer::text(["Let me see."]).tool_call("call_a", "weather", ["{\"city\":", "\"Oslo\"}"]).tool_call(
        "call_b",
        "weather",
        ["{}"],
    );
    let lab =
        answering([("never mind", Answer::text(["Fine."])), ("rain", Answer::text(["It rains."])), ("Oslo?", calls)])
            .await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    for streamed in [false, true] {
        lab.reset();
        let body = ask("Oslo?", json!({"tools": [tool()]}));
        let one = if streamed { last(&stream(api, &body).await) } else { create(api, &body).await };
        let kinds: Vec<_> = one["output"].as_array().unwrap().iter().map(|item| item["type"].clone()).collect();
        assert_eq!(
            (kinds, &one["status"]),
            (vec![json!("message"), json!("function_call"), json!("function_call")], &json!("completed"))
        );
        let state = api.get(&format!("/api/sessions/{}", session_of(&id(&one)))).await.json();
        assert_eq!(state["state"], "idle", "a session does not wait for results: {state}");

        let result = |call: &str| json!({"type": "function_call_output", "call_id": call, "output": "rain"});
        let input = json!([result("call_a")]);
        let two =
            create(api, &ask("", json!({"input": input, "previous_response_id": id(&one), "tools": [tool()]}))).await;
        assert_eq!(text_of(&two), "It rains.");
        let asked = chats_asked(&lab)[1].json();
        let said = &asked["messages"][1];
        assert_eq!((&said["content"], said["tool_calls"].as_array().unwrap().len()), (&json!("Let me see."), 1));
        assert_eq!(said["tool_calls"][0]["function"]["arguments"], "{\"city\":\"Oslo\"}");
        assert_eq!(
            (&asked["messages"][2]["tool_call_id"], &asked["messages"][2]["content"]),
            (&json!("call_a"), &json!("rain"))
        );

        let other = create(api, &ask("never mind", json!({"previous_response_id": id(&one)}))).await;
        assert_ne!(session_of(&id(&other)), session_of(&id(&one)));
        assert_eq!(
            messages(&lab, 2),
            pairs(&[("user", "Oslo?"), ("assistant", "Let me see."), ("user", "never mind")])
        );
        assert_eq!(chats_asked(&lab)[2].json()["messages"][1].get("tool_calls"), None);

        let lost = post(api, &ask("", json!({"input": [result("call_x")], "previous_response_id": id(&two)}))).await;
        assert_eq!((lost.status, &lost.json()["error"]["param"]), (400, &json!("input")), "{}", lost.text());
        assert!(message(&lost).contains("call_x"), "{}", lost.text());
    }
}

#[tokio::test]
async fn one_that_is_gone_on_with_twice_is_two_conversations() {
    let lab =
        answering([("left", Answer::text(["L"])), ("right", Answer::text(["R"])), ("start", Answer::text(["S"]))])
            .await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let start = create(api, &ask("start", json!({}))).await;
    let behind = json!({"previous_response_id": id(&start)});
    let (lefts, rights) = (ask("left", behind.clone()), ask("right", behind));
    let (left, right) = tokio::join!(create(api, &lefts), create(api, &rights));
    let sessions = [session_of(&id(&left)), session_of(&id(&right))];
    assert_ne!(sessions[0], sessions[1]);
    assert_eq!(sessions.iter().filter(|session| **session == session_of(&id(&start))).count(), 1);
    let last = create(api, &ask("left again", json!({"previous_response_id": id(&left)}))).await;
    assert_eq!(session_of(&id(&last)), sessions[0]);
    let want = [("user", "start"), ("assistant", "S"), ("user", "left"), ("assistant", "L"), ("user", "left again")];
    assert_eq!(messages(&lab, 3), pairs(&want));
    for (response, text) in [(&left, "L"), (&right, "R"), (&start, "S")] {
        assert_eq!(text_of(&retrieve(api, &id(response)).await), text);
    }
    assert_eq!(api.get("/api/sessions").await.json()["sessions"].as_array().unwrap().len(), 2);
    // What the fork has of the one before is no response of its own.
    let forked = sessions.iter().find(|session| **session != session_of(&id(&start))).unwrap();
    let inherited = id(&start).replace(&session_of(&id(&start))["conv_".len()..], &forked["conv_".len()..]);
    assert_eq!(api.get(&at(&inherited, "")).await.status, 404);
}

#[tokio::test]
async fn a_conversation_is_appended_to_by_its_name() {
    let lab = answering([("more", Answer::text(["2"])), ("start", Answer::text(["1"]))]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let one = create(api, &ask("start", json!({}))).await;
    let name = session_of(&id(&one));
    for named in [json!(name), json!({"id": name})] {
        let two = create(api, &ask("more", json!({"conversation": named}))).await;
        assert_eq!((&two["conversation"], session_of(&id(&two))), (&json!({"id": name}), name.clone()));
        assert_eq!(retrieve(api, &id(&two)).await["conversation"], json!({"id": name}));
    }
    assert_eq!(messages(&lab, 2).len(), 5);
    let unknown = post(api, &ask("more", json!({"conversation": format!("conv_{:032x}", 7)}))).await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["param"]),
        (404, &json!("conversation")),
        "{}",
        unknown.text()
    );
    let both = post(api, &ask("more", json!({"conversation": name, "previous_response_id": id(&one)}))).await;
    assert_eq!((both.status, &both.json()["error"]["param"]), (400, &json!("previous_response_id")));
    // Whoever comes while another is answered waits.
    lab.set_script(greenroom_tests::Script::new([
        greenroom_tests::openai::chat([
            Attempt::from(Answer::text(["never"]).stall_after(0)).when(When::body_contains("stall"))
        ]),
        greenroom_tests::openai::models(["m1"]),
    ]));
    let stalled = create(api, &ask("stall", json!({"conversation": name, "background": true}))).await;
    let waits = create(api, &ask("wait", json!({"conversation": name, "background": true}))).await;
    assert_eq!((&stalled["status"], &waits["status"]), (&json!("in_progress"), &json!("queued")));
    assert_eq!(retrieve(api, &id(&waits)).await["status"], "queued");
    for one in [&waits, &stalled] {
        let cancelled = asked(api, "POST", &at(&id(one), "/cancel"), None).await.json();
        assert_eq!((&cancelled["status"], &cancelled["id"]), (&json!("cancelled"), &one["id"]));
    }
}

#[tokio::test]
async fn what_is_no_response_or_anothers_is_not_there() {
    let lab = answering([("hi", Answer::text(["1"]))]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let (ada, bob) = (client(api, "ada", json!({})).await, client(api, "bob", json!({"models": ["other/*"]})).await);
    let kept = create(&ada, &ask("hi", json!({}))).await;
    let id = id(&kept);
    assert_eq!(retrieve(&ada, &id).await, kept);
    assert_eq!(retrieve(api, &id).await, kept, "the owner sees all");
    let other = format!("resp_{:032x}{:016x}", 1, 1);
    let digits = &id["resp_".len()..];
    let nowhere = format!("resp_{}{:016x}", &digits[..32], 0);
    let behind = format!("resp_{}{:016x}", &digits[..32], 4_000_000);
    let long = format!("resp_{}", "0".repeat(1000));
    let upper = id.to_uppercase().replace("RESP_", "resp_");
    let mut bad = vec![&other, &nowhere, &behind, &long];
    let none = ["resp_".to_owned(), "resp_1".to_owned(), "x".to_owned(), "%ff".to_owned(), session_of(&id)];
    bad.extend(&none);
    if upper != id {
        bad.push(&upper);
    }
    for (api, ids) in [(&ada, bad), (&bob, vec![&id])] {
        for id in ids {
            for (method, rest) in
                [("GET", ""), ("GET", "?stream=true"), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")]
            {
                let response = asked(api, method, &at(id, rest), None).await;
                let told = refusal(&response);
                assert_eq!(told, (404, "invalid_request_error".into(), "not_found".into()), "{method} {id}{rest}");
                message(&response);
            }
            let body = ask("hi", json!({"model": "other/m", "previous_response_id": id}));
            let gone = post(api, &body).await;
            assert_eq!(
                (gone.status, refusal(&gone).2.as_str()),
                (400, "previous_response_not_found"),
                "{}",
                gone.text()
            );
            assert_eq!(gone.json()["error"]["param"], "previous_response_id");
        }
    }
    let named = post(&bob, &ask("hi", json!({"model": "other/m", "conversation": session_of(&id)}))).await;
    assert_eq!(named.status, 404, "{}", named.text());
    for fields in [json!({}), json!({"stream": true}), json!({"background": true})] {
        let refused = post(&bob, &ask("hi", fields)).await;
        assert_eq!((refused.status, refusal(&refused).2.as_str()), (403, "model_not_allowed"), "{}", refused.text());
    }
    assert_eq!(chats_asked(&lab).len(), 1);
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_its_words_stay_as_long_as_others_have_them_behind_them() {
    let lab =
        answering([("third", Answer::text(["3"])), ("second", Answer::text(["2"])), ("first", Answer::text(["1"]))])
            .await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let one = create(api, &ask("first", json!({}))).await;
    let two = create(api, &ask("second", json!({"previous_response_id": id(&one)}))).await;
    let session = format!("/api/sessions/{}", session_of(&id(&one)));
    let gone = asked(api, "DELETE", &at(&id(&one), ""), None).await;
    assert_eq!((gone.status, gone.json()), (200, json!({"id": id(&one), "object": "response", "deleted": true})));
    assert_eq!(api.get(&at(&id(&one), "")).await.status, 404);
    assert_eq!(asked(api, "DELETE", &at(&id(&one), ""), None).await.status, 404);
    let behind = post(api, &ask("third", json!({"previous_response_id": id(&one)}))).await;
    assert_eq!((behind.status, refusal(&behind).2.as_str()), (400, "previous_response_not_found"));
    let three = create(api, &ask("third", json!({"previous_response_id": id(&two)}))).await;
    assert_eq!(messages(&lab, 2)[..2], pairs(&[("user", "first"), ("assistant", "1")]));
    // A fork has responses of its own alone.
    let fork = create(api, &ask("third", json!({"previous_response_id": id(&two)}))).await;
    let of_fork = format!("/api/sessions/{}", session_of(&id(&fork)));
    assert_ne!(of_fork, session);
    assert_eq!(asked(api, "DELETE", &at(&id(&fork), ""), None).await.status, 200);
    assert_eq!(api.get(&of_fork).await.status, 404, "nothing is left of it");

    greenroom.daemon.signal(greenroom_tests::harness::Signal::KILL);
    let mut daemon = greenroom.daemon;
    daemon.wait(http_support::LIMIT).await;
    let daemon = greenroom.home.serve(&[]).await;
    let api = &http_support::Api { url: daemon.url().to_owned(), token: daemon.token() };
    assert_eq!(api.get(&at(&id(&one), "")).await.status, 404, "also in the next process");
    assert_eq!(api.get(&session).await.status, 200);
    for last in [&two, &three] {
        assert_eq!(api.get(&session).await.status, 200);
        assert_eq!(asked(api, "DELETE", &at(&id(last), ""), None).await.status, 200);
    }
    assert_eq!(api.get(&session).await.status, 404, "with the last of them the conversation goes");
}

#[tokio::test]
async fn the_input_is_listed_by_pages() {
    let lab = answering([("hi", Answer::text(["1"]))]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let input = json!([{"role": "user", "content": "one"}, {"role": "assistant", "content": "well"},
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}], "id": "msg_own"}]);
    let one = create(api, &ask("", json!({"input": input, "instructions": "brief"}))).await;
    let page = async |query: &str| api.get(&at(&id(&one), &format!("/input_items{query}"))).await;
    let all = page("?order=asc").await.json();
    assert_eq!((&all["object"], &all["has_more"]), (&json!("list"), &json!(false)));
    let items = all["data"].as_array().unwrap();
    let texts: Vec<_> = items.iter().map(|item| item["content"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["one", "well", "hi"], "{all}");
    assert_eq!(
        (&items[2]["id"], &all["last_id"], &all["first_id"]),
        (&json!("msg_own"), &json!("msg_own"), &items[0]["id"])
    );
    assert_eq!(page("").await.json()["data"][0]["id"], "msg_own", "the last one first");
    let second = page(&format!("?order=asc&limit=1&after={}", items[0]["id"].as_str().unwrap())).await.json();
    assert_eq!((&second["data"][0]["content"][0]["text"], &second["has_more"]), (&json!("well"), &json!(true)));
    for bad in ["?limit=0", "?limit=x", "?order=up", "?after=nothing"] {
        assert_eq!(page(bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_what_nobody_else_waits_for_and_what_there_was_stays() {
    let answer = || Answer::text(["Hel", "lo"]).stall_after(1).stream();
    let lab = scripted([answer(), answer()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    for (number, streamed) in [(1, true), (2, false)] {
        let body = ask("hi", json!({"stream": streamed}));
        let mut known = None;
        let connection = if streamed {
            let mut connection = begin_stream(api, "POST", "/v1/responses", Some(&body)).await;
            loop {
                let event = next(&mut connection).await.unwrap();
                known = known.or_else(|| event.json()["response"]["id"].as_str().map(str::to_owned));
                if event.event.as_deref() == Some("response.output_text.delta") {
                    break connection;
                }
            }
        } else {
            kept_support::send(api, "POST", "/v1/responses", Some(&body)).await
        };
        until(&lab, |stats| stats.route(CHAT).open == 1).await;
        if streamed {
            let running = post(api, &ask("more", json!({"previous_response_id": known.clone().unwrap()}))).await;
            assert_eq!((running.status, &running.json()["error"]["param"]), (400, &json!("previous_response_id")));
            assert!(message(&running).contains("not complete"), "{}", running.text());
            let cancel = asked(api, "POST", &at(&known.clone().unwrap(), "/cancel"), None).await;
            assert_eq!(cancel.status, 400, "only in the background: {}", cancel.text());
        }
        drop(connection);
        until(&lab, |stats| stats.route(CHAT).cancelled == number).await;
        if let Some(id) = known {
            let cancelled = until_status(api, &id, "cancelled").await;
            assert_eq!((text_of(&cancelled), &cancelled["error"]), ("Hel".to_owned(), &Value::Null));
            let told = streamed_again(api, &id, "").await;
            assert_eq!(told.last().unwrap().event.as_deref(), Some("response.incomplete"));
            assert_eq!(last(&told), cancelled);
            let resumed = api.get(&at(&id, "?stream=true&starting_after=1")).await;
            assert_eq!((resumed.status, &resumed.json()["error"]["param"]), (400, &json!("starting_after")));
        }
    }
    assert_eq!(chats_asked(&lab).len(), 2, "nothing is asked for anew");
}
