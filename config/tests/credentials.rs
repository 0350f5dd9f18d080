//! `[credentials]` and `oauth`.

mod common;

use common::{complaints, loaded, warnings};
use greenroom_config::{CredentialStore, Environment, OAuthFlow, OAuthPreset, ProfileKey, SecretReference};
use secrecy::ExposeSecret;

#[test]
fn where_added_keys_lie_can_be_said() {
    assert_eq!(loaded("", &[]).settings.credentials.store, CredentialStore::Auto);
    let text = "[credentials]\nstore = \"file\"\npassphrase = \"env:PASS\"\n[providers.ollama]\n";
    let written = loaded(text, &[("PASS", "open sesame")]);
    assert_eq!(written.settings.credentials.store, CredentialStore::File);
    let environment = Environment::from_iter([("PASS", "open sesame")]);
    let passphrase = written.settings.passphrase(&environment).unwrap().unwrap();
    assert_eq!(passphrase.expose_secret(), "open sesame");
    let missing = written.settings.passphrase(&Environment::empty()).unwrap_err();
    assert_eq!(missing.to_string(), "no secret for the passphrase of [credentials]");
    let shown = written.settings.to_toml();
    assert!(shown.contains("[credentials]\nstore = \"file\"\npassphrase = \"env:PASS\"\n"), "{shown}");
    assert_eq!(loaded(&shown, &[("PASS", "x")]).settings.credentials, written.settings.credentials);

    let unset = loaded(text, &[]);
    assert_eq!(
        warnings(&unset),
        ["credentials.passphrase: no secret for the passphrase of [credentials]: the variable PASS is not set"]
    );
}

#[test]
fn what_credentials_cannot_mean_is_refused() {
    assert_eq!(
        complaints("[credentials]\nstore = \"keyrng\"\n", &[], &[]),
        [
            "config.toml:2:9: credentials.store: \"keyrng\" is not \"auto\" or \"keyring\" or \"file\" | did you mean \"keyring\"?"
        ]
    );
    assert_eq!(
        complaints("[credentials]\nstroe = \"file\"\n", &[], &[]),
        ["config.toml:2:1: unknown key \"stroe\" | did you mean \"store\"?"]
    );
    let ring = complaints("[credentials]\npassphrase = \"keyring:greenroom\"\n", &[], &[]);
    assert!(ring[0].ends_with("the key itself: store = \"keyring\""), "{ring:?}");
}

#[test]
fn a_login_is_read_whole() {
    let text = "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"https://lab.example/v1\"\n\
                oauth = { authorize_url = \"https://login.example/authorize\", token_url = \"https://login.example/token\", \
                device_url = \"http://127.0.0.1:9/device\", client_id = \"mine\", client_secret = \"env:CLIENT\", \
                scopes = [\"chat\", \"offline\"], audience = \"lab\", redirect_url = \"http://localhost:1455/back\", flow = \"device\" }\n";
    let settings = loaded(text, &[("CLIENT", "secret")]).settings;
    let lab = &settings.providers[0];
    let oauth = lab.oauth.as_ref().unwrap();
    assert!(lab.profiles.is_empty(), "a login is what lets in");
    assert_eq!((oauth.preset, oauth.flow, oauth.exchange), (None, OAuthFlow::Device, false));
    assert_eq!(oauth.token_url.as_ref().unwrap().as_str(), "https://login.example/token");
    assert_eq!((oauth.client_id.as_deref(), oauth.audience.as_deref()), (Some("mine"), Some("lab")));
    assert_eq!(oauth.scopes, ["chat", "offline"]);
    assert_eq!(oauth.redirect_url.as_ref().unwrap().port(), Some(1455));
    assert_eq!(oauth.client_secret, Some(SecretReference::Environment { variable: "CLIENT".into() }));
    let environment = Environment::from_iter([("CLIENT", "secret")]);
    assert_eq!(lab.client_secret(&environment).unwrap().unwrap().expose_secret(), "secret");
    let missing = lab.client_secret(&Environment::empty()).unwrap_err();
    assert_eq!(missing.to_string(), "no secret for the client of \"oauth\" of the provider \"lab\"");
    assert_eq!(warnings(&loaded(text, &[])).len(), 1);

    let again = loaded(&settings.to_toml(), &[("CLIENT", "secret")]).settings;
    assert_eq!(again.providers[0].oauth, lab.oauth, "{}", settings.to_toml());
    let literal = text.replace("env:CLIENT", "sk-do-not-show");
    assert!(!loaded(&literal, &[]).show_toml().contains("do-not-show"));
}

#[test]
fn presets_know_most_of_it() {
    let of = |oauth: &str| {
        let text = format!("[providers.openai]\noauth = {{ {oauth} }}\nprofiles = [{{ id = \"me\" }}]\n");
        loaded(&text, &[]).settings.providers.remove(0)
    };
    let copilot = of("preset = \"copilot\", client_id = \"x\", domain = \"GitHub.example\", exchange = true, \
                      exchange_url = \"http://127.0.0.1:9/token\"");
    assert_eq!(copilot.profiles[0].key, ProfileKey::Added);
    let copilot = copilot.oauth.unwrap();
    assert_eq!((copilot.preset, copilot.flow), (Some(OAuthPreset::Copilot), OAuthFlow::Device));
    assert_eq!((copilot.domain.as_deref(), copilot.exchange), (Some("github.example"), true));
    assert_eq!(copilot.exchange_url.as_ref().and_then(url::Url::port), Some(9));
    for (name, preset) in OAuthPreset::WORDS {
        let oauth = of(&format!("preset = \"{name}\", client_id = \"x\"")).oauth.unwrap();
        assert_eq!(oauth.preset, Some(preset));
        assert_eq!(serde_json::to_value(preset).unwrap(), name, "it is shown as it is written");
    }
    assert_eq!(of("preset = \"openrouter\"").oauth.unwrap().client_id, None, "there are no clients");
    assert_eq!(of("preset = \"google\", client_id = \"x\", flow = \"device\"").oauth.unwrap().flow, OAuthFlow::Device);
    let alone = "token_url = \"https://l.example/t\", device_url = \"https://l.example/d\", client_id = \"x\"";
    assert_eq!(of(alone).oauth.unwrap().flow, OAuthFlow::Device, "it is the only way that is there");
}

#[test]
fn what_a_login_lacks_or_cannot_mean_is_said() {
    let of = |oauth: &str| complaints(&format!("[providers.openai]\noauth = {{ {oauth} }}\n"), &[], &[]);
    let at = "config.toml:2:1: providers.openai.oauth";
    for (oauth, expected) in [
        ("preset = \"google\"", vec![format!("{at}: \"client_id\" is missing")]),
        ("", ["client_id", "token_url", "authorize_url"].map(|key| format!("{at}: \"{key}\" is missing")).to_vec()),
        (
            "client_id = \"x\", token_url = \"https://a.example/t\", flow = \"device\"",
            vec![format!("{at}: \"device_url\" is missing")],
        ),
        (
            "preset = \"gogle\"",
            vec!["config.toml:2:20: providers.openai.oauth.preset: \"gogle\" is not".to_owned()],
        ),
        (
            "preset = \"google\", client_id = \"x\", token_url = \"http://login.example/t\"",
            vec![
                "config.toml:2:59: providers.openai.oauth.token_url: a key would be sent to login.example unencrypted"
                    .to_owned(),
            ],
        ),
        (
            "preset = \"google\", client_id = \"x\", redirect_url = \"https://elsewhere.example/\"",
            vec!["config.toml:2:62: providers.openai.oauth.redirect_url: this is not an http address".to_owned()],
        ),
        (
            "preset = \"google\", client_id = \"x\", exchange = true",
            vec![
                "config.toml:2:47: providers.openai.oauth.exchange: \"exchange\" means nothing without preset = \"copilot\""
                    .to_owned(),
            ],
        ),
        (
            "preset = \"copilot\", client_id = \"x\", exchange_url = \"https://a.example/t\"",
            vec![
                "config.toml:2:48: providers.openai.oauth.exchange_url: \"exchange_url\" means nothing without exchange = true"
                    .to_owned(),
            ],
        ),
        (
            "preset = \"openrouter\", flow = \"device\"",
            vec!["config.toml:2:41: providers.openai.oauth.flow: \"device\" is not how this preset".to_owned()],
        ),
        (
            "preset = \"copilot\", client_id = \"x\", domain = \"https://a/b\"",
            vec!["config.toml:2:57: providers.openai.oauth.domain: \"https://a/b\" is not the name of a host".to_owned()],
        ),
        (
            "preset = \"google\", client_id = \"x\", scopes = [\"two words\"]",
            vec!["config.toml:2:57: providers.openai.oauth.scopes[0]: \"two words\" is not a scope".to_owned()],
        ),
    ] {
        let errors = of(oauth);
        assert_eq!(errors.len(), expected.len(), "{oauth}: {errors:?}");
        for (error, expected) in errors.iter().zip(&expected) {
            assert!(error.starts_with(expected.as_str()), "{oauth}: {error}");
        }
    }
    let typo = of("preset = \"google\", client_id = \"x\", client_sceret = \"env:X\"");
    assert!(typo[0].ends_with("unknown key \"client_sceret\" | did you mean \"client_secret\"?"), "{typo:?}");
    let demo = complaints("[providers.demo]\noauth = { preset = \"google\" }\n", &[], &[]);
    assert!(demo[0].contains("has no \"oauth\""), "{demo:?}");
}
