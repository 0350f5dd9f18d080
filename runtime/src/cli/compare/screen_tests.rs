use std::time::Duration;

use greenroom::event::EventBody;
use proptest::prelude::*;

use super::{Screen, Shape};
use crate::cli::{
    Exit,
    compare::answer::{Answer, Audience},
    live::Row,
    style::Style,
};

const AT: Duration = Duration::from_secs(1);

fn said(model: &str, text: &str, is_over: bool) -> Answer {
    let mut answer = Answer::new(model, Audience::Terminal { is_shown_thinking: true });
    answer.take(&EventBody::Text { delta: text.to_owned() }, AT);
    if is_over {
        answer.end(Ok(Exit::Interrupted), AT);
    }
    answer
}

fn text(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("{}\n", row.text)).collect()
}

fn screen() -> Screen {
    Screen::new(Style::Lines, vec!["a".to_owned(), "b".to_owned()])
}

#[test]
fn a_narrow_terminal_has_one_answer_after_the_other() {
    let mut screen = screen();
    let narrow = Shape { columns: 30, rows: 10 };
    let (settled, live) = screen.rows(&[said("a", "one", false), said("b", "two", true)], AT, narrow);
    assert!(settled.is_empty() && text(&live).contains("one") && !text(&live).contains("two"), "{live:?}");
    let (settled, live) = screen.rows(&[said("a", "one", true), said("b", "two", true)], AT, narrow);
    assert!(live.is_empty());
    let text = text(&settled);
    assert!(text.starts_with(&format!("a\n{}\none\n\n", "─".repeat(29))), "{text}");
    assert!(text.contains(&format!("\n\nb\n{}\ntwo\n", "─".repeat(29))), "{text}");
    assert_eq!(text.matches("one").count(), 1);
    let (settled, live) = screen.rows(&[said("a", "one", true), said("b", "two", true)], AT, narrow);
    assert!(settled.is_empty() && live.is_empty());
}

#[test]
fn a_terminal_that_becomes_too_narrow_is_shown_the_rest_of_each_answer() {
    let mut screen = screen();
    let long: String = (0..20).map(|number| format!("line{number}.\n")).collect();
    let answers = [said("a", &long, false), said("b", &long, false)];
    let (settled, _) = screen.rows(&answers, AT, Shape { columns: 80, rows: 10 });
    let before = text(&settled);
    let answers = [said("a", &long, true), said("b", &long, true)];
    let (settled, live) = screen.rows(&answers, AT, Shape { columns: 40, rows: 10 });
    assert!(live.is_empty());
    let all = before + &text(&settled);
    for number in 0..20 {
        assert_eq!(all.matches(&format!("line{number}.")).count(), 2, "{number} in {all}");
    }
}

#[test]
fn a_terminal_that_is_wide_again_has_columns_again_with_what_is_left() {
    let mut screen = screen();
    let (narrow, wide) = (Shape { columns: 30, rows: 10 }, Shape { columns: 80, rows: 10 });
    let (settled, _) = screen.rows(&[said("a", "one", false), said("b", "two", false)], AT, narrow);
    assert!(settled.is_empty());
    let (settled, live) = screen.rows(&[said("a", "one", false), said("b", "two", false)], AT, wide);
    assert!(settled.is_empty() && text(&live).contains("one") && text(&live).contains("│ two"), "{live:?}");
    // One that was whole while it was narrow has no column any more.
    screen.rows(&[said("a", "one", true), said("b", "two", false)], AT, narrow);
    let (settled, live) = screen.rows(&[said("a", "one", true), said("b", "two", false)], AT, wide);
    assert!(settled.is_empty() && text(&live).starts_with("b\n") && !text(&live).contains('│'), "{live:?}");
    let (settled, live) = screen.rows(&[said("a", "one", true), said("b", "two", true)], AT, wide);
    assert!(live.is_empty() && text(&settled).starts_with("b\n"), "{settled:?}");
    assert!(screen.rows(&[said("a", "one", true), said("b", "two", true)], AT, wide).0.is_empty());
}

#[test]
fn thinking_is_kept_where_there_is_no_answer_and_nowhere_else() {
    let thinks = || {
        let mut answer = Answer::new("a", Audience::Terminal { is_shown_thinking: true });
        answer.take(&EventBody::Thinking { delta: "pondering\nit".to_owned() }, AT);
        answer
    };
    let (mut silent, mut told) = (thinks(), thinks());
    let shape = Shape { columns: 80, rows: 10 };
    assert!(
        text(&screen().rows(&[thinks(), thinks()], AT, shape).1)
            .contains("it                                     │ it")
    );
    silent.end(Ok(Exit::Interrupted), AT);
    told.take(&EventBody::Text { delta: "words".to_owned() }, AT);
    assert!(!text(&screen().rows(&[thinks(), said("b", "two", false)], AT, shape).0).contains("pondering"));
    told.end(Ok(Exit::Interrupted), AT);
    let all = text(&screen().rows(&[silent, told], AT, shape).0);
    assert_eq!(all.matches("pondering").count(), 1, "{all}");
    assert!(all.contains("pondering ") && all.contains("│ words"), "{all}");
    // A program, and a terminal without colours, have the answer alone.
    let mut plain = Answer::new("a", Audience::Terminal { is_shown_thinking: false });
    plain.take(&EventBody::Thinking { delta: "pondering".to_owned() }, AT);
    plain.end(Ok(Exit::Interrupted), AT);
    assert!(plain.pieces.iter().all(|piece| piece.text != "pondering"), "{plain:?}");
}

/// An answer in pieces, all of whose words are of this letter.
fn answer(letter: char) -> impl Strategy<Value = Vec<String>> {
    let word = (1..9_usize).prop_map(move |length| letter.to_string().repeat(length));
    let part = prop_oneof![4 => word, 2 => Just(" ".to_owned()), 1 => Just("\n".to_owned())];
    let piece = proptest::collection::vec(part, 0..30).prop_map(|parts| parts.concat());
    proptest::collection::vec(piece, 1..8)
}

proptest! {
    #[test]
    fn every_letter_stays_once_however_often_the_terminal_is_resized(
        (first, second, third) in (answer('A'), answer('B'), answer('C')),
        shapes in proptest::collection::vec((prop_oneof![8..60_usize, 80..120_usize], 4..20_usize), 1..6),
    ) {
        let mut screen = Screen::new(Style::Lines, vec!["1".to_owned(), "2".to_owned(), "3".to_owned()]);
        let pieces = [first, second, third];
        let mut answers: Vec<Answer> =
            ["1", "2", "3"].map(|model| Answer::new(model, Audience::Terminal { is_shown_thinking: true })).into();
        let mut stayed = String::new();
        for step in 0..=pieces.iter().map(Vec::len).max().unwrap_or_default() {
            for (answer, pieces) in answers.iter_mut().zip(&pieces) {
                match pieces.get(step) {
                    Some(piece) => answer.take(&EventBody::Text { delta: piece.clone() }, AT),
                    None if answer.exit().is_none() => answer.end(Ok(Exit::Interrupted), AT),
                    None => {}
                }
            }
            let (columns, rows) = shapes[step % shapes.len()];
            let (settled, live) = screen.rows(&answers, AT, Shape { columns, rows });
            prop_assert!(live.len() < rows, "{:?} in {}", live, rows);
            stayed.push_str(&text(&settled));
        }
        for (letter, pieces) in ["A", "B", "C"].iter().zip(&pieces) {
            prop_assert_eq!(stayed.matches(letter).count(), pieces.concat().matches(letter).count(), "{}", stayed);
        }
    }
}
