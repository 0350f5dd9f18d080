//! What is read of a provider of the kind "bedrock", and what a program without it says.

mod common;

use common::{complaints, loaded, try_load};
use greenroom_config::{ErrorKind, Kind};

const BASE: &str = "[providers.aws]\nkind = \"bedrock\"\n";

#[test]
#[cfg(feature = "bedrock")]
fn region_and_profile_are_read_and_variables_stand_in_for_them() {
    use greenroom_config::{Environment, ProfileKey};

    let text = format!("{BASE}region = \"eu-west-1\"\naws_profile = \"team\"\n");
    let written = &loaded(&text, &[]).settings.providers[0];
    assert_eq!((written.kind, &written.profiles[0].key), (Kind::Bedrock, &ProfileKey::None));
    let variables = [("AWS_REGION", "us-east-1"), ("AWS_PROFILE", "home"), ("HOME", "/home/me")];
    let environment = Environment::from_iter(variables);
    assert_eq!(
        (written.aws_region(&environment), written.aws_profile(&environment)),
        (Some("eu-west-1"), Some("team"))
    );
    let settings = loaded(BASE, &[]).settings;
    let unsaid = &settings.providers[0];
    assert_eq!((unsaid.aws_region(&environment), unsaid.aws_profile(&environment)), (Some("us-east-1"), Some("home")));
    assert_eq!(unsaid.aws_region(&Environment::empty()), None);
    // A sandbox has to let these be read.
    let files = settings.files(&environment);
    for file in ["/home/me/.aws/config", "/home/me/.aws/credentials", "/home/me/.aws/sso/cache"] {
        assert!(files.iter().any(|one| one.as_os_str() == file), "{files:?}");
    }
}

#[test]
#[cfg(feature = "bedrock")]
fn what_has_no_meaning_there_is_refused() {
    for line in [
        "organization = \"o\"",
        "project = \"p\"",
        "wire = \"chat\"",
        "oauth = { preset = \"copilot\", client_id = \"c\" }",
    ] {
        let problems = try_load(&format!("{BASE}{line}\n"), &[], &[]).unwrap_err();
        assert!(matches!(problems.errors[0].kind, ErrorKind::NotApplicable { .. }), "{line}: {problems}");
    }
    for region in ["", "us east", "us-east-1.evil.example/", "EU"] {
        assert!(!complaints(&format!("{BASE}region = \"{region}\"\n"), &[], &[]).is_empty(), "{region}");
    }
    // Its credentials sign what others could read on the way.
    let plain = complaints(&format!("{BASE}base_url = \"http://proxy.example\"\n"), &[], &[]);
    assert!(plain[0].contains("unencrypted"), "{plain:?}");
    let elsewhere = try_load("[providers.openai]\naws_profile = \"team\"\nkey = \"env:K\"\n", &[], &[]).unwrap_err();
    assert!(matches!(elsewhere.errors[0].kind, ErrorKind::NotApplicable { .. }), "{elsewhere}");
}

#[test]
#[cfg(not(feature = "bedrock"))]
fn a_program_without_it_says_so() {
    let problems = try_load(BASE, &[], &[]).unwrap_err();
    assert!(matches!(problems.errors[0].kind, ErrorKind::NotSupported { .. }), "{problems}");
    assert!(complaints(BASE, &[], &[])[0].contains("build with the feature"));
    let found = loaded("", &[("AWS_BEARER_TOKEN_BEDROCK", "k")]).settings;
    assert!(found.providers.iter().all(|provider| provider.kind != Kind::Bedrock));
    assert_eq!(found.ignored_variables[0].variable, "AWS_BEARER_TOKEN_BEDROCK");
}
