//! How a pull is shown: as rows that change, as lines from time to time, or as JSON.

use std::time::Duration;

use greenroom::PullProgress;
use serde_json::json;

use super::progress::Layer;
use crate::cli::{
    Failure,
    live::{Live, Row},
    notes::one_line,
    output::Output,
    style::{self, Style},
    wrap::{width_of, wrap},
};

/// The time between two lines on a layer where they are not written over.
const INTERVAL: Duration = Duration::from_secs(10);

/// Shows steps.
pub(super) struct Screen {
    output: Output,
    form: Form,
    layers: Vec<Layer>,
}

enum Form {
    Rows {
        live: Live,
        style: Style,
        /// To be told for good with the next picture.
        settled: Vec<String>,
    },
    Lines(Lines),
    Json,
}

impl Screen {
    pub(super) fn new(json: bool, style: Style) -> Self {
        let form = match (json, style.writes_over()) {
            (true, _) => Form::Json,
            (false, true) => Form::Rows { live: Live::default(), style, settled: Vec::new() },
            (false, false) => Form::Lines(Lines::default()),
        };
        Self { output: Output::new(), form, layers: Vec::new() }
    }

    /// Takes the next step, which came so long after the start.
    pub(super) fn take(&mut self, step: &PullProgress, at: Duration) -> Result<(), Failure> {
        if let PullProgress::Layer { digest, total, completed } = step {
            self.layer(digest).take(*total, *completed, at);
        }
        match (&mut self.form, step) {
            (Form::Json, _) => self.output.json(step),
            (Form::Rows { settled, .. }, PullProgress::Step { status }) => {
                let status = one_line(status);
                if settled.last() != Some(&status) {
                    settled.push(status);
                }
                Ok(())
            }
            (Form::Rows { .. }, PullProgress::Layer { .. }) => Ok(()),
            (Form::Lines(lines), _) => match lines.next(step, &self.layers, at) {
                Some(line) => self.output.line(&line),
                None => Ok(()),
            },
        }
    }

    /// Writes anew what changes, as it is at this time.
    pub(super) fn draw(&mut self, at: Duration) -> Result<(), Failure> {
        self.picture(at, false)
    }

    /// Nothing changes any more; what was shown stays.
    pub(super) fn end(&mut self, at: Duration) -> Result<(), Failure> {
        self.picture(at, true)
    }

    fn picture(&mut self, at: Duration, is_over: bool) -> Result<(), Failure> {
        let Form::Rows { live, style, settled } = &mut self.form else { return Ok(()) };
        let (columns, rows) = style::size();
        let mut stay: Vec<Row> = settled.drain(..).flat_map(|line| wrapped(&line, columns)).collect();
        let mut changing: Vec<Row> = Vec::new();
        for layer in self.layers.iter_mut().filter(|layer| !layer.is_settled) {
            let row = layer.row(at, columns, *style);
            layer.is_settled = layer.is_complete() || is_over;
            if layer.is_settled { &mut stay } else { &mut changing }.push(row);
        }
        let seen = changing.len().saturating_sub(rows.saturating_sub(1));
        live.draw(&mut self.output, &stay, &changing[seen..], columns)
    }

    pub(super) fn done(&mut self, model: &str) -> Result<(), Failure> {
        if let Form::Json = self.form {
            return self.output.json(&json!({"type": "done", "model": model}));
        }
        self.output.line(&format!("{} is there", one_line(model)))
    }

    pub(super) fn cancelled(&mut self, model: &str) -> Result<(), Failure> {
        match self.form {
            Form::Json => self.output.json(&json!({"type": "cancelled", "model": model})),
            _ => Ok(()),
        }
    }

    fn layer(&mut self, digest: &str) -> &mut Layer {
        let index = self.layers.iter().position(|layer| layer.is(digest)).unwrap_or_else(|| {
            self.layers.push(Layer::new(digest));
            self.layers.len() - 1
        });
        &mut self.layers[index]
    }
}

/// Tells steps where lines are not written over.
#[derive(Debug, Default)]
struct Lines {
    last: String,
    /// When it was told last how far a layer is.
    told: Duration,
}

impl Lines {
    /// The line to tell at a step, if it is to be told.
    fn next(&mut self, step: &PullProgress, layers: &[Layer], at: Duration) -> Option<String> {
        let line = match step {
            PullProgress::Step { status } => one_line(status),
            PullProgress::Layer { digest, .. } => {
                let layer = layers.iter().find(|layer| layer.is(digest))?;
                let begun = format!("fetching {}", layer.name());
                let is_new = !self.last.starts_with(&begun);
                if !is_new && at < self.told + INTERVAL {
                    return None;
                }
                self.told = at;
                if is_new { begun } else { layer.line(at) }
            }
        };
        (line != self.last).then(|| {
            self.last.clone_from(&line);
            line
        })
    }
}

fn wrapped(text: &str, columns: usize) -> Vec<Row> {
    let lines = wrap(text, columns.saturating_sub(1).max(2));
    lines.iter().map(|line| Row { text: line.text.to_owned(), width: width_of(line.text) }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use greenroom::PullProgress;

    use super::{Layer, Lines};

    #[test]
    fn a_layer_is_told_of_as_it_begins_and_every_ten_seconds() {
        let mut lines = Lines::default();
        let mut layers = vec![Layer::new("sha256:aa")];
        let mut told = Vec::new();
        for second in 0..25 {
            let completed = second * 1_000_000;
            let step = PullProgress::Layer { digest: "sha256:aa".to_owned(), total: Some(40_000_000), completed };
            let at = Duration::from_secs(second);
            layers[0].take(Some(40_000_000), completed, at);
            told.extend(lines.next(&step, &layers, at));
        }
        for _ in 0..2 {
            let step = PullProgress::Step { status: "verifying".to_owned() };
            told.extend(lines.next(&step, &layers, Duration::from_secs(25)));
        }
        let expected = [
            "fetching sha256:aa",
            "fetching sha256:aa 25%, 10.0 MB of 40.0 MB, 1.0 MB/s, 30s left",
            "fetching sha256:aa 50%, 20.0 MB of 40.0 MB, 1.0 MB/s, 20s left",
            "verifying",
        ];
        assert_eq!(told, expected);
    }
}
