//! Counts against npm's `gpt-tokenizer`, an implementation of its own. The folder that has it in its `node_modules` is named by
//! `GREENROOM_TOKENIZER` (and the Node to run it with by `GREENROOM_NODE`); without it a test is passed over, and says so.

use std::{
    env,
    io::Write as _,
    process::{Command, Stdio},
};

use greenroom_providers::tokens::vocabulary::Vocabulary;
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tokens/count.mjs");
const ENGLISH: &str = "It's a truth universally acknowledged: we'll see who'd've thought so! (Nobody.) \
    The year 1984 cost $12,345.67—or 3.14e-10 times that… \"Quoted\", 'single', `code`. HTTPServer, camelCase, SCREAMING_CASE.";
const GERMAN: &str =
    "Der Donaudampfschifffahrtsgesellschaftskapitän übt früh Öfen zu heißen; Größe: 1,5 m². „Grüß Gott!“";
const CHINESE: &str = "今天天气很好,我们去公园散步吧。人工智能正在改变世界!他说:「你好」。価格は￥1,200です。";
const ARABIC: &str = "مرحبا بالعالم! كيف حالك اليوم؟ السَّلامُ عَلَيْكُم ١٢٣٤٥.";
const MORE: &str =
    "Привет, мир! Γειά σου Κόσμε. שלום עולם. नमस्ते दुनिया, क्षत्रिय. สวัสดีชาวโลก 안녕하세요 세계 Xin chào thế giới";
const EMOJI: &str = "😀😃 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 👍🏽 ❤️‍🔥 ✈︎ 1️⃣ ☕️🫠";
const CODE: &str = "fn main() {\n    let x: Vec<u8> = vec![0; 1 << 20];\n\tfor (i, b) in x.iter().enumerate() {\n\t\tprintln!(\"{i}: {b:#04x}\"); // done\r\n    }\n}\n\n\n#include <stdio.h>\n/* a//b */ if (a!=b&&c||!d) { return -1; }\n";
const JSON: &str = "{\"id\":\"chatcmpl-9aZ\",\"n\":[1,2.5,-3e8,null,true],\"s\":\"\\u00e9\\n\\\"x\\\"\",\n  \"deep\":{\"a\":{\"b\":{}}}}";
const SPECIAL: &str =
    "<|endoftext|> <|im_start|>user<|im_end|><|fim_prefix|><|endofprompt|> <|start|>assistant<|channel|>";
const WHITE: &str = " a  b   c\t\td \t e\n\nf \n \n g\r\n\r\nh\u{a0}\u{a0}i\u{3000}j\u{2028}k\u{2029}lm\u{200b}n   ";

/// Texts of many kinds, beginnings and ends of them cut anywhere, and anything at all.
fn corpus() -> Vec<String> {
    let whole = [ENGLISH, GERMAN, CHINESE, ARABIC, MORE, EMOJI, CODE, JSON, SPECIAL, WHITE];
    let mut texts: Vec<String> = whole.iter().map(|text| (*text).to_owned()).collect();
    for text in whole {
        let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).step_by(3).collect();
        texts.extend(bounds.iter().map(|at| text[*at..].to_owned()));
        texts.extend(bounds.iter().map(|at| text[..*at].to_owned()));
        texts.push(text.repeat(50));
    }
    for run in ["a", " ", "\n", "\t", "=", "7", "é", "中", "\u{301}", "😀", "A", "\r\n", " \n"] {
        for length in [2, 3, 7, 64, 1000] {
            texts.push(run.repeat(length));
            texts.push(format!("x{}x", run.repeat(length)));
        }
    }
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let any = prop_oneof!["(?s:.){0,60}", "\\PC{0,60}", "[\\s a-zA-Z'0-9]{0,60}"];
    texts.extend((0..600).map(|_| any.new_tree(&mut runner).expect("nothing is filtered").current()));
    // JavaScript has its own white space: the byte order mark is some to it, and U+0085 is none.
    texts.retain(|text| !text.contains(['\u{feff}', '\u{85}']));
    texts
}

#[test]
fn two_implementations_count_the_same() {
    let Some(folder) = env::var_os("GREENROOM_TOKENIZER") else {
        return eprintln!("passed over: GREENROOM_TOKENIZER names no folder");
    };
    let texts = corpus();
    let mut child = Command::new(env::var_os("GREENROOM_NODE").unwrap_or_else(|| "node".into()))
        .arg(SCRIPT)
        .env("GREENROOM_TOKENIZER", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node is there");
    let asked = serde_json::to_vec(&texts).expect("texts are JSON");
    child.stdin.take().expect("it is piped").write_all(&asked).expect("the script reads all of it");
    let output = child.wait_with_output().expect("a child that was started can be waited for");
    assert!(output.status.success());
    let theirs: Vec<(u64, u64)> = serde_json::from_slice(&output.stdout).expect("pairs of counts");
    assert_eq!(theirs.len(), texts.len());
    let differ: Vec<_> = texts
        .iter()
        .zip(&theirs)
        .map(|(text, theirs)| {
            let ours = (Vocabulary::O200k.count(text).tokens, Vocabulary::Cl100k.count(text).tokens);
            (text.chars().take(80).collect::<String>(), ours, *theirs)
        })
        .filter(|(_, ours, theirs)| ours != theirs)
        .collect();
    assert!(differ.is_empty(), "{} of {} differ (text, ours, theirs): {differ:#?}", differ.len(), texts.len());
}
