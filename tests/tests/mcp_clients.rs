//! The programs by which the makers of the Model Context Protocol try servers: the inspector, and the suite of conformance.
//! The folder that has them in its `node_modules` (`tests/mcp` lists them) is named by `GREENROOM_MCP_CLIENTS`, and the Node
//! to run them with by `GREENROOM_NODE`; without it a test is passed over, and says so.
//!
//! Of the suite's scenarios for servers those are played before the program that ask for what any server has. The others ask
//! for tools, prompts and resources of the suite's own server by name (`test_…`, `test://…`): `mcp_conformance` plays all of
//! them before a server that has those added.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

mod http_support;
mod mcp_support;

use std::process::Output;

use greenroom_tests::harness::Home;
use mcp_support::programs::{Doorman, PASSED, conformance, modules, node};
use mcp_support::{World, started_by_client};
use serde_json::{Value, json};

const SCENARIOS: [&str; 10] = [
    "server-initialize",
    "logging-set-level",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
    "completion-complete",
    "server-sse-polling",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
];
const INSPECTOR: &str = "@modelcontextprotocol/inspector/clients/cli/build/index.js";

#[tokio::test]
async fn the_scenarios_of_conformance_that_any_server_can_play_pass() {
    let Some(modules) = modules() else { return };
    let doorman = Doorman::bind().await;
    let mut home = Home::new();
    home.env("GREENROOM__SERVER__ALLOWED_HOSTS", &json!(doorman.names()).to_string());
    let world = World::start_in(home).await;
    let url = doorman.stand_before(&world.greenroom.api);
    for scenario in SCENARIOS {
        let said =
            conformance(&modules, &world.greenroom.home, &["server", "--url", &url, "--scenario", scenario]).await;
        assert!(said.contains(PASSED), "{scenario}: {said}");
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
