//! Colours: on a terminal whose person does not mind, and nowhere else.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use cli_support::terminal::Terminal;
use cli_support::{KEY, run_well};
use greenroom_tests::harness::Home;
use greenroom_tests::ollama;
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Script, ScriptedProvider};
use serde_json::json;

/// Every command that prints and ends, by whether it has something to colour.
const COMMANDS: &str = "\
    chat hello -m lab/m1|compare hello -m lab/m1 -m lab/m2|pull home/tiny|--help|compare --help|no-such-command|chat --json hello -m lab/m1 -vv\
    !compare hello -m lab/m1 -m lab/none|models|models --provider home|embed text -m lab/m1|tokens text -m lab/m1|sessions\
    |sessions show kept|sessions export kept|batch list|batch status|providers status|providers test lab|providers reset\
    |usage|usage --attempts|auth list|auth token|auth client add pat|auth client list|auth client revoke pat|config path|config check\
    |config show|config sample|completions bash|chat hello -m nobody/x|pull lab/m1|store repair|chat --json hello -m lab/m1\
    |compare hello -m lab/m1 -m lab/m2 --json|pull home/tiny --json";

/// A server of OpenAI's kind whose models think, and an Ollama from which a model can be had.
async fn providers() -> (ScriptedProvider, ScriptedProvider, Home) {
    let thinks = Answer::new().reasoning(["so it is"]).then_text(["Hello."]).stream().always();
    let refuses =
        openai::error(400, "invalid_request_error", None, "no such model").when(greenroom_tests::When::model("none"));
    let lab =
        ScriptedProvider::start(Script::new([openai::models(["m1", "m2"]), openai::chat([refuses.always(), thinks])]));
    let layer =
        |completed: u64| json!({"status": "pulling aa", "digest": "sha256:aa", "total": 10, "completed": completed});
    // Long enough under way for its bar to be seen.
    let begun = ollama::lines(&[json!({"status": "pulling manifest"}), layer(4)]);
    let pull = begun.wait(std::time::Duration::from_millis(300)).send(format!("{}\n", json!({"status": "success"})));
    let home_server = ScriptedProvider::start(Script::new([ollama::pull([pull.always()]), ollama::tags(["tiny"])]));
    let (lab, home_server, home) = (lab.await, home_server.await, Home::new());
    home.config(&format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\nkey = \"{KEY}\"\n[providers.home]\nkind = \
         \"ollama\"\nbase_url = \"{}\"\n",
        lab.url(),
        home_server.url()
    ));
    run_well(&home, &["chat", "--session", "kept", "hello", "-m", "lab/m1"], "").await;
    (lab, home_server, home)
}

/// All that a command puts on a terminal.
async fn on_terminal(home: &Home, command: &str) -> String {
    let arguments: Vec<&str> = command.split_whitespace().collect();
    Terminal::sized(home, &arguments, (24, 80)).end().await.1
}

/// Whether a text has a sequence that colours (SGR of ECMA-48: `ESC [ numbers m`).
fn is_coloured(text: &str) -> bool {
    text.split("\u{1b}[")
        .skip(1)
        .any(|rest| rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ';').starts_with('m'))
}

fn all() -> impl Iterator<Item = (&'static str, bool)> {
    let (coloured, others) = COMMANDS.split_once('!').unwrap();
    coloured.split('|').map(|command| (command, true)).chain(others.split('|').map(|command| (command, false)))
}

#[tokio::test]
async fn a_terminal_is_given_colours() {
    let (_lab, _home_server, mut home) = providers().await;
    // An empty value is none.
    home.env("NO_COLOR", "");
    for (command, has_colours) in all().filter(|(_, has_colours)| *has_colours) {
        let seen = on_terminal(&home, command).await;
        assert_eq!(is_coloured(&seen), has_colours, "{command}: {seen:?}");
    }
}

#[tokio::test]
async fn no_command_colours_where_nobody_wants_it() {
    let (_lab, _home_server, mut home) = providers().await;
    home.env("NO_COLOR", "1");
    for (command, _) in all() {
        let seen = on_terminal(&home, command).await;
        assert!(!is_coloured(&seen), "{command}: {seen:?}");
        assert!(
            !seen.trim().is_empty() || command == "batch list" || command == "batch status",
            "{command} prints nothing"
        );
    }
}

#[tokio::test]
async fn a_terminal_that_can_do_nothing_is_given_text_alone() {
    let (_lab, _home_server, mut home) = providers().await;
    home.env("TERM", "dumb");
    for (command, _) in all() {
        let seen = on_terminal(&home, command).await;
        assert!(!seen.contains('\u{1b}'), "{command}: {seen:?}");
    }
}

#[tokio::test]
async fn a_pipe_is_given_text_alone() {
    let (_lab, _home_server, home) = providers().await;
    for (command, _) in all() {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let output = home.run(&arguments).await;
        assert!(!output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'), "{command}: {output:?}");
    }
}
