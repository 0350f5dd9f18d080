use std::{error::Error as _, time::UNIX_EPOCH};

use serde_json::{Value, json};

use super::*;

const NOW: SystemTime = UNIX_EPOCH;

fn after(seconds: u64) -> SystemTime {
    NOW + Duration::from_secs(seconds)
}

fn issuer() -> Issuer {
    Issuer::new("https://issuer.example/token".parse().unwrap(), "own-client")
}

fn first() -> Value {
    json!({
        "device_code": "sentinel-device", "user_code": "ABCD-1234", "verification_uri": "https://issuer.example/device",
        "expires_in": 900, "interval": 5
    })
}

fn begin(body: &Value) -> Result<(DeviceFlow, DeviceCode), TokenError> {
    DeviceFlow::begin(&issuer(), &Answer::of(200, body), NOW)
}

fn flow() -> DeviceFlow {
    begin(&first()).unwrap().0
}

/// What comes next after this answer, in seconds from the start.
fn next(flow: &mut DeviceFlow, status: u16, body: Value, at: u64) -> Result<u64, TokenErrorKind> {
    step(flow, Ok(&Answer::of(status, &body)), at)
}

fn step(flow: &mut DeviceFlow, answer: Result<&Answer, TokenError>, at: u64) -> Result<u64, TokenErrorKind> {
    match flow.handle_answer(&issuer(), answer, after(at)) {
        Ok(DeviceStep::Poll { at, .. }) => Ok(at.duration_since(NOW).unwrap().as_secs()),
        Ok(DeviceStep::Done(_)) => panic!("it is not done"),
        Err(error) => Err(error.kind),
    }
}

fn pending() -> Value {
    json!({"error": "authorization_pending", "error_description": "wait"})
}

fn broken() -> TokenError {
    TokenError::new(TokenErrorKind::Network, "can't connect")
}

#[test]
fn the_first_answer_says_what_a_person_has_to_do() {
    let (flow, code) = begin(&first()).unwrap();
    assert_eq!((code.user_code.as_str(), code.expires_at, code.interval), ("ABCD-1234", after(900), STEP));
    assert_eq!(flow.first_poll(NOW), after(5));
    assert!(!format!("{flow:?}").contains("sentinel"));
    let odd = json!({
        "device_code": "d", "user_code": "u", "verification_url": "https://g.example/", "expires_in": "60", "interval": 0,
        "verification_uri_complete": "https://g.example/?user_code=u"
    });
    let (_, code) = begin(&odd).unwrap();
    assert_eq!((code.verification_uri.as_str(), code.expires_at), ("https://g.example/", after(60)));
    assert!(code.verification_uri_complete.is_some());
    assert_eq!(code.interval, SHORTEST, "nobody is asked without a pause");
}

#[test]
fn a_first_answer_that_can_not_be_used_or_shown_is_none() {
    for (name, value) in [
        ("device_code", json!(null)),
        ("device_code", json!(5)),
        ("user_code", json!("")),
        ("user_code", json!("\u{1b}[2J")),
        ("user_code", json!("x".repeat(65))),
        ("verification_uri", json!(null)),
        ("verification_uri", json!("file:///etc/passwd")),
        ("verification_uri", json!("javascript:alert(1)")),
    ] {
        let mut body = first();
        body[name] = value;
        assert_eq!(begin(&body).unwrap_err().kind, TokenErrorKind::Protocol, "{body}");
    }
    let refused = begin(&json!({"error": "device_flow_disabled"})).unwrap_err();
    assert_eq!((refused.kind, refused.details.code.as_deref()), (TokenErrorKind::Client, Some("device_flow_disabled")));
}

#[test]
fn an_answer_that_is_not_there_yet_is_waited_for_and_slow_down_is_kept() {
    for status in [200, 400, 428] {
        let mut flow = flow();
        assert_eq!(next(&mut flow, status, pending(), 5), Ok(10));
        assert_eq!(next(&mut flow, status, json!({"error": "slow_down"}), 10), Ok(20));
        assert_eq!(next(&mut flow, status, pending(), 20), Ok(30), "ten seconds, from now on");
        assert_eq!(next(&mut flow, status, json!({"error": "slow_down", "interval": 25}), 30), Ok(55));
        assert_eq!(next(&mut flow, 429, json!({"error": "slow_down"}), 55), Ok(85), "some say it so");
    }
}

#[test]
fn the_tokens_end_it() {
    let mut flow = flow();
    assert_eq!(next(&mut flow, 400, pending(), 5), Ok(10));
    let body = json!({"access_token": "gho_1", "scope": "read:user"});
    match flow.handle_answer(&issuer(), Ok(&Answer::of(200, &body)), after(10)).unwrap() {
        DeviceStep::Done(tokens) => assert_eq!(tokens.access.expose_secret(), "gho_1"),
        DeviceStep::Poll { .. } => panic!("it is done"),
    }
}

#[test]
fn what_a_person_or_the_issuer_decided_ends_it() {
    for (code, kind) in [
        ("access_denied", TokenErrorKind::Denied),
        ("expired_token", TokenErrorKind::Expired),
        ("invalid_grant", TokenErrorKind::Expired),
        ("incorrect_device_code", TokenErrorKind::Expired),
        ("incorrect_client_credentials", TokenErrorKind::Client),
        ("unsupported_grant_type", TokenErrorKind::Client),
    ] {
        assert_eq!(next(&mut flow(), 200, json!({"error": code}), 5), Err(kind), "{code}");
    }
}

#[test]
fn nobody_who_typed_nothing_is_waited_for_for_ever() {
    let mut flow = flow();
    let mut at = 5;
    let ended = loop {
        match next(&mut flow, 400, pending(), at) {
            Ok(later) => at = later,
            Err(kind) => break kind,
        }
    };
    assert_eq!((ended, at), (TokenErrorKind::Expired, 895));
}

#[test]
fn a_network_that_fails_is_tried_again_at_growing_intervals_until_the_code_expires() {
    let mut flow = flow();
    let mut at = vec![5];
    let error = loop {
        let now = *at.last().unwrap();
        match flow.handle_answer(&issuer(), Err(broken()), after(now)) {
            Ok(DeviceStep::Poll { at: later, failure }) => {
                assert_eq!(failure.unwrap().kind, TokenErrorKind::Network);
                at.push(later.duration_since(NOW).unwrap().as_secs());
            }
            Ok(DeviceStep::Done(_)) => panic!("it is not done"),
            Err(error) => break error,
        }
    };
    assert_eq!(at[..6], [5, 15, 35, 75, 135, 195], "twice as long each time, up to a minute");
    assert_eq!(at.last(), Some(&899), "once more before the end");
    assert_eq!(error.kind, TokenErrorKind::Expired);
    assert_eq!(error.source().unwrap().to_string(), "can't connect");
}

#[test]
fn an_answer_ends_the_growing_of_intervals() {
    let mut flow = flow();
    assert_eq!(step(&mut flow, Err(broken()), 5), Ok(15));
    assert_eq!(next(&mut flow, 500, json!({}), 15), Ok(35));
    assert_eq!(next(&mut flow, 400, pending(), 35), Ok(40));
    assert_eq!(step(&mut flow, Err(broken()), 40), Ok(50));
    let busy = Answer { retry_after: Some(Duration::from_secs(44)), ..Answer::of(429, &json!({})) };
    assert_eq!(step(&mut flow, Ok(&busy), 50), Ok(94), "as long as it asks for");
}

#[test]
fn an_address_that_gives_no_answers_is_told_before_the_code_expires() {
    let mut flow = flow();
    assert_eq!(next(&mut flow, 200, json!("page"), 5), Ok(15));
    assert_eq!(next(&mut flow, 200, json!({"no": "token"}), 15), Ok(35));
    assert_eq!(next(&mut flow, 200, json!("page"), 35), Err(TokenErrorKind::Protocol));
}
