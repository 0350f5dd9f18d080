//! Sums and attempts as lines of JSON and as CSV.

use greenroom_providers::cost::Cost;
use greenroom_wire::json::put_value;

use super::{UsageAttempt, UsageSum};

/// In which form something is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// A JSON object a line.
    Json,
    /// Comma-separated values with a head, as RFC 4180 has them.
    Csv,
}

impl ExportFormat {
    /// What a word says.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// Its MIME type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// What can be exported.
pub trait Exported: serde::Serialize {
    /// The names of its columns.
    const HEAD: &'static [&'static str];

    /// Its columns.
    fn row(&self) -> Vec<String>;
}

impl Exported for UsageSum {
    const HEAD: &'static [&'static str] = &[
        "by",
        "requests",
        "attempts",
        "input",
        "output",
        "reasoning",
        "cache_read",
        "cache_write",
        "cost_usd",
        "estimated",
        "unpriced",
    ];

    fn row(&self) -> Vec<String> {
        let Self { by, requests, attempts, input, output, reasoning, cache_read, cache_write, .. } = self;
        let mut row = vec![by.clone()];
        row.extend([requests, attempts, input, output, reasoning, cache_read, cache_write].map(u64::to_string));
        row.extend([dollars(self.cost), self.estimated.to_string(), self.unpriced.to_string()]);
        row
    }
}

impl Exported for UsageAttempt {
    const HEAD: &'static [&'static str] = &[
        "began",
        "millis",
        "provider",
        "model",
        "profile",
        "client",
        "session",
        "first",
        "outcome",
        "error",
        "input",
        "output",
        "reasoning",
        "cache_read",
        "cache_write",
        "cost_usd",
        "estimated",
    ];

    fn row(&self) -> Vec<String> {
        let Self { began, millis, provider, model, profile, client, session, first, outcome, error, .. } = self;
        let mut row = vec![began.clone(), millis.to_string(), provider.clone(), model.clone(), profile.clone()];
        row.extend([client.clone(), session.clone().unwrap_or_default(), first.to_string(), outcome.clone()]);
        row.push(error.map(|kind| kind.to_string()).unwrap_or_default());
        row.extend([self.input, self.output, self.reasoning, self.cache_read, self.cache_write].map(|n| n.to_string()));
        row.extend([self.cost.map(dollars).unwrap_or_default(), self.estimated.to_string()]);
        row
    }
}

/// All digits, and no sign that a table of numbers would stumble over.
fn dollars(cost: Cost) -> String {
    cost.to_string().trim_start_matches('$').to_owned()
}

/// These rows; in CSV below a head, if they are the first ones.
///
/// # Panics
/// Never: memory takes every row.
pub fn export<T: Exported>(rows: &[T], format: ExportFormat, with_head: bool) -> Vec<u8> {
    match format {
        ExportFormat::Json => {
            let mut out = Vec::new();
            for row in rows {
                put_value(&mut out, row);
                out.push(b'\n');
            }
            out
        }
        ExportFormat::Csv => {
            let mut writer = csv::Writer::from_writer(Vec::new());
            let head = with_head.then(|| T::HEAD.iter().map(|name| (*name).to_owned()).collect());
            for row in head.into_iter().chain(rows.iter().map(T::row)) {
                writer.write_record(row.into_iter().map(harmless)).expect("memory takes it");
            }
            writer.into_inner().expect("memory takes it")
        }
    }
}

/// A cell that no spreadsheet takes for a formula: names of models and sessions are other people's.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(by: &str) -> UsageSum {
        UsageSum {
            by: by.into(),
            requests: 1,
            attempts: 2,
            input: 3,
            output: 4,
            reasoning: 5,
            cache_read: 6,
            cache_write: 7,
            cost: Cost::from_parts(1_234_500_000_000),
            estimated: 8,
            unpriced: 9,
        }
    }

    #[test]
    fn a_name_breaks_neither_a_line_nor_a_spreadsheet() {
        let rows = [sum("a,\"b\"\nc"), sum("=1+1"), sum("é\u{2028}")];
        let text = String::from_utf8(export(&rows, ExportFormat::Csv, true)).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), UsageSum::HEAD);
        let read: Vec<_> = reader.records().map(Result::unwrap).collect();
        let by: Vec<&str> = read.iter().map(|record| &record[0]).collect();
        assert_eq!(by, ["a,\"b\"\nc", "'=1+1", "é\u{2028}"]);
        assert_eq!(read[0].iter().skip(1).collect::<Vec<_>>().join(" "), "1 2 3 4 5 6 7 1.2345 8 9");
        let lines = String::from_utf8(export(&rows, ExportFormat::Json, true)).unwrap();
        assert!(!lines.contains('\u{2028}'));
        let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines[2]["by"].as_str(), &lines[0]["cost_usd"]), (Some("é\u{2028}"), &serde_json::json!(1.2345)));
    }

    #[test]
    fn pages_join_to_one_file() {
        let (first, second) = ([sum("a")], [sum("b")]);
        for format in [ExportFormat::Json, ExportFormat::Csv] {
            let pages = [export(&first, format, true), export(&second, format, false)].concat();
            assert_eq!(pages, export(&[sum("a"), sum("b")], format, true));
        }
        assert_eq!(export::<UsageSum>(&[], ExportFormat::Json, true), b"");
        assert!(
            export::<UsageSum>(&[], ExportFormat::Csv, true).starts_with(b"by,requests"),
            "a head says what there is none of"
        );
    }
}
