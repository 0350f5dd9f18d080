//! `greenroom compare`: the same question to several models at once.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use cli_support::running::Running;
use cli_support::terminal::{CTRL_BACKSLASH, CTRL_C, CTRL_Z, Terminal};
use cli_support::{KEY, LIMIT, MODEL, answering, assert_failed, home_of, lines, pairs, requests, said};
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, ScriptedProvider, When};
use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};

const OTHER: &str = "other-model";
const BOTH: [&str; 6] = ["compare", "hello", "-m", MODEL, "-m", OTHER];
/// The size of most terminals.
const USUAL: (u16, u16) = (24, 80);

/// A provider whose two models answer so.
async fn two(first: impl Into<Attempt>, second: impl Into<Attempt>) -> ScriptedProvider {
    answering([first.into().when(When::model(MODEL)), second.into().when(When::model(OTHER))]).await
}

fn stalled(text: &str) -> Attempt {
    Answer::text([text, "never"]).stall_after(1).into()
}

/// What stands on each side of the bar.
fn sides(rows: &[String]) -> Vec<(&str, &str)> {
    rows.iter().filter_map(|row| row.split_once('│')).map(|(left, right)| (left.trim_end(), right.trim())).collect()
}

fn numbered(name: &str, count: usize) -> String {
    (0..count).map(|number| format!("{name}{number}.\n")).collect()
}

/// What was asked, in the order of the models' names.
fn asked(provider: &ScriptedProvider) -> Vec<Value> {
    let mut asked = requests(provider);
    asked.sort_by_key(|request| request["model"].as_str().unwrap().to_owned());
    asked
}

#[tokio::test]
async fn answers_are_shown_side_by_side_each_with_what_it_took() {
    let provider = two(
        Answer::text(["The first answer is of several words, more than a column has room for."]).usage(7, 21),
        Answer::text(["Briefly."]).usage(8, 2),
    )
    .await;
    let home = home_of(&provider);
    let (status, rows) =
        Terminal::sized(&home, &[&BOTH[..], &["--system", "Be kind."]].concat(), USUAL).end_rows().await;
    assert_eq!(status.code(), Some(0), "{rows:#?}");
    let sides = sides(&rows);
    assert_eq!(sides[0], (MODEL, OTHER));
    assert_eq!(sides[2], ("The first answer is of several words,", "Briefly."));
    assert_eq!(sides[3].0, "more than a column has room for.");
    let of = |side: fn(&(&str, &str)) -> String| sides.iter().map(side).collect::<Vec<_>>().join(" ");
    let (left, right) = (of(|sides| sides.0.to_owned()), of(|sides| sides.1.to_owned()));
    for (side, tokens) in [(left, "7 tokens in, 21 out"), (right, "8 tokens in, 2 out")] {
        assert!(side.contains(tokens) && side.contains(" s (first words after ") && side.contains("stop"), "{side}");
        assert!(side.contains(&format!("by openai/{}", if tokens.starts_with('7') { MODEL } else { OTHER })), "{side}");
    }
    let messages = pairs(&[("system", "Be kind."), ("user", "hello")]);
    assert!(asked(&provider).iter().all(|request| said(request) == messages), "both are asked the same");
    assert_eq!(asked(&provider).len(), 2);
}

#[tokio::test]
async fn an_interrupt_cancels_all_answers_and_leaves_the_terminal_as_it_was() {
    let provider = two(stalled("some words"), stalled("other words")).await;
    let home = home_of(&provider);
    let mut terminal = Terminal::sized(&home, &BOTH, USUAL);
    // Both are there while both go on.
    terminal.until(|rows| sides(rows).contains(&("some words", "other words"))).await;
    terminal.until_echo_is(false).await;
    terminal.press(CTRL_C).await;
    provider.wait_for(|stats| stats.route(openai::CHAT).cancelled == 2, LIMIT).await.unwrap();
    terminal.wait_for("cancelled").await;
    terminal.until_echo_is(true).await;
    terminal.read_to_end().await;
    let screen = terminal.screen.clone();
    let (status, rows) = terminal.end_rows().await;
    assert_eq!(status.code(), Some(130), "{rows:#?}");
    assert!(sides(&rows).contains(&("some words", "other words")), "what there was stays: {rows:#?}");
    assert_eq!(rows.iter().filter(|row| row.contains("some words")).count(), 1, "{rows:#?}");
    // No mode of the terminal is switched (neither the cursor's, nor another screen's) but that of wrapping, and that back.
    let (without, with) = ("\u{1b}[?7l", "\u{1b}[?7h");
    assert!(screen.rfind(without) < screen.rfind(with), "{screen:?}");
    assert!(!screen.replace(without, "").replace(with, "").contains("\u{1b}[?"), "{screen:?}");
}

#[tokio::test]
async fn what_is_typed_meanwhile_is_not_seen_among_the_answers() {
    let provider = two(stalled("some words"), stalled("other words")).await;
    let mut terminal = Terminal::sized(&home_of(&provider), &BOTH, USUAL);
    terminal.until(|rows| sides(rows).contains(&("some words", "other words"))).await;
    terminal.until_echo_is(false).await;
    terminal.press(&format!("typed\r\rmore{CTRL_C}")).await;
    terminal.read_to_end().await;
    // The terminal itself would have written them, and what Ctrl-C is.
    assert!(!["typed", "more\r", "^C"].iter().any(|text| terminal.screen.contains(text)), "{:?}", terminal.screen);
    let (status, rows) = terminal.end_rows().await;
    assert_eq!(status.code(), Some(130), "{rows:#?}");
    let titles = rows.iter().filter(|row| sides(std::slice::from_ref(row)).contains(&(MODEL, OTHER))).count();
    assert_eq!(titles, 1, "no row was pushed out of the picture: {rows:#?}");
}

#[tokio::test]
async fn whatever_ends_the_program_gives_the_terminal_back_with_what_was_typed() {
    // Who is killed has to be known, and the shell outlives the key to see what is left.
    const SCRIPT: &str = r#"trap : QUIT; sh -c 'echo "pid $$."; exec "$0" "$@"' "$@"; echo "ended $?."; read -r line; echo "has $line.""#;
    for (signal, code) in [(Some(Signal::TERM), 143), (Some(Signal::HUP), 129), (None, 131)] {
        let provider = two(stalled("some words"), stalled("other words")).await;
        let home = home_of(&provider);
        // A command that is not asked by others has nothing to end in order.
        let _daemon = home.serve(&[]).await;
        let mut terminal = Terminal::shell(&home, SCRIPT, &BOTH, USUAL);
        terminal.until(|rows| sides(rows).contains(&("some words", "other words"))).await;
        terminal.until_echo_is(false).await;
        let pid = terminal.screen.split_once("pid ").unwrap().1.split_once('.').unwrap().0.parse().unwrap();
        match signal {
            Some(signal) => {
                terminal.press("later\r").await;
                kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
            }
            None => terminal.press(&format!("thrown away\r{CTRL_BACKSLASH}")).await,
        }
        terminal.wait_for(&format!("ended {code}.")).await;
        terminal.until_echo_is(true).await;
        if signal.is_none() {
            // A key that is a signal throws away what was typed before it.
            terminal.press("later\r").await;
        }
        terminal.wait_for("has later.").await;
        provider.wait_for(|stats| stats.open() == 0, LIMIT).await.unwrap();
    }
}

#[tokio::test]
async fn the_terminal_is_the_shells_while_the_program_is_stopped() {
    const SCRIPT: &str = r#"set -m; "$@"; echo "stopped."; read -r line; fg; echo "ended $?.""#;
    let provider = two(stalled("some words"), stalled("other words")).await;
    let mut terminal = Terminal::shell(&home_of(&provider), SCRIPT, &BOTH, USUAL);
    terminal.until(|rows| sides(rows).contains(&("some words", "other words"))).await;
    terminal.until_echo_is(false).await;
    terminal.press(CTRL_Z).await;
    terminal.wait_for("stopped.").await;
    terminal.until_echo_is(true).await;
    terminal.press("\r").await;
    terminal.until_echo_is(false).await;
    // What the shell wrote stays, and the answers go on below it.
    terminal
        .until(|rows| {
            let stopped = rows.iter().position(|row| row == "stopped.").unwrap_or_default();
            stopped > 0 && sides(&rows[stopped..]).contains(&("some words", "other words"))
        })
        .await;
    terminal.press(CTRL_C).await;
    terminal.wait_for("ended 130.").await;
    terminal.until_echo_is(true).await;
}

#[tokio::test]
async fn thinking_is_shown_as_long_as_there_are_no_words_and_kept_where_none_come() {
    let thinks = |text, words| Answer::new().reasoning([text]).then_text([words, "never"]);
    let provider = two(thinks("pondering", "never").stall_after(1), thinks("musing", "words").stall_after(2)).await;
    let home = home_of(&provider);
    let mut terminal = Terminal::sized(&home, &BOTH, USUAL);
    terminal.until(|rows| sides(rows).contains(&("pondering", "words"))).await;
    assert!(terminal.styled(vt100::Cell::dim).contains("pondering"), "{:#?}", terminal.rows());
    terminal.press(CTRL_C).await;
    let (status, rows) = terminal.end_rows().await;
    assert_eq!(status.code(), Some(130));
    assert!(sides(&rows).contains(&("pondering", "words")), "{rows:#?}");
    assert!(!rows.concat().contains("musing") && rows.concat().matches("pondering").count() == 1, "{rows:#?}");
}

#[tokio::test]
async fn a_terminal_that_is_wide_again_has_the_answers_side_by_side_again() {
    let provider = two(stalled(&numbered("left", 30)), stalled(&numbered("right", 30))).await;
    let mut terminal = Terminal::sized(&home_of(&provider), &BOTH, (10, 80));
    let are_beside = |rows: &[String]| sides(&rows[rows.len() - 10..]).contains(&("left29.", "right29."));
    terminal.until(are_beside).await;
    terminal.resize(10, 40);
    terminal.until(|rows| rows.contains(&"left29.".to_owned())).await;
    terminal.resize(10, 80);
    terminal.until(are_beside).await;
    terminal.press(CTRL_C).await;
    let (status, rows) = terminal.end_rows().await;
    assert_eq!(status.code(), Some(130));
    for number in 0..30 {
        for name in ["left", "right"] {
            let wanted = format!("{name}{number}.");
            assert!(rows.concat().contains(&wanted), "{wanted} in {rows:#?}");
        }
    }
    assert!(sides(&rows).contains(&("left29.", "right29.")), "{rows:#?}");
}

#[tokio::test]
async fn answers_that_outgrow_the_screen_are_whole_in_what_can_be_scrolled_back_to() {
    let provider = two(Answer::text([numbered("left", 70).as_str()]), Answer::text([numbered("right", 40).as_str()]));
    let provider = provider.await;
    let (status, rows) = Terminal::sized(&home_of(&provider), &BOTH, (10, 80)).end_rows().await;
    assert_eq!(status.code(), Some(0), "{rows:#?}");
    let sides = sides(&rows);
    let numbers = |all: Vec<&str>, name: &str| -> Vec<usize> {
        all.iter().filter_map(|text| text.strip_prefix(name)?.strip_suffix('.')?.parse().ok()).collect()
    };
    assert_eq!(numbers(sides.iter().map(|sides| sides.0).collect(), "left"), (0..70).collect::<Vec<_>>());
    assert_eq!(numbers(sides.iter().map(|sides| sides.1).collect(), "right"), (0..40).collect::<Vec<_>>());
    assert_eq!(sides.iter().filter(|sides| **sides == (MODEL, OTHER)).count(), 1, "the titles are there once");
}

#[tokio::test]
async fn what_outgrows_the_screen_can_be_read_while_it_goes_on() {
    let provider = two(stalled(&numbered("left", 70)), stalled(&numbered("right", 4))).await;
    let mut terminal = Terminal::sized(&home_of(&provider), &BOTH, (10, 80));
    // All in one picture, which may come in pieces: each column has its model, and what is final stays above.
    terminal
        .until(|rows| {
            let (all, visible) = (sides(rows), &rows[rows.len() - 10..]);
            let has = |wanted: fn(&(&str, &str)) -> bool| all.iter().any(wanted);
            has(|sides| sides.0 == "left69.")
                && has(|sides| sides.1 == "right3.")
                && has(|sides| *sides == ("left1.", "right1."))
                && sides(visible).first() == Some(&(MODEL, OTHER))
                && visible.iter().any(|row| row.contains("more above"))
        })
        .await;
    terminal.press(CTRL_C).await;
    let (status, rows) = terminal.end_rows().await;
    assert_eq!(status.code(), Some(130));
    let left: Vec<&str> = sides(&rows).iter().map(|sides| sides.0).filter(|text| text.starts_with("left")).collect();
    assert_eq!(left, (0..70).map(|number| format!("left{number}.")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_narrow_terminal_shows_one_answer_after_the_other() {
    let provider = two(Answer::text(["The first."]), Answer::text(["The second."])).await;
    let (status, rows) = Terminal::sized(&home_of(&provider), &BOTH, (24, 40)).end_rows().await;
    assert_eq!(status.code(), Some(0), "{rows:#?}");
    let row = |text: &str| rows.iter().position(|row| row == text).unwrap_or_else(|| panic!("{text} in {rows:#?}"));
    assert_eq!((row(MODEL), row("The first.")), (0, 2));
    assert!(row("The first.") < row(OTHER));
    assert_eq!(row("The second."), row(OTHER) + 2);
}

#[tokio::test]
async fn no_escape_sequence_of_a_model_reaches_the_terminal() {
    let evil = "\u{1b}]52;c;ZXZpbA==\u{7}\u{9b}2J\u{202e}clean";
    let provider = two(Answer::text([evil]), Answer::text([evil])).await;
    let json = [&BOTH[..], &["--json"]].concat();
    for (arguments, size) in [(&BOTH[..], USUAL), (&BOTH[..], (24, 40)), (&json[..], USUAL)] {
        let mut terminal = Terminal::sized(&home_of(&provider), arguments, size);
        terminal.wait_for("clean").await;
        let screen = terminal.screen.clone();
        assert!(!screen.contains("\u{1b}]") && !screen.contains(['\u{7}', '\u{9b}']), "{screen:?}");
        assert!(arguments.len() > BOTH.len() || !screen.contains('\u{202e}'), "{screen:?}");
        provider.reset();
    }
}

#[tokio::test]
async fn a_pipe_has_the_answers_in_the_order_of_their_models() {
    // The first one ends last.
    let slow = Answer::text(["slow and ", "whole\n"]).first_token_after(std::time::Duration::from_millis(300));
    let provider = two(slow, Answer::text(["quick \u{1b}[1mwords"])).await;
    let arguments = ["compare", "-m", MODEL, "-m", OTHER];
    let output = home_of(&provider).run_with_input(&arguments, "hello\n").await.succeeded();
    let without_times: Vec<&str> = output.stdout.lines().map(|line| line.split(" s ").next().unwrap()).collect();
    assert_eq!(without_times[..4], [&format!("## {MODEL}"), "", "slow and whole", ""]);
    assert_eq!(without_times[5..9], ["", &format!("## {OTHER}"), "", "quick \u{1b}[1mwords"], "{}", output.stdout);
    assert!(output.stdout.lines().nth(4).unwrap().ends_with("stop · by openai/scripted-model"), "{}", output.stdout);
    assert_eq!(output.stderr, "");
    assert_eq!(said(&requests(&provider)[0]), pairs(&[("user", "hello")]));
}

#[tokio::test]
async fn json_has_the_events_of_each_model_and_what_it_took() {
    let provider = two(Answer::text(["one"]).usage(7, 3), openai::error(400, "invalid_request_error", None, "not so"));
    let provider = provider.await;
    let output = home_of(&provider).run(&[&BOTH[..], &["--json"]].concat()).await;
    assert_failed(&output, 1, "not so", "");
    let lines = lines(&output.stdout);
    let of = |asked: &str, kind: &str| {
        lines.iter().find(|line| line["asked"] == asked && line["type"] == kind).unwrap_or(&Value::Null).clone()
    };
    assert!(lines.iter().all(|line| line["asked"].is_string()), "{}", output.stdout);
    assert_eq!(of(MODEL, "text")["delta"], "one");
    assert_eq!(of(MODEL, "route")["provider"], "openai");
    assert_eq!(of(MODEL, "turn.finished")["reason"], "stop");
    assert_eq!(of(OTHER, "turn.failed")["error"]["kind"], "invalid_request");
    let (one, other) = (of(MODEL, "compared"), of(OTHER, "compared"));
    assert_eq!(lines[lines.len() - 2..], [one.clone(), other.clone()], "they come last, in order");
    assert_eq!((&one["usage"]["input"], &one["usage"]["output"]), (&json!(7), &json!(3)));
    assert_eq!((&one["finish_reason"], &one["cost_usd"]), (&json!("stop"), &Value::Null));
    assert!(one["seconds"].as_f64() >= one["first_seconds"].as_f64() && one["first_seconds"].is_f64(), "{one}");
    assert_eq!(other["error"]["kind"], "invalid_request");
    assert!(one.get("error").is_none() && other["first_seconds"].is_null(), "{other}");
}

#[tokio::test]
async fn an_interrupt_in_a_pipe_cancels_all_and_is_told_of_each() {
    let provider = two(stalled("some words"), stalled("other words")).await;
    let home = home_of(&provider);
    let mut running = Running::start(&home, &[&BOTH[..], &["--json"]].concat());
    running.wait_for("some words").await;
    running.wait_for("other words").await;
    running.signal(Signal::INT);
    provider.wait_for(|stats| stats.route(openai::CHAT).cancelled == 2, LIMIT).await.unwrap();
    let (code, output, errors) = running.end().await;
    assert_eq!((code, errors.as_str()), (Some(130), ""), "{output}");
    let lines = lines(&output);
    assert_eq!(lines.iter().filter(|line| line["type"] == "turn.cancelled").count(), 2, "{output}");
    for line in &lines[lines.len() - 2..] {
        assert_eq!((&line["type"], &line["error"]["kind"]), (&json!("compared"), &json!("cancelled")), "{output}");
    }
}

#[tokio::test]
async fn an_interrupt_reaches_providers_by_a_greenroom_that_goes_on() {
    let provider = two(stalled("some words"), stalled("other words")).await;
    let home = home_of(&provider);
    let daemon = home.serve(&[]).await;
    let mut terminal = Terminal::sized(&home, &BOTH, USUAL);
    terminal.until(|rows| sides(rows).contains(&("some words", "other words"))).await;
    terminal.press(CTRL_C).await;
    provider.wait_for(|stats| stats.route(openai::CHAT).cancelled == 2, LIMIT).await.unwrap();
    let (status, rows) = terminal.end_rows().await;
    assert_eq!(status.code(), Some(130), "{rows:#?}");
    drop(daemon);
}

#[tokio::test]
async fn pictures_are_shown_to_all() {
    let provider = two(Answer::text(["A cat."]), Answer::text(["A dog."])).await;
    let home = home_of(&provider);
    std::fs::write(home.path().join("photo.gif"), b"GIF89a....").unwrap();
    let output = home.run(&[&BOTH[..], &["--image", "photo.gif"]].concat()).await.succeeded();
    assert!(output.stdout.contains("A cat.") && output.stdout.contains("A dog."), "{}", output.stdout);
    for request in asked(&provider) {
        let content = request["messages"][0]["content"].to_string();
        assert!(content.contains("hello") && content.contains("data:image/gif;base64,"), "{content}");
    }
}

#[tokio::test]
async fn a_model_that_fails_stops_no_other() {
    // A key that is refused would be the other's as well.
    let refused = || openai::error(404, "invalid_request_error", Some("model_not_found"), "no such thing").always();
    let provider = two(refused(), Answer::text(["All is well."]).stream().always()).await;
    let home = home_of(&provider);
    let (status, rows) = Terminal::sized(&home, &BOTH, USUAL).end_rows().await;
    assert_eq!(status.code(), Some(1), "{rows:#?}");
    let left = sides(&rows).iter().map(|sides| sides.0).collect::<Vec<_>>().join(" ");
    assert!(left.contains("error: ") && left.contains("no such thing") && left.contains("hint: "), "{rows:#?}");
    assert!(left.contains("failed") && sides(&rows).iter().any(|sides| sides.1 == "All is well."), "{rows:#?}");
    assert!(!rows.concat().contains(KEY));
}

#[tokio::test]
async fn what_can_not_be_meant_is_refused_before_anything_is_asked() {
    let provider = two(Answer::text(["never"]), Answer::text(["never"])).await;
    let home = home_of(&provider);
    home.config("[models.aliases]\nsame = \"openai/scripted-model\"\n");
    for (arguments, error, hint) in [
        (vec!["compare", "hello", "-m", MODEL], "nothing to compare", "-m MODEL -m OTHER"),
        (vec!["compare", "hello"], "no model is named", "-m MODEL -m OTHER"),
        (vec!["compare", "hello", "-m", MODEL, "-m", MODEL], "named twice", "once"),
        (vec!["compare", "hello", "-m", MODEL, "-m", "same"], "are the same: openai/scripted-model", "once"),
        (vec!["compare", "hello", "-m", MODEL, "-m", "othr-model"], "there is no model \"othr-model\"", "did you mean"),
        (vec!["compare", "-m", MODEL, "-m", OTHER], "nothing was asked", "greenroom compare"),
        (vec!["compare", "hello", "-m", MODEL, "-m", OTHER, "--image", "none.png"], "can't read the image", "--image"),
    ] {
        assert_failed(&home.run(&arguments).await, 2, error, hint);
    }
    assert!(requests(&provider).is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_running_greenroom_answers_for_who_has_no_provider() {
    let provider = two(Answer::text(["from the daemon"]), Answer::text(["from it as well"])).await;
    let home = Home::new();
    let config = format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\nkey = \"{KEY}\"\n",
        provider.url()
    );
    home.config(&config);
    let daemon = home.serve(&[]).await;
    home.config("");
    let output = home.run(&["compare", "hello", "-m", MODEL, "-m", "lab/other-model"]).await.succeeded();
    assert!(output.stdout.contains("\nfrom the daemon\n") && output.stdout.contains("\nfrom it as well\n"));
    assert_eq!(output.stderr, "");
    let unknown = home.run(&["compare", "hello", "-m", MODEL, "-m", "lab2/other"]).await;
    assert_failed(&unknown, 2, "there is no model \"lab2/other\"", "lab/other-model");
    drop(daemon);
}

#[tokio::test]
async fn a_reader_that_leaves_cancels_all() {
    let many = vec!["a line of some length\n"; 20_000];
    let provider = two(Answer::text(many), stalled("never ends")).await;
    let home = home_of(&provider);
    let mut command = home.command(&BOTH);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    provider.wait_for(|stats| stats.open() == 0, LIMIT).await.unwrap();
}
