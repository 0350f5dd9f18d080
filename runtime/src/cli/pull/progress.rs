//! How far a pull has come: its layers, how fast they come, and how that is told in a row.

use std::{collections::VecDeque, time::Duration};

use crate::cli::{
    live::Row,
    notes::one_line,
    style::{Paint, Style},
    wrap::width_of,
};

/// Over how long a speed is measured: long enough to be read, and short enough to be of now.
const WINDOW: Duration = Duration::from_secs(5);
/// The time before which there is no speed to tell.
const SOONEST: Duration = Duration::from_millis(500);
/// Of a digest, as Ollama's own client shows it: the kind and twelve letters.
const DIGEST_LETTERS: usize = 19;
/// In columns.
const SHORTEST_BAR: usize = 8;
const LONGEST_BAR: usize = 40;

/// A part of a model.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    digest: String,
    total: Option<u64>,
    completed: u64,
    /// What there was when, oldest first.
    samples: VecDeque<(Duration, u64)>,
    /// Whether a row that stays tells of it: servers tell several times that all of it is there.
    pub(super) is_settled: bool,
}

impl Layer {
    pub(super) fn new(digest: &str) -> Self {
        Self { digest: digest.to_owned(), total: None, completed: 0, samples: VecDeque::new(), is_settled: false }
    }

    pub(super) fn is(&self, digest: &str) -> bool {
        self.digest == digest
    }

    /// So much of it was there at this time.
    pub(super) fn take(&mut self, total: Option<u64>, completed: u64, at: Duration) {
        self.total = total.filter(|total| *total > 0).or(self.total);
        self.completed = completed;
        self.samples.push_back((at, completed));
        // One is kept from before the window, to measure from.
        while self.samples.get(1).is_some_and(|(time, _)| *time + WINDOW <= at) {
            self.samples.pop_front();
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.total.is_some_and(|total| self.completed >= total)
    }

    /// In bytes a second; none before that can be said, and while nothing comes.
    fn speed(&self, at: Duration) -> Option<f64> {
        let before = self.samples.iter().rev().find(|(time, _)| *time + WINDOW <= at);
        let (since, then) = before.or(self.samples.front())?;
        let (_, now) = self.samples.back()?;
        let elapsed = at.checked_sub(*since).filter(|elapsed| *elapsed >= SOONEST)?;
        #[expect(clippy::cast_precision_loss, reason = "no model has 2^53 bytes")]
        let bytes = now.saturating_sub(*then) as f64;
        Some(bytes / elapsed.as_secs_f64()).filter(|speed| *speed >= 1.0)
    }

    fn left(&self, at: Duration) -> Option<Duration> {
        let rest = self.total?.saturating_sub(self.completed);
        #[expect(clippy::cast_precision_loss, reason = "no model has 2^53 bytes")]
        let seconds = rest as f64 / self.speed(at)?;
        // Whoever waits for days need not know the hour.
        (rest > 0 && seconds < 1e7).then(|| Duration::from_secs(seconds.ceil().max(1.0) as u64))
    }

    pub(super) fn name(&self) -> String {
        one_line(&self.digest).chars().take(DIGEST_LETTERS).collect()
    }

    fn percent(&self) -> Option<u128> {
        self.total.map(|total| u128::from(self.completed.min(total)) * 100 / u128::from(total))
    }

    /// All that is known of it, for a line of its own.
    pub(super) fn line(&self, at: Duration) -> String {
        let parts = [self.share(), self.amount(), self.rate(at), self.rest(at)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!("fetching {} {}", self.name(), parts.join(", "))
    }

    fn share(&self) -> Option<String> {
        self.percent().map(|percent| format!("{percent}%"))
    }

    fn amount(&self) -> Option<String> {
        Some(match self.total {
            Some(total) if self.is_complete() => size(total),
            Some(total) => format!("{} of {}", size(self.completed), size(total)),
            None => size(self.completed),
        })
    }

    fn rate(&self, at: Duration) -> Option<String> {
        self.speed(at).filter(|_| !self.is_complete()).map(|speed| format!("{}/s", size(speed as u64)))
    }

    fn rest(&self, at: Duration) -> Option<String> {
        self.left(at).map(|left| format!("{} left", humantime::format_duration(left)))
    }

    /// The same in a row of fewer than so many columns, with a bar if there is room: the speed is the first to go, then the
    /// time, then the bytes.
    pub(super) fn row(&self, at: Duration, columns: usize, style: Style) -> Row {
        let room = columns.saturating_sub(1);
        let name = self.name();
        let (share, amount, rate, rest) = (self.share(), self.amount(), self.rate(at), self.rest(at));
        let forms = [
            vec![&share, &amount, &rate, &rest],
            vec![&share, &amount, &rest],
            vec![&share, &amount],
            if share.is_some() { vec![&share] } else { vec![&amount] },
        ];
        let told: Vec<String> = forms
            .iter()
            .map(|parts| parts.iter().filter_map(|part| part.as_deref()).collect::<Vec<_>>().join("  "))
            .collect();
        let taken = |text: &String| width_of(&name) + 2 + width_of(text);
        let fitting = told.iter().find(|text| taken(text) <= room);
        let Some(text) = fitting else {
            let text: String = told.last().map_or("", String::as_str).chars().take(room).collect();
            return Row { width: width_of(&text), text };
        };
        let bar = room.saturating_sub(taken(text) + 2).min(LONGEST_BAR);
        let width = taken(text);
        match self.percent().filter(|_| bar >= SHORTEST_BAR && !self.is_complete()) {
            Some(percent) => {
                let full = usize::try_from(percent).unwrap_or(100) * bar / 100;
                let empty = style.paint(Paint::Dim, &"░".repeat(bar - full));
                Row { text: format!("{name}  {}{empty}  {text}", "█".repeat(full)), width: width + bar + 2 }
            }
            None => Row { text: format!("{name}  {text}"), width },
        }
    }
}

/// In decimal units, as downloads are told.
fn size(bytes: u64) -> String {
    let scaled = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        1_000_000_000.. => format!("{:.1} GB", scaled(1_000_000_000)),
        1_000_000.. => format!("{:.1} MB", scaled(1_000_000)),
        1_000.. => format!("{:.1} kB", scaled(1_000)),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Layer, size};
    use crate::cli::style::Style;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef";

    /// 2 GB, of which half were there before, and 50 MB came in each of 10 seconds.
    fn layer() -> Layer {
        let mut layer = Layer::new(DIGEST);
        for second in 0..=10 {
            layer.take(Some(2_000_000_000), 1_000_000_000 + second * 50_000_000, Duration::from_secs(second));
        }
        layer
    }

    fn row(layer: &Layer, second: u64, columns: usize) -> String {
        let row = layer.row(Duration::from_secs(second), columns, Style::Lines);
        assert_eq!(row.width, row.text.chars().count());
        assert!(row.width < columns, "{row:?}");
        row.text
    }

    #[test]
    fn a_row_tells_as_much_as_there_is_room_for() {
        let expected =
            "sha256:0123456789ab  ██████████████████████████████░░░░░░░░░░  75%  1.5 GB of 2.0 GB  50.0 MB/s  10s left";
        assert_eq!(row(&layer(), 10, 120), expected);
        let shorter = "sha256:0123456789ab  ███████████░░░░  75%  1.5 GB of 2.0 GB  50.0 MB/s  10s left";
        assert_eq!(row(&layer(), 10, 81), shorter);
        assert_eq!(row(&layer(), 10, 68), "sha256:0123456789ab  75%  1.5 GB of 2.0 GB  50.0 MB/s  10s left");
        assert_eq!(row(&layer(), 10, 48), "sha256:0123456789ab  75%  1.5 GB of 2.0 GB");
        assert_eq!(row(&layer(), 10, 30), "sha256:0123456789ab  75%");
        assert_eq!(row(&layer(), 10, 10), "75%");
        assert_eq!(row(&layer(), 10, 2), "7");
    }

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let mut layer = layer();
        assert!(layer.line(Duration::from_secs(10)).ends_with("75%, 1.5 GB of 2.0 GB, 50.0 MB/s, 10s left"));
        // What was there before did not come now.
        let mut resumed = Layer::new(DIGEST);
        resumed.take(Some(10), 9, Duration::ZERO);
        assert_eq!(resumed.line(Duration::from_secs(9)), "fetching sha256:0123456789ab 90%, 9 B of 10 B");
        // Nothing comes any more.
        assert!(layer.line(Duration::from_secs(60)).ends_with("75%, 1.5 GB of 2.0 GB"));
        layer.take(Some(2_000_000_000), 2_000_000_000, Duration::from_secs(61));
        assert!(layer.is_complete());
        assert_eq!(row(&layer, 61, 120), "sha256:0123456789ab  100%  2.0 GB");
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let mut layer = Layer::new("sha256:a\u{1b}[2Jb");
        layer.take(None, 1_500_000, Duration::ZERO);
        assert_eq!(row(&layer, 0, 80), "sha256:a [2Jb  1.5 MB");
        layer.take(Some(0), 7, Duration::ZERO);
        assert_eq!(layer.line(Duration::ZERO), "fetching sha256:a [2Jb 7 B");
        layer.take(Some(1000), 2000, Duration::ZERO);
        assert_eq!(layer.line(Duration::ZERO), "fetching sha256:a [2Jb 100%, 1.0 kB");
    }

    #[test]
    fn sizes_are_in_decimal_units() {
        assert_eq!((size(999), size(1_000), size(2_019_377_376)), ("999 B".into(), "1.0 kB".into(), "2.0 GB".into()));
    }
}
