//! The answers on a terminal, as they come: side by side, or one after another where it is too narrow for that.

use std::time::Duration;

use super::{
    answer::Answer,
    layout::{Pane, Place, Shape, compose, fits},
};
use crate::cli::{
    Failure,
    live::{Live, Row},
    output::Output,
    style::{self, Style},
};

/// What of the answers is on the terminal.
#[derive(Debug)]
pub(super) struct Screen {
    style: Style,
    live: Live,
    /// Up to where each answer is in rows that stay.
    places: Vec<Place>,
    titles: Vec<String>,
    /// Whether the titles of those that are shown now are.
    titled: bool,
    /// The one that is shown, once there is no room for columns. A terminal that was too narrow once has no columns any
    /// more: what was shown of each answer by itself can't be told from what is not settled in columns.
    alone: Option<usize>,
}

impl Screen {
    pub(super) fn new(style: Style, titles: Vec<String>) -> Self {
        let places = vec![Place::default(); titles.len()];
        Self { style, live: Live::default(), places, titles, titled: false, alone: None }
    }

    /// Shows the answers as they are now, so long after the question.
    pub(super) fn draw(&mut self, answers: &[Answer], at: Duration, output: &mut Output) -> Result<(), Failure> {
        let (columns, rows) = style::size();
        let (settled, live) = self.rows(answers, at, Shape { columns, rows });
        self.live.draw(output, &settled, &live, columns)
    }

    /// The rows that stay from now on, and those that are to be written over.
    fn rows(&mut self, answers: &[Answer], at: Duration, shape: Shape) -> (Vec<Row>, Vec<Row>) {
        if self.alone.is_none() && !fits(answers.len(), shape.columns) {
            self.alone = Some(0);
            self.titled = false;
        }
        let Some(first) = self.alone else { return self.compose(answers, 0, at, shape) };
        let mut settled = Vec::new();
        for index in first..answers.len() {
            let (rows, live) = self.compose(&answers[index..=index], index, at, shape);
            settled.extend(rows);
            if answers[index].exit().is_none() {
                self.alone = Some(index);
                return (settled, live);
            }
            self.titled = false;
            if index + 1 < answers.len() {
                settled.push(Row::default());
            }
        }
        self.alone = Some(answers.len());
        (settled, Vec::new())
    }

    /// Answers side by side, of which the first has this index.
    fn compose(&mut self, answers: &[Answer], first: usize, at: Duration, shape: Shape) -> (Vec<Row>, Vec<Row>) {
        let statuses: Vec<Option<String>> = answers.iter().map(|answer| answer.status(at)).collect();
        let panes: Vec<Pane<'_>> = answers
            .iter()
            .zip(&statuses)
            .enumerate()
            .map(|(index, (answer, status))| Pane {
                title: &self.titles[first + index],
                pieces: &answer.pieces,
                from: self.places[first + index],
                status: status.as_deref(),
            })
            .collect();
        let composed = compose(&panes, self.titled, shape, self.style);
        self.titled = composed.titled;
        self.places[first..first + composed.places.len()].copy_from_slice(&composed.places);
        (composed.settled, composed.live)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use greenroom::event::EventBody;

    use super::{Screen, Shape};
    use crate::cli::{Exit, compare::answer::Answer, live::Row, style::Style};

    const AT: Duration = Duration::from_secs(1);

    fn said(model: &str, text: &str, is_over: bool) -> Answer {
        let mut answer = Answer::new(model, true);
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
}
