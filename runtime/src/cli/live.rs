//! Rows at the end of a terminal that are written over as long as something is under way.
//!
//! Nothing that is written switches the terminal over (neither its cursor, nor to another screen) but for the time of one
//! write, so that however the program ends there is nothing of that to restore.

use super::{Failure, output::Output};

/// A row of a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) text: String,
    /// How many columns it takes; how it is painted takes none.
    pub(crate) width: usize,
}

/// The rows that are written over.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// How many columns each of them takes.
    shown: Vec<usize>,
}

impl Live {
    /// Writes rows that stay, and below them those that are written over the next time, in place of those of the last
    /// time. Each of them takes fewer than the terminal's `columns`.
    pub(crate) fn draw(
        &mut self,
        output: &mut Output,
        settled: &[Row],
        live: &[Row],
        columns: usize,
    ) -> Result<(), Failure> {
        let bytes = self.bytes(settled, live, columns);
        output.bytes(bytes.as_bytes())
    }

    /// The rows are not to be written over any more: something else may stand below them.
    pub(crate) fn forget(&mut self) {
        self.shown.clear();
    }

    fn bytes(&mut self, settled: &[Row], live: &[Row], columns: usize) -> String {
        let mut bytes = String::from("\r");
        // A terminal that was made narrower has broken rows in two.
        let up: usize = self.shown.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
        if up > 0 {
            bytes.push_str(&format!("\u{1b}[{up}A"));
        }
        let write = |bytes: &mut String, rows: &[Row]| {
            for row in rows {
                bytes.push_str(&row.text);
                bytes.push_str("\u{1b}[K\n");
            }
        };
        write(&mut bytes, settled);
        if !live.is_empty() {
            // Terminals differ in how wide some letters are: a row that turns out to be too long is cut, not broken in two.
            bytes.push_str("\u{1b}[?7l");
            write(&mut bytes, live);
            bytes.push_str("\u{1b}[?7h");
        }
        // What is left of more rows, and what was typed below.
        bytes.push_str("\u{1b}[J");
        self.shown = live.iter().map(|row| row.width).collect();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Live, Row};

    fn rows(rows: &[&str]) -> Vec<Row> {
        rows.iter().map(|row| Row { text: (*row).to_owned(), width: row.len() }).collect()
    }

    #[test]
    fn live_rows_are_written_over_and_settled_ones_stay() {
        let mut live = Live::default();
        let begun = "\r\u{1b}[?7la\u{1b}[K\nb\u{1b}[K\n\u{1b}[?7h\u{1b}[J";
        assert_eq!(live.bytes(&[], &rows(&["a", "b"]), 80), begun);
        let later = "\r\u{1b}[2Aa\u{1b}[K\n\u{1b}[?7lc\u{1b}[K\n\u{1b}[?7h\u{1b}[J";
        assert_eq!(live.bytes(&rows(&["a"]), &rows(&["c"]), 80), later);
        assert_eq!(live.bytes(&rows(&["d"]), &[], 80), "\r\u{1b}[1Ad\u{1b}[K\n\u{1b}[J");
        assert_eq!(live.bytes(&[], &[], 80), "\r\u{1b}[J");
    }

    #[test]
    fn rows_that_a_narrower_terminal_broke_are_all_written_over() {
        let mut live = Live::default();
        live.bytes(&[], &rows(&["0123456789", ""]), 80);
        assert!(live.bytes(&[], &rows(&["x"]), 4).starts_with("\r\u{1b}[4A"));
    }
}
