//! Who holds the data directory may end at any time: another takes its place, and every reader has one exact answer.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::time::Duration;

use cli_support::running::Running;
use cli_support::terminal::{CTRL_D, Terminal};
use cli_support::{LIMIT, answering, home_of, lines, pairs, requests, run_well, said, saying};
use greenroom_tests::harness::Signal;
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, ScriptedProvider, When};

/// A provider whose first answer stops in its middle, and which goes on with it when it is asked to.
async fn stopping() -> ScriptedProvider {
    let stalled: Attempt = Answer::text(["one two ", "never"]).stall_after(1).into();
    let rest = Answer::text(["three ", "four"]).stream().when(When::body_contains("cut off")).always();
    // What was shown may not have been on disk yet: then it is asked for anew.
    let whole = Answer::text(["one two ", "three ", "four"]).stream().when(When::body_contains("count")).always();
    answering([rest, stalled.when(When::body_contains("count")), whole]).await
}

/// The text that a reader of JSON has in the end, who heeds what it is told of resets.
fn text_of(events: &str) -> String {
    let mut pieces: Vec<(u64, String)> = Vec::new();
    for event in lines(events) {
        let position = event["position"].as_u64().unwrap();
        match event["type"].as_str().unwrap() {
            "reset" => {
                for (start, text) in &mut pieces {
                    let kept = usize::try_from(position.saturating_sub(*start)).unwrap().min(text.len());
                    text.truncate(kept);
                }
            }
            "text" => pieces.push((position, event["delta"].as_str().unwrap().to_owned())),
            _ => {}
        }
    }
    pieces.into_iter().map(|(_, text)| text).collect()
}

#[tokio::test]
async fn when_a_holder_is_killed_one_of_those_attached_goes_on_for_all() {
    for round in 0..3 {
        let provider = stopping().await;
        let home = home_of(&provider);
        let mut holder = Running::start(&home, &["chat", "--session", "a", "count"]);
        holder.wait_for("one two ").await;
        let mut first = Running::start(&home, &["sessions", "attach", "a"]);
        let mut second = Running::start(&home, &["sessions", "attach", "a"]);
        let mut json = Running::start(&home, &["sessions", "attach", "a", "--json"]);
        for reader in [&mut first, &mut second, &mut json] {
            reader.wait_for("one two ").await;
        }
        holder.signal(Signal::KILL);
        let _killed = holder.end().await;
        for reader in [&mut first, &mut second] {
            reader.wait_for("four\n").await;
            assert_eq!(reader.seen, "> count\none two three four\n", "round {round}");
        }
        json.wait_for("turn.finished").await;
        assert_eq!(text_of(&json.seen), "one two three four");
        let shown = home.run(&["sessions", "show", "a"]).await.succeeded();
        assert_eq!(shown.stdout, "> count\none two three four\n");
        // The last of them leaves nothing behind.
        for reader in [first, second, json] {
            reader.signal(Signal::INT);
            let (code, _, errors) = reader.end().await;
            assert_eq!((code, errors.as_str()), (Some(130), ""));
        }
        assert!(!home.data_dir().join("socket").exists());
        assert_eq!(requests(&provider).len(), 2, "the answer was asked for once, and gone on with once");
    }
}

#[tokio::test]
async fn what_is_asked_while_nobody_holds_is_asked_of_the_next() {
    let provider = saying("well").await;
    let home = home_of(&provider);
    let mut daemon = home.serve(&[]).await;
    let mut terminal = Terminal::open(&home, &["chat", "--session", "a"]);
    terminal.type_line("first").await;
    terminal.wait_for("well").await;
    terminal.wait_for("> ").await;
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    terminal.press("second\r").await;
    terminal.wait_for("well").await;
    terminal.wait_for("> ").await;
    terminal.press(CTRL_D).await;
    let (status, screen) = terminal.end().await;
    assert_eq!(status.code(), Some(0), "{screen}");
    let shown = home.run(&["sessions", "show", "a"]).await.succeeded();
    assert_eq!(shown.stdout, "> first\nwell\n> second\nwell\n");
}

#[tokio::test]
async fn a_daemon_takes_over_from_a_conversation_which_goes_on() {
    let provider = saying("well").await;
    let home = home_of(&provider);
    let mut terminal = Terminal::open(&home, &["chat", "--session", "a"]);
    terminal.type_line("first").await;
    terminal.wait_for("well").await;
    terminal.wait_for("> ").await;
    let daemon = home.serve(&[]).await;
    assert!(daemon.stderr().contains("hands over"), "{}", daemon.output());
    terminal.press("second\r").await;
    terminal.wait_for("well").await;
    terminal.wait_for("> ").await;
    terminal.press(CTRL_D).await;
    let (status, screen) = terminal.end().await;
    assert_eq!(status.code(), Some(0), "{screen}");
    let conversation = [("user", "first"), ("assistant", "well"), ("user", "second")];
    assert_eq!(said(&requests(&provider)[1]), pairs(&conversation));
    let shown = home.run(&["sessions", "show", "a"]).await.succeeded();
    assert_eq!(shown.stdout, "> first\nwell\n> second\nwell\n");
}

#[tokio::test]
async fn a_daemon_takes_over_in_the_middle_of_an_answer() {
    let provider = stopping().await;
    let home = home_of(&provider);
    let mut holder = Running::start(&home, &["chat", "--session", "a", "count"]);
    holder.wait_for("one two ").await;
    let daemon = home.serve(&[]).await;
    let (code, shown, errors) = holder.end().await;
    assert_eq!((code, shown.as_str(), errors.as_str()), (Some(0), "one two three four\n", ""), "{}", daemon.output());
}

#[tokio::test]
async fn of_several_at_once_one_holds_and_the_others_attach() {
    let provider = saying("well").await;
    for _ in 0..3 {
        let home = home_of(&provider);
        let ids = ["a", "b", "c", "d", "e"];
        let asked = ids.map(|id| Running::start(&home, &["chat", "--session", id, "hello"]));
        for asking in asked {
            let (code, shown, errors) = asking.end().await;
            assert_eq!((code, shown.as_str()), (Some(0), "well\n"), "{errors}");
            // On a busy machine, whoever waits for long for one that just starts says so.
            assert!(
                errors.lines().all(|line| line.starts_with("note: waiting for the greenroom that has ")),
                "{errors}"
            );
        }
        let listed = home.run(&["sessions", "--json"]).await.succeeded().stdout;
        assert_eq!(lines(&listed).iter().map(|session| session["id"].clone()).collect::<Vec<_>>(), ids);
    }
}

#[tokio::test]
async fn a_holder_stays_until_what_others_asked_is_answered() {
    let short = Answer::text(["one ", "two"]).pace(Duration::from_millis(500)).stream();
    let pieces = ["1 ", "2 ", "3 ", "4 ", "5 ", "6 "];
    let long = Answer::text(pieces).pace(Duration::from_millis(600)).stream();
    let provider =
        answering([short.when(When::body_contains("be short")), long.when(When::body_contains("be long"))]).await;
    let home = home_of(&provider);
    let mut holder = Running::start(&home, &["chat", "--session", "a", "be short"]);
    holder.wait_for("one ").await;
    let other = Running::start(&home, &["chat", "--session", "b", "be long"]);
    let (code, shown, errors) = holder.end().await;
    assert_eq!((code, shown.as_str()), (Some(0), "one two\n"));
    assert!(errors.contains("staying until") && errors.contains(" in b;"), "{errors}");
    let (code, shown, errors) = other.end().await;
    assert_eq!((code, shown.trim_end(), errors.as_str()), (Some(0), "1 2 3 4 5 6", ""));
    assert_eq!(provider.stats().route(openai::CHAT).requests, 2, "nothing was interrupted");
}

#[tokio::test]
async fn a_holder_that_is_told_to_end_leaves_its_answer_to_the_next() {
    let provider = stopping().await;
    let home = home_of(&provider);
    let mut holder = Running::start(&home, &["chat", "--session", "a", "count"]);
    holder.wait_for("one two ").await;
    holder.signal(Signal::TERM);
    assert_eq!(holder.end().await.0, Some(143));
    assert!(!home.data_dir().join("socket").exists());
    // The same epoch: nothing that was shown was lost.
    let mut next = Running::start(&home, &["sessions", "attach", "a", "--json"]);
    next.wait_for("turn.finished").await;
    assert_eq!(text_of(&next.seen), "one two three four");
    assert!(home.run(&["sessions", "--json"]).await.succeeded().stdout.contains("\"cursor\":\"1-"));
}

#[tokio::test]
async fn a_command_that_handed_over_can_still_be_told_to_end() {
    let provider = saying("well").await;
    let home = home_of(&provider);
    run_well(&home, &["chat", "--session", "a", "hello"], "").await;
    let mut attached = Running::start(&home, &["sessions", "attach", "a"]);
    attached.wait_for("well\n").await;
    let mut daemon = home.serve(&[]).await;
    run_well(&home, &["chat", "--session", "a", "again"], "").await;
    attached.wait_for("> again\nwell\n").await;
    // It holds again, and hands over again.
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.success());
    run_well(&home, &["chat", "--session", "a", "without a daemon"], "").await;
    attached.wait_for("> without a daemon\nwell\n").await;
    let _daemon = home.serve(&[]).await;
    run_well(&home, &["chat", "--session", "a", "with another"], "").await;
    attached.wait_for("> with another\nwell\n").await;
    attached.signal(Signal::TERM);
    assert_eq!(attached.end().await.0, Some(143));
}

#[tokio::test]
async fn a_question_that_waits_is_answered_though_its_holder_is_killed() {
    let stalled: Attempt = Answer::text(["one two ", "never"]).stall_after(1).into();
    let next = Answer::text(["five"]).stream().when(When::body_contains("the fifth"));
    let rest = Answer::text(["three ", "four"]).stream().when(When::body_contains("cut off"));
    let whole = Answer::text(["one two ", "three ", "four"]).stream();
    let provider = answering([next, rest, stalled, whole]).await;
    let home = home_of(&provider);
    let mut holder = Running::start(&home, &["chat", "--session", "a", "count"]);
    holder.wait_for("one two ").await;
    let mut other = Running::start(&home, &["sessions", "attach", "a"]);
    let waiting = Running::start(&home, &["chat", "--session", "a", "and the fifth?"]);
    other.wait_for("> and the fifth?").await;
    holder.signal(Signal::KILL);
    let _killed = holder.end().await;
    let (code, shown, errors) = waiting.end().await;
    assert_eq!((code, shown.as_str()), (Some(0), "five\n"));
    assert!(errors.contains("another answer is under way"), "{errors}");
    let conversation = [("user", "count"), ("assistant", "one two three four"), ("user", "and the fifth?")];
    assert_eq!(said(requests(&provider).last().unwrap()), pairs(&conversation));
}
