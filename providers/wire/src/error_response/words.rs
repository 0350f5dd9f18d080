//! A provider's own words, made fit to show.

use crate::error::{ChatError, ErrorKind};

/// The longest message that is shown, in characters.
const LONGEST: usize = 500;

/// How keys and tokens of the common providers begin.
const KEYS: [&str; 16] = [
    "sk-",
    "sk_",
    "gsk_",
    "xai-",
    "pplx-",
    "AIza",
    "ya29.",
    "hf_",
    "ghu_",
    "gho_",
    "ghp_",
    "github_pat_",
    "tid=",
    "eyJ",
    "tgp_",
    "key-",
];

/// `text` with runs of white space made one space, what looks like a credential replaced, and cut at 500 characters.
/// Providers quote the rejected key in their errors, and not all of them mask it.
pub(crate) fn fit_to_show(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * LONGEST));
    let mut bearer = false;
    for (count, word) in text.split_whitespace().enumerate() {
        if count > 0 {
            shown.push(' ');
        }
        push_word(&mut shown, word, bearer);
        bearer = word.eq_ignore_ascii_case("bearer");
        if shown.len() > 4 * LONGEST {
            break;
        }
    }
    match shown.char_indices().nth(LONGEST) {
        Some((at, _)) => shown[..at].to_owned() + "…",
        None => shown,
    }
}

fn push_word(shown: &mut String, word: &str, bearer: bool) {
    let edge = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-');
    let inside = word.trim_matches(edge);
    // A key may be glued to what is before it: `key=sk-…`, `"api_key":"sk-…"`.
    let at = if bearer {
        Some(0)
    } else {
        KEYS.iter()
            .filter_map(|key| inside.find(key))
            .filter(|at| inside[..*at].chars().next_back().is_none_or(edge))
            .min()
    };
    match at {
        Some(at) if inside.len() - at >= 8 => {
            let start = inside.as_ptr() as usize - word.as_ptr() as usize;
            shown.push_str(&word[..start + at]);
            shown.push_str("[key]");
            shown.push_str(&word[start + inside.len()..]);
        }
        _ => shown.push_str(word),
    }
}

/// Whether a body is a web page: what proxies, gateways and wrong addresses answer with.
fn is_html(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    ["<!doctype html", "<html", "<head", "<body", "<!--", "<?xml"]
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(tag.as_bytes())))
}

/// What came where JSON should be.
pub(crate) fn not_json(body: &[u8], status: u16) -> ChatError {
    let message = if is_html(body) {
        format!("the provider answered with HTML, not JSON (status {status})")
    } else if body.is_empty() {
        format!("the provider answered with status {status} and nothing else")
    } else if body.starts_with(b"{") || status < 300 {
        "the provider answered with something that is not JSON".into()
    } else {
        fit_to_show(&String::from_utf8_lossy(&body[..body.len().min(4096)]))
    };
    ChatError::new(ErrorKind::Protocol, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_shown() {
        assert_eq!(
            fit_to_show("Incorrect API key provided: sk-fake-key. You can"),
            "Incorrect API key provided: [key]. You can"
        );
        assert_eq!(fit_to_show("got \"api_key=gsk_abcdefgh\","), "got \"api_key=[key]\",");
        assert_eq!(fit_to_show("Authorization: Bearer abc.def.ghi rejected"), "Authorization: Bearer [key] rejected");
        assert_eq!(fit_to_show("ask-me-anything and disk-full-error"), "ask-me-anything and disk-full-error");
    }

    #[test]
    fn long_words_are_cut_at_a_character() {
        let shown = fit_to_show(&"ä".repeat(10_000));
        assert_eq!(shown.chars().count(), LONGEST + 1);
        assert_eq!(fit_to_show(" a\n\tb "), "a b");
    }

    #[test]
    fn pages_are_known() {
        assert!(is_html(b"\n <!DOCTYPE html><html>"));
        assert!(is_html(b"<HTML>"));
        assert!(!is_html(b"{\"a\":\"<html>\"}"));
    }
}
