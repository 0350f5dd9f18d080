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
    /// Whether the terminal is too narrow for columns, so that one answer is shown at a time.
    is_narrow: bool,
    /// The first that is not over in rows that stay. Those before it have no column any more.
    first: usize,
}

impl Screen {
    pub(super) fn new(style: Style, titles: Vec<String>) -> Self {
        let places = vec![Place::default(); titles.len()];
        Self { style, live: Live::default(), places, titles, titled: false, is_narrow: false, first: 0 }
    }

    /// What was drawn stays where it is, and what comes stands below it.
    pub(super) fn leave_behind(&mut self) {
        self.live.forget();
    }

    /// Shows the answers as they are now, so long after the question.
    pub(super) fn draw(&mut self, answers: &[Answer], at: Duration, output: &mut Output) -> Result<(), Failure> {
        let (columns, rows) = style::size();
        let (settled, live) = self.rows(answers, at, Shape { columns, rows });
        self.live.draw(output, &settled, &live, columns)
    }

    /// The rows that stay from now on, and those that are to be written over.
    fn rows(&mut self, answers: &[Answer], at: Duration, shape: Shape) -> (Vec<Row>, Vec<Row>) {
        let mut settled = Vec::new();
        let is_narrow = !fits(answers.len(), shape.columns);
        if is_narrow != self.is_narrow {
            self.is_narrow = is_narrow;
            // What is in rows of the other form goes on below them, under titles of its own.
            if std::mem::take(&mut self.titled) {
                settled.push(Row::default());
            }
        }
        if !is_narrow {
            let first = self.first;
            if first == answers.len() {
                return (settled, Vec::new());
            }
            let (rows, live) = self.compose(&answers[first..], first, at, shape);
            settled.extend(rows);
            return (settled, live);
        }
        for index in self.first..answers.len() {
            let is_over = answers[index].exit().is_some();
            if !(is_over && self.places[index].is_end_of(&answers[index].pieces)) {
                let (rows, live) = self.compose(&answers[index..=index], index, at, shape);
                settled.extend(rows);
                if !is_over {
                    self.first = index;
                    return (settled, live);
                }
                if index + 1 < answers.len() {
                    settled.push(Row::default());
                }
            }
            self.titled = false;
        }
        self.first = answers.len();
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
                thinking: answer.thinking(),
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
#[path = "screen_tests.rs"]
mod tests;
