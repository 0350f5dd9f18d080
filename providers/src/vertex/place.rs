//! Where Vertex has its models, and whose they are.

use greenroom_wire::{ChatError, ErrorKind};
use url::Url;

/// The region that is everywhere.
pub const GLOBAL: &str = "global";
/// Regions of several countries, which have addresses of another form.
const MULTIPLE: [&str; 2] = ["us", "eu"];

/// The address of a region.
///
/// # Errors
/// `Config`: it can't be part of an address.
pub fn vertex_base(region: &str) -> Result<Url, ChatError> {
    let host = match region {
        GLOBAL => "aiplatform.googleapis.com".to_owned(),
        region if MULTIPLE.contains(&region) => format!("aiplatform.{region}.rep.googleapis.com"),
        region => format!("{region}-aiplatform.googleapis.com"),
    };
    let plain = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let url = format!("https://{host}").parse().ok().filter(|_| plain && !region.is_empty());
    url.ok_or_else(|| {
        ChatError::new(ErrorKind::Config, "the region is none of Google's")
            .with_hint("such as region = \"global\" or \"us-central1\"")
    })
}

/// Whose a model is, which says in which language it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner<'a> {
    /// Google's: its place below a location.
    Google {
        /// A model's id, or a path such as `endpoints/123` of one that somebody tuned.
        id: &'a str,
    },
    /// Anthropic's.
    Anthropic {
        /// Its id.
        id: &'a str,
    },
    /// Another's, which the body names as `publisher/model`.
    Other,
}

impl<'a> Owner<'a> {
    /// Whose a model of this name is.
    pub(super) fn of(model: &'a str) -> Self {
        let named = model.strip_prefix("publishers/").and_then(|rest| rest.split_once("/models/"));
        let named = named.or_else(|| model.split_once('/'));
        match named {
            Some(("google" | "models", id)) => Self::Google { id },
            Some(("anthropic", id)) => Self::Anthropic { id },
            Some(("endpoints" | "projects" | "tunedModels", _)) => Self::Google { id: model },
            Some(_) => Self::Other,
            None if model.starts_with("claude") => Self::Anthropic { id: model },
            None => Self::Google { id: model },
        }
    }
}

/// Where a project's requests go; without a project, those of a key that has one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) project: Option<String>,
    pub(super) region: String,
}

impl Place {
    /// What stands before a publisher.
    fn location(&self) -> String {
        match &self.project {
            Some(project) => format!("projects/{project}/locations/{}/", self.region),
            None => String::new(),
        }
    }

    /// The path of a method of one of Google's models.
    pub(super) fn google(&self, id: &str, method: &str) -> String {
        match id {
            whole if whole.starts_with("projects/") => format!("{whole}:{method}"),
            tuned if tuned.contains('/') => format!("{}{tuned}:{method}", self.location()),
            id => format!("{}publishers/google/models/{id}:{method}", self.location()),
        }
    }

    /// The path of a method of one of Anthropic's models.
    ///
    /// # Errors
    /// `Config`: there is no project.
    pub(super) fn anthropic(&self, id: &str, method: &str) -> Result<String, ChatError> {
        self.needs_project("Claude")?;
        Ok(format!("{}publishers/anthropic/models/{id}:{method}", self.location()))
    }

    /// The path of what other publishers' models are asked by.
    ///
    /// # Errors
    /// `Config`: there is no project.
    pub(super) fn openapi(&self) -> Result<String, ChatError> {
        self.needs_project("models of other publishers")?;
        Ok(format!("{}endpoints/openapi/chat/completions", self.location()))
    }

    fn needs_project(&self, what: &str) -> Result<(), ChatError> {
        if self.project.is_some() {
            return Ok(());
        }
        Err(ChatError::new(ErrorKind::Config, format!("a key of the express mode does not let in to {what}"))
            .with_hint("set project = \"…\", and google_credentials in place of the key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_its_address() {
        let host = |region| vertex_base(region).unwrap().host_str().unwrap().to_owned();
        assert_eq!(host("global"), "aiplatform.googleapis.com");
        assert_eq!(host("us-central1"), "us-central1-aiplatform.googleapis.com");
        assert_eq!(host("eu"), "aiplatform.eu.rep.googleapis.com");
        for region in ["", "evil.example/", "a b", "us.east"] {
            assert_eq!(vertex_base(region).unwrap_err().kind, ErrorKind::Config, "{region:?}");
        }
    }

    #[test]
    fn a_name_says_whose_a_model_is() {
        let google = |id| Owner::Google { id };
        let anthropic = |id| Owner::Anthropic { id };
        for (model, owner) in [
            ("gemini-3-pro", google("gemini-3-pro")),
            ("google/gemini-3-pro", google("gemini-3-pro")),
            ("publishers/google/models/gemini-3-pro", google("gemini-3-pro")),
            ("endpoints/123", google("endpoints/123")),
            ("claude-haiku-4-5@20251001", anthropic("claude-haiku-4-5@20251001")),
            ("anthropic/claude-opus-5", anthropic("claude-opus-5")),
            ("publishers/anthropic/models/claude-opus-5@default", anthropic("claude-opus-5@default")),
            ("meta/llama-4-scout", Owner::Other),
        ] {
            assert_eq!(Owner::of(model), owner, "{model}");
        }
    }

    #[test]
    fn paths_stand_below_the_project_and_its_region() {
        let place = Place { project: Some("p".into()), region: "us-east5".into() };
        let below = "projects/p/locations/us-east5";
        assert_eq!(place.google("g", "countTokens"), format!("{below}/publishers/google/models/g:countTokens"));
        assert_eq!(place.google("endpoints/7", "x"), format!("{below}/endpoints/7:x"));
        assert_eq!(place.google("projects/9/locations/eu/endpoints/7", "x"), "projects/9/locations/eu/endpoints/7:x");
        let claude = place.anthropic("c@1", "streamRawPredict").unwrap();
        assert_eq!(claude, format!("{below}/publishers/anthropic/models/c@1:streamRawPredict"));
        let express = Place { project: None, region: "global".into() };
        assert_eq!(express.google("g", "x"), "publishers/google/models/g:x");
        assert_eq!(express.anthropic("c", "x").unwrap_err().kind, ErrorKind::Config);
        assert_eq!(express.openapi().unwrap_err().kind, ErrorKind::Config);
    }
}
