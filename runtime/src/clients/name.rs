//! What a client may be called, and which models may be written down for it. Pure.

use super::ClientError;

/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;
/// Under which usage is booked and sessions are kept that are no client's.
const RESERVED: [&str; 2] = ["admin", "library"];
/// Patterns of one client at most, and the longest of them in bytes: a few kilobytes in the store.
const MOST_MODELS: usize = 64;
const LONGEST_MODEL: usize = 256;

/// Whether a client can have this name.
pub(super) fn check(name: &str) -> Result<(), ClientError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    // Of dots alone it would be another place in the path of a URL.
    let is_one = (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(fits)
        && name.bytes().any(|byte| byte.is_ascii_alphanumeric());
    if !is_one {
        return Err(ClientError::BadName);
    }
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(ClientError::Reserved);
    }
    Ok(())
}

/// Whether these can be the patterns of a client's models.
pub(super) fn check_models(models: &[String]) -> Result<(), ClientError> {
    let is_one = |model: &String| (1..=LONGEST_MODEL).contains(&model.len()) && !model.chars().any(char::is_control);
    if models.len() > MOST_MODELS {
        return Err(ClientError::TooManyModels);
    }
    if models.iter().all(is_one) { Ok(()) } else { Err(ClientError::BadModel) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_that_no_url_mistakes() {
        for name in ["a", "Editor-2", "bot.example_1", "-x", &"a".repeat(64)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "-", "a b", "a/b", "a:b", "a@b", "é", "a\n", &"a".repeat(65)] {
            assert_eq!(check(name), Err(ClientError::BadName), "{name:?}");
        }
        for name in ["admin", "library", "Admin"] {
            assert_eq!(check(name), Err(ClientError::Reserved), "{name}");
        }
    }

    #[test]
    fn patterns_are_bounded_texts() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(check_models(&[]), Ok(()));
        assert_eq!(check_models(&texts(&["*", "openai/*", "llama3.1:8b"])), Ok(()));
        for bad in ["", "a\nb", &"x".repeat(257)] {
            assert_eq!(check_models(&texts(&["fine", bad])), Err(ClientError::BadModel), "{bad:?}");
        }
        assert_eq!(check_models(&vec!["a".to_owned(); 65]), Err(ClientError::TooManyModels));
    }
}
