//! What leaves memory, the disk, and the prompt.

use greenroom_providers::ModelInfo;

use super::{
    lab::{Say, Say::*, text},
    *,
};
use crate::{ContextPolicy, system::tests::system_knowing};

#[tokio::test]
async fn a_session_leaves_memory_unless_somebody_reads_it_and_is_woken_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let long = "äöü ".repeat(40_000);
    let lab = Lab::saying(vec![vec![text(&long), Stop], vec![text("two"), Stop]]).await;
    let rules = SessionRules { hibernate_after: Duration::from_millis(40), ..SessionRules::default() };
    let system = system_with(&lab, Some(&store), rules).await;
    let talk = session(&system, "talk").await;
    say(&talk, "one").await;
    let mut reader = Seen::from(&talk, None).await;
    reader.end_of(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(system.sessions().live(), 1, "somebody reads it");
    let held = talk.core().await.unwrap().log.with(|log| log.next_position() - log.first_position());
    assert!(held < 1000, "what was said in a turn that is over lies on disk alone: {held}");
    let before = reader.events.clone();
    drop(reader);
    let gone = async {
        while system.sessions().live() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(20 * SECOND, gone).await.expect("nobody does now");
    let text = |events: &[LogEvent]| events.iter().filter_map(|event| event.body.delta().cloned()).collect::<String>();
    assert_eq!(text(&all(&talk).await), text(&before));
    // From inside of the long delta, and of a character, which lie on disk alone.
    for position in [5, 70_000, 70_001, 200_000] {
        let start = long.floor_char_boundary(position);
        let begin = before.iter().find(|event| event.body.delta().is_some()).unwrap().position;
        let at = Cursor { epoch: 1, position: begin + position as u64 };
        let mut reader = talk.read(From { cursor: Some(at), truncate: false }).await.unwrap();
        let first = reader.pull().await.unwrap().remove(0);
        assert_eq!(first.position, begin + start as u64);
        assert!(long[start..].starts_with(first.body.delta().unwrap()), "{position}");
    }
    assert_eq!(say(&talk, "two").await.turn, 2);
    Seen::from(&talk, None).await.end_of(2).await;
    system.stop().await;
}

#[tokio::test]
async fn what_is_too_old_or_too_much_leaves_the_disk_the_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(vec![vec![text(&"x".repeat(10_000)), Stop]; 3]).await;
    let before = system(&lab, Some(&store)).await;
    for id in ["a", "b", "c"] {
        let talk = session(&before, id).await;
        say(&talk, "go").await;
        Seen::from(&talk, None).await.end_of(1).await;
    }
    before.stop().await;
    let ids = async |system: &System| {
        let found = system.sessions().list(&Access::Admin, None, 9).await.unwrap();
        found.into_iter().map(|summary| summary.id).collect::<Vec<_>>()
    };
    let rules = SessionRules { disk_quota: Some(25_000), ..SessionRules::default() };
    let sparing = system_with(&lab, Some(&store), rules).await;
    let swept = async {
        while ids(&sparing).await.len() > 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(20 * SECOND, swept).await.expect("one has to go");
    assert_eq!(ids(&sparing).await, ["b", "c"]);
    sparing.stop().await;
    let rules = SessionRules { keep: Some(Duration::from_millis(1)), ..SessionRules::default() };
    let forgetful = system_with(&lab, Some(&store), rules).await;
    let swept = async {
        while !ids(&forgetful).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(20 * SECOND, swept).await.expect("all are old");
    forgetful.stop().await;
}

/// A provider that says how many messages it was asked with, and a window that few turns fit into.
pub(super) async fn small_window(policy: ContextPolicy, answer: &'static str) -> (Lab, System) {
    let lab = Lab::start(move |request, _| {
        let asked = super::lab::messages(request);
        let is_summary = asked[0].contains("Summarise");
        let says = if is_summary { text("SUMMARY") } else { text(&answer.repeat(100)) };
        let answer: Vec<Say> = vec![says, Stop];
        answer
    })
    .await;
    let rules = SessionRules { context: policy, ..SessionRules::default() };
    let model = ModelInfo { context: Some(1000), ..ModelInfo::named("m") };
    let specs = vec![spec("lab", &lab.address, Limits::default())];
    let system = system_knowing(specs, None, rules, vec![model]).await;
    (lab, system)
}

#[tokio::test]
async fn the_oldest_turns_are_not_shown_any_more_once_the_window_is_nearly_full() {
    let (lab, system) = small_window(ContextPolicy::Trim, "1234567890").await;
    let talk = session(&system, "talk").await;
    let mut seen = Seen::from(&talk, None).await;
    // Each turn has some 250 tokens.
    for turn in 1..=5 {
        say(&talk, &format!("q{turn}")).await;
        assert!(matches!(seen.end_of(turn).await, EventBody::TurnFinished { .. }));
    }
    let asked: Vec<Vec<String>> = lab.asked();
    let first = |at: usize| asked[at].first().cloned().unwrap();
    assert_eq!((first(2), first(3)), ("user: q1".into(), "user: q1".into()));
    assert_eq!(first(4), "user: q3", "down to well below the bound");
    let context = EventBody::Context { dropped: 2, from: 3, summary: None };
    seen.until(|body| *body == context).await;
    say(&talk, "q6").await;
    seen.end_of(6).await;
    assert_eq!(lab.asked()[5][0], "user: q3", "and so it stays for some turns");
    assert!(all(&talk).await.iter().any(|event| event.turn == Some(1)), "the log keeps all");
    system.stop().await;
}

#[tokio::test]
async fn a_summary_stands_for_the_oldest_turns_where_that_is_wanted() {
    let (lab, system) = small_window(ContextPolicy::Summarise, "1234567890").await;
    let talk = session(&system, "talk").await;
    let mut seen = Seen::from(&talk, None).await;
    for turn in 1..=5 {
        say(&talk, &format!("q{turn}")).await;
        seen.end_of(turn).await;
    }
    seen.until(|body| matches!(body, EventBody::Context { summary: Some(summary), .. } if summary == "SUMMARY")).await;
    let last = lab.asked().pop().unwrap();
    assert!(last[0].starts_with("system: ") && last[0].ends_with("SUMMARY"), "{last:?}");
    assert!(!last.iter().any(|message| message == "user: q1") && last.last().unwrap() == "user: q5");
    say(&talk, "q6").await;
    seen.end_of(6).await;
    let next = lab.asked().pop().unwrap();
    assert!(next[0].ends_with("SUMMARY"), "it is there in the next turn as well: {next:?}");
    system.stop().await;
}
