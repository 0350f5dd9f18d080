//! Where a provider over HTTP is, and what every request to it carries.

use std::{collections::BTreeMap, sync::Arc};

use greenroom_wire::{ChatError, ChatRequest, ErrorKind};
use reqwest::{
    Client, Method, RequestBuilder,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use url::Url;

use crate::{
    Credential,
    drive::{DecodeError, ERROR_WAIT, WHOLE_BODY, read_bounded, read_error},
    scrub::scrub,
    transport::{Transport, is_loopback, send_failure},
};

/// An address with its pool of connections and its headers.
#[derive(Debug)]
pub(crate) struct Endpoint {
    transport: Arc<Transport>,
    base: Url,
    headers: HeaderMap,
}

impl Endpoint {
    /// An endpoint at `base`, to which the user's own `headers` go with every request.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub(crate) fn new(
        transport: Arc<Transport>,
        base: Url,
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, ChatError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let header = (name.parse::<HeaderName>().ok()).zip(HeaderValue::from_str(value).ok());
            let (name, mut value) = header
                .ok_or_else(|| ChatError::new(ErrorKind::Config, format!("the header \"{name}\" can't be sent")))?;
            // A user's own header may well be a secret.
            value.set_sensitive(true);
            map.insert(name, value);
        }
        Ok(Self { transport, base, headers: map })
    }

    /// With a header that the user's own may replace.
    #[must_use]
    pub(crate) fn with_default(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.entry(name).or_insert(HeaderValue::from_static(value));
        self
    }

    /// A header that goes with every request.
    pub(crate) fn header(&self, name: &str) -> Option<&HeaderValue> {
        self.headers.get(name)
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// Where requests with this credential go: a token may be good for another address than the configured one.
    pub(crate) fn base<'a>(&'a self, credential: &'a Credential) -> &'a Url {
        credential.base().unwrap_or(&self.base)
    }

    /// The user's own headers.
    #[cfg(feature = "bedrock")]
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The pool of connections.
    #[cfg(feature = "bedrock")]
    pub(crate) fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    /// A request to a path below the address, with the key or token as a bearer token if there is one.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub(crate) fn bearer(
        &self,
        method: Method,
        path: &str,
        credential: &Credential,
    ) -> Result<RequestBuilder, ChatError> {
        let request = self.request(|client, url| client.request(method, url), path, credential)?;
        Ok(match credential.expose() {
            Some(key) => request.bearer_auth(key),
            None => request,
        })
    }

    /// A request to a path below the address that the credential is good for. It is not signed.
    ///
    /// # Errors
    /// `Config`: the address can't have a path, or the client can't be set up.
    pub(crate) fn request(
        &self,
        make: impl FnOnce(Client, Url) -> RequestBuilder,
        path: &str,
        credential: &Credential,
    ) -> Result<RequestBuilder, ChatError> {
        let base = self.base(credential);
        let mut url = base.clone();
        url.path_segments_mut()
            .map_err(|()| ChatError::new(ErrorKind::Config, "the base address can't have a path"))?
            .pop_if_empty()
            .extend(path.split('/'));
        Ok(make(self.transport.client(base)?, url).headers(self.headers.clone()))
    }

    /// Sends a request whose response is read whole.
    ///
    /// # Errors
    /// What the provider said, by `decode`, or what the connection did.
    pub(crate) async fn fetch(
        &self,
        request: RequestBuilder,
        credential: &Credential,
        decode: &DecodeError<'_>,
    ) -> Result<Vec<u8>, ChatError> {
        let response = request.send().await.map_err(send_failure)?;
        if !response.status().is_success() {
            return Err(self.scrub(read_error(response, decode, ERROR_WAIT).await, credential, None));
        }
        read_bounded(response, WHOLE_BODY).await
    }

    /// Takes what is nobody else's out of what the provider says of a failure: the key, the user's own headers, the prompt.
    pub(crate) fn scrub(&self, error: ChatError, credential: &Credential, request: Option<&ChatRequest>) -> ChatError {
        let own = self.headers.values().filter(|value| value.is_sensitive());
        let own: Vec<&str> = own.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok()).collect();
        scrub(error, credential, &own, request)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::AccessToken;

    fn endpoint() -> Endpoint {
        let transport = Arc::new(Transport::new(Duration::from_secs(1)));
        Endpoint::new(transport, "http://127.0.0.1:9/v1".parse().unwrap(), &BTreeMap::new()).unwrap()
    }

    fn token(base: Option<&str>) -> Credential {
        let base = base.map(|base| base.parse().unwrap());
        Credential::Token(AccessToken { token: "a-token-4711".into(), account: None, base })
    }

    #[test]
    fn a_token_goes_as_a_bearer_token_to_the_address_that_it_is_good_for() {
        let of = |credential| endpoint().bearer(Method::GET, "models", &credential).unwrap().build().unwrap();
        let request = of(token(None));
        assert_eq!(request.headers()["authorization"], "Bearer a-token-4711");
        assert!(request.headers()["authorization"].is_sensitive());
        assert_eq!(request.url().as_str(), "http://127.0.0.1:9/v1/models");
        let request = of(token(Some("http://127.0.0.1:8/other/")));
        assert_eq!(request.headers()["authorization"], "Bearer a-token-4711");
        assert_eq!(request.url().as_str(), "http://127.0.0.1:8/other/models");
    }
}
