//! Anthropic's own clients work unchanged, whichever wire the provider speaks. The Python that has PyPI's `anthropic` is
//! named by `GREENROOM_PYTHON`, the folder that has npm's `@anthropic-ai/sdk` in its `node_modules` by
//! `GREENROOM_NODE_CLIENTS` (and the Node to run it with by `GREENROOM_NODE`); without them a test is passed over, and says so.

mod anthropic_support;
mod http_support;
mod sdk_support;

use std::ffi::OsString;

use anthropic_support::{asked, claude, claude_called};
use greenroom_tests::{ScriptedProvider, anthropic, openai};
use http_support::{Greenroom, chats_asked, provider};
use sdk_support::answers::{answers, of_anthropic, of_chat};
use sdk_support::{node, node_modules, python, run};
use serde_json::{Value, json};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/anthropic_client.py");
const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node/anthropic.mjs");
/// A greenroom between providers of both wires, and some that refuse.
struct World {
    greenroom: Greenroom,
    theirs: ScriptedProvider,
    others: ScriptedProvider,
    _refusing: [ScriptedProvider; 3],
}

impl World {
    async fn start() -> Self {
        let theirs = anthropic_support::scripted(answers(of_anthropic)).await;
        let others = http_support::scripted(answers(of_chat)).await;
        let refusing = |status, kind: &str, message: &str| anthropic::error(status, kind, message);
        let limited = refusing(429, "rate_limit_error", "slow down").header("retry-after", "50");
        let refusing = [
            anthropic_support::scripted([limited.always()]).await,
            anthropic_support::scripted([refusing(529, "overloaded_error", "too busy").always()]).await,
            anthropic_support::scripted([refusing(
                400,
                "invalid_request_error",
                "prompt is too long: 9 tokens > 8 maximum",
            )
            .always()])
            .await,
        ];
        let names = ["limited", "busy", "full"];
        let config = [
            "[failover]\nmax_wait = \"0s\"\non_interrupt = \"fail\"\n[models.aliases]\nsmart = \"claude/m\"\n"
                .to_owned(),
            claude(&theirs),
            provider("lab", &others),
            names.iter().zip(&refusing).map(|(name, lab)| claude_called(name, lab)).collect(),
        ];
        Self { greenroom: Greenroom::start(&config.concat()).await, theirs, others, _refusing: refusing }
    }

    /// Runs a client before each of the providers.
    async fn run(&self, program: OsString, first: &[OsString]) {
        let url = &self.greenroom.api.url;
        let (theirs, others) = (self.theirs.url(), self.others.url());
        for arguments in [[url, "claude/m", &theirs, anthropic::MESSAGES], [url, "lab/m1", &others, openai::CHAT]] {
            let first = first.iter().cloned().chain(arguments.map(OsString::from));
            run(&program, first, &self.greenroom).await;
        }
        // What was asked arrived in the words of each wire.
        let has = |requests: &[Value], pointer: &str, want: &Value| {
            requests.iter().any(|request| request.pointer(pointer) == Some(want))
        };
        let sent: Vec<Value> = asked(&self.theirs).iter().map(|request| request.json()).collect();
        assert!(has(&sent, "/output_config/format/type", &json!("json_schema")));
        assert!(has(&sent, "/messages/0/content/1/source/data", &json!("iVBORw0KGgo=")));
        assert!(has(&sent, "/messages/1/content/0/signature", &json!("sig")), "signed thinking goes back");
        let sent: Vec<Value> = chats_asked(&self.others).iter().map(|request| request.json()).collect();
        assert!(has(&sent, "/response_format/type", &json!("json_schema")));
        assert!(has(&sent, "/messages/0/content/1/image_url/url", &json!("data:image/png;base64,iVBORw0KGgo=")));
    }
}

#[tokio::test]
async fn the_official_client_for_python_works_unchanged() {
    let Some(python) = python() else { return };
    World::start().await.run(python, &[PYTHON.into()]).await;
}

#[tokio::test]
async fn the_official_client_for_node_works_unchanged() {
    let Some(modules) = node_modules() else { return };
    World::start().await.run(node(), &[NODE.into(), modules]).await;
}
