//! The one way to an endpoint for tokens.

use std::{sync::Arc, time::Duration};

use greenroom_wire::ChatError;
use reqwest::{Client, RequestBuilder, Response, header};
use secrecy::{ExposeSecret as _, zeroize::Zeroizing};
use url::{Url, form_urlencoded};

use super::{
    Issuer, SecretPlace, TokenError, TokenErrorKind,
    answer::{Answer, exposed, tokens},
    refusal::Grant,
    tokens::Tokens,
};
use crate::transport::{Transport, is_loopback, root_cause};

/// How long a request may take in all.
const LIMIT: Duration = Duration::from_secs(30);
/// Most bytes of an answer.
const MOST_BYTES: usize = 64 * 1024;

/// Sends requests to endpoints for tokens: in bounded time, with bounded answers, over TLS but on this machine, and
/// never after a redirect. How long a connection may take to stand is the transport's to say. Clones are cheap.
#[derive(Debug, Clone)]
pub struct TokenClient {
    transport: Arc<Transport>,
    limit: Duration,
}

impl TokenClient {
    /// A client over these connections, whose requests may take 30 s each.
    pub fn new(transport: Arc<Transport>) -> Self {
        Self { transport, limit: LIMIT }
    }

    /// With another limit for each request, from its start to the end of the answer.
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// The limit for each request.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Sends what `make` makes, and reads the answer whole.
    ///
    /// # Errors
    /// `Config`: the address isn't safe to send secrets to. `Network`: there was no whole answer in time. `Protocol`: the
    /// answer is longer than any that gives tokens.
    pub(crate) async fn send(
        &self,
        url: &Url,
        make: impl FnOnce(&Client, Url) -> RequestBuilder,
    ) -> Result<Answer, TokenError> {
        if url.scheme() != "https" && !is_loopback(url) {
            let message =
                "the address of the token endpoint is not https, so that others could read what is sent there";
            return Err(TokenError::new(TokenErrorKind::Config, message).with_hint("give it with https://"));
        }
        self.send_over(self.transport.client(url), url, make).await
    }

    /// The same to an address near by, for questions in which there is no secret: without TLS, and past every proxy,
    /// which would see what is answered.
    ///
    /// # Errors
    /// `Network` and `Protocol`, as [`send`](Self::send).
    pub(crate) async fn send_near(
        &self,
        url: &Url,
        make: impl FnOnce(&Client, Url) -> RequestBuilder,
    ) -> Result<Answer, TokenError> {
        self.send_over(self.transport.direct(), url, make).await
    }

    async fn send_over(
        &self,
        client: Result<Client, ChatError>,
        url: &Url,
        make: impl FnOnce(&Client, Url) -> RequestBuilder,
    ) -> Result<Answer, TokenError> {
        let client = client.map_err(|error| {
            TokenError::new(TokenErrorKind::Config, error.message.clone())
                .with_hint(error.details.hint.clone().unwrap_or_default())
                .with_source(error)
        })?;
        let request = make(&client, url.clone()).header(header::ACCEPT, "application/json");
        let exchange = async { read(request.send().await.map_err(|error| failure(url, error))?, url).await };
        match tokio::time::timeout(self.limit, exchange).await {
            Ok(answer) => answer,
            Err(_) => {
                let message = format!("{} did not answer within {:?}", place(url), self.limit);
                Err(TokenError::new(TokenErrorKind::Network, message))
            }
        }
    }

    /// Sends a form.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn post_form(&self, url: &Url, form: &[(&str, &str)]) -> Result<Answer, TokenError> {
        self.send(url, |client, url| with_form(client.post(url), form)).await
    }

    /// Sends a form for an issuer's client, with its id and secret.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn post_as(
        &self,
        issuer: &Issuer,
        url: &Url,
        form: &[(&str, &str)],
    ) -> Result<Answer, TokenError> {
        let mut form = form.to_vec();
        form.push(("client_id", &issuer.client_id));
        let secret = issuer.client_secret.as_ref().map(|secret| secret.expose_secret());
        match (secret, issuer.secret_place) {
            (Some(secret), SecretPlace::Body) => {
                form.push(("client_secret", secret));
                self.post_form(url, &form).await
            }
            (Some(secret), SecretPlace::Basic) => {
                let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let (id, secret) = (encoded(&issuer.client_id), Zeroizing::new(encoded(secret)));
                let basic = |client: &Client, url| client.post(url).basic_auth(&id, Some(secret.as_str()));
                self.send(url, |client, url| with_form(basic(client, url), &form)).await
            }
            (None, _) => self.post_form(url, &form).await,
        }
    }

    /// Sends a form for an issuer's client to where it gives tokens, and reads them. `secrets` are those in the form.
    ///
    /// # Errors
    /// As [`send`](Self::send), and whatever the endpoint refuses with.
    pub(crate) async fn ask_tokens(&self, ask: AskTokens<'_>) -> Result<Tokens, TokenError> {
        let answer = self.post_as(ask.issuer, &ask.issuer.token_url, ask.form).await?;
        let secrets = [ask.secrets, &exposed([ask.issuer.client_secret.as_ref()])].concat();
        let fields = answer.fields(ask.grant, &secrets)?;
        tokens(&fields, ask.issuer, ask.before, ask.now).map_err(|error| answer.with_details(error))
    }
}

impl From<Arc<Transport>> for TokenClient {
    fn from(transport: Arc<Transport>) -> Self {
        Self::new(transport)
    }
}

/// A question for tokens.
#[derive(Clone, Copy)]
pub(crate) struct AskTokens<'a> {
    /// Whom.
    pub(crate) issuer: &'a Issuer,
    /// With what.
    pub(crate) grant: Grant,
    /// The form, without the client's id and secret.
    pub(crate) form: &'a [(&'a str, &'a str)],
    /// What of the form must not be told.
    pub(crate) secrets: &'a [&'a str],
    /// The tokens that are refreshed.
    pub(crate) before: Option<&'a Tokens>,
    /// When it is asked; what expires is counted from here, so that it never seems good for longer than it is.
    pub(crate) now: std::time::SystemTime,
}

fn with_form(request: RequestBuilder, form: &[(&str, &str)]) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
}

async fn read(mut response: Response, url: &Url) -> Result<Answer, TokenError> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut answer = Answer {
        status: response.status().as_u16(),
        content_type: header("content-type").map(|kind| kind.to_ascii_lowercase()),
        date: header("date").and_then(|date| httpdate::parse_http_date(&date).ok()),
        retry_after: header("retry-after").and_then(|after| after.trim().parse().ok()).map(Duration::from_secs),
        flavor: header("metadata-flavor"),
        body: Vec::new(),
    };
    while let Some(bytes) = response.chunk().await.map_err(|error| failure(url, error))? {
        if answer.body.len() + bytes.len() > MOST_BYTES {
            let message = format!("{} answers with more than any tokens have", place(url));
            return Err(answer.with_details(TokenError::new(TokenErrorKind::Protocol, message)));
        }
        answer.body.extend_from_slice(&bytes);
    }
    Ok(answer)
}

/// An endpoint by its name alone: the rest of an address may hold what is nobody else's.
fn place(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "the token endpoint".to_owned(),
    }
}

fn failure(url: &Url, error: reqwest::Error) -> TokenError {
    let error = error.without_url();
    if error.is_builder() {
        return TokenError::new(TokenErrorKind::Config, "the request for tokens can't be made").with_source(error);
    }
    let message = match (error.is_timeout(), error.is_connect()) {
        (true, _) => format!("no connection to {} in time", place(url)),
        (_, true) => format!("can't connect to {}: {}", place(url), root_cause(&error)),
        _ => format!("the connection to {} broke before the end of the answer: {}", place(url), root_cause(&error)),
    };
    TokenError::new(TokenErrorKind::Network, message).with_source(error)
}
