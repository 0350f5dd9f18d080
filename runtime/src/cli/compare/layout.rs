//! Answers side by side in rows of a terminal: which rows stay as they are, and which are still to be written over.

use crate::cli::{
    live::Row,
    style::{Paint, Style},
    wrap::{width_of, wrap},
};

/// The fewest columns of the terminal in which an answer can be read.
const NARROWEST: usize = 24;
/// Between two answers.
const GAP: &str = " │ ";
const GAP_WIDTH: usize = 3;

/// A part of what is shown of an answer, which begins on a row of its own. An empty one is an empty row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) paint: Paint,
    pub(super) text: String,
}

/// A place in the pieces of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    piece: usize,
    byte: usize,
}

impl Place {
    /// Whether nothing is left behind it.
    pub(super) fn is_end_of(self, pieces: &[Piece]) -> bool {
        pieces.get(self.piece).is_none_or(|piece| !piece.text.is_empty() && piece.text.len() == self.byte)
    }
}

/// An answer as it is to be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pane<'a> {
    pub(super) title: &'a str,
    pub(super) pieces: &'a [Piece],
    /// What is before this stays in rows above.
    pub(super) from: Place,
    /// What the model thinks, of which the last lines are seen as long as that may be written over; empty if that is not shown.
    pub(super) thinking: &'a str,
    /// How far it is; none once all of it is there.
    pub(super) status: Option<&'a str>,
}

/// Lines of what a model thinks. More of them would push away what stood on the terminal before, for something that is not
/// kept.
const MOST_THOUGHT: usize = 6;
/// In bytes: what is further back than this, and before the end of a line, is not looked at for the last ones.
const THOUGHT_LOOKED_AT: usize = 4096;

/// How large a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// Rows to show.
#[derive(Debug, Default)]
pub(super) struct Composed {
    /// Those that stay.
    pub(super) settled: Vec<Row>,
    /// Those below, which are written over the next time: fewer than the terminal has.
    pub(super) live: Vec<Row>,
    /// Up to where each answer is in rows that stay.
    pub(super) places: Vec<Place>,
    /// Whether the titles are.
    pub(super) titled: bool,
}

/// Part of a row.
#[derive(Debug, Clone)]
struct Cell {
    paint: Paint,
    text: String,
    /// Behind it.
    next: Place,
}

/// Whether so many answers can be read side by side.
pub(super) fn fits(answers: usize, columns: usize) -> bool {
    width(answers, columns) >= NARROWEST
}

/// The columns of each. The last one of the terminal stays free: some begin a new row once it is written.
fn width(answers: usize, columns: usize) -> usize {
    columns.saturating_sub(1 + GAP_WIDTH * (answers - 1)) / answers
}

/// Shows answers side by side; `titled` if their titles are in a row that stays. As long as all fits no row is settled;
/// then as few as needed, and none that may still change. What is left of an answer that is far ahead of another is shown
/// by its end, and settled later. Once all have ended, all of it is settled.
///
/// # Panics
/// If there is no answer.
pub(super) fn compose(panes: &[Pane<'_>], titled: bool, shape: Shape, style: Style) -> Composed {
    let width = width(panes.len(), shape.columns).max(2);
    let titles = titles(panes, width);
    let cells: Vec<Vec<Cell>> = panes.iter().map(|pane| cells(pane, width)).collect();
    let is_over = panes.iter().all(|pane| pane.status.is_none());
    let rows = |pane: &Pane<'_>, cells: &Vec<Cell>| cells.len() + usize::from(pane.status.is_some());
    let needed = panes.iter().zip(&cells).map(|(pane, cells)| rows(pane, cells)).max().unwrap_or_default();
    // One row is for the cursor.
    let room = shape.rows.saturating_sub(1 + titles.len()).max(1);
    let settle = match is_over {
        true => needed,
        false => {
            // The last line of an answer that goes on may change, and what was never written has no place.
            let final_of = |pane: &Pane<'_>, cells: &Vec<Cell>| match pane.status {
                Some(_) => cells.len().saturating_sub(1),
                None => usize::MAX,
            };
            let are_final = panes.iter().zip(&cells).map(|(pane, cells)| final_of(pane, cells)).min();
            needed.saturating_sub(room).min(are_final.unwrap_or_default())
        }
    };
    let draw = Draw { width, style };
    let mut composed = Composed { titled, ..Composed::default() };
    if !titled && (settle > 0 || is_over) {
        composed.settled.extend(draw.rows(&titles));
        composed.titled = true;
    }
    let settled: Vec<Vec<Cell>> = cells.iter().map(|cells| cells[..settle.min(cells.len())].to_vec()).collect();
    composed.settled.extend(draw.rows(&across(&settled)));
    let last = |(pane, cells): (&Pane<'_>, &Vec<Cell>)| cells.last().map_or(pane.from, |cell| cell.next);
    composed.places = panes.iter().zip(&settled).map(last).collect();
    if !is_over {
        let rest =
            |(pane, cells): (&Pane<'_>, &Vec<Cell>)| window(pane, &cells[settle.min(cells.len())..], room, width);
        let rest: Vec<Vec<Cell>> = panes.iter().zip(&cells).map(rest).collect();
        let rows = shape.rows.saturating_sub(1);
        composed.live.extend(draw.rows(&titles).into_iter().chain(draw.rows(&across(&rest))).take(rows));
    }
    composed
}

/// The titles, and a rule below.
fn titles(panes: &[Pane<'_>], width: usize) -> Vec<Vec<Option<Cell>>> {
    let cell = |paint, text: &str| Cell { paint, text: text.to_owned(), next: Place::default() };
    let lines = |pane: &Pane<'_>| wrap(pane.title, width).iter().map(|line| cell(Paint::Bold, line.text)).collect();
    let mut rows = across(&panes.iter().map(lines).collect::<Vec<_>>());
    rows.push(panes.iter().map(|_| Some(cell(Paint::Dim, &"─".repeat(width)))).collect());
    rows
}

/// The lines of an answer behind what is settled.
fn cells(pane: &Pane<'_>, width: usize) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    for (index, piece) in pane.pieces.iter().enumerate().skip(pane.from.piece) {
        let from = if index == pane.from.piece { pane.from.byte } else { 0 };
        let rest = piece.text[from..].trim_end();
        if rest.is_empty() && !piece.text.is_empty() {
            continue;
        }
        let lines = wrap(rest, width);
        let last = lines.len() - 1;
        cells.extend(lines.into_iter().enumerate().map(|(number, line)| Cell {
            paint: piece.paint,
            text: line.text.to_owned(),
            next: match number == last && index + 1 < pane.pieces.len() {
                true => Place { piece: index + 1, byte: 0 },
                false => Place { piece: index, byte: from + line.next },
            },
        }));
    }
    cells
}

/// What is seen of lines where there is room for so many.
fn window(pane: &Pane<'_>, lines: &[Cell], room: usize, width: usize) -> Vec<Cell> {
    let beside = |text: &str| {
        let fitting = wrap(text, width)[0].text.to_owned();
        Cell { paint: Paint::Dim, text: fitting, next: Place::default() }
    };
    let status = pane.status.map(beside);
    let for_lines = room.saturating_sub(usize::from(status.is_some()));
    let thought = thought(pane, for_lines.saturating_sub(lines.len()).min(MOST_THOUGHT), width);
    let mut seen = match lines.len() > for_lines {
        false => lines.to_vec(),
        true => {
            let kept = for_lines.saturating_sub(1);
            let left_out = lines.len() - kept;
            let mut seen = vec![beside(&format!("⋮ {left_out} more above"))];
            seen.extend_from_slice(&lines[left_out..]);
            seen
        }
    };
    seen.extend(thought);
    seen.extend(status);
    seen
}

/// The last lines of what a model thinks, as many as there is room for.
fn thought(pane: &Pane<'_>, room: usize, width: usize) -> Vec<Cell> {
    if room == 0 || pane.status.is_none() {
        return Vec::new();
    }
    let all = pane.thinking.trim();
    let near = all.len().saturating_sub(THOUGHT_LOOKED_AT);
    let from = all.as_bytes()[..near].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut lines = wrap(&all[from..], width);
    lines.drain(..lines.len().saturating_sub(room));
    let lines = lines.into_iter().skip_while(|line| line.text.is_empty());
    lines.map(|line| Cell { paint: Paint::Dim, text: line.text.to_owned(), next: Place::default() }).collect()
}

/// Columns as rows.
fn across(columns: &[Vec<Cell>]) -> Vec<Vec<Option<Cell>>> {
    let rows = columns.iter().map(Vec::len).max().unwrap_or_default();
    (0..rows).map(|row| columns.iter().map(|column| column.get(row).cloned()).collect()).collect()
}

#[derive(Clone, Copy)]
struct Draw {
    width: usize,
    style: Style,
}

impl Draw {
    fn rows(self, rows: &[Vec<Option<Cell>>]) -> Vec<Row> {
        rows.iter().map(|row| self.row(row)).collect()
    }

    fn row(self, cells: &[Option<Cell>]) -> Row {
        let mut row = Row::default();
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                row.text.push_str(&self.style.paint(Paint::Dim, GAP));
                row.width += GAP_WIDTH;
            }
            let (paint, text) = cell.as_ref().map_or((Paint::Plain, ""), |cell| (cell.paint, cell.text.as_str()));
            // Letters can be joined without end; one that no column has room for is not shown.
            let text = if width_of(text) > self.width { "\u{fffd}" } else { text };
            row.text.push_str(&self.style.paint(paint, text));
            let taken = width_of(text);
            row.width += taken;
            if index + 1 < cells.len() {
                let padding = self.width.saturating_sub(taken);
                row.text.push_str(&" ".repeat(padding));
                row.width += padding;
            }
        }
        row
    }
}
