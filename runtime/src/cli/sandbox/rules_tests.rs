use greenroom::config::{Kind, OAuth, OAuthFlow, Provider, Sandbox, Source, load};

use super::*;

const HOME: [(&str, &str); 1] = [("HOME", "/home/ada")];

fn of(settings: &Settings, configuration: &[&str], variables: &[(&str, &str)]) -> Rules {
    let environment = HOME.iter().chain(variables).copied().collect();
    let configuration: Vec<PathBuf> = configuration.iter().map(PathBuf::from).collect();
    let places = Places { data_dir: Path::new("/data"), configuration: &configuration, resolver: None };
    rules(settings, &places, &environment)
}

/// What may be done with exactly this path.
fn allowed(rules: &Rules, path: &str) -> Option<(Access, Wanted)> {
    rules.paths.iter().find(|rule| rule.path == Path::new(path)).map(|rule| (rule.access, rule.wanted))
}

#[test]
fn the_data_directory_alone_is_written() {
    let rules = of(&Settings::default(), &["/home/ada/.config/greenroom/config.toml"], &[]);
    let written: Vec<_> = rules.paths.iter().filter(|rule| rule.access == Access::Write).collect();
    assert_eq!(written, [&rule("/data".as_ref(), Access::Write, Wanted::Daemon)]);
    assert!(rules.paths.iter().all(|rule| rule.access != Access::Run), "nothing is run");
    assert_eq!(allowed(&rules, "/etc"), Some((Access::Read, Wanted::System)));
    for none in ["/", "/home", "/home/ada", "/home/ada/.config", "/tmp", "/usr", "/usr/bin", "/proc", "/root"] {
        assert_eq!(allowed(&rules, none), None, "{none}");
    }
}

#[test]
fn the_configuration_is_read_with_its_directory_where_that_is_narrow() {
    let cases = [
        ("/home/ada/.config/greenroom/config.toml", "/home/ada/.config/greenroom"),
        ("/etc/greenroom/config.toml", "/etc/greenroom"),
        ("/home/ada/dotfiles/config.toml", "/home/ada/dotfiles"),
        ("/home/ada/config.toml", "/home/ada/config.toml"),
        ("/home/ada/.config/greenroom.toml", "/home/ada/.config/greenroom.toml"),
        ("/home/greenroom.toml", "/home/greenroom.toml"),
        ("/srv/greenroom.toml", "/srv/greenroom.toml"),
        ("/greenroom.toml", "/greenroom.toml"),
    ];
    for (file, expected) in cases {
        let rules = of(&Settings::default(), &[file], &[]);
        let named: Vec<_> = rules.paths.iter().filter(|rule| rule.wanted == Wanted::Named).collect();
        assert_eq!(named, [&rule(expected.as_ref(), Access::Read, Wanted::Named)], "{file}");
    }
    let elsewhere = [("XDG_CONFIG_HOME", "/mnt/config/all")];
    let rules = of(&Settings::default(), &["/mnt/config/all/config.toml"], &elsewhere);
    assert_eq!(allowed(&rules, "/mnt/config/all"), None);
}

#[test]
fn files_that_are_named_are_read_alone() {
    let variables = [("GREENROOM__PROVIDERS__OPENAI__KEY", "file:/keys/openai"), ("SSL_CERT_FILE", "/ca.pem")];
    let source = Source::new(variables.into_iter().collect());
    let settings = load(&source).unwrap().settings;
    let rules = of(&settings, &[], &variables);
    for file in ["/keys/openai", "/ca.pem"] {
        assert_eq!(allowed(&rules, file), Some((Access::Read, Wanted::Named)), "{file}");
    }
    assert_eq!(allowed(&rules, "/keys"), None);
}

#[test]
fn what_a_person_adds_is_allowed_and_the_loader_only_with_a_program() {
    let sandbox = Sandbox { read: vec!["~/bin/key".into()], write: vec!["/srv/out".into()], ..Sandbox::default() };
    let rules = of(&Settings { sandbox, ..Settings::default() }, &[], &[]);
    let by = |setting| Wanted::Setting(setting);
    assert_eq!(allowed(&rules, "/home/ada/bin/key"), Some((Access::Run, by("sandbox.read"))));
    assert_eq!(allowed(&rules, "/srv/out"), Some((Access::Write, by("sandbox.write"))));
    assert_eq!(allowed(&rules, "/lib64"), Some((Access::Run, Wanted::System)));
    let rules = of(&Settings::default(), &[], &[]);
    assert_eq!(allowed(&rules, "/lib64"), Some((Access::Read, Wanted::System)));
}

#[test]
fn one_port_is_listened_on_and_the_bus_of_the_session_stays_in_reach() {
    let mut settings = Settings::default();
    settings.server.listen = ([127, 0, 0, 1], 4848).into();
    let with = |address| of(&settings, &[], &[("DBUS_SESSION_BUS_ADDRESS", address)]);
    assert_eq!(of(&settings, &[], &[]).port, 4848);
    assert!(!of(&settings, &[], &[]).abstract_sockets);
    assert!(!with("unix:path=/run/user/1000/bus").abstract_sockets);
    assert!(with("unix:abstract=/tmp/dbus-x,guid=0").abstract_sockets);
}

#[test]
fn a_browser_comes_back_where_its_provider_sends_it() {
    let oauth = |preset, redirect: Option<&str>| OAuth {
        preset,
        authorize_url: None,
        token_url: None,
        device_url: None,
        client_id: Some("own".to_owned()),
        client_secret: None,
        scopes: Vec::new(),
        audience: None,
        redirect_url: redirect.map(|url| url.parse().unwrap()),
        flow: OAuthFlow::Pkce,
        domain: None,
        exchange: false,
        exchange_url: None,
    };
    let of = |logins: Vec<OAuth>| {
        let provider =
            |(at, oauth)| Provider { oauth: Some(oauth), ..Provider::new(format!("lab{at}"), Kind::OpenAiCompatible) };
        let providers = logins.into_iter().enumerate().map(provider).collect();
        of(&Settings { providers, ..Settings::default() }, &[], &[]).logins
    };
    assert_eq!(of(vec![]), [] as [u16; 0]);
    assert_eq!(of(vec![oauth(None, None), oauth(Some(OAuthPreset::Google), None)]), [0]);
    let fixed = oauth(None, Some("http://localhost:9000/back"));
    assert_eq!(of(vec![fixed, oauth(Some(OAuthPreset::ChatGpt), None)]), [1455, 9000]);
}
