//! What counts as a llama.cpp server.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::{sync::Arc, time::Duration};

use greenroom_providers::{probe::is_llamacpp, transport::Transport};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Whether a server is one that answers so to `/health` and to `/v1/models`, and to nothing else.
async fn probed(health: (u16, &'static str), models: (u16, &'static str)) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let count = socket.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let (status, body) = match request.split(' ').nth(1) {
                Some("/health") => health,
                Some("/v1/models") => models,
                _ => (404, ""),
            };
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    let is_one = is_llamacpp(Arc::new(Transport::new(Duration::from_secs(1))), base.parse().unwrap()).await;
    server.abort();
    is_one
}

#[tokio::test]
async fn a_server_that_is_well_and_lists_its_model_is_one() {
    const WELL: (u16, &str) = (200, "{\"status\":\"ok\"}");
    const MODELS: (u16, &str) = (200, "{\"object\":\"list\",\"data\":[{\"id\":\"qwen3.gguf\"}]}");
    assert!(probed(WELL, MODELS).await);
    assert!(!probed((503, "{\"error\":{\"message\":\"Loading model\"}}"), MODELS).await, "it is not ready");
    assert!(!probed((200, "<html>welcome</html>"), MODELS).await, "any program may listen there");
    assert!(!probed((200, ""), MODELS).await);
    assert!(!probed(WELL, (200, "{\"data\":[]}")).await, "there is nothing to ask");
    assert!(!probed(WELL, (401, "{}")).await, "it does not let us in");
    assert!(!probed((404, ""), (404, "")).await);
}
