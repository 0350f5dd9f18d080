//! `greenroom chat --session` and `greenroom sessions`: each command, beside a daemon and without one.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use cli_support::running::Running;
use cli_support::{LIMIT, answering, assert_failed, home_of, lines, pairs, requests, run_well, said, saying};
use greenroom_tests::harness::{Daemon, Home, Signal};
use greenroom_tests::openai::{self, Answer};
use serde_json::{Value, json};

/// With a daemon or without one: every command does the same.
async fn beside(home: &Home, daemon: bool) -> Option<Daemon> {
    if daemon { Some(home.serve(&[]).await) } else { None }
}

async fn run(home: &Home, arguments: &[&str]) -> String {
    home.run(arguments).await.succeeded().stdout
}

#[tokio::test]
async fn a_conversation_goes_on_from_one_command_to_the_next() {
    for daemon in [false, true] {
        let provider = answering([Answer::text(["Hello Ada."]).stream(), Answer::text(["Ada."]).stream()]).await;
        let home = home_of(&provider);
        let _daemon = beside(&home, daemon).await;
        let first = run(&home, &["chat", "--session", "a", "--system", "Be kind.", "I am Ada"]).await;
        assert_eq!(first, "Hello Ada.\n");
        assert_eq!(run(&home, &["chat", "--session", "a", "who am I?", "-m", "other-model"]).await, "Ada.\n");
        let all = [("system", "Be kind."), ("user", "I am Ada"), ("assistant", "Hello Ada."), ("user", "who am I?")];
        let requests = requests(&provider);
        assert_eq!(said(&requests[1]), pairs(&all));
        assert_eq!((&requests[0]["model"], &requests[1]["model"]), (&json!("scripted-model"), &json!("other-model")));
        let shown = run(&home, &["sessions", "show", "a"]).await;
        assert_eq!(shown, "> I am Ada\nHello Ada.\n[other-model answers from now on]\n> who am I?\nAda.\n");
    }
}

#[tokio::test]
async fn the_events_of_a_kept_answer_are_those_of_any_other() {
    let provider = saying("the same").await;
    let home = home_of(&provider);
    let kept = run(&home, &["chat", "--session", "a", "hi", "--json"]).await;
    let passing = run(&home, &["chat", "hi", "--json"]).await;
    let kinds = |text: &str| lines(text).iter().map(|event| event["type"].clone()).collect::<Vec<Value>>();
    assert_eq!(kinds(&kept), kinds(&passing));
    assert_eq!(kinds(&kept).last().unwrap(), "turn.finished");
}

#[tokio::test]
async fn sessions_are_listed_and_shown_as_text_and_as_json() {
    for daemon in [false, true] {
        let provider = saying("well\u{1b}[2J said").await;
        let home = home_of(&provider);
        let _daemon = beside(&home, daemon).await;
        for id in ["b", "a"] {
            run_well(&home, &["chat", "--session", id, "-m", "other-model", "two\nlines"], "").await;
        }
        let table = run(&home, &["sessions"]).await;
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0][..3], ["SESSION", "STATE", "MODEL"]);
        assert_eq!((&rows[1][..3], &rows[2][0]), (&["a", "idle", "other-model"][..], &"b"), "{table}");
        let listed = lines(&run(&home, &["sessions", "list", "--json"]).await);
        assert_eq!((listed.len(), &listed[0]["id"], &listed[0]["client"]), (2, &json!("a"), &json!("admin")));

        let text = run(&home, &["sessions", "show", "a"]).await;
        assert_eq!(text, "> two\n> lines\nwell\u{1b}[2J said\n", "a pipe gets what was said, byte for byte");
        let events = lines(&run(&home, &["sessions", "show", "a", "--json"]).await);
        let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!((kinds[0], kinds[1], *kinds.last().unwrap()), ("session.created", "message.user", "turn.finished"));
        assert!(events.windows(2).all(|pair| pair[0]["next"] == pair[1]["position"]), "all of the log: {events:?}");
        assert_eq!(listed[0]["cursor"], format!("1-{}", events.last().unwrap()["next"]));
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_and_nothing_is_made() {
    let provider = saying("no").await;
    let home = home_of(&provider);
    let empty = home.run(&["sessions", "list"]).await.succeeded();
    assert!(empty.stdout.is_empty() && empty.stderr.contains("there are no sessions"), "{empty:?}");
    assert_eq!(run(&home, &["sessions", "list", "--json"]).await, "");
    for daemon in [false, true] {
        let _daemon = beside(&home, daemon).await;
        for command in ["show", "attach", "cancel", "remove", "fork", "export"] {
            let output = home.run(&["sessions", command, "nobody"]).await;
            assert_failed(&output, 1, "there is no session \"nobody\"", "greenroom sessions list");
            assert_eq!(output.stdout, "");
        }
        for command in ["show", "export"] {
            assert_failed(&home.run(&["sessions", command, "not an/id?"]).await, 2, "can't be the id", "A-Z");
        }
        assert_eq!(home.data_dir().exists(), daemon, "looking makes nothing");
    }
    assert_failed(&home.run(&["chat", "--session", "not an id", "hi"]).await, 2, "can't be the id", "A-Z");
    assert!(requests(&provider).is_empty());
}

#[tokio::test]
async fn a_session_is_cancelled_forked_and_removed() {
    for daemon in [false, true] {
        let provider = answering([Answer::text(["one"]).stream().always()]).await;
        let home = home_of(&provider);
        let _daemon = beside(&home, daemon).await;
        run_well(&home, &["chat", "--session", "a", "first"], "").await;
        let middle = lines(&run(&home, &["sessions", "list", "--json"]).await)[0]["cursor"].clone();
        run_well(&home, &["chat", "--session", "a", "second"], "").await;

        let nothing = home.run(&["sessions", "cancel", "a"]).await.succeeded();
        assert!(nothing.stderr.contains("no answer is under way"), "{nothing:?}");
        assert_eq!(run(&home, &["sessions", "cancel", "a", "1"]).await, "turn 1 of a had ended before\n");
        assert_failed(&home.run(&["sessions", "cancel", "a", "9"]).await, 1, "no such turn", "counted from 1");

        assert_eq!(run(&home, &["sessions", "fork", "a", "--id", "b"]).await, "b\n");
        assert_eq!(run(&home, &["sessions", "show", "b"]).await, run(&home, &["sessions", "show", "a"]).await);
        let at = middle.as_str().unwrap();
        let random = run(&home, &["sessions", "fork", "a", "--at", at]).await;
        assert_eq!(run(&home, &["sessions", "show", random.trim()]).await, "> first\none\n");
        assert_failed(&home.run(&["sessions", "fork", "a", "--id", "b"]).await, 1, "taken", "another id");
        assert_failed(&home.run(&["sessions", "fork", "a", "--at", "nowhere"]).await, 2, "cursor", "cursor");
        assert_failed(&home.run(&["sessions", "fork", "a", "--at", "1-99999"]).await, 2, "no such place", "cursor");

        assert_eq!(run(&home, &["sessions", "remove", "b"]).await, "b is removed\n");
        assert_failed(&home.run(&["sessions", "remove", "b"]).await, 1, "no session \"b\"", "");
    }
}

#[tokio::test]
async fn a_session_is_carried_to_another_machine() {
    let provider = answering([Answer::text(["one"]).stream().always()]).await;
    let (home, other) = (home_of(&provider), home_of(&provider));
    run_well(&home, &["chat", "--session", "a", "first"], "").await;
    let exported = run(&home, &["sessions", "export", "a"]).await;
    assert_eq!(lines(&exported)[0]["id"], "a", "{exported}");
    for daemon in [false, true] {
        let _daemon = beside(&other, daemon).await;
        let id = format!("from-a-{daemon}");
        let imported = other.run_with_input(&["sessions", "import", "--id", &id], &exported).await.succeeded();
        assert_eq!(imported.stdout, format!("{id}\n"));
        std::fs::write(other.path().join("exported"), &exported).unwrap();
        let taken = other.run(&["sessions", "import", "exported", "--id", &id]).await;
        assert_failed(&taken, 1, "taken", "another id");
        run_well(&other, &["chat", "--session", &id, "and then?"], "").await;
        let request = requests(&provider).pop().unwrap();
        assert_eq!(said(&request), pairs(&[("user", "first"), ("assistant", "one"), ("user", "and then?")]));
    }
    assert_eq!(run(&other, &["sessions", "import", "exported"]).await, "a\n");
    assert_failed(&other.run_with_input(&["sessions", "import"], "{}\n").await, 2, "line 1", "export");
    assert_failed(&other.run(&["sessions", "import", "missing"]).await, 2, "can't read missing", "file");
}

#[tokio::test]
async fn an_interrupt_cancels_the_answer_for_everybody() {
    for daemon in [false, true] {
        let provider = answering([Answer::text(["some words", "never"]).stall_after(1)]).await;
        let home = home_of(&provider);
        let _daemon = beside(&home, daemon).await;
        let mut asking = Running::start(&home, &["chat", "--session", "a", "hello"]);
        asking.wait_for("some words").await;
        asking.signal(Signal::INT);
        let (code, shown, _) = asking.end().await;
        assert_eq!((code, shown.as_str()), (Some(130), "some words\n"));
        provider.wait_for(|stats| stats.route(openai::CHAT).cancelled == 1, LIMIT).await.unwrap();
        assert_eq!(run(&home, &["sessions", "show", "a"]).await, "> hello\nsome words\n[cancelled]\n");
    }
}

#[tokio::test]
async fn another_command_cancels_an_answer_that_is_under_way() {
    for daemon in [false, true] {
        let provider = answering([Answer::text(["some words", "never"]).stall_after(1)]).await;
        let home = home_of(&provider);
        let _daemon = beside(&home, daemon).await;
        let mut asking = Running::start(&home, &["chat", "--session", "a", "hello"]);
        asking.wait_for("some words").await;
        assert!(run(&home, &["sessions"]).await.contains("answering"));
        assert_eq!(run(&home, &["sessions", "cancel", "a"]).await, "turn 1 of a is cancelled\n");
        assert_eq!(asking.end().await.0, Some(130));
    }
}
