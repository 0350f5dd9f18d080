//! The SDK's errors, as those of this project.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_bedrockruntime::{
    config::http::HttpResponse,
    error::SdkError,
    primitives::event_stream::{HeaderValue, Message},
};
use aws_smithy_types::event_stream::RawMessage;
use greenroom_wire::{ChatError, ErrorKind, bedrock::decode_exception};

use crate::transport::root_cause;

/// Why a request got no answer.
pub(super) fn of_request<E: Error + 'static>(error: SdkError<E, HttpResponse>) -> ChatError {
    if let Some(own) = find::<ChatError>(&error) {
        return own.clone();
    }
    if let Some(refused) = find::<CredentialsError>(&error) {
        return of_credentials(refused);
    }
    match &error {
        SdkError::TimeoutError(_) => ChatError::new(ErrorKind::Timeout, "the AWS credentials did not come in time"),
        SdkError::ConstructionFailure(_) => {
            let message = format!("the request can't be made: {}", root_cause(&error));
            ChatError::new(ErrorKind::Config, message)
        }
        SdkError::DispatchFailure(_) => {
            ChatError::new(ErrorKind::Network, format!("can't connect: {}", root_cause(&error)))
        }
        _ => ChatError::new(ErrorKind::Protocol, "the provider answered with something that can't be read"),
    }
}

/// Why a stream ended.
pub(super) fn of_stream<E: Error + 'static>(error: SdkError<E, RawMessage>) -> ChatError {
    if let Some(own) = find::<ChatError>(&error) {
        return own.clone();
    }
    let message = match error.raw_response() {
        Some(RawMessage::Decoded(message)) => Some(message),
        _ => None,
    };
    let told = |name| message.and_then(|message| header(message, name));
    match (told(":message-type"), message) {
        (Some("exception"), Some(message)) => {
            decode_exception(told(":exception-type").unwrap_or_default(), message.payload())
        }
        (Some("error"), _) => {
            let words = told(":error-message").unwrap_or_default();
            decode_exception(told(":error-code").unwrap_or_default(), words.as_bytes())
        }
        // What exactly is wrong with it the SDK says in words that may quote the answer.
        _ => ChatError::new(ErrorKind::Protocol, "the provider sent a frame that can't be read, or half of one"),
    }
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
    match header.value() {
        HeaderValue::String(text) => Some(text.as_str()),
        _ => None,
    }
}

fn of_credentials(error: &CredentialsError) -> ChatError {
    const HINT: &str = "run `aws sso login` or `aws configure`, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
                        or give the provider a Bedrock API key";
    let (kind, what) = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            return ChatError::new(ErrorKind::Auth, "no AWS credentials were found").with_hint(HINT);
        }
        CredentialsError::ProviderTimedOut(_) => (ErrorKind::Timeout, "the AWS credentials did not come in time"),
        CredentialsError::InvalidConfiguration(_) => (ErrorKind::Config, "the AWS configuration can't be used"),
        _ => (ErrorKind::Auth, "no AWS credentials could be had"),
    };
    ChatError::new(kind, format!("{what}: {}", root_cause(error))).with_hint(HINT)
}

/// The first cause of this type.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
