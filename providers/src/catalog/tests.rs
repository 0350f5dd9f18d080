use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// One for all, so that it is read once.
static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::embedded);

fn found(kind: &str, id: &str) -> String {
    CATALOG.lookup(kind, id).map_or_else(|| "-".to_owned(), |entry| format!("{} {}", entry.provider, entry.entry))
}

fn info(kind: &str, id: &str) -> ModelInfo {
    CATALOG.lookup(kind, id).unwrap_or_else(|| panic!("{kind} {id}")).info
}

fn input(kind: &str, id: &str) -> Option<f64> {
    info(kind, id).price.map(|price| price.input)
}

#[test]
fn what_is_embedded_is_valid_in_every_line() {
    check(EMBEDDED).unwrap();
    let catalog = &*CATALOG;
    assert!(catalog.len() > 1500 && EMBEDDED.len() < 300_000, "{} in {} bytes", catalog.len(), EMBEDDED.len());
    assert!(catalog.date() > Date::parse("2026-01-01"));
    for line in 0..catalog.len() {
        let row = catalog.row(line);
        let own = catalog.lookup(row.provider, &row.info.id).unwrap();
        assert_eq!((own.provider.as_str(), own.entry.as_str()), (row.provider, row.info.id.as_str()));
        assert_eq!(own.info.price, row.info.price, "a price is the provider's own");
    }
}

/// Windows, longest answers and prices of input and output, written here by hand.
#[test]
fn facts_are_those_of_the_providers() {
    #[rustfmt::skip]
    let models: [(&str, &str, u64, u64, f64, f64); 26] = [
        ("anthropic", "claude-sonnet-4-5", 200_000, 64_000, 3.0, 15.0),
        ("anthropic", "claude-haiku-4-5", 200_000, 64_000, 1.0, 5.0),
        ("anthropic", "claude-opus-4-5", 200_000, 64_000, 5.0, 25.0),
        ("anthropic", "claude-opus-4-6", 1_000_000, 128_000, 5.0, 25.0),
        ("anthropic", "claude-sonnet-4-6", 1_000_000, 128_000, 3.0, 15.0),
        ("openai", "gpt-5", 400_000, 128_000, 1.25, 10.0),
        ("openai", "gpt-5-mini", 400_000, 128_000, 0.25, 2.0),
        ("openai", "gpt-5-nano", 400_000, 128_000, 0.05, 0.4),
        ("openai", "gpt-5.1", 400_000, 128_000, 1.25, 10.0),
        ("openai", "gpt-5.2", 400_000, 128_000, 1.75, 14.0),
        ("openai", "gpt-5-pro", 400_000, 272_000, 15.0, 120.0),
        ("openai", "gpt-4.1", 1_047_576, 32_768, 2.0, 8.0),
        ("openai", "gpt-4.1-mini", 1_047_576, 32_768, 0.4, 1.6),
        ("openai", "gpt-4o", 128_000, 16_384, 2.5, 10.0),
        ("openai", "gpt-4o-mini", 128_000, 16_384, 0.15, 0.6),
        ("openai", "o3", 200_000, 100_000, 2.0, 8.0),
        ("gemini", "gemini-2.5-pro", 1_048_576, 65_536, 1.25, 10.0),
        ("gemini", "gemini-2.5-flash", 1_048_576, 65_536, 0.3, 2.5),
        ("gemini", "gemini-2.5-flash-lite", 1_048_576, 65_536, 0.1, 0.4),
        ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", 200_000, 64_000, 3.0, 15.0),
        ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", 200_000, 64_000, 1.1, 5.5),
        ("bedrock", "anthropic.claude-3-5-haiku-20241022-v1:0", 200_000, 8192, 0.8, 4.0),
        ("azure", "gpt-4o-mini", 128_000, 16_384, 0.15, 0.6),
        ("vertex", "claude-opus-4-5@20251101", 200_000, 64_000, 5.0, 25.0),
        ("copilot", "claude-haiku-4.5", 144_000, 16_000, 1.0, 5.0),
        ("openrouter", "openai/gpt-5.1", 400_000, 128_000, 1.25, 10.0),
    ];
    for (kind, id, context, max_output, input, output) in models {
        let info = info(kind, id);
        let price = info.price.unwrap_or_else(|| panic!("{kind} {id} has no price"));
        let known = (info.context, info.max_output, price.input, price.output);
        assert_eq!(known, (Some(context), Some(max_output), input, output), "{kind} {id}");
    }
    let embedding = info("openai", "text-embedding-3-small");
    assert_eq!((embedding.price.unwrap().input, embedding.max_output), (0.02, None));
}

#[test]
fn caches_tiers_and_batches_have_their_prices() {
    let price = |kind, id| info(kind, id).price.unwrap();
    let sonnet = price("anthropic", "claude-sonnet-4-5");
    assert_eq!((sonnet.cache_read, sonnet.cache_write, sonnet.cache_write_1h), (Some(0.3), Some(3.75), Some(6.0)));
    assert_eq!(sonnet.batch.map(|batch| (batch.input, batch.output)), Some((1.5, 7.5)));
    assert_eq!((sonnet.searches, price("openai", "gpt-5").searches), (Some(10.0), None));
    let gemini = price("gemini", "gemini-2.5-pro");
    let tiers: Vec<_> = gemini.tiers.iter().map(|tier| (tier.above_tokens, tier.input, tier.output)).collect();
    assert_eq!(tiers, [(200_000, 2.5, 15.0)]);
    let long = greenroom_wire::Usage { input: 200_001, output: 10_000, ..Default::default() };
    assert_eq!(gemini.cost(&long).to_string(), "$0.6500025");
}

#[test]
fn capabilities_are_known_where_they_were_said() {
    let claude = info("anthropic", "claude-sonnet-4-5");
    assert_eq!((claude.tools, claude.json_schema, claude.prefill), (Some(true), Some(true), Some(true)));
    assert_eq!(
        (claude.takes.images, claude.takes.documents, claude.takes.audio),
        (Some(true), Some(true), Some(false))
    );
    assert_eq!((claude.may_think(None), claude.may_think(Some(true))), (false, true), "it thinks if it is asked to");
    assert_eq!(claude.deprecated, Date::parse("2026-11-30"));
    assert_eq!(info("anthropic", "claude-opus-4-6").prefill, Some(false), "it refuses one");
    let gpt = info("openai", "gpt-5-mini");
    assert_eq!((gpt.reasoning_always, gpt.sampling_params, gpt.prefill), (Some(true), Some(false), None));
    assert!(!info("openai", "gpt-4o").may_think(Some(true)));
}

#[test]
fn a_model_is_found_under_its_other_names() {
    for (kind, id, entry) in [
        ("anthropic", "claude-sonnet-4-5-20250929", "anthropic claude-sonnet-4-5-20250929"),
        ("anthropic", "claude-sonnet-4-5-latest", "anthropic claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-6-20260217", "anthropic claude-sonnet-4-6"),
        ("bedrock", "eu.anthropic.claude-opus-4-6-v1", "bedrock anthropic.claude-opus-4-6-v1"),
        ("bedrock", "anthropic.claude-3-5-haiku", "bedrock anthropic.claude-3-5-haiku-20241022-v1:0"),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-5",
            "bedrock anthropic.claude-sonnet-5",
        ),
        ("vertex", "publishers/anthropic/models/claude-opus-5@default", "vertex claude-opus-5"),
        ("vertex", "google/gemini-3.5-flash", "vertex gemini-3.5-flash"),
        ("gemini", "models/gemini-2.5-pro", "gemini gemini-2.5-pro"),
        ("copilot", "claude-sonnet-5-5", "copilot claude-sonnet-5.5"),
        ("ollama", "llama3.1:latest", "ollama llama3.1"),
        ("openai", "ft:gpt-4.1-mini-2025-04-14:acme::9xYz", "openai gpt-4.1-mini-2025-04-14"),
        ("openai-compatible", "anthropic/claude-sonnet-4.5", "anthropic claude-sonnet-4-5"),
        ("openai-compatible", "gpt-5-mini", "openai gpt-5-mini"),
    ] {
        assert_eq!(found(kind, id), entry, "{kind} {id}");
    }
}

#[test]
fn one_version_never_stands_for_another() {
    for (kind, id) in [
        ("openai", "gpt-5-micro"),
        ("openai", "gpt-5.15"),
        ("openai", "o1-mini"),
        ("openai", "o3-mini"),
        ("anthropic", "claude-3-7-sonnet"),
        ("anthropic", "claude-sonnet-4"),
        ("anthropic", "claude-sonnet-4-5-mini"),
        // Another day's state, of which nothing is known.
        ("bedrock", "anthropic.claude-3-5-haiku-20990101-v1:0"),
        ("gemini", "gemini-2.5"),
        // A tag is a size.
        ("ollama", "llama3.1:70b"),
        ("ollama", "llama2:8b"),
        // A deployment has the customer's name, unless it is the model's.
        ("azure", "gpt-5-mini-20250807"),
        ("azure", "GPT-5-mini"),
        ("azure", "my-gpt-5"),
        // Whoever trained it from another may have cut it to any window.
        ("openai-compatible", "acme/claude-sonnet-4-5"),
        ("openai-compatible", "claude-sonnet-4-5-distilled"),
        ("openai-compatible", "gpt-oss-120b"),
        ("openai-compatible", "qwen3"),
        ("llamacpp", "gpt-4o"),
        ("demo", "demo"),
        ("nobody", "gpt-4o"),
    ] {
        assert_eq!(found(kind, id), "-", "{kind} {id}");
    }
}

#[test]
fn a_price_is_said_only_where_the_providers_own_entry_says_it() {
    assert_eq!(input("bedrock", "us.anthropic.claude-sonnet-5"), Some(2.2));
    assert_eq!(input("bedrock", "global.anthropic.claude-sonnet-5"), Some(2.0));
    assert_eq!(input("bedrock", "sa.anthropic.claude-sonnet-5"), None, "that profile's price isn't known");
    assert_eq!(input("openai-compatible", "claude-sonnet-4-5"), None);
    assert_eq!(input("openai", "ft:gpt-4.1-mini-2025-04-14:acme::9xYz"), None, "one's own costs more");
    assert_eq!(input("openrouter", "openai/gpt-5.1"), Some(1.25));
    assert_eq!(input("openrouter", "openai/GPT-5-1"), Some(1.25));
    assert_eq!(input("bedrock-mantle", "openai.gpt-5.4"), Some(2.75));
    assert_eq!(input("bedrock-mantle", "openai/gpt-5.4"), None, "it stands there for several regions");
    assert_eq!(input("openrouter", "openai/gpt-5.1:nitro"), None);
    assert_eq!(input("azure", "us-gov/o3-mini"), None, "sources disagree and none is Azure's own");
}

#[test]
fn what_the_provider_leaves_open_is_the_makers_word_as_far_as_it_holds() {
    let elsewhere = info("openai-compatible", "anthropic/claude-sonnet-4-5");
    assert_eq!((elsewhere.id.as_str(), elsewhere.context), ("anthropic/claude-sonnet-4-5", Some(200_000)));
    assert_eq!((elsewhere.prefill, elsewhere.deprecated), (None, None), "whoever passes it on may not");
    assert_eq!(info("openai-compatible", "claude-opus-4-6").prefill, Some(false), "what the model refuses, all refuse");
    assert_eq!(info("openrouter", "anthropic/claude-sonnet-4.5").prefill, Some(true));
    let copilot = info("copilot", "claude-sonnet-5.5");
    assert_eq!(copilot.json_schema, Some(true));
    let newer = CATALOG.lookup("copilot", "claude-opus-5").map(|entry| entry.info.context);
    assert_eq!(newer, Some(None), "Copilot's windows are its own");
}

const FIRST: &str = "greenroom-catalog\t1\t2026-11-20\n";

fn refused(text: &[u8]) -> CatalogError {
    Catalog::read(text).unwrap_err()
}

#[test]
fn a_catalogue_with_nonsense_is_refused_whole() {
    let good = format!("{FIRST}a\tm\tchat\t10\nb\tm\tchat\n");
    let catalog = Catalog::read(good.as_bytes()).unwrap();
    assert_eq!((catalog.len(), catalog.lookup("a", "m").unwrap().info.context), (2, Some(10)));
    let empty = Catalog::read(FIRST.as_bytes()).unwrap();
    assert!(empty.is_empty() && empty.lookup("a", "m").is_none());
    for (text, line, problem) in [
        (String::new(), 1, LineProblem::Header),
        ("{\"models\": []}".into(), 1, LineProblem::Header),
        (format!("{good}c\tm\tsing\n"), 4, LineProblem::Column { column: "mode" }),
        (format!("{good}b\tm\tchat\n"), 4, LineProblem::Order),
        (format!("{good}a\tz\tchat\n"), 4, LineProblem::Order),
        (format!("{good}\n"), 4, LineProblem::Columns { found: 1 }),
        (good.replace('\n', "\r\n"), 1, LineProblem::Header),
    ] {
        match refused(text.as_bytes()) {
            CatalogError::Line { line: at, problem: is } => assert_eq!((at, is), (line, problem), "{text}"),
            other => panic!("{text}: {other}"),
        }
    }
    assert!(matches!(refused(b"greenroom\xff"), CatalogError::NotText(_)));
}

#[test]
fn an_endless_catalogue_is_not_read_to_its_end() {
    let endless = FIRST.as_bytes().chain(std::io::repeat(b'x'));
    assert!(matches!(Catalog::read(endless), Err(CatalogError::TooLarge)));
    let mut many = FIRST.to_owned();
    (0..MOST_LINES).for_each(|at| many += &format!("a\t{at:05}\tchat\n"));
    assert!(matches!(refused(many.as_bytes()), CatalogError::TooLarge));
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::PermissionDenied.into())
        }
    }
    assert!(matches!(Catalog::read(Broken), Err(CatalogError::Read(_))));
}

#[test]
fn a_model_is_found_by_its_name_alone_at_its_maker() {
    let find = |name| CATALOG.find(name);
    assert_eq!(find("gpt-4.1"), Some(("openai", "gpt-4.1")));
    assert_eq!(find("anthropic/claude-sonnet-4-5"), Some(("anthropic", "claude-sonnet-4-5")));
    assert_eq!(find("claude-sonnet-4-5"), Some(("anthropic", "claude-sonnet-4-5")));
    assert_eq!(find("vertex/claude-sonnet-4-5"), Some(("vertex", "claude-sonnet-4-5")));
    assert_eq!(find("meta-llama/llama-3.3-70b-instruct"), Some(("openrouter", "meta-llama/llama-3.3-70b-instruct")));
    assert_eq!((find("nobody/m"), find("openai/nothing"), find("")), (None, None, None));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(tail in "(a|b|\t|\n|1|/|:|;|chat|T|\\PC){0,60}") {
        let _either = Catalog::read(format!("{FIRST}{tail}").as_bytes());
    }

    /// Any entry, written as its provider's other names have it, is found as the same model and day.
    #[test]
    fn decoration_finds_the_same_model(at in 0..1500_usize, with in 0..4_usize) {
        let catalog = &*CATALOG;
        let row = catalog.row(at);
        let (provider, id) = (row.provider, row.info.id.as_str());
        let written = match (provider, with) {
            ("gemini", _) => format!("models/{id}"),
            ("vertex", 0) if id.starts_with("claude") => format!("publishers/anthropic/models/{id}"),
            ("bedrock", 0) => format!("arn:aws:bedrock:us-east-1::foundation-model/{id}"),
            ("openrouter", 1) => id.replace('.', "-"),
            ("azure", _) => id.to_owned(),
            (_, 2) => id.to_ascii_uppercase(),
            _ => id.to_owned(),
        };
        prop_assume!(!id.contains('~'));
        let other = catalog.lookup(provider, &written).map(|entry| entry.entry);
        let (one, other) = (Name::parse(id), other.as_deref().and_then(Name::parse));
        prop_assert_eq!(one, other, "{} {}", provider, written);
    }

    /// Whatever is found has the name that was asked for, but for decoration.
    #[test]
    fn what_is_found_is_what_was_asked_for(
        at in 0..1500_usize,
        more in "(-mini|-pro|-nano|-[0-9]|\\.[0-9]|[0-9]|-preview|-2025-08-07|-latest|:free|-v1:0|@20250929|)",
        kind in proptest::sample::select(vec!["own", "openai-compatible", "openrouter", "bedrock", "openai"]),
    ) {
        let catalog = &*CATALOG;
        let row = catalog.row(at);
        let kind = if kind == "own" { row.provider } else { kind };
        let asked = format!("{}{more}", row.info.id);
        if let Some(entry) = catalog.lookup(kind, &asked) {
            let (Some(name), Some(found)) = (Name::parse(&asked), Name::parse(&entry.entry)) else {
                // An id that names no model in the usual way is found by every letter of it alone.
                prop_assert_eq!(asked, entry.entry);
                return Ok(());
            };
            prop_assert_eq!(name.key(), found.key());
            prop_assert!(name.date.is_none() || found.date.is_none() || name.date == found.date);
        }
    }
}
