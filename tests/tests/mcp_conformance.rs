//! Every scenario that the suite of conformance has for servers of the Model Context Protocol, before greenroom's `/mcp` with
//! the tools, resources and prompts that they ask for by name. Those are added as any embedder adds its own, and no part of
//! the program. The folder that has the suite is named by `GREENROOM_MCP_CLIENTS`; without it the test is passed over, and
//! says so.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

#[path = "http_support/local.rs"]
mod local;

mod http_support;
mod mcp_fixtures;
mod mcp_support;

use std::time::Duration;

use greenroom_tests::harness::Home;
use local::Local;
use mcp_support::programs::{Doorman, PASSED, conformance, modules};

/// Scenarios that don't pass, each with the reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

#[tokio::test]
async fn every_scenario_for_servers_passes_but_those_that_are_excepted() {
    let Some(modules) = modules() else { return };
    let home = Home::new();
    let listed = conformance(&modules, &home, &["list", "--server"]).await;
    let scenarios = listed.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split(' ').next());
    let scenarios: Vec<&str> = scenarios.collect();
    assert!(scenarios.len() > 30 && scenarios.contains(&"ping"), "{listed}");
    for (excepted, _) in EXCEPTIONS {
        assert!(scenarios.contains(&excepted), "there is no scenario {excepted}");
    }
    let doorman = Doorman::bind().await;
    let config = "[providers.demo]\nkind = \"demo\"\n";
    let server =
        Local::start_as(config, Duration::ZERO, doorman.names(), |server| server.mcp(mcp_fixtures::added())).await;
    let url = doorman.stand_before(&server.api);
    let mut wrong = Vec::new();
    for scenario in scenarios {
        let said = conformance(&modules, &home, &["server", "--url", &url, "--scenario", scenario]).await;
        let excepted = EXCEPTIONS.iter().any(|(excepted, _)| *excepted == scenario);
        if said.contains(PASSED) == excepted {
            wrong.push(if excepted { format!("{scenario} passes after all") } else { format!("{scenario}: {said}") });
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
