//! The programs that the makers of the protocol publish, and how they are run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use greenroom_tests::harness::Home;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::http_support::Api;

/// What the suite of conformance says of a scenario that passed.
pub const PASSED: &str = ", 0 failed";
const CONFORMANCE: &str = "@modelcontextprotocol/conformance/dist/index.js";
/// A cold interpreter on a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(120);

/// The folder that has the programs, unless there is none.
pub fn modules() -> Option<PathBuf> {
    let folder = env::var_os("GREENROOM_MCP_CLIENTS");
    if folder.is_none() {
        eprintln!("passed over: GREENROOM_MCP_CLIENTS names no folder with the programs");
    }
    folder.map(|folder| Path::new(&folder).join("node_modules"))
}

pub async fn node(program: PathBuf, arguments: &[String], home: &Home) -> Output {
    let child = Command::new(env::var_os("GREENROOM_NODE").unwrap_or_else(|| "node".into()))
        .arg(program)
        .args(arguments)
        .env("HOME", home.path())
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("the client ends").unwrap()
}

/// What the suite of conformance says on its standard output.
pub async fn conformance(modules: &Path, home: &Home, arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    let output = node(modules.join(CONFORMANCE), &arguments, home).await;
    String::from_utf8(output.stdout).unwrap()
}

/// Lets clients in that can't show a token: it stands before greenroom, and shows one.
pub struct Doorman {
    listener: TcpListener,
    port: u16,
}

#[derive(Clone)]
struct Behind {
    http: reqwest::Client,
    url: String,
    token: HeaderValue,
}

impl Doorman {
    pub async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    /// The names that clients reach greenroom by.
    pub fn names(&self) -> Vec<String> {
        ["localhost", "127.0.0.1"].map(|host| format!("{host}:{}", self.port)).to_vec()
    }

    /// Lets everybody in there; the address of MCP.
    pub fn stand_before(self, api: &Api) -> String {
        let token = HeaderValue::from_str(&format!("Bearer {}", api.token)).unwrap();
        let behind = Behind { http: reqwest::Client::new(), url: api.url.clone(), token };
        let site = axum::Router::new().fallback(forward).with_state(behind);
        let Self { listener, port } = self;
        tokio::spawn(async move { axum::serve(listener, site).await });
        format!("http://127.0.0.1:{port}/mcp")
    }
}

async fn forward(State(behind): State<Behind>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    parts.headers.insert(header::AUTHORIZATION, behind.token);
    let url = format!("{}{}", behind.url, parts.uri);
    let asked = behind.http.request(parts.method, url).headers(parts.headers).body(body).send().await;
    let Ok(answer) = asked else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = Body::from_stream(answer.bytes_stream());
    response
}
