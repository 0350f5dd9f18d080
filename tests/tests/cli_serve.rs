//! `greenroom serve` as a program: how it starts, what it says, and how it ends.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::net::TcpListener;
use std::time::Duration;

use cli_support::{LIMIT, answering, assert_failed, home_of, saying};
use greenroom_tests::client::{Connection, get, post_json};
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::openai::{self, Answer};
use serde_json::json;

#[tokio::test]
async fn it_says_where_it_is_and_how_clients_get_in() {
    let provider = saying("served").await;
    let home = home_of(&provider);
    let daemon = home.serve(&[]).await;
    let said = daemon.stdout();
    assert!(said.lines().next().unwrap().contains(daemon.url()), "{said}");
    assert!(said.contains(&format!("export OPENAI_BASE_URL={}/v1", daemon.url())), "{said}");
    assert!(said.contains("export OPENAI_API_KEY=\"$(greenroom auth token)\""), "{said}");
    assert!(said.contains(&format!("export ANTHROPIC_BASE_URL={}\n", daemon.url())), "{said}");
    assert!(said.contains("export ANTHROPIC_AUTH_TOKEN=\"$(greenroom auth token)\""), "{said}");
    assert!(!daemon.output().contains(&daemon.token()), "the token itself is not shown");
    let printed = home.run(&["auth", "token"]).await.succeeded().stdout;
    assert_eq!(printed.trim(), daemon.token());
    let body = json!({"model": "scripted-model", "messages": [{"role": "user", "content": "hello"}]});
    let answer = post_json(daemon.url(), openai::CHAT, Some(printed.trim()), &body).await.unwrap();
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "served");
    assert_eq!(get(daemon.url(), openai::MODELS, Some("wrong")).await.unwrap().status, 401);
}

#[tokio::test]
async fn another_data_directory_stands_in_the_command_for_the_token() {
    let home = Home::new();
    let dir = home.path().join("my data");
    let daemon = home.serve(&["--data-dir", "my data"]).await;
    let wanted = format!("\"$(greenroom --data-dir '{}' auth token)\"", dir.display());
    assert!(daemon.stdout().contains(&wanted), "{}", daemon.stdout());
    assert!(dir.join("token").is_file());
    assert!(daemon.stderr().contains("demo"), "{}", daemon.stderr());
}

#[tokio::test]
async fn a_data_directory_has_one_daemon() {
    let home = Home::new();
    let mut daemon = home.serve(&[]).await;
    let second = home.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert_failed(&second, 1, &format!("pid {}, {}", daemon.pid(), daemon.url()), "--data-dir");
    assert_eq!(second.stdout, "");
    home.serve(&["--data-dir", "other"]).await;
    // A daemon that is killed leaves nothing in the way of the next.
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    home.serve(&[]).await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new();
    assert_failed(&home.run(&["serve", "--listen", &address]).await, 1, &address, "--listen");
    assert_failed(&home.run(&["serve", "--listen", "nonsense"]).await, 2, "--listen", "");
}

#[tokio::test]
async fn listening_for_other_machines_in_plain_wants_to_be_asked_for() {
    let mut home = Home::new();
    home.env("GREENROOM__SERVER__LISTEN", "0.0.0.0:0");
    assert_failed(&home.run(&["serve"]).await, 2, "0.0.0.0:0", "[server.tls]");
    assert_failed(&home.run(&["serve", "--listen", "[::]:0"]).await, 2, "would not be encrypted", "allow_plain");
    assert!(!home.data_dir().exists(), "nothing is begun");
    home.env("GREENROOM__SERVER__ALLOW_PLAIN", "true");
    let daemon = home.serve(&[]).await;
    assert!(daemon.stderr().contains("other machines"), "{}", daemon.stderr());
    let port = daemon.url().rsplit(':').next().unwrap();
    let wanted = format!("OPENAI_BASE_URL=http://127.0.0.1:{port}/v1");
    assert!(daemon.stdout().contains(&wanted), "{}", daemon.stdout());
}

#[tokio::test]
async fn either_signal_ends_it_in_good_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::new();
        let mut daemon = home.serve(&[]).await;
        daemon.signal(signal);
        let status = daemon.wait(LIMIT).await;
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", daemon.output());
    }
}

#[tokio::test]
async fn an_answer_under_way_comes_to_its_end() {
    let slow = Answer::text(["one ", "two ", "three"]).pace(Duration::from_millis(300)).stream();
    let provider = answering([slow]).await;
    let home = home_of(&provider);
    let mut daemon = home.serve(&[]).await;
    let token = daemon.token();
    let url = daemon.url().to_owned();
    let body = json!({"model": "scripted-model", "messages": [{"role": "user", "content": "hello"}]});
    let asking = tokio::spawn(async move { post_json(&url, openai::CHAT, Some(&token), &body).await });
    provider.wait_for(|stats| stats.route(openai::CHAT).open == 1, LIMIT).await.unwrap();
    daemon.signal(Signal::TERM);
    let answer = asking.await.unwrap().unwrap();
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "one two three");
    assert_eq!(daemon.wait(LIMIT).await.code(), Some(0), "{}", daemon.output());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let provider = answering([Answer::text(["one ", "never"]).stall_after(1)]).await;
        let mut home = home_of(&provider);
        home.env("GREENROOM__SERVER__GRACE", "10m");
        let mut daemon = home.serve(&[]).await;
        let body = json!({"model": "scripted-model", "messages": [], "stream": true});
        let body = body.to_string().replace("[]", "[{\"role\": \"user\", \"content\": \"hello\"}]");
        let mut connection = Connection::open(daemon.url()).await.unwrap();
        let authorization = format!("Bearer {}", daemon.token());
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        connection.send("POST", openai::CHAT, &headers, body.as_bytes()).await.unwrap();
        assert_eq!(connection.head().await.unwrap().status, 200);
        daemon.signal(signal);
        // Once it takes no more connections, the first signal was heard.
        let closed = async {
            while Connection::open(daemon.url()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, closed).await.expect("it stops to take connections");
        daemon.signal(signal);
        assert_eq!(daemon.wait(LIMIT).await.code(), Some(code), "{}", daemon.output());
    }
}
