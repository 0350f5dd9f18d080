//! The programs by which the makers of the Model Context Protocol try servers: the inspector, and the suite of conformance.
//! The folder that has them in its `node_modules` (`tests/mcp` lists them) is named by `GREENROOM_MCP_CLIENTS`, and the Node
//! to run them with by `GREENROOM_NODE`; without it a test is passed over, and says so.
//!
//! Of the suite's scenarios for servers those are played that ask for what any server has. The others ask for tools, prompts
//! and resources of the suite's own server by name (`test_…`, `test://…`), which greenroom has none of, save three that ask for
//! what greenroom does not offer: levels of log messages (`logging-set-level`), and to be told of changes of a resource
//! (`resources-subscribe`, `resources-unsubscribe`).
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

mod http_support;
mod mcp_support;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use greenroom_tests::harness::Home;
use mcp_support::{World, started_by_client};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

const SCENARIOS: [&str; 9] = [
    "server-initialize",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
    "completion-complete",
    "server-sse-polling",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
];
const CONFORMANCE: &str = "@modelcontextprotocol/conformance/dist/index.js";
const INSPECTOR: &str = "@modelcontextprotocol/inspector/clients/cli/build/index.js";
/// A cold interpreter on a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(120);

/// The folder that has the programs, unless there is none.
fn modules() -> Option<PathBuf> {
    let folder = env::var_os("GREENROOM_MCP_CLIENTS");
    if folder.is_none() {
        eprintln!("passed over: GREENROOM_MCP_CLIENTS names no folder with the programs");
    }
    folder.map(|folder| Path::new(&folder).join("node_modules"))
}

async fn node(program: PathBuf, arguments: &[String], home: &Home) -> Output {
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

/// What lets a client in that can't show a token: it stands before greenroom, and shows one.
#[derive(Clone)]
struct Doorman {
    http: reqwest::Client,
    url: String,
    token: HeaderValue,
}

async fn forward(State(doorman): State<Doorman>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    parts.headers.insert(header::AUTHORIZATION, doorman.token);
    let url = format!("{}{}", doorman.url, parts.uri);
    let asked = doorman.http.request(parts.method, url).headers(parts.headers).body(body).send().await;
    let Ok(answer) = asked else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = Body::from_stream(answer.bytes_stream());
    response
}

#[tokio::test]
async fn the_scenarios_of_conformance_that_any_server_can_play_pass() {
    let Some(modules) = modules() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut home = Home::new();
    home.env(
        "GREENROOM__SERVER__ALLOWED_HOSTS",
        &json!([format!("localhost:{port}"), format!("127.0.0.1:{port}")]).to_string(),
    );
    let world = World::start_in(home).await;
    let api = &world.greenroom.api;
    let token = HeaderValue::from_str(&format!("Bearer {}", api.token)).unwrap();
    let doorman = Doorman { http: reqwest::Client::new(), url: api.url.clone(), token };
    let site = axum::Router::new().fallback(forward).with_state(doorman);
    tokio::spawn(async move { axum::serve(listener, site).await });
    for scenario in SCENARIOS {
        let arguments = ["server", "--url", &format!("http://127.0.0.1:{port}/mcp"), "--scenario", scenario];
        let output = node(modules.join(CONFORMANCE), &arguments.map(str::to_owned), &world.greenroom.home).await;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(", 0 failed"), "{scenario}: {said}");
    }
}

/// What the inspector prints.
fn printed(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[tokio::test]
async fn the_inspector_finds_and_calls_tools_by_either_way() {
    let Some(modules) = modules() else { return };
    let world = World::start().await;
    let home = &world.greenroom.home;
    let started = started_by_client(home);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let variables = started["env"].as_object().unwrap().iter();
    let variables = variables.flat_map(|(name, value)| ["-e".to_owned(), format!("{name}={}", text(value))]);
    let by_program: Vec<String> = variables.collect();
    let by_program_target = ["--".to_owned(), text(&started["command"]), "mcp".to_owned()];
    let by_address = [
        format!("{}/mcp", world.greenroom.api.url),
        "--header".to_owned(),
        format!("Authorization: Bearer {}", world.greenroom.api.token),
    ];
    for method in [
        ["--method", "tools/list", "--strict"].as_slice(),
        &["--method", "tools/call", "--tool-name", "ai_chat", "--tool-arg", "prompt=greet"],
        &["--method", "resources/read", "--uri", "greenroom://models"],
        &["--method", "prompts/get", "--prompt-name", "summarise", "--prompt-args", "text=greet"],
    ] {
        let method: Vec<String> = method.iter().map(|word| (*word).to_owned()).collect();
        let program: Vec<String> = [by_program.clone(), method.clone(), by_program_target.to_vec()].concat();
        let address: Vec<String> = [by_address[..1].to_vec(), method.clone(), by_address[1..].to_vec()].concat();
        for arguments in [program, address] {
            let told = printed(&node(modules.join(INSPECTOR), &arguments, home).await);
            match method[1].as_str() {
                "tools/list" => assert_eq!(told["tools"].as_array().unwrap().len(), 11, "{told}"),
                "tools/call" => assert_eq!(told["structuredContent"]["text"], "Hello, world", "{told}"),
                "resources/read" => assert!(text(&told["contents"][0]["text"]).contains("smart"), "{told}"),
                _ => assert!(text(&told["messages"][0]["content"]["text"]).ends_with("greet"), "{told}"),
            }
        }
    }
}
