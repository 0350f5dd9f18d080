use std::time::UNIX_EPOCH;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;
use crate::auth::{Preset, PresetClient};

const NOW: SystemTime = UNIX_EPOCH;

fn issuer() -> Issuer {
    let client = PresetClient { id: "own-client".into(), ..PresetClient::default() };
    Issuer { scopes: vec!["asked".into()], ..Preset::ChatGpt.issuer(client).unwrap() }
}

fn html(status: u16) -> Answer {
    let body = b"<html>sentinel</html>".to_vec();
    Answer { content_type: Some("text/html; charset=utf-8".into()), body, ..Answer::of(status, &json!(null)) }
}

fn kind(answer: &Answer) -> Option<TokenErrorKind> {
    answer.fields(Grant::Refresh, &[]).err().map(|error| error.kind)
}

fn read(body: Value, before: Option<&Tokens>) -> Result<Tokens, TokenError> {
    let fields = Answer::of(200, &body).fields(Grant::Refresh, &[])?;
    tokens(&fields, &issuer(), before, NOW)
}

#[test]
fn a_status_or_a_code_decides_and_what_is_no_json_never_ends_a_login() {
    let refusal = json!({"error": "invalid_grant"});
    assert_eq!(kind(&Answer::of(400, &refusal)), Some(TokenErrorKind::Revoked));
    assert_eq!(kind(&Answer::of(200, &refusal)), Some(TokenErrorKind::Revoked), "as GitHub has it");
    assert_eq!(kind(&Answer::of(500, &refusal)), Some(TokenErrorKind::Server));
    assert_eq!(kind(&Answer::of(429, &refusal)), Some(TokenErrorKind::Server));
    assert_eq!(kind(&Answer::of(401, &json!({"message": "no"}))), Some(TokenErrorKind::Client));
    for status in [200, 302, 400, 401, 403, 404] {
        assert_eq!(kind(&html(status)), Some(TokenErrorKind::Protocol), "{status}");
        assert_eq!(kind(&Answer::of(status, &json!([1]))), Some(TokenErrorKind::Protocol), "{status}");
    }
    assert_eq!(kind(&html(503)), Some(TokenErrorKind::Server));
    assert_eq!(kind(&Answer::of(200, &json!({}))), None);
}

#[test]
fn an_error_says_the_status_and_how_long_to_wait_and_nothing_of_a_body_that_is_not_understood() {
    let wait = Some(Duration::from_secs(9));
    let busy = Answer { retry_after: wait, ..Answer::of(429, &json!({"error": "slow_down"})) };
    let error = busy.fields(Grant::Device, &[]).err().unwrap();
    assert_eq!((error.details.status, error.details.retry_after), (Some(429), wait));
    assert_eq!(error.details.code.as_deref(), Some("slow_down"), "the device flow goes by it");
    let error = html(200).fields(Grant::Refresh, &[]).err().unwrap();
    assert!(error.message.contains("a page in place of tokens"), "{error}");
    assert!(!format!("{error} {error:?} {:?}", html(200)).contains("sentinel"));
}

#[test]
fn a_form_is_read_like_json() {
    let body = b"access_token=gho_1&scope=read%3Auser&token_type=bearer".to_vec();
    let content_type = Some("application/x-www-form-urlencoded; charset=utf-8".into());
    let form = Answer { content_type, body, ..Answer::of(200, &json!(null)) };
    let fields = form.fields(Grant::Device, &[]).unwrap_or_else(|error| panic!("{error}"));
    let tokens = tokens(&fields, &issuer(), None, NOW).unwrap();
    assert_eq!((tokens.access.expose_secret(), tokens.scopes), ("gho_1", vec!["read:user".to_owned()]));
    let refused = Answer { body: b"error=access_denied&error_description=no".to_vec(), ..form };
    assert_eq!(kind(&refused), Some(TokenErrorKind::Denied));
}

#[test]
fn what_an_answer_is_silent_of_stays_as_it_was() {
    let before = Tokens {
        refresh: Some("old".into()),
        scopes: vec!["granted".into()],
        account: Some("acct".into()),
        base: "https://base.example/".parse().ok(),
        ..Tokens::of("gone".into())
    };
    let kept = read(json!({"access_token": "new", "expires_in": "60"}), Some(&before)).unwrap();
    assert_eq!(kept.refresh.as_ref().map(|refresh| refresh.expose_secret()), Some("old"));
    assert_eq!((kept.access.expose_secret(), kept.expires_at), ("new", Some(NOW + Duration::from_secs(60))));
    assert_eq!((&kept.scopes, &kept.account, &kept.base), (&before.scopes, &before.account, &before.base));
    let rotated =
        read(json!({"access_token": "new", "refresh_token": "next", "scope": "less"}), Some(&before)).unwrap();
    assert_eq!(rotated.refresh.as_ref().map(|refresh| refresh.expose_secret()), Some("next"));
    assert_eq!((rotated.scopes, rotated.expires_at), (vec!["less".to_owned()], None));
    let first = read(json!({"access_token": "new"}), None).unwrap();
    assert_eq!((first.scopes, first.refresh.is_none()), (vec!["asked".to_owned()], true));
    assert_eq!(first.base, issuer().base, "what its tokens are good for is the issuer's to say");
    assert!(first.base.is_some());
}

#[test]
fn a_new_refresh_token_is_not_lost_for_what_else_can_not_be_read() {
    let body =
        json!({"access_token": "a", "refresh_token": "r", "expires_in": {"s": 1}, "scope": 5, "id_token": "junk"});
    let tokens = read(body, None).unwrap();
    assert_eq!(tokens.refresh.as_ref().map(|refresh| refresh.expose_secret()), Some("r"));
    assert_eq!((tokens.expires_at, tokens.account), (None, None));
}

#[test]
fn an_answer_without_an_access_token_gives_nothing() {
    for body in [json!({}), json!({"access_token": 5}), json!({"access_token": ""}), json!({"refresh_token": "r"})] {
        assert_eq!(read(body, None).unwrap_err().kind, TokenErrorKind::Protocol);
    }
}

#[test]
fn the_account_is_read_from_the_id_tokens_claims() {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"https://api.openai.com/auth": {"chatgpt_account_id": "acct-1"}});
    let id_token = |claims| format!("{}.{}.c2ln", part(json!({"alg": "RS256"})), part(claims));
    let tokens = read(json!({"access_token": "a", "id_token": id_token(claims)}), None).unwrap();
    assert_eq!(tokens.account.as_deref(), Some("acct-1"));
    for claims in [json!({}), json!({"https://api.openai.com/auth": {"chatgpt_account_id": 5}})] {
        assert_eq!(read(json!({"access_token": "a", "id_token": id_token(claims)}), None).unwrap().account, None);
    }
}

#[test]
fn a_time_of_a_clock_that_is_wrong_is_moved_to_ours() {
    let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
    let now = UNIX_EPOCH + hour * 1000;
    let date = Some(now + hour);
    let answer = Answer { date, ..Answer::of(200, &json!({})) };
    assert_eq!(answer.by_our_clock(now + hour + minute, now), now + minute);
    assert_eq!(answer.by_our_clock(now, now), now, "what is over is over");
    assert_eq!(Answer::of(200, &json!({})).by_our_clock(now + minute, now), now + minute);
}
