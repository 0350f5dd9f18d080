//! Clients that come in by names and tokens of their own: what they can do, and how that ends.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod http_support;
mod session_support;

use std::time::Duration;

use cli_support::{assert_failed, lines, run_well};
use greenroom_tests::ScriptedProvider;
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::openai::Answer;
use http_support::{
    Api, Greenroom, LIMIT, ask, ask_streamed, chats_asked, events, is_done, message, provider, refusal, scripted, text,
    until,
};
use serde_json::{Value, json};
use session_support::{SESSIONS, at, error, not_found, types};

const CLIENTS: &str = "/api/clients";

async fn answering() -> ScriptedProvider {
    scripted([Answer::text(["fine"]).usage(10, 5).stream().always()]).await
}

/// A client of this name and these fields, as it reaches the same daemon.
async fn client(api: &Api, name: &str, fields: Value) -> Api {
    let made = api.posted(CLIENTS, &http_support::with(json!({"name": name}), fields)).await;
    Api { url: api.url.clone(), token: made["token"].as_str().unwrap().to_owned() }
}

/// The status and kind of an error of our own API.
fn forbidden() -> (u16, String) {
    (403, "permission".to_owned())
}

#[tokio::test]
async fn a_client_is_made_listed_and_revoked_beside_a_daemon_and_without_one() {
    let home = Home::new();
    let nobody = home.run(&["auth", "client", "list"]).await.succeeded();
    assert!(nobody.stdout.is_empty() && nobody.stderr.contains("auth client add"), "{}", nobody.stderr);
    assert!(!home.data_dir().exists(), "looking makes nothing");
    let add =
        ["auth", "client", "add", "editor", "--model", "demo/*", "--model", "smart", "--requests-per-minute", "9"];
    let made = home.run(&add).await.succeeded();
    let token = made.stdout.trim_end();
    assert_eq!(made.stdout, format!("{token}\n"), "only the token");
    assert!(token.starts_with("gr_") && token.len() == 80, "{token}");
    assert!(made.stderr.contains("not shown again") && !made.stderr.contains(token), "{}", made.stderr);
    assert_failed(&home.run(&add).await, 2, "there is a client of this name", "revoke");

    let mut daemon = home.serve(&[]).await;
    let of = |token: &str| Api { url: daemon.url().to_owned(), token: token.trim_end().to_owned() };
    assert_eq!(of(token).get("/v1/models").await.status, 200);
    assert_failed(&home.run(&add).await, 2, "there is a client of this name", "revoke");
    let beside = home.run(&["auth", "client", "add", "bot"]).await.succeeded();
    assert_eq!(of(&beside.stdout).get("/v1/models").await.status, 200, "at once");
    let listed = home.run(&["auth", "client", "list", "--json"]).await.succeeded().stdout;
    let names: Vec<Value> = lines(&listed).iter().map(|client| client["name"].clone()).collect();
    assert_eq!(names, ["bot", "editor"]);
    let editor = &lines(&listed)[1];
    assert_eq!((&editor["models"], &editor["requests_per_minute"]), (&json!(["demo/*", "smart"]), &json!(9)));
    assert!(editor["created"].as_str().unwrap().ends_with('Z'));
    let table = home.run(&["auth", "client", "list"]).await.succeeded().stdout;
    assert!(table.starts_with("NAME") && table.contains("demo/*, smart") && table.contains("all"), "{table}");
    run_well(&home, &["auth", "client", "revoke", "bot"], "").await;
    assert_eq!(of(&beside.stdout).get("/v1/models").await.status, 401, "at once");
    assert_failed(&home.run(&["auth", "client", "revoke", "bot"]).await, 2, "no client of this name", "list");
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;

    assert_eq!(home.run(&["auth", "client", "list", "--json"]).await.succeeded().stdout.lines().count(), 1);
    run_well(&home, &["auth", "client", "revoke", "editor"], "").await;
    assert_failed(&home.run(&["auth", "client", "revoke", "editor"]).await, 2, "no client of this name", "list");
    let daemon = home.serve(&[]).await;
    let refused = Api { url: daemon.url().to_owned(), token: token.to_owned() }.get("/v1/models").await;
    assert_eq!(refusal(&refused).2, "invalid_api_key");
    for (name, error, hint) in [("a:b", "can't be the name", "1 to 64"), ("Admin", "reserved", "another name")] {
        assert_failed(&home.run(&["auth", "client", "add", name]).await, 2, error, hint);
        assert_failed(&Home::new().run(&["auth", "client", "add", name]).await, 2, error, hint);
    }
    assert_eq!(home.run(&["auth", "client", "add", "x", "--requests-per-minute", "0"]).await.code(), Some(2));
}

#[tokio::test]
async fn the_routes_of_clients_give_the_token_once_and_to_the_owner_alone() {
    let lab = answering().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let asked = json!({"name": "editor", "models": ["lab/m1"], "requests_per_minute": 100});
    let made = api.post(CLIENTS, &asked).await;
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")));
    let mut told = made.json();
    let token = told.as_object_mut().unwrap().remove("token").unwrap();
    let token = token.as_str().unwrap();
    let listed = api.get(CLIENTS).await;
    assert_eq!(listed.json(), json!({"clients": [told]}));
    assert!(!listed.text().contains(&token[16..]), "{}", listed.text());
    assert_eq!(error(&api.post(CLIENTS, &asked).await), (409, "invalid_request".to_owned()));
    for bad in [
        json!({}),
        json!({"name": "library"}),
        json!({"name": "a/b"}),
        json!({"name": "a", "models": []}),
        json!({"name": "a", "models": [""]}),
        json!({"name": "a", "model": ["x"]}),
        json!({"name": "a", "requests_per_minute": 0}),
        json!({"name": "a", "budget": 10}),
        json!({"name": "a", "budget": "10/week"}),
    ] {
        assert_eq!(error(&api.post(CLIENTS, &bad).await), session_support::bad(), "{bad}");
    }
    let editor = Api { url: api.url.clone(), token: token.to_owned() };
    for (method, path) in [
        ("GET", CLIENTS),
        ("POST", CLIENTS),
        ("DELETE", "/api/clients/editor"),
        ("PATCH", "/api/clients/editor"),
        ("GET", "/api/providers"),
        ("POST", "/api/providers/lab/reset"),
        ("POST", "/api/providers/lab/test"),
        ("GET", "/api/usage"),
        ("GET", "/api/usage/attempts"),
        ("GET", "/api/models"),
        ("POST", "/api/batches"),
        ("GET", "/api/batches/batch_0/results"),
        ("POST", "/api/token/rotate"),
        ("POST", "/api/hand-over"),
        ("GET", "/api/holder"),
        ("POST", "/api/ephemeral"),
    ] {
        let refused = editor.ask(method, path, &[], b"").await;
        assert_eq!(error(&refused), forbidden(), "{method} {path}");
        assert!(message(&refused).contains("`greenroom auth token`"));
    }
    assert_eq!(api.ask("DELETE", "/api/clients/editor", &[], b"").await.status, 204);
    for nobody in ["/api/clients/editor", "/api/clients/%ff", "/api/hand-over"] {
        assert_eq!(error(&api.ask("DELETE", nobody, &[], b"").await), not_found(), "{nobody}");
    }
    assert_eq!(editor.get(SESSIONS).await.status, 401);
    assert_eq!(api.get(CLIENTS).await.json(), json!({"clients": []}));
}

#[tokio::test]
async fn clients_see_their_own_sessions_and_the_owner_sees_all() {
    let lab = answering().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let (one, other) = (client(api, "one", json!({})).await, client(api, "other", json!({})).await);
    assert_eq!(one.create("first").await["client"], "one");
    assert!(types(&one.turn("first", "hello").await).contains(&"turn.finished".to_owned()));
    other.create("second").await;
    let ids = |list: &Value| -> Vec<Value> {
        list["sessions"].as_array().unwrap().iter().map(|session| session["id"].clone()).collect()
    };
    assert_eq!(ids(&one.get(SESSIONS).await.json()), ["first"]);
    assert_eq!(ids(&other.get(SESSIONS).await.json()), ["second"]);
    assert_eq!(ids(&api.get(SESSIONS).await.json()), ["first", "second"]);
    let body = json!({"text": "mine"}).to_string();
    for (method, rest, body) in [
        ("GET", "", ""),
        ("PATCH", "", r#"{"system": "x"}"#),
        ("DELETE", "", ""),
        ("POST", "/messages", &body),
        ("POST", "/cancel", r#"{"turn": 1}"#),
        ("POST", "/tool_claims", r#"{"id": "x"}"#),
        ("POST", "/tool_results", r#"{"id": "x", "text": "y"}"#),
        ("POST", "/fork", r#"{"at": 1}"#),
        ("GET", "/export", ""),
        ("GET", "/events", ""),
    ] {
        let response = other.ask(method, &at("first", rest), &[], body.as_bytes()).await;
        assert_eq!(error(&response), not_found(), "{method} {rest}");
    }
    let refused = other.open_socket("first", "", &[]).await.unwrap_err();
    assert_eq!(error(&refused), not_found());
    assert_eq!(error(&other.post(SESSIONS, &json!({"id": "first"})).await), session_support::conflict());
    // A copy is whose it is that makes it.
    let fork = api.posted(&at("first", "/fork"), &json!({"at": 1, "id": "third"})).await;
    assert_eq!(fork["client"], "admin");
    assert_eq!(one.get(&at("third", "")).await.status, 404);
    let export = one.get(&at("first", "/export")).await;
    let import = other.ask("POST", &at("import", "?id=fourth"), &[], &export.body).await;
    assert_eq!((import.status, &import.json()["client"]), (201, &json!("other")));

    other.chat(&ask("m1")).await;
    let usage = api.get("/api/usage?by=client").await.json()["usage"].clone();
    let sums: Vec<(Value, Value)> =
        usage.as_array().unwrap().iter().map(|sum| (sum["by"].clone(), sum["requests"].clone())).collect();
    assert_eq!(sums, [(json!("one"), json!(1)), (json!("other"), json!(1))]);
}

#[tokio::test]
async fn a_client_asks_the_models_that_it_may_and_nobody_is_asked_for_others() {
    let lab = answering().await;
    let aliases = "[models]\ndefault = \"smart\"\n[models.aliases]\nsmart = \"lab/m2\"\n";
    let greenroom = Greenroom::start(&format!("{}{aliases}", provider("lab", &lab))).await;
    let api = &greenroom.api;
    let narrow = client(api, "narrow", json!({"models": ["*/m1"]})).await;
    let smart = client(api, "smart", json!({"models": ["smart"]})).await;
    let refused = |response: &greenroom_tests::client::Response| {
        assert_eq!(refusal(response), (403, "permission_error".to_owned(), "model_not_allowed".to_owned()));
        assert!(message(response).contains("GET /v1/models"));
    };
    // By the name that is asked by: what an alias stands for is the owner's to say.
    for model in ["lab/m2", "m1", "smart", "default", ""] {
        refused(&narrow.chat(&ask(model)).await);
        refused(&narrow.chat(&ask_streamed(model)).await);
    }
    refused(&smart.chat(&ask("lab/m2")).await);
    for stream in [false, true] {
        refused(&narrow.post("/v1/responses", &json!({"model": "lab/m2", "input": "hi", "stream": stream})).await);
    }
    for denied in [json!({"model": "lab/m2"}), json!({})] {
        assert_eq!(error(&narrow.post(SESSIONS, &denied).await), forbidden(), "{denied}");
    }
    api.create("theirs").await;
    narrow.posted(SESSIONS, &json!({"id": "mine", "model": "lab/m1"})).await;
    let denied = narrow.ask("PATCH", &at("mine", ""), &[], br#"{"model": "lab/m2"}"#).await;
    assert_eq!(error(&denied), forbidden());
    // The owner has the session ask another model, which its client may not.
    assert_eq!(api.ask("PATCH", &at("mine", ""), &[], br#"{"model": "lab/m2"}"#).await.status, 200);
    assert_eq!(error(&narrow.post(&at("mine", "/messages"), &json!({"text": "hi"})).await), forbidden());
    let mut socket = narrow.socket("mine", "").await;
    let reply = socket.replied(&json!({"type": "message", "text": "hi", "ref": 1})).await;
    assert_eq!(reply["error"]["kind"], "permission", "{reply}");
    assert_eq!(chats_asked(&lab).len(), 0, "nobody was asked");

    assert_eq!(narrow.chat(&ask("lab/m1")).await.status, 200);
    for model in ["smart", "default", ""] {
        assert_eq!(smart.chat(&ask(model)).await.status, 200, "{model:?}");
    }
    assert_eq!(narrow.ask("PATCH", &at("mine", ""), &[], br#"{"model": "lab/m1"}"#).await.status, 200);
    assert!(!narrow.turn("mine", "hi").await.is_empty());
    let ids = |list: Value| -> Vec<Value> {
        list["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect()
    };
    assert_eq!(ids(narrow.get("/v1/models").await.json()), ["lab/m1"]);
    assert_eq!(ids(smart.get("/v1/models").await.json()), ["smart"]);
    assert_eq!(ids(api.get("/v1/models").await.json()), ["smart", "lab/m1", "lab/m2"]);
    assert_eq!(narrow.get("/v1/models/lab/m1").await.status, 200);
    assert_eq!(narrow.get("/v1/models/lab/m2").await.status, 404);
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let lab = answering().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let eager = client(api, "eager", json!({"requests_per_minute": 3})).await;
    eager.create("s").await;
    let mut socket = eager.socket("s", "").await;
    assert_eq!(eager.chat(&ask("m1")).await.status, 200);
    let seconds = |text: Option<&str>| text.unwrap().parse::<u64>().unwrap();
    let late = eager.chat(&ask("m1")).await;
    assert_eq!(refusal(&late), (429, "rate_limit_error".to_owned(), "rate_limit_exceeded".to_owned()));
    assert!((1..=20).contains(&seconds(late.header("retry-after"))), "{:?}", late.headers);
    let late = eager.get(SESSIONS).await;
    assert_eq!((late.status, &late.json()["error"]["kind"]), (429, &json!("rate_limited")));
    assert_eq!(late.json()["error"]["retry_after"], seconds(late.header("retry-after")));
    let reply = socket.replied(&json!({"type": "message", "text": "hi", "ref": 1})).await;
    assert_eq!(reply["error"]["kind"], "rate_limited", "{reply}");
    assert_eq!(chats_asked(&lab).len(), 1);
    let other = client(api, "other", json!({"requests_per_minute": 3})).await;
    for _ in 0..3 {
        assert_eq!(other.get(SESSIONS).await.status, 200, "each has its own");
    }
    assert_eq!(api.get(SESSIONS).await.status, 200, "the owner has none");
}

#[tokio::test]
async fn the_sessions_of_a_client_have_one_turn_among_them_in_a_queue() {
    const MANY: usize = 12;
    let lab = scripted([Answer::text(["yes"]).first_token_after(Duration::from_millis(100)).stream().always()]).await;
    let greenroom = Greenroom::start(&format!("{}limits = {{ concurrent = 1 }}\n", provider("lab", &lab))).await;
    let many = client(&greenroom.api, "many", json!({})).await;
    let few = client(&greenroom.api, "few", json!({})).await;
    for id in (0..MANY).map(|number| format!("s{number}")) {
        many.posted(SESSIONS, &json!({"id": id, "model": "lab/m1"})).await;
        many.say(&id, "many").await;
    }
    until(&lab, |stats| stats.route(http_support::CHAT).requests >= 2).await;
    let before = chats_asked(&lab).len();
    assert_eq!(few.chat(&ask("lab/m1")).await.status, 200);
    let asked = chats_asked(&lab).len();
    // One that runs as it comes, one whose turn may be before its own, itself, and one behind it.
    assert!(asked <= before + 4 && asked < MANY, "{before}, then {asked}");
}

#[tokio::test]
async fn a_revoked_client_reads_no_further_and_what_it_asked_comes_to_its_end() {
    let slow = Answer::text(["one ", "two ", "three"]).pace(Duration::from_millis(600)).stream();
    let lab = scripted([slow, Answer::text(["fine"]).stream().always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let (gone, stays) = (client(api, "gone", json!({})).await, client(api, "stays", json!({})).await);
    for (of, id) in [(&gone, "a"), (&stays, "b")] {
        of.create(id).await;
    }
    let (mut tail, mut other) = (gone.tail("a", "").await, stays.tail("b", "").await);
    tail.until("synced").await;
    other.until("synced").await;
    let mut socket = gone.socket("a", "").await;
    socket.until("synced").await;
    let mut owners = api.tail("a", "").await;
    owners.until("synced").await;
    let mut chat = gone.begin(&ask_streamed("m1")).await;
    assert_eq!(chat.head().await.unwrap().status, 200);
    until(&lab, |stats| stats.route(http_support::CHAT).open == 1).await;

    assert_eq!(api.ask("DELETE", "/api/clients/gone", &[], b"").await.status, 204);
    assert!(tail.next().await.is_none(), "its reader ends");
    assert_eq!(socket.end().await, (4401, "the token is not valid any more".to_owned()));
    assert_eq!(gone.chat(&ask("m1")).await.status, 401);
    assert_eq!(gone.get(&at("a", "/events")).await.status, 401);
    let told = events(&mut chat).await;
    assert!(is_done(&told) && text(&told) == "one two three", "{told:?}");
    stays.say("b", "still here").await;
    other.until("message.user").await;
    api.say("a", "the owner is").await;
    owners.until("message.user").await;
    // Whoever has the name next has the sessions.
    let again = client(api, "gone", json!({})).await;
    assert_eq!(again.info("a").await["client"], "gone");
}

#[tokio::test]
async fn the_owners_token_is_replaced_while_the_daemon_runs() {
    let home = Home::new();
    let first = home.run(&["auth", "token"]).await.succeeded().stdout;
    let second = home.run(&["auth", "token", "--rotate"]).await.succeeded();
    assert_ne!(second.stdout, first);
    assert!(second.stderr.contains("old token is refused"), "{}", second.stderr);
    assert_eq!(home.run(&["auth", "token"]).await.succeeded().stdout, second.stdout, "it lies there");

    let daemon = home.serve(&[]).await;
    let of = |token: &str| Api { url: daemon.url().to_owned(), token: token.trim_end().to_owned() };
    let (old, api) = (of(&first), of(&second.stdout));
    assert_eq!((old.get(SESSIONS).await.status, api.get(SESSIONS).await.status), (401, 200));
    api.create("s").await;
    let mut tail = api.tail("s", "").await;
    tail.until("synced").await;
    let mut socket = api.socket("s", "").await;
    let third = home.run(&["auth", "token", "--rotate"]).await.succeeded().stdout;
    assert_eq!(api.get(SESSIONS).await.status, 401, "at once");
    assert!(tail.next().await.is_none());
    assert_eq!(socket.end().await.0, 4401);
    let api = of(&third);
    assert_eq!(api.get(SESSIONS).await.status, 200);

    let rotated = api.post("/api/token/rotate", &json!({})).await;
    assert_eq!((rotated.status, rotated.text().as_str()), (204, ""), "no secret comes out");
    assert_eq!(api.get(SESSIONS).await.status, 401);
    let fourth = daemon.token();
    assert_ne!(fourth, third.trim_end());
    assert_eq!(of(&fourth).get(SESSIONS).await.status, 200);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        let mode = std::fs::metadata(home.data_dir().join("token")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let left = std::fs::read_dir(home.data_dir()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with(".token")).collect();
    assert!(left.is_empty(), "{left:?}");
}
