//! When a provider wants to be asked again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::ErrorResponse;

/// How long the provider asks to wait, by the first of: `retry-after-ms` (a number, fractions allowed), `retry-after`
/// (seconds or an HTTP date), the words of its `message` ("try again in 1h2m", "retry after 26 seconds"), and the reset
/// header of a limit that is used up. Uncapped: providers have sent hours and weeks.
pub fn retry_after(response: &ErrorResponse<'_>, message: &str) -> Option<Duration> {
    let header = |name: &str| (response.header)(name);
    header("retry-after-ms")
        .and_then(|value| seconds(value.trim().parse::<f64>().ok()? / 1000.0))
        .or_else(|| after(&header("retry-after")?, response.now))
        .or_else(|| from_words(message))
        .or_else(|| (response.status == 429).then(|| from_reset(response)).flatten())
}

fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok()
}

fn after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    match value.parse::<f64>() {
        Ok(number) => seconds(number),
        Err(_) => Some(http_date(value)?.duration_since(now).unwrap_or_default()),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form of RFC 9110, section 5.6.7, that is still sent.
fn http_date(value: &str) -> Option<SystemTime> {
    let mut words = value.split_ascii_whitespace().skip(1);
    let day: u64 = words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let name = words.next()?;
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        .iter()
        .position(|month| *month == name)? as u64;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let mut unit = |most| clock.next()?.ok().filter(|value| *value <= most);
    let (hour, minute, second) = (unit(23)?, unit(59)?, unit(60)?);
    if words.next()? != "GMT" {
        return None;
    }
    let days = days(year, month + 1, day)?;
    Some(UNIX_EPOCH + Duration::from_secs(days * 86_400 + hour * 3600 + minute * 60 + second))
}

/// Days from 1970 to a date; months and days count from 1.
pub(crate) fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // Of a calendar whose year starts in March, so that the leap day is the last one.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    days.checked_sub(719_468)
}

/// "Please try again in 6ms", "… in 18.6s", "… in 1h2m", "Please retry after 26 seconds".
fn from_words(message: &str) -> Option<Duration> {
    let lower = message.to_ascii_lowercase();
    ["try again in ", "retry in ", "retry after ", "try again after "].iter().find_map(|lead| {
        let rest = &lower[lower.find(lead)? + lead.len()..];
        span(rest)
    })
}

/// A duration as Go or a person writes it, at the start of `text`: `2ms`, `6.5s`, `1m30s`, `6h0m0s`, `26 seconds`.
pub(crate) fn span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = None;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number = rest[..digits].trim_end_matches('.').parse::<f64>();
        let Ok(number) = number else { break };
        let unit = rest[digits..].trim_start_matches(' ');
        let letters = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
        let scale = match &unit[..letters] {
            "ms" | "millisecond" | "milliseconds" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => break,
        };
        total = Some(total.unwrap_or(0.0) + number * scale);
        rest = unit[letters..].trim_start_matches(' ');
    }
    seconds(total?)
}

/// The longest reset of the limits that have nothing left; OpenRouter's single limit says when in epoch milliseconds.
fn from_reset(response: &ErrorResponse<'_>) -> Option<Duration> {
    let header = |name: String| (response.header)(&name);
    let one = header("x-ratelimit-reset".into()).and_then(|value| {
        let number = value.trim().parse::<f64>().ok()?;
        if number < 1e9 {
            return seconds(number);
        }
        let at = UNIX_EPOCH + seconds(if number > 1e11 { number / 1000.0 } else { number })?;
        Some(at.duration_since(response.now).unwrap_or_default())
    });
    one.or_else(|| {
        ["requests", "tokens"]
            .iter()
            .filter(|what| header(format!("x-ratelimit-remaining-{what}")).is_some_and(|left| left.trim() == "0"))
            .filter_map(|what| {
                let value = header(format!("x-ratelimit-reset-{what}"))?;
                let value = value.trim();
                value.parse::<f64>().ok().and_then(seconds).or_else(|| span(value))
            })
            .max()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(headers: &[(&str, &str)], message: &str) -> Option<Duration> {
        let find = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        retry_after(&ErrorResponse { status: 429, header: &find, body: b"", now }, message)
    }

    #[test]
    fn the_first_hint_that_can_be_read_counts() {
        let ms = Duration::from_millis;
        assert_eq!(
            wait(&[("retry-after-ms", "1500.5"), ("retry-after", "9")], ""),
            Some(Duration::from_micros(1_500_500))
        );
        assert_eq!(wait(&[("retry-after-ms", "soon"), ("retry-after", "9")], "try again in 1s"), Some(ms(9000)));
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], ""), Some(ms(60_000)));
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:40:37 GMT")], ""), Some(ms(0)));
        assert_eq!(wait(&[("retry-after", "-3")], ""), None);
        assert_eq!(wait(&[("retry-after", "NaN")], ""), None);
        assert_eq!(wait(&[], "Please try again in 6ms. Visit"), Some(ms(6)));
        assert_eq!(wait(&[], "Please try again in 18.6s."), Some(ms(18_600)));
        assert_eq!(wait(&[], "Please try again in 1h2m"), Some(ms(3_720_000)));
        assert_eq!(wait(&[], "please retry after 26 seconds."), Some(ms(26_000)));
        assert_eq!(wait(&[], "try again in a while"), None);
    }

    #[test]
    fn resets_count_only_where_nothing_is_left() {
        let ms = Duration::from_millis;
        assert_eq!(wait(&[("x-ratelimit-reset", "784111780000")], ""), Some(ms(3000)));
        let both = [("x-ratelimit-reset-requests", "6h0m0s"), ("x-ratelimit-reset-tokens", "1m30s")];
        assert_eq!(wait(&both, ""), None);
        let used = [both[0], both[1], ("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-remaining-requests", "4")];
        assert_eq!(wait(&used, ""), Some(ms(90_000)));
    }

    #[test]
    fn dates_are_counted_right() {
        let at = |text| http_date(text).map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(at("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(at("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(at("Fri, 31 Dec 1999 23:59:59 GMT"), Some(946_684_799));
        assert_eq!(at("Fri, 31 Dez 1999 23:59:59 GMT"), None);
        assert_eq!(at("tomorrow"), None);
    }
}
