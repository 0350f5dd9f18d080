use secrecy::ExposeSecret as _;

use super::*;

fn new(name: &str) -> NewClient {
    NewClient { name: name.to_owned(), ..NewClient::default() }
}

async fn opened(dir: &Path) -> Clients {
    Clients::at_rest(dir, Durability::default()).await.unwrap()
}

#[tokio::test]
async fn a_client_outlives_the_process_and_its_token_does_not_lie_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let clients = opened(dir.path()).await;
    let models = vec!["openai/*".to_owned(), "smart".to_owned()];
    let made = NewClient { models, requests_per_minute: NonZeroU32::new(7), ..new("editor") };
    let (client, token) = clients.add(made).await.unwrap();
    clients.close().await.unwrap();

    let clients = opened(dir.path()).await;
    assert_eq!(clients.list(), [client]);
    let known = clients.of_token(token.expose_secret().as_bytes()).unwrap();
    assert_eq!(&*known.name, "editor");
    assert!(known.may_ask("openai/gpt-5") && known.may_ask("smart"));
    assert!(!known.may_ask("gpt-5") && !known.may_ask("smarter") && !known.may_ask(""));
    clients.close().await.unwrap();
}

#[tokio::test]
async fn only_the_whole_token_lets_its_client_in() {
    let clients = Clients::load(None).await.unwrap();
    let (_, one) = clients.add(new("one")).await.unwrap();
    let (_, other) = clients.add(new("other")).await.unwrap();
    let (one, other) = (one.expose_secret(), other.expose_secret());
    let name = |token: &str| clients.of_token(token.as_bytes()).map(|known| known.name.to_string());
    assert_eq!((name(one), name(other)), (Some("one".to_owned()), Some("other".to_owned())));
    let crossed = format!("{}{}", &one[..16], &other[16..]);
    for wrong in ["", "gr_", &one[..79], &format!("{one}0"), &one.to_uppercase(), &crossed] {
        assert_eq!(name(wrong), None, "{wrong}");
    }
}

#[tokio::test]
async fn a_revoked_client_is_out_and_its_name_is_free_again() {
    let dir = tempfile::tempdir().unwrap();
    let clients = opened(dir.path()).await;
    let (_, token) = clients.add(new("editor")).await.unwrap();
    let known = clients.of_token(token.expose_secret().as_bytes()).unwrap();
    assert_eq!(clients.add(new("editor")).await.unwrap_err(), ClientError::Taken);
    clients.revoke("editor").await.unwrap();
    assert!(known.revoked.is_cancelled());
    assert!(clients.of_token(token.expose_secret().as_bytes()).is_none());
    assert_eq!(clients.revoke("editor").await.unwrap_err(), ClientError::NotFound);
    let (_, fresh) = clients.add(new("editor")).await.unwrap();
    clients.close().await.unwrap();

    let clients = opened(dir.path()).await;
    assert!(clients.of_token(token.expose_secret().as_bytes()).is_none(), "nor does a restart let it in");
    assert!(clients.of_token(fresh.expose_secret().as_bytes()).is_some());
    clients.close().await.unwrap();
}

#[tokio::test]
async fn what_can_be_no_client_leaves_none() {
    let clients = Clients::load(None).await.unwrap();
    let bad = NewClient { models: vec![String::new()], ..new("fine") };
    for (new, want) in
        [(new("a:b"), ClientError::BadName), (new("admin"), ClientError::Reserved), (bad, ClientError::BadModel)]
    {
        assert_eq!(clients.add(new).await.unwrap_err(), want);
    }
    assert_eq!(clients.list(), []);
}

#[tokio::test]
async fn a_client_that_the_disk_does_not_take_is_none_and_a_revoked_one_stays_out() {
    let store = Store::temporary("for this test").unwrap();
    let clients = Clients::load(Some(store.clone())).await.unwrap();
    let (_, token) = clients.add(new("editor")).await.unwrap();
    // A store that is closed takes nothing.
    store.close().await.unwrap();
    assert!(matches!(clients.add(new("late")).await, Err(ClientError::NotKept(_))));
    assert!(matches!(clients.revoke("editor").await, Err(ClientError::NotRevoked(_))));
    assert!(clients.of_token(token.expose_secret().as_bytes()).is_none());
    let names: Vec<String> = clients.list().into_iter().map(|client| client.name).collect();
    assert_eq!(names, ["editor"], "so that it can be revoked again");
}
