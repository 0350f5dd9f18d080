//! What can be typed in a conversation beside what is said, wherever the conversation is.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use cli_support::terminal::{CTRL_D, Terminal};
use cli_support::{answering, home_of, pairs, requests, run_well, said, saying};
use greenroom_tests::harness::Home;
use greenroom_tests::openai::Answer;
use greenroom_tests::{Attempt, ScriptedProvider};

const TAB: &str = "\t";
const CTRL_U: &str = "\u{15}";

fn counted() -> Attempt {
    Answer::text(["Noted."]).usage(70, 5).stream().always()
}

/// The commands in a conversation that begins with these arguments.
async fn obeys(home: &Home, provider: &ScriptedProvider, arguments: &[&str]) {
    let first = requests(provider).len();
    let mut terminal = Terminal::open(home, arguments);
    terminal.type_line("/usage").await;
    terminal.wait_for("nothing was used yet").await;
    terminal.type_line("//model is a command").await;
    terminal.wait_for("Noted.").await;

    terminal.type_line("/model").await;
    terminal.wait_for("* openai/scripted-model").await;
    terminal.wait_for("  openai/other-model").await;
    terminal.type_line("/model othermodel").await;
    terminal.wait_for("error: there is no model \"othermodel\"").await;
    terminal.wait_for("did you mean \"other-model\"?").await;
    terminal.type_line("/model openai/not-listed").await;
    terminal.wait_for("openai does not list not-listed").await;
    terminal.wait_for("> ").await;
    terminal.press(&format!("/model openai/ot{TAB}")).await;
    terminal.wait_for("other-model").await;
    terminal.press("\r").await;
    terminal.wait_for("openai/other-model answers from now on").await;
    terminal.type_line("/model").await;
    terminal.wait_for("* openai/other-model").await;

    terminal.type_line("/system").await;
    terminal.wait_for("there are no instructions").await;
    terminal.type_line("/system Be brief.").await;
    terminal.type_line("/system").await;
    terminal.wait_for("note: Be brief.").await;

    terminal.type_line("/image none.png").await;
    terminal.wait_for("error: can't read the image none.png").await;
    terminal.type_line("/image text.txt").await;
    terminal.wait_for("error: text.txt is no image").await;
    terminal.wait_for("> ").await;
    terminal.press(&format!("/image a{TAB}")).await;
    terminal.wait_for("cat").await;
    terminal.press("\r").await;
    terminal.wait_for("goes with the next message").await;
    terminal.type_line("what is it?").await;
    terminal.wait_for("Noted.").await;
    terminal.type_line("and now?").await;
    terminal.wait_for("Noted.").await;

    terminal.type_line("/usage").await;
    terminal.wait_for("answers  3").await;
    terminal.wait_for("210 tokens").await;
    terminal.wait_for("15 tokens").await;

    terminal.type_line("/usge").await;
    terminal.wait_for("error: there is no command /usge").await;
    terminal.wait_for("did you mean \"/usage\"?").await;
    terminal.wait_for("> ").await;
    terminal.press(&format!("/qu{TAB}")).await;
    terminal.wait_for("/quit").await;
    terminal.press("\r").await;
    let (status, screen) = terminal.end().await;
    assert_eq!(status.code(), Some(0), "{screen}");

    let requests = requests(provider);
    assert_eq!(requests.len(), first + 3, "commands are not said to the model");
    assert_eq!(said(&requests[first]), pairs(&[("user", "/model is a command")]));
    let shown = &requests[first + 1];
    assert_eq!(shown["model"], "other-model");
    assert_eq!(shown["messages"][0]["content"], "Be brief.");
    let content = &shown["messages"][3]["content"];
    assert!(content[1]["image_url"]["url"].as_str().unwrap().starts_with("data:image/gif;base64,"), "{content}");
    assert_eq!(requests[first + 2]["messages"][5]["content"], "and now?", "a picture is shown once");
}

/// A home with files to show.
fn home_with_files(provider: &ScriptedProvider) -> Home {
    let home = home_of(provider);
    std::fs::write(home.path().join("a cat.gif"), b"GIF89a rest").unwrap();
    std::fs::write(home.path().join("text.txt"), b"no picture").unwrap();
    home
}

#[tokio::test]
async fn a_conversation_that_is_not_kept_has_all_commands() {
    let provider = answering([counted()]).await;
    obeys(&home_with_files(&provider), &provider, &["chat"]).await;
}

#[tokio::test]
async fn a_conversation_that_is_kept_has_all_commands() {
    let provider = answering([counted()]).await;
    obeys(&home_with_files(&provider), &provider, &["chat", "--session", "trip"]).await;
}

#[tokio::test]
async fn a_conversation_that_a_daemon_answers_has_all_commands() {
    let provider = answering([counted()]).await;
    let home = home_with_files(&provider);
    let _daemon = home.serve(&[]).await;
    obeys(&home, &provider, &["chat"]).await;
    obeys(&home, &provider, &["chat", "--session", "trip"]).await;
}

#[tokio::test]
async fn a_name_that_fits_a_pattern_of_the_daemons_is_a_model() {
    let provider = saying("Noted.").await;
    let home = Home::new();
    home.config(&format!(
        "[providers.one]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n\
         [models.aliases]\n\"gpt-*\" = \"one/other-model\"\n",
        provider.url()
    ));
    let _daemon = home.serve(&[]).await;
    let mut terminal = Terminal::open(&home, &["chat"]);
    terminal.type_line("/model gtp-9").await;
    terminal.wait_for("error: there is no model \"gtp-9\"").await;
    terminal.type_line("/model gpt-9").await;
    terminal.wait_for("gpt-9 answers from now on").await;
    terminal.type_line("hello").await;
    terminal.wait_for("Noted.").await;
    assert_eq!(requests(&provider)[0]["model"], "other-model");
}

#[tokio::test]
async fn a_conversation_moves_to_one_that_is_kept() {
    let provider = saying("Noted.").await;
    let home = home_of(&provider);
    run_well(&home, &["chat", "--session", "lisbon", "--system", "Be kind.", "I go to Lisbon"], "").await;
    let mut terminal = Terminal::open(&home, &["chat"]);
    terminal.type_line("/session").await;
    terminal.wait_for("is not kept").await;
    terminal.type_line("something").await;
    terminal.wait_for("Noted.").await;
    terminal.wait_for("> ").await;
    terminal.press(&format!("/session li{TAB}")).await;
    terminal.wait_for("sbon").await;
    terminal.press("\r").await;
    terminal.wait_for("what was said before is not kept").await;
    terminal.wait_for("going on with lisbon").await;
    terminal.type_line("by train").await;
    terminal.wait_for("Noted.").await;
    terminal.type_line("/session bad/id?").await;
    terminal.wait_for("error: ").await;
    terminal.type_line("/session").await;
    terminal.wait_for("kept as lisbon").await;
    terminal.type_line("/session porto").await;
    terminal.wait_for("begins that is kept as porto").await;
    terminal.type_line("hello").await;
    terminal.wait_for("Noted.").await;
    terminal.wait_for("> ").await;
    terminal.press(CTRL_D).await;
    assert_eq!(terminal.end().await.0.code(), Some(0));
    let requests = requests(&provider);
    let want = [("system", "Be kind."), ("user", "I go to Lisbon"), ("assistant", "Noted."), ("user", "by train")];
    assert_eq!(said(&requests[2]), pairs(&want));
    assert_eq!(said(&requests[3]), pairs(&[("user", "hello")]));
    let kept = home.run(&["sessions", "list", "--json"]).await.succeeded().stdout;
    assert!(kept.contains("lisbon") && kept.contains("porto"), "{kept}");
}

#[tokio::test]
async fn where_nothing_is_kept_no_conversation_is_moved_to() {
    let provider = saying("Noted.").await;
    let mut terminal = Terminal::open(&home_of(&provider), &["chat", "--standalone"]);
    terminal.type_line("/session trip").await;
    terminal.wait_for("error: no conversation is kept here").await;
    terminal.type_line("go on").await;
    terminal.wait_for("Noted.").await;
}

#[tokio::test]
async fn commands_are_listed_by_tab() {
    let provider = saying("Noted.").await;
    let mut terminal = Terminal::open(&home_of(&provider), &["chat"]);
    terminal.wait_for("> ").await;
    terminal.press(&format!("/s{TAB}{TAB}")).await;
    terminal.wait_for("/session").await;
    terminal.wait_for("/system").await;
    // Nothing of what is said is completed.
    terminal.press(&format!("{CTRL_U}say /s{TAB}y\r")).await;
    terminal.wait_for("Noted.").await;
    assert_eq!(said(&requests(&provider)[0]), pairs(&[("user", "say /sy")]));
}
