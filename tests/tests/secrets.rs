//! Tokens and keys come out nowhere: not in what commands and routes say, nor in the log, nor in the data directory.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod http_support;
mod key_support;
mod secrets_support;
mod session_support;

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use greenroom_tests::client;
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Route, Script, ScriptedProvider, When};
use http_support::{Api, Greenroom, LIMIT, ask, ask_streamed, chats_asked, until};
use secrets_support::Heard;
use serde_json::{Value, json};
use session_support::SESSIONS;

/// Of each kind of place that a provider's secret may be in.
const VARIABLE: &str = "sk-variable-0f9e8d7c6b5a43210f9e8d7c";
const FILE: &str = "sk-file-1a2b3c4d5e6f70811a2b3c4d5e6f";
const PRINTED: &str = "sk-printed-5e4d3c2b1a0987655e4d3c2b1a09";
const LITERAL: &str = "sk-literal-99887766554433229988776655";
const HEADER: &str = "header-secret-abcdef0123456789abcdef";
/// Keys that are added: on standard input, and over HTTP; and one that its provider refuses.
const PIPED: &str = "sk-piped-2468ace013579bdf2468ace01357";
const PUT: &str = "sk-put-fdb97531eca86420fdb97531eca864";
const REFUSED: &str = "sk-refused-0246813579aceefdb02468135";
const PASSPHRASE: &str = "a horse of 4711 batteries, all correct";
/// What is said in a session, so that it is known that all of the data directory is looked through.
const SAID: &str = "words-that-are-kept-4711";

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
    let config = format!(
        "[failover]\nmax_wait = \"0s\"\nattempts = 2\n{providers}{}[models]\ndefault = \"variable/m1\"\n",
        added(&url)
    );
    home.config(&config);
    fs::write(home.config_path().with_file_name("key"), format!("{FILE}\n")).unwrap();
    home.env("KEY", VARIABLE).env("HEADER_SECRET", HEADER).env("GREENROOM_LOG", "trace");
    home
}

/// Providers that have what is added and nothing else: one that takes all, and one that takes none.
fn added(url: &str) -> String {
    let headers = "headers = { X-Secret = \"env:HEADER_SECRET\" }\n";
    let refusing = format!("{url}/refusing");
    let [added, strict] = [("added", url), ("strict", &refusing)].map(|(name, url)| key_support::waiting(name, url));
    [&added, headers, &strict, headers].concat()
}

async fn lab() -> ScriptedProvider {
    let echo = format!("incorrect API key: {VARIABLE} {FILE} {LITERAL} {PRINTED} {HEADER} {PIPED} {PUT} {REFUSED}");
    let refuses =
        |status, model| openai::error(status, "invalid_request_error", None, &echo).when(When::model(model)).always();
    let chat = [refuses(401, "m2"), refuses(400, "bad"), Answer::text(["fine"]).usage(1, 1).stream().always()];
    let refusing = openai::error(401, "invalid_request_error", None, &echo).always();
    let files = openai::error(400, "invalid_request_error", None, &echo).always();
    let routes = [
        openai::chat(chat),
        openai::models(["m1", "m2"]),
        Route::new("GET", "/refusing/v1/models", [refusing]),
        Route::new("POST", "/v1/files", [files]),
    ];
    ScriptedProvider::start(Script::new(routes)).await
}

/// Adds keys as a script does, well and badly, and removes some of them.
async fn adding(home: &Home, heard: &mut Heard) {
    for (command, input) in [
        ("auth add added", PIPED.to_owned()),
        ("auth add added/json --json", PIPED.to_owned()),
        ("auth add added/again --no-verify", format!("  {PIPED}\n")),
        ("auth add strict", REFUSED.to_owned()),
        ("auth add strict/kept --no-verify", REFUSED.to_owned()),
        ("auth add added/lines", format!("{PIPED}\n{PIPED}")),
        ("auth add added/long", PIPED.repeat(1000)),
        ("auth add added/control", format!("{PIPED}\u{1b}")),
        ("auth add none", PIPED.to_owned()),
        ("auth add variable", PIPED.to_owned()),
        ("auth add added/a/b", PIPED.to_owned()),
        ("auth add added --no-such-flag", PIPED.to_owned()),
        ("auth add added extra", PIPED.to_owned()),
        ("auth list", String::new()),
        ("auth list --json", String::new()),
        ("auth remove added/again", String::new()),
        ("auth remove added/none", String::new()),
        ("auth login added", PIPED.to_owned()),
        ("ipc -vv", authenticating()),
        ("chat -m added/m1 hello", String::new()),
        ("chat -m added/m2 hello", String::new()),
        ("chat -m strict/m1 hello", String::new()),
        ("config show", String::new()),
        ("providers status --json", String::new()),
        ("providers test --json", String::new()),
    ] {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        heard.add(command);
        heard.output(&home.run_with_input(&arguments, &input).await);
    }
}

/// Keys by lines of JSON, well and badly.
fn authenticating() -> String {
    let by = |provider: &str, params: Value| json!({"action": "authenticate", "provider": provider, "params": params});
    let key = json!({"api_key": PIPED});
    let lines = [
        by("added", key.clone()).to_string(),
        by("strict", json!({"api_key": REFUSED})).to_string(),
        by("added", json!({"api_key": [PIPED]})).to_string(),
        by("added", json!({PIPED: PIPED})).to_string(),
        by("added", PIPED.into()).to_string(),
        by("none", key.clone()).to_string(),
        json!({"action": PIPED, "timeout": PIPED}).to_string(),
        json!({"action": "stream_chat", "params": key}).to_string(),
        format!("{{\"api_key\": \"{PIPED}"),
        PIPED.to_owned(),
    ];
    lines.join("\n")
}

/// The same over HTTP.
async fn putting(api: &Api, heard: &mut Heard) {
    let key = json!({"key": PUT}).to_string();
    for (method, path, body) in [
        ("PUT", "added/put", key.clone()),
        ("PUT", "added/put", json!({"key": PUT, "verify": false}).to_string()),
        ("PUT", "added/other", json!({"key": PUT}).to_string()),
        ("PUT", "strict/put", json!({"key": REFUSED}).to_string()),
        ("PUT", "added/bad", json!({"key": PUT, "verify": PUT}).to_string()),
        ("PUT", "added/bad", json!({"key": [PUT]}).to_string()),
        ("PUT", "added/bad", json!({PUT: PUT}).to_string()),
        ("PUT", "added/bad", format!("{key}{key}")),
        ("PUT", "added/bad", PUT.to_owned()),
        ("PUT", "added/bad", json!({"key": format!("{PUT}\n")  + PUT}).to_string()),
        ("PUT", "none/x", key.clone()),
        ("PUT", "variable/default", key.clone()),
        ("POST", "added/put/login", key.clone()),
        ("POST", "added/put/login/code", json!({"code": [PUT]}).to_string()),
        ("DELETE", "added/other", key.clone()),
        ("DELETE", "added/other", key.clone()),
    ] {
        let path = format!("/api/credentials/{path}");
        heard.response(&api.ask(method, &path, &[], body.as_bytes()).await);
    }
    heard.response(&api.get("/api/credentials").await);
    heard.response(&api.get("/api/providers").await);
    for model in ["added/m1", "added/m2", "strict/m1"] {
        heard.response(&api.chat(&ask(model)).await);
        heard.response(&api.chat(&ask_streamed(model)).await);
    }
}

/// Every command but those that run on, with good and with bad input. Those that print a token are heard on standard error
/// alone.
async fn commands(home: &Home, heard: &mut Heard) {
    fs::write(home.path().join("export"), "no export\n").unwrap();
    fs::write(home.path().join("requests"), "{\"prompt\": \"hi\"}\n").unwrap();
    let commands = "chat hello|chat -m variable/m2 hello|chat -m file/bad hello|chat -m nobody/x hello|chat --json hi\
        |chat --session s words-that-are-kept-4711|sessions|sessions show s|sessions show none|sessions export s\
        |sessions cancel s|sessions fork s --id t|sessions remove t|sessions import export|models --json|models -vv|mcp -vvv\
        |compare hi -m variable/m1 -m file/bad|compare hi -m variable/m1 -m literal/m1 --json|pull literal/m1|embed text -m literal/m1|tokens text -m literal/m1|providers status --json|providers|providers reset variable\
        |batch submit requests -m variable/m1|batch submit requests|batch submit export|batch status none|batch --json\
        |batch results none|batch cancel none|providers reset none|usage --json|usage --by client|auth client list --json|auth client list\
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
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/responses"),
        ("GET", "/v1/responses/none"),
        ("GET", "/v1/responses/resp_000000000000000000000000000000000000000000000000?stream=true"),
        ("DELETE", "/v1/responses/none"),
        ("POST", "/v1/responses/none/cancel"),
        ("GET", "/v1/responses/none/input_items"),
        ("POST", "/v1/messages"),
        ("POST", "/v1/messages/count_tokens"),
        ("GET", "/v1/messages/none"),
        ("POST", "/mcp"),
        ("GET", "/mcp"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/variable/m1"),
        ("GET", "/v1/models/none"),
        ("GET", "/api/usage?by=client"),
        ("POST", "/api/batches?model=variable/m1"),
        ("GET", "/api/batches"),
        ("GET", "/api/batches/none"),
        ("GET", "/api/batches/none/results"),
        ("POST", "/api/batches/none/cancel"),
        ("GET", "/api/models"),
        ("GET", "/api/candidates?model=none"),
        ("GET", "/api/providers"),
        ("POST", "/api/providers/variable/test"),
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
        ("POST", "/api/pull"),
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
        for more in [json!({"stream": false}), json!({"stream": true})] {
            let body = http_support::with(http_support::with(ask(model), json!({"max_tokens": 9})), more);
            heard.response(&api.post("/v1/messages", &body).await);
        }
        for (stream, store) in [(false, false), (true, false), (false, true), (true, true)] {
            let body = json!({"model": model, "input": "hi", "stream": stream, "store": store});
            heard.response(&api.post("/v1/responses", &body).await);
        }
        let body = json!({"model": model, "input": "hi", "background": true});
        let begun = api.post("/v1/responses", &body).await;
        if let Some(id) = begun.json()["id"].as_str() {
            for rest in ["?stream=true", "", "/input_items"] {
                heard.response(&api.get(&format!("/v1/responses/{id}{rest}")).await);
            }
        }
        heard.response(&begun);
        heard.response(&api.post("/v1/messages/count_tokens", &ask(model)).await);
        let call =
            json!({"name": "ai_chat", "arguments": {"prompt": "hi", "model": model}, "_meta": {"progressToken": 1}});
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).to_string();
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("x-greenroom-alone", "1"),
        ];
        heard.response(&api.ask("POST", "/mcp", &headers, call.as_bytes()).await);
    }
}

#[tokio::test]
async fn no_secret_comes_out() {
    let lab = lab().await;
    let home = home(&lab);
    let mut heard = Heard::default();
    adding(&home, &mut heard).await;
    commands(&home, &mut heard).await;

    let config = fs::read_to_string(home.config_path()).unwrap();
    let Greenroom { api, mut daemon, home } = Greenroom::start_in(home, &config).await;
    let mut secrets: Vec<String> =
        [VARIABLE, FILE, LITERAL, PRINTED, HEADER, PIPED, PUT, REFUSED].map(str::to_owned).to_vec();
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
    adding(&home, &mut heard).await;
    // The commands have replaced it.
    callers[0].token = daemon.token();
    for caller in &callers {
        routes(caller, &mut heard).await;
        putting(caller, &mut heard).await;
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
    for key in [VARIABLE, FILE, LITERAL, PRINTED, PIPED, PUT] {
        assert!(asked.iter().any(|request| request.bearer() == Some(key)), "{key} was really used");
    }
    assert!(asked.iter().any(|request| request.header("x-secret") == Some(HEADER)));
    assert!(lab.requests().iter().any(|request| request.bearer() == Some(REFUSED)));
    for sign in [
        SAID,
        "incorrect API key",
        "POST /api/clients",
        "the batch was not taken",
        "POST /api/token/rotate",
        "DEBUG",
        "\"digest\"",
        "strict does not take this key",
        "\"where\":\"store\"",
        "PUT /api/credentials",
        "\"sealed\"",
        "ended with exit code 3",
    ] {
        assert!(heard.has(sign.as_bytes()), "{sign} is nowhere");
    }
    let sealing = fs::read_to_string(home.data_dir().join("sealing-key")).unwrap();
    let digits = sealing.trim_end().as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let sealing_key: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    assert_eq!((sealing_key.len(), heard.leak(&sealing_key)), (32, None));
    for secret in &secrets {
        assert!(secret.len() >= 32, "none is so short that it could be there by chance");
        assert_eq!(heard.leak(secret), None);
    }
}

#[tokio::test]
async fn no_passphrase_and_nothing_that_it_seals_comes_out() {
    let lab = lab().await;
    let mut home = Home::new();
    let config = format!("{}[credentials]\npassphrase = \"file:passphrase\"\n", added(&lab.url()));
    home.config(&config);
    let phrase = home.config_path().with_file_name("passphrase");
    fs::write(&phrase, format!("{PASSPHRASE}\n")).unwrap();
    home.env("HEADER_SECRET", HEADER).env("GREENROOM_LOG", "trace");
    let mut heard = Heard::default();
    adding(&home, &mut heard).await;
    let Greenroom { api, mut daemon, home } = Greenroom::start_in(home, &config).await;
    adding(&home, &mut heard).await;
    putting(&api, &mut heard).await;
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    heard.add(daemon.output());
    fs::write(&phrase, format!("{PASSPHRASE}, but wrong\n")).unwrap();
    adding(&home, &mut heard).await;
    heard.files(&home.data_dir());
    for sign in ["the passphrase is not the one", "\"sealed\"", "is added, sealed"] {
        assert!(heard.has(sign.as_bytes()), "{sign} is nowhere");
    }
    assert!(home.data_dir().join("sealing-key.salt").exists() && !home.data_dir().join("sealing-key").exists());
    assert!(chats_asked(&lab).iter().any(|request| request.bearer() == Some(PIPED)), "it was really used");
    for secret in [PIPED, PUT, REFUSED, HEADER, PASSPHRASE] {
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
