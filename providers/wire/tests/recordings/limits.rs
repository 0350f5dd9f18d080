//! Headers of rate limits, against a plain reading of each.

use std::time::{Duration, SystemTime};

use greenroom_wire::{RateLimits, rate_limits::Allowance};

use crate::load::Recording;

/// How many limits the headers tell of.
pub(crate) fn check(recording: &Recording) -> Result<usize, String> {
    // Before every recording, so that each moment is still to come; none is as far away as a month that is believed.
    let header = |name: &str| recording.header(name);
    let told = RateLimits::of(&header, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let named = |lead: &str, what: &str, tail: &str| (format!("{lead}{what}"), tail.to_owned());
    let mut count = 0;
    for (allowance, names) in [
        (told.requests, [("x-ratelimit-", "-requests"), ("anthropic-ratelimit-requests-", ""), ("x-ratelimit-", "")]),
        (told.tokens, [("x-ratelimit-", "-tokens"), ("anthropic-ratelimit-tokens-", ""), ("", "")]),
        (told.input_tokens, [("anthropic-ratelimit-input-tokens-", ""), ("", ""), ("", "")]),
        (told.output_tokens, [("anthropic-ratelimit-output-tokens-", ""), ("", ""), ("", "")]),
    ] {
        let find = |what: &str| {
            names.iter().filter(|(lead, _)| !lead.is_empty()).find_map(|(lead, tail)| {
                let (start, end) = named(lead, what, tail);
                header(&(start + &end))
            })
        };
        let plain = |text: Option<String>| text.and_then(|text| text.split(',').next()?.trim().parse::<u64>().ok());
        let remaining = plain(find("remaining"));
        match (allowance, remaining) {
            (None, None) => {}
            (Some(Allowance { limit, remaining: left, resets_in }), Some(remaining)) => {
                count += 1;
                if left != remaining || limit != plain(find("limit")) {
                    return Err(format!("rate limit: got {left} of {limit:?}, want {remaining}"));
                }
                let go = find("reset").filter(|text| !text.contains([':', ',']));
                if go.is_some_and(|text| text.ends_with('s') && resets_in.is_none()) {
                    return Err("a reset is lost".into());
                }
            }
            (got, want) => return Err(format!("rate limit: got {got:?}, want {want:?}")),
        }
    }
    Ok(count)
}
