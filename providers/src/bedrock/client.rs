//! The SDK's clients, one for each request: they share credentials, and the transport all connections.

use std::sync::Arc;

use aws_config::{
    default_provider::credentials::DefaultCredentialsChain, meta::region::ProvideRegion as _,
    profile::ProfileFileRegionProvider, provider_config::ProviderConfig,
};
use aws_sdk_bedrockruntime::{
    Client, Config,
    config::{
        BehaviorVersion, IdentityCache, Region, SharedCredentialsProvider, SharedIdentityCache,
        StalledStreamProtectionConfig, Token, http::HttpRequest, retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use greenroom_wire::{ChatError, ErrorKind};
use tokio::sync::OnceCell;
use url::Url;

use super::{
    Bedrock,
    connector::{Connector, Reading, Seen},
};
use crate::{Credential, endpoint::Endpoint};

/// What a request with a key is made for where no region is known: at an address of the user's own the region is said
/// nowhere.
const ANY_REGION: &str = "us-east-1";

/// What the SDK's clients are made from. What is read from AWS's files is read at the first request that needs it.
#[derive(Debug)]
pub(super) struct Clients {
    base: Option<Url>,
    region: Option<String>,
    profile: Option<String>,
    of_profile: OnceCell<Option<Region>>,
    chain: OnceCell<SharedCredentialsProvider>,
    identities: SharedIdentityCache,
}

impl Clients {
    pub(super) fn new(base: Option<Url>, region: Option<String>, profile: Option<String>) -> Self {
        let identities = IdentityCache::lazy().build();
        Self { base, region, profile, of_profile: OnceCell::new(), chain: OnceCell::new(), identities }
    }

    /// A client for one request whose answer is a stream, and what is seen of that answer.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub(super) async fn streaming(
        &self,
        endpoint: &Endpoint,
        credential: &Credential,
    ) -> Result<(Client, Arc<Seen>), ChatError> {
        self.client(endpoint, credential, Reading::Stream).await
    }

    /// A client for one request whose answer comes whole, and what is seen of that answer.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub(super) async fn whole(
        &self,
        endpoint: &Endpoint,
        credential: &Credential,
    ) -> Result<(Client, Arc<Seen>), ChatError> {
        self.client(endpoint, credential, Reading::Whole).await
    }

    /// # Errors
    /// `Config`: no region is known.
    async fn client(
        &self,
        endpoint: &Endpoint,
        credential: &Credential,
        reading: Reading,
    ) -> Result<(Client, Arc<Seen>), ChatError> {
        let base = credential.base().or(self.base.as_ref());
        let key = credential.expose();
        let region = match self.region().await {
            Some(region) => region,
            None if base.is_some() && key.is_some() => Region::from_static(ANY_REGION),
            None => {
                let hint = "set region = \"us-east-1\" for the provider, or another, or the variable AWS_REGION";
                return Err(ChatError::new(ErrorKind::Config, "no AWS region is known").with_hint(hint));
            }
        };
        let seen = Arc::new(Seen::default());
        let transport = endpoint.transport();
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Connector::new(Arc::clone(transport), Arc::clone(&seen), reading))
            .identity_cache(self.identities.clone())
            // Whether to try again, and how long to wait, is decided elsewhere.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(base) = base {
            config = config.endpoint_url(base.as_str());
        }
        config = match key {
            Some(key) => config.bearer_token(Token::new(key, None)),
            None => {
                let chain = self.chain.get_or_init(|| self.load_chain(endpoint, &region)).await;
                config.credentials_provider(chain.clone())
            }
        };
        Ok((Client::from_conf(config.region(region).build()), seen))
    }

    /// What was written, or what the AWS profile says.
    async fn region(&self) -> Option<Region> {
        if let Some(region) = &self.region {
            return Some(Region::new(region.clone()));
        }
        let read = || async {
            let mut provider = ProfileFileRegionProvider::builder();
            if let Some(profile) = &self.profile {
                provider = provider.profile_name(profile);
            }
            provider.build().region().await
        };
        self.of_profile.get_or_init(read).await.clone()
    }

    async fn load_chain(&self, endpoint: &Endpoint, region: &Region) -> SharedCredentialsProvider {
        let connector = Connector::for_credentials(Arc::clone(endpoint.transport()));
        let config = ProviderConfig::without_region().with_http_client(connector);
        let mut chain = DefaultCredentialsChain::builder().configure(config).region(region.clone());
        if let Some(profile) = &self.profile {
            chain = chain.profile_name(profile);
        }
        SharedCredentialsProvider::new(chain.build().await)
    }
}

impl Bedrock {
    /// Puts a body in the place of the SDK's own, and adds the user's headers, before a request is signed.
    ///
    /// # Errors
    /// `Config`: a header that is no text.
    pub(super) fn sent(&self, body: Vec<u8>) -> Result<impl Fn(&mut HttpRequest) + Send + Sync + 'static, ChatError> {
        let (body, headers) = (Bytes::from(body), self.own_headers()?);
        Ok(move |request: &mut HttpRequest| {
            put(request, "content-length", &body.len().to_string());
            *request.body_mut() = SdkBody::from(body.clone());
            headers.iter().for_each(|(name, value)| put(request, name, value));
        })
    }

    /// Adds the user's headers before a request is signed.
    ///
    /// # Errors
    /// `Config`: a header that is no text.
    pub(super) fn with_headers(&self) -> Result<impl Fn(&mut HttpRequest) + Send + Sync + 'static, ChatError> {
        let headers = self.own_headers()?;
        Ok(move |request: &mut HttpRequest| headers.iter().for_each(|(name, value)| put(request, name, value)))
    }

    fn own_headers(&self) -> Result<Vec<(String, String)>, ChatError> {
        let text = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            let value = value.to_str().map_err(|_| {
                ChatError::new(ErrorKind::Config, format!("the header \"{name}\" can't be signed"))
                    .with_hint("letters, digits and signs of ASCII can be")
            });
            Ok((name.as_str().to_owned(), value?.to_owned()))
        };
        self.endpoint.headers().iter().map(text).collect()
    }
}

/// Sets a header that was checked to be one.
pub(super) fn put(request: &mut HttpRequest, name: &str, value: &str) {
    if request.headers_mut().try_insert(name.to_owned(), value.to_owned()).is_err() {
        tracing::debug!(name, "a header was left out of a request, since the SDK refuses it");
    }
}
