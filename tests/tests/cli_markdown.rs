//! `greenroom chat` on a terminal: what a person sees of an answer in Markdown.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::time::Duration;

use cli_support::terminal::{CTRL_C, Terminal};
use cli_support::{answering, home_of, saying};
use greenroom_tests::openai::Answer;

const ANSWER: &str = "\
# Heading
Some **bold** and *slanted* words with `code` go on until the line is full.

- one
  - two

> quoted

| name | n |
|------|--:|
| a | 1 |
| long | 10 |

```rust
fn main() {}
```
[docs](https://x.y)
";

/// Some text in pieces of so many letters.
fn pieces(text: &str, length: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(length).map(|piece| piece.iter().collect()).collect()
}

#[tokio::test]
async fn an_answer_is_styled_and_wrapped_however_it_comes() {
    for length in [1, 7, 1000] {
        let pieces = pieces(ANSWER, length);
        let provider = answering([Answer::text(pieces.iter().map(String::as_str))]).await;
        let mut terminal = Terminal::sized(&home_of(&provider), &["chat", "hello"], (40, 40));
        let seen = [
            "Heading",
            "Some bold and slanted words with code go",
            "on until the line is full.",
            "",
            "• one",
            "  • two",
            "",
            "│ quoted",
            "",
            "name │  n",
            "─────┼───",
            "a    │  1",
            "long │ 10",
            "",
            "```rust",
            "fn main() {}",
            "```",
            "docs (https://x.y)",
        ];
        terminal.wait_for_lines(&seen).await;
        assert_eq!(terminal.styled(vt100::Cell::bold), "Headingboldnamen", "pieces of {length}");
        assert_eq!(terminal.styled(vt100::Cell::italic), "slanted");
        assert_eq!(terminal.styled(|cell| cell.fgcolor() == vt100::Color::Idx(6)), "codefn main() {}");
        assert_eq!(terminal.end().await.0.code(), Some(0));
    }
}

#[tokio::test]
async fn emphasis_holds_across_the_lines_of_a_paragraph_and_no_further() {
    let answer = "Some **bold\nwords** and `code\nspans`, and **stars\nalone.\n\nNext **one**\n";
    for length in [1, 5, 1000] {
        let pieces = pieces(answer, length);
        let provider = answering([Answer::text(pieces.iter().map(String::as_str))]).await;
        let mut terminal = Terminal::sized(&home_of(&provider), &["chat", "hello"], (20, 40));
        let seen = ["Some bold", "words and code", "spans, and **stars", "alone.", "", "Next one"];
        terminal.wait_for_lines(&seen).await;
        assert_eq!(terminal.styled(vt100::Cell::bold), "boldwordsone", "pieces of {length}");
        assert_eq!(terminal.styled(|cell| cell.fgcolor() == vt100::Color::Idx(6)), "codespans");
    }
}

#[tokio::test]
async fn words_appear_as_they_come_and_what_is_held_back_as_it_breaks_off() {
    let cut = Answer::text(["Once upon a ", "time **there ", "never"]).stall_after(2);
    let provider = answering([cut]).await;
    let mut terminal = Terminal::open(&home_of(&provider), &["chat", "hello"]);
    terminal.wait_for("upon a time").await;
    terminal.press(CTRL_C).await;
    terminal.wait_for_lines(&["Once upon a time^C **there"]).await;
    assert_eq!(terminal.end().await.0.code(), Some(130));
}

#[tokio::test]
async fn wide_letters_take_the_room_that_they_have() {
    let text = "- 日本語の文章はここで折り返します。\n\n| 名 | n |\n|---|---|\n| 東京 | a |\n| x | b |\n";
    let provider = saying(text).await;
    let mut terminal = Terminal::sized(&home_of(&provider), &["chat", "hello"], (20, 22));
    let seen = ["• 日本語の文章はここで", "  折り返します。", "", "名   │ n", "─────┼──", "東京 │ a", "x    │ b"];
    terminal.wait_for_lines(&seen).await;
}

#[tokio::test]
async fn where_no_style_is_wanted_the_text_is_as_it_came() {
    let provider = saying(ANSWER).await;
    assert_eq!(home_of(&provider).run(&["chat", "hello"]).await.succeeded().stdout, ANSWER);
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let mut home = home_of(&provider);
        home.env(name, value);
        let (status, screen) = Terminal::open(&home, &["chat", "hello"]).end().await;
        assert_eq!((status.code(), screen), (Some(0), ANSWER.replace('\n', "\r\n")), "{name}");
    }
    let mut home = home_of(&provider);
    home.env("NO_COLOR", "");
    let (_, screen) = Terminal::open(&home, &["chat", "hello"]).end().await;
    assert!(screen.contains("\u{1b}[1;4mHeading"), "an empty NO_COLOR says nothing: {screen:?}");
}

#[tokio::test]
async fn a_terminal_may_have_any_width() {
    let provider = saying("Some **bold** words\n\n- one\n").await;
    for columns in [0, 1, 2, 12] {
        let terminal = Terminal::sized(&home_of(&provider), &["chat", "hello"], (10, columns));
        let (status, screen) = terminal.end().await;
        assert_eq!(status.code(), Some(0), "{columns}: {screen}");
        assert!(screen.contains("\u{1b}[1mbold\u{1b}[0m") && screen.contains("• one"), "{columns}: {screen:?}");
    }
}

#[tokio::test]
async fn a_terminal_that_is_resized_is_filled_as_it_is_by_then() {
    let words = "one two three four five six seven eight";
    let (before, after) = (format!("{words}\n"), format!("{words}\n\n{words}\n"));
    let slow = Answer::text([before.as_str(), after.as_str()]).pace(Duration::from_secs(2)).stream().always();
    let provider = answering([slow]).await;
    let mut terminal = Terminal::sized(&home_of(&provider), &["chat", "hello"], (30, 60));
    terminal.wait_for_lines(&[words]).await;
    terminal.resize(30, 20);
    let narrow = ["one two three four", "five six seven eight"];
    terminal.wait_for_lines(&[narrow[0], narrow[1], "", narrow[0], narrow[1]]).await;
}

#[tokio::test]
async fn what_a_provider_said_before_it_failed_is_seen_whole() {
    let table = "| a | b |\n|---|---|\n| 1 | 2 |\n";
    let provider = answering([Answer::text([table, "never"]).cut_after(1).stream().always()]).await;
    let mut home = home_of(&provider);
    home.env("GREENROOM__FAILOVER__CONTINUATIONS", "0");
    let mut terminal = Terminal::open(&home, &["chat", "hello"]);
    terminal.wait_for_lines(&["a │ b", "──┼──", "1 │ 2"]).await;
    let (status, screen) = terminal.end().await;
    assert_eq!(status.code(), Some(1));
    assert!(screen.contains("incomplete"), "{screen}");
}

#[tokio::test]
async fn nothing_of_an_answer_moves_the_cursor() {
    let evil = "a \u{1b}[2Jb \u{9b}31mc \u{7}d\r\n\u{1b}]0;title\u{7}```\u{1b}[31m\n\u{1b}[1mcode\n";
    let provider = saying(evil).await;
    let (_, screen) = Terminal::open(&home_of(&provider), &["chat", "hello"]).end().await;
    for part in ["\u{1b}[2J", "\u{9b}", "\u{7}", "\u{1b}]", "\u{1b}[31m"] {
        assert!(!screen.contains(part), "{part:?} in {screen:?}");
    }
    assert!(screen.contains("code"), "{screen:?}");
}
