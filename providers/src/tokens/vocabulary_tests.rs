use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// The library's own, with OpenAI's patterns to the letter.
fn reference(vocabulary: Vocabulary) -> &'static CoreBPE {
    static O200K: LazyLock<CoreBPE> = LazyLock::new(|| tiktoken_rs::o200k_base().expect("it is embedded"));
    static CL100K: LazyLock<CoreBPE> = LazyLock::new(|| tiktoken_rs::cl100k_base().expect("it is embedded"));
    match vocabulary {
        Vocabulary::O200k => &O200K,
        Vocabulary::Cl100k => &CL100K,
    }
}

const BOTH: [Vocabulary; 2] = [Vocabulary::O200k, Vocabulary::Cl100k];

fn tokens(vocabulary: Vocabulary, text: &str) -> u64 {
    let length = vocabulary.count(text);
    assert!(length.exact);
    length.tokens
}

#[test]
fn what_is_embedded_is_what_openai_published() {
    let packed: [(_, &[u8], _); 2] = [
        (Vocabulary::O200k, include_bytes!("o200k_base.zlib"), O200K_TOKENS),
        (Vocabulary::Cl100k, include_bytes!("cl100k_base.zlib"), CL100K_TOKENS),
    ];
    for (vocabulary, packed, count) in packed {
        let tokens = unpack(packed, count);
        for (rank, token) in tokens.iter().enumerate() {
            let published = reference(vocabulary).decode_bytes(&[rank as Rank]).expect("a rank of the vocabulary");
            assert_eq!(*token, published, "{vocabulary:?} {rank}");
        }
        let next = tokens.len() as Rank;
        assert!(
            reference(vocabulary).decode_bytes(&[next]).map_or(true, |token| token.starts_with(b"<|")),
            "that is all"
        );
    }
}

#[test]
fn nothing_is_no_token_and_special_tokens_are_text() {
    for vocabulary in BOTH {
        assert_eq!(tokens(vocabulary, ""), 0);
        assert_eq!(tokens(vocabulary, "hello world"), 2);
        assert!(tokens(vocabulary, "<|endoftext|>") > 1);
    }
}

#[test]
fn white_space_goes_to_the_word_that_follows() {
    let texts = [
        " ",
        "  ",
        " a",
        "  a",
        "   a  b ",
        "a\n\n b",
        "a \n \n  b",
        "\n",
        "a\r\n\r\n\tb",
        "a  \n  ",
        "\t\t\u{a0}\u{3000}x",
        "x \u{2028} y",
        "'S 's 'ſ it's IT'LL",
        "1234567 89",
        "a/b//\n/c",
        "…!?\r\n",
        "\u{301}\u{301}a",
        "AbcDEFg hIJ",
    ];
    for text in texts {
        for vocabulary in BOTH {
            assert_eq!(
                tokens(vocabulary, text),
                reference(vocabulary).count_ordinary(text) as u64,
                "{vocabulary:?} {text:?}"
            );
        }
    }
}

/// What the reference can't cut at all, or not in sensible time.
#[test]
fn long_runs_of_one_character_take_time_in_proportion() {
    let begun = Instant::now();
    for (text, o200k, cl100k) in
        [("a", 131_072, 131_072), (" ", 8194, 8194), ("=", 16_385, 16_385), ("\n", 65_537, 32_769)]
    {
        let text = format!("{}x", text.repeat(1 << 20));
        let is = |vocabulary| vocabulary_count_near(vocabulary, &text);
        let found = (is(Vocabulary::O200k), is(Vocabulary::Cl100k));
        assert!(found.0.abs_diff(o200k) <= 1 && found.1.abs_diff(cl100k) <= 1, "{found:?} of {:?}", &text[..1]);
    }
    // What is quadratic takes hours; the bound says nothing of how quick the machine is.
    assert!(begun.elapsed() < Duration::from_secs(300));
}

fn vocabulary_count_near(vocabulary: Vocabulary, text: &str) -> u64 {
    vocabulary.count(text).tokens
}

#[test]
fn a_word_that_is_too_long_is_counted_in_slices_and_says_so() {
    let word = "ab".repeat(LONGEST_PIECE / 2);
    assert!(Vocabulary::Cl100k.count(&word).exact);
    let longer = Vocabulary::Cl100k.count(&format!("é{word}é"));
    assert!(!longer.exact);
    assert!(longer.tokens.abs_diff(tokens(Vocabulary::Cl100k, &word)) < 8);
}

/// Texts of what the patterns tell apart, and of anything.
fn texts() -> impl Strategy<Value = String> {
    let kinds = prop_oneof![
        "[a-z]{1,8}",
        "[A-Z]{1,4}",
        "[0-9]{1,5}",
        "[ \t\n\r\u{a0}\u{3000}\u{2028}\u{85}]{1,5}",
        "[!-/:-@]{1,4}",
        "'(s|S|ll|RE|ſ|d)",
        "[\u{4e00}-\u{4fff}]{1,4}",
        "[\u{600}-\u{6ff}]{1,6}",
        "[😀-🙏]{1,2}\u{200d}?",
        "[ǅᾈʰªाे\u{301}]{1,3}",
        "<\\|endoftext\\|>",
        "\\PC{1,6}",
        "(?s:.){1,6}",
    ];
    prop::collection::vec(kinds, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_as_many_tokens_as_the_published_patterns_make_of_it(text in texts()) {
        for vocabulary in BOTH {
            prop_assert_eq!(tokens(vocabulary, &text), reference(vocabulary).count_ordinary(&text) as u64);
        }
    }
}
