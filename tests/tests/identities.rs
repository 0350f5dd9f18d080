//! Who comes in without a key and without a login: service accounts, a machine of Google's, and applications of Entra ID,
//! from the configuration or the usual variables to the provider.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod secrets_support;

use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures::future::join_all;
use greenroom_tests::client::{self, Response};
use greenroom_tests::harness::{Daemon, Home, Signal};
use greenroom_tests::issuer::{Fault, Habits, MODEL, ScriptedIssuer};
use greenroom_tests::{Route, Script, ScriptedProvider, anthropic};
use secrets_support::Heard;
use serde_json::{Value, json};

const EMAIL: &str = "robot@my-project.iam.gserviceaccount.com";
const SECRET: &str = "entra-secret-4711-5a1f0c9e";
const LIMIT: Duration = Duration::from_secs(60);

/// A key of this run's own, as it is written and as it is checked.
static KEY: LazyLock<(String, Vec<u8>)> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    (pem, pair.public_key().as_ref().to_vec())
});

async fn issuer() -> ScriptedIssuer {
    ScriptedIssuer::start(Habits::default()).await
}

/// A home with the file of a service account of this issuer's.
fn home(issuer: &ScriptedIssuer) -> (Home, String) {
    let home = Home::new();
    let account = json!({"type": "service_account", "client_email": EMAIL, "private_key_id": "key-1",
        "private_key": KEY.0, "token_uri": format!("{}/token", issuer.url())});
    let path = home.path().join("account.json");
    fs::write(&path, account.to_string()).unwrap();
    (home, path.to_str().unwrap().to_owned())
}

fn vertex(issuer: &ScriptedIssuer, more: &str) -> String {
    let url = issuer.url();
    format!("[providers.vertex]\nbase_url = \"{url}\"\nproject = \"my-project\"\n{more}\n")
}

fn azure(issuer: &ScriptedIssuer) -> String {
    let url = issuer.url();
    let entra =
        format!("{{ tenant = \"contoso\", client_id = \"my-app\", client_secret = \"env:S\", authority = \"{url}\" }}");
    format!("[providers.azure]\nbase_url = \"{url}\"\nentra = {entra}\n")
}

/// The model as Vertex serves those of other publishers.
fn model() -> String {
    format!("vertex/lab/{MODEL}")
}

async fn ask(daemon: &Daemon, model: &str) -> Response {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "who am I?"}]});
    client::post_json(daemon.url(), "/v1/chat/completions", Some(&daemon.token()), &body).await.unwrap()
}

async fn said(daemon: &Daemon, model: &str) -> String {
    let answer = ask(daemon, model).await;
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), daemon.output());
    answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// The claims of a statement that an issuer was shown, whose signature must be right.
fn claims(issuer: &ScriptedIssuer, index: usize) -> Value {
    let (_, form) = issuer.asked()[index].clone();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (signed, signature) = form["assertion"].rsplit_once('.').unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &KEY.1);
    key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).expect("it is signed by the account");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap()).unwrap()
}

#[tokio::test]
async fn a_service_account_answers_many_with_one_token_and_has_a_refused_one_replaced() {
    let issuer = issuer().await;
    let (home, file) = home(&issuer);
    home.config(&vertex(&issuer, &format!("google_credentials = \"file:{file}\"")));
    let daemon = home.serve(&[]).await;
    let want = format!("You are {EMAIL}.");
    let model = model();
    for answer in join_all((0..20).map(|_| said(&daemon, &model))).await {
        assert_eq!(answer, want);
    }
    assert_eq!(issuer.asked().len(), 1, "all of them came in by one token");
    let claims = claims(&issuer, 0);
    let told = ["iss", "scope", "aud"].map(|claim| claims[claim].as_str().unwrap().to_owned());
    let token_url = format!("{}/token", issuer.url());
    assert_eq!(told, [EMAIL, "https://www.googleapis.com/auth/cloud-platform", &token_url]);
    // Nobody who asks notices that the token was ended before its time.
    issuer.end_access();
    for answer in join_all((0..20).map(|_| said(&daemon, &model))).await {
        assert_eq!(answer, want);
    }
    assert_eq!(issuer.asked().len(), 2, "a refused token is replaced once");
    let listed = home.run(&["auth", "list", "--json"]).await.succeeded().stdout;
    let listed: Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!((&listed["kind"], &listed["state"]), (&json!("identity"), &json!("ok")), "{listed}");
    assert!(listed["expires"].is_string(), "{listed}");
}

#[tokio::test]
async fn tokens_that_end_are_followed_by_others() {
    let issuer = ScriptedIssuer::start(Habits { life: Duration::from_secs(2), ..Habits::default() }).await;
    let (home, file) = home(&issuer);
    home.config(&vertex(&issuer, &format!("google_credentials = \"file:{file}\"")));
    let daemon = home.serve(&[]).await;
    let begun = Instant::now();
    while issuer.asked().len() < 4 {
        assert_eq!(said(&daemon, &model()).await, format!("You are {EMAIL}."));
        assert!(begun.elapsed() < LIMIT, "{}", daemon.output());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_usual_variables_let_in_without_a_line_of_configuration() {
    let issuer = issuer().await;
    let (mut home, file) = home(&issuer);
    home.env("GOOGLE_CLOUD_PROJECT", "my-project").env("GOOGLE_APPLICATION_CREDENTIALS", &file);
    home.env("GOOGLE_VERTEX_BASE_URL", issuer.url());
    let out = home.run(&["chat", "-m", &model(), "who am I?"]).await.succeeded();
    assert_eq!(out.stdout.trim(), format!("You are {EMAIL}."), "{}", out.stderr);
}

#[tokio::test]
async fn what_gcloud_keeps_lets_in_as_well() {
    let issuer = issuer().await;
    let (mut home, file) = home(&issuer);
    let gcloud = home.path().join(".config").join("gcloud");
    fs::create_dir_all(&gcloud).unwrap();
    fs::rename(file, gcloud.join("application_default_credentials.json")).unwrap();
    home.env("GOOGLE_CLOUD_PROJECT", "my-project").env("GOOGLE_VERTEX_BASE_URL", issuer.url());
    let out = home.run(&["chat", "-m", &model(), "who am I?"]).await.succeeded();
    assert_eq!(out.stdout.trim(), format!("You are {EMAIL}."), "{}", out.stderr);
}

#[tokio::test]
async fn a_machine_of_googles_speaks_for_itself() {
    let issuer = issuer().await;
    let mut home = Home::new();
    home.env("GCE_METADATA_HOST", issuer.url().strip_prefix("http://").unwrap());
    home.config(&vertex(&issuer, ""));
    let out = home.run(&["chat", "-m", &model(), "who am I?"]).await.succeeded();
    assert_eq!(out.stdout.trim(), "You are the machine.");
    assert_eq!(issuer.asked()[0].1["grant_type"], "metadata");
}

#[tokio::test]
async fn an_application_of_entra_comes_in_to_azure_and_has_a_refused_token_replaced() {
    let issuer = issuer().await;
    let mut home = Home::new();
    home.env("S", SECRET).config(&azure(&issuer));
    let daemon = home.serve(&[]).await;
    for answer in join_all((0..20).map(|_| said(&daemon, "azure/mine"))).await {
        assert_eq!(answer, "You are my-app.");
    }
    let (_, form) = issuer.asked()[0].clone();
    let told = ["grant_type", "client_id", "scope"].map(|name| form[name].clone());
    assert_eq!(told, ["client_credentials", "my-app", "https://cognitiveservices.azure.com/.default"]);
    issuer.end_access();
    assert_eq!(said(&daemon, "azure/mine").await, "You are my-app.");
    assert_eq!(issuer.asked().len(), 2);
}

#[tokio::test]
async fn an_application_of_entra_comes_in_to_claude_at_azure() {
    let issuer = issuer().await;
    let route = Route::new("POST", "/anthropic/v1/messages", [anthropic::Answer::text(["hello"])]);
    let lab = ScriptedProvider::start(Script::new([route])).await;
    let mut home = Home::new();
    home.env("S", SECRET).config(&format!(
        "[providers.claude]\nkind = \"anthropic\"\nbase_url = \"{}/anthropic\"\nprofiles = [{{ id = \"app\", entra = {{ tenant = \"contoso\", \
         client_id = \"my-app\", client_secret = \"env:S\", scope = \"https://ai.azure.com/.default\", authority = \"{}\" }} }}]\n",
        lab.url(),
        issuer.url()
    ));
    let out = home.run(&["chat", "-m", "claude/claude-opus-4-5", "hi"]).await.succeeded();
    assert_eq!(out.stdout.trim(), "hello");
    assert_eq!(issuer.asked()[0].1["scope"], "https://ai.azure.com/.default");
    let asked = &lab.requests()[0];
    assert!(asked.bearer().is_some_and(|token| issuer.secrets().iter().any(|secret| secret == token)));
    assert_eq!(asked.header("x-api-key"), None);
}

#[tokio::test]
async fn who_cannot_come_in_is_told_why_and_what_to_do() {
    let issuer = issuer().await;
    let mut home = Home::new();
    home.config(&vertex(&issuer, "google_credentials = \"file:nowhere.json\""));
    let told = home.run(&["chat", "-m", &model(), "hi"]).await;
    assert!(told.code() != Some(0) && told.stderr.contains("nowhere.json"), "{}", told.stderr);
    assert!(told.stderr.contains("gcloud auth application-default login"), "{}", told.stderr);

    issuer.faults([Fault::Refusal("invalid_client")]);
    home.env("S", SECRET).config(&azure(&issuer));
    let told = home.run(&["chat", "-m", "azure/mine", "hi"]).await;
    assert!(told.code() != Some(0) && !told.stderr.contains(SECRET), "{}", told.stderr);
    assert!(told.stderr.contains("client"), "{}", told.stderr);

    // The token endpoint comes back by itself.
    issuer.faults([Fault::Status(503)]);
    let back = home.run(&["chat", "-m", "azure/mine", "hi"]).await.succeeded();
    assert_eq!(back.stdout.trim(), "You are my-app.");
}

#[tokio::test]
async fn no_secret_of_an_identity_is_kept_or_told() {
    let issuer = issuer().await;
    let (mut home, file) = home(&issuer);
    home.env("S", SECRET).env("GREENROOM_LOG", "trace");
    home.config(&(azure(&issuer) + &vertex(&issuer, &format!("google_credentials = \"file:{file}\""))));
    let mut heard = Heard::default();
    let mut daemon = home.serve(&[]).await;
    for round in 0..2 {
        for model in ["azure/mine", &model()] {
            heard.response(&ask(&daemon, model).await);
        }
        for command in ["auth list --json", "providers status --json", "providers test --json", "models", "config show"]
        {
            heard.output(&home.run(&command.split(' ').collect::<Vec<_>>()).await);
        }
        if round == 0 {
            // What refuses a token asks for the next one, which is refused as well.
            issuer.faults([Fault::Refusal("invalid_client"), Fault::Refusal("invalid_client")]);
            issuer.end_access();
        }
    }
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    heard.add(daemon.output());
    heard.output(&home.run(&["chat", "-m", "azure/mine", "hi"]).await);
    heard.files(&home.data_dir());
    let key: String = KEY.0.lines().nth(1).unwrap().chars().take(64).collect();
    let given = issuer.secrets();
    assert!(given.len() >= 3 && heard.has(b"invalid_client"), "what is looked for was given, and the refusal heard");
    for secret in given.iter().map(String::as_str).chain([SECRET, key.as_str()]) {
        assert_eq!(heard.leak(secret), None);
    }
}
