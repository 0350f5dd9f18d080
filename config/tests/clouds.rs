//! Azure and Vertex, and those who come to them without a key.

mod common;

use std::path::Path;

use common::{complaints, loaded};
use greenroom_config::{
    Environment, GoogleCredentials, Identity, Kind, OpenAiWire, ProfileKey, Provider, Source, load,
};

fn one(text: &str, variables: &[(&str, &str)]) -> Provider {
    loaded(text, variables).settings.providers.remove(0)
}

fn refused(text: &str, variables: &[(&str, &str)]) -> String {
    complaints(text, variables, &[]).join("\n")
}

fn google(provider: &Provider) -> &GoogleCredentials {
    match &provider.profiles[0].key {
        ProfileKey::Identity(Identity::GoogleCredentials(google)) => google,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_resource_of_azure_is_read() {
    let text = "[providers.azure]\nbase_url = \"https://r.openai.azure.com\"\nkey = \"env:K\"\napi_version = \"2024-10-21\"\nwire = \"responses\"\n";
    let azure = one(text, &[("K", "secret")]);
    assert_eq!(
        (azure.kind, azure.wire, azure.api_version.as_deref()),
        (Kind::Azure, Some(OpenAiWire::Responses), Some("2024-10-21"))
    );
    let keyless = one("[providers.azure]\nbase_url = \"https://r.openai.azure.com\"\n", &[]);
    assert!(keyless.profiles.is_empty(), "it waits for a key that is added");
}

#[test]
fn what_azure_lacks_or_has_not_is_told() {
    let at = "[providers.azure]\nkey = \"env:K\"\n";
    let key = &[("K", "secret")];
    assert!(refused(at, key).contains("\"base_url\" is missing"));
    let with = |line: &str| refused(&format!("{at}base_url = \"https://r.openai.azure.com\"\n{line}\n"), key);
    assert!(with("api_version = \"newest\"").contains("is not a version of Azure's interface"));
    assert!(with("region = \"eu\"").contains("a provider of the kind \"azure\" has no \"region\""));
    assert!(with("google_credentials = \"default\"").contains("has no \"google_credentials\""));
    let claude = refused(&format!("{at}base_url = \"https://r.services.ai.azure.com/anthropic\"\n"), key);
    assert!(claude.contains("Anthropic's wire"), "{claude}");
    let elsewhere = refused("[providers.openai]\nkey = \"env:K\"\napi_version = \"2024-10-21\"\n", key);
    assert!(elsewhere.contains("a provider of the kind \"openai\" has no \"api_version\""));
}

#[test]
fn an_application_of_entra_is_read_for_a_provider_or_a_profile_and_shown_again() {
    let entra = "entra = { tenant = \"contoso.example\", client_id = \"app\", client_secret = \"env:S\" }";
    let base = "[providers.azure]\nbase_url = \"https://r.openai.azure.com\"\n";
    let short = one(&format!("{base}{entra}\n"), &[("S", "a-secret")]);
    let long = one(&format!("{base}profiles = [{{ id = \"default\", {entra} }}]\n"), &[("S", "a-secret")]);
    assert_eq!(short.profiles, long.profiles);
    let ProfileKey::Identity(Identity::Entra(read)) = &short.profiles[0].key else { panic!("an application") };
    assert_eq!(
        (read.tenant.as_str(), read.client_id.as_str(), read.scope.as_deref()),
        ("contoso.example", "app", None)
    );
    let shown = loaded(&format!("{base}{entra}\n"), &[("S", "a-secret")]).settings.to_toml();
    assert!(!shown.contains("a-secret"), "{shown}");
    assert_eq!(one(&shown, &[("S", "a-secret")]).profiles, short.profiles, "{shown}");
    let claude = format!(
        "[providers.claude]\nkind = \"anthropic\"\nbase_url = \"https://r.services.ai.azure.com/anthropic\"\n{entra}\n"
    );
    assert!(matches!(one(&claude, &[("S", "a")]).profiles[0].key, ProfileKey::Identity(_)));
}

#[test]
fn what_is_wrong_with_an_application_is_told() {
    let with =
        |entra: &str| refused(&format!("[providers.azure]\nbase_url = \"https://r.openai.azure.com\"\n{entra}\n"), &[]);
    assert!(with("entra = { tenant = \"t\", client_id = \"a\" }").contains("\"client_secret\" is missing"));
    let path = with("entra = { tenant = \"a/b\", client_id = \"a\", client_secret = \"env:S\" }");
    assert!(path.contains("is not a tenant"), "{path}");
    let plain = with(
        "entra = { tenant = \"t\", client_id = \"a\", client_secret = \"env:S\", authority = \"http://login.example\" }",
    );
    assert!(plain.contains("unencrypted"), "{plain}");
    let two = with("key = \"env:K\"\nentra = { tenant = \"t\", client_id = \"a\", client_secret = \"env:S\" }");
    assert!(two.contains("\"entra\" and \"key\" cannot both be given"), "{two}");
    let missing = loaded(
        "[providers.azure]\nbase_url = \"https://r.openai.azure.com\"\nentra = { tenant = \"t\", client_id = \"a\", client_secret = \"env:S\" }\n",
        &[],
    );
    let warning = &missing.warnings[0];
    assert!(warning.to_string().contains("the variable S is not set"), "{warning}");
    assert_eq!(warning.path, "providers.azure.entra.client_secret");
}

#[test]
fn vertex_goes_by_googles_default_credentials_unless_others_are_written() {
    let at = "[providers.vertex]\nproject = \"my-project\"\n";
    let plain = one(at, &[]);
    assert_eq!(
        (plain.kind, plain.region.as_deref(), google(&plain)),
        (Kind::Vertex, None, &GoogleCredentials::Default)
    );
    let named = one(&format!("{at}region = \"us-east5\"\ngoogle_credentials = \"file:~/sa.json\"\n"), &[]);
    assert_eq!(google(&named), &GoogleCredentials::File("~/sa.json".into()));
    let keyed = one(&format!("{at}key = \"env:TOKEN\"\n"), &[("TOKEN", "ya29")]);
    assert!(keyed.profiles[0].key.reference().is_some());
    let shown = loaded(&format!("{at}google_credentials = \"file:/keys/sa.json\"\n"), &[]).settings.to_toml();
    assert_eq!(google(&one(&shown, &[])), &GoogleCredentials::File("/keys/sa.json".into()), "{shown}");
}

#[test]
fn what_is_wrong_with_vertex_is_told() {
    assert!(refused("[providers.vertex]\n", &[]).contains("\"project\" is missing"));
    let profile = "[providers.vertex]\nprofiles = [{ id = \"a\", google_credentials = \"default\" }]\n";
    assert!(refused(profile, &[]).contains("\"project\" is missing"));
    assert!(refused("[providers.vertex]\nproject = \"a/b\"\n", &[]).contains("is not a project's id"));
    assert!(refused("[providers.vertex]\nproject = \"p\"\nregion = \"x/y\"\n", &[]).contains("is not a region"));
    let pasted = refused("[providers.vertex]\nproject = \"p\"\ngoogle_credentials = \"{sentinel}\"\n", &[]);
    assert!(pasted.contains("\"default\" or a file") && !pasted.contains("sentinel"), "{pasted}");
    let express = one("[providers.vertex]\nkey = \"env:K\"\n", &[("K", "AIza")]);
    assert_eq!(express.project, None, "a key of the express mode has a project of its own");
}

#[test]
fn a_daemon_may_read_the_credentials_that_it_is_told_of() {
    let files = |text: &str, variables: &[(&str, &str)]| {
        let environment: Environment = variables.iter().copied().collect();
        loaded(text, variables).settings.files(&environment)
    };
    let at = "[providers.vertex]\nproject = \"p\"\n";
    let has = |files: &[std::path::PathBuf], file: &str| files.iter().any(|one| one == Path::new(file));
    assert!(has(&files(&format!("{at}google_credentials = \"file:~/sa.json\"\n"), &[("HOME", "/h")]), "/h/sa.json"));
    assert!(has(&files(at, &[("GOOGLE_APPLICATION_CREDENTIALS", "/c/adc.json")]), "/c/adc.json"));
    if cfg!(unix) {
        let usual = "/h/.config/gcloud/application_default_credentials.json";
        assert!(has(&files(at, &[("HOME", "/h")]), usual));
    }
}

fn found(variables: &[(&str, &str)]) -> Vec<Provider> {
    let source = Source::new(variables.iter().copied().collect::<Environment>());
    load(&source).unwrap_or_else(|problems| panic!("{problems}")).settings.providers
}

#[test]
fn azure_is_found_by_its_address_with_a_key_or_an_application() {
    let base = ("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com/");
    let [azure] = &found(&[base, ("AZURE_OPENAI_API_KEY", "k"), ("OPENAI_API_VERSION", "2024-10-21")])[..] else {
        panic!("one provider")
    };
    assert_eq!(
        (azure.name.as_str(), azure.kind, azure.api_version.as_deref()),
        ("azure", Kind::Azure, Some("2024-10-21"))
    );
    assert!(azure.profiles[0].key.reference().is_some());
    let application = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "a"), ("AZURE_CLIENT_SECRET", "s")];
    let [azure] = &found(&[&[base], &application[..]].concat())[..] else { panic!("one provider") };
    assert!(matches!(&azure.profiles[0].key, ProfileKey::Identity(Identity::Entra(entra)) if entra.tenant == "t"));
    let half = loaded("", &[base]);
    let ignored = &half.settings.ignored_variables[0];
    assert_eq!(ignored.variable, "AZURE_OPENAI_ENDPOINT");
    assert!(ignored.hint.unwrap().contains("AZURE_OPENAI_API_KEY"));
}

#[test]
fn vertex_is_found_by_a_project_with_credentials_or_where_it_is_asked_for() {
    let project = ("GOOGLE_CLOUD_PROJECT", "p");
    let names = |variables: &[(&str, &str)]| found(variables).into_iter().map(|one| one.name).collect::<Vec<_>>();
    assert_eq!(names(&[project]), ["demo"], "many have a project for other things");
    let with = [project, ("GOOGLE_APPLICATION_CREDENTIALS", "/c/adc.json"), ("GOOGLE_CLOUD_LOCATION", "europe-west4")];
    let [vertex] = &found(&with)[..] else { panic!("one provider") };
    assert_eq!((vertex.project.as_deref(), vertex.region.as_deref()), (Some("p"), Some("europe-west4")));
    assert_eq!(google(vertex), &GoogleCredentials::Default);
    let asked = ("GOOGLE_GENAI_USE_VERTEXAI", "True");
    assert_eq!(names(&[project, asked]), ["vertex"], "the machine may speak for itself");
    assert_eq!(names(&[with[0], with[1], ("GOOGLE_GENAI_USE_VERTEXAI", "false")]), ["demo"]);
    let [express] = &found(&[asked, ("GOOGLE_API_KEY", "AIza")])[..] else { panic!("one provider") };
    assert_eq!((express.kind, express.project.as_deref()), (Kind::Vertex, None));
    assert_eq!(names(&[asked, project, ("GEMINI_API_KEY", "g")]), ["gemini", "vertex"]);

    let home = tempfile::tempdir().unwrap();
    let gcloud = home.path().join("application_default_credentials.json");
    let variables = [project, ("CLOUDSDK_CONFIG", home.path().to_str().unwrap())];
    assert_eq!(names(&variables), ["demo"]);
    std::fs::write(gcloud, "{}").unwrap();
    assert_eq!(names(&variables), ["vertex"]);
}
