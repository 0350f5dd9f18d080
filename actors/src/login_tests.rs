//! Logins, refreshed by real actors at a token endpoint over real HTTP, and kept on a real disk.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use greenroom_providers::{
    Credential,
    auth::{EntraArgs, EntraClient, Issuer, OAuthSource, Tokens},
    transport::Transport,
};
use greenroom_wire::ChatError;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{
    keep_tests::{killed, open},
    tests::{request, spec, system_of},
    *,
};
use crate::{
    provider::{Limits, Login, LoginArgs, ProfileArgs, Way},
    session::event::EventBody,
    store::Durability,
    vault::Vault,
};

const HOUR: Duration = Duration::from_secs(3600);
const KEY: [u8; 32] = [7; 32];

/// What the token endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// It rotates refresh tokens, and takes the one before as well, until the new one was used.
    Good,
    /// The same, and one that was used ends the login.
    Strict,
    /// It answers that it fails.
    Failing,
    /// It answers a page.
    Html,
    /// It answers once the test lets it, having done all that it does.
    Held,
}

/// A provider and its token endpoint.
struct Place {
    address: String,
    told: Arc<Mutex<Told>>,
    /// Lets go what the endpoint holds.
    go: watch::Sender<bool>,
}

struct Told {
    mood: Mood,
    /// Refresh tokens that it was given.
    given: Vec<String>,
    /// The token that is good, with the count of refreshes in it; and whether none is.
    refreshes: u32,
    refuses_all: bool,
    /// Credentials that answers were asked with.
    asked: Vec<String>,
    expires_in: u64,
}

impl Place {
    async fn new(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let told =
            Told { mood, given: Vec::new(), refreshes: 0, refuses_all: false, asked: Vec::new(), expires_in: 3600 };
        let told = Arc::new(Mutex::new(told));
        let (go, gone) = watch::channel(false);
        let answering = Arc::clone(&told);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, Arc::clone(&answering), gone.clone()));
            }
        });
        Self { address, told, go }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn args(&self, store: &Store) -> LoginArgs {
        let issuer = Issuer::new(format!("{}/token", self.address).parse().unwrap(), "own-client");
        let source = OAuthSource::new(issuer, Arc::new(Transport::new(Duration::from_secs(1))));
        let vault = Some(Vault::new(store.clone(), &KEY));
        LoginArgs { provider: "lab".into(), profile: "me".into(), source: Arc::new(source), vault }
    }

    /// The first tokens of a login, good for so long.
    fn tokens(&self, left: Duration) -> Tokens {
        let mut tokens = Tokens::of("access-0".into());
        tokens.refresh = Some("refresh-0".into());
        tokens.expires_at = Some(SystemTime::now() + left);
        tokens
    }

    async fn begin(&self, store: &Store, left: Duration) -> ProfileArgs {
        let login = Login::begin(self.args(store), self.tokens(left), SystemTime::now()).await.unwrap();
        profile("me", Way::Login(login))
    }

    async fn system(&self, store: &Store, profiles: Vec<ProfileArgs>) -> System {
        let (mut spec, can) = spec("lab", &format!("{}/v1", self.address), Limits::default());
        (spec.args.profiles, spec.args.queue) = (profiles, 1024);
        system_of(vec![(spec, can)], Some(store.clone())).await
    }

    /// As the next process finds it.
    async fn next(&self, store: &Store) -> System {
        let login = Login::load(self.args(store)).await.unwrap();
        self.system(store, vec![profile("me", Way::Login(login))]).await
    }
}

async fn answer(mut socket: TcpStream, told: Arc<Mutex<Told>>, mut go: watch::Receiver<bool>) {
    let mut bytes = Vec::new();
    let text = loop {
        let mut piece = [0; 8192];
        let Ok(read) = socket.read(&mut piece).await else { return };
        if read == 0 {
            return;
        }
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            break text;
        }
    };
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let held = |told: &Mutex<Told>| told.lock().unwrap().mood == Mood::Held;
    let (status, kind, body) = if head.starts_with("POST /tenant/oauth2/v2.0/token") {
        grant(&mut told.lock().unwrap(), body)
    } else if head.starts_with("POST /token") {
        let answered = give(&mut told.lock().unwrap(), body);
        if held(&told) {
            let _ended = go.wait_for(|go| *go).await;
        }
        answered
    } else {
        ask(&mut told.lock().unwrap(), &header(head, "authorization").unwrap_or_default())
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    let _left = socket.write_all((head + &body).as_bytes()).await;
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
}

const JSON: &str = "application/json";

fn give(told: &mut Told, form: &str) -> (&'static str, &'static str, String) {
    let given = form.split('&').find_map(|pair| pair.strip_prefix("refresh_token=")).unwrap_or_default().to_owned();
    match told.mood {
        Mood::Failing => return ("503 Service Unavailable", JSON, "{}".to_owned()),
        Mood::Html => return ("200 OK", "text/html", "<html>please log in</html>".to_owned()),
        _ => {}
    }
    told.given.push(given.clone());
    let (current, before) = (told.refreshes, told.refreshes.checked_sub(1));
    let is = |generation: Option<u32>| generation.is_some_and(|generation| given == format!("refresh-{generation}"));
    let forgives = told.mood != Mood::Strict;
    if !(is(Some(current)) || forgives && is(before)) {
        let refused = "{\"error\":\"invalid_grant\",\"error_description\":\"reused or revoked\"}";
        return ("400 Bad Request", JSON, refused.to_owned());
    }
    told.refreshes += u32::from(is(Some(current)));
    let (count, expires_in) = (told.refreshes, told.expires_in);
    let tokens = format!(
        "{{\"access_token\":\"access-{count}\",\"refresh_token\":\"refresh-{count}\",\"token_type\":\"bearer\",\"expires_in\":{expires_in}}}"
    );
    ("200 OK", JSON, tokens)
}

/// Gives tokens to an application that nobody logs in to.
fn grant(told: &mut Told, form: &str) -> (&'static str, &'static str, String) {
    assert!(form.contains("grant_type=client_credentials") && form.contains("client_secret=own-secret"), "{form}");
    told.given.push("application".to_owned());
    told.refreshes += 1;
    let (count, expires_in) = (told.refreshes, told.expires_in);
    let tokens =
        format!("{{\"access_token\":\"access-{count}\",\"token_type\":\"Bearer\",\"expires_in\":{expires_in}}}");
    ("200 OK", JSON, tokens)
}

fn ask(told: &mut Told, bearer: &str) -> (&'static str, &'static str, String) {
    told.asked.push(bearer.trim_start_matches("Bearer ").to_owned());
    let is_key = bearer == "Bearer key";
    if !is_key && (told.refuses_all || bearer != format!("Bearer access-{}", told.refreshes)) {
        return ("401 Unauthorized", JSON, "{\"error\":{\"message\":\"the token is over\"}}".to_owned());
    }
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n";
    let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    ("200 OK", "text/event-stream", format!("{text}{end}"))
}

fn profile(id: &str, way: Way) -> ProfileArgs {
    ProfileArgs { id: id.into(), way, weight: 1, limits: Limits::default() }
}

fn key() -> ProfileArgs {
    profile("key", Way::Fixed(Arc::new(Credential::Key("key".into()))))
}

/// Asks once. Which profile answered, or why none did.
async fn chat(system: &System) -> Result<String, ChatError> {
    let mut by = None;
    for event in system.chat_whole(request(), "test".into()).await {
        match event.body {
            EventBody::Route { profile, .. } => by = Some(profile.to_string()),
            EventBody::TurnFailed { error } => return Err(error.into()),
            _ => {}
        }
    }
    Ok(by.expect("what is answered has a route"))
}

async fn status(system: &System, id: &str) -> crate::ProfileStatus {
    let status = system.status("lab").await.unwrap();
    status.profiles.into_iter().find(|profile| *profile.id == *id).unwrap()
}

/// Waits until this holds, which nothing but a failure keeps from happening.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn two_hundred_requests_on_a_token_that_is_over_make_one_refresh() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let place = Place::new(Mood::Strict).await;
    let login = place.begin(&store, Duration::ZERO).await;
    let system = place.system(&store, vec![login]).await;
    let asked = (0..200).map(|_| chat(&system));
    for answered in futures::future::join_all(asked).await {
        assert_eq!(answered.unwrap(), "me");
    }
    assert_eq!(place.told().given, ["refresh-0"]);
    assert!(place.told().asked.iter().all(|token| token == "access-1"), "none goes out with the old one");
    let login = status(&system, "me").await.login.unwrap();
    assert!(login.expires.unwrap() > SystemTime::now() + HOUR / 2 && login.ended.is_none());
}

#[tokio::test]
async fn a_token_that_is_refused_is_asked_for_anew_once_and_its_profile_is_not_marked() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let place = Place::new(Mood::Strict).await;
    let login = place.begin(&store, HOUR).await;
    let system = place.system(&store, vec![login]).await;
    assert_eq!(chat(&system).await.unwrap(), "me");
    // The provider ends it before its time.
    place.told().refreshes = 1;
    place.told().mood = Mood::Good;
    assert_eq!(chat(&system).await.unwrap(), "me");
    assert_eq!(place.told().given, ["refresh-0"]);
    assert!(status(&system, "me").await.mark.is_none());
    // New ones that are refused as well are not asked for again and again.
    place.told().refuses_all = true;
    let error = chat(&system).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth, "{error}");
    assert_eq!(place.told().given.len(), 2);
    assert!(status(&system, "me").await.mark.is_some());
    chat(&system).await.unwrap_err();
    assert_eq!(place.told().given.len(), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_while_its_successor_is_had_is_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let place = Place::new(Mood::Held).await;
    // It is renewed at once, ahead of its end.
    let tokens = Tokens { refresh_at: Some(SystemTime::now()), ..place.tokens(HOUR) };
    let login = Login::begin(place.args(&store), tokens, SystemTime::now()).await.unwrap();
    let system = place.system(&store, vec![profile("me", Way::Login(login))]).await;
    // Once that has come the provider takes the one before no more.
    until("it is asked", async || !place.told().given.is_empty()).await;
    let asking = {
        let system = system.clone();
        tokio::spawn(async move { chat(&system).await })
    };
    until("it is refused", async || !place.told().asked.is_empty()).await;
    // Each goes through the mailbox in which the refusal is.
    for _ in 0..100 {
        assert!(status(&system, "me").await.login.unwrap().refreshing);
    }
    place.told().mood = Mood::Good;
    place.go.send(true).unwrap();
    assert_eq!(asking.await.unwrap().unwrap(), "me");
    assert_eq!(place.told().asked, ["access-0", "access-1"]);
    assert_eq!(place.told().given, ["refresh-0"]);
    assert!(status(&system, "me").await.mark.is_none());
}

#[tokio::test]
async fn an_actor_that_fails_in_the_midst_of_a_refresh_loses_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let place = Place::new(Mood::Held).await;
    let login = place.begin(&store, Duration::ZERO).await;
    let system = place.system(&store, vec![login]).await;
    let asking = {
        let system = system.clone();
        tokio::spawn(async move { chat(&system).await })
    };
    until("it is asked", async || !place.told().given.is_empty()).await;
    let handle = system.shared.provider("lab").unwrap().handle;
    handle.cast(ProviderMsg::Panic);
    until("it is back", async || status(&system, "me").await.login.unwrap().refreshing).await;
    place.told().mood = Mood::Strict;
    place.go.send(true).unwrap();
    assert_eq!(asking.await.unwrap().unwrap(), "me");
    assert_eq!(place.told().given, ["refresh-0"]);
    // As it is kept, for the next process.
    system.stop().await;
    assert_eq!(chat(&place.next(&store).await).await.unwrap(), "me");
    assert_eq!(place.told().given, ["refresh-0"]);
}

/// The disk as it is while a refresh is under way that the provider has done.
async fn killed_in_a_refresh(place: &Place, dir: &Path) -> (tempfile::TempDir, Store) {
    let store = open(dir).await;
    let login = place.begin(&store, Duration::ZERO).await;
    let system = place.system(&store, vec![login, key()]).await;
    assert_eq!(chat(&system).await.unwrap(), "key", "others go on meanwhile");
    until("it is asked", async || !place.told().given.is_empty()).await;
    let killed = killed(dir).await;
    place.go.send(true).unwrap();
    system.stop().await;
    killed
}

#[tokio::test]
async fn a_process_that_dies_between_a_refresh_and_the_disk_has_its_login_again() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(Mood::Held).await;
    let (_copy, store) = killed_in_a_refresh(&place, dir.path()).await;
    place.told().mood = Mood::Good;
    let next = place.next(&store).await;
    assert_eq!(chat(&next).await.unwrap(), "me");
    assert_eq!(place.told().given, ["refresh-0", "refresh-0"]);
}

#[tokio::test]
async fn a_login_that_its_provider_ends_is_told_stays_so_and_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(Mood::Held).await;
    let (_copy, store) = killed_in_a_refresh(&place, dir.path()).await;
    // This one takes nothing twice.
    place.told().mood = Mood::Strict;
    let next = place.next(&store).await;
    let error = chat(&next).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AuthPermanent, "{error}");
    assert!(error.details.hint.unwrap().contains("greenroom auth login lab"));
    let ended = status(&next, "me").await.login.unwrap().ended.unwrap();
    assert!(ended.hint.contains("log in"), "{ended:?}");
    assert_eq!(place.told().given.len(), 2);
    chat(&next).await.unwrap_err();
    next.stop().await;
    let next = place.next(&store).await;
    chat(&next).await.unwrap_err();
    assert_eq!(place.told().given.len(), 2, "it isn't asked again with what is used up");
    let mut tokens = place.tokens(HOUR);
    tokens.access = "access-1".into();
    let login = Login::begin(place.args(&store), tokens, SystemTime::now()).await.unwrap();
    assert!(next.set_profile("lab", profile("me", Way::Login(login))).await.unwrap());
    assert_eq!(chat(&next).await.unwrap(), "me");
    assert!(next.remove_profile("lab", "me").await.unwrap());
    let error = chat(&next).await.unwrap_err();
    assert!(error.details.hint.unwrap().contains("greenroom auth add lab"));
}

#[tokio::test]
async fn tokens_that_nobody_logs_in_for_are_had_when_they_are_needed_kept_and_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let place = Place::new(Mood::Good).await;
    let login = async || {
        let args = EntraArgs {
            authority: place.address.parse().unwrap(),
            tenant: "tenant".to_owned(),
            client_id: "own".to_owned(),
            client_secret: "own-secret".into(),
            scope: "chat".to_owned(),
        };
        let source = EntraClient::new(args, Arc::new(Transport::new(Duration::from_secs(1)))).unwrap();
        let args = LoginArgs { source: Arc::new(source), ..place.args(&store) };
        profile("me", Way::Login(Login::load(args).await.unwrap()))
    };
    let system = place.system(&store, vec![login().await]).await;
    assert_eq!(place.told().given.len(), 0, "nobody has asked yet");
    let asked = (0..20).map(|_| chat(&system));
    assert!(futures::future::join_all(asked).await.into_iter().all(|answered| answered.unwrap() == "me"));
    assert_eq!(place.told().given.len(), 1);
    system.stop().await;
    let next = place.system(&store, vec![login().await]).await;
    assert_eq!(chat(&next).await.unwrap(), "me");
    assert_eq!(place.told().given.len(), 1, "the next process has it as well");
    place.told().refreshes = 7;
    assert_eq!(chat(&next).await.unwrap(), "me", "one that is refused is replaced");
    assert_eq!(place.told().given.len(), 2);
}

#[tokio::test]
async fn a_token_endpoint_that_fails_costs_its_profile_no_mark_and_others_go_on() {
    for mood in [Mood::Failing, Mood::Html] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).await;
        let place = Place::new(mood).await;
        let login = place.begin(&store, Duration::ZERO).await;
        let system = place.system(&store, vec![login, key()]).await;
        for _ in 0..5 {
            assert_eq!(chat(&system).await.unwrap(), "key");
        }
        until("it is known", async || status(&system, "me").await.login.unwrap().failing.is_some()).await;
        assert_eq!(chat(&system).await.unwrap(), "key");
        assert!(status(&system, "me").await.mark.is_none());
        place.told().mood = Mood::Strict;
        until("it is tried again", async || chat(&system).await.unwrap() == "me").await;
        assert_eq!(place.told().given, ["refresh-0"]);
    }
}

#[tokio::test]
async fn a_token_is_not_refreshed_while_its_successor_could_not_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let place = Place::new(Mood::Strict).await;
    let login = place.begin(&store, Duration::ZERO).await;
    let system = place.system(&store, vec![login, key()]).await;
    let (there, away) = (dir.path().join("store"), dir.path().join("away"));
    std::fs::rename(&there, &away).unwrap();
    assert_eq!(chat(&system).await.unwrap(), "key");
    until("it is known", async || status(&system, "me").await.login.unwrap().failing.is_some()).await;
    assert_eq!(place.told().given, [] as [&str; 0]);
    std::fs::rename(&away, &there).unwrap();
    until("it is tried again", async || chat(&system).await.unwrap() == "me").await;
    assert_eq!(place.told().given, ["refresh-0"]);
}

#[tokio::test]
async fn a_login_is_refreshed_ahead_of_its_end_while_nobody_asks() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let place = Place::new(Mood::Strict).await;
    let login = place.begin(&store, Duration::from_secs(7)).await;
    let system = place.system(&store, vec![login]).await;
    assert_eq!(chat(&system).await.unwrap(), "me");
    assert_eq!(place.told().given, [] as [&str; 0]);
    until("it is refreshed", async || place.told().given.len() == 1).await;
    until("it is used", async || chat(&system).await.unwrap() == "me").await;
    assert_eq!(place.told().asked.first().unwrap(), "access-0");
    assert_eq!(place.told().asked.last().unwrap(), "access-1");
    system.stop().await;
    store.close().await.unwrap();
    let args = crate::store::StoreArgs { dir: dir.path().join("store"), durability: Durability::Process };
    let found = std::fs::read_dir(&args.dir).unwrap().flatten().filter(|entry| entry.path().is_file());
    for file in found {
        let bytes = std::fs::read(file.path()).unwrap();
        for secret in ["access-0", "refresh-0", "access-1", "refresh-1"] {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{secret} is in {}", file.path().display());
        }
    }
}
