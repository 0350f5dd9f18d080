//! `/api/credentials`: what its routes take, answer and refuse, and who may ask them.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod key_support;
#[path = "http_support/local.rs"]
mod local;
mod session_support;

use greenroom_tests::client::{self, Response};
use greenroom_tests::harness::Home;
use greenroom_tests::openai;
use http_support::{Api, Greenroom, LIMIT, ask, message};
use key_support::{BAD, ONE, TWO, keys_of_chats, listing, taking, waiting};
use local::Local;
use serde_json::{Value, json};
use session_support::error;

const CREDENTIALS: &str = "/api/credentials";

fn at(name: &str) -> String {
    format!("{CREDENTIALS}/{name}")
}

async fn put(api: &Api, name: &str, body: &str) -> Response {
    api.ask("PUT", &at(name), &[("content-type", "application/json")], body.as_bytes()).await
}

/// An answer to the owner, which no cache keeps and in which no key is.
fn told(response: &Response, status: u16) -> Value {
    assert_eq!(response.status, status, "{}", response.text());
    let all = format!("{:?} {}", response.headers, response.text());
    assert!([ONE, TWO, BAD].iter().all(|key| !all.contains(key)), "{all}");
    response.json()
}

/// The status and kind of an error, which has a message, a hint, and nothing else.
fn refused(response: &Response) -> (u16, String) {
    let error = told(response, response.status)["error"].clone();
    let fields: Vec<&String> = error.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["kind", "message", "hint"], "{error}");
    assert!(!message(response).is_empty() && !error["hint"].as_str().unwrap().is_empty(), "{error}");
    (response.status, error["kind"].as_str().unwrap().to_owned())
}

async fn start(config: &str) -> Greenroom {
    let mut home = Home::new();
    home.env("KEY", "sk-in-a-variable");
    Greenroom::start_in(home, config).await
}

#[tokio::test]
async fn the_owner_adds_lists_and_removes_keys() {
    let lab = taking(&[ONE, TWO]).await;
    let config = waiting("lab", &lab.url()) + "profiles = [{ id = \"set\", key = \"env:KEY\" }]\n";
    let greenroom = start(&config).await;
    let api = &greenroom.api;
    let set = json!({"provider": "lab", "profile": "set", "kind": "key", "where": "env:KEY", "state": "ok"});
    let list = async || told(&api.get(CREDENTIALS).await, 200);
    assert_eq!(list().await, json!({"credentials": [set]}));

    let mut added = told(&put(api, "lab/me", &json!({"key": ONE}).to_string()).await, 200);
    let when = added["added"].take();
    assert!(when.as_str().unwrap().ends_with('Z'), "{when}");
    let wanted = json!({"provider": "lab", "profile": "me", "kind": "key", "where": "store", "state": "ok",
        "added": null, "verified": true});
    assert_eq!(added, wanted);
    let me = json!({"provider": "lab", "profile": "me", "kind": "key", "where": "store", "state": "ok", "added": when});
    assert_eq!(list().await, json!({"credentials": [set, me]}));

    let again = told(&put(api, "lab/me", &json!({"key": TWO, "verify": false}).to_string()).await, 200);
    assert_eq!((&again["verified"], again.get("unverified")), (&json!(false), None));
    assert_eq!(list().await["credentials"].as_array().unwrap().len(), 2, "in the place of the first");
    for _ in 0..2 {
        api.chat(&ask("lab/m1")).await;
    }
    assert!(keys_of_chats(&lab).contains(&TWO.to_owned()) && !keys_of_chats(&lab).contains(&ONE.to_owned()));

    // A name may have any letters, and be written in any way that means it.
    told(&put(api, "lab/d%C3%A9j%C3%A0%3Fvu", &json!({"key": ONE}).to_string()).await, 200);
    assert_eq!(list().await["credentials"][1]["profile"], "d\u{e9}j\u{e0}?vu");
    for name in ["lab/me", "lab/d%C3%A9j%C3%A0%3Fvu"] {
        let removed = api.ask("DELETE", &at(name), &[], b"whatever stands here").await;
        assert_eq!((removed.status, removed.text().as_str()), (204, ""));
        assert_eq!(refused(&api.ask("DELETE", &at(name), &[], b"").await), (404, "not_found".to_owned()));
    }
    assert_eq!(list().await, json!({"credentials": [set]}));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_without_being_repeated() {
    let lab = taking(&[ONE]).await;
    let config = waiting("lab", &lab.url())
        + "profiles = [{ id = \"set\", key = \"env:KEY\" }]\n[providers.demo]\nkind = \"demo\"\n";
    let greenroom = start(&config).await;
    let api = &greenroom.api;
    let bad = || (400, "invalid_request".to_owned());
    let digits = "31415926535897932384";
    for body in [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        json!(ONE).to_string(),
        json!({}).to_string(),
        json!({"verify": true}).to_string(),
        json!({"key": null}).to_string(),
        format!("{{\"key\": {digits}}}"),
        json!({"key": [ONE]}).to_string(),
        json!({"key": ONE, "verify": ONE}).to_string(),
        json!({"key": ONE, "kind": "key"}).to_string(),
        json!({"key": ONE, ONE: true}).to_string(),
        format!("{{\"key\": \"{ONE}\"}} {ONE}"),
        format!("{{\"key\": \"{ONE}\", \"key\": \"{ONE}\"}}"),
        json!({"key": ""}).to_string(),
        json!({"key": format!("{ONE}\n{ONE}")}).to_string(),
        json!({"key": format!("{ONE}\u{7f}")}).to_string(),
        json!({"key": ONE.repeat(1000)}).to_string(),
    ] {
        let response = put(api, "lab/me", &body).await;
        assert_eq!(refused(&response), bad(), "{body}");
        assert!(!response.text().contains(digits), "{}", response.text());
    }
    let good = json!({"key": ONE}).to_string();
    for (name, wanted) in [
        ("lab/a%20b", bad()),
        ("lab/a%2Fb", bad()),
        ("lab/%0a", bad()),
        ("lab/%ff", bad()),
        ("demo/x", bad()),
        ("nobody/x", (404, "not_found".to_owned())),
        ("%ff/x", bad()),
        ("lab/set", (409, "invalid_request".to_owned())),
    ] {
        assert_eq!(refused(&put(api, name, &good).await), wanted, "{name}");
        assert_ne!(refused(&api.ask("DELETE", &at(name), &[], b"").await).0, 204, "{name}");
    }
    assert_eq!(refused(&put(api, &format!("lab/{}", "x".repeat(65)), &good).await), bad());
    assert_eq!(refused(&put(api, "lab/me", &json!({"key": BAD}).to_string()).await), (422, "auth".to_owned()));
    for (method, path) in [
        ("GET", at("lab/me")),
        ("POST", CREDENTIALS.to_owned()),
        ("PUT", at("lab")),
        ("DELETE", CREDENTIALS.to_owned()),
    ] {
        let status = api.ask(method, &path, &[], good.as_bytes()).await.status;
        assert!(status == 404 || status == 405, "{method} {path}: {status}");
    }
    let list = told(&api.get(CREDENTIALS).await, 200);
    assert_eq!(list["credentials"].as_array().unwrap().len(), 1, "nothing was added: {list}");
    assert!(lab.requests().iter().all(|request| request.bearer() == Some(BAD)), "nobody else was asked");
}

#[tokio::test]
async fn a_key_that_nobody_could_try_is_added_and_says_so() {
    let lab = listing(openai::error(500, "server_error", None, "oops")).await;
    let greenroom = start(&waiting("lab", &lab.url())).await;
    let added = told(&put(&greenroom.api, "lab/me", &json!({"key": ONE}).to_string()).await, 200);
    assert_eq!(added["verified"], false);
    assert!(added["unverified"].as_str().unwrap().contains("oops"), "{added}");
}

#[tokio::test]
async fn credentials_are_the_owners_alone() {
    let lab = taking(&[ONE]).await;
    let greenroom = start(&waiting("lab", &lab.url())).await;
    let api = &greenroom.api;
    let made = api.posted("/api/clients", &json!({"name": "editor"})).await;
    let editor = Api { url: api.url.clone(), token: made["token"].as_str().unwrap().to_owned() };
    let nobody = Api { url: api.url.clone(), token: "nobody".to_owned() };
    let body = json!({"key": ONE}).to_string();
    for (method, path, body) in [
        ("GET", CREDENTIALS.to_owned(), ""),
        ("PUT", at("lab/me"), &body),
        ("DELETE", at("lab/me"), ""),
        ("POST", at("lab/me/login"), "{}"),
        ("POST", at("lab/me/login/code"), "{\"code\": \"x\"}"),
    ] {
        let refused = editor.ask(method, &path, &[], body.as_bytes()).await;
        assert_eq!(error(&refused), (403, "permission".to_owned()), "{method} {path}");
        assert_eq!(nobody.ask(method, &path, &[], body.as_bytes()).await.status, 401, "{method} {path}");
        let foreign = api.ask(method, &path, &[("origin", "http://evil.example")], body.as_bytes()).await;
        assert_eq!(foreign.status, 403, "{method} {path}");
    }
    assert_eq!(client::get(&api.url, CREDENTIALS, None).await.unwrap().status, 401);
    assert_eq!(told(&api.get(CREDENTIALS).await, 200), json!({"credentials": []}), "nothing came of any of it");
    assert!(lab.requests().is_empty());
}

#[tokio::test]
async fn without_a_place_that_lasts_nothing_is_added() {
    let lab = taking(&[ONE]).await;
    let config = waiting("lab", &lab.url()).replace("\"openai\"", "\"openai-compatible\"");
    let local = Local::start(&config, LIMIT, LIMIT).await;
    let refusal = put(&local.api, "lab/me", &json!({"key": ONE}).to_string()).await;
    assert_eq!(refused(&refusal), (507, "config".to_owned()));
    assert!(lab.requests().is_empty());
}
