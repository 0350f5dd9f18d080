//! What a provider's headers say is left of its rate limits.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error_response::span;

/// Greater numbers are no limits.
const MOST: u64 = 1_000_000_000_000;
/// Later resets are no resets. Monthly quotas are the longest that are told.
const LATEST: Duration = Duration::from_secs(32 * 86_400);

/// What is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// How much there is when nothing is used, if it is told.
    pub limit: Option<u64>,
    /// How much is left.
    pub remaining: u64,
    /// After how long the limit is whole again, if it is told.
    pub resets_in: Option<Duration>,
}

/// What is left of a provider's limits, as the headers of one response tell it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests.
    pub requests: Option<Allowance>,
    /// Tokens of prompts and answers together.
    pub tokens: Option<Allowance>,
    /// Tokens of prompts.
    pub input_tokens: Option<Allowance>,
    /// Tokens of answers.
    pub output_tokens: Option<Allowance>,
    /// Tokens of prompts at Anthropic's priority tier. What is used up there falls back to the limits above.
    pub priority_input_tokens: Option<Allowance>,
    /// Tokens of answers at that tier.
    pub priority_output_tokens: Option<Allowance>,
}

impl RateLimits {
    /// Reads the headers of a response, of whichever provider. `header` looks one up by its name in lower case; `now` is
    /// what moments are counted from. Values that can't be are as if they were not there.
    ///
    /// OpenAI (and most that are compatible) send `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, with resets as Go
    /// writes durations, or in seconds; Anthropic `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-…` and
    /// `anthropic-priority-…`, with moments of RFC 3339; others `x-ratelimit-…` or `ratelimit-…` of requests alone.
    pub fn of(header: &dyn Fn(&str) -> Option<String>, now: SystemTime) -> Self {
        let read = |limit: &str, remaining: &str, reset: &str| {
            let numbers = |name: &str| header(name).map(|value| numbers(&value)).unwrap_or_default();
            let remaining = numbers(remaining).into_iter().min()?;
            let limit = numbers(limit).into_iter().min().filter(|limit| *limit > 0);
            let resets_in = header(reset).and_then(|value| value.split(',').filter_map(|one| after(one, now)).max());
            limit.is_none_or(|limit| remaining <= limit).then_some(Allowance { limit, remaining, resets_in })
        };
        let openai = |what: &str| {
            let name = |part: &str| format!("x-ratelimit-{part}-{what}");
            read(&name("limit"), &name("remaining"), &name("reset"))
        };
        let anthropic = |what: &str| {
            let name = |part: &str| format!("anthropic-{what}-{part}");
            read(&name("limit"), &name("remaining"), &name("reset"))
        };
        let generic = |lead: &str| {
            let name = |part: &str| format!("{lead}-{part}");
            read(&name("limit"), &name("remaining"), &name("reset"))
        };
        let requests = openai("requests").or_else(|| anthropic("ratelimit-requests"));
        Self {
            requests: requests.or_else(|| generic("x-ratelimit")).or_else(|| generic("ratelimit")),
            tokens: openai("tokens").or_else(|| anthropic("ratelimit-tokens")),
            input_tokens: anthropic("ratelimit-input-tokens"),
            output_tokens: anthropic("ratelimit-output-tokens"),
            priority_input_tokens: anthropic("priority-input-tokens"),
            priority_output_tokens: anthropic("priority-output-tokens"),
        }
    }

    /// Whether nothing is told.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The numbers of a list; a gateway before another joins its own to the other's. Behind `;` stand parameters.
fn numbers(value: &str) -> Vec<u64> {
    let number = |one: &str| one.split(';').next()?.trim().parse().ok().filter(|number| *number <= MOST);
    value.split(',').filter_map(number).collect()
}

/// `6m0s`, `12ms`, seconds, seconds or milliseconds since 1970, or a moment of RFC 3339. What has passed is now.
fn after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.split(';').next()?.trim();
    let since_1970 = |seconds: f64| {
        let at = UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        Some(at.duration_since(now).unwrap_or_default())
    };
    let after = match value.parse::<f64>() {
        Ok(number) if number > 1e11 => since_1970(number / 1000.0)?,
        Ok(number) if number > 1e9 => since_1970(number)?,
        Ok(number) => Duration::try_from_secs_f64(number).ok()?,
        Err(_) => match moment(value) {
            Some(at) => at.duration_since(now).unwrap_or_default(),
            None => span(value)?,
        },
    };
    (after <= LATEST).then_some(after)
}

/// `2026-07-07T11:42:28Z`, with a fraction or an offset perhaps.
fn moment(value: &str) -> Option<SystemTime> {
    let (date, rest) = value.split_once(['T', 't', ' '])?;
    let mut parts = date.split('-').map(str::parse::<u64>);
    let mut part = |range: std::ops::RangeInclusive<u64>| parts.next()?.ok().filter(|part| range.contains(part));
    let (year, month, day) = (part(1970..=9999)?, part(1..=12)?, part(1..=31)?);
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone);
    let mut parts = clock.split(':');
    let mut part = |most: f64| parts.next()?.parse::<f64>().ok().filter(|part| (0.0..=most).contains(part));
    let of_day = part(23.0)? * 3600.0 + part(59.0)? * 60.0 + part(60.9)?;
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
            if zone.starts_with('-') { -seconds } else { seconds }
        }
    };
    let whole = i64::try_from(crate::error_response::days(year, month, day)? * 86_400).ok()? - offset;
    let midnight = UNIX_EPOCH + Duration::from_secs(u64::try_from(whole).ok()?);
    Some(midnight + Duration::try_from_secs_f64(of_day).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-07-07T11:42:00Z.
    const NOW: u64 = 1_783_424_520;

    fn limits(headers: &[(&str, &str)]) -> RateLimits {
        let find = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        RateLimits::of(&find, UNIX_EPOCH + Duration::from_secs(NOW))
    }

    fn allowance(limit: u64, remaining: u64, milliseconds: u64) -> Option<Allowance> {
        Some(Allowance { limit: Some(limit), remaining, resets_in: Some(Duration::from_millis(milliseconds)) })
    }

    #[test]
    fn openai_tells_of_requests_and_tokens() {
        let told = limits(&[
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-requests", "9999"),
            ("x-ratelimit-reset-requests", "12ms"),
            ("x-ratelimit-limit-tokens", "2000000"),
            ("x-ratelimit-remaining-tokens", "1999"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ]);
        let want = RateLimits {
            requests: allowance(10_000, 9999, 12),
            tokens: allowance(2_000_000, 1999, 360_000),
            ..RateLimits::default()
        };
        assert_eq!(told, want);
    }

    #[test]
    fn anthropic_tells_of_prompts_and_answers_apart() {
        let told = limits(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-07-07T11:42:28Z"),
            ("anthropic-ratelimit-input-tokens-limit", "100"),
            ("anthropic-ratelimit-input-tokens-remaining", "40"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-07-07T13:42:01.5+02:00"),
            ("anthropic-ratelimit-output-tokens-limit", "10"),
            ("anthropic-ratelimit-output-tokens-remaining", "10"),
            ("anthropic-ratelimit-output-tokens-reset", "2026-07-07T11:41:00Z"),
            ("anthropic-priority-input-tokens-limit", "7"),
            ("anthropic-priority-input-tokens-remaining", "6"),
            ("anthropic-priority-input-tokens-reset", "2026-07-07T11:42:01Z"),
        ]);
        assert_eq!(told.requests, allowance(50, 0, 28_000));
        assert_eq!(told.input_tokens, allowance(100, 40, 1500));
        assert_eq!(told.output_tokens, allowance(10, 10, 0), "what has passed is now");
        assert_eq!(told.priority_input_tokens, allowance(7, 6, 1000));
        assert_eq!((told.tokens, told.priority_output_tokens), (None, None));
    }

    #[test]
    fn others_tell_of_requests_alone() {
        let generic = |lead: &str, reset: &str| {
            let names = ["limit", "remaining", "reset"].map(|part| format!("{lead}-{part}"));
            limits(&[(&names[0], "100, 100;w=60"), (&names[1], "3"), (&names[2], reset)]).requests
        };
        assert_eq!(generic("ratelimit", "50"), allowance(100, 3, 50_000));
        assert_eq!(generic("x-ratelimit", &format!("{}", NOW + 9)), allowance(100, 3, 9000));
        assert_eq!(generic("x-ratelimit", &format!("{}250", NOW + 1)), allowance(100, 3, 1250));
    }

    #[test]
    fn what_can_not_be_is_not_there() {
        let of = |limit, remaining, reset| {
            let told = limits(&[
                ("x-ratelimit-limit-tokens", limit),
                ("x-ratelimit-remaining-tokens", remaining),
                ("x-ratelimit-reset-tokens", reset),
            ]);
            assert_eq!(told, RateLimits { tokens: told.tokens, ..RateLimits::default() });
            told.tokens
        };
        for (limit, remaining, reset) in [
            ("-1", "-1", "0s"),
            ("10", "11", "1s"),
            ("10", "NaN", "1s"),
            ("10", "99999999999999999999", "1s"),
            ("X-RATELIMIT-LIMIT-TOKENS-XXX", "X-RATELIMIT-REMAINING-TOKENS-XXX", "X-RATELIMIT-RESET-TOKENS-XXX"),
        ] {
            assert_eq!(of(limit, remaining, reset), None, "{limit} {remaining} {reset}");
        }
        for reset in ["-3", "soon", "inf", "1e300", "9999h", "2026-13-07T11:42:28Z", ""] {
            let want = Some(Allowance { limit: Some(10), remaining: 1, resets_in: None });
            assert_eq!(of("10", "1", reset), want, "{reset}");
        }
        assert_eq!(
            of("0", "0", "1s"),
            Some(Allowance { limit: None, remaining: 0, resets_in: Some(Duration::from_secs(1)) })
        );
        assert_eq!(of("20, 10", "9, 3", "1s, 2s"), allowance(10, 3, 2000), "the narrowest of two");
        assert!(limits(&[]).is_empty());
    }
}
