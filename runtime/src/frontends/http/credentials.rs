//! `/api/credentials`: what lets in to providers. No secret comes out of any of it.

use std::{convert::Infallible, error::Error as _, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header::CACHE_CONTROL, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use futures::stream;
use greenroom_config::OAuthFlow;
use greenroom_wire::json::put_value;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{
    body,
    errors::json_response,
    sessions::{ApiError, read, read_or_default},
    site::{App, EndsWithServer},
};
use crate::{CredentialsError, ErrorKind, LoginStep, NewLogin};

/// Steps of a login that are not sent yet: there is one, and its end.
const STEPS: usize = 4;

/// The routes of credentials, which are the owner's.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/credentials", get(list))
        .route("/api/credentials/{provider}/{profile}", put(add).delete(remove))
        .route("/api/credentials/{provider}/{profile}/login", post(login))
        .route("/api/credentials/{provider}/{profile}/login/code", post(paste))
}

/// A provider and a profile of it.
type Own = Result<Path<(String, String)>, PathRejection>;

/// What a key is added with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    key: SecretString,
    #[serde(default)]
    verify: Option<bool>,
}

/// What a login is begun with.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    #[serde(default)]
    flow: Option<Flow>,
    #[serde(default)]
    client_id: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Flow {
    Pkce,
    Device,
}

/// What a person pasted: the address that the browser came to, or the code of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pasted {
    code: SecretString,
}

async fn list(State(app): State<Arc<App>>) -> Response {
    let credentials = app.runtime.credentials().list().await;
    json_response(StatusCode::OK, json!({"credentials": credentials}).to_string())
}

async fn add(State(app): State<Arc<App>>, own: Own, request: Request) -> Result<Response, ApiError> {
    let Add { key, verify } =
        read_unsaid(&app, request, "send {\"key\": …}, with \"verify\": false if it is not to be tried").await?;
    let (provider, profile) = named(own)?;
    let added = app.runtime.credentials().add(&provider, &profile, key, verify.unwrap_or(true)).await?;
    Ok(json_response(StatusCode::OK, json!(added).to_string()))
}

async fn remove(State(app): State<Arc<App>>, own: Own, request: Request) -> Result<Response, ApiError> {
    // Nothing in it matters.
    body::discard(request).await;
    let (provider, profile) = named(own)?;
    app.runtime.credentials().remove(&provider, &profile).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Answers with a line for each step of the login, and one for its end. Whoever leaves ends the login.
async fn login(State(app): State<Arc<App>>, own: Own, request: Request) -> Result<Response, ApiError> {
    let (_, Begin { flow, client_id }) = read_or_default(&app, request).await?;
    let (provider, profile) = named(own)?;
    let flow = flow.map(|flow| match flow {
        Flow::Pkce => OAuthFlow::Pkce,
        Flow::Device => OAuthFlow::Device,
    });
    let new = NewLogin { provider, profile, flow, client_id };
    let (tell, mut told) = mpsc::channel(STEPS);
    let credentials = app.runtime.credentials().clone();
    let draining = app.draining.clone();
    let running = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut step = |step| {
            // There is room for those that are sent; the others say nothing new.
            if matches!(step, LoginStep::Browser { .. } | LoginStep::Device { .. }) {
                let _full = tell.try_send(Line::Step(step));
            }
        };
        let outcome = tokio::select! {
            outcome = credentials.login(new, &mut step) => outcome.map(drop).map_err(ApiError::from),
            () = draining.cancelled() => Err(shutting_down()),
        };
        let _left = tell.send(Line::End(outcome)).await;
    }));
    // What can't even begin has a status of its own.
    let first = match told.recv().await {
        Some(Line::End(Err(error))) => return Err(error),
        Some(line) => line,
        None => return Err(shutting_down()),
    };
    let lines = stream::unfold((Some(first), told, running), |(next, mut told, running)| async move {
        let line = match next {
            Some(line) => line,
            None => told.recv().await?,
        };
        Some((Ok::<Bytes, Infallible>(line.into_bytes()), (None, told, running)))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(EndsWithServer);
    Ok(response)
}

async fn paste(State(app): State<Arc<App>>, own: Own, request: Request) -> Result<Response, ApiError> {
    let Pasted { code } = read_unsaid(&app, request, "send {\"code\": …}").await?;
    let (provider, profile) = named(own)?;
    app.runtime.credentials().paste(&provider, &profile, &code).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Reads a body that has a secret in it: what is wrong there is not repeated, since it may be the secret.
async fn read_unsaid<T: DeserializeOwned>(app: &App, request: Request, hint: &str) -> Result<T, ApiError> {
    match read(app, request).await {
        Ok((_, body)) => Ok(body),
        Err(ApiError::Told { status: StatusCode::BAD_REQUEST, .. }) => {
            let message = "the body is not what is asked for";
            Err(ApiError::told(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, message, hint))
        }
        Err(error) => Err(error),
    }
}

/// What can't be decoded is nobody's name.
fn named(own: Own) -> Result<(String, String), ApiError> {
    own.map(|Path(own)| own).map_err(|_| CredentialsError::BadProfile.into())
}

/// A line of a login, in the words of the protocol on standard input and output.
enum Line {
    Step(LoginStep),
    End(Result<(), ApiError>),
}

impl Line {
    fn into_bytes(self) -> Bytes {
        #[derive(Serialize)]
        struct Told<'a> {
            success: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            streaming: Option<bool>,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<&'a Value>,
        }
        let mut line = Vec::new();
        match self {
            Self::Step(step) => {
                let told = Told { success: true, streaming: Some(true), data: Some(step.told()), error: None };
                put_value(&mut line, &told);
            }
            Self::End(Ok(())) => {
                put_value(
                    &mut line,
                    &Told { success: true, streaming: None, data: Some(Value::Bool(true)), error: None },
                );
            }
            Self::End(Err(error)) => {
                let told = error.into_told().map(|told| json!(told)).unwrap_or_default();
                let error = json!({"code": told["kind"], "message": told["message"], "hint": told["hint"]});
                put_value(&mut line, &Told { success: false, streaming: None, data: None, error: Some(&error) });
            }
        }
        line.push(b'\n');
        line.into()
    }
}

fn shutting_down() -> ApiError {
    let (message, hint) = ("greenroom is shutting down", "log in once it is back");
    ApiError::told(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Overloaded, message, hint)
}

impl From<CredentialsError> for ApiError {
    fn from(error: CredentialsError) -> Self {
        use CredentialsError as E;

        let status = match &error {
            E::UnknownProvider { .. } | E::NotFound { .. } => StatusCode::NOT_FOUND,
            E::WantsNone { .. } | E::BadProfile | E::BadKey | E::NoLogin { .. } | E::Provider { .. } => {
                StatusCode::BAD_REQUEST
            }
            E::Written { .. } | E::Flow { .. } => StatusCode::CONFLICT,
            // It is well-formed, and its provider does not take it.
            E::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            E::Login(error) if error.is_transient() => StatusCode::BAD_GATEWAY,
            E::Login(_) => StatusCode::UNPROCESSABLE_ENTITY,
            E::NoPlace { .. } | E::NotKept(_) => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Self::told(status, error.kind(), message, error.hint())
    }
}
