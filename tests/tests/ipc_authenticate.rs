//! `greenroom ipc`: keys that are added, and logins by a code.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod ipc_support;
mod key_support;
mod login_support;

use greenroom_tests::issuer::{Habits, ScriptedIssuer};
use greenroom_tests::oidc::{Consent, OidcServer};
use ipc_support::{Ipc, chat, error, text};
use key_support::{BAD, ONE, TWO, home_of, name_of, taking};
use login_support::{HOUR, scripted_home};
use serde_json::{Value, json};

fn authenticate(id: u64, params: Value) -> Value {
    json!({"id": id, "action": "authenticate", "provider": "lab", "params": params})
}

#[tokio::test]
async fn a_key_that_is_added_is_used_from_then_on_and_a_bad_one_is_refused() {
    for beside in [false, true] {
        let lab = taking(&[ONE, TWO]).await;
        let home = home_of(&lab);
        let _daemon = if beside { Some(home.serve(&[]).await) } else { None };
        let mut ipc = Ipc::start(&home);
        ipc.send(&authenticate(1, json!({"api_key": BAD}))).await;
        let line = ipc.next().await;
        assert_eq!(error(std::slice::from_ref(&line)).0, "auth", "{line}");
        assert!(!line.to_string().contains(BAD), "{line}");
        ipc.send(&authenticate(2, json!({"api_key": ""}))).await;
        assert_eq!(error(&[ipc.next().await]).0, "invalid_request");
        ipc.send(&authenticate(3, json!({"api_key": ONE}))).await;
        assert_eq!(ipc.next().await, json!({"id": 3, "success": true, "data": true}));
        let mut question = chat(4, "hi");
        question["params"]["model"] = json!("m1");
        ipc.send(&question).await;
        assert_eq!(text(&ipc.answer(4).await, "content"), name_of(ONE));
        ipc.end_input();
        let (code, _, errors) = ipc.end().await;
        assert_eq!(code, Some(0));
        assert!(!errors.contains(ONE) && !errors.contains(BAD), "{errors}");
        // It is kept.
        let listed = key_support::briefly(&key_support::listed(&home).await);
        assert!(listed.iter().any(|credential| credential.starts_with("lab/default ")), "{listed:?}");
    }
}

#[tokio::test]
async fn a_login_by_a_code_tells_it_first_and_true_once_it_is_confirmed() {
    let issuer = ScriptedIssuer::start(Habits::default()).await;
    for beside in [false, true] {
        let home = scripted_home(&issuer);
        let _daemon = if beside { Some(home.serve(&[]).await) } else { None };
        issuer.pending(["authorization_pending"]);
        let mut ipc = Ipc::start(&home);
        ipc.send(&authenticate(1, json!({}))).await;
        let first = ipc.next().await;
        assert_eq!((&first["id"], &first["success"], &first["streaming"]), (&json!(1), &json!(true), &json!(true)));
        let data = &first["data"];
        assert_eq!((&data["type"], &data["user_code"]), (&json!("device_flow"), &json!("ABCD-EFGH")), "{first}");
        assert!(data["verification_uri"].is_string() && data["expires_in"].is_u64(), "{first}");
        assert_eq!(ipc.next().await, json!({"id": 1, "success": true, "data": true}));
        let mut question = chat(2, "who am I?");
        question["params"]["model"] = json!("account-teller");
        ipc.send(&question).await;
        assert_eq!(text(&ipc.answer(2).await, "content"), "You are grace.");
    }
}

#[tokio::test]
async fn a_login_is_cancelled_as_any_request() {
    let issuer = ScriptedIssuer::start(Habits::default()).await;
    issuer.pending(vec!["authorization_pending"; 99]);
    let home = scripted_home(&issuer);
    let mut ipc = Ipc::start(&home);
    ipc.send(&authenticate(1, json!({}))).await;
    assert_eq!(ipc.next().await["data"]["type"], "device_flow");
    ipc.send(&json!({"id": 2, "action": "cancel", "params": {"id": 1}})).await;
    assert_eq!(error(&ipc.answer(1).await).0, "cancelled");
    assert_eq!(ipc.next().await["data"], true);
    ipc.send(&json!({"id": 3, "action": "authenticate", "provider": "demo", "params": {}})).await;
    assert_eq!(error(&ipc.answer(3).await).0, "config");
    ipc.end_input();
    assert_eq!(ipc.end().await.0, Some(0));
    assert_eq!(login_support::listed(&home, "default").await, Value::Null);
}

#[tokio::test]
async fn a_real_server_lets_in_by_a_code_or_does_not() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let home = login_support::home_of(&server);
    let mut ipc = Ipc::start(&home);
    for (id, consent) in [(1, Consent::Deny), (2, Consent::Allow("grace"))] {
        let is_denied = matches!(consent, Consent::Deny);
        ipc.send(&authenticate(id, json!({}))).await;
        let first = ipc.next().await;
        assert!(first["data"]["verification_uri"].as_str().unwrap().starts_with(server.url()), "{first}");
        server.confirm_device(first["data"]["verification_uri_complete"].as_str().unwrap(), consent).await;
        let last = ipc.answer(id).await;
        match is_denied {
            true => assert_eq!(error(&last).0, "auth_permanent", "{last:?}"),
            false => assert_eq!(last, [json!({"id": id, "success": true, "data": true})]),
        }
    }
    ipc.end_input();
    assert_eq!(ipc.end().await.0, Some(0));
    assert_eq!(login_support::who(&home).await, "You are grace.");
}
