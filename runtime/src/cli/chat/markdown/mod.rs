//! Markdown on a terminal, styled as it streams.
//!
//! A line is known by how it begins ([`line`]), its text by what is closed within its paragraph ([`inline`]); words are put
//! on lines of the terminal ([`layout`]), and tables are aligned once they are whole ([`table`]). All of it goes by letters
//! and never by the pieces in which they come, so that any split of the same text is shown the same. No more is held back
//! than a line, what is open in a paragraph, or a table, both of these up to a bound. Code is never altered: neither wrapped
//! nor indented.

mod inline;
mod layout;
mod line;
mod style;
mod table;

use std::collections::VecDeque;

pub(in crate::cli) use self::style::{Piece, painted};
use self::{
    inline::Inline,
    layout::Layout,
    line::{Fence, Place, Start, indentation, start},
    style::{Style, push},
    table::Table,
};
use crate::cli::notes::harmless;

const QUOTE: &str = "│ ";
/// In columns: a rule is no longer, however wide the terminal is.
const LONGEST_RULE: usize = 60;

/// A text in Markdown as it comes.
#[derive(Debug, Default)]
pub(in crate::cli) struct Markdown {
    out: Vec<Piece>,
    layout: Layout,
    inline: Inline,
    table: Table,
    /// The beginning of a line of which it is not known what it is.
    held: String,
    state: State,
    line: Line,
    /// The lists that are open, the outermost first.
    lists: Vec<Level>,
    /// How many quotes the last line stood in.
    quotes: usize,
    /// Whether the last line left nothing to go on with: it was blank, or there was none.
    after_blank: bool,
    after_indented: bool,
    /// Whether the last line was of a paragraph, which a line of text goes on with.
    goes_on: bool,
    /// What the lines begin with whose beginning is held back with what is open before them.
    prefixes: VecDeque<Vec<Piece>>,
    code: Option<Fence>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// At a line's beginning.
    #[default]
    Start,
    /// In text.
    Text,
    /// In code.
    Code,
}

/// What is known of the line so far.
#[derive(Debug, Default)]
struct Line {
    quotes: usize,
    /// Columns from the left of what was taken from `held`.
    column: usize,
    /// The mark of the item that it begins.
    mark: Option<String>,
    /// Whether what is open at its end holds in the next one.
    is_of_paragraph: bool,
}

#[derive(Debug)]
struct Level {
    /// Where its marks stand in what was written, in columns.
    column: usize,
    /// Where its text stands on the terminal.
    text: usize,
}

impl Markdown {
    pub(in crate::cli) fn new() -> Self {
        Self { after_blank: true, ..Self::default() }
    }

    /// How wide the terminal is from here on; 0 if that is not known.
    pub(in crate::cli) fn set_columns(&mut self, columns: usize) {
        self.layout.set_columns(columns);
    }

    /// Takes the next part of the text, and gives what can be shown. What a terminal would act upon is taken out of it.
    pub(in crate::cli) fn handle(&mut self, text: &str) -> Vec<Piece> {
        for letter in harmless(text).chars() {
            self.letter(letter);
        }
        std::mem::take(&mut self.out)
    }

    /// The text is over: gives what was held back of it. What comes next is another one.
    pub(in crate::cli) fn finish(&mut self) -> Vec<Piece> {
        let is_begun = !self.held.is_empty() || self.line.mark.is_some() || self.line.quotes > 0;
        if self.state == State::Start && is_begun {
            self.decide(true);
        }
        match self.state {
            State::Start => self.end_paragraph(),
            _ => self.settle(),
        }
        self.end_table();
        self.settle();
        let out = std::mem::take(&mut self.out);
        *self = Self { layout: std::mem::take(&mut self.layout), ..Self::new() };
        self.layout.begin(&[], &[], &mut self.out);
        out
    }

    fn letter(&mut self, letter: char) {
        match (self.state, letter) {
            (State::Start, '\n') => {
                self.decide(true);
                match self.state {
                    State::Start => {}
                    _ => self.end_line(),
                }
            }
            (State::Start, letter) => {
                self.held.push(letter);
                self.decide(false);
            }
            (_, '\n') => self.end_line(),
            (State::Text, letter) => self.speak(|inline, show| inline.letter(letter, show)),
            (State::Code, letter) => push(&mut self.out, letter.encode_utf8(&mut [0; 4]), Style::CODE),
        }
    }

    /// Puts on lines what the text is known to say.
    fn speak<T>(&mut self, speak: impl FnOnce(&mut Inline, &mut dyn FnMut(&str, Style)) -> T) -> T {
        let Self { inline, layout, out, prefixes, .. } = self;
        speak(inline, &mut |text, style| {
            for (number, line) in text.split('\n').enumerate() {
                if number > 0 {
                    layout.end(out);
                    // There is none yet where the next line has not begun.
                    if let Some(prefix) = prefixes.pop_front() {
                        layout.begin(&prefix, &prefix, out);
                    }
                }
                layout.text(line, style, out);
            }
        })
    }

    fn settle(&mut self) {
        self.speak(|inline, show| inline.end(show));
        self.layout.settle(&mut self.out);
    }

    /// Between two lines: the next one is not of the same paragraph, so what is open means itself.
    fn end_paragraph(&mut self) {
        self.goes_on = false;
        if self.speak(|inline, show| inline.end(show)) {
            self.layout.end(&mut self.out);
        }
        debug_assert!(self.prefixes.is_empty(), "each was for a line that is shown");
    }

    fn end_line(&mut self) {
        match self.state {
            State::Code => push(&mut self.out, "\n", Style::PLAIN),
            _ if self.line.is_of_paragraph => {
                self.goes_on = true;
                self.speak(|inline, show| inline.letter('\n', show));
            }
            _ => {
                self.settle();
                self.layout.end(&mut self.out);
            }
        }
        self.next_line();
    }

    fn next_line(&mut self) {
        self.state = State::Start;
        self.quotes = self.line.quotes;
        self.line = Line::default();
        self.held.clear();
    }

    /// Goes by what is held of a line's beginning, as far as that says what it is.
    fn decide(&mut self, is_whole: bool) {
        loop {
            if let Some(fence) = self.code.clone() {
                return self.decide_code(&fence, is_whole);
            }
            let may_be_indented =
                self.lists.is_empty() && self.line.mark.is_none() && (self.after_blank || self.after_indented);
            let place = Place { may_be_indented, is_item: self.line.mark.is_some() };
            let Some(start) = start(&self.held, is_whole, place) else { return };
            let goes_on = start == Start::Row && self.line.quotes == self.quotes;
            if !goes_on && !matches!(start, Start::Quote(_)) {
                self.end_table();
            }
            match start {
                Start::Quote(length) => {
                    self.line.quotes += 1;
                    self.take(length);
                    if self.line.quotes > self.quotes {
                        self.end_paragraph();
                        self.lists.clear();
                        self.after_blank = true;
                    }
                }
                Start::Item { indent, mark, length } => {
                    self.end_paragraph();
                    if let Some(outer) = &self.line.mark {
                        // An item in an item's first line.
                        let mut line = self.prefix();
                        push(&mut line, &format!("{outer}\n"), Style::PLAIN);
                        line.iter().for_each(|piece| push(&mut self.out, &piece.text, piece.style));
                    }
                    self.open_item(self.line.column + indent, &mark);
                    self.line.mark = Some(mark);
                    self.take(length);
                }
                other => return self.begin(other),
            }
        }
    }

    fn take(&mut self, length: usize) {
        self.line.column += length;
        self.held.drain(..length);
    }

    fn open_item(&mut self, column: usize, mark: &str) {
        self.leave_quotes();
        // What stands at least two columns further in than a mark is its item's, however wide the mark is.
        self.lists.retain(|level| level.column + 2 <= column);
        let outer = self.lists.last().map_or(0, |level| level.text);
        self.lists.push(Level { column, text: outer + mark.chars().count() + 1 });
    }

    /// A list ends where its quote does.
    fn leave_quotes(&mut self) {
        if self.line.quotes < self.quotes {
            self.lists.clear();
            self.quotes = self.line.quotes;
        }
    }

    /// Begins what a line is, now that it is known.
    fn begin(&mut self, start: Start) {
        let held = std::mem::take(&mut self.held);
        if !matches!(start, Start::Text { .. }) {
            self.end_paragraph();
        }
        self.leave_quotes();
        let (after_blank, after_indented) =
            (std::mem::take(&mut self.after_blank), std::mem::take(&mut self.after_indented));
        match start {
            Start::Blank => {
                self.after_blank = true;
                self.after_indented = after_indented;
                match self.line.mark {
                    Some(_) => self.begin_text(Style::PLAIN),
                    None => {
                        push(&mut self.out, QUOTE.repeat(self.line.quotes).trim_end(), Style::DIM);
                        self.state = State::Text;
                    }
                }
            }
            Start::Heading { level, length } => {
                if self.line.mark.is_none() {
                    self.lists.clear();
                }
                self.begin_text(Style { bold: true, underline: level == 1, ..Style::PLAIN });
                held[length..].chars().for_each(|letter| self.letter(letter));
            }
            Start::Rule => {
                self.begin_text(Style::DIM);
                let room = self.layout.room().unwrap_or(LONGEST_RULE);
                push(&mut self.out, &"─".repeat(room.clamp(1, LONGEST_RULE)), Style::DIM);
                self.lists.clear();
            }
            Start::Fence(fence) => {
                if self.line.mark.is_some() {
                    self.begin_text(Style::PLAIN);
                    push(&mut self.out, "\n", Style::PLAIN);
                    self.line.mark = None;
                }
                self.begin_code();
                push(&mut self.out, &held[indentation(&held).1..], Style::DIM);
                self.code = Some(fence.further_in(self.line.column));
            }
            Start::Row => self.row(held),
            Start::Indented => {
                self.after_indented = true;
                self.begin_code();
                push(&mut self.out, &held, Style::CODE);
            }
            Start::Text { indent, length } => {
                // Without a blank line between, it is the item's, however far out it stands.
                self.leave_lists(self.line.column + indent, !after_blank);
                match std::mem::take(&mut self.goes_on) {
                    true => self.go_on(),
                    false => self.begin_text(Style::PLAIN),
                }
                self.line.is_of_paragraph = true;
                let is_indented = self.lists.is_empty() && self.line.mark.is_none();
                held[if is_indented { 0 } else { length }..].chars().for_each(|letter| self.letter(letter));
            }
            Start::Quote(_) | Start::Item { .. } => unreachable!("the caller takes them"),
        }
    }

    /// Leaves the lists that a line is not in which stands so many columns in, all of them unless that `may_be_lazy`.
    fn leave_lists(&mut self, column: usize, may_be_lazy: bool) {
        if self.line.mark.is_some() {
            return;
        }
        match self.lists.iter().rposition(|level| column >= level.column + 2) {
            Some(level) => self.lists.truncate(level + 1),
            None if may_be_lazy => {}
            None => self.lists.clear(),
        }
    }

    /// What a line begins with before its own text: quotes, and the indent of the list that it is in.
    fn prefix(&self) -> Vec<Piece> {
        let mut prefix = Vec::new();
        push(&mut prefix, &QUOTE.repeat(self.line.quotes), Style::DIM);
        let outer = self.lists.len().checked_sub(2).map_or(0, |at| self.lists[at].text);
        let indent = match &self.line.mark {
            Some(_) => outer,
            None => self.lists.last().map_or(0, |level| level.text),
        };
        push(&mut prefix, &" ".repeat(indent), Style::PLAIN);
        prefix
    }

    fn begin_text(&mut self, style: Style) {
        let mut first = self.prefix();
        let mut hanging = first.clone();
        if let Some(mark) = &self.line.mark {
            push(&mut first, &format!("{mark} "), Style::PLAIN);
            push(&mut hanging, &" ".repeat(mark.chars().count() + 1), Style::PLAIN);
        }
        self.layout.begin(&first, &hanging, &mut self.out);
        self.inline.begin(style);
        self.state = State::Text;
    }

    /// Begins a line in which the text of the last one goes on.
    fn go_on(&mut self) {
        let prefix = self.prefix();
        match self.inline.is_holding() {
            true => self.prefixes.push_back(prefix),
            false => self.layout.begin(&prefix, &prefix, &mut self.out),
        }
        self.state = State::Text;
    }

    fn begin_code(&mut self) {
        push(&mut self.out, &QUOTE.repeat(self.line.quotes), Style::DIM);
        self.state = State::Code;
    }

    /// A line in code: its end, or code.
    fn decide_code(&mut self, fence: &Fence, is_whole: bool) {
        // Within a quote each line has its marks before it, and the code ends where the quote does.
        while self.line.quotes < self.quotes {
            match start(&self.held, is_whole, Place::default()) {
                None => return,
                Some(Start::Quote(length)) => {
                    self.line.quotes += 1;
                    self.held.drain(..length);
                }
                Some(_) => {
                    self.code = None;
                    return self.decide(is_whole);
                }
            }
        }
        let Some(ends) = fence.ends(&self.held, is_whole) else { return };
        let (columns, length) = indentation(&self.held);
        if !ends && length == self.held.len() && columns < fence.indent && !is_whole {
            return;
        }
        let held = std::mem::take(&mut self.held);
        self.begin_code();
        if ends {
            self.code = None;
            self.after_blank = true;
            push(&mut self.out, &held[length..], Style::DIM);
        } else {
            // What its fence is set in by is not the code's own.
            let own = held.bytes().take(fence.indent).take_while(|byte| *byte == b' ').count();
            push(&mut self.out, &held[own..], Style::CODE);
        }
    }

    /// A row of a table, whole.
    fn row(&mut self, row: String) {
        if self.table.is_empty() {
            self.leave_lists(self.line.column + indentation(&row).0, false);
        }
        match self.table.take(row) {
            Ok(()) => {
                if self.table.is_full() {
                    self.show_table();
                }
            }
            Err(mut rows) => {
                let last = rows.pop().unwrap_or_default();
                rows.iter().for_each(|row| self.text_line(row));
                // It may be the head of another.
                let _first = self.table.take(last);
            }
        }
        self.next_line();
    }

    /// A line of text as it was written.
    fn text_line(&mut self, text: &str) {
        self.begin_text(Style::PLAIN);
        text.trim_start().chars().for_each(|letter| self.letter(letter));
        self.settle();
        self.layout.end(&mut self.out);
        self.state = State::Start;
    }

    fn end_table(&mut self) {
        if self.table.is_empty() {
            return;
        }
        let line = std::mem::take(&mut self.line);
        self.line.quotes = self.quotes;
        match self.table.no_table() {
            Some(row) => self.text_line(&row),
            None => self.show_table(),
        }
        self.table = Table::default();
        self.line = line;
    }

    fn show_table(&mut self) {
        let prefix = self.prefix();
        let room = self.layout.columns().map(|columns| columns.saturating_sub(layout::width(&prefix)));
        let room = if self.layout.is_narrow() { Some(0) } else { room };
        let left = self.table.show(room, &prefix, &mut self.out);
        left.iter().for_each(|row| self.text_line(row));
    }
}

#[cfg(test)]
mod tests;
