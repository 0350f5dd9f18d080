//! An address, what goes with every request to it, and the one way in which a request begins.

use std::{collections::BTreeMap, sync::Arc};

use greenroom_wire::{ChatError, ErrorKind};
use reqwest::{
    Method, RequestBuilder,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use url::Url;

use crate::{
    Credential,
    transport::{Transport, is_loopback},
};

/// Where a server is.
#[derive(Debug)]
pub(crate) struct Endpoint {
    transport: Arc<Transport>,
    base: Url,
    headers: HeaderMap,
}

impl Endpoint {
    /// `headers` go with every request.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub(crate) fn new(
        transport: Arc<Transport>,
        base: Url,
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, ChatError> {
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            let header = (name.parse::<HeaderName>().ok()).zip(HeaderValue::from_str(value).ok());
            let (name, mut value) = header
                .ok_or_else(|| ChatError::new(ErrorKind::Config, format!("the header \"{name}\" can't be sent")))?;
            // A user's own header may well be a secret.
            value.set_sensitive(true);
            sent.insert(name, value);
        }
        Ok(Self { transport, base, headers: sent })
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// A request to a path below the address, with the key as a bearer token if there is one.
    ///
    /// # Errors
    /// `Config`: the HTTP client can't be set up, or the address can't have a path.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        credential: &Credential,
    ) -> Result<RequestBuilder, ChatError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| ChatError::new(ErrorKind::Config, "the base address can't have a path"))?
            .pop_if_empty()
            .extend(path.split('/'));
        let request = self.transport.client(&self.base)?.request(method, url).headers(self.headers.clone());
        Ok(match credential.expose() {
            Some(key) => request.bearer_auth(key),
            None => request,
        })
    }
}
