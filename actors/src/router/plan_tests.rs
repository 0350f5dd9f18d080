use greenroom_providers::Catalog;

use super::*;

struct AsWritten;

impl Preference for AsWritten {
    fn sort(&mut self, _: Strategy, _: &mut Vec<(Vec<Candidate>, u32)>) {}
}

const ALL: Capabilities = Capabilities {
    tools: true,
    images: true,
    documents: true,
    audio: true,
    json_schema: true,
    local: false,
    responses: None,
};

fn shelf(provider: &str, ids: Option<&[&str]>) -> Shelf {
    let listed: Option<Arc<[ModelInfo]>> = ids.map(|ids| ids.iter().map(|id| ModelInfo::named(*id)).collect());
    Shelf {
        provider: provider.into(),
        capabilities: ALL,
        configured: Vec::new(),
        asked: listed.is_some().then(|| (Instant::now(), None)),
        listed,
        facts: Arc::new(Facts::none()),
    }
}

fn chain(names: &[&str]) -> Target {
    Target::Chain(names.iter().map(ToString::to_string).collect())
}

fn book() -> Book {
    Book {
        shelves: vec![
            shelf("openai", Some(&["text-embedding-3", "gpt-5", "gpt-5-mini", "shared"])),
            shelf("lab", Some(&["qwen/qwen3", "shared"])),
        ],
        aliases: vec![
            ("smart".into(), chain(&["lab/qwen/qwen3", "openai/gpt-5"])),
            ("both".into(), chain(&["smart", "gpt-5-mini", "openai/gpt-5"])),
            ("claude-*".into(), chain(&["smart"])),
            ("a".into(), chain(&["b"])),
            ("b".into(), chain(&["a"])),
        ],
        default: None,
        unusable: vec![Unusable { provider: "keyless".into(), reason: "no key".into(), hint: "set it".into() }],
    }
}

fn resolve(book: &Book, name: &str) -> Result<Vec<String>, ChatError> {
    match book.resolve(name, &mut AsWritten, Instant::now())? {
        Meaning::Candidates(candidates) => Ok(candidates.iter().map(ToString::to_string).collect()),
        Meaning::NeedsLists(names) => Ok(names.iter().map(|name| format!("list {name}")).collect()),
    }
}

#[test]
fn names_are_taken_in_their_order() {
    let book = book();
    assert_eq!(resolve(&book, "openai/anything/at:all").unwrap(), ["openai/anything/at:all"]);
    assert_eq!(resolve(&book, "smart").unwrap(), ["lab/qwen/qwen3", "openai/gpt-5"]);
    assert_eq!(resolve(&book, "both").unwrap(), ["lab/qwen/qwen3", "openai/gpt-5", "openai/gpt-5-mini"]);
    assert_eq!(resolve(&book, "claude-sonnet-4").unwrap(), ["lab/qwen/qwen3", "openai/gpt-5"]);
    assert_eq!(resolve(&book, "qwen/qwen3").unwrap(), ["lab/qwen/qwen3"], "a bare id may hold a slash");
    assert_eq!(resolve(&book, "gpt-5").unwrap(), ["openai/gpt-5"]);
}

#[test]
fn without_a_name_the_first_model_that_chats_answers() {
    let mut book = book();
    assert_eq!(resolve(&book, "").unwrap(), ["openai/gpt-5"]);
    book.default = Some("smart".into());
    assert_eq!(resolve(&book, "").unwrap(), ["lab/qwen/qwen3", "openai/gpt-5"]);
}

#[test]
fn an_unknown_name_is_not_found_and_suggests() {
    let error = resolve(&book(), "gtp-5").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(error.message, "there is no model \"gtp-5\"");
    assert!(error.details.hint.unwrap().starts_with("did you mean \"openai/gpt-5\"?"));
    let far = resolve(&book(), "zzzz").unwrap_err();
    assert!(far.details.hint.unwrap().starts_with("known are smart, both, a, b, openai/text-embedding-3"));
}

#[test]
fn an_unknown_name_tells_of_providers_whose_models_are_not_known() {
    let mut book = book();
    book.shelves[1].asked = Some((Instant::now(), Some(ChatError::new(ErrorKind::Network, "refused"))));
    let hint = resolve(&book, "qwen3-next").unwrap_err().details.hint.unwrap();
    assert!(hint.contains("lab could not list its models"), "{hint}");
}

#[test]
fn an_id_of_several_providers_must_be_said_in_full() {
    let error = resolve(&book(), "shared").unwrap_err();
    assert_eq!(error.details.hint.unwrap(), "say which: openai/shared or lab/shared");
}

#[test]
fn a_provider_that_can_not_be_used_says_why_but_does_not_hold_up_a_chain() {
    let mut book = book();
    let error = resolve(&book, "keyless/m").unwrap_err();
    assert_eq!((error.kind, error.details.hint.as_deref()), (ErrorKind::Config, Some("set it")));
    book.aliases.push(("safe".into(), chain(&["keyless/m", "gpt-5"])));
    assert_eq!(resolve(&book, "safe").unwrap(), ["openai/gpt-5"]);
}

#[test]
fn a_cycle_ends_in_an_error() {
    assert_eq!(resolve(&book(), "a").unwrap_err().kind, ErrorKind::Config);
}

#[test]
fn lists_are_asked_for_only_when_they_decide() {
    let mut book = book();
    (book.shelves[1].listed, book.shelves[1].asked) = (None, None);
    assert_eq!(resolve(&book, "gpt-5").unwrap(), ["openai/gpt-5"]);
    assert_eq!(resolve(&book, "new-one").unwrap(), ["list lab"]);
}

#[test]
fn an_old_list_names_models_but_denies_none() {
    let mut book = book();
    let rests = |book: &Book, name: &str| book.rests_on_old(name, Instant::now()).map(|name| name.to_string());
    assert_eq!(rests(&book, ""), None, "asked just now");
    book.shelves[0].asked = None;
    assert_eq!(resolve(&book, "").unwrap(), ["openai/gpt-5"]);
    assert_eq!(resolve(&book, "gpt-5-mini").unwrap(), ["openai/gpt-5-mini"]);
    assert_eq!(resolve(&book, "new-one").unwrap(), ["list openai"]);
    for name in ["", "default", "gpt-5-mini"] {
        assert_eq!(rests(&book, name).as_deref(), Some("openai"), "{name}");
    }
    for name in ["openai/gpt-5", "smart", "claude-x", "qwen/qwen3"] {
        assert_eq!(rests(&book, name), None, "{name}");
    }
    book.default = Some("gpt-5".into());
    assert_eq!(rests(&book, "").as_deref(), Some("openai"));
    book.shelves[0].configured = vec![ModelInfo::named("gpt-5")];
    assert_eq!(rests(&book, ""), None, "what is written needs no list");
}

#[test]
fn a_lone_provider_that_can_not_list_is_given_the_name_as_it_is() {
    let mut book = book();
    book.shelves.truncate(1);
    book.shelves[0].asked = Some((Instant::now(), Some(ChatError::new(ErrorKind::NotFound, "no list"))));
    assert_eq!(resolve(&book, "whatever").unwrap(), ["openai/whatever"]);
}

#[test]
fn a_candidate_that_lacks_what_is_needed_is_left_out() {
    let mut book = book();
    book.shelves[1].capabilities.images = false;
    let both = || vec![book.shelves[1].candidate("qwen/qwen3"), book.shelves[0].candidate("gpt-5")];
    let needs = Needs { images: true, ..Needs::default() };
    assert_eq!(book.fitting(both(), &needs).unwrap(), both()[1..]);
    let error = book.fitting(both()[..1].to_vec(), &needs).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::InvalidRequest, "lab/qwen/qwen3 can't take images"));
    let mut small = both()[0].clone();
    small.model.context = Some(10);
    let long = Needs { prompt_tokens: 11, ..Needs::default() };
    assert_eq!(book.fitting(vec![small], &long).unwrap_err().kind, ErrorKind::ContextOverflow);
}

#[test]
fn tools_that_one_api_knows_go_where_it_is_spoken() {
    let mut book = book();
    let native = |wire| ChatRequest {
        tools: vec![greenroom_wire::chat::Tool::Native { wire, json: serde_json::json!({"type": "web_search"}) }],
        ..ChatRequest::default()
    };
    let needs = Needs::of(&native(Wire::OpenaiResponses));
    let by_model = |only| {
        let candidate = book.shelves[0].candidate("gpt-5");
        let model = ModelInfo { responses_only: only, ..candidate.model.clone() };
        book.fitting(vec![Candidate { model, ..candidate }], &needs).map(|fits| fits.len())
    };
    assert_eq!(by_model(Some(true)).unwrap(), 1);
    assert_eq!(by_model(None).unwrap_err().kind, ErrorKind::InvalidRequest);
    book.shelves[0].capabilities.responses = Some(true);
    let both = || vec![book.shelves[1].candidate("qwen/qwen3"), book.shelves[0].candidate("gpt-5")];
    assert_eq!(book.fitting(both(), &needs).unwrap(), both()[1..]);
    assert_eq!(
        book.fitting(both(), &Needs::of(&native(Wire::Anthropic))).unwrap(),
        both(),
        "others are left out there"
    );
}

#[test]
fn who_is_told_tools_as_they_were_said_goes_before_who_is_told_in_other_words() {
    let mut book = book();
    book.shelves[0].capabilities.responses = Some(true);
    let both = || vec![book.shelves[1].candidate("qwen/qwen3"), book.shelves[0].candidate("gpt-5")];
    let tool = serde_json::json!({"type": "custom", "name": "patch"});
    let tools = vec![greenroom_wire::chat::Tool::Native { wire: Wire::OpenaiResponses, json: tool }];
    let needs = Needs::of(&ChatRequest { tools, ..ChatRequest::default() });
    let [other, speaker] = <[Candidate; 2]>::try_from(both()).unwrap();
    assert_eq!(book.fitting(both(), &needs).unwrap(), [speaker, other]);
    assert_eq!(book.fitting(both(), &Needs::default()).unwrap(), both(), "others stay in their order");
}

/// A shelf of OpenAI's, with the built-in catalogue.
fn known(configured: Vec<ModelInfo>) -> Shelf {
    let facts = Facts::new(Arc::new(Catalog::embedded()), [("openai".into(), "openai")]);
    Shelf { configured, facts: Arc::new(facts), ..shelf("openai", Some(&["gpt-5-mini", "gpt-new"])) }
}

#[test]
fn what_nobody_wrote_of_a_model_is_taken_from_the_catalogue() {
    let model = known(Vec::new()).candidate("gpt-5-mini").model;
    assert_eq!((model.context, model.max_input, model.reasoning), (Some(400_000), Some(272_000), Some(true)));
    assert_eq!(known(Vec::new()).candidate("gpt-new").model, ModelInfo::named("gpt-new"), "an unknown one stays so");
    let written = ModelInfo { context: Some(9000), ..ModelInfo::named("gpt-5-mini") };
    let model = known(vec![written]).candidate("gpt-5-mini").model;
    assert_eq!((model.longest_prompt(), model.max_output), (Some(9000), Some(128_000)));
}

#[test]
fn a_prompt_beyond_what_the_catalogue_says_goes_to_another() {
    let mut book = book();
    book.shelves[0] = known(Vec::new());
    book.aliases.push(("long".into(), chain(&["openai/gpt-5-mini", "lab/qwen/qwen3"])));
    let candidates = |needs| match book.resolve("long", &mut AsWritten, Instant::now()).unwrap() {
        Meaning::Candidates(candidates) => book.fitting(candidates, &needs).unwrap().len(),
        Meaning::NeedsLists(lists) => panic!("{lists:?}"),
    };
    assert_eq!(candidates(Needs { prompt_tokens: 272_000, ..Needs::default() }), 2);
    assert_eq!(candidates(Needs { prompt_tokens: 272_001, ..Needs::default() }), 1);
    assert_eq!(candidates(Needs { audio: true, ..Needs::default() }), 1, "it is known not to hear");
}

#[test]
fn globs_match_whole_names() {
    for (pattern, text, matches) in [
        ("claude-*", "claude-x", true),
        ("claude-*", "my-claude-x", false),
        ("*-mini", "gpt-mini", true),
        ("*-mini", "gpt-mini-2", false),
        ("gpt-*-mini-*", "gpt-5-mini-2025", true),
        ("*", "", true),
        ("a*a", "a", false),
    ] {
        assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
    }
}
