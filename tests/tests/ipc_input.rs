//! `greenroom ipc`: input of every kind is answered and survived.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod ipc_support;

use greenroom_tests::harness::Home;
use ipc_support::{Ipc, error};
use serde_json::{Value, json};

/// A request that is answered whatever was before it.
async fn is_well(ipc: &mut Ipc) {
    ipc.send(&json!({"id": "well", "action": "list_models"})).await;
    let line = ipc.next().await;
    assert_eq!((&line["id"], &line["success"]), (&json!("well"), &json!(true)), "{line}");
}

#[tokio::test]
async fn what_is_malformed_is_told_and_the_next_line_is_read() {
    let home = Home::new();
    let mut ipc = Ipc::start(&home);
    let cases: [(&[u8], Value, &str, &str); 16] = [
        (b"hello\n", Value::Null, "bad_request", "JSON object"),
        (b"[1]\n", Value::Null, "bad_request", "JSON object"),
        (b"\r\n\n  \n\"text\"\r\n", Value::Null, "bad_request", "JSON object"),
        (b"{\"id\":1,\"action\":\"list_models\"\n", Value::Null, "bad_request", "ends within"),
        (b"{\"id\":1 \"action\"}\n", Value::Null, "bad_request", "not valid JSON"),
        (b"{\"id\":1,\"action\":\"stream\xffchat\"}\n", Value::Null, "bad_request", "UTF-8"),
        (b"\x00\x01\n", Value::Null, "bad_request", "JSON object"),
        (b"{\"id\":{},\"action\":\"list_models\"}\n", Value::Null, "bad_request", "id must be"),
        (b"{\"id\":1}\r", json!(1), "bad_request", "action must be"),
        (b"{\"id\":\"x\",\"action\":\"sing\"}\n", json!("x"), "unknown_action", "no such action"),
        (b"{\"id\":2,\"action\":\"list_models\",\"timeout\":-1}\n", json!(2), "bad_request", "timeout must be"),
        (b"{\"id\":3,\"action\":\"list_models\",\"params\":7}\n", json!(3), "bad_request", "params must be"),
        (b"{\"id\":4,\"action\":\"list_models\",\"provider\":[]}\n", json!(4), "bad_request", "provider must be"),
        (b"{\"id\":5,\"action\":\"list_models\",\"provider\":\"nobody\"}\n", json!(5), "not_found", "nobody"),
        (b"{\"id\":6,\"action\":\"stream_chat\",\"params\":{\"model\":\"x\"}}\n", json!(6), "bad_request", "messages"),
        (b"{\"id\":7,\"action\":\"cancel\",\"params\":{\"id\":null}}\n", json!(7), "bad_request", "params.id"),
    ];
    for (bytes, id, code, words) in cases {
        ipc.send_bytes(bytes).await;
        let line = ipc.next().await;
        let (told, message) = error(std::slice::from_ref(&line));
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!((line.get("id").unwrap_or(&Value::Null), told), (&id, code), "{shown}");
        assert!(message.contains(words), "{shown}: {message}");
        assert!(line["error"]["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{line}");
    }
    let deep =
        format!("{{\"id\":8,\"action\":\"list_models\",\"params\":{}1{}}}\n", "[".repeat(5000), "]".repeat(5000));
    ipc.send_bytes(deep.as_bytes()).await;
    assert_eq!(error(&[ipc.next().await]).0, "bad_request");
    is_well(&mut ipc).await;
    // Half a line at the end of the input.
    ipc.send_bytes(b"{\"id\":9,\"action\":\"list_mo").await;
    ipc.end_input();
    let (code, lines, _) = ipc.end().await;
    assert_eq!((code, lines.len(), error(&lines).0), (Some(0), 1, "bad_request"));
}

#[tokio::test]
async fn a_last_line_needs_no_end_and_no_input_is_none() {
    let home = Home::new();
    let output = home.run_with_input(&["ipc"], "{\"id\":1,\"action\":\"list_models\"}").await.succeeded();
    let line: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&line["id"], &line["success"]), (&json!(1), &json!(true)));
    assert_eq!(home.run_with_input(&["ipc"], "").await.succeeded().stdout, "");
}

#[tokio::test]
async fn a_line_that_is_too_long_is_refused_without_being_held() {
    let home = Home::new();
    let mut ipc = Ipc::start(&home);
    is_well(&mut ipc).await;
    let before = ipc.most_memory();
    for mebibytes in [17, 100] {
        ipc.send_bytes(b"{\"id\":1,\"action\":\"list_models\",\"more\":\"").await;
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..mebibytes {
            ipc.send_bytes(&piece).await;
        }
        ipc.send_bytes(b"\"}\n").await;
        let line = ipc.next().await;
        let (code, message) = error(std::slice::from_ref(&line));
        assert!(code == "bad_request" && message.contains("16 MiB"), "{line}");
        is_well(&mut ipc).await;
    }
    if let (Some(before), Some(after)) = (before, ipc.most_memory()) {
        assert!(after < before + 60, "{before} MiB, then {after} MiB");
    }
    // One that is just as long as it may be is read.
    let mut longest = b"{\"id\":\"long\",\"action\":\"list_models\",\"more\":\"".to_vec();
    longest.resize((16 << 20) - 2, b'x');
    longest.extend(b"\"}\n");
    ipc.send_bytes(&longest).await;
    let line = ipc.next().await;
    assert_eq!((&line["id"], &line["success"]), (&json!("long"), &json!(true)));
}
