//! Tables, once they are whole.

use super::{
    inline::show_whole,
    layout::{Layout, width},
    style::{Piece, Style, push},
};

/// In bytes. A table that is longer is shown as far as it has come, and goes on in the same columns.
pub(super) const MOST_HELD: usize = 64 << 10;
/// In columns: a cell that is narrower breaks nearly every word.
const NARROWEST: usize = 6;
const BETWEEN: &str = " │ ";
const CROSSING: &str = "─┼─";

/// Where a cell's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
    Centre,
}

/// Rows as they came.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<String>,
    bytes: usize,
    /// Once a part of it was shown: the columns that it had.
    shown: Option<Columns>,
}

#[derive(Debug, Clone)]
struct Columns {
    aligns: Vec<Align>,
    /// None where there is no room for them side by side.
    widths: Option<Vec<usize>>,
}

impl Table {
    /// Takes a row. One that makes it no table is given back, with what came before.
    pub(super) fn take(&mut self, row: String) -> Result<(), Vec<String>> {
        if self.rows.len() == 1 && self.shown.is_none() && aligns(&row).is_none() {
            return Err(vec![std::mem::take(&mut self.rows).remove(0), row]);
        }
        self.bytes += row.len();
        self.rows.push(row);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.shown.is_none()
    }

    /// Whether it is too long to be held back further.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > MOST_HELD
    }

    /// The one row of what is no table.
    pub(super) fn no_table(&mut self) -> Option<String> {
        (self.rows.len() == 1 && self.shown.is_none()).then(|| self.rows.remove(0))
    }

    /// Shows what there is, each line behind `prefix`, in so many columns at most. Rows that have no room side by side
    /// are given back, to be shown as they were written.
    pub(super) fn show(&mut self, room: Option<usize>, prefix: &[Piece], out: &mut Vec<Piece>) -> Vec<String> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let is_first = self.shown.is_none();
        let cells: Vec<Vec<&str>> =
            rows.iter().enumerate().filter(|(at, _)| !is_first || *at != 1).map(|(_, row)| cells(row)).collect();
        let columns = self.shown.get_or_insert_with(|| {
            let aligns = rows.get(1).and_then(|row| aligns(row)).unwrap_or_default();
            Columns { widths: widths(&cells, room), aligns }
        });
        let Some(widths) = &columns.widths else { return rows };
        for (at, row) in cells.iter().enumerate() {
            let is_head = is_first && at == 0;
            let style = if is_head { Style { bold: true, ..Style::PLAIN } } else { Style::PLAIN };
            show_row(row, columns, widths, style, prefix, out);
            if is_head {
                prefix.iter().for_each(|piece| push(out, &piece.text, piece.style));
                let lines: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
                push(out, &lines.join(CROSSING), Style::DIM);
                push(out, "\n", Style::PLAIN);
            }
        }
        Vec::new()
    }
}

fn show_row(row: &[&str], columns: &Columns, widths: &[usize], style: Style, prefix: &[Piece], out: &mut Vec<Piece>) {
    // What has no column of its own stands in the last one, so that it is not lost.
    let last = widths.len().saturating_sub(1);
    let whole = |at: usize| match row.get(at..) {
        Some(rest) if at == last => rest.join(BETWEEN),
        Some([cell, ..]) => (*cell).to_owned(),
        _ => String::new(),
    };
    let lines: Vec<Vec<Vec<Piece>>> =
        widths.iter().enumerate().map(|(at, width)| lines(&whole(at), *width, style)).collect();
    for line in 0..lines.iter().map(Vec::len).max().unwrap_or_default() {
        prefix.iter().for_each(|piece| push(out, &piece.text, piece.style));
        for (at, room) in widths.iter().enumerate() {
            let cell = lines[at].get(line).map_or(&[][..], Vec::as_slice);
            let left = room.saturating_sub(width(cell));
            let before = match columns.aligns.get(at) {
                Some(Align::Right) => left,
                Some(Align::Centre) => left / 2,
                _ => 0,
            };
            if at > 0 {
                push(out, BETWEEN, Style::DIM);
            }
            push(out, &" ".repeat(before), Style::PLAIN);
            cell.iter().for_each(|piece| push(out, &piece.text, piece.style));
            if at < last {
                push(out, &" ".repeat(left - before), Style::PLAIN);
            }
        }
        push(out, "\n", Style::PLAIN);
    }
}

/// A cell's text in lines of a width.
fn lines(text: &str, width: usize, style: Style) -> Vec<Vec<Piece>> {
    let (mut layout, mut out) = (Layout::of_cell(width.max(1)), Vec::new());
    show_whole(text, style, &mut |text, style| layout.text(text, style, &mut out));
    layout.settle(&mut out);
    let mut lines = vec![Vec::new()];
    for piece in out {
        for (at, part) in piece.text.split('\n').enumerate() {
            if at > 0 {
                lines.push(Vec::new());
            }
            push(lines.last_mut().expect("there is one from the start"), part, piece.style);
        }
    }
    lines
}

/// How wide the columns are; none if they have no room.
fn widths(rows: &[Vec<&str>], room: Option<usize>) -> Option<Vec<usize>> {
    let count = rows.iter().map(Vec::len).max()?;
    let natural = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| width(&pieces(cell))).max().unwrap_or_default().max(1)
    };
    let mut widths: Vec<usize> = (0..count).map(natural).collect();
    let Some(room) = room else { return Some(widths) };
    let mut excess = (widths.iter().sum::<usize>() + 3 * (count - 1)).saturating_sub(room);
    while excess > 0 {
        // The widest gives what it has more than the next, so that narrow ones stay as they are.
        let widest = *widths.iter().max()?;
        if widest <= NARROWEST {
            return None;
        }
        let next = widths.iter().filter(|width| **width < widest).max().copied().unwrap_or_default().max(NARROWEST);
        let same = widths.iter().filter(|width| **width == widest).count();
        let given = (widest - next).min(excess.div_ceil(same));
        widths.iter_mut().filter(|width| **width == widest).for_each(|width| *width -= given);
        excess = excess.saturating_sub(given * same);
    }
    Some(widths)
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    show_whole(text, Style::PLAIN, &mut |text, style| push(&mut pieces, text, style));
    pieces
}

/// The texts of a row.
fn cells(row: &str) -> Vec<&str> {
    let row = row.trim();
    let row = row.strip_prefix('|').unwrap_or(row);
    let (mut cells, mut from, mut at, mut in_code) = (Vec::new(), 0, 0, false);
    let bytes = row.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'`' => in_code = !in_code && row[at + 1..].contains('`'),
            b'|' if !in_code => {
                cells.push(row[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    let last = row[from..].trim();
    if !last.is_empty() {
        cells.push(last);
    }
    cells
}

/// What the row below a table's head says of its columns; none if it is no such row.
fn aligns(row: &str) -> Option<Vec<Align>> {
    let cells = cells(row);
    let align = |cell: &&str| {
        let dashes = cell.trim_matches(':');
        let is_one = !dashes.is_empty() && dashes.bytes().all(|byte| byte == b'-');
        is_one.then_some(match (cell.starts_with(':'), cell.ends_with(':')) {
            (true, true) => Align::Centre,
            (false, true) => Align::Right,
            _ => Align::Left,
        })
    };
    let aligns: Option<Vec<Align>> = cells.iter().map(align).collect();
    aligns.filter(|aligns| !aligns.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Table, cells, widths};

    fn shown(rows: &[&str], room: Option<usize>) -> String {
        let mut table = Table::default();
        rows.iter().for_each(|row| table.take((*row).to_owned()).expect("it is a table"));
        let mut out = Vec::new();
        let left = table.show(room, &[], &mut out);
        left.into_iter().chain(out.into_iter().map(|piece| piece.text)).collect()
    }

    #[test]
    fn columns_are_aligned() {
        let rows = ["| a | n |", "|:--|--:|", "| **long** | 1 |", "| 日本 | 200 |"];
        assert_eq!(shown(&rows, None), "a    │   n\n─────┼────\nlong │   1\n日本 │ 200\n");
    }

    #[test]
    fn wide_cells_are_wrapped() {
        let rows = ["| k | v |", "|---|---|", "| a | one two three |"];
        assert_eq!(shown(&rows, Some(12)), "k │ v\n──┼─────────\na │ one two\n  │ three\n");
        assert_eq!(widths(&[vec!["aaaaaaaaaa", "bbbbbbbbbb"]], Some(10)), None);
    }

    #[test]
    fn cells_end_at_bars_that_are_not_code() {
        assert_eq!(cells(r"| `a|b` | c\|d | |"), ["`a|b`", r"c\|d", ""]);
        assert_eq!(cells("|`a|b|"), ["`a", "b"]);
    }

    #[test]
    fn what_has_no_row_of_dashes_is_no_table() {
        let mut table = Table::default();
        table.take("| a |".to_owned()).expect("it may be one");
        assert_eq!(table.take("| b |".to_owned()), Err(vec!["| a |".to_owned(), "| b |".to_owned()]));
    }
}
