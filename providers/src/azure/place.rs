//! Which of Azure's interfaces a provider is asked in, and where its methods are.

use greenroom_wire::{ChatError, ErrorKind};
use url::Url;

/// The version of the interface for models of other makers, which never had another.
const INFERENCE_VERSION: &str = "2024-05-01-preview";
/// What stands for a version in the interface that has none any more.
const NO_DATES: [&str; 3] = ["v1", "preview", "latest"];

/// An interface, below the address of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Surface {
    /// `openai/v1/…`: the deployment is the body's `model`.
    V1 {
        /// What is asked for in place of what is stable ("preview").
        version: Option<String>,
    },
    /// `openai/deployments/{deployment}/…`, in the form of this date.
    Dated {
        /// The date, as it is written.
        version: String,
    },
    /// `models/…`: models of other makers.
    Inference {
        /// The date, as it is written.
        version: String,
    },
}

/// What is asked of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Chat,
    Responses,
    Embeddings,
    Models,
}

/// The address of the resource alone, and the interface that address and version stand for.
///
/// # Errors
/// `Config`: the address can't have a path.
pub(super) fn place(mut base: Url, version: Option<&str>) -> Result<(Url, Surface), ChatError> {
    let no_path = || ChatError::new(ErrorKind::Config, "the base address can't have a path");
    let segments: Vec<String> = base.path_segments().ok_or_else(no_path)?.map(str::to_owned).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).filter(|segment| !segment.is_empty()).collect();
    // What a portal shows may go on to the method; a gateway may have a path of its own before it.
    let openai = segments.iter().position(|segment| *segment == "openai");
    let is_inference = openai.is_none() && segments.contains(&"models");
    let own = openai.or_else(|| segments.iter().position(|segment| *segment == "models")).unwrap_or(segments.len());
    base.path_segments_mut().map_err(|()| no_path())?.clear().extend(&segments[..own]);
    let surface = match version {
        _ if is_inference => Surface::Inference { version: version.unwrap_or(INFERENCE_VERSION).to_owned() },
        None => Surface::V1 { version: None },
        Some(word) if NO_DATES.contains(&word) => Surface::V1 { version: Some(word.to_owned()) },
        Some(date) => Surface::Dated { version: date.to_owned() },
    };
    Ok((base, surface))
}

impl Surface {
    /// The path of a method below the resource's address.
    ///
    /// # Errors
    /// `NotFound`: this interface has no such method.
    pub(super) fn path(&self, method: Method, deployment: &str) -> Result<String, ChatError> {
        let missing = |what| {
            ChatError::new(ErrorKind::NotFound, format!("the interface \"models\" of this resource has no {what}"))
        };
        Ok(match (self, method) {
            (Self::V1 { .. }, Method::Chat) => "openai/v1/chat/completions".to_owned(),
            (Self::V1 { .. }, Method::Responses) => "openai/v1/responses".to_owned(),
            (Self::V1 { .. }, Method::Embeddings) => "openai/v1/embeddings".to_owned(),
            (Self::V1 { .. }, Method::Models) => "openai/v1/models".to_owned(),
            (Self::Dated { .. }, Method::Chat) => {
                format!("openai/deployments/{}/chat/completions", segment(deployment)?)
            }
            (Self::Dated { .. }, Method::Responses) => "openai/responses".to_owned(),
            (Self::Dated { .. }, Method::Embeddings) => {
                format!("openai/deployments/{}/embeddings", segment(deployment)?)
            }
            (Self::Dated { .. }, Method::Models) => "openai/models".to_owned(),
            (Self::Inference { .. }, Method::Chat) => "models/chat/completions".to_owned(),
            (Self::Inference { .. }, Method::Embeddings) => "models/embeddings".to_owned(),
            (Self::Inference { .. }, Method::Responses) => return Err(missing("Responses API")),
            (Self::Inference { .. }, Method::Models) => return Err(missing("list of models")),
        })
    }

    /// What `api-version` says.
    pub(super) fn version(&self) -> Option<&str> {
        match self {
            Self::V1 { version } => version.as_deref(),
            Self::Dated { version } | Self::Inference { version } => Some(version),
        }
    }
}

/// A deployment's name, which stands alone between two slashes.
fn segment(deployment: &str) -> Result<&str, ChatError> {
    if deployment.is_empty() || deployment.contains('/') || matches!(deployment, "." | "..") {
        return Err(ChatError::new(ErrorKind::NotFound, "the model is not the name of a deployment"));
    }
    Ok(deployment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(base: &str, version: Option<&str>) -> (String, String) {
        let (root, surface) = place(base.parse().unwrap(), version).unwrap();
        (root.to_string(), surface.path(Method::Chat, "mine").unwrap())
    }

    #[test]
    fn an_address_is_taken_with_or_without_what_stands_below_the_resource() {
        let v1 = ("https://r.openai.azure.com/".to_owned(), "openai/v1/chat/completions".to_owned());
        for path in
            ["", "/", "/openai", "/openai/", "/openai/v1", "/openai/v1/", "/openai/deployments/x/chat/completions"]
        {
            assert_eq!(at(&format!("https://r.openai.azure.com{path}"), None), v1, "{path}");
        }
        let dated = at("https://r.openai.azure.com/openai/v1", Some("2024-10-21"));
        assert_eq!(dated.1, "openai/deployments/mine/chat/completions");
        let gateway = at("https://gateway.example/ai/openai/v1", None);
        assert_eq!(gateway, ("https://gateway.example/ai".to_owned(), v1.1));
        let (root, surface) = place("https://r.services.ai.azure.com/models".parse().unwrap(), None).unwrap();
        assert_eq!((root.as_str(), surface.version()), ("https://r.services.ai.azure.com/", Some(INFERENCE_VERSION)));
        assert_eq!(surface.path(Method::Chat, "grok").unwrap(), "models/chat/completions");
        assert_eq!(surface.path(Method::Models, "").unwrap_err().kind, ErrorKind::NotFound);
    }

    #[test]
    fn words_for_versions_stay_in_the_interface_without_dates() {
        for word in NO_DATES {
            let (_, surface) = place("https://r.openai.azure.com".parse().unwrap(), Some(word)).unwrap();
            assert_eq!(surface.version(), Some(word));
            assert_eq!(surface.path(Method::Responses, "m").unwrap(), "openai/v1/responses");
        }
    }

    #[test]
    fn a_name_that_is_no_deployment_leads_nowhere_else() {
        let (_, surface) = place("https://r.openai.azure.com".parse().unwrap(), Some("2024-10-21")).unwrap();
        for name in ["", "a/b", "..", "."] {
            assert_eq!(surface.path(Method::Chat, name).unwrap_err().kind, ErrorKind::NotFound, "{name:?}");
        }
    }
}
