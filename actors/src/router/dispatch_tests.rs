use std::sync::Arc;

use greenroom_providers::ModelInfo;
use proptest::prelude::*;

use super::*;

const BUDGET: Budget = Budget { attempts: 8, continuations: 3, max_wait: Duration::from_secs(30) };
const JITTER: Duration = Duration::from_millis(100);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn dispatch(names: &[&str]) -> Dispatch {
    let candidates = names.iter().map(|name| Candidate { provider: (*name).into(), model: ModelInfo::named("m") });
    Dispatch::new(candidates.collect(), BUDGET)
}

fn error(kind: ErrorKind, hint: Option<u64>) -> ChatError {
    let mut error = ChatError::new(kind, kind.as_str());
    error.details.retry_after = hint.map(Duration::from_secs);
    error
}

fn profile(id: &str) -> ProfileId {
    Arc::from(id)
}

fn fail(dispatch: &mut Dispatch, kind: ErrorKind, hint: Option<u64>, id: &str) -> Step {
    dispatch.handle_attempt();
    dispatch.handle_failure(error(kind, hint), &profile(id), false, false, now(), || JITTER)
}

fn asked(step: Step) -> Ask {
    match step {
        Step::Ask(ask) => ask,
        Step::GiveUp(error) => panic!("gave up: {error}"),
    }
}

fn gave_up(step: Step) -> ChatError {
    match step {
        Step::Ask(ask) => panic!("asks: {ask:?}"),
        Step::GiveUp(error) => error,
    }
}

fn ask(candidate: usize, exclude: &[&str], only: Option<&str>, wait: Duration) -> Ask {
    Ask { candidate, exclude: exclude.iter().map(|id| profile(id)).collect(), only: only.map(profile), wait }
}

#[test]
fn a_server_error_is_retried_once_and_then_handed_on() {
    let mut dispatch = dispatch(&["a", "b"]);
    dispatch.start();
    assert_eq!(asked(fail(&mut dispatch, ErrorKind::Server, None, "p")), ask(0, &[], Some("p"), JITTER));
    assert_eq!(asked(fail(&mut dispatch, ErrorKind::Server, None, "p")), ask(1, &[], None, Duration::ZERO));
}

fn refused_token(dispatch: &mut Dispatch) -> Step {
    dispatch.handle_attempt();
    dispatch.handle_failure(error(ErrorKind::Auth, None), &profile("login"), false, true, now(), || JITTER)
}

#[test]
fn a_refused_token_is_tried_once_more_with_its_successor_for_which_no_other_profile_waits() {
    let mut dispatch = dispatch(&["a", "b"]);
    dispatch.start();
    assert_eq!(asked(refused_token(&mut dispatch)), ask(0, &[], None, Duration::ZERO));
    assert_eq!(asked(refused_token(&mut dispatch)), ask(0, &["login"], None, Duration::ZERO));
    let next = asked(fail(&mut dispatch, ErrorKind::Auth, None, "key"));
    assert_eq!(next.exclude, [profile("login"), profile("key")], "a key has no successor");
}

#[test]
fn a_token_without_a_successor_leaves_the_question_to_other_profiles() {
    for refusal in [Refusal::Tried, Refusal::LoggedOut { kind: ErrorKind::AuthPermanent }] {
        let mut dispatch = dispatch(&["a", "b"]);
        dispatch.start();
        asked(refused_token(&mut dispatch));
        let next = dispatch.handle_refusal(refusal, now(), || JITTER);
        assert_eq!(asked(next), ask(0, &["login"], None, Duration::ZERO));
        assert_eq!(asked(dispatch.handle_refusal(Refusal::Tried, now(), || JITTER)).candidate, 1);
    }
}

#[test]
fn who_has_to_log_in_is_told_so() {
    let mut dispatch = dispatch(&["a"]);
    dispatch.start();
    let refusal = Refusal::LoggedOut { kind: ErrorKind::AuthPermanent };
    let error = gave_up(dispatch.handle_refusal(refusal, now(), || JITTER));
    assert_eq!(error.kind, ErrorKind::AuthPermanent);
    assert!(error.details.hint.unwrap().contains("greenroom auth login a"));
    let error = gave_up(dispatch.handle_refusal(Refusal::NoProfile, now(), || JITTER));
    assert!(error.details.hint.unwrap().contains("greenroom auth add a"));
}

#[test]
fn a_silent_route_is_not_asked_twice() {
    let mut dispatch = dispatch(&["a", "b"]);
    dispatch.start();
    assert_eq!(asked(fail(&mut dispatch, ErrorKind::Timeout, None, "p")).candidate, 1);
    let error = gave_up(fail(&mut dispatch, ErrorKind::Timeout, None, "p"));
    assert_eq!((error.kind, error.details.attempts.len()), (ErrorKind::Exhausted, 2));
}

#[test]
fn a_limit_rotates_profiles_then_waits_for_a_short_hint_then_hands_on() {
    let mut dispatch = dispatch(&["a", "b"]);
    dispatch.start();
    assert_eq!(asked(fail(&mut dispatch, ErrorKind::RateLimited, None, "p")), ask(0, &["p"], None, Duration::ZERO));
    assert_eq!(asked(fail(&mut dispatch, ErrorKind::RateLimited, Some(2), "q")).exclude.len(), 2);
    let cooling = Refusal::Cooling { until: now() + Duration::from_secs(2), kind: ErrorKind::RateLimited };
    let step = dispatch.handle_refusal(cooling, now(), || JITTER);
    assert_eq!(asked(step), ask(0, &[], Some("q"), Duration::from_secs(2)));
    fail(&mut dispatch, ErrorKind::RateLimited, Some(2), "q");
    assert_eq!(asked(dispatch.handle_refusal(cooling, now(), || JITTER)).candidate, 1);
}

#[test]
fn a_protocol_failure_is_tried_again_only_after_the_others() {
    let mut dispatch = dispatch(&["a", "b"]);
    dispatch.start();
    assert_eq!(asked(fail(&mut dispatch, ErrorKind::Protocol, None, "p")).candidate, 1);
    assert_eq!(asked(fail(&mut dispatch, ErrorKind::Timeout, None, "r")), ask(0, &[], Some("p"), JITTER));
    assert_eq!(gave_up(fail(&mut dispatch, ErrorKind::Protocol, None, "p")).kind, ErrorKind::Exhausted);
}

#[test]
fn what_is_wrong_with_the_request_ends_at_once() {
    let mut dispatch = dispatch(&["a", "b"]);
    dispatch.start();
    assert_eq!(gave_up(fail(&mut dispatch, ErrorKind::InvalidRequest, None, "p")).kind, ErrorKind::InvalidRequest);
}

#[test]
fn an_overflow_goes_only_to_a_larger_or_unknown_window() {
    let candidate = |name: &str, context| Candidate {
        provider: name.into(),
        model: ModelInfo { context, ..ModelInfo::named("m") },
    };
    let candidates = vec![candidate("a", Some(100)), candidate("b", Some(50)), candidate("c", None)];
    let mut dispatch = Dispatch::new(candidates, BUDGET);
    dispatch.start();
    assert_eq!(asked(fail(&mut dispatch, ErrorKind::ContextOverflow, None, "p")).candidate, 2);
    assert_eq!(gave_up(fail(&mut dispatch, ErrorKind::ContextOverflow, None, "p")).kind, ErrorKind::ContextOverflow);
}

#[test]
fn if_all_cool_the_first_to_free_is_waited_for_if_that_fits() {
    let cooling =
        |seconds| Refusal::Cooling { until: now() + Duration::from_secs(seconds), kind: ErrorKind::RateLimited };
    let mut dispatch = dispatch(&["a", "b"]);
    dispatch.start();
    assert_eq!(asked(dispatch.handle_refusal(cooling(20), now(), || JITTER)).candidate, 1);
    let step = asked(dispatch.handle_refusal(cooling(10), now(), || JITTER));
    assert_eq!((step.candidate, step.wait), (1, Duration::from_millis(10_005)));
    let step = asked(dispatch.handle_refusal(cooling(18), now(), || JITTER));
    assert_eq!((step.candidate, step.wait), (1, Duration::from_millis(18_005)));
    let error = gave_up(dispatch.handle_refusal(cooling(19), now(), || JITTER));
    assert_eq!((error.kind, error.details.retry_after), (ErrorKind::Exhausted, Some(Duration::from_secs(19))));
}

#[test]
fn a_window_as_long_as_all_the_waiting_there_may_be_is_never_waited_for() {
    for late in [0, 4, 6, 500] {
        let mut lone = dispatch(&["a"]);
        lone.start();
        let until = now() + BUDGET.max_wait - Duration::from_millis(late);
        gave_up(lone.handle_refusal(Refusal::Cooling { until, kind: ErrorKind::RateLimited }, now(), || JITTER));
    }
}

#[test]
fn a_lone_candidate_tells_its_own_failure() {
    let mut lone = dispatch(&["a"]);
    lone.start();
    asked(fail(&mut lone, ErrorKind::Auth, None, "p"));
    let error = gave_up(lone.handle_refusal(Refusal::Tried, now(), || JITTER));
    assert_eq!((error.kind, error.details.attempts.len()), (ErrorKind::Auth, 0));
}

#[test]
fn any_sequence_of_faults_ends() {
    use ErrorKind as K;
    let kinds = [
        K::Network,
        K::Server,
        K::Overloaded,
        K::Timeout,
        K::Protocol,
        K::RateLimited,
        K::Auth,
        K::Billing,
        K::NotFound,
    ];
    // A small generator, so that the sequences are the same on each run.
    let mut seed = 1u64;
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for _ in 0..20_000 {
        let mut dispatch = dispatch(&["a", "b", "c"][..=draw(3)]);
        let mut step = dispatch.start();
        let (mut steps, mut waited) = (0, Duration::ZERO);
        while let Step::Ask(ask) = step {
            steps += 1;
            waited += ask.wait;
            assert!(steps <= MOST_STEPS && waited <= BUDGET.max_wait && dispatch.attempts() <= BUDGET.attempts);
            step = match draw(4) {
                0 => dispatch.handle_refusal(Refusal::Tried, now(), || JITTER),
                1 => {
                    let until = now() + Duration::from_secs(u64::try_from(draw(40)).unwrap());
                    dispatch
                        .handle_refusal(Refusal::Cooling { until, kind: kinds[draw(kinds.len())] }, now(), || JITTER)
                }
                _ => {
                    let hint = (draw(2) == 0).then(|| u64::try_from(draw(6)).unwrap());
                    let id = ask.only.map_or_else(|| ["p", "q"][draw(2)].to_owned(), |only| only.to_string());
                    fail(&mut dispatch, kinds[draw(kinds.len())], hint, &id)
                }
            };
        }
    }
}

fn cut(dispatch: &mut Dispatch, id: &str) -> Step {
    dispatch.handle_attempt();
    dispatch.handle_failure(error(ErrorKind::Protocol, None), &profile(id), true, false, now(), || JITTER)
}

#[test]
fn an_answer_that_is_cut_goes_on_elsewhere_and_then_again_where_it_was() {
    let mut dispatch = dispatch(&["a", "b"]);
    dispatch.start();
    assert_eq!(asked(cut(&mut dispatch, "p")), ask(1, &[], None, Duration::ZERO));
    assert_eq!(asked(cut(&mut dispatch, "q")), ask(0, &[], Some("p"), JITTER));
    assert_eq!(asked(cut(&mut dispatch, "p")), ask(1, &[], Some("q"), JITTER));
    let error = gave_up(cut(&mut dispatch, "q"));
    assert_eq!((error.kind, error.details.attempts.len()), (ErrorKind::Exhausted, 4), "it goes on three times");
}

#[test]
fn a_lone_model_goes_on_with_its_own_answer_as_long_as_it_brings_it_forward() {
    let mut only = dispatch(&["a"]);
    only.start();
    for _ in 0..3 {
        assert_eq!(asked(cut(&mut only, "p")), ask(0, &[], Some("p"), JITTER));
    }
    assert_eq!(gave_up(cut(&mut only, "p")).kind, ErrorKind::Protocol);

    let mut silent = dispatch(&["a"]);
    silent.start();
    cut(&mut silent, "p");
    assert_eq!(gave_up(fail(&mut silent, ErrorKind::Protocol, None, "p")).kind, ErrorKind::Protocol);
}

#[test]
fn an_answer_that_is_cut_may_go_on_with_one_that_was_passed_over() {
    let mut dispatch = dispatch(&["a", "b"]);
    dispatch.start();
    let until = now() + Duration::from_secs(60);
    let step = dispatch.handle_refusal(Refusal::Cooling { until, kind: ErrorKind::RateLimited }, now(), || JITTER);
    assert_eq!(asked(step).candidate, 1);
    assert_eq!(asked(cut(&mut dispatch, "q")), ask(1, &[], Some("q"), JITTER), "a is known to be left alone");

    let mut dispatch = self::dispatch(&["a", "b"]);
    dispatch.start();
    assert_eq!(asked(dispatch.handle_refusal(Refusal::QueueFull { after: None }, now(), || JITTER)).candidate, 1);
    assert_eq!(asked(cut(&mut dispatch, "q")), ask(0, &[], None, Duration::ZERO), "it may have room now");
}

#[test]
fn what_is_wrong_with_going_on_is_not_wrong_with_the_request() {
    let mut dispatch = dispatch(&["a", "b", "c"]);
    dispatch.start();
    cut(&mut dispatch, "p");
    assert_eq!(asked(fail(&mut dispatch, ErrorKind::InvalidRequest, None, "q")).candidate, 2);
    dispatch.handle_attempt();
    let error = error(ErrorKind::InvalidRequest, None);
    assert_eq!(
        asked(dispatch.handle_prefill_refused(error, &profile("r"), now())),
        ask(2, &[], Some("r"), Duration::ZERO),
        "asked without the beginning"
    );
    assert_eq!(gave_up(fail(&mut dispatch, ErrorKind::ContentFilter, None, "r")).kind, ErrorKind::ContentFilter);
}

#[test]
fn another_is_asked_beside_only_while_a_fresh_one_is_left() {
    let mut dispatch = dispatch(&["a", "b", "c"]);
    dispatch.start();
    dispatch.handle_attempt();
    let beside = dispatch.beside().unwrap();
    assert_eq!(beside, ask(1, &[], None, Duration::ZERO));
    dispatch.handle_attempt();
    dispatch.handle_failure_beside(1, error(ErrorKind::Server, None), &profile("q"));
    assert_eq!(dispatch.beside().unwrap().candidate, 2, "one that has failed is not asked beside again");
    dispatch.follow(2);
    assert!(dispatch.beside().is_none());
    let error = gave_up(dispatch.handle_failure(
        error(ErrorKind::Overloaded, Some(60)),
        &profile("r"),
        false,
        false,
        now(),
        || JITTER,
    ));
    assert_eq!(error.details.attempts.len(), 2, "both are told");
}

/// Every kind that a provider or its actor may fail with.
const KINDS: [ErrorKind; 16] = [
    ErrorKind::Auth,
    ErrorKind::AuthPermanent,
    ErrorKind::Billing,
    ErrorKind::Permission,
    ErrorKind::RateLimited,
    ErrorKind::Overloaded,
    ErrorKind::Server,
    ErrorKind::Timeout,
    ErrorKind::Network,
    ErrorKind::Protocol,
    ErrorKind::NotFound,
    ErrorKind::InvalidRequest,
    ErrorKind::ContextOverflow,
    ErrorKind::ContentFilter,
    ErrorKind::Cancelled,
    ErrorKind::Config,
];

/// What may become of a question.
#[derive(Debug, Clone)]
enum Fate {
    Fails { kind: ErrorKind, hint: Option<u64>, spoke: bool },
    Refused(Refusal),
    Down,
    PrefillRefused,
}

fn fate() -> impl Strategy<Value = Fate> {
    let kind = prop::sample::select(&KINDS[..]);
    let hint = prop::option::of(0_u64..100);
    prop_oneof![
        6 => (kind.clone(), hint, any::<bool>()).prop_map(|(kind, hint, spoke)| Fate::Fails { kind, hint, spoke }),
        2 => (0_u64..100, kind).prop_map(|(wait, kind)| {
            Fate::Refused(Refusal::Cooling { until: now() + Duration::from_secs(wait), kind })
        }),
        1 => prop::sample::select(&[Refusal::Tried, Refusal::QueueFull { after: None }, Refusal::Waited { after: None }][..]).prop_map(Fate::Refused),
        1 => Just(Fate::Down),
        1 => Just(Fate::PrefillRefused),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_it_ends_within_its_budget_and_tells_each_attempt(
        candidates in 1_usize..5,
        profiles in 1_usize..4,
        fates in prop::collection::vec(fate(), 1..200),
        cycle in any::<bool>(),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut dispatch = dispatch(&names[..candidates]);
        let mut step = dispatch.start();
        let (mut attempts, mut waited, mut questions, mut interruptions) = (0, Duration::ZERO, 0, 0);
        let mut fates = fates.iter().cycle().take(if cycle { usize::MAX } else { fates.len() });
        let error = loop {
            let ask = match step {
                Step::GiveUp(error) => break error,
                Step::Ask(ask) => ask,
            };
            questions += 1;
            waited += ask.wait;
            prop_assert!(questions <= 64 && waited <= BUDGET.max_wait && ask.candidate < candidates);
            // One of the profiles that will do, as an actor would choose it.
            let free = |id: &String| !ask.exclude.iter().any(|excluded| **excluded == **id);
            let chosen = ask.only.as_deref().map(str::to_owned).or_else(|| (0..profiles).map(|n| format!("p{n}")).find(free));
            let Some(fate) = fates.next() else { return Ok(()) };
            step = match (chosen, fate.clone()) {
                (None, _) => dispatch.handle_refusal(Refusal::Tried, now(), || JITTER),
                (_, Fate::Refused(refusal)) => dispatch.handle_refusal(refusal, now(), || JITTER),
                (_, Fate::Down) => dispatch.handle_unavailable(error(ErrorKind::Overloaded, None), now(), || JITTER),
                (Some(id), fate) => {
                    dispatch.handle_attempt();
                    attempts += 1;
                    match fate {
                        Fate::Fails { kind, hint, spoke } => {
                            interruptions += u32::from(spoke);
                            dispatch.handle_failure(error(kind, hint), &profile(&id), spoke, false, now(), || JITTER)
                        }
                        _ => dispatch.handle_prefill_refused(error(ErrorKind::InvalidRequest, None), &profile(&id), now()),
                    }
                }
            };
        };
        prop_assert!(attempts <= BUDGET.attempts, "{} attempts", attempts);
        prop_assert!(interruptions <= BUDGET.continuations + 1);
        if error.kind == ErrorKind::Exhausted {
            prop_assert!(error.details.attempts.len() as u32 >= attempts, "{:?}", error);
        }
    }
}

#[test]
fn a_limit_of_ours_says_when_there_is_room() {
    let seconds = Duration::from_secs;
    let mut both = dispatch(&["a", "b"]);
    both.start();
    let full = Refusal::QueueFull { after: Some(seconds(40)) };
    assert_eq!(asked(both.handle_refusal(full, now(), || JITTER)).candidate, 1);
    let waited = Refusal::Waited { after: Some(seconds(9)) };
    let error = gave_up(both.handle_refusal(waited, now(), || JITTER));
    assert_eq!((error.kind, error.details.retry_after), (ErrorKind::Exhausted, Some(seconds(9))));
    let mut alone = dispatch(&["a"]);
    alone.start();
    let error = gave_up(alone.handle_refusal(full, now(), || JITTER));
    assert_eq!((error.kind, error.details.retry_after), (ErrorKind::Overloaded, Some(seconds(40))));
    assert!(error.details.hint.is_some());
}
