//! Tokens and keys come out nowhere: not in what commands and routes say, nor in the log, nor in the data directory.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod http_support;
mod session_support;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use greenroom_tests::client::{self, Response};
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{ScriptedProvider, When};
use http_support::{Api, Greenroom, LIMIT, ask, ask_streamed, chats_asked, scripted, until};
use serde_json::json;
use session_support::SESSIONS;

/// Of each kind of place that a provider's secret may be in.
const VARIABLE: &str = "sk-variable-0f9e8d7c6b5a43210f9e8d7c";
const FILE: &str = "sk-file-1a2b3c4d5e6f70811a2b3c4d5e6f";
const PRINTED: &str = "sk-printed-5e4d3c2b1a0987655e4d3c2b1a09";
const LITERAL: &str = "sk-literal-99887766554433229988776655";
const HEADER: &str = "header-secret-abcdef0123456789abcdef";
/// What is said in a session, so that it is known that all of the data directory is looked through.
const SAID: &str = "words-that-are-kept-4711";

/// All that was said so far, wherever.
#[derive(Default)]
struct Heard(Vec<u8>);

impl Heard {
    fn add(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.extend_from_slice(bytes.as_ref());
        self.0.push(b'\n');
    }

    fn response(&mut self, response: &Response) {
        self.add(format!("{} {:?}", response.status, response.headers));
        self.add(&response.body);
    }

    /// Every file below a directory, but the owner's token.
    fn files(&mut self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            self.add(path.to_string_lossy().as_bytes());
            match fs::symlink_metadata(&path).unwrap().file_type() {
                kind if kind.is_dir() => self.files(&path),
                kind if kind.is_file() && path.file_name().unwrap() != "token" => self.add(fs::read(&path).unwrap()),
                _ => {}
            }
        }
    }

    fn has(&self, form: &[u8]) -> bool {
        memchr::memmem::find(&self.0, form).is_some()
    }

    /// Where a secret is, in whatever form.
    fn leak(&self, secret: &str) -> Option<String> {
        forms(secret).into_iter().find_map(|form| {
            let at = memchr::memmem::find(&self.0, &form)?;
            let before = &self.0[at.saturating_sub(300)..at];
            Some(format!("{} follows upon {}", String::from_utf8_lossy(&form), String::from_utf8_lossy(before)))
        })
    }
}

/// A secret as it is, in hexadecimal digits, and in Base64 wherever in a text it may begin.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![secret.as_bytes().to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    for begin in 0..3 {
        let rest = &secret.as_bytes()[begin..];
        // Of whole groups, what stands behind makes no difference.
        let whole = &rest[..rest.len() / 3 * 3];
        forms.push(STANDARD_NO_PAD.encode(whole).into_bytes());
        forms.push(URL_SAFE_NO_PAD.encode(whole).into_bytes());
    }
    forms
}

/// A home in which every kind of secret is configured, in front of a provider that repeats keys where it refuses.
fn home(lab: &ScriptedProvider) -> Home {
    let mut home = Home::new();
    let url = lab.url();
    let provider = |name: &str, key: &str| {
        format!(
            "[providers.{name}]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\nkey = \"{key}\"\n\
             headers = {{ X-Secret = \"env:HEADER_SECRET\" }}\n"
        )
    };
    let printed = home.path().join("printed");
    fs::write(&printed, format!("{PRINTED}\n")).unwrap();
    let printing = format!("command:cat '{}'", printed.display());
    let failing = format!("command:sh -c 'cat {0}; cat {0} >&2; exit 3'", printed.display());
    let providers = [
        ("variable", "env:KEY"),
        ("file", "file:key"),
        ("literal", LITERAL),
        ("command", &printing),
        ("failing", &failing),
    ];
    let providers: String = providers.iter().map(|(name, key)| provider(name, key)).collect();
    let config =
        format!("[failover]\nmax_wait = \"0s\"\nattempts = 2\n{providers}[models]\ndefault = \"variable/m1\"\n");
    home.config(&config);
    fs::write(home.config_path().with_file_name("key"), format!("{FILE}\n")).unwrap();
    home.env("KEY", VARIABLE).env("HEADER_SECRET", HEADER).env("GREENROOM_LOG", "trace");
    home
}

async fn lab() -> ScriptedProvider {
    let echo = format!("incorrect API key: {VARIABLE} {FILE} {LITERAL} {PRINTED} {HEADER}");
    let refuses =
        |status, model| openai::error(status, "invalid_request_error", None, &echo).when(When::model(model)).always();
    scripted([refuses(401, "m2"), refuses(400, "bad"), Answer::text(["fine"]).usage(1, 1).stream().always()]).await
}

/// Every command but those that run on, with good and with bad input. Those that print a token are heard on standard error
/// alone.
async fn commands(home: &Home, heard: &mut Heard) {
    fs::write(home.path().join("export"), "no export\n").unwrap();
    let commands = "chat hello|chat -m variable/m2 hello|chat -m file/bad hello|chat -m nobody/x hello|chat --json hi\
        |chat --session s words-that-are-kept-4711|sessions|sessions show s|sessions show none|sessions export s\
        |sessions cancel s|sessions fork s --id t|sessions remove t|sessions import export|models --json|models -vv\
        |pull literal/m1|embed text -m literal/m1|providers status --json|providers|providers reset variable\
        |providers reset none|usage --json|usage --by client|auth client list --json|auth client list\
        |auth client revoke none|auth client add admin|auth client add a:b|auth client add twice|auth client add twice\
        |auth token|auth token --rotate|auth token --no-such-flag|config path|config check|config show\
        |config show --json|config sample|completions bash|no-such-command";
    for command in commands.split('|') {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let output = home.run(&arguments).await;
        heard.add(format!("greenroom {command}: {:?}", output.code()));
        heard.add(&output.stderr);
        if !["auth token", "auth client add"].iter().any(|prints| command.starts_with(prints)) {
            heard.add(&output.stdout);
        }
    }
    let broken = home.run(&["--config", "export", "config", "check"]).await;
    heard.add(broken.stdout + &broken.stderr);
}

/// Every route, with good and with bad input.
async fn routes(api: &Api, heard: &mut Heard) {
    let routes = [
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/variable/m1"),
        ("GET", "/v1/models/none"),
        ("GET", "/api/usage?by=client"),
        ("GET", "/api/providers"),
        ("POST", "/api/providers/variable/reset"),
        ("POST", "/api/providers/none/reset"),
        ("GET", "/api/clients"),
        ("POST", "/api/clients"),
        ("DELETE", "/api/clients/none"),
        ("GET", SESSIONS),
        ("POST", SESSIONS),
        ("GET", "/api/sessions/s"),
        ("PATCH", "/api/sessions/s"),
        ("DELETE", "/api/sessions/none"),
        ("POST", "/api/sessions/s/messages"),
        ("POST", "/api/sessions/s/cancel"),
        ("POST", "/api/sessions/s/tool_claims"),
        ("POST", "/api/sessions/s/tool_results"),
        ("POST", "/api/sessions/s/fork"),
        ("GET", "/api/sessions/s/export"),
        ("POST", "/api/sessions/import"),
        ("GET", "/api/sessions/s/events?from=x"),
        ("GET", "/api/sessions/s/socket"),
        ("GET", "/api/events.schema.json"),
        ("POST", "/api/ephemeral"),
        ("GET", "/api/holder"),
        ("POST", "/api/hand-over"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/"),
        ("PUT", "/nothing"),
    ];
    for (method, path) in routes {
        for body in ["", "{", r#"{"name": "a:b", "id": "x", "turn": 1, "text": "y", "at": 1}"#] {
            heard.response(&api.ask(method, path, &[], body.as_bytes()).await);
        }
        let foreign = [("origin", "http://evil.example")];
        heard.response(&api.ask(method, path, &foreign, b"{}").await);
    }
    for model in [
        "variable/m1",
        "file/m1",
        "literal/m1",
        "variable/m2",
        "file/m2",
        "literal/m2",
        "command/m1",
        "command/m2",
        "failing/m1",
        "variable/bad",
    ] {
        heard.response(&api.chat(&ask(model)).await);
        heard.response(&api.chat(&ask_streamed(model)).await);
    }
}

#[tokio::test]
async fn no_secret_comes_out() {
    let lab = lab().await;
    let home = home(&lab);
    let mut heard = Heard::default();
    commands(&home, &mut heard).await;

    let config = fs::read_to_string(home.config_path()).unwrap();
    let Greenroom { api, mut daemon, home } = Greenroom::start_in(home, &config).await;
    let mut secrets: Vec<String> = [VARIABLE, FILE, LITERAL, PRINTED, HEADER].map(str::to_owned).to_vec();
    let mut callers = vec![api.clone()];
    for fields in [json!({"name": "wide"}), json!({"name": "narrow", "models": ["file/*"], "requests_per_minute": 90})]
    {
        let made = api.posted("/api/clients", &fields).await;
        callers.push(Api { url: api.url.clone(), token: made["token"].as_str().unwrap().to_owned() });
    }
    let added = home.run(&["auth", "client", "add", "third"]).await.succeeded();
    heard.add(&added.stderr);
    secrets.push(added.stdout.trim_end().to_owned());
    commands(&home, &mut heard).await;
    // The commands have replaced it.
    callers[0].token = daemon.token();
    for caller in &callers {
        routes(caller, &mut heard).await;
    }
    let wrong = format!("{}x", callers[1].token);
    heard.response(&client::get(&api.url, "/v1/models", Some(&wrong)).await.unwrap());
    heard.response(&callers[0].ask("DELETE", "/api/clients/wide", &[], b"").await);
    heard.response(&callers[1].get("/v1/models").await);
    heard.response(&callers[0].ask("POST", "/api/token/rotate", &[], b"").await);
    heard.response(&callers[0].get("/v1/models").await);
    until(&lab, |stats| stats.open() == 0).await;
    secrets.extend(callers.into_iter().map(|caller| caller.token));
    secrets.push(api.token);
    secrets.push(daemon.token());
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    heard.add(daemon.output());
    heard.add(home.run(&["store", "repair"]).await.stderr);
    heard.files(&home.data_dir());

    // What is looked through has all of it in it.
    let asked = chats_asked(&lab);
    for key in [VARIABLE, FILE, LITERAL, PRINTED] {
        assert!(asked.iter().any(|request| request.bearer() == Some(key)), "{key} was really used");
    }
    assert!(asked.iter().any(|request| request.header("x-secret") == Some(HEADER)));
    for sign in [
        SAID,
        "incorrect API key",
        "POST /api/clients",
        "POST /api/token/rotate",
        "DEBUG",
        "\"digest\"",
        "ended with exit code 3",
    ] {
        assert!(heard.has(sign.as_bytes()), "{sign} is nowhere");
    }
    for secret in &secrets {
        assert!(secret.len() >= 32, "none is so short that it could be there by chance");
        assert_eq!(heard.leak(secret), None);
    }
}

#[test]
fn a_leak_is_found_in_whatever_form() {
    for secret in [VARIABLE, "gr_0123456789ab_00112233"] {
        for before in ["", "a", "ab", "Bearer "] {
            let text = format!("{before}{secret} and more");
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            for form in
                [text.clone(), hex.to_uppercase(), hex, STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)]
            {
                assert!(Heard(form.clone().into_bytes()).leak(secret).is_some(), "{form}");
            }
        }
    }
    assert_eq!(Heard(b"nothing of the kind".to_vec()).leak(VARIABLE), None);
}

/// Where the system does not tell, there is nothing to be held to.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_memory_of_the_daemon_is_neither_dumped_nor_shown() {
    use std::os::unix::fs::MetadataExt as _;

    let home = Home::new();
    let daemon = home.serve(&[]).await;
    let of = |name: &str| format!("/proc/{}/{name}", daemon.pid());
    let limits = fs::read_to_string(of("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    // What is not dumpable belongs to root there, whoever runs it.
    assert_eq!(fs::metadata(of("environ")).unwrap().uid(), 0);
}
