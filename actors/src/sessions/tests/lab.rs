//! A provider that is asked over real HTTP and says what a test has it say.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// A step of an answer.
#[derive(Debug, Clone)]
pub(super) enum Say {
    Text(String),
    /// A whole call of the function `f`, by its id.
    Call(&'static str),
    /// Waits until the test says so.
    Wait,
    /// The end, as it should be.
    Stop,
    /// The end of an answer that calls.
    Calls,
}

pub(super) fn text(text: &str) -> Say {
    Say::Text(text.to_owned())
}

/// The provider. What was asked is kept.
#[derive(Clone)]
pub(super) struct Lab {
    pub(super) address: String,
    asked: Arc<Mutex<Vec<serde_json::Value>>>,
    go_on: mpsc::Sender<()>,
}

impl Lab {
    /// One that makes each answer of what was asked, and of how often it was before.
    pub(super) async fn start(answer: impl Fn(&serde_json::Value, usize) -> Vec<Say> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let (go_on, wait) = mpsc::channel(64);
        let wait = Arc::new(tokio::sync::Mutex::new(wait));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (kept, answer, wait) = (Arc::clone(&kept), Arc::clone(&answer), Arc::clone(&wait));
                tokio::spawn(async move {
                    let mut socket = socket;
                    let request = read(&mut socket).await;
                    let before = {
                        let mut kept = kept.lock().unwrap();
                        kept.push(request.clone());
                        kept.len() - 1
                    };
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
                    socket.write_all(head.as_bytes()).await.unwrap();
                    for say in answer(&request, before) {
                        if !write(&mut socket, say, &wait).await {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, asked, go_on }
    }

    /// One that says these, one after another.
    pub(super) async fn saying(answers: Vec<Vec<Say>>) -> Self {
        Self::start(move |_, before| answers.get(before).cloned().unwrap_or_else(|| vec![text("?"), Say::Stop])).await
    }

    pub(super) async fn go_on(&self) {
        self.go_on.send(()).await.unwrap();
    }

    /// The messages of each request so far, each as `role: text`.
    pub(super) fn asked(&self) -> Vec<Vec<String>> {
        self.asked.lock().unwrap().iter().map(messages).collect()
    }
}

/// The messages of a request, each as `role: text`.
pub(super) fn messages(request: &serde_json::Value) -> Vec<String> {
    let said = |message: &serde_json::Value| {
        let content = match &message["content"] {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
            _ => String::new(),
        };
        let calls: Vec<_> =
            message["tool_calls"].as_array().into_iter().flatten().map(|call| call["id"].to_string()).collect();
        format!("{}: {content}{}", message["role"].as_str().unwrap(), calls.join(","))
    };
    request["messages"].as_array().unwrap().iter().map(said).collect()
}

async fn read(socket: &mut TcpStream) -> serde_json::Value {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 16 << 10];
        let count = socket.read(&mut piece).await.unwrap();
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if length.is_some_and(|length: usize| body.len() >= length) {
                return serde_json::from_str(body).unwrap();
            }
        }
        assert_ne!(count, 0, "a request is whole: {text}");
    }
}

async fn write(socket: &mut TcpStream, say: Say, wait: &tokio::sync::Mutex<mpsc::Receiver<()>>) -> bool {
    let chunk = |json: serde_json::Value| format!("data: {json}\n\n");
    let delta = |delta: serde_json::Value| chunk(serde_json::json!({"choices": [{"delta": delta}]}));
    let end = |reason: &str| {
        chunk(serde_json::json!({"choices": [{"delta": {}, "finish_reason": reason}]})) + "data: [DONE]\n\n"
    };
    let (bytes, goes_on) = match say {
        Say::Text(text) => (delta(serde_json::json!({"content": text})), true),
        Say::Call(id) => {
            let call = serde_json::json!({"index": 0, "id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
            (delta(serde_json::json!({"tool_calls": [call]})), true)
        }
        Say::Wait => {
            wait.lock().await.recv().await;
            (String::new(), true)
        }
        Say::Stop => (end("stop"), false),
        Say::Calls => (end("tool_calls"), false),
    };
    socket.write_all(bytes.as_bytes()).await.is_ok() && goes_on
}
