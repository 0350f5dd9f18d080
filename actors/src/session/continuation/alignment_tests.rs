use proptest::prelude::*;

use super::*;

/// What is shown of a continuation that comes in these pieces.
fn join<'a>(shown: &str, how: How, pieces: impl IntoIterator<Item = &'a str>) -> Result<String, Diverged> {
    let mut alignment = Alignment::new(shown.to_owned(), how);
    let (mut new, mut come) = (String::new(), 0);
    for piece in pieces {
        come += piece.len();
        new += &alignment.handle_text(piece.to_owned())?;
    }
    new += &alignment.finish()?;
    assert_eq!(alignment.skipped(), come - new.len(), "what is not new was left out");
    Ok(new)
}

/// The same however it comes: whole, by characters, in two pieces cut anywhere.
fn joined(shown: &str, how: How, continuation: &str) -> Result<String, Diverged> {
    let whole = join(shown, how, [continuation]);
    let mut buffer = [0; 4];
    let mut alignment = Alignment::new(shown.to_owned(), how);
    let mut new = String::new();
    let mut failed = None;
    for character in continuation.chars() {
        match alignment.handle_text(character.encode_utf8(&mut buffer).to_owned()) {
            Ok(more) => new += &more,
            Err(diverged) => {
                failed = Some(diverged);
                break;
            }
        }
    }
    let by_character = match failed {
        Some(diverged) => Err(diverged),
        None => alignment.finish().map(|more| new + &more),
    };
    assert_eq!(by_character, whole, "{shown:?} {how:?} {continuation:?}");
    for (cut, _) in continuation.char_indices() {
        let (first, second) = continuation.split_at(cut);
        assert_eq!(join(shown, how, [first, second]), whole, "{shown:?} {how:?} {first:?} {second:?}");
    }
    whole
}

const SHOWN: &str =
    "The river rises in the hills above the town, and for the first few miles it is hardly more than a brook.";

#[test]
fn what_goes_on_from_exactly_there_is_taken_as_it_is() {
    for how in [How::Asked, How::Prefilled] {
        for new in ["", " Then it widens.", "T", "The", "The river", " brook.", "a brook.", "\u{1f600}"] {
            assert_eq!(joined(SHOWN, how, new).as_deref(), Ok(new));
        }
    }
}

#[test]
fn a_repeat_of_all_or_of_the_end_is_left_out() {
    let new = " Then it widens.";
    for at in [0, 1, 40, SHOWN.len() - 64, SHOWN.len() - 24] {
        let repeated = format!("{}{new}", &SHOWN[at..]);
        assert_eq!(joined(SHOWN, How::Asked, &repeated).as_deref(), Ok(new), "from {at}");
        assert_eq!(joined(SHOWN, How::Asked, &SHOWN[at..]).as_deref(), Ok(""), "from {at}, and no more");
    }
    let chance = format!("{}{new}", &SHOWN[SHOWN.len() - 23..]);
    assert_eq!(joined(SHOWN, How::Asked, &chance).as_deref(), Ok(&*chance), "23 bytes may be chance");
    assert_eq!(joined("Yes", How::Asked, "Yes, sir").as_deref(), Ok(", sir"), "all that was shown is enough");
}

#[test]
fn a_long_answer_is_known_by_its_start_and_its_end() {
    let words: Vec<String> = (0..2000).map(|number| format!("{number} ")).collect();
    let long = words.concat();
    assert!(long.len() > 2 * TAIL);
    for at in [0, long.len() - 2000] {
        let comes = format!("{}and so on", &long[at..]);
        assert_eq!(join(&long, How::Asked, [&*comes]).as_deref(), Ok("and so on"), "from {at}");
    }
    assert_eq!(join(&long, How::Asked, [&long[..100], "and so on"]), Err(Diverged));
}

#[test]
fn an_answer_begun_anew_that_says_something_else_does_not_fit() {
    for end in ["", " the sea"] {
        let anew = format!("{}{end}", &SHOWN[..70]);
        assert_eq!(joined(SHOWN, How::Asked, &anew), Err(Diverged));
        assert_eq!(joined(SHOWN, How::Prefilled, &anew), Err(Diverged));
        let chance = format!("{}{end}", &SHOWN[..20]);
        assert_eq!(joined(SHOWN, How::Asked, &chance).as_deref(), Ok(&*chance));
        let chance = format!("{}{end}", &SHOWN[..60]);
        assert_eq!(joined(SHOWN, How::Prefilled, &chance).as_deref(), Ok(&*chance));
    }
}

#[test]
fn after_a_prefill_only_a_long_repeat_from_the_start_is_left_out() {
    let tail = format!("{} more", &SHOWN[SHOWN.len() - 40..]);
    assert_eq!(joined(SHOWN, How::Prefilled, &tail).as_deref(), Ok(&*tail), "it may really say so twice");
    assert_eq!(joined(SHOWN, How::Prefilled, &format!("{SHOWN} more")).as_deref(), Ok(" more"));
    assert_eq!(joined("Yes", How::Prefilled, "Yes, sir").as_deref(), Ok("Yes, sir"));
}

#[test]
fn whitespace_that_a_prefill_could_not_hold_is_not_said_twice() {
    for (shown, comes, new) in [
        ("one two ", " three", "three"),
        ("one two ", "three", "three"),
        ("one\n\n", "\n\ntwo", "two"),
        ("one\n\n", "\ntwo", "two"),
        ("one ", "\ntwo", "\ntwo"),
        ("one ", "", ""),
        ("one \n", " ", ""),
    ] {
        assert_eq!(joined(shown, How::Prefilled, comes).as_deref(), Ok(new), "{shown:?} {comes:?}");
    }
}

#[test]
fn lists_that_really_repeat_go_on() {
    let item = "- call the dentist again\n";
    let shown = item.repeat(8);
    // It can't be known whether one of these is a repeat, but nothing but repeats may be left out.
    let new = join(&shown, How::Asked, [&*item.repeat(3), "- done\n"]).unwrap();
    assert!(new == "- done\n" || new == format!("{}- done\n", item.repeat(3)), "{new}");
    let song = "Roses are red, violets are blue.\nRoses are red, violets are blue.\n";
    let new = "Roses are red, violets are white.\n";
    assert_eq!(joined(song, How::Asked, new).as_deref(), Ok(new), "the start comes again by itself");
    assert_eq!(joined(song, How::Asked, &new[..26]).as_deref(), Ok(&new[..26]), "and may end there");
    let code = "    fn handle(&mut self) {\n        self.count += 1;\n    }\n\n".repeat(3);
    let new = "    fn handle(&mut self) {\n        self.count -= 1;\n    }\n";
    assert_eq!(joined(&code, How::Asked, new).as_deref(), Ok(new));
}

#[test]
fn what_is_new_is_held_back_for_64_bytes_at_most() {
    // After the overlap of 24 bytes comes what came after it the first time as well: it may be a longer repeat.
    let (refrain, verse) = ("and the river runs along", "0123456789abcdefghij".repeat(10));
    let mut alignment = Alignment::new(format!("{refrain}{verse}{refrain}"), How::Asked);
    let mut new = String::new();
    for (come, character) in format!("{refrain}{verse}").chars().enumerate() {
        new += &alignment.handle_text(character.to_string()).unwrap();
        assert!((come + 1).saturating_sub(refrain.len()) < new.len() + MOST_HELD, "{come} came, {new:?} given");
    }
    assert_eq!((new, alignment.skipped()), (verse, refrain.len()));
    // What can't be a repeat of anything is not held at all.
    let mut alignment = Alignment::new("abc".repeat(40), How::Asked);
    assert_eq!(alignment.handle_text("z".to_owned()).as_deref(), Ok("z"));
}

proptest! {
    #[test]
    fn nothing_is_lost_or_doubled_of_an_answer_that_goes_on(
        answer in "[ab \u{e4}\u{1f600}\n]{0,400}",
        cut in any::<prop::sample::Index>(),
        pieces in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        asked in any::<bool>(),
    ) {
        let cut = answer.floor_char_boundary(cut.index(answer.len() + 1));
        let (shown, rest) = answer.split_at(cut);
        let mut cuts: Vec<usize> = pieces.iter().map(|at| rest.floor_char_boundary(at.index(rest.len() + 1))).collect();
        cuts.extend([0, rest.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &rest[pair[0]..pair[1]]);
        let how = if asked { How::Asked } else { How::Prefilled };
        match join(shown, how, pieces) {
            // What is left out must be what had been shown: as the start, as the end, or as whitespace at the end.
            Ok(new) => {
                prop_assert!(rest.ends_with(&new), "{:?} is no end of {:?}", new, rest);
                let skipped = &rest[..rest.len() - new.len()];
                prop_assert!(skipped.is_empty() || shown.ends_with(skipped) || shown.trim_end().len() < shown.len());
            }
            Err(Diverged) => {
                let least = if asked { LEAST_ASKED } else { LEAST_PREFILLED };
                prop_assert!(common_prefix(shown, rest) >= least);
            }
        }
    }

    #[test]
    fn a_repeat_from_anywhere_near_the_end_is_found(
        shown in "[a-z]{24,300}",
        from in any::<prop::sample::Index>(),
        new in "[A-Z]{0,40}",
        pieces in 1_usize..9,
    ) {
        let from = from.index(shown.len() - 23);
        let comes = format!("{}{new}", &shown[from..]);
        let size = comes.len().div_ceil(pieces).max(1);
        let pieces: Vec<&str> = (0..comes.len()).step_by(size).map(|at| &comes[at..(at + size).min(comes.len())]).collect();
        prop_assert_eq!(join(&shown, How::Asked, pieces), Ok(new));
    }
}
