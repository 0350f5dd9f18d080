//! The models, from the control plane.
//!
//! That is another service with an SDK of its own, of which two lists alone are wanted. So they are asked for by a request
//! of this SDK, which is made another one before it is signed: both services are signed for alike.

use std::collections::HashSet;

use aws_sdk_bedrockruntime::{config::http::HttpRequest, primitives::Blob};
use aws_smithy_types::body::SdkBody;
use greenroom_wire::{
    ChatError,
    bedrock::{ModelEntry, decode_models, decode_profiles},
};
use url::Url;

use super::{Bedrock, error};
use crate::{Credential, Modalities, ModelInfo};

/// Most pages of inference profiles that are asked for; more than any list has.
const MOST_PAGES: usize = 20;
/// Most profiles on a page, the API's own bound.
const PAGE: &str = "1000";

impl Bedrock {
    pub(super) async fn list(&self, credential: &Credential) -> Result<Vec<ModelInfo>, ChatError> {
        let models = decode_models(&self.ask(credential, "foundation-models", &[]).await?)?;
        let mut all: Vec<ModelInfo> = Vec::new();
        let mut by_id: Vec<&ModelEntry> = models.iter().filter(|model| model.chats || model.embeds).collect();
        // The first one is the default, which has to be one that chats and is offered for new use.
        by_id.sort_by_key(|model| (!model.chats, !model.active));
        all.extend(by_id.iter().filter(|model| model.on_demand).map(|model| info(model.id.clone(), model)));
        let profiles = self.profiles(credential).await?;
        // A model that is asked by a profile alone is found first where nothing else chats.
        for (id, leads_to) in profiles {
            let known = by_id.iter().find(|model| leads_to.contains(&model.id));
            all.extend(known.map(|model| info(id, model)));
        }
        let mut seen = HashSet::new();
        all.retain(|model| seen.insert(model.id.clone()));
        let embeds = |info: &ModelInfo| by_id.iter().any(|model| !model.chats && info.id.ends_with(&model.id));
        all.sort_by_key(embeds);
        Ok(all)
    }

    async fn profiles(&self, credential: &Credential) -> Result<Vec<(String, Vec<String>)>, ChatError> {
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let query: Vec<_> =
                [("maxResults", PAGE)].into_iter().chain(next.as_deref().map(|next| ("nextToken", next))).collect();
            let page = decode_profiles(&self.ask(credential, "inference-profiles", &query).await?)?;
            all.extend(page.profiles);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(all)
    }

    /// Asks the control plane for one of its lists.
    async fn ask(&self, credential: &Credential, path: &str, query: &[(&str, &str)]) -> Result<Vec<u8>, ChatError> {
        let (client, _) = self.clients.whole(&self.endpoint, credential).await?;
        let own = self.with_headers()?;
        let (path, query) = (
            path.to_owned(),
            query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>(),
        );
        let instead = move |request: &mut HttpRequest| {
            own(request);
            let Some(url) = listed_at(request.uri(), &path, &query) else { return };
            for header in ["content-type", "content-length"] {
                request.headers_mut().remove(header);
            }
            *request.body_mut() = SdkBody::empty();
            let made = request.set_method("GET").and_then(|()| request.set_uri(url.as_str()));
            made.expect("a method and an address that were parsed are such");
        };
        // What is asked of which model does not matter: it is not what is sent.
        let asked = client.invoke_model().model_id("list").body(Blob::new([]));
        let answer = asked.customize().mutate_request(instead).send().await;
        Ok(answer.map_err(error::of_request)?.body.into_inner())
    }
}

/// Where a list is, by where a model is: the control plane of a region has its own host, and at an address of the user's
/// own it is beside the models.
fn listed_at(model: &str, path: &str, query: &[(String, String)]) -> Option<Url> {
    let mut url: Url = model.parse().ok()?;
    if let Some(rest) = url.host_str()?.strip_prefix("bedrock-runtime.").filter(|rest| rest.contains("amazonaws")) {
        let host = format!("bedrock.{rest}");
        url.set_host(Some(&host)).ok()?;
    }
    let before = url.path().rsplit_once("/model/")?.0.to_owned();
    url.set_path(&format!("{before}/{path}"));
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Some(url)
}

fn info(id: String, entry: &ModelEntry) -> ModelInfo {
    let takes = Modalities { images: Some(entry.takes_images), ..Modalities::default() };
    ModelInfo { name: entry.name.clone(), takes, ..ModelInfo::named(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_beside_the_models() {
        let at = |model: &str| {
            listed_at(model, "inference-profiles", &[("maxResults".into(), "9".into())]).unwrap().to_string()
        };
        let want = "https://bedrock.us-east-1.amazonaws.com/inference-profiles?maxResults=9";
        assert_eq!(at("https://bedrock-runtime.us-east-1.amazonaws.com/model/a/invoke"), want);
        let china = "https://bedrock.cn-north-1.amazonaws.com.cn/inference-profiles?maxResults=9";
        assert_eq!(at("https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/a/invoke"), china);
        assert_eq!(at("http://127.0.0.1:9/x/model/a/invoke"), "http://127.0.0.1:9/x/inference-profiles?maxResults=9");
    }
}
