//! How a client asks for an answer of before, and how it is told that it got one.

use std::time::Duration;

use axum::http::{
    HeaderMap, HeaderValue,
    header::{AGE, CACHE_CONTROL},
};
use greenroom_wire::{ChatError, ErrorKind};

use crate::CacheWish;

/// Whether an answer of before will do, in place of what is configured: `on` or `off`. In a response, `hit` or `miss`.
const CACHE: &str = "x-greenroom-cache";

/// What a request's headers say.
///
/// # Errors
/// The header is none of its words. What is not known in `cache-control` is passed over, as RFC 9111 (5.2) has it.
pub(super) fn wish(headers: &HeaderMap) -> Result<CacheWish, ChatError> {
    let mut wish = CacheWish::default();
    if let Some(written) = headers.get(CACHE) {
        wish.on = match written.to_str().unwrap_or_default().trim() {
            "on" => Some(true),
            "off" => Some(false),
            _ => {
                let error = ChatError::new(ErrorKind::InvalidRequest, format!("the header {CACHE} can't be read"));
                return Err(error.with_hint("it is on or off"));
            }
        };
    }
    let values = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    for directive in values.flat_map(|value| value.split(',')) {
        let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-cache" => wish.no_cache = true,
            "no-store" => wish.no_store = true,
            "only-if-cached" => wish.only_if_cached = true,
            "max-age" => {
                let seconds = argument.trim().trim_matches('"').parse().ok();
                wish.max_age = seconds.map(Duration::from_secs).or(wish.max_age);
            }
            _ => {}
        }
    }
    Ok(wish)
}

/// Says in a response's headers where its answer is from; `age` is in seconds.
pub(super) fn say(hit: bool, age: u64, headers: &mut HeaderMap) {
    headers.insert(CACHE, HeaderValue::from_static(if hit { "hit" } else { "miss" }));
    if hit {
        headers.insert(AGE, age.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&'static str, &'static str)]) -> Result<CacheWish, ChatError> {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(*name, HeaderValue::from_static(value));
        }
        wish(&headers)
    }

    #[test]
    fn directives_are_read_whatever_stands_beside_them() {
        let none = CacheWish::default();
        let cases: [(&[(&str, &str)], CacheWish); 7] = [
            (&[], none),
            (&[("x-greenroom-cache", "on")], CacheWish { on: Some(true), ..none }),
            (&[("x-greenroom-cache", " off ")], CacheWish { on: Some(false), ..none }),
            (&[("cache-control", "No-Cache, no-transform")], CacheWish { no_cache: true, ..none }),
            (
                &[("cache-control", "no-store"), ("cache-control", "max-age=60")],
                CacheWish { no_store: true, max_age: Some(Duration::from_secs(60)), ..none },
            ),
            (&[("cache-control", "max-age=x, max-stale")], none),
            (
                &[("cache-control", "only-if-cached,max-age=\"0\"")],
                CacheWish { only_if_cached: true, max_age: Some(Duration::ZERO), ..none },
            ),
        ];
        for (headers, want) in cases {
            assert_eq!(read(headers).unwrap(), want, "{headers:?}");
        }
        for bad in ["", "yes", "on, off"] {
            assert_eq!(read(&[("x-greenroom-cache", bad)]).unwrap_err().kind, ErrorKind::InvalidRequest);
        }
    }
}
