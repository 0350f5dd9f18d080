//! Azure and Vertex, whose variables are several that make one provider together.

use super::Provider;
use crate::{Environment, IgnoredVariable, Kind, Origin, gcloud_credentials};

/// A resource and what lets in: its key, or an application of Entra ID.
pub(super) fn azure(environment: &Environment) -> Option<Provider> {
    const KEY: &str = "AZURE_OPENAI_API_KEY";
    const BASE: &str = "AZURE_OPENAI_ENDPOINT";
    const ENTRA: [(&str, &str); 3] =
        [("tenant", "AZURE_TENANT_ID"), ("client_id", "AZURE_CLIENT_ID"), ("client_secret", "AZURE_CLIENT_SECRET")];
    let base = environment.text(BASE)?;
    let key = environment.text(KEY);
    let application = ENTRA.map(|(setting, variable)| Some((setting, variable, environment.text(variable)?)));
    if key.is_none() && application.contains(&None) {
        return None;
    }
    let named_by = if key.is_some() { KEY } else { BASE };
    let mut found = Provider::new("azure", Origin::Environment { variable: named_by.to_owned() });
    found.set("kind", Kind::Azure.name(), named_by);
    found.set("base_url", base, BASE);
    if key.is_some() {
        found.set("key", &format!("env:{KEY}"), KEY);
    } else {
        for (setting, variable, text) in application.into_iter().flatten() {
            let secret = format!("env:{variable}");
            found.set_in("entra", setting, if setting == "client_secret" { &secret } else { text }, variable);
        }
    }
    let versions = ["AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"];
    if let Some((variable, version)) = versions.into_iter().find_map(|name| Some((name, environment.text(name)?))) {
        found.set("api_version", version, variable);
    }
    Some(found)
}

/// Variables of a provider that lacks others.
pub(super) fn incomplete(environment: &Environment) -> impl Iterator<Item = IgnoredVariable> {
    let is_set = |variable: &str| environment.text(variable).is_some();
    let of_azure = [
        ("AZURE_OPENAI_API_KEY", "set AZURE_OPENAI_ENDPOINT as well, to the address of the resource"),
        (
            "AZURE_OPENAI_ENDPOINT",
            "set AZURE_OPENAI_API_KEY as well, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
        ),
    ];
    let lacks = azure(environment).is_none();
    let set = of_azure.into_iter().filter(move |(variable, _)| lacks && is_set(variable));
    set.map(|(variable, hint)| IgnoredVariable { variable, provider: "azure", hint: Some(hint) })
}

/// A project with credentials, or a key of the express mode.
pub(super) fn vertex(environment: &Environment) -> Option<Provider> {
    const PROJECT: &str = "GOOGLE_CLOUD_PROJECT";
    const KEY: &str = "GOOGLE_API_KEY";
    let wanted = wants_vertex(environment);
    if wanted == Some(false) {
        return None;
    }
    let project = environment.text(PROJECT);
    // Where it is asked for in so many words, credentials may also be the machine's own.
    let has_credentials = || wanted == Some(true) || has_google_credentials(environment);
    let (named_by, by_key) = match (project, environment.text(KEY)) {
        (Some(_), _) if has_credentials() => (PROJECT, false),
        (None, Some(_)) if wanted == Some(true) => (KEY, true),
        _ => return None,
    };
    let mut found = Provider::new("vertex", Origin::Environment { variable: named_by.to_owned() });
    found.set("kind", Kind::Vertex.name(), named_by);
    if by_key {
        found.set("key", &format!("env:{KEY}"), KEY);
    }
    if let Some(project) = project {
        found.set("project", project, PROJECT);
    }
    for (setting, variable) in [("region", "GOOGLE_CLOUD_LOCATION"), ("base_url", "GOOGLE_VERTEX_BASE_URL")] {
        if let Some(text) = environment.text(variable) {
            found.set(setting, text, variable);
        }
    }
    Some(found)
}

/// What `GOOGLE_GENAI_USE_VERTEXAI` says, as Google's own libraries read it; `None` if it says nothing.
pub(super) fn wants_vertex(environment: &Environment) -> Option<bool> {
    let text = environment.text("GOOGLE_GENAI_USE_VERTEXAI")?;
    Some(matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "1"))
}

/// Whether there are credentials of Google's: a file that a variable names, there or not, or that of `gcloud`.
fn has_google_credentials(environment: &Environment) -> bool {
    environment.path("GOOGLE_APPLICATION_CREDENTIALS").is_some()
        || gcloud_credentials(environment).is_some_and(|file| file.is_file())
}
