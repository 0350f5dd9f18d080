//! The examples that ask by the Model Context Protocol, as a user would run them. The Python that has its SDK is named by
//! `GREENROOM_PYTHON`, Neovim by `GREENROOM_NVIM`; without the variable a test is passed over, and says so.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

use std::process::{Output, Stdio};
use std::time::Duration;

use greenroom_tests::harness::Home;
use greenroom_tests::{Script, ScriptedProvider, When, openai};
use serde_json::{Value, json};
use tokio::process::Command;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/python/ask.py");
const PLUGIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/nvim");
const SESSION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nvim/session.lua");
/// A cold interpreter on a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(240);

/// A home whose greenroom has a provider, and that provider.
async fn world() -> (Home, ScriptedProvider) {
    let refused = openai::error(404, "invalid_request_error", Some("model_not_found"), "no such model");
    let answers = [
        refused.when(When::body_contains("unknown-1")).always(),
        openai::Answer::text(["one\n", "two", "three"])
            .stall_after(2)
            .stream()
            .when(When::body_contains("pause"))
            .always(),
        openai::Answer::text(["Hello\n", "", "wörld"]).usage(10, 5).stream().always(),
    ];
    let script = Script::new([openai::chat(answers), openai::models(["m1", "m2"])]);
    let provider = ScriptedProvider::start(script).await;
    let home = Home::new();
    let url = provider.url();
    home.config(&format!(
        "[failover]\nmax_wait = \"0s\"\n[models]\ndefault = \"lab/m1\"\n[models.aliases]\nsmart = \"lab/m2\"\n\
         [providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\nkey = \"lab-key\"\n"
    ));
    (home, provider)
}

/// Another program that has the variables of a home, and greenroom's own path in `GREENROOM`.
fn beside(home: &Home, program: &str) -> Command {
    let greenroom = home.command(&["mcp"]);
    let mut command = Command::new(program);
    command.env_clear();
    let variables = greenroom.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.envs(variables).env("GREENROOM", greenroom.as_std().get_program()).current_dir(home.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn ended(command: &mut Command) -> Output {
    tokio::time::timeout(LIMIT, command.output()).await.expect("the program ends").unwrap()
}

#[tokio::test]
async fn the_program_in_python_lists_asks_and_compares() {
    let Ok(python) = std::env::var("GREENROOM_PYTHON") else {
        eprintln!("passed over: GREENROOM_PYTHON names no interpreter with the package mcp");
        return;
    };
    let (home, provider) = world().await;
    let run = async |arguments: &[&str]| {
        let mut command = beside(&home, &python);
        let output = ended(command.arg(PYTHON).args(arguments).env("PYTHONIOENCODING", "utf-8")).await;
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        (output.status.code(), said)
    };
    let (code, [listed, complaint]) = run(&["models"]).await;
    assert_eq!((code, listed.as_str()), (Some(0), "smart\nlab/m1\nlab/m2\n"), "{complaint}");
    let (code, [answer, by]) = run(&["ask", "greet", "--model", "smart"]).await;
    assert_eq!((code, answer.as_str(), by.as_str()), (Some(0), "Hello\nwörld\n", "lab/m2, 10 tokens in, 5 out\n"));
    let (code, [compared, _]) = run(&["compare", "greet", "lab/m1", "lab/unknown-1"]).await;
    assert_eq!(code, Some(0));
    assert!(compared.starts_with("## lab/m1\n\nHello\nwörld\n\n## lab/unknown-1\n\n"), "{compared}");
    let (code, [answer, complaint]) = run(&["ask", "greet", "--model", "lab/unknown-1"]).await;
    assert_eq!((code, answer.as_str()), (Some(1), ""));
    assert!(complaint.contains("ai_list_models") && !complaint.contains("Traceback"), "{complaint}");
    let mut command = beside(&home, &python);
    let output = ended(command.args([PYTHON, "models"]).env("GREENROOM", "no-such-greenroom")).await;
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint.contains("GREENROOM") && !complaint.contains("Traceback"), "{complaint}");
    assert_eq!(provider.stats().cancelled(), 0);
}

#[tokio::test]
async fn the_plugin_of_neovim_streams_into_a_buffer_stops_and_outlives_its_server() {
    let Ok(neovim) = std::env::var("GREENROOM_NVIM") else {
        eprintln!("passed over: GREENROOM_NVIM names no Neovim");
        return;
    };
    let (home, provider) = world().await;
    let mut command = beside(&home, &neovim);
    let greenroom = home.command(&["mcp"]).as_std().get_program().to_str().unwrap().to_owned();
    command.env("GREENROOM_START", json!([greenroom, "mcp"]).to_string());
    command.args(["--headless", "-i", "NONE", "-u", "NONE", "--cmd"]).arg(format!("set runtimepath^={PLUGIN}"));
    // A script that fails would leave it waiting for somebody to read why.
    let session = format!(
        "lua local done, why = pcall(dofile, [[{SESSION}]]) if not done then io.stderr:write(why) vim.cmd('cquit') end"
    );
    command.args(["-c", "runtime plugin/greenroom.lua", "-c", &session]);
    let output = ended(&mut command).await;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {complaint}"));
    assert!(seen["not_there"].as_str().unwrap().contains("'no-such-greenroom' can't be started"), "{seen}");
    let notices = seen["notices"].as_array().unwrap();
    let noticed = notices.iter().map(|notice| notice.as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        noticed,
        [
            "greenroom: say what to ask, or select what it is about",
            "greenroom: nothing is being answered",
            "greenroom: lab/unknown-1",
        ]
    );
    for answer in ["of_selection", "of_lines", "after"] {
        assert_eq!(seen[answer], "Hello\nwörld", "{answer}: {seen}");
    }
    assert_eq!(seen["stays_where_it_was"], true);
    assert_eq!((&seen["answering"], &seen["stopped"]), (&json!(1), &json!("one\ntwo\n\n[stopped]")));
    assert!(seen["died"].as_str().unwrap().starts_with("one\ntwo\n\n[greenroom ended (137): "), "{seen}");
    assert_eq!(seen["models"], json!(["lab/m1", "lab/m2"]));
    assert!(seen["unknown"].as_str().unwrap().contains("lab/unknown-1"), "{seen}");
    let asked: Vec<String> = provider
        .requests()
        .iter()
        .filter(|request| request.path() == openai::CHAT)
        .map(|request| request.json()["messages"][0]["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(asked[0], "explain\n\n````rust\n``` b\nlet é\n````");
    assert_eq!(asked[1], "lines\n\n```rust\nlet é = 1;\nend\n```");
    // What was stopped, what was wiped out and what its server was killed over were each given up at the provider.
    assert_eq!(provider.stats().cancelled(), 3);
}
