//! Days, as names of models and dates of deprecation have them.

use std::fmt;

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The day that eight digits name, year first, with or without dashes between; of this century's first half only, so
    /// that other numbers aren't taken for one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = match text.as_bytes() {
            [y @ .., b'-', m1, m2, b'-', d1, d2] if y.len() == 4 => [y, &[*m1, *m2, *d1, *d2]].concat(),
            plain => plain.to_vec(),
        };
        if digits.len() != 8 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |digits: &[u8]| digits.iter().fold(0_u16, |number, digit| number * 10 + u16::from(digit - b'0'));
        let (year, month, day) = (number(&digits[..4]), digits_u8(&digits[4..6]), digits_u8(&digits[6..]));
        ((2015..2050).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Self {
            year,
            month,
            day,
        })
    }
}

fn digits_u8(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |number, digit| number * 10 + (digit - b'0'))
}

/// As in ISO 8601.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl serde::Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_in_both_ways_and_other_numbers_are_not() {
        for (text, day) in [
            ("20250929", Some("2025-09-29")),
            ("2025-09-29", Some("2025-09-29")),
            ("20251329", None),
            ("20250900", None),
            ("12345678", None),
            ("2025-9-29", None),
            ("202509-29", None),
            ("250929", None),
            ("", None),
        ] {
            assert_eq!(Date::parse(text).map(|date| date.to_string()).as_deref(), day, "{text}");
        }
    }
}
