//! A call of a tool that an embedder added.
#![expect(deprecated, reason = "log messages are of the revisions that clients speak today")]

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer,
    model::{JsonObject, LoggingLevel, ProgressNotificationParam},
    service::{Peer, RequestContext},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::{arguments, log::Log};

/// A call: what it was made with, and its client.
#[derive(Debug)]
pub struct ToolCall {
    schema: Arc<JsonObject>,
    arguments: JsonObject,
    client: String,
    context: RequestContext<RoleServer>,
    log: Log,
}

impl ToolCall {
    pub(in super::super) fn new(
        schema: Arc<JsonObject>,
        arguments: JsonObject,
        client: String,
        context: RequestContext<RoleServer>,
        log: Log,
    ) -> Self {
        Self { schema, arguments, client, context, log }
    }

    /// Reads the arguments, strictly as the tool's schema says them at its top.
    ///
    /// # Errors
    /// A field is missing, unknown or of another type; the error names it.
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T, ErrorData> {
        arguments::read(&self.schema, self.arguments.clone())
    }

    /// Who calls: the name of a [client](crate::Clients), or `admin` for the owner.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Tells a client that asked to be told how far it is. `progress` has to grow.
    pub async fn progress(&self, progress: f64, total: Option<f64>, message: Option<String>) {
        let Some(token) = self.context.meta.get_progress_token() else { return };
        let mut told = ProgressNotificationParam::new(token, progress);
        (told.total, told.message) = (total, message);
        // A client that is gone is noticed by what drops the call.
        let _gone = self.peer().notify_progress(told).await;
    }

    /// Tells a client that asked for messages of this level what happens.
    pub async fn log(&self, level: LoggingLevel, logger: &str, data: Value) {
        self.log.tell(level, logger, data).await;
    }

    /// The client, to ask it for what it offers: its model, or the person before it.
    pub fn peer(&self) -> &Peer<RoleServer> {
        &self.context.peer
    }
}
