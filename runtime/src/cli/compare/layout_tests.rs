use proptest::prelude::*;

use super::layout::{Composed, Pane, Piece, Place, Shape, compose, fits};
use crate::cli::{
    live::Row,
    style::{Paint, Style},
};

fn piece(text: &str) -> Piece {
    Piece { paint: Paint::Plain, text: text.to_owned() }
}

fn texts(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.text.as_str()).collect()
}

fn shown(panes: &[Pane<'_>], shape: (usize, usize)) -> Composed {
    compose(panes, false, Shape { columns: shape.0, rows: shape.1 }, Style::Lines)
}

fn pane<'a>(title: &'a str, pieces: &'a [Piece], status: Option<&'a str>) -> Pane<'a> {
    Pane { title, pieces, from: Place::default(), thinking: "", status }
}

#[test]
fn answers_stand_side_by_side_below_their_models() {
    let (left, right) = ([piece("a few words more")], [piece("one\ntwo"), piece(""), piece("1 s")]);
    let panes = [pane("lab/a", &left, Some("2 s")), pane("lab/b", &right, None)];
    let composed = shown(&panes, (24, 20));
    assert!(composed.settled.is_empty() && !composed.titled);
    let expected = [
        "lab/a      │ lab/b",
        "────────── │ ──────────",
        "a few      │ one",
        "words more │ two",
        "2 s        │ ",
        "           │ 1 s",
    ];
    assert_eq!(texts(&composed.live), expected);
}

#[test]
fn what_outgrows_the_screen_is_settled_as_far_as_it_is_final() {
    let (left, right) = ([piece("1\n2\n3\n4\n5\n6")], [piece("a\nb\nc")]);
    let panes = [pane("x", &left, Some("…")), pane("y", &right, Some("…"))];
    let composed = shown(&panes, (20, 7));
    assert_eq!(texts(&composed.settled), ["x        │ y", "──────── │ ────────", "1        │ a", "2        │ b"]);
    let live = ["x        │ y", "──────── │ ────────", "⋮ 2 more │ c", "5        │ …", "6        │ ", "…        │ "];
    assert_eq!(texts(&composed.live), live);
    // Once both have ended, the rest follows.
    let rest: Vec<Pane<'_>> =
        panes.iter().zip(&composed.places).map(|(pane, from)| Pane { from: *from, status: None, ..*pane }).collect();
    let over = compose(&rest, true, Shape { columns: 20, rows: 7 }, Style::Lines);
    assert_eq!(texts(&over.settled), ["3        │ c", "4        │ ", "5        │ ", "6        │ "]);
    assert!(over.live.is_empty());
}

#[test]
fn white_space_at_the_end_of_an_answer_takes_no_row() {
    let pieces = [piece("text\n\n  \n"), piece(""), piece("foot")];
    let composed = shown(&[pane("x", &pieces, None), pane("y", &[piece("other")], None)], (20, 10));
    let expected = ["x        │ y", "──────── │ ────────", "text     │ other", "         │ ", "foot     │ "];
    assert_eq!(texts(&composed.settled), expected);
}

#[test]
fn the_last_thoughts_are_seen_as_long_as_there_is_room_and_never_settled() {
    let (none, words) = ([], [piece("1\n2\n3\n4\n5")]);
    let thinking = "first\nsecond\n\nthird\n4th\n5th\n6th\n7th\n";
    let thinks = Pane { thinking, ..pane("x", &none, Some("…")) };
    let side = |composed: &Composed| -> Vec<String> {
        composed.live[2..].iter().filter_map(|row| Some(row.text.split_once('│')?.0.trim().to_owned())).collect()
    };
    let composed = shown(&[thinks, pane("y", &words, None)], (20, 30));
    assert_eq!(side(&composed), ["third", "4th", "5th", "6th", "7th", "…"]);
    // The other column has only so much.
    let composed = shown(&[thinks, pane("y", &words, None)], (20, 7));
    assert!(composed.settled.is_empty());
    assert_eq!(side(&composed), ["5th", "6th", "7th", "…"]);
    let over = shown(&[Pane { status: None, ..thinks }, pane("y", &words, None)], (20, 30));
    assert!(!over.settled.iter().any(|row| row.text.contains("th")), "{over:?}");
}

#[test]
fn a_terminal_that_is_too_narrow_has_no_columns() {
    assert!(fits(2, 80) && fits(3, 80) && !fits(4, 80));
    assert!(fits(1, 80) && !fits(2, 40));
}

/// Shows answers that grow piece by piece, as a terminal that is resized meanwhile does, and gives all rows that stayed.
fn played(answers: &[Vec<String>], shapes: &[(usize, usize)]) -> Result<Vec<String>, TestCaseError> {
    let count = answers.len();
    let steps = answers.iter().map(Vec::len).max().unwrap_or_default();
    let mut pieces: Vec<Vec<Piece>> = vec![vec![piece("")]; count];
    let (mut places, mut titled, mut rows) = (vec![Place::default(); count], false, Vec::new());
    for step in 0..=steps {
        for (pieces, deltas) in pieces.iter_mut().zip(answers) {
            if let Some(delta) = deltas.get(step) {
                pieces[0].text.push_str(delta);
            } else if step == deltas.len() {
                pieces.push(piece("foot"));
            }
        }
        let panes: Vec<Pane<'_>> = (0..count)
            .map(|at| Pane {
                title: "t",
                pieces: &pieces[at],
                from: places[at],
                thinking: "",
                status: (step < answers[at].len()).then_some("…"),
            })
            .collect();
        let (columns, high) = shapes[step % shapes.len()];
        let composed = compose(&panes, titled, Shape { columns, rows: high }, Style::Lines);
        prop_assert!(composed.live.len() < high, "{:?} in {high}", composed.live);
        for row in composed.settled.iter().chain(&composed.live) {
            prop_assert!(row.width < columns, "{row:?} in {columns}");
        }
        let from = if composed.titled && !titled { 2 } else { 0 };
        rows.extend(composed.settled[from..].iter().map(|row| row.text.clone()));
        (places, titled) = (composed.places, composed.titled);
    }
    Ok(rows)
}

fn answer() -> impl Strategy<Value = Vec<String>> {
    let word = prop_oneof![
        Just("word "),
        Just("\n"),
        Just("\n\n"),
        Just("much-longer-than-a-line-of-a-narrow-column "),
        Just("日本語"),
        Just("  "),
        Just("x"),
    ];
    let delta = proptest::collection::vec(word, 0..12).prop_map(|words| words.concat());
    proptest::collection::vec(delta, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_letter_stays_once_and_in_its_column(
        answers in proptest::collection::vec(answer(), 1..4),
        shapes in proptest::collection::vec((100usize..140, 4usize..30), 1..4),
    ) {
        let rows = played(&answers, &shapes)?;
        for (at, answer) in answers.iter().enumerate() {
            let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
            let of_column = |row: &String| letters(row.split('│').nth(at).unwrap_or_default());
            let kept: String = rows.iter().map(of_column).collect();
            prop_assert_eq!(kept, letters(&answer.concat()) + "foot");
        }
    }
}
