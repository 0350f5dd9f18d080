//! Clients and frameworks that agents are built with work unchanged, whichever wire the provider speaks. The Python
//! that has PyPI's `langchain-openai`, `pydantic-ai` and `openai-agents` is named by `GREENROOM_PYTHON`, the folder that has npm's
//! `openai`, `ai` and `@ai-sdk/…` in its `node_modules` by `GREENROOM_NODE_CLIENTS` (and the Node to run them with by
//! `GREENROOM_NODE`); without them a test is passed over, and says so.

mod anthropic_support;
mod http_support;
mod sdk_support;

use sdk_support::{World, node, node_modules, python};
use serde_json::json;

/// The program of a client for Python.
macro_rules! program {
    ($folder:literal, $name:literal) => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/", $folder, "/", $name).into()
    };
}

/// What was asked arrives in the words of each wire.
fn check_what_was_sent(world: &World) {
    let sent = |scripted, pointer: &str, want| {
        assert!(World::was_sent(scripted, pointer, &want), "{pointer}: {want}");
    };
    let picture = "data:image/png;base64,iVBORw0KGgo=";
    sent(&world.lab, "/response_format/type", json!("json_schema"));
    sent(&world.lab, "/messages/0/content/1/image_url/url", json!(picture));
    sent(&world.gpt, "/text/format/type", json!("json_schema"));
    sent(&world.gpt, "/input/0/content/1/image_url", json!(picture));
    sent(&world.claude, "/output_config/format/type", json!("json_schema"));
    sent(&world.claude, "/messages/0/content/1/source/data", json!("iVBORw0KGgo="));
}

#[tokio::test]
async fn langchain_works_unchanged() {
    let Some(python) = python() else { return };
    let world = World::start().await;
    world.run(python, &[program!("tests/python", "langchain_client.py")]).await;
    check_what_was_sent(&world);
}

#[tokio::test]
async fn pydantic_ai_works_unchanged() {
    let Some(python) = python() else { return };
    let world = World::start().await;
    world.run(python, &[program!("tests/python", "pydantic_ai_client.py")]).await;
    check_what_was_sent(&world);
}

#[tokio::test]
async fn openais_agents_work_unchanged() {
    let Some(python) = python() else { return };
    let world = World::start().await;
    world.run(python, &[program!("tests/python", "openai_agents_client.py")]).await;
    check_what_was_sent(&world);
}

#[tokio::test]
async fn the_client_of_openai_for_node_works_unchanged() {
    let Some(modules) = node_modules() else { return };
    let world = World::start().await;
    world.run(node(), &[program!("node", "openai.mjs"), modules]).await;
    check_what_was_sent(&world);
}

#[tokio::test]
async fn the_ai_sdk_works_unchanged() {
    let Some(modules) = node_modules() else { return };
    let world = World::start().await;
    world.run(node(), &[program!("node", "ai.mjs"), modules]).await;
    check_what_was_sent(&world);
}
