//! Medians, ratios, the table and the JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::metric::Metric;
use super::steps::Values;
use super::target::Kind;

/// A target that used less than this of its core was not the limit.
const SATURATED: f64 = 0.9;
/// Others that took more of a core than this may have moved the figures.
const DISTURBED: f64 = 0.2;

/// One round over all targets.
pub(crate) type Round = BTreeMap<Kind, Values>;

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rounds: Vec<Round>,
}

impl Report {
    /// Adds a round.
    pub(crate) fn push(&mut self, mut round: Round) {
        use Metric::{FirstTokenAddedP50, FirstTokenAddedP99, FirstTokenP50, FirstTokenP99};
        if let Some(base) = round.get(&Kind::NoProxy).cloned() {
            for (_, values) in round.iter_mut().filter(|(kind, _)| **kind != Kind::NoProxy) {
                for (added, of) in [(FirstTokenAddedP50, FirstTokenP50), (FirstTokenAddedP99, FirstTokenP99)] {
                    if let (Some(value), Some(base)) = (values.get(&of).copied(), base.get(&of)) {
                        values.insert(added, value - base);
                    }
                }
            }
        }
        self.rounds.push(round);
    }

    /// The figures that are missing or can't be.
    pub(crate) fn missing(&self) -> Vec<String> {
        let positive = Metric::SHOWN.iter().filter(|metric| {
            !matches!(metric, Metric::FirstTokenAddedP50 | Metric::FirstTokenAddedP99 | Metric::MemoryPerStream)
        });
        let wrong = |(kind, values): (&Kind, &Values)| -> Vec<String> {
            let bad = |metric: &&Metric| !values.get(metric).is_some_and(|value| value.is_finite() && *value > 0.0);
            let named = |metric: &Metric| format!("{} of {}", metric.key(), kind.name());
            positive.clone().filter(bad).map(named).collect()
        };
        self.rounds.iter().flatten().flat_map(wrong).collect()
    }

    fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| self.rounds.iter().any(|round| round.contains_key(kind))).collect()
    }

    fn runs(&self, kind: Kind, metric: Metric) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| round.get(&kind)?.get(&metric).copied()).collect()
    }

    /// Taken within each round, so that what changes between rounds falls out. None of added times that were lost in the
    /// noise: there is no ratio to less than nothing.
    fn ratio(&self, kind: Kind, base: Kind, metric: Metric) -> Option<f64> {
        let positive = |value: &&f64| **value > 0.0;
        let of = |round: &Round| {
            let value = round.get(&kind)?.get(&metric).filter(positive)?;
            Some(value / round.get(&base)?.get(&metric).filter(positive)?)
        };
        let ratios: Option<Vec<f64>> = self.rounds.iter().map(of).collect();
        median(ratios?.into_iter().filter(|ratio| ratio.is_finite()).collect())
    }

    /// Each proxy against no proxy, and greenroom against the bare one.
    fn comparisons(&self) -> Vec<(Kind, Kind)> {
        let kinds = self.kinds();
        let both = |(a, b): &(Kind, Kind)| kinds.contains(a) && kinds.contains(b);
        let all =
            [(Kind::BareProxy, Kind::NoProxy), (Kind::Greenroom, Kind::NoProxy), (Kind::Greenroom, Kind::BareProxy)];
        all.into_iter().filter(both).collect()
    }

    /// The table, with what is to be known for reading it.
    pub(crate) fn table(&self) -> String {
        let mut rows = vec![vec![String::new()]];
        rows[0].extend(self.kinds().iter().map(|kind| kind.name().to_owned()));
        rows[0].extend(self.comparisons().iter().map(|(kind, base)| format!("{} / {}", kind.name(), base.name())));
        for metric in Metric::SHOWN {
            let mut row = vec![metric.label().to_owned()];
            row.extend(self.kinds().iter().map(|kind| self.cell(*kind, metric)));
            let ratio = |(kind, base): &(Kind, Kind)| {
                self.ratio(*kind, *base, metric).map_or_else(|| "-".to_owned(), |ratio| format!("x {ratio:.2}"))
            };
            row.extend(self.comparisons().iter().map(ratio));
            rows.push(row);
        }
        let mut table = align(&rows);
        let _infallible =
            write!(table, "\nMedians of {} rounds; ratios are medians of each round's.", self.rounds.len());
        if rows.iter().flatten().any(|cell| cell.starts_with('>')) {
            table.push_str(" >: CPU time was left, so the load generator (or other programs) were the limit.");
        }
        let others = self.kinds().iter().flat_map(|kind| self.runs(*kind, Metric::Others)).fold(0.0, f64::max);
        if others > DISTURBED {
            let _infallible = write!(
                table,
                "\nOther programs took up to {others:.2} cores meanwhile: trust ratios and CPU times only."
            );
        }
        table.push('\n');
        table
    }

    fn cell(&self, kind: Kind, metric: Metric) -> String {
        let Some(value) = median(self.runs(kind, metric)) else { return "-".to_owned() };
        let idle = metric.core().and_then(|core| median(self.runs(kind, core))).is_some_and(|core| core < SATURATED);
        format!("{}{}", if idle { ">" } else { "" }, grouped(value, metric.digits()))
    }

    /// All of it, for programs.
    pub(crate) fn json(&self) -> Value {
        let figure = |kind: Kind, metric: &Metric| {
            let runs = self.runs(kind, *metric);
            (metric.key().to_owned(), json!({"median": median(runs.clone()), "runs": runs}))
        };
        let target = |kind: &Kind| {
            let figures = Metric::SHOWN.iter().chain(&Metric::ABOUT).map(|metric| figure(*kind, metric));
            (kind.name().to_owned(), Value::Object(figures.collect()))
        };
        let ratios = |(kind, base): &(Kind, Kind)| {
            let of = |metric: &Metric| (metric.key().to_owned(), json!(self.ratio(*kind, *base, *metric)));
            let name = format!("{} / {}", kind.name(), base.name());
            (name, Value::Object(Metric::SHOWN.iter().map(of).collect()))
        };
        json!({
            "rounds": self.rounds.len(),
            "targets": Value::Object(self.kinds().iter().map(target).collect()),
            "ratios": Value::Object(self.comparisons().iter().map(ratios).collect()),
        })
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// With a comma at each thousand.
fn grouped(value: f64, digits: usize) -> String {
    let plain = format!("{value:.digits$}");
    let whole = plain.find('.').unwrap_or(plain.len());
    let mut grouped = String::new();
    for (at, character) in plain.char_indices() {
        if at > 0 && at < whole && (whole - at) % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(character);
    }
    grouped
}

/// The first column to the left, the others to the right.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut table = String::new();
    for row in rows {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _infallible = write!(line, "  {cell:>width$}");
        }
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(no_proxy: f64, bare: f64, greenroom: f64) -> Round {
        let values = |value: f64, core: f64| {
            let mut values: Values = Metric::SHOWN.iter().map(|metric| (*metric, value)).collect();
            values.remove(&Metric::FirstTokenAddedP50);
            values.insert(Metric::CoreRequests, core);
            values
        };
        BTreeMap::from([
            (Kind::NoProxy, values(no_proxy, 0.5)),
            (Kind::BareProxy, values(bare, 1.0)),
            (Kind::Greenroom, values(greenroom, 1.0)),
        ])
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut report = Report::default();
        // The machine got slower from round to round, greenroom is half as quick as the bare proxy in each.
        for (no_proxy, bare) in [(4000.0, 2000.0), (2000.0, 1000.0), (1000.0, 500.0)] {
            report.push(round(no_proxy, bare, bare / 2.0));
        }
        assert_eq!(report.ratio(Kind::Greenroom, Kind::BareProxy, Metric::Requests), Some(0.5));
        assert_eq!(report.ratio(Kind::Greenroom, Kind::NoProxy, Metric::Requests), Some(0.25));
        assert_eq!(median(report.runs(Kind::BareProxy, Metric::FirstTokenAddedP50)), Some(-1000.0));
        let json = report.json();
        assert_eq!(json["targets"]["greenroom"]["requests_per_second"]["median"], 500.0);
        assert_eq!(json["ratios"]["greenroom / bare proxy"]["cpu_us_per_request"], 0.5);
        let table = report.table();
        let line = table.lines().find(|line| line.starts_with("requests/s")).unwrap();
        let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells[1..], [">2,000", "1,000", "500", "x 0.50", "x 0.25", "x 0.50"]);
    }

    #[test]
    fn a_figure_that_did_not_come_out_is_named() {
        let mut report = Report::default();
        report.push(round(3.0, 2.0, 1.0));
        assert_eq!(report.missing(), Vec::<String>::new());
        report.push(round(3.0, f64::NAN, 1.0));
        assert!(report.missing().contains(&"cpu_us_per_request of bare proxy".to_owned()));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(1_234_567.0, 0), "1,234,567");
        assert_eq!(grouped(-1234.56, 1), "-1,234.6");
        assert_eq!(grouped(-123.0, 0), "-123");
        assert_eq!(grouped(0.5, 2), "0.50");
    }
}
