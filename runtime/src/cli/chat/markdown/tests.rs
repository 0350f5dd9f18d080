use proptest::prelude::*;
use unicode_width::UnicodeWidthStr as _;

use super::{
    Markdown, Piece, painted,
    style::{Style, push},
};

/// A text shown in these pieces on a terminal of so many columns.
fn shown(columns: usize, pieces: &[&str]) -> Vec<Piece> {
    let mut markdown = Markdown::new();
    markdown.set_columns(columns);
    let mut all = Vec::new();
    let mut take = |pieces: Vec<Piece>| pieces.iter().for_each(|piece| push(&mut all, &piece.text, piece.style));
    pieces.iter().for_each(|piece| take(markdown.handle(piece)));
    take(markdown.finish());
    all
}

fn text(columns: usize, written: &str) -> String {
    shown(columns, &[written]).into_iter().map(|piece| piece.text).collect()
}

fn styled(written: &str) -> String {
    painted(&shown(80, &[written])).replace("\u{1b}[", "<").replace("<0m", "<>")
}

#[test]
fn headings_and_emphasis_are_styled() {
    assert_eq!(styled("# One\n## *Two*\nthree **four**"), "<1;4mOne<>\n<1;3mTwo<>\nthree <1mfour<>");
    assert_eq!(styled("`code` and ~~gone~~"), "<36mcode<> and <9mgone<>");
}

#[test]
fn lists_hang_by_their_marks() {
    let list = "- one two three four\n  - inner one two three\n1. first\n   - deep\n\n   more of first\n\nafter";
    let want =
        "• one two three\n  four\n  • inner one two\n    three\n1. first\n   • deep\n\n   more of first\n\nafter";
    assert_eq!(text(17, list), want);
    assert_eq!(text(80, "* **a**: b\n* [ ] c\n10. d"), "• a: b\n• [ ] c\n10. d");
    assert_eq!(text(80, "- one\nstill one"), "• one\n  still one");
    assert_eq!(text(80, "- - x"), "•\n  • x");
}

#[test]
fn quotes_are_barred_on_each_line() {
    assert_eq!(text(14, "> one two three\n>\n> > four"), "│ one two\n│ three\n│\n│ │ four");
    assert_eq!(text(80, "> a\nb"), "│ a\nb");
    assert_eq!(text(80, "> - a\n>   b\n\n- c"), "│ • a\n│   b\n\n• c");
}

#[test]
fn code_is_shown_as_it_is() {
    let code = "```rust\nfn main() {\n    let a = 1 * 2; // a long line that is not wrapped anywhere\n\n\t**x**\n}\n```\nafter";
    assert_eq!(text(20, code), code);
    assert_eq!(text(80, "1. do\n   ```sh\n   ls\n     -l\n   ```\n   done"), "1. do\n```sh\nls\n  -l\n```\n   done");
    assert_eq!(text(80, "a:\n\n    let x = *y*;\n    z\n\nb"), "a:\n\n    let x = *y*;\n    z\n\nb");
    assert_eq!(text(80, "> ```\n> x\n> ```\ny"), "│ ```\n│ x\n│ ```\ny");
    assert_eq!(styled("```sh\nls\n"), "<2m```sh<>\n<36mls<>\n");
}

#[test]
fn code_that_is_never_closed_ends_with_the_text() {
    assert_eq!(text(80, "```\nlet a"), "```\nlet a");
    assert_eq!(text(80, "```\nlet a\n``"), "```\nlet a\n``");
    assert_eq!(text(80, "```"), "```");
}

#[test]
fn rules_and_marks_of_nothing_else() {
    assert_eq!(text(20, "a\n---\nb"), "a\n────────────────────\nb");
    assert_eq!(text(80, "2 - 1 = 1\n-5\n#tag\n1.5\n+1"), "2 - 1 = 1\n-5\n#tag\n1.5\n+1");
    assert_eq!(text(80, "a\n--"), "a\n--");
    assert_eq!(text(80, "a\r\nb\r\n"), "a\nb\n");
}

#[test]
fn tables_are_aligned_in_the_middle_of_a_text() {
    let table = "Look:\n| a | n |\n|---|--:|\n| x | 10 |\n| yyy | 5 |\nDone.";
    assert_eq!(text(80, table), "Look:\na   │  n\n────┼───\nx   │ 10\nyyy │  5\nDone.");
    assert_eq!(text(80, "| not one |\nnext"), "| not one |\nnext");
    assert_eq!(text(80, "|x| of y"), "|x| of y\n");
    let narrow = "| one | two |\n|---|---|\n| a | b |\n";
    assert_eq!(text(8, narrow), narrow);
    assert_eq!(text(80, "- a\n\n  | b |\n  |---|\n\n| c |\n|---|\n"), "• a\n\n  b\n  ─\n\nc\n─\n");
    assert_eq!(text(80, "> | a |\n> |---|\n| b |\n|---|"), "│ a\n│ ─\nb\n─\n");
    assert_eq!(text(80, "> | a | b |\n> |---|---|\n> | 1 | 2 |\n"), "│ a │ b\n│ ──┼──\n│ 1 │ 2\n");
}

#[test]
fn a_table_that_is_too_long_goes_on_in_its_columns() {
    let row = format!("| {} | b |\n", "a".repeat(20));
    let written = format!("| head | x |\n|---|---|\n{}", row.repeat(4000));
    let mut markdown = Markdown::new();
    let before_its_end: usize = markdown.handle(&written).iter().map(|piece| piece.text.lines().count()).sum();
    assert!(before_its_end > 2000, "{before_its_end}");
    let mut all = text(0, &written);
    all = all.lines().skip(2).map(|line| format!("{line}\n")).collect();
    assert_eq!(all, format!("{} │ b\n", "a".repeat(20)).repeat(4000));
}

#[test]
fn words_appear_as_they_come() {
    let mut markdown = Markdown::new();
    markdown.set_columns(40);
    let mut come = |part: &str| markdown.handle(part).into_iter().map(|piece| piece.text).collect::<String>();
    assert_eq!(come("Once upon"), "Once");
    assert_eq!(come(" a"), " upon");
    assert_eq!(come(" **ti"), " a");
    assert_eq!(come("me** there"), " time");
    assert_eq!(come("\n- "), " there\n");
    assert_eq!(come("was "), "• was");
}

#[test]
fn emphasis_code_and_links_hold_across_the_lines_of_a_paragraph() {
    assert_eq!(styled("a **b\nc** d"), "a <1mb<>\n<1mc<> d");
    assert_eq!(styled("`one\ntwo` [three\nfour](u)"), "<36mone<>\n<36mtwo<> <4mthree<>\n<4mfour<> (<2mu<>)");
    assert_eq!(styled("*a\n  **b\nc** d*"), "<3ma<>\n<3m  <><1;3mb<>\n<1;3mc<><3m d<>");
    assert_eq!(styled("- **a\n  b**\n- c"), "• <1ma<>\n  <1mb<>\n• c");
    assert_eq!(styled("> **a\n> b** c\n> d"), "<2m│ <><1ma<>\n<2m│ <><1mb<> c\n<2m│ <>d");
    assert_eq!(styled("> **a\nb**"), "<2m│ <><1ma<>\n<1mb<>");
    assert_eq!(styled("**a\r\nb**\r\n"), "<1ma<>\n<1mb<>\n");
}

#[test]
fn what_is_open_where_a_paragraph_ends_is_shown_as_it_was_written() {
    for plain in ["**a\nb\n\nc** d", "`a\n\nb`", "[a\n\nb](c)", "**a\n", "**a\n\n\n", "**a\n```\n", "[a](b\nc)"] {
        assert_eq!(text(80, plain), plain);
    }
    assert_eq!(styled("**a\n- b**"), "**a\n• b**");
    assert_eq!(styled("- **a\n- b**"), "• **a\n• b**");
    assert_eq!(styled("**a\n> b**"), "**a\n<2m│ <>b**");
    assert_eq!(styled("> **a\n>\n> b**"), "<2m│ <>**a\n<2m│<>\n<2m│ <>b**");
    assert_eq!(styled("# **a\nb**"), "<1;4m**a<>\nb**");
    assert_eq!(styled("**a\n## b**\nc"), "**a\n<1mb**<>\nc");
    assert_eq!(styled("**a\n| b** |\n|---|\n"), "**a\n<1mb**<>\n<2m───<>\n");
}

#[test]
fn a_mark_that_is_never_closed_holds_no_more_than_its_paragraph() {
    let mut markdown = Markdown::new();
    let mut come = |part: &str| markdown.handle(part).into_iter().map(|piece| piece.text).collect::<String>();
    assert_eq!(come("a **b c"), "a ");
    assert_eq!(come("\nd"), "");
    assert_eq!(come("\n\n"), "**b c\nd\n\n");
    assert!(come(&format!("**{}", "word\n".repeat(120))).starts_with("**word\nword\n"));
    come("\n\n");
    assert!(come(&format!("**{}", "word ".repeat(120))).starts_with("**word"));
}

#[test]
fn a_terminal_of_one_column_or_none_is_left_to_wrap() {
    for columns in [0, 1, 5] {
        assert_eq!(text(columns, "- a **b** c\n> d"), "• a b c\n│ d");
    }
}

/// What Markdown is made of.
fn written() -> impl Strategy<Value = String> {
    let parts = [
        "word ",
        "another",
        " ",
        "  ",
        "    ",
        "\n",
        "\n\n",
        "- ",
        "* ",
        "1. ",
        "12) ",
        "# ",
        "### ",
        "> ",
        "```",
        "```rust\n",
        "~~~",
        "`",
        "``",
        "*",
        "**",
        "***",
        "_",
        "__",
        "~~",
        "[text](",
        "](u)",
        "[",
        "]",
        "(",
        ")",
        "!",
        "<https://x.y>",
        "<",
        "\\",
        "| a | b |\n",
        "|---|:-:|\n",
        "| ",
        "|",
        "---\n",
        "***\n",
        "日本語",
        "。",
        "👩‍👩‍👧",
        "e\u{301}",
        "\t",
        "\r\n",
        "\u{1b}[31m",
        "a_b_c",
        "3 * 4",
        "é",
    ];
    let part = prop_oneof![8 => prop::sample::select(parts.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,6}"];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

/// Words of which some open something and some close it, and none begins anything but text where it begins a line.
const MARKED: [&str; 16] =
    ["a", "**b", "c**", "*d", "e*", "`f", "g`", "[h", "i](u)", "~~j", "k~~", "_l", "m_", "\\*n", "***o", "p***"];

/// Letters and digits, each as often as it is there, whatever their order: a cell of a table may be wrapped.
fn letters(text: &str) -> Vec<char> {
    let mut letters: Vec<char> = text.chars().filter(|letter| letter.is_alphanumeric()).collect();
    letters.sort_unstable();
    letters
}

proptest! {
    #[test]
    fn any_split_of_a_text_is_shown_the_same(written in written(), at in prop::collection::vec(any::<prop::sample::Index>(), 0..8), columns in 0_usize..60) {
        let mut at: Vec<usize> = at.iter().map(|at| at.index(written.len() + 1)).filter(|at| written.is_char_boundary(*at)).collect();
        at.sort_unstable();
        let (mut pieces, mut from) = (Vec::new(), 0);
        for to in at {
            pieces.push(&written[from..to]);
            from = to;
        }
        pieces.push(&written[from..]);
        prop_assert_eq!(shown(columns, &pieces), shown(columns, &[&written]));
    }

    #[test]
    fn nothing_of_a_text_is_lost(written in written(), columns in 0_usize..60) {
        prop_assert_eq!(letters(&text(columns, &written)), letters(&written));
    }

    #[test]
    fn no_more_than_a_paragraph_is_held_back(written in written(), columns in 0_usize..60) {
        let written = written.replace('|', "");
        let mut markdown = Markdown::new();
        markdown.set_columns(columns);
        let (mut so_far, mut seen) = (String::new(), String::new());
        for line in written.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            so_far.push_str(line);
            seen.extend(markdown.handle(line).into_iter().map(|piece| piece.text));
            let (seen, so_far) = (letters(&seen), letters(&so_far));
            prop_assert!(so_far.len() - seen.len() <= 500);
            if line.trim_matches([' ', '\t', '\n']).is_empty() {
                prop_assert_eq!(seen, so_far);
            }
        }
    }

    #[test]
    fn what_is_open_holds_across_a_line_end_as_across_a_space(words in prop::collection::vec((prop::sample::select(MARKED.to_vec()), any::<bool>()), 0..40)) {
        let joined = |end: &str| -> Vec<(char, Style)> {
            let written: String = words.iter().map(|(word, ends)| format!("{word}{}", if *ends { end } else { " " })).collect();
            let letters = |piece: Piece| piece.text.chars().map(|letter| (letter, piece.style)).collect::<Vec<_>>();
            let all = shown(0, &[&written]).into_iter().flat_map(letters);
            all.filter(|(letter, _)| !letter.is_whitespace()).collect()
        };
        prop_assert_eq!(joined("\n"), joined(" "));
    }

    #[test]
    fn nothing_of_a_text_is_an_escape_sequence(written in written(), columns in 0_usize..60) {
        let shown = shown(columns, &[&written]);
        prop_assert!(shown.iter().all(|piece| piece.text.chars().all(|letter| !letter.is_control() || "\n\t".contains(letter))));
    }

    #[test]
    fn lines_of_short_words_fit(words in prop::collection::vec("[a-z日é]{1,5}|\\*\\*[a-z]{1,4}\\*\\*|- |> |\n", 0..60), columns in 24_usize..60) {
        for line in text(columns, &words.join(" ")).lines() {
            prop_assert!(line.width() <= columns, "{line:?}");
        }
    }

    #[test]
    fn code_is_never_altered(code in "[ -_a-z{|}~\t\n日]{0,120}", columns in 0_usize..40) {
        let shown = text(columns, &format!("````\n{code}\n````\n"));
        prop_assert_eq!(shown, format!("````\n{code}\n````\n"));
    }
}
