//! Sessions are made, listed, changed and removed; what is wrong is told and does nothing.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod session_support;

use greenroom_tests::client::Connection;
use greenroom_tests::openai::Answer;
use http_support::{Greenroom, chats_asked, message, provider, scripted};
use serde_json::{Value, json};
use session_support::{SESSIONS, at, bad, error, not_found, text, types};

#[tokio::test]
async fn a_session_is_made_once_and_is_there_until_it_is_removed() {
    let lab = scripted([Answer::text(["yes"]).stream().always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let tools = json!([{"type": "function", "name": "look", "parameters": {"type": "object"}}]);
    let new = json!({"id": "telegram:42@home", "model": "lab/m2", "system": "be brief", "tools": tools});
    let made = api.post(SESSIONS, &new).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let info = made.json();
    assert_eq!(
        (&info["id"], &info["model"], &info["system"], &info["tools"], &info["state"], &info["client"]),
        (&new["id"], &new["model"], &new["system"], &tools, &json!("idle"), &json!("admin"))
    );
    let again = api.post(SESSIONS, &json!({"id": "telegram:42@home", "model": "lab/m1"})).await;
    assert_eq!((again.status, &again.json()["model"]), (200, &json!("lab/m2")), "it is given as it is");
    assert_eq!(api.info("telegram:42@home").await["cursor"], info["cursor"]);

    let named = api.ask("POST", SESSIONS, &[], b"").await;
    assert_eq!(named.status, 201);
    let random = named.json()["id"].as_str().unwrap().to_owned();
    assert!(random.len() >= 16, "{random}");

    let path = at("telegram:42@home", "");
    let changed = api.ask("PATCH", &path, &[], br#"{"model": "lab/m1", "system": "", "tools": []}"#).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!((&changed.json()["model"], &changed.json()["system"]), (&json!("lab/m1"), &Value::Null));
    assert!(changed.json().get("tools").is_none());
    let events = api.turn("telegram:42@home", "hi").await;
    assert_eq!(text(&events), "yes");
    let asked = chats_asked(&lab)[0].json();
    assert_eq!((&asked["model"], &asked["messages"]), (&json!("m1"), &json!([{"role": "user", "content": "hi"}])));
    let updated = api.there("telegram:42@home", "").await;
    assert_eq!(types(&updated)[..2], ["session.created", "session.updated"]);

    let mut reader = api.tail("telegram:42@home", "").await;
    reader.until("synced").await;
    assert_eq!(api.ask("DELETE", &path, &[], b"").await.status, 204);
    assert!(reader.next().await.is_none(), "who reads it comes to its end");
    for (method, rest, body) in [
        ("GET", "", ""),
        ("DELETE", "", ""),
        ("PATCH", "", "{}"),
        ("GET", "/events", ""),
        ("GET", "/export", ""),
        ("POST", "/messages", r#"{"text": "hi"}"#),
        ("POST", "/cancel", r#"{"turn": 1}"#),
    ] {
        let gone = api.ask(method, &at("telegram:42@home", rest), &[], body.as_bytes()).await;
        assert_eq!(error(&gone), not_found(), "{method} {rest}");
    }
    let left = api.get(SESSIONS).await.json();
    assert_eq!(left["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_has_pages() {
    let lab = scripted([Answer::text(["yes"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let want: Vec<String> = (0..25).map(|number| format!("s{number:02}")).collect();
    for id in want.iter().rev() {
        api.create(id).await;
    }
    let (mut ids, mut pages, mut query) = (Vec::new(), 0, "?limit=10".to_owned());
    loop {
        let page = api.get(&format!("{SESSIONS}{query}")).await.json();
        let sessions = page["sessions"].as_array().unwrap();
        ids.extend(sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()));
        pages += 1;
        match page.get("after") {
            Some(after) => query = format!("?limit=10&after={}", after.as_str().unwrap()),
            None => break,
        }
    }
    assert_eq!((ids, pages), (want, 3));
    let exact = api.get(&format!("{SESSIONS}?limit=25")).await.json();
    assert!(exact.get("after").is_none(), "{exact}");
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?limit=-1", "?befor=s01"] {
        assert_eq!(error(&api.get(&format!("{SESSIONS}{query}")).await), bad(), "{query}");
    }
}

#[tokio::test]
async fn bodies_that_are_wrong_are_told_and_leave_nothing() {
    let lab = scripted([Answer::text(["yes"])]).await;
    let greenroom = Greenroom::start(&format!("[server]\nmax_body = 65536\n{}", provider("lab", &lab))).await;
    let api = &greenroom.api;
    api.create("s").await;
    let before = api.info("s").await;
    let cases: [(&str, &[u8], &str); 19] = [
        ("/messages", b"", "no body"),
        ("/messages", b"hello", "line 1"),
        ("/messages", b"[1, 2]", "can't be read"),
        ("/messages", b"{\"text\": \"\xff\xfe\"}", "can't be read"),
        ("/messages", b"{\"text\": \"a\"", "can't be read"),
        ("/messages", b"{}", "neither"),
        ("/messages", br#"{"text": "a", "parts": []}"#, "both"),
        ("/messages", br#"{"text": ""}"#, "empty"),
        ("/messages", br#"{"parts": []}"#, "empty"),
        ("/messages", br#"{"parts": [{"type": "text", "txt": "a"}]}"#, "text"),
        ("/messages", br#"{"parts": [{"type": "text", "text": "a", "colour": "red"}]}"#, "colour"),
        ("/messages", br#"{"text": "a", "buzy": "queue"}"#, "buzy"),
        ("/messages", br#"{"text": "a", "busy": "maybe"}"#, "maybe"),
        ("/messages", br#"{"text": "a", "at": "yesterday"}"#, "EPOCH-POSITION"),
        ("/cancel", br#"{"turn": "one"}"#, "turn"),
        ("/tool_results", br#"{"id": "c1"}"#, "neither"),
        ("/tool_claims", br#"{}"#, "id"),
        ("/messages", br#"{"text": "a"} {"text": "b"}"#, "trailing"),
        ("/fork", br#"{}"#, "at"),
    ];
    for (rest, body, told) in cases {
        let response = api.ask("POST", &at("s", rest), &[], body).await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(error(&response), bad(), "{rest} {shown}: {}", response.text());
        assert!(message(&response).contains(told), "{rest} {shown}: {}", response.text());
    }
    let deep = format!("{{\"parts\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(error(&api.ask("POST", &at("s", "/messages"), &[], deep.as_bytes()).await), bad());
    let large = json!({"text": "x".repeat(70_000)}).to_string();
    let too_large = api.ask("POST", &at("s", "/messages"), &[], large.as_bytes()).await;
    assert_eq!(error(&too_large), (413, "invalid_request".to_owned()));
    assert_eq!(api.info("s").await, before, "nothing of it is in the session");
    assert_eq!(chats_asked(&lab).len(), 0);

    for body in [r#"{"id": ""}"#, r#"{"id": "a b"}"#, r#"{"id": "../x"}"#, r#"{"id": 7}"#, r#"{"modle": "m"}"#] {
        assert_eq!(error(&api.ask("POST", SESSIONS, &[], body.as_bytes()).await), bad(), "{body}");
    }
    let long = json!({"id": "x".repeat(60_000)});
    assert_eq!(error(&api.post(SESSIONS, &long).await), bad());
    let tools = json!({"id": "t", "tools": [{"type": "function", "name": "f", "paramters": {}}]});
    let misspelt = api.post(SESSIONS, &tools).await;
    assert_eq!(error(&misspelt), bad());
    assert!(message(&misspelt).contains("paramters"));
    assert_eq!(api.get(SESSIONS).await.json()["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn paths_that_play_tricks_lead_nowhere() {
    let lab = scripted([Answer::text(["yes"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    api.create("s").await;
    let long = "x".repeat(129);
    let longer = "x".repeat(60_000);
    for id in ["..%2f..%2fetc", "..", "%2e%2e", "s%00", "%ff", "a%20b", "s%2fevents", "%", "s%0a", &long, &longer] {
        for (method, rest) in [("GET", ""), ("GET", "/events"), ("DELETE", ""), ("GET", "/export")] {
            let status = api.ask(method, &at(id, rest), &[], b"").await.status;
            assert!(matches!(status, 400 | 404), "{method} {} {rest}: {status}", &id[..id.len().min(20)]);
        }
    }
    for path in ["/api/sessions/", "/api/sessions/s/", "/api/sessions/s/nothing"] {
        assert_eq!(error(&api.get(path).await), not_found(), "{path}");
    }
    assert_eq!(error(&api.get("/api/sessions//events").await), bad(), "an id is not empty");
    // A head of a megabyte is more than is read of any.
    let mut connection = Connection::open(&api.url).await.unwrap();
    let head = format!("GET /api/sessions/{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20));
    if connection.send_raw(head.as_bytes()).await.is_ok()
        && let Ok(response) = connection.response().await
    {
        assert!(matches!(response.status, 400 | 404 | 414 | 431), "{}", response.status);
    }
    let wrong = api.ask("PUT", &at("s", ""), &[], b"{}").await;
    assert_eq!(error(&wrong).0, 405);
    assert_eq!(api.ask("POST", &at("s", ""), &[], b"{}").await.status, 405);
    assert_eq!(api.info("s").await["id"], "s", "the daemon is as well as before");
    assert!(!greenroom.daemon.stderr().contains("panicked"), "{}", greenroom.daemon.output());
}

#[tokio::test]
async fn nobody_comes_in_without_the_token_or_from_a_foreign_page() {
    let lab = scripted([Answer::text(["yes"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    api.create("s").await;
    for path in [SESSIONS.to_owned(), at("s", "/events"), at("s", "/socket"), "/api/events.schema.json".to_owned()] {
        let response = greenroom_tests::client::get(&api.url, &path, None).await.unwrap();
        assert_eq!((response.status, &response.json()["error"]["kind"]), (401, &json!("auth")), "{path}");
        let foreign = api.ask("GET", &path, &[("origin", "http://evil.example")], b"").await;
        assert_eq!((foreign.status, &foreign.json()["error"]["kind"]), (403, &json!("permission")), "{path}");
    }
}

#[tokio::test]
async fn the_schema_of_events_is_published() {
    let lab = scripted([Answer::text(["yes"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let response = greenroom.api.get("/api/events.schema.json").await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/schema+json")));
    assert!(response.text().contains("turn.waiting"));
}

#[tokio::test]
async fn what_is_taken_can_be_read_back_however_deep_it_is() {
    let lab = scripted([Answer::text(["yes"]).stream().always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    api.create("s").await;
    let (mut taken, mut refused) = (0, 0);
    for depth in 118..132 {
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let id = format!("deep-{depth}");
        let tool = format!(r#"{{"id": "{id}", "tools": [{{"type": "native", "wire": "anthropic", "json": {deep}}}]}}"#);
        let part = format!(r#"{{"parts": [{{"type": "opaque", "provider": "p", "model": "m", "data": {deep}}}]}}"#);
        let made = api.ask("POST", SESSIONS, &[], tool.as_bytes()).await;
        let said = api.ask("POST", &at("s", "/messages"), &[], part.as_bytes()).await;
        match (made.status, said.status) {
            (201, 200) => {
                taken += 1;
                assert_eq!(api.info(&id).await["tools"][0]["type"], json!("native"), "{depth}");
                assert_eq!(api.there(&id, "").await.len(), 2, "{depth}: its first event, and synced");
            }
            refusals => {
                refused += 1;
                assert_eq!(refusals, (400, 400), "{depth}: {} {}", made.text(), said.text());
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} {refused}");
    api.there("s", "").await;
}
