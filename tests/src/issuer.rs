//! A token endpoint that does what a test wants: for what a real server can't be made to do. Beside it is a model, which
//! answers whoever has one of its tokens by the name of the account.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The name of the only model.
pub const MODEL: &str = "account-teller";

/// How the token endpoint takes a request, in place of what it would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers 200 and a page, as a captive portal does.
    Html,
    /// Answers this status, and nothing else.
    Status(u16),
    /// Refuses with this code of OAuth.
    Refusal(&'static str),
    /// Does nothing and says nothing.
    Silent,
    /// Does all that it is asked, and never says so.
    Unsaid,
}

/// What an issuer is like.
#[derive(Debug, Clone)]
pub struct Habits {
    /// For how long access tokens are good; said in whole seconds.
    pub life: Duration,
    /// Whether that is said.
    pub says_life: bool,
    /// Whether a refresh token is still good after it was used, until its successor is: many issuers have it so, since
    /// answers are lost.
    pub grace: bool,
    /// For how long a device's code is said to be good, in seconds.
    pub code_life: u64,
}

impl Default for Habits {
    fn default() -> Self {
        Self { life: Duration::from_secs(3600), says_life: true, grace: true, code_life: 600 }
    }
}

/// The running issuer; it ends when it is dropped.
#[derive(Debug)]
pub struct ScriptedIssuer {
    url: String,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    place: Mutex<Place>,
    asked: watch::Sender<usize>,
}

#[derive(Debug)]
struct Place {
    habits: Habits,
    faults: VecDeque<Fault>,
    /// What a device is told before it has its tokens.
    pending: VecDeque<&'static str>,
    /// What the exchange says to a login in place of a token.
    exchange: Option<u16>,
    logins: BTreeMap<String, Login>,
    asked: Vec<(Instant, BTreeMap<String, String>)>,
    /// Everything that it gave and that nobody may show.
    secrets: Vec<String>,
}

/// What an account has.
#[derive(Debug, Clone, Default)]
struct Login {
    /// Counts the refresh tokens that were given.
    count: u32,
    /// The access tokens that are good, and until when.
    good: Vec<(String, Instant)>,
    refresh: Vec<String>,
    /// The last of the refresh tokens that was used, by its place among them.
    used: Option<usize>,
}

impl Shared {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ScriptedIssuer {
    /// Starts one on a free port of loopback.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start(habits: Habits) -> Self {
        let place = Place {
            habits,
            faults: VecDeque::new(),
            pending: VecDeque::new(),
            exchange: None,
            logins: BTreeMap::new(),
            asked: Vec::new(),
            secrets: Vec::new(),
        };
        let shared = Arc::new(Shared { place: Mutex::new(place), asked: watch::Sender::new(0) });
        let routes = Router::new()
            .route("/token", post(token))
            .route("/device", post(device))
            .route("/keys", post(key))
            .route("/exchange", get(exchange))
            .route("/{tenant}/oauth2/v2.0/token", post(token))
            .route("/computeMetadata/v1/instance/service-accounts/default/token", get(metadata))
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(chat))
            .route("/openai/v1/chat/completions", post(chat))
            .route("/v1/projects/{project}/locations/{region}/endpoints/openapi/chat/completions", post(chat))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let server = tokio::spawn(async move {
            let _ends_with_the_test = axum::serve(listener, routes).await;
        });
        Self { url, shared, _server: AbortOnDropHandle::new(server) }
    }

    /// `http://address:port`; below it `/token`, `/device`, `/keys` (OpenRouter's), `/exchange` (Copilot's), what Entra ID and
    /// the metadata servers of Google's machines have, and the model, where OpenAI, Azure and Vertex have theirs.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Has the token endpoint take its next requests so.
    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.place().faults = faults.into_iter().collect();
    }

    /// Has devices be told this, one after the other, before they have their tokens.
    pub fn pending(&self, codes: impl IntoIterator<Item = &'static str>) {
        self.shared.place().pending = codes.into_iter().collect();
    }

    /// Has the exchange of tokens refuse with this status.
    pub fn refuse_exchange(&self, status: u16) {
        self.shared.place().exchange = Some(status);
    }

    /// Ends all access tokens before their time.
    pub fn end_access(&self) {
        self.shared.place().logins.values_mut().for_each(|login| login.good.clear());
    }

    /// Ends the access tokens of one account before their time.
    pub fn end_access_of(&self, account: &str) {
        if let Some(login) = self.shared.place().logins.get_mut(account) {
            login.good.clear();
        }
    }

    /// The forms that the token endpoint got, oldest first, with when that was.
    pub fn asked(&self) -> Vec<(Instant, BTreeMap<String, String>)> {
        self.shared.place().asked.clone()
    }

    /// How many of them were refreshes.
    pub fn refreshes(&self) -> usize {
        self.asked().iter().filter(|(_, form)| form["grant_type"] == "refresh_token").count()
    }

    /// Waits until the token endpoint was asked more often than `before`.
    ///
    /// # Panics
    /// If it isn't within half a minute.
    pub async fn asked_after(&self, before: usize) -> usize {
        let mut asked = self.shared.asked.subscribe();
        let more = asked.wait_for(|asked| *asked > before);
        *tokio::time::timeout(crate::client::LIMIT, more).await.expect("it is asked").expect("it runs")
    }

    /// All tokens and keys that it gave, and all codes, verifiers and secrets that it was given.
    pub fn secrets(&self) -> Vec<String> {
        let place = self.shared.place();
        let given = place.asked.iter().flat_map(|(_, form)| {
            ["code", "code_verifier", "client_secret", "device_code", "refresh_token"]
                .map(|name| form.get(name).cloned())
        });
        let mut secrets: Vec<String> = place.secrets.iter().cloned().chain(given.flatten()).collect();
        secrets.sort_unstable();
        secrets.dedup();
        secrets
    }
}

impl Place {
    /// A secret that says what it is, and is found nowhere by chance.
    fn secret(&mut self, what: &str) -> String {
        let number = self.secrets.len();
        let secret = format!("{what}-{number:04}-5a1f0c9e7b3d48266284d3b7e9c0f1a5");
        self.secrets.push(secret.clone());
        secret
    }

    fn grant(&mut self, account: &str) -> Response {
        let (access, refresh) = (self.secret("access"), self.secret("refresh"));
        let ends = Instant::now() + self.habits.life;
        let login = self.logins.entry(account.to_owned()).or_default();
        login.count += 1;
        login.good.push((access.clone(), ends));
        login.refresh.push(refresh.clone());
        let mut tokens = json!({"access_token": access, "token_type": "Bearer", "refresh_token": refresh});
        if self.habits.says_life {
            tokens["expires_in"] = self.habits.life.as_secs().into();
        }
        axum::Json(tokens).into_response()
    }

    /// An access token without one to refresh it, as who can ask at any time has.
    fn grant_alone(&mut self, account: &str) -> Response {
        let access = self.secret("access");
        let life = self.habits.life;
        self.logins.entry(account.to_owned()).or_default().good.push((access.clone(), Instant::now() + life));
        let tokens = json!({"access_token": access, "token_type": "Bearer", "expires_in": life.as_secs()});
        axum::Json(tokens).into_response()
    }

    fn refresh(&mut self, token: &str) -> Response {
        let found = self.logins.iter_mut().find_map(|(account, login)| {
            let at = login.refresh.iter().position(|own| own == token)?;
            let is_new = login.used.is_none_or(|used| at > used);
            // However often its successors were lost, none of them was used.
            let is_good = is_new || (self.habits.grace && login.used == Some(at));
            login.used = login.used.max(Some(at));
            Some((account.clone(), is_good))
        });
        match found {
            Some((account, true)) => self.grant(&account),
            Some((account, false)) => {
                self.logins.remove(&account);
                refusal("invalid_grant")
            }
            None => refusal("invalid_grant"),
        }
    }

    /// What a request for tokens comes to.
    fn give(&mut self, form: &BTreeMap<String, String>) -> Response {
        let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        match of("grant_type") {
            "authorization_code" if of("code_verifier").len() < 43 => refusal("invalid_request"),
            "authorization_code" => match of("code").split_once("-code-") {
                Some((account, _)) => self.grant(account),
                None => refusal("invalid_grant"),
            },
            "refresh_token" => self.refresh(of("refresh_token")),
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => match claims(of("assertion"))["iss"].as_str() {
                Some(account) => self.grant_alone(account),
                None => refusal("invalid_grant"),
            },
            "client_credentials" if of("client_secret").is_empty() => refusal("invalid_client"),
            "client_credentials" => self.grant_alone(of("client_id")),
            "urn:ietf:params:oauth:grant-type:device_code" => match self.pending.pop_front() {
                Some(code) => refusal(code),
                None => self.grant("grace"),
            },
            _ => refusal("unsupported_grant_type"),
        }
    }

    /// Whose token a request has, if it is a good one.
    fn account(&self, headers: &HeaderMap) -> Option<String> {
        let bearer = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let token = bearer.strip_prefix("Bearer ").or_else(|| bearer.strip_prefix("token "))?;
        let now = Instant::now();
        let has = |login: &Login| login.good.iter().any(|(own, ends)| own == token && *ends > now);
        self.logins.iter().find(|(_, login)| has(login)).map(|(account, _)| account.clone())
    }
}

fn refusal(code: &str) -> Response {
    (StatusCode::BAD_REQUEST, axum::Json(json!({"error": code}))).into_response()
}

fn status(status: u16) -> Response {
    StatusCode::from_u16(status).expect("a status").into_response()
}

async fn token(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let (fault, answer) = {
        let mut place = shared.place();
        place.asked.push((Instant::now(), form.clone()));
        let fault = place.faults.pop_front();
        let answer = match fault {
            None | Some(Fault::Unsaid) => place.give(&form),
            Some(Fault::Html) => {
                Html("<!DOCTYPE html><title>Welcome</title>Pay for this network first.").into_response()
            }
            Some(Fault::Status(code)) => status(code),
            Some(Fault::Refusal(code)) => refusal(code),
            Some(Fault::Silent) => status(500),
        };
        (fault, answer)
    };
    shared.asked.send_modify(|asked| *asked += 1);
    if matches!(fault, Some(Fault::Silent | Fault::Unsaid)) {
        std::future::pending::<()>().await;
    }
    answer
}

/// What a signed statement says; whether its signature is right is for the test to see.
fn claims(assertion: &str) -> Value {
    let said = assertion.split('.').nth(1).unwrap_or_default();
    let said = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(said).unwrap_or_default();
    serde_json::from_slice(&said).unwrap_or_default()
}

/// The token of the machine itself, to who shows that it means this server.
async fn metadata(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if headers.get("metadata-flavor").is_none_or(|flavor| flavor != "Google") {
        return status(403);
    }
    let mut answer = {
        let mut place = shared.place();
        place.asked.push((Instant::now(), BTreeMap::from([("grant_type".to_owned(), "metadata".to_owned())])));
        place.grant_alone("the machine")
    };
    answer.headers_mut().insert("metadata-flavor", header::HeaderValue::from_static("Google"));
    shared.asked.send_modify(|asked| *asked += 1);
    answer
}

async fn device(State(shared): State<Arc<Shared>>) -> Response {
    let mut place = shared.place();
    let code = place.secret("device");
    axum::Json(json!({
        "device_code": code, "user_code": "ABCD-EFGH", "verification_uri": "https://login.example/device",
        "expires_in": place.habits.code_life, "interval": 1,
    }))
    .into_response()
}

/// A key for a code, as OpenRouter has it.
async fn key(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let body: BTreeMap<String, String> = serde_json::from_str(&body).unwrap_or_default();
    let of = |name: &str| body.get(name).map(String::as_str).unwrap_or_default();
    let mut place = shared.place();
    place.asked.push((Instant::now(), BTreeMap::from([("grant_type".to_owned(), "key".to_owned())])));
    place.asked.last_mut().expect("one was just put there").1.extend(body.clone());
    match of("code").split_once("-code-") {
        Some((account, _)) if of("code_verifier").len() >= 43 && of("code_challenge_method") == "S256" => {
            let (key, account) = (place.secret("sk-minted"), account.to_owned());
            let ends = Instant::now() + Duration::from_secs(3600);
            place.logins.entry(account).or_default().good.push((key.clone(), ends));
            axum::Json(json!({"key": key})).into_response()
        }
        _ => status(403),
    }
}

/// A short-lived token for that of a login, as Copilot has it; sent to the same model at another address.
async fn exchange(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let mut place = shared.place();
    if let Some(refused) = place.exchange {
        return (status(refused).status(), axum::Json(json!({"message": "no"}))).into_response();
    }
    let Some(account) = place.account(&headers) else { return status(401) };
    let token = place.secret("copilot");
    let life = place.habits.life;
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later than 1970");
    let name = format!("{account} by exchange");
    place.logins.entry(name).or_default().good.push((token.clone(), Instant::now() + life));
    let (host, expires_at) = (headers[header::HOST].to_str().unwrap_or_default(), (unix + life).as_secs());
    let api = format!("http://{host}/v1");
    axum::Json(json!({
        "token": token, "expires_at": expires_at, "refresh_in": life.as_secs(), "endpoints": {"api": api},
    }))
    .into_response()
}

fn not_valid() -> Response {
    let error = json!({"error": {"message": "the token is not valid", "code": "invalid_api_key"}});
    (StatusCode::UNAUTHORIZED, axum::Json(error)).into_response()
}

async fn models(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match shared.place().account(&headers) {
        Some(_) => axum::Json(json!({"object": "list", "data": [{"id": MODEL, "object": "model"}]})).into_response(),
        None => not_valid(),
    }
}

async fn chat(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let Some(account) = shared.place().account(&headers) else { return not_valid() };
    let content = format!("You are {account}.");
    let asked: Value = serde_json::from_str(&body).unwrap_or_default();
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7});
    if asked["stream"] != true {
        let choice = json!({"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"});
        let answer =
            json!({"id": "c", "object": "chat.completion", "model": MODEL, "choices": [choice], "usage": usage});
        return axum::Json(answer).into_response();
    }
    let chunk = |delta: Value, end: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": end});
        format!(
            "data: {}\n\n",
            json!({"id": "c", "object": "chat.completion.chunk", "model": MODEL, "choices": [choice]})
        )
    };
    let text = chunk(json!({"role": "assistant", "content": content}), Value::Null) + &chunk(json!({}), json!("stop"));
    ([(header::CONTENT_TYPE, "text/event-stream")], text + "data: [DONE]\n\n").into_response()
}
